// Sessions over an opened program. Everything here is synchronous: `run` only wraps it in a promise.
import type {
  Entry, InputValue, Inputs, NodeProfile, Outputs, Profile, RunOptions, Session, SessionInfo, SessionOptions, Source, TensorData, TensorInfo, TensorLike,
} from './api.js';
import { type TypeRow, typeRow, write } from './dtype.js';
import { busyError, fail, noEntry } from './errors.js';
import { readSource } from './fetch.js';
import { type Instance, list } from './module.js';
import { type Choose, type Opened, open } from './program.js';

const INPUT = 0, OUTPUT = 1, STATE = 2;
const KIND = ['input', 'output', 'state'];
const MAX_RANK = 8;
/** Keys of metadata in use (schema/format/FORMAT.md). */
const METADATA = ['labels', 'image', 'license', 'source', 'train_steps'];

/** What all entries of a program share. */
class Core {
  /** Until dispose. */
  #opened: Opened | undefined;
  /** A promise of `run` is open. */
  busy = false;
  constructor(opened: Opened) {
    this.#opened = opened;
  }
  get instance(): Instance {
    return this.#live.instance;
  }
  get file(): Uint8Array {
    const { instance, fileAt, memory, whole } = this.#live;
    return whole ? instance.u8(fileAt, memory.file) : fail('UNSUPPORTED', "the file was not kept: make the session with 'keepFile'");
  }
  /** A worker trapped: what it should have computed is missing. */
  get lost(): boolean {
    const { instance, pool } = this.#live;
    return pool !== undefined && instance.x.gfw_workers_waiting!() < pool.peers.length;
  }
  /** The same, between runs. */
  get idle(): Instance {
    const { instance } = this;
    if (this.busy) busyError();
    return instance;
  }
  get #live(): Opened {
    return this.#opened ?? fail('DISPOSED', 'the session was disposed');
  }
  dispose(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.pool?.stop();
  }
}

/** A tensor of an entry or of State. */
class Port implements TensorInfo {
  readonly name: string;
  readonly bounds: readonly number[];
  readonly dynamic: readonly boolean[];
  readonly type: TypeRow;
  readonly #core: Core;
  #kept: TensorData | undefined;

  constructor(core: Core, entry: number, readonly order: number, readonly kind: number, readonly index: number) {
    const { instance } = core;
    const at = instance.x.gfw_port(entry, kind, index);
    this.#core = core;
    this.name = instance.text(instance.u32(at));
    const dtype = instance.i32(at + 4);
    this.type = typeRow(dtype, instance.text(instance.x.gfw_dtype_name(dtype)));
    const rank = instance.i32(at + 8), dynamic = instance.i32(at + 12);
    this.bounds = list(rank, (d) => instance.f64(at + 32 + 8 * d));
    this.dynamic = this.bounds.map((_, d) => ((dynamic >> d) & 1) !== 0);
  }
  get dtype() {
    return this.type.name;
  }
  get what(): string {
    return `${KIND[this.kind]} '${this.name}'`;
  }
  get shape(): readonly number[] {
    const { instance } = this.#core;
    if (this.kind === STATE) return this.bounds;
    const at = this.#record();
    return list(instance.i32(at + 8), (d) => instance.f64(at + 32 + 8 * d));
  }
  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }
  #record(): number {
    return this.#core.instance.x.gfw_tensor(this.order, this.kind, this.index);
  }
  /** Of its elements. Text has none. */
  get array() {
    return this.type.array ?? fail('UNSUPPORTED', `${this.what} is of strings, which this package does not carry`);
  }
  /** The elements where they lie: the same array again while it lies there. */
  get data(): TensorData {
    const { instance } = this.#core;
    let at: number, bytes: number;
    if (this.kind === STATE) [at, bytes] = [instance.x.gfw_state_data(this.index), instance.x.gfw_state_bytes(this.index)];
    else {
      const record = this.#record();
      [at, bytes] = [instance.u32(record + 16), instance.f64(record + 24)];
    }
    const kept = this.#kept;
    if (kept !== undefined && kept.byteOffset === at && kept.byteLength === bytes) return kept;
    const array = this.array;
    return (this.#kept = new array(instance.memory.buffer as ArrayBuffer, at, bytes / array.BYTES_PER_ELEMENT));
  }
  write(value: TensorLike): void {
    const { data } = this;
    write(data, this.type, value, this.what, this.shape);
  }
}

