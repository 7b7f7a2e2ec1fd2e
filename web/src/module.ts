// The WebAssembly module: compiled once a page, and instances of it over a memory that the loader makes. Calls of an instance
// end in a result or a GhostFlowError; a trap ends the instance.
import { platform } from '#platform';
import type { LoadOptions } from './api.js';
import { GhostFlowError, codeOf, fail, textOf } from './errors.js';
import { get } from './fetch.js';
import { type Sink, imports } from './imports.js';

export const PAGE = 65536;
/** At least what the module declares for itself, its stack and data: no memory may be smaller. */
const MIN_PAGES = 6;
/** And no larger: 2 GiB. */
const MAX_PAGES = 32768;
const ABI = 2;
/** Stack of a worker, as large as the first thread's. */
export const STACK = 131072;

/** Functions of web/module/exports.h; pointers and status codes are numbers. */
export interface Exports {
  readonly __heap_base: WebAssembly.Global;
  gfw_abi(): number;
  gfw_error(): number;
  gfw_error_name(status: number): number;
  gfw_dtype_name(dtype: number): number;
  gfw_dims(): number;
  gfw_load(bytes: number, size: number, verify: number): number;
  gfw_entry_count(): number;
  gfw_entry_name(entry: number): number;
  gfw_port_count(entry: number, kind: number): number;
  gfw_port(entry: number, kind: number, index: number): number;
  gfw_metadata(key: number): number;
  gfw_work_bytes(): number;
  gfw_plan(entry: number, threads: number, strict: number, poolBytes: number, work: number, size: number): number;
  gfw_needs(): number;
  gfw_tail(work: number, size: number): number;
  gfw_read_small(): void;
  gfw_pack(memory: number, size: number, setup: number, setupSize: number, window: number): number;
  gfw_create(memory: number, size: number): number;
  gfw_tensor(session: number, kind: number, index: number): number;
  gfw_set_shape(session: number, input: number, rank: number): number;
  gfw_resolve(session: number): number;
  gfw_run(session: number): number;
  gfw_node_count(session: number): number;
  gfw_node(session: number, node: number): number;
  gfw_profile(session: number, on: number): number;
  gfw_state_data(index: number): number;
  gfw_state_bytes(index: number): number;
  gfw_state_reset(): number;
  gfw_state_save_bytes(): number;
  gfw_transient(): number;
  gfw_transient_bytes(): number;
  gfw_state_save(data: number, size: number): number;
  gfw_state_restore(data: number, size: number): number;
  __wasm_call_ctors?(): void;
  // the build with threads alone
  gfw_worker?(index: number): void;
  gfw_workers_waiting?(): number;
  gfw_worker_lost?(): void;
  gfw_caller_may_sleep?(may: number): void;
  gfw_stop?(): void;
  readonly __stack_pointer?: WebAssembly.Global;
  readonly __tls_size?: WebAssembly.Global;
  __wasm_init_tls?(pointer: number): void;
}

/** (func (result v128) i32.const 0 i8x16.splat) */
const SIMD = '\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7b\x03\x02\x01\0\x0a\x08\x01\x06\0\x41\0\xfd\x0f\x0b';

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** The module that fits `threads`. */
export function compile(threads: boolean, options: LoadOptions): Promise<WebAssembly.Module> {
  return compileAt(threads ? 'gf-threads.wasm' : 'gf.wasm', () => platform.moduleUrl(threads), options);
}

/** A module by its file's name, which `usual` says where to find; a failure is forgotten, so that the next call tries again. */
export async function compileAt(name: string, usual: () => URL, options: Pick<LoadOptions, 'wasmBinary' | 'wasmPath'>): Promise<WebAssembly.Module> {
  if (typeof WebAssembly === 'undefined' || !WebAssembly.validate(Uint8Array.from(SIMD, (c) => c.charCodeAt(0))))
    fail('NO_SIMD', 'WebAssembly SIMD is missing; Chrome 91, Firefox 89, Safari 16.4 and Node 18 have it');
  const { wasmBinary, wasmPath } = options;
  try {
    if (wasmBinary instanceof WebAssembly.Module) return wasmBinary;
    if (wasmBinary !== undefined) return await WebAssembly.compile(wasmBinary as BufferSource);
  } catch (e) {
    fail('WASM_FAILED', `wasmBinary does not compile: ${textOf(e)}`, e);
  }
  const url = wasmPath === undefined ? usual().href : platform.absolute(String(wasmPath).endsWith('/') ? `${wasmPath}${name}` : wasmPath);
  let promise = compiled.get(url);
  if (promise === undefined) {
    promise = fetchModule(url);
    compiled.set(url, promise);
    promise.catch(() => compiled.delete(url));
  }
  return promise;
}

