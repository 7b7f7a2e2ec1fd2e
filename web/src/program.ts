// A file becomes a program in memory: loaded, planned and packed in as little as that takes, then moved where that saves some.
// Layout: the module's own data and stack, stacks of workers, the file (as much of it as is read later), packed weights, what
// gfw_create lays out.
import type { LoadOptions, MemoryInfo } from './api.js';
import { fail, noEntry } from './errors.js';
import { Instance, PAGE, STACK, align, compile, hasThreads, list, makeMemory } from './module.js';
import { Pool, canThread } from './threads.js';

export interface Opened {
  readonly instance: Instance;
  /** Where the file lies in the memory. */
  readonly fileAt: number;
  /** All of it. */
  readonly whole: boolean;
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

/** Where the file lies: behind the module's data and the stacks of workers. */
function baseOf(instance: Instance, threads: number): number {
  const tls = Number(instance.x.__tls_size?.value ?? 0);
  return align(Number(instance.x.__heap_base.value)) + (threads - 1) * (STACK + align(tls));
}

interface Plan {
  readonly base: number;
  /** Bytes of the file that are still read once weights are packed. */
  readonly kept: number;
  /** Where the packed weights lie, and how many bytes they are. */
  readonly at: number;
  readonly weights: number;
  /** Weights and all that gfw_create lays out. */
  readonly total: number;
  readonly ready: readonly number[];
  readonly entries: readonly string[];
}

/** Loads, plans and packs; `room` makes the memory as large as it is told, or gives up. */
function plan(instance: Instance, file: Uint8Array, options: LoadOptions, choose: Choose, threads: number, room: (bytes: number) => void): Plan {
  const { x } = instance, base = baseOf(instance, threads), at = align(base + file.length);
  room(at);
  instance.u8(base, file.length).set(file);
  instance.check(x.gfw_load(base, file.length, options.verify ? 1 : 0));
  const work = x.gfw_work_bytes();
  room(at + work);
  const entries = list(x.gfw_entry_count(), (e) => instance.text(x.gfw_entry_name(e)));
  const ready = choose(entries).map((name) => {
    const e = entries.indexOf(name);
    return e >= 0 ? e : noEntry(entries, name);
  });
  const pool = options.poolBytes ?? 2 ** 24;
  for (const e of ready) instance.check(x.gfw_plan(e, threads, options.strict ? 1 : 0, pool, at, work), `entry '${entries[e]}'`);
  const weights = need(instance, WEIGHTS), total = need(instance, TOTAL), free = at + weights;
  room(at + total);
  instance.check(x.gfw_pack(at, weights, free, need(instance, SETUP)));
  const kept = options.keepFile ? 0 : x.gfw_packed_tail(free, work);
  return { base, kept: kept > 0 && kept < file.length ? kept : file.length, at, weights, total, ready, entries };
}

/** Numbers of NeedsRecord (web/module/exports.h). */
const WEIGHTS = 0, STATE = 1, ACTIVATIONS = 3, SCRATCH = 4, POOL = 5, SETUP = 6, TOTAL = 8;
const need = (instance: Instance, what: number) => instance.f64(instance.x.gfw_needs() + 8 * what);

/** The program in a memory of exactly its size, without what of the file nobody reads any more. */
async function move(from: Instance, p: Plan, shared: boolean): Promise<Instance> {
  const at = align(p.base + p.kept);
  const to = await Instance.make(from.module, makeMemory(at + p.total, shared), true);
  to.u8(0, p.base + p.kept).set(from.u8(0, p.base + p.kept));
  to.u8(at, p.weights).set(from.u8(p.at, p.weights));
  to.check(to.x.gfw_weights_moved(at));
  return to;
}

function finish(instance: Instance, options: LoadOptions, p: Plan, at: number, file: number, pool: Pool | undefined, threads: number, threadsReason: string): Opened {
  instance.check(instance.x.gfw_create(at + p.weights, p.total - p.weights));
  const [state, activations, scratch, inPool] = [STATE, ACTIVATIONS, SCRATCH, POOL].map((what) => need(instance, what)) as [number, number, number, number];
  const { weights } = p, total = instance.bytes;
  const memory = { total, file, weights, state, activations, scratch, pool: inPool, runtime: total - file - weights - state - activations - scratch - inPool };
  return { instance, fileAt: p.base, whole: options.keepFile === true, pool, threads, threadsReason, memory, entries: p.entries, ready: p.ready };
}

async function alone(file: Uint8Array, options: LoadOptions, choose: Choose, reason: string): Promise<Opened> {
  const module = await compile(false, options);
  if (hasThreads(module)) fail('INVALID_ARGUMENT', `wasmBinary is the module with threads, but ${reason || 'one was asked for'}`);
  const instance = await Instance.make(module, makeMemory(0, false));
  const p = plan(instance, file, options, choose, 1, (bytes) => instance.grow(bytes));
  // a second memory only where it saves some
  if (file.length - p.kept < PAGE) return finish(instance, options, p, p.at, file.length, undefined, 1, reason);
  return finish(await move(instance, p, false), options, p, align(p.base + p.kept), p.kept, undefined, 1, reason);
}

/** Shared memory has its size for good: planning takes place in one that is large enough, then all moves. A string: why not. */
async function inThreads(module: WebAssembly.Module, file: Uint8Array, options: LoadOptions, choose: Choose, threads: number): Promise<Opened | string> {
  for (let bytes = 3 * file.length + 64 * PAGE; ;) {
    const trial = await Instance.make(module, makeMemory(bytes, true));
    let p: Plan;
    try {
      p = plan(trial, file, options, choose, threads, (needed) => {
        if (needed > trial.bytes) throw needed;
      });
    } catch (e) {
      if (typeof e !== 'number') throw e;
      bytes = e;  // thrown by room
      continue;
    }
    const instance = await move(trial, p, true);
    const pool = await Pool.start(instance, threads);
    if (typeof pool === 'string') return pool;
    try {
      return finish(instance, options, p, align(p.base + p.kept), p.kept, pool, threads, '');
    } catch (e) {
      pool.stop();
      throw e;
    }
  }
}
