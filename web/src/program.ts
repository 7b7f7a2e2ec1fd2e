// A file becomes a program in memory: first in as little memory as loading and planning take, then in what the plan says.
// Layout: the module's own data and stack, stacks of workers, the file, what gfw_create lays out.
import type { LoadOptions, MemoryInfo } from './api.js';
import { fail } from './errors.js';
import { Instance, PAGE, STACK, align, compile, hasThreads, list, makeMemory } from './module.js';
import { Pool, canThread } from './threads.js';

export interface Opened {
  readonly instance: Instance;
  /** Where the file lies in the memory. */
  readonly fileAt: number;
  /** undefined: one thread. */
  readonly pool: Pool | undefined;
  readonly threads: number;
  readonly threadsReason: string;
  readonly memory: MemoryInfo;
  readonly entries: readonly string[];
  /** Numbers of the entries, in the order of the sessions made. */
  readonly ready: readonly number[];
}

/** Chooses, from the names of all entries, those to make ready. */
export type Choose = (entries: readonly string[]) => readonly string[];

export async function open(file: Uint8Array, options: LoadOptions, choose: Choose): Promise<Opened> {
  if (file.length === 0) fail('BAD_FILE', 'the file is empty, or its buffer was transferred');
  const wanted = options.threads ?? 'auto';
  if (wanted !== 'auto' && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= 64)) fail('INVALID_ARGUMENT', `threads is 'auto' or 1 to 64, not ${wanted}`);
  const { threads, reason, module } = await canThread(wanted, options);
  if (threads > 1) {
    const opened = await inThreads(module!, file, options, choose, threads);
    if (typeof opened !== 'string') return opened;
    return alone(file, options, choose, opened);
  }
  return alone(file, options, choose, reason);
}

/** Bytes in front of the file. */
function baseOf(instance: Instance, threads: number): number {
  const tls = Number(instance.x.__tls_size?.value ?? 0);
  return align(Number(instance.x.__heap_base.value)) + (threads - 1) * (STACK + align(tls));
}

interface Plan {
  readonly at: number;       // of the file
  readonly memory: number;   // for gfw_create
  readonly total: number;
  readonly ready: readonly number[];
  readonly entries: readonly string[];
}

/** Puts the file in and plans; `room` makes the memory as large as it is told, or gives up. */
function plan(instance: Instance, file: Uint8Array, options: LoadOptions, choose: Choose, threads: number, room: (bytes: number) => void): Plan {
  const at = baseOf(instance, threads), memory = align(at + file.length);
  room(memory);
  instance.u8(at, file.length).set(file);
  instance.check(instance.x.gfw_load(at, file.length, options.verify ? 1 : 0));
  const work = instance.x.gfw_work_bytes();
  room(memory + work);
  const entries = list(instance.x.gfw_entry_count(), (e) => instance.text(instance.x.gfw_entry_name(e)));
  const ready = choose(entries).map((name) => {
    const e = entries.indexOf(name);
    return e >= 0 ? e : fail('NOT_FOUND', `there is no entry '${name}'; there are: ${entries.join(', ')}`);
  });
  const pool = options.poolBytes ?? 2 ** 24;
  for (const e of ready) instance.check(instance.x.gfw_plan(e, threads, options.strict ? 1 : 0, pool, memory, work), `entry '${entries[e]}'`);
  return { at, memory, total: memory + instance.f64(instance.x.gfw_needs() + 64), ready, entries };
}

function finish(instance: Instance, p: Plan, file: Uint8Array, pool: Pool | undefined, threads: number, threadsReason: string): Opened {
  instance.check(instance.x.gfw_create(p.memory, p.total - p.memory));
  const need = instance.x.gfw_needs(), part = (i: number) => instance.f64(need + 8 * i);
  const [weights, state, activations, scratch, poolBytes] = [part(0), part(1), part(3), part(4), part(5)];
  const memory = {
    total: instance.bytes, file: file.length, weights, state, activations, scratch, pool: poolBytes,
    runtime: instance.bytes - file.length - weights - state - activations - scratch - poolBytes,
  };
  return { instance, fileAt: p.at, pool, threads, threadsReason, memory, entries: p.entries, ready: p.ready };
}

async function alone(file: Uint8Array, options: LoadOptions, choose: Choose, reason: string): Promise<Opened> {
  const module = await compile(false, options);
  if (hasThreads(module)) fail('INVALID_ARGUMENT', `wasmBinary is the module with threads, but ${reason || 'one was asked for'}`);
  const instance = await Instance.make(module, makeMemory(0, false));
  const p = plan(instance, file, options, choose, 1, (bytes) => instance.grow(bytes));
  instance.grow(p.total);
  return finish(instance, p, file, undefined, 1, reason);
}

class Short extends Error {
  constructor(readonly bytes: number) {
    super();
  }
}

/** Shared memory has its size for good: every attempt tells how much the next one needs, and the last is exact. A string: why not. */
async function inThreads(module: WebAssembly.Module, file: Uint8Array, options: LoadOptions, choose: Choose, threads: number): Promise<Opened | string> {
  for (let bytes = file.length + PAGE * 16; ;) {
    const memory = makeMemory(bytes, true);
    const instance = await Instance.make(module, memory);
    try {
      const room = (needed: number) => {
        if (needed > memory.buffer.byteLength) throw new Short(needed);
      };
      const p = plan(instance, file, options, choose, threads, room);
      if (Math.ceil(p.total / PAGE) * PAGE !== memory.buffer.byteLength && bytes !== p.total) throw new Short(p.total);
      const pool = await Pool.start(instance, threads);
      if (typeof pool === 'string') return pool;
      try {
        return finish(instance, p, file, pool, threads, '');
      } catch (e) {
        pool.stop();
        throw e;
      }
    } catch (e) {
      if (!(e instanceof Short)) throw e;
      bytes = e.bytes;
    }
  }
}