type ByName = ReadonlyMap<string, Port>;

function ports(core: Core, entry: number, session: number, kind: number): ByName {
  const count = core.instance.x.gfw_port_count(entry, kind);
  return new Map(list(count, (i) => new Port(core, entry, session, kind, i)).map((p) => [p.name, p]));
}
function find(of: ByName, name: string, kind: number): Port {
  return of.get(name) ?? fail('NOT_FOUND', `there is no ${KIND[kind]} '${name}'; there ${of.size === 0 ? 'is none' : `are: ${[...of.keys()].join(', ')}`}`);
}
/** An object with a getter for each name; a name that is not there is undefined, as in any object. */
function record<T>(of: ByName, get: (port: Port) => T): Readonly<Record<string, T>> {
  const result = Object.create(null) as Record<string, T>;
  for (const [name, port] of of) Object.defineProperty(result, name, { get: () => get(port), enumerable: true });
  return Object.freeze(result);
}

const withShape = (v: InputValue): v is { data: TensorLike; shape: readonly number[] } => (v as { shape?: unknown } | undefined)?.shape !== undefined;

export class EntryOf implements Entry {
  readonly inputs: Entry['inputs'];
  readonly outputs: Entry['outputs'];
  readonly inputInfo: Entry['inputInfo'];
  readonly outputInfo: Entry['outputInfo'];
  readonly #in: ByName;
  readonly #out: ByName;
  readonly #core: Core;

