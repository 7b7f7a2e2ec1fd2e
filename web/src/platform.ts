// What differs between a browser and Node. `platform-web.ts` and `platform-node.ts` implement it; the build links one.

/** A worker, seen from its maker. */
export interface Peer {
  post(message: unknown, transfer?: ArrayBuffer[]): void;
  terminate(): void;
}
export interface Platform {
  /** Of gf.wasm or gf-threads.wasm beside this script. */
  moduleUrl(threads: boolean): URL;
  /** Threads that 'auto' takes. */
  autoThreads(): number;
  /** Why there cannot be threads; '' when there can. */
  noThreads(): string;
  /** Starts `thread.ts` or `remote.ts`. `onError`: it failed or ended by itself. */
  start(script: 'thread' | 'remote', onMessage: (message: any) => void, onError: (error: unknown) => void): Peer;
  /** Absolute, for use in a worker. */
  absolute(url: string | URL): string;
  /** The bytes of a file: URL, where there are files; undefined for any other URL. */
  file(url: string, signal?: AbortSignal): Promise<Uint8Array> | undefined;
  sha256(bytes: Uint8Array): Promise<Uint8Array>;
  /** Of a worker: messages from its maker, and back. */
  serve(onMessage: (message: any) => void): (message: unknown, transfer?: ArrayBuffer[]) => void;
}
