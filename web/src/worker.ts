// ghostflow/worker: sessions and trainers in a worker each, so that the page's thread is never held up.
import { platform } from '#platform';
import type {
  Inputs, Metrics, Outputs, Profile, RemoteEntry, RemoteRunOptions, RemoteSession, RemoteTrainer, SessionInfo, SessionOptions, Source, TensorData,
  TensorInfo, TensorLike, TrainerOptions,
} from './api.js';
import { GhostFlowError, fail, textOf } from './errors.js';
import { readSource } from './fetch.js';
import type { Peer } from './platform.js';
import type { Answer, EntryShapes, Made, RemoteCall } from './remote.js';

export type * from './api.js';
export { GhostFlowError, type ErrorCode } from './errors.js';
export { fromFloat32, toFloat32 } from './dtype.js';

interface Waiting {
  resolve(value: any): void;
  reject(error: unknown): void;
}

/** A worker, and the calls that it has not answered. */
class Line {
  readonly #peer: Peer;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #ended: GhostFlowError | undefined;
  /** Names with runs going on. */
  busy = false;

  constructor(onProgress?: (progress: any) => void) {
    this.#peer = platform.start('remote', (answer: Answer) => {
      if ('progress' in answer) {
        onProgress?.(answer.progress);
        return;
      }
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.error === undefined) waiting?.resolve(answer.value);
      else waiting?.reject(new GhostFlowError(answer.error.code, answer.error.message, answer.error.status, answer.error.node));
    }, (e) => this.end(new GhostFlowError('INTERNAL', `the worker failed: ${textOf(e)}`, 99)));
  }

  call(method: string, args: unknown[], transfer?: ArrayBuffer[], entry?: string): Promise<any> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      try {
        this.#peer.post({ id, method, args, entry } satisfies RemoteCall, transfer);
      } catch (e) {
        this.#waiting.delete(id);
        reject(new GhostFlowError('INVALID_ARGUMENT', `the worker cannot be given this: ${textOf(e)}`, 0, -1, { cause: e }));
      }
    });
  }
  notify(method: string): void {
    if (this.#ended === undefined) this.#peer.post({ id: -1, method, args: [] } satisfies RemoteCall);
  }

  end(error = new GhostFlowError('DISPOSED', 'the session was disposed')): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#peer.terminate();
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

async function make(kind: 'session' | 'trainer', source: Source, options: SessionOptions & TrainerOptions): Promise<{ line: Line; made: Made }> {
  const { onProgress, signal, fetchOptions, ...plain } = options;
  const line = new Line(onProgress);
  const abort = () => line.end(new GhostFlowError('ABORTED', 'loading was stopped by its signal', 0, -1, { cause: signal!.reason }));
  try {
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    const isUrl = typeof source === 'string' || source instanceof URL;
    // a Response cannot go to a worker, its bytes can
    const bytes = isUrl ? undefined : await readSource(source, options);
    const own = bytes !== undefined && !(source instanceof Uint8Array || source instanceof ArrayBuffer);
    if (plain.wasmPath !== undefined) plain.wasmPath = platform.absolute(String(plain.wasmPath));
    const what = isUrl ? platform.absolute(source) : bytes;
    const init = fetchOptions === undefined ? {} : { fetchOptions: { ...fetchOptions, headers: fetchOptions.headers && [...new Headers(fetchOptions.headers)] } };
    const made: Made = await line.call(kind, [what, { ...plain, ...init }, onProgress !== undefined], own ? [bytes.buffer as ArrayBuffer] : []);
    return { line, made };
  } catch (e) {
    line.end();
    throw e;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function buffersOf(inputs: Inputs): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  for (const value of Object.values(inputs)) {
    const data = typeof value === 'object' && value !== null && 'data' in value ? value.data : value;
    if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer) found.add(data.buffer);
  }
  return [...found];
}

function infos(of: Readonly<Record<string, TensorInfo>>): Record<string, TensorInfo> {
  return Object.assign(Object.create(null), of) as Record<string, TensorInfo>;
}
function takeShapes(into: Record<string, TensorInfo>, shapes: Readonly<Record<string, readonly number[]>>): void {
  for (const [name, shape] of Object.entries(shapes)) into[name] = { ...into[name]!, shape, size: shape.reduce((a, b) => a * b, 1) };
}

class EntryThere implements RemoteEntry {
  readonly inputInfo: Record<string, TensorInfo>;
  readonly outputInfo: Record<string, TensorInfo>;
  readonly line: Line;
  constructor(line: Line, readonly name: string, shown: Made['entries'][number]) {
    this.line = line;
    this.inputInfo = infos(shown.inputs);
    this.outputInfo = infos(shown.outputs);
  }
  take<T>(answer: { value: T; shapes: EntryShapes }): T {
    takeShapes(this.inputInfo, answer.shapes.inputs);
    takeShapes(this.outputInfo, answer.shapes.outputs);
    return answer.value;
  }
  async setShape(shapes: string | Readonly<Record<string, readonly number[]>>, shape?: readonly number[]): Promise<void> {
    this.take(await this.line.call('setShape', [typeof shapes === 'string' ? { [shapes]: shape } : shapes], [], this.name));
  }
  async run(inputs: Inputs = {}, options: RemoteRunOptions = {}): Promise<Outputs> {
    return this.take(await busy(this.line, () => this.line.call('run', [inputs], options.transfer ? buffersOf(inputs) : [], this.name)));
  }
  async profile(runs?: number): Promise<Profile> {
    return this.line.call('profile', [runs], [], this.name);
  }
}

async function busy<T>(line: Line, f: () => Promise<T>): Promise<T> {
  if (line.busy) fail('BUSY', 'a run of this session has not ended; await it first');
  line.busy = true;
  try {
    return await f();
  } finally {
    line.busy = false;
  }
}

class SessionThere extends EntryThere implements RemoteSession {
  readonly info: SessionInfo;
  readonly stateInfo: Record<string, TensorInfo>;
  readonly #entries: Map<string, RemoteEntry>;
  constructor(line: Line, made: Made) {
    super(line, made.entries[0]!.name, made.entries[0]!);
    this.info = made.info;
    this.stateInfo = infos(made.states);
    this.#entries = new Map<string, RemoteEntry>([[this.name, this], ...made.entries.slice(1).map((e) => [e.name, new EntryThere(line, e.name, e)] as const)]);
  }
  entry(name: string): RemoteEntry {
    return this.#entries.get(name) ?? fail('NOT_FOUND', this.info.entries.includes(name)
      ? `entry '${name}' was not made ready: name it in the option 'entries'` : `there is no entry '${name}'; there are: ${this.info.entries.join(', ')}`);
  }
  state(): Promise<Uint8Array> {
    return this.line.call('state', []);
  }
  load(state: Uint8Array | ArrayBuffer): Promise<void> {
    return this.line.call('load', [state]);
  }
  resetState(): Promise<void> {
    return this.line.call('resetState', []);
  }
  readState(name: string): Promise<TensorData> {
    return this.line.call('readState', [name]);
  }
  writeState(name: string, value: TensorLike): Promise<void> {
    return this.line.call('writeState', [name, value]);
  }
  dispose(): void {
    this.line.end();
  }
}

