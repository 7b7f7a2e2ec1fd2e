// Node 18 and later. Workers do not keep a process alive that has nothing else to do.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Worker, parentPort } from 'node:worker_threads';
import type { Platform } from './platform.js';

/** A path that is no URL is a file. ('C:\x' reads as a URL with a scheme of one letter.) */
function asUrl(url: string | URL): URL {
  return url instanceof URL ? url : /^[a-z][a-z0-9+.-]+:/i.test(url) ? new URL(url) : pathToFileURL(url);
}

export const platform: Platform = {
  moduleUrl: (threads) => (threads ? new URL('../gf-threads.wasm', import.meta.url) : new URL('../gf.wasm', import.meta.url)),
  autoThreads: () => Math.min(4, cpus().length || 1),
  noThreads: () => '',
  start(script, onMessage, onError) {
    const worker = new Worker(script === 'thread' ? new URL('./thread.js', import.meta.url) : new URL('./remote.js', import.meta.url));
    let ended = false;
    // what waits for an answer keeps the process alive; a thread that waits for work does not
    if (script === 'thread') worker.unref();
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', () => ended || onError('the worker ended'));
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer),
      terminate: () => {
        ended = true;
        void worker.terminate();
      },
    };
  },
  absolute: (url) => asUrl(url).href,
  file: (url, signal) => (url.startsWith('file:') ? readFile(new URL(url), { signal }) : undefined),
  sha256: async (bytes) => createHash('sha256').update(bytes).digest(),
  serve(onMessage) {
    parentPort!.on('message', onMessage);
    return (message, transfer = []) => parentPort!.postMessage(message, transfer);
  },
};
