// Starts the worker of ghostflow/worker under Node.
import { Worker } from 'node:worker_threads';
import type { OnError, OnMessage, Peer } from './platform.js';
import { peerOf } from './platform-node.js';

export const startRemote = (onMessage: OnMessage, onError: OnError): Peer => peerOf(new Worker(new URL('./remote.js', import.meta.url)), onMessage, onError);