class TrainerThere implements RemoteTrainer {
  readonly info: SessionInfo;
  readonly batchInfo: Record<string, TensorInfo>;
  #steps: number;
  readonly #line: Line;
  constructor(line: Line, made: Made) {
    this.#line = line;
    this.info = made.info;
    this.batchInfo = infos(made.entries[0]!.inputs);
    this.#steps = made.steps;
  }
  get steps(): number {
    return this.#steps;
  }
  async #call(method: string, args: unknown[], transfer: ArrayBuffer[] = []): Promise<any> {
    const { value, steps, batch } = await this.#line.call(method, args, transfer);
    this.#steps = steps;
    takeShapes(this.batchInfo, batch);
    return value;
  }
  #run(method: string, inputs: Inputs, options: RemoteRunOptions): Promise<any> {
    return busy(this.#line, () => this.#call(method, [inputs], options.transfer ? buffersOf(inputs) : []));
  }
  learningRate(): Promise<number> {
    return this.#call('learningRate', []);
  }
  setLearningRate(rate: number): Promise<void> {
    return this.#call('setLearningRate', [rate]);
  }
  step(batch: Inputs, options: RemoteRunOptions = {}): Promise<Metrics> {
    return this.#run('step', batch, options);
  }
  evaluate(batch: Inputs, options: RemoteRunOptions = {}): Promise<Metrics> {
    return this.#run('evaluate', batch, options);
  }
  predict(inputs: Inputs, options: RemoteRunOptions = {}): Promise<Outputs> {
    return this.#run('predict', inputs, options);
  }
  state(): Promise<Uint8Array> {
    return this.#call('state', []);
  }
  load(state: Uint8Array | ArrayBuffer): Promise<void> {
    return this.#call('load', [state]);
  }
  resetState(): Promise<void> {
    return this.#call('resetState', []);
  }
  dispose(): void {
    this.#line.end();
  }
}

/** `createSession` of the package, in a worker. */
export async function createSession(source: Source, options: SessionOptions = {}): Promise<RemoteSession> {
  const { line, made } = await make('session', source, options);
  return new SessionThere(line, made);
}
/** `createTrainer` of the package, in a worker. */
export async function createTrainer(source: Source, options: TrainerOptions = {}): Promise<RemoteTrainer> {
  const { line, made } = await make('trainer', source, options);
  return new TrainerThere(line, made);
}
