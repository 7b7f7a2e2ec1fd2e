// Browsers, and their workers.
import { fail } from './errors.js';
import type { OnError, OnMessage, Peer, Platform } from './platform.js';

declare const self: any;

export const platform: Platform = {
  // written out, because bundlers look for just this
  moduleUrl: (threads) => (threads ? new URL('./gf-threads.wasm', import.meta.url) : new URL('./gf.wasm', import.meta.url)),
  autoThreads: () => Math.min(4, navigator.hardwareConcurrency || 1),
  noThreads: () =>
    globalThis.crossOriginIsolated !== true ? 'the page is not cross-origin isolated (headers COOP and COEP)'
      : typeof SharedArrayBuffer === 'undefined' ? 'there is no SharedArrayBuffer here'
        : typeof Worker === 'undefined' ? 'there are no workers here' : '',
  startThread: (onMessage, onError) => peerOf(new Worker(new URL('./thread.js', import.meta.url), { type: 'module' }), onMessage, onError),
  absolute: (url) => new URL(url, globalThis.document?.baseURI ?? self.location.href).href,
  file: () => undefined,
  async sha256(bytes) {
    if (globalThis.crypto?.subtle === undefined) fail('UNSUPPORTED', 'integrity needs a secure context (https or localhost)');
    return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  },
};

export function peerOf(worker: Worker, onMessage: OnMessage, onError: OnError): Peer {
  worker.onmessage = (e) => onMessage(e.data);
  worker.onerror = (e) => onError(e.message || 'the script did not load');
  return { post: (message, transfer = []) => worker.postMessage(message, transfer), terminate: () => worker.terminate() };
}
