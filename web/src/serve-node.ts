// In a worker of Node: messages from its maker, and back.
import { parentPort } from 'node:worker_threads';
import type { OnMessage } from './platform.js';

export function serve(onMessage: OnMessage): (message: unknown, transfer?: ArrayBuffer[]) => void {
  parentPort!.on('message', onMessage);
  return (message, transfer = []) => parentPort!.postMessage(message, transfer);
}
