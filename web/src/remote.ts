// The script of the worker behind ghostflow/worker: one session or trainer, and calls to it, answered in their order.
import { serve } from '#serve';
import type { Entry, SessionInfo, SessionOptions, Session, Source, TensorInfo, Trainer } from './api.js';
import { type ErrorCode, GhostFlowError, textOf } from './errors.js';
import { createSession } from './session.js';
import { createTrainer } from './trainer.js';

export interface RemoteCall {
  readonly id: number;
  readonly method: string;
  readonly args: readonly any[];
  /** Whose method it is, where the session has several entries. */
  readonly entry?: string;
}
export interface EntryShapes {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}
type Infos = Readonly<Record<string, TensorInfo>>;
export interface Made {
  readonly info: SessionInfo;
  readonly entries: readonly { readonly name: string; readonly inputs: Infos; readonly outputs: Infos }[];
  readonly states: Infos;
  readonly steps: number;
}
export type Answer =
  | { readonly progress: unknown }
  | { readonly id: number; readonly value?: any; readonly error?: { code: ErrorCode; message: string; status: number; node: number } };

let session: Session | undefined;
let trainer: Trainer | undefined;

const snapshots = (of: Infos): Infos => Object.fromEntries(Object.entries(of).map(([name, { dtype, shape, bounds, dynamic, size }]) => [name, { name, dtype, shape, bounds, dynamic, size }]));
const shapes = (of: Infos) => Object.fromEntries(Object.entries(of).map(([name, i]) => [name, i.shape]));
const shapesOf = (e: Entry): EntryShapes => ({ inputs: shapes(e.inputInfo), outputs: shapes(e.outputInfo) });

/** Buffers of the typed arrays in `value`, itself or an object of them: copies of ours, which can be handed over. */
function buffers(value: unknown): ArrayBuffer[] {
  const all = ArrayBuffer.isView(value) ? [value] : typeof value === 'object' && value !== null ? Object.values(value).filter((v) => ArrayBuffer.isView(v)) : [];
  return [...new Set(all.map((v) => v.buffer as ArrayBuffer))];
}

async function make(kind: string, source: Source, options: SessionOptions, progress: boolean): Promise<Made> {
  const full = { ...options, onProgress: progress ? (p: unknown) => post({ progress: p } satisfies Answer) : undefined };
  if (kind === 'trainer') trainer = await createTrainer(source, full);
  else session = await createSession(source, full);
  const s = (session ??= trainer!.session);
  const names = trainer !== undefined ? [s.name] : [s.name, ...(options.entries ?? [])];
  return {
    info: s.info, states: snapshots(s.stateInfo), steps: trainer?.steps ?? 0,
    entries: [...new Set(names)].map((name) => ({ name, inputs: snapshots(s.entry(name).inputInfo), outputs: snapshots(s.entry(name).outputInfo) })),
  };
}

async function train(t: Trainer, method: string, args: readonly any[]): Promise<unknown> {
  switch (method) {
    case 'learningRate': return t.learningRate;
    case 'setLearningRate': return void (t.learningRate = args[0]);
    default: return (t as any)[method](...args);
  }
}

async function answer(call: RemoteCall): Promise<void> {
  const { id, method, args } = call;
  try {
    let value: unknown, transfer: ArrayBuffer[] = [];
    if (method === 'session' || method === 'trainer') value = await make(method, args[0], args[1], args[2]);
    else if (trainer !== undefined) {
      const result = await train(trainer, method, args);
      transfer = buffers(result);
      value = { value: result, steps: trainer.steps, batch: shapes(trainer.batchInfo) };
    } else {
      const target: any = call.entry === undefined ? session : session!.entry(call.entry);
      value = await target[method](...args);
      transfer = buffers(value);
      if (method === 'run' || method === 'setShape') value = { value, shapes: shapesOf(target) };
    }
    post({ id, value } satisfies Answer, transfer);
  } catch (e) {
    const { code, message, status, node } = e instanceof GhostFlowError ? e : new GhostFlowError('INTERNAL', textOf(e), 99);
    post({ id, error: { code, message, status, node } } satisfies Answer);
  }
}

let last: Promise<void> = Promise.resolve();
const post = serve((call: RemoteCall) => {
  last = last.then(() => answer(call));
});
