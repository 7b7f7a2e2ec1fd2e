// Training with a file of gf-train prepare: its entries train_step, evaluate and main over one State.
import type { Inputs, Metrics, Outputs, RunOptions, Session, Source, Trainer, TrainerOptions } from './api.js';
import { numberAt } from './dtype.js';
import { fail } from './errors.js';
import { SessionOf } from './session.js';

const STEP = 'optimizer.step';
const RATE = 'optimizer.lr.';

class TrainerOf implements Trainer {
  #steps = 0;
  constructor(readonly session: Session, readonly names: { readonly step: string; readonly evaluate?: string; readonly predict?: string }) {
    if (session.outputInfo.loss?.size !== 1) fail('UNSUPPORTED', `entry '${names.step}' has no output 'loss' of one number`);
  }

  get info() {
    return this.session.info;
  }
  get batchInfo() {
    return this.session.inputInfo;
  }
  get steps(): number {
    const { stateInfo } = this.session;
    return stateInfo[STEP] === undefined ? this.#steps : numberAt(this.session.readState(STEP), stateInfo[STEP].dtype, 0);
  }

  get learningRate(): number {
    return this.#rate(0);
  }
  set learningRate(rate: number) {
    if (!Number.isFinite(rate)) fail('INVALID_ARGUMENT', `a learning rate is a finite number, not ${rate}`);
    // groups of weights keep their proportions
    const first = this.#rate(0);
    for (let g = 0; this.session.stateInfo[RATE + g] !== undefined; ++g)
      this.session.writeState(RATE + g, [g === 0 || first === 0 ? rate : (this.#rate(g) / first) * rate]);
  }
  #rate(group: number): number {
    const info = this.session.stateInfo[RATE + group] ?? fail('UNSUPPORTED', `the file keeps no learning rate (state '${RATE}0')`);
    return numberAt(this.session.readState(info.name), info.dtype, 0);
  }

  async step(batch: Inputs): Promise<Metrics> {
    return this.#stepped(this.#metrics('step', await this.session.run(batch)));
  }
  stepSync(batch: Inputs): Metrics {
    return this.#stepped(this.#metrics('step', this.session.runSync(batch)));
  }
  #stepped(metrics: Metrics): Metrics {
    ++this.#steps;
    if (!Number.isFinite(metrics.loss))
      fail('NON_FINITE', `the loss is ${metrics.loss}, and the State what this step made of it: load one from before (gf-train prepare --stop-if-not-finite keeps State as it was)`);
    return metrics;
  }

  async evaluate(batch: Inputs): Promise<Metrics> {
    return this.#metrics('evaluate', await this.#entry('evaluate').run(batch));
  }
  async predict(inputs: Inputs, options?: RunOptions): Promise<Outputs> {
    return this.#entry('predict').run(inputs, options);
  }
  #entry(which: 'evaluate' | 'predict') {
    return this.session.entry(this.names[which] ?? fail('NOT_FOUND', `the file has no entry to ${which} with; there are: ${this.info.entries.join(', ')}`));
  }
  #metrics(which: 'step' | 'evaluate', outputs: Outputs): Metrics {
    const info = this.session.entry(this.names[which]!).outputInfo;
    return Object.fromEntries(Object.entries(outputs).map(([name, data]) => [name, data.length === 1 ? numberAt(data, info[name]!.dtype, 0) : data])) as Metrics;
  }

  file() {
    return this.session.file();
  }
  state() {
    return this.session.state();
  }
  load(state: Uint8Array | ArrayBuffer): void {
    this.session.load(state);
  }
  resetState(): void {
    this.session.resetState();
    this.#steps = 0;
  }
  dispose(): void {
    this.session.dispose();
  }
}

/** Opens a .gf that `gf-train prepare` wrote, ready to train. */
export async function createTrainer(source: Source, options: TrainerOptions = {}): Promise<Trainer> {
  const step = options.trainStep ?? 'train_step';
  let evaluate: string | undefined, predict: string | undefined;
  const session = await SessionOf.create(source, { keepFile: true, ...options }, (entries) => {
    // a name that the caller gives must be there, one that is only usual need not
    evaluate = options.evaluate ?? (entries.includes('evaluate') ? 'evaluate' : undefined);
    predict = options.predict ?? (entries.includes('main') ? 'main' : undefined);
    return [...new Set([step, evaluate, predict].filter((e) => e !== undefined))];
  });
  try {
    return new TrainerOf(session, { step, evaluate, predict });
  } catch (e) {
    session.dispose();
    throw e;
  }
}
