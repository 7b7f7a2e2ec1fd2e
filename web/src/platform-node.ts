// Node 18 and later. Workers do not keep a process alive that has nothing else to do.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { OnError, OnMessage, Peer, Platform } from './platform.js';

/** A path that is no URL is a file. ('C:\x' reads as a URL with a scheme of one letter.) */
function asUrl(url: string | URL): URL {
  return url instanceof URL ? url : /^[a-z][a-z0-9+.-]+:/i.test(url) ? new URL(url) : pathToFileURL(url);
}

export const platform: Platform = {
  moduleUrl: (threads) => (threads ? new URL('../gf-threads.wasm', import.meta.url) : new URL('../gf.wasm', import.meta.url)),
  autoThreads: () => Math.min(4, cpus().length || 1),
  noThreads: () => '',
  startThread: (onMessage, onError) => peerOf(new Worker(new URL('./thread.js', import.meta.url)), onMessage, onError),
  absolute: (url) => asUrl(url).href,
  file: (url, signal) => (url.startsWith('file:') ? readFile(new URL(url), { signal }) : undefined),
  sha256: async (bytes) => createHash('sha256').update(bytes).digest(),
};

export function peerOf(worker: Worker, onMessage: OnMessage, onError: OnError): Peer {
  let ended = false;
  worker.on('message', onMessage);
  worker.on('error', onError);
  worker.on('exit', () => ended || onError('the worker ended'));
  worker.unref();  // after the listeners, which would undo it
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    hold: (on) => (on ? worker.ref() : worker.unref()),
    terminate: () => {
      ended = true;
      void worker.terminate();
    },
  };
}
