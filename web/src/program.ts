// A file becomes a program in memory: loaded and planned in one instance, then, where that saves memory or time, packed and run in a
// second one that has the little of the file that is read later; the constants to pack come piece by piece. What is never written costs
// no memory, so of a large file the first instance gets only what planning looks at.
// Layout: the module's own data and stack, stacks of workers, the file, packed weights, what gfw_create lays out.
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
  if (file.length === 0) noBytes();
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

const noBytes = () => fail('BAD_FILE', 'the file is empty, or its buffer was transferred');

/** Where the file lies: behind the module's data and the stacks of workers. */
function baseOf(instance: Instance, threads: number): number {
  const tls = Number(instance.x.__tls_size?.value ?? 0);
  return align(Number(instance.x.__heap_base.value)) + (threads - 1) * (STACK + align(tls));
}

interface Plan {
  readonly base: number;
  readonly size: number;
  /** Bytes of the file that were checked: its header, at least. */
  readonly head: number;
  /** Bytes of the file that are still read once weights are packed. */
  readonly kept: number;
  readonly ready: readonly number[];
  readonly entries: readonly string[];
}

/** Files that are shorter are read as a whole. */
const SMALL = 2 ** 16;
const SEAL = 32;

/** Loads and plans. A number: the bytes of memory that this takes, which are more than there are. */
function plan(instance: Instance, file: Uint8Array, options: LoadOptions, choose: Choose, threads: number): Plan | number {
  const { x } = instance, base = baseOf(instance, threads), size = file.length, at = align(base + size);
  if (at > instance.bytes) return at;
  const length = size < SMALL ? size : Math.min(size, 4 + new DataView(file.buffer, file.byteOffset).getUint32(0, true)), seal = Math.max(0, size - SEAL);
  const copy = (begin: number, end: number) => instance.u8(base + begin, end - begin).set(file.subarray(begin, end));
  copy(0, options.verify ? size : length);
  copy(seal, size);
  instance.check(x.gfw_load(base, size, options.verify ? 1 : 0));
  instance.sink.bring = reader(instance, file);
  x.gfw_read_small();
  const work = x.gfw_work_bytes();
  if (at + work > instance.bytes) return at + work;
  const entries = list(x.gfw_entry_count(), (e) => instance.text(x.gfw_entry_name(e)));
  const ready = choose(entries).map((name) => {
    const e = entries.indexOf(name);
    return e >= 0 ? e : noEntry(entries, name);
  });
  const pool = options.poolBytes ?? 2 ** 24;
  for (const e of ready) instance.check(x.gfw_plan(e, threads, options.strict ? 1 : 0, pool, at, work), `entry '${entries[e]}'`);
  instance.check(x.gfw_tail(at, work));
  const kept = options.keepFile ? size : Math.min(size, needs(instance)[9]);
  return { base, size, head: Math.min(length, kept), kept, ready, entries };
}

const reader = (instance: Instance, file: Uint8Array) => (offset: number, bytes: number, to: number) => instance.u8(to, bytes).set(file.subarray(offset, offset + bytes));

/** The numbers of NeedsRecord (web/module/exports.h): weights, state, sessions, activations, scratch, pool, setup, save, total, kept, window. */
type Needs = [number, number, number, number, number, number, number, number, number, number, number];
const needs = (instance: Instance) => list(11, (i) => instance.f64(instance.x.gfw_needs() + 8 * i)) as Needs;

/** Plans in one memory and packs in another, which has the right size and only what of the file is read later. */
async function build(module: WebAssembly.Module, file: Uint8Array, options: LoadOptions, choose: Choose, threads: number): Promise<[Instance, Plan]> {
  let from: Instance, p: Plan | number = file.length + 32 * PAGE;
  do {
    from = await Instance.make(module, makeMemory(p, threads > 1));
    p = plan(from, file, options, choose, threads);
  } while (typeof p === 'number');
  const [weights, , , , , , setup, , total, , bytes] = needs(from), at = align(p.base + p.kept), free = at + weights, window = free + setup;
  const to = await Instance.make(module, makeMemory(Math.max(at + total, window + bytes), threads > 1), true);
  if (file.length !== p.size) noBytes();
  // the header is the one that was checked
  to.u8(0, p.base + p.head).set(from.u8(0, p.base + p.head));
  to.u8(p.base + p.head, p.kept - p.head).set(file.subarray(p.head, p.kept));
  to.sink.bring = reader(to, file);
  to.check(to.x.gfw_pack(at, weights, free, setup, window));
  return [to, p];
}

function finish(instance: Instance, options: LoadOptions, p: Plan, pool: Pool | undefined, threads: number, threadsReason: string): Opened {
  const [weights, state, , activations, scratch, inPool, , , all] = needs(instance), file = p.kept;
  instance.sink.bring = undefined;  // which holds the file
  instance.check(instance.x.gfw_create(align(p.base + file) + weights, all - weights));
  const total = instance.bytes;
  const memory = { total, file, weights, state, activations, scratch, pool: inPool, runtime: total - file - weights - state - activations - scratch - inPool };
  return { instance, fileAt: p.base, whole: options.keepFile === true, pool, threads, threadsReason, memory, entries: p.entries, ready: p.ready };
}

async function alone(file: Uint8Array, options: LoadOptions, choose: Choose, reason: string): Promise<Opened> {
  const module = await compile(false, options);
  if (hasThreads(module)) fail('INVALID_ARGUMENT', `wasmBinary is the module with threads, but ${reason || 'one was asked for'}`);
  const [instance, p] = await build(module, file, options, choose, 1);
  return finish(instance, options, p, undefined, 1, reason);
}

/** A string: why not. */
async function inThreads(module: WebAssembly.Module, file: Uint8Array, options: LoadOptions, choose: Choose, threads: number): Promise<Opened | string> {
  const [instance, p] = await build(module, file, options, choose, threads);
  const pool = await Pool.start(instance, threads);
  if (typeof pool === 'string') return pool;
  try {
    return finish(instance, options, p, pool, threads, '');
  } catch (e) {
    pool.stop();
    throw e;
  }
}
