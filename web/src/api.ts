// The public types of the package: what an application may rely on. No code here; `index.ts` (this thread) and `worker.ts`
// (a worker of its own) implement it.

/** Element types by their names in numpy. */
export type DType =
  | 'float32' | 'float64' | 'float16' | 'bfloat16'
  | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64'
  | 'bool' | 'int4' | 'uint4' | 'int2' | 'uint2'
  | 'float8_e4m3fn' | 'float8_e4m3fnuz' | 'float8_e5m2' | 'float8_e5m2fnuz' | 'float4_e2m1' | 'float8_e8m0'
  | 'complex64' | 'complex128' | 'string';

/**
 * Elements of a tensor in C order. float16 and bfloat16 are their 16 bits in a `Uint16Array` (`toFloat32`, `fromFloat32`
 * convert), int64 is a `BigInt64Array`, bool a `Uint8Array` of 0 and 1; types below 8 bits and float8 are the packed bytes in a
 * `Uint8Array`; complex numbers are pairs.
 */
export type TensorData =
  | Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array
  | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

/**
 * What an input takes: the typed array of its type (see `TensorData`), or something that is converted and checked: an array of
 * numbers, bigints or booleans, and for float16 and bfloat16 a `Float32Array`. A single number stands for a tensor of one
 * element. With `shape`, a dynamic input takes that shape first.
 */
export type TensorLike = TensorData | Uint8ClampedArray | readonly (number | bigint | boolean)[] | number | bigint | boolean;
export type InputValue = TensorLike | { readonly data: TensorLike; readonly shape: readonly number[] };
export type Inputs = Readonly<Record<string, InputValue>>;
export type Outputs = Record<string, TensorData>;

/** An input, output or state. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  /** As it is now: of an output, that of the last run (before it: the bounds). */
  readonly shape: readonly number[];
  /** Largest size of each dimension. */
  readonly bounds: readonly number[];
  /** Which dimensions may change, within their bounds. */
  readonly dynamic: readonly boolean[];
  /** Elements now. */
  readonly size: number;
}

/** Bytes of the instance's memory and what they are for. */
export interface MemoryInfo {
  /** Of the whole WebAssembly memory; it does not grow after the session is made. */
  readonly total: number;
  /** Of the .gf file: what of it is still read. */
  readonly file: number;
  readonly weights: number;
  readonly state: number;
  readonly activations: number;
  readonly scratch: number;
  /** For values whose size has no bound (`poolBytes`). */
  readonly pool: number;
  /** The module's own data, stacks and records of the sessions. */
  readonly runtime: number;
}

export interface SessionInfo {
  /** Threads that compute, this one among them. */
  readonly threads: number;
  /** Why there are fewer than were asked for; '' when there are not. */
  readonly threadsReason: string;
  /** Always true: the module needs SIMD128. */
  readonly simd: boolean;
  readonly memory: MemoryInfo;
  /** All entries of the file, ready or not. */
  readonly entries: readonly string[];
  /** Metadata of the file under the keys in use: `labels`, `image`, `license`, `source`, `train_steps`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds: until the bytes were here, and from then until the session was ready. */
  readonly loadMs: number;
  readonly createMs: number;
}

/** Where a .gf comes from. Bytes are copied, the caller's buffer stays the caller's. */
export type Source = string | URL | Response | ArrayBuffer | Uint8Array;

export interface Progress {
  /** Bytes so far. */
  readonly loaded: number;
  /** Of how many; 0: the server does not say. */
  readonly total: number;
}

export interface LoadOptions {
  /** Threads in all, or 'auto' (default): up to 4, one where the page is not cross-origin isolated. Never an error: see `info.threadsReason`. */
  threads?: 'auto' | number;
  /** Called while a URL or Response is read. */
  onProgress?: (progress: Progress) => void;
  /**
   * Keep the file in the Cache API (where there is one). With `integrity` it is found by content and not asked for again; else by
   * URL, and the server is asked whether it changed. Default false.
   */
  cache?: boolean;
  /** 'sha256-' and the hash of the file in base64 or hexadecimal: other bytes are refused (INTEGRITY_MISMATCH). */
  integrity?: string;
  /** Passed on to fetch, and ends the loading (ABORTED). */
  signal?: AbortSignal;
  /** Headers, credentials and mode for fetch. */
  fetchOptions?: RequestInit;
  /** Where gf.wasm and gf-threads.wasm lie: a folder (ends with '/'), or the URL of the one file. Default: beside this script. */
  wasmPath?: string | URL;
  /** The module itself, as bytes or compiled. It decides by its memory whether threads are possible. */
  wasmBinary?: ArrayBuffer | Uint8Array | WebAssembly.Module;
  /** Also check the checksum over all bytes of the file. Default false: the structure is always checked. */
  verify?: boolean;
  /** Refuse portable reference kernels. Default false. */
  strict?: boolean;
  /** Keep the whole file for `file()`. Default: true for trainers, false for sessions, which give up weights that were packed. */
  keepFile?: boolean;
  /** Bytes for values whose size has no bound in the file; used only by entries that have such values. Default 16 MiB. */
  poolBytes?: number;
}

