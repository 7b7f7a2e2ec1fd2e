// What differs between a browser and Node. Each of `#platform`, `#remote` and `#serve` is two files, of which the build takes
// one. They are apart because bundlers follow a `new Worker(new URL(...))` wherever it stands: a script that a worker runs must not
// contain the line that starts it.

/** A worker, seen from its maker. */
export interface Peer {
  post(message: unknown, transfer?: ArrayBuffer[]): void;
  /** Whether it keeps the process alive (Node). */
  hold?(on: boolean): void;
  terminate(): void;
}
export type OnMessage = (message: any) => void;
/** It failed, or ended by itself. */
export type OnError = (error: unknown) => void;

export interface Platform {
  /** Of gf.wasm or gf-threads.wasm beside this script. */
  moduleUrl(threads: boolean): URL;
  /** Threads that 'auto' takes. */
  autoThreads(): number;
  /** Why there cannot be threads; '' when there can. */
  noThreads(): string;
  /** Starts `thread.ts`. */
  startThread(onMessage: OnMessage, onError: OnError): Peer;
  /** Absolute, for use in a worker. */
  absolute(url: string | URL): string;
  /** The bytes of a file: URL, where there are files; undefined for any other URL. */
  file(url: string, signal?: AbortSignal): Promise<Uint8Array> | undefined;
  sha256(bytes: Uint8Array): Promise<Uint8Array>;
}
