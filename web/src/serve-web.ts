// In a browser's worker: messages from its maker, and back.
import type { OnMessage } from './platform.js';

declare const self: any;

export function serve(onMessage: OnMessage): (message: unknown, transfer?: ArrayBuffer[]) => void {
  self.onmessage = (e: MessageEvent) => onMessage(e.data);
  return (message, transfer = []) => self.postMessage(message, transfer);
}