  constructor(core: Core, readonly name: string, entry: number, readonly order: number) {
    this.#core = core;
    this.#in = ports(core, entry, order, INPUT);
    this.#out = ports(core, entry, order, OUTPUT);
    for (const p of [...this.#in.values(), ...this.#out.values()]) p.array;
    this.inputs = record(this.#in, (p) => p.data);
    this.outputs = record(this.#out, (p) => p.data);
    this.inputInfo = record(this.#in, (p) => p as TensorInfo);
    this.outputInfo = record(this.#out, (p) => p as TensorInfo);
  }

  setShape(shapes: string | Readonly<Record<string, readonly number[]>>, shape?: readonly number[]): void {
    this.#core.idle;
    this.#reshape(typeof shapes === 'string' ? [[shapes, shape!]] : Object.entries(shapes));
  }

  #reshape(shapes: readonly (readonly [string, readonly number[]])[]): void {
    const { instance } = this.#core;
    const set = (port: Port, dims: readonly number[]) => {
      const at = instance.x.gfw_dims();
      dims.forEach((v, d) => instance.view.setFloat64(at + 8 * d, v, true));
      instance.check(instance.x.gfw_set_shape(this.order, port.index, dims.length), `entry '${this.name}'`);
    };
    const todo = shapes.map(([name, dims]) => {
      const port = find(this.#in, name, INPUT);
      if (!Array.isArray(dims) || dims.length > MAX_RANK || !dims.every((v) => Number.isSafeInteger(v) && v >= 0))
        fail('INVALID_ARGUMENT', `a shape is an array of up to ${MAX_RANK} whole numbers, that of ${port.what} is ${JSON.stringify(dims)}`);
      return { port, dims, before: port.shape };
    });
    try {
      for (const { port, dims } of todo) set(port, dims);
      instance.check(instance.x.gfw_resolve(this.order), `entry '${this.name}'`);
    } catch (e) {
      // all or none
      for (const { port, before } of todo) set(port, before);
      instance.check(instance.x.gfw_resolve(this.order));
      throw e;
    }
  }

  runSync(inputs: Inputs = {}, options: RunOptions = {}): Outputs {
    this.#core.idle;
    return this.#run(inputs, options);
  }

  async run(inputs: Inputs = {}, options: RunOptions = {}): Promise<Outputs> {
    this.#core.idle;
    const core = this.#core;
    core.busy = true;
    try {
      const outputs = this.#run(inputs, options);
      await undefined;
      return outputs;
    } finally {
      core.busy = false;
    }
  }

  #run(inputs: Inputs, options: RunOptions): Outputs {
    const given = Object.entries(inputs).map(([name, value]) => ({ port: find(this.#in, name, INPUT), value }));
    const shaped = given.filter(({ value }) => withShape(value)).map(({ port, value }) => [port.name, (value as { shape: readonly number[] }).shape] as const);
    if (shaped.length > 0) this.#reshape(shaped);
    for (const { port, value } of given) port.write(withShape(value) ? value.data : (value as TensorLike));
    this.#go();
    const outputs: Outputs = {};
    for (const [name, port] of this.#out) outputs[name] = options.views ? port.data : port.data.slice();
    return outputs;
  }

  #go(): void {
    const { instance } = this.#core;
    const status = instance.x.gfw_run(this.order);
    if (this.#core.lost) instance.end('a worker was lost');
    if (status !== 0) throw instance.error(status, `entry '${this.name}'`, (n) => {
      const node = this.#node(n);
      return `node ${n} (${node.op}${node.name && ` '${node.name}'`})`;
    });
  }

  #node(node: number) {
    const { instance } = this.#core;
    const at = instance.x.gfw_node(this.order, node);
    const text = (i: number) => (at === 0 ? '' : instance.text(instance.u32(at + 4 * i)));
    return { op: text(0), kernel: text(1), refused: text(2), name: text(3) };
  }

  profile(runs = 10): Profile {
    this.#core.idle;
    if (!Number.isInteger(runs) || runs < 1) fail('INVALID_ARGUMENT', `profile takes a number of runs, not ${runs}`);
    const { instance } = this.#core;
    const count = instance.x.gfw_node_count(this.order);
    const calls = new Float64Array(count), times = new Float64Array(count);
    // inputs share memory with what a run computes: each run begins with the same
    const given = [...this.#in.values()].map((p) => ({ to: p.data, value: p.data.slice() }));
    let ms = 0;
    instance.sink.nodeTime = (node, nanoseconds) => {
      if (node < 0 || node >= count) return;
      calls[node]!++;
      times[node]! += nanoseconds;
    };
    try {
      instance.check(instance.x.gfw_profile(this.order, 1));
      for (let i = 0; i < runs; ++i) {
        for (const { to, value } of given) (to as Float32Array).set(value as Float32Array);
        const begin = performance.now();
        this.#go();
        ms += performance.now() - begin;
      }
    } finally {
      instance.sink.nodeTime = undefined;
      instance.check(instance.x.gfw_profile(this.order, 0));
      for (const { to, value } of given) (to as Float32Array).set(value as Float32Array);
    }
    const nodes = list(count, (node): NodeProfile => ({ node, ...this.#node(node), calls: calls[node]! / runs, ms: times[node]! / runs / 1e6 }));
    return { runs, ms: ms / runs, nodes };
  }
}

export class SessionOf extends EntryOf implements Session {
  readonly stateInfo: Session['stateInfo'];
  readonly #states: ByName;
  readonly #core: Core;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(core: Core, readonly info: SessionInfo, ready: readonly number[]) {
    super(core, info.entries[ready[0]!]!, ready[0]!, 0);
    this.#core = core;
    this.#states = ports(core, 0, 0, STATE);
    this.stateInfo = record(this.#states, (p) => p as TensorInfo);
    const others = ready.slice(1).map((e, i) => [info.entries[e]!, new EntryOf(core, info.entries[e]!, e, i + 1)] as const);
    this.#entries = new Map<string, Entry>([[this.name, this], ...others]);
  }

  static async create(source: Source, options: SessionOptions, choose: Choose): Promise<SessionOf> {
    const start = performance.now();
    const file = await readSource(source, options);
    const loaded = performance.now();
    const opened = await open(file, options, choose);
    const core = new Core(opened);
    try {
      const info: SessionInfo = {
        threads: opened.threads, threadsReason: opened.threadsReason, simd: true, memory: opened.memory, entries: opened.entries,
        metadata: metadataOf(opened.instance), loadMs: loaded - start, createMs: performance.now() - loaded,
      };
      return new SessionOf(core, info, opened.ready);
    } catch (e) {
      core.dispose();
      throw e;
    }
  }

  entry(name: string): Entry {
    this.#core.instance;
    return this.#entries.get(name) ?? noEntry(this.info.entries, name);
  }

  file(): Uint8Array {
    return this.#core.file.slice();
  }

  /** `f` gets memory that is free between runs; what lies there (inputs, outputs) is put back afterwards. */
  #borrow<T>(size: number, f: (at: number, memory: Uint8Array) => T): T {
    const { instance } = this.#core;
    const memory = instance.u8(instance.x.gfw_transient(), size), before = memory.slice();
    try {
      return f(memory.byteOffset, memory);
    } finally {
      memory.set(before);
    }
  }
  state(): Uint8Array {
    const instance = this.#core.idle;
    const size = instance.x.gfw_state_save_bytes();
    return this.#borrow(size, (at, memory) => {
      instance.check(instance.x.gfw_state_save(at, size));
      return memory.slice();
    });
  }

  load(state: Uint8Array | ArrayBuffer): void {
    const instance = this.#core.idle;
    if (!(state instanceof Uint8Array || state instanceof ArrayBuffer)) fail('INVALID_ARGUMENT', 'a saved State is a Uint8Array or an ArrayBuffer');
    const bytes = state instanceof Uint8Array ? state : new Uint8Array(state);
    const size = instance.x.gfw_state_save_bytes();
    // another program's may be larger than the room that this one has
    if (size > 0 && bytes.length > size) fail('BAD_FILE', `State of this program takes ${size} bytes, not ${bytes.length}`);
    this.#borrow(bytes.length, (at, memory) => {
      memory.set(bytes);
      instance.check(instance.x.gfw_state_restore(at, bytes.length));
    });
  }

  resetState(): void {
    this.#core.idle.check(this.#core.idle.x.gfw_state_reset());
  }
  readState(name: string): TensorData {
    this.#core.idle;
    return find(this.#states, name, STATE).data.slice();
  }
  writeState(name: string, value: TensorLike): void {
    this.#core.idle;
    find(this.#states, name, STATE).write(value);
  }

  dispose(): void {
    this.#core.dispose();
  }
}

function metadataOf(instance: Instance): Record<string, string> {
  const found: Record<string, string> = {};
  const at = instance.x.gfw_dims();  // 64 bytes, which every key in use fits
  for (const key of METADATA) {
    instance.u8(at, key.length + 1).set([...key, '\0'].map((c) => c.charCodeAt(0)));
    const text = instance.x.gfw_metadata(at);
    if (text !== 0) found[key] = instance.textAt(instance.u32(text), instance.u32(text + 4));
  }
  return found;
}

/** Opens a .gf and makes entries of it ready to run. */
export function createSession(source: Source, options: SessionOptions = {}): Promise<Session> {
  return SessionOf.create(source, options, (entries) => {
    const first = options.entry ?? (entries.includes('main') ? 'main' : entries[0]!);
    return [...new Set([first, ...(options.entries ?? [])])];
  });
}