export interface SessionOptions extends LoadOptions {
  /** The entry to run. Default: 'main' if there is one, else the first. */
  entry?: string;
  /** More entries to make ready, over the same weights and State: `session.entry(name)`. */
  entries?: readonly string[];
}

export interface RunOptions {
  /** Outputs are views of the module's memory (as `outputs` gives), not copies: valid until the next run of any entry. */
  views?: boolean;
}

/** Time of a node, mean over the profiled runs. */
export interface NodeProfile {
  readonly node: number;
  readonly name: string;
  readonly op: string;
  /** '' for control flow. */
  readonly kernel: string;
  /** Why the best other kernel was not taken; '': there was none. */
  readonly refused: string;
  readonly calls: number;
  readonly ms: number;
}
export interface Profile {
  readonly runs: number;
  /** Of a run, whole. */
  readonly ms: number;
  readonly nodes: readonly NodeProfile[];
}

/** One entry, ready to run. */
export interface Entry {
  readonly name: string;
  /**
   * Views of the planned memory of each input, to write into before a run without a copy. Valid until the input's shape changes.
   * Inputs share memory with what is computed: write all of them before every run. With threads the memory is a SharedArrayBuffer,
   * whose views some functions of browsers refuse (ImageData, TextDecoder, crypto).
   */
  readonly inputs: Readonly<Record<string, TensorData>>;
  /** Views of each output after a run; the next run of any entry of this session overwrites them. */
  readonly outputs: Readonly<Record<string, TensorData>>;
  readonly inputInfo: Readonly<Record<string, TensorInfo>>;
  readonly outputInfo: Readonly<Record<string, TensorInfo>>;
  /** New shapes of dynamic inputs, all or none. Views taken before are of the old shape. */
  setShape(name: string, shape: readonly number[]): void;
  setShape(shapes: Readonly<Record<string, readonly number[]>>): void;
  /** Copies `inputs` in (those not named stay as they were written), runs, and gives the outputs. A second run while one goes on: BUSY. */
  run(inputs?: Inputs, options?: RunOptions): Promise<Outputs>;
  /** The same without a promise. */
  runSync(inputs?: Inputs, options?: RunOptions): Outputs;
  /** Runs `runs` (default 10) times with the present inputs and tells the time of each node. A train step trains. */
  profile(runs?: number): Profile;
}

/** A program in a WebAssembly instance of its own. */
export interface Session extends Entry {
  readonly info: SessionInfo;
  /** A copy of the .gf, as it was loaded. Sessions need the option `keepFile`. */
  file(): Uint8Array;
  /** An entry that was made ready (`entry`, `entries`). */
  entry(name: string): Entry;
  /** What entries write: trained weights, moments, caches. */
  readonly stateInfo: Readonly<Record<string, TensorInfo>>;
  /** All State as one checked block, the same bytes as the C and C++ interfaces save. */
  state(): Uint8Array;
  /** Takes such a block back: everything or, with an error, nothing. */
  load(state: Uint8Array | ArrayBuffer): void;
  /** State as the file begins. */
  resetState(): void;
  /** A copy of one state. */
  readState(name: string): TensorData;
  writeState(name: string, value: TensorLike): void;
  /** Ends workers and lets go of the memory. Everything afterwards is DISPOSED; a second time does nothing. */
  dispose(): void;
}

export interface TrainerOptions extends LoadOptions {
  /** Names of the entries; default as `gf-train prepare` writes them. `evaluate` and `predict` may be missing in the file. */
  trainStep?: string;
  evaluate?: string;
  predict?: string;
}

/** Outputs of a train step or an evaluation: a number for each output of one element. */
export type Metrics = { loss: number } & Record<string, number | TensorData>;