async function fetchModule(url: string): Promise<WebAssembly.Module> {
  // not what the model's fetch is told: the module is shared by all that come later
  const got = await get(url, {});
  const streams = !(got instanceof Uint8Array) && WebAssembly.compileStreaming !== undefined && got.headers.get('content-type')?.startsWith('application/wasm');
  try {
    if (streams) return await WebAssembly.compileStreaming(got);
    return await WebAssembly.compile((got instanceof Uint8Array ? got : await got.arrayBuffer()) as BufferSource);
  } catch (e) {
    return fail('WASM_FAILED', `${url} is not a WebAssembly module: ${textOf(e)}`, e);
  }
}

export const hasThreads = (module: WebAssembly.Module) => WebAssembly.Module.exports(module).some((e) => e.name === 'gfw_worker');
export const pages = (bytes: number) => Math.ceil(bytes / PAGE);
/** `f` of 0 to `count` - 1. */
export const list = <T>(count: number, f: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => f(i));
export const align = (bytes: number) => Math.ceil(bytes / 64) * 64;

/** Of this size for good. */
export function makeMemory(bytes: number, shared: boolean): WebAssembly.Memory {
  const initial = Math.max(MIN_PAGES, pages(bytes));
  if (initial > MAX_PAGES) tooLarge(bytes);
  try {
    return new WebAssembly.Memory({ initial, maximum: initial, shared });
  } catch (e) {
    return fail('OUT_OF_MEMORY', `no memory of ${mebibytes(bytes)} was to be had`, e);
  }
}
export const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
function tooLarge(bytes: number): never {
  return fail('OUT_OF_MEMORY', `the program needs ${mebibytes(bytes)}; a WebAssembly memory has at most 2048 MiB`);
}

const decoder = new TextDecoder();

export class Instance {
  readonly x: Exports;
  readonly view: DataView;
  #dead: GhostFlowError | undefined;

  private constructor(readonly module: WebAssembly.Module, readonly memory: WebAssembly.Memory, readonly sink: Sink, instance: WebAssembly.Instance) {
    this.x = Object.fromEntries(Object.entries(instance.exports).map(([name, of]) => [name, typeof of === 'function' ? this.#guarded(of) : of])) as unknown as Exports;
    this.view = new DataView(memory.buffer);  // for good: no memory grows
  }

  /** `copied`: the memory will be that of another instance. */
  static async make(module: WebAssembly.Module, memory: WebAssembly.Memory, copied = false): Promise<Instance> {
    try {
      const sink: Sink = {};
      const given = imports(module, memory, sink);
      let instance: WebAssembly.Instance;
      try {
        // at once: WebAssembly.instantiate waits for other tasks of the page, up to 20 ms
        instance = new WebAssembly.Instance(module, given);
      } catch {
        instance = await WebAssembly.instantiate(module, given);  // where a page's own thread may make small ones only
      }
      const made = new Instance(module, memory, sink, instance);
      if (made.x.gfw_abi?.() !== ABI) fail('WASM_FAILED', 'gf.wasm and this script are of different versions');
      if (!copied) made.x.__wasm_call_ctors?.();
      return made;
    } catch (e) {
      if (e instanceof GhostFlowError) throw e;
      if (e instanceof RangeError) return fail('OUT_OF_MEMORY', 'no room for the module', e);
      return fail('WASM_FAILED', `the module does not start: ${textOf(e)}`, e);
    }
  }

  get bytes(): number {
    return this.memory.buffer.byteLength;
  }
  u8(at: number, size: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, size);
  }
  i32 = (at: number) => this.view.getInt32(at, true);
  u32 = (at: number) => this.view.getUint32(at, true);
  f64 = (at: number) => this.view.getFloat64(at, true);

  /** Text that ends at a 0. */
  text(at: number): string {
    if (at === 0) return '';
    let end = at;
    while (this.view.getUint8(end) !== 0) ++end;
    return this.textAt(at, end - at);
  }
  textAt(at: number, size: number): string {
    return decoder.decode(this.u8(at, size).slice());  // a copy: decoders refuse shared memory
  }

  /** After a trap the instance can do nothing more. */
  #guarded(f: Function) {
    return (...args: unknown[]) => {
      if (this.#dead !== undefined) throw this.#dead;
      try {
        return f(...args);
      } catch (e) {
        return this.end(textOf(e), e);
      }
    };
  }
  /** From now on every call fails. */
  end(why: string, cause?: unknown): never {
    throw (this.#dead = new GhostFlowError('INTERNAL', `the module stopped: ${why}; please report this`, 99, -1, { cause }));
  }
  /** Throws what the runtime says where `status` is not 0; `where` comes before the text. */
  check(status: number, where = ''): void {
    if (status !== 0) throw this.error(status, where);
  }
  error(status: number, where: string, node = (n: number) => `node ${n}`): GhostFlowError {
    const record = this.x.gfw_error(), at = this.i32(record + 4), text = this.text(record + 8);
    const message = `${where}${where && ': '}${at >= 0 ? `${node(at)}: ` : ''}${text}`;
    return new GhostFlowError(codeOf(this.text(this.x.gfw_error_name(status))), message, status, at);
  }
}
