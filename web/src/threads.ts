// Threads of a session: workers that run the same module over the same memory and wait for work inside it.
import { platform } from '#platform';
import type { LoadOptions } from './api.js';
import { textOf } from './errors.js';
import { type Instance, STACK, align, compile, hasThreads } from './module.js';
import type { Peer } from './platform.js';

export interface ThreadStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly index: number;
  readonly stack: number;
  readonly tls: number;
}

interface Choice {
  readonly threads: number;
  readonly reason: string;
  readonly module?: WebAssembly.Module;
}

/** How many threads there will be, and with which module; one, and why, where there can be no more. */
export async function canThread(wanted: 'auto' | number, options: LoadOptions): Promise<Choice> {
  const threads = wanted === 'auto' ? platform.autoThreads() : wanted;
  if (threads === 1) return { threads, reason: wanted === 'auto' ? 'there is one processor' : '' };
  const reason = platform.noThreads();
  if (reason !== '') return { threads: 1, reason };
  if (options.wasmPath !== undefined && !String(options.wasmPath).endsWith('/') && !String(options.wasmPath).includes('threads'))
    return { threads: 1, reason: 'wasmPath names the module without threads' };
  try {
    const module = await compile(true, options);
    return hasThreads(module) ? { threads, reason, module } : { threads: 1, reason: 'the module given has no threads' };
  } catch (e) {
    return { threads: 1, reason: `the module with threads cannot be used: ${textOf(e)}` };
  }
}

const PATIENCE_MS = 10000;

/** Whether this thread may sleep until another wakes it. A page's own may not. */
function maySleep(memory: WebAssembly.Memory): boolean {
  try {
    Atomics.wait(new Int32Array(memory.buffer), 0, 0, 0);
    return true;
  } catch {
    return false;
  }
}

export class Pool {
  private constructor(readonly instance: Instance, readonly peers: Peer[]) {}

  /** Starts `threads` - 1 workers and waits until all wait for work. A string: why that did not come about. */
  static async start(instance: Instance, threads: number): Promise<Pool | string> {
    const peers: Peer[] = [];
    const pool = new Pool(instance, peers);
    let failed = '';
    try {
      const tls = Number(instance.x.__tls_size?.value ?? 0), each = STACK + align(tls);
      const first = align(Number(instance.x.__heap_base.value));
      for (let index = 1; index < threads; ++index) {
        const stack = first + (index - 1) * each;
        const peer = platform.startThread((text: string) => (failed ||= text), (e) => (failed ||= textOf(e)));
        peers.push(peer);
        peer.post({ module: instance.module, memory: instance.memory, index, stack: stack + STACK, tls: stack + STACK } satisfies ThreadStart);
      }
      const end = performance.now() + PATIENCE_MS;
      while (failed === '' && instance.x.gfw_workers_waiting!() !== threads - 1) {
        if (performance.now() > end) failed = 'they did not start in time';
        await new Promise((done) => setTimeout(done, 1));
      }
    } catch (e) {
      failed ||= textOf(e);
    }
    if (failed === '') {
      instance.x.gfw_caller_may_sleep!(maySleep(instance.memory) ? 1 : 0);
      return pool;
    }
    pool.stop();
    return `workers could not be started: ${failed}`;
  }

  stop(): void {
    try {
      this.instance.x.gfw_stop!();
    } catch {
      // after a trap nothing can be called; the workers end all the same
    }
    for (const peer of this.peers.splice(0)) peer.terminate();
  }
}