/** A file of `gf-train prepare`: train_step, evaluate and main over one State. */
export interface Trainer {
  readonly info: SessionInfo;
  readonly session: Session;
  /** Of a batch, by the names of the inputs: the model's, and `target`. */
  readonly batchInfo: Readonly<Record<string, TensorInfo>>;
  /** Steps done here, and by what was loaded where the file counts them. */
  readonly steps: number;
  /** The optimizer's; to set it makes a schedule. Files without one: UNSUPPORTED. */
  learningRate: number;
  /**
   * One step. A loss that is not finite: NON_FINITE. The State is unchanged then if the file was prepared with
   * `--stop-if-not-finite`; else it holds what the step made of it: `load` a state from before.
   */
  step(batch: Inputs): Promise<Metrics>;
  stepSync(batch: Inputs): Metrics;
  /** Loss and metrics of a batch, without training. */
  evaluate(batch: Inputs): Promise<Metrics>;
  /** The model itself. */
  predict(inputs: Inputs, options?: RunOptions): Promise<Outputs>;
  /** The .gf as it was loaded; `ghostflow/convert` makes one with what was learned. */
  file(): Uint8Array;
  state(): Uint8Array;
  load(state: Uint8Array | ArrayBuffer): void;
  resetState(): void;
  dispose(): void;
}

// ---- ghostflow/convert: models of other kinds become .gf, trained ones too ----

export interface ConvertOptions {
  /** Name of the entry point. Default 'main'. */
  entry?: string;
  /** As gf-convert -O0 to -O3. Default 2. */
  optimize?: 0 | 1 | 2 | 3;
  /** Of a model with QuantizeLinear and DequantizeLinear: int8 weights stay int8, their products are computed in integers. */
  integers?: boolean;
  /** Full shapes of inputs. */
  shapes?: Readonly<Record<string, readonly number[]>>;
  /** Sizes of named dimensions: a number, or the lowest and the highest. What is not named is taken as 1, with a note. */
  dims?: Readonly<Record<string, number | readonly [number, number]>>;
  /** Texts to keep in the file, such as `labels` (one per line) or `license`. */
  metadata?: Readonly<Record<string, string>>;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
  /** A folder (ends with '/') that has gf-convert.wasm, or its URL. Default: beside this script. */
  wasmPath?: string | URL;
  wasmBinary?: ArrayBuffer | Uint8Array | WebAssembly.Module;
}
export interface Converted {
  /** The .gf. */
  readonly bytes: Uint8Array;
  /** Remarks for people, such as a dimension that was taken as 1. */
  readonly notes: readonly string[];
}

// ---- ghostflow/worker: the same, off the page's thread ----

export interface RemoteRunOptions {
  /** Hand the buffers of the inputs over instead of copying them; they are empty in the page afterwards. */
  transfer?: boolean;
}

/** An entry in a worker. Infos are those of the last answer. */
export interface RemoteEntry {
  readonly name: string;
  readonly inputInfo: Readonly<Record<string, TensorInfo>>;
  readonly outputInfo: Readonly<Record<string, TensorInfo>>;
  setShape(name: string, shape: readonly number[]): Promise<void>;
  setShape(shapes: Readonly<Record<string, readonly number[]>>): Promise<void>;
  /** Outputs are the caller's: their buffers were transferred. */
  run(inputs?: Inputs, options?: RemoteRunOptions): Promise<Outputs>;
  profile(runs?: number): Promise<Profile>;
}

export interface RemoteSession extends RemoteEntry {
  readonly info: SessionInfo;
  readonly stateInfo: Readonly<Record<string, TensorInfo>>;
  entry(name: string): RemoteEntry;
  file(): Promise<Uint8Array>;
  state(): Promise<Uint8Array>;
  load(state: Uint8Array | ArrayBuffer): Promise<void>;
  resetState(): Promise<void>;
  readState(name: string): Promise<TensorData>;
  writeState(name: string, value: TensorLike): Promise<void>;
  dispose(): void;
}

export interface RemoteTrainer {
  readonly info: SessionInfo;
  readonly batchInfo: Readonly<Record<string, TensorInfo>>;
  readonly steps: number;
  learningRate(): Promise<number>;
  setLearningRate(rate: number): Promise<void>;
  step(batch: Inputs, options?: RemoteRunOptions): Promise<Metrics>;
  evaluate(batch: Inputs, options?: RemoteRunOptions): Promise<Metrics>;
  predict(inputs: Inputs, options?: RemoteRunOptions): Promise<Outputs>;
  file(): Promise<Uint8Array>;
  state(): Promise<Uint8Array>;
  load(state: Uint8Array | ArrayBuffer): Promise<void>;
  resetState(): Promise<void>;
  dispose(): void;
}

export interface GhostFlow {
  createSession(source: Source, options?: SessionOptions): Promise<Session>;
  createTrainer(source: Source, options?: TrainerOptions): Promise<Trainer>;
}
export interface GhostFlowWorker {
  createSession(source: Source, options?: SessionOptions): Promise<RemoteSession>;
  createTrainer(source: Source, options?: TrainerOptions): Promise<RemoteTrainer>;
}
