// ghostflow/worker: sessions and trainers in a worker each, so that the page's thread is never held up.
import { platform } from '#platform';
import { startRemote } from '#remote';
import type {
  Inputs, RemoteEntry, RemoteRunOptions, RemoteSession, RemoteTrainer, SessionOptions, Source, TensorInfo, TrainerOptions,
} from './api.js';
import { GhostFlowError, busyError, noEntry, textOf } from './errors.js';
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
  #busy = false;

  constructor(onProgress?: (progress: any) => void) {
    this.#peer = startRemote((answer: Answer) => {
      if ('progress' in answer) {
        onProgress?.(answer.progress);
        return;
      }
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      this.#hold();
      if (answer.error === undefined) waiting?.resolve(answer.value);
      else waiting?.reject(new GhostFlowError(answer.error.code, answer.error.message, answer.error.status, answer.error.node));
    }, (e) => this.end(new GhostFlowError('INTERNAL', `the worker failed: ${textOf(e)}`, 99)));
  }

  call(method: string, args: unknown[], transfer?: ArrayBuffer[], entry?: string): Promise<any> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#hold();
      try {
        this.#peer.post({ id, method, args, entry } satisfies RemoteCall, transfer);
      } catch (e) {
        this.#waiting.delete(id);
        reject(new GhostFlowError('INVALID_ARGUMENT', `the worker cannot be given this: ${textOf(e)}`, 0, -1, { cause: e }));
      }
    });
  }
  /** A process waits for answers, and for nothing else. */
  #hold(): void {
    this.#peer.hold?.(this.#waiting.size > 0);
  }

  /** One run at a time. */
  async alone<T>(f: () => Promise<T>): Promise<T> {
    if (this.#busy) busyError();
    this.#busy = true;
    try {
      return await f();
    } finally {
      this.#busy = false;
    }
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
    const buffer = ((value as any)?.data ?? value)?.buffer;
    if (buffer instanceof ArrayBuffer) found.add(buffer);
  }
  return [...found];
}

function infos(of: Readonly<Record<string, TensorInfo>>): Record<string, TensorInfo> {
  return Object.assign(Object.create(null), of) as Record<string, TensorInfo>;
}
function takeShapes(into: Record<string, TensorInfo>, shapes: Readonly<Record<string, readonly number[]>>): void {
  for (const [name, shape] of Object.entries(shapes)) into[name] = { ...into[name]!, shape, size: shape.reduce((a, b) => a * b, 1) };
}

/** Entries and sessions are objects of calls: what they do is in `remote.ts`. */
function entryThere(line: Line, shown: Made['entries'][number]): RemoteEntry {
  const { name } = shown, inputInfo = infos(shown.inputs), outputInfo = infos(shown.outputs);
  const take = <T>({ value, shapes }: { value: T; shapes: EntryShapes }): T => {
    takeShapes(inputInfo, shapes.inputs);
    takeShapes(outputInfo, shapes.outputs);
    return value;
  };
  return {
    name, inputInfo, outputInfo,
    setShape: async (shapes: string | Readonly<Record<string, readonly number[]>>, shape?: readonly number[]) =>
      take(await line.call('setShape', [typeof shapes === 'string' ? { [shapes]: shape } : shapes], [], name)),
    run: async (inputs: Inputs = {}, options: RemoteRunOptions = {}) =>
      take(await line.alone(() => line.call('run', [inputs], options.transfer ? buffersOf(inputs) : [], name))),
    profile: (runs) => line.call('profile', [runs], [], name),
  };
}

/** `createSession` of the package, in a worker. */
export async function createSession(source: Source, options: SessionOptions = {}): Promise<RemoteSession> {
  const { line, made } = await make('session', source, options);
  const [first, ...others] = made.entries.map((e) => entryThere(line, e)), { info } = made;
  const session: RemoteSession = {
    ...first!, info, stateInfo: infos(made.states),
    entry: (name) => (name === session.name ? session : others.find((e) => e.name === name)) ?? noEntry(info.entries, name),
    file: () => line.call('file', []),
    state: () => line.call('state', []),
    load: (state) => line.call('load', [state]),
    resetState: () => line.call('resetState', []),
    readState: (name) => line.call('readState', [name]),
    writeState: (name, value) => line.call('writeState', [name, value]),
    dispose: () => line.end(),
  };
  return session;
}

/** `createTrainer` of the package, in a worker. */
export async function createTrainer(source: Source, options: TrainerOptions = {}): Promise<RemoteTrainer> {
  const { line, made } = await make('trainer', source, options);
  const batchInfo = infos(made.entries[0]!.inputs);
  let steps = made.steps;
  const call = async (method: string, args: unknown[] = [], transfer: ArrayBuffer[] = []): Promise<any> => {
    const answer = await line.call(method, args, transfer);
    steps = answer.steps;
    takeShapes(batchInfo, answer.batch);
    return answer.value;
  };
  const run = (method: string) => async (inputs: Inputs, options: RemoteRunOptions = {}) =>
    line.alone(() => call(method, [inputs], options.transfer ? buffersOf(inputs) : []));
  return {
    info: made.info, batchInfo,
    get steps() {
      return steps;
    },
    learningRate: () => call('learningRate'),
    setLearningRate: (rate) => call('setLearningRate', [rate]),
    step: run('step'),
    evaluate: run('evaluate'),
    predict: run('predict'),
    file: () => call('file'),
    state: () => call('state'),
    load: (state) => call('load', [state]),
    resetState: () => call('resetState'),
    dispose: () => line.end(),
  };
}
