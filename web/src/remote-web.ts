// Starts the worker of ghostflow/worker in a browser.
import type { OnError, OnMessage, Peer } from './platform.js';
import { peerOf } from './platform-web.js';

export const startRemote = (onMessage: OnMessage, onError: OnError): Peer => peerOf(new Worker(new URL('./remote.js', import.meta.url), { type: 'module' }), onMessage, onError);
