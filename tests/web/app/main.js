// What a page does with the package. window.result: what it saw, for page.test.mjs to judge.
import { createSession, createTrainer } from 'ghostflow';
import { createSession as createRemote, createTrainer as createRemoteTrainer } from 'ghostflow/worker';

const numbers = async (name) => new Float32Array(await (await fetch(`/data/${name}.f32`)).arrayBuffer());
const largest = (a, b) => a.reduce((m, v, i) => Math.max(m, Math.abs(v - b[i])), 0);
const failure = (promise) => promise.then(() => 'nothing failed', (e) => `${e.name} ${e.code}: ${e.message}`);
const infoOf = ({ threads, threadsReason, simd, memory, createMs }) => ({ threads, threadsReason, simd, memory, createMs });

async function main() {
  const x = await numbers('input'), y = await numbers('output');
  const result = { isolated: globalThis.crossOriginIsolated, lazy: performance.getEntriesByType('resource').filter((r) => r.name.endsWith('.wasm')).length };

  const progress = [];
  const session = await createSession('/data/model.gf', { threads: 2, onProgress: (p) => progress.push(p) });
  const [input] = Object.keys(session.inputs), [output] = Object.keys(session.outputs);
  result.session = { info: infoOf(session.info), difference: largest((await session.run({ [input]: x }))[output], y), progress: progress.at(-1), nodes: session.profile(2).nodes.length };
  // Workers that have gone to sleep meanwhile arrive late: this thread may not sleep for them.
  result.often = 0;
  try {
    for (const end = performance.now() + 2000; performance.now() < end; ++result.often) {
      session.runSync();
      for (const pause = performance.now() + (result.often % 8) / 20; performance.now() < pause;);
    }
  } catch (e) {
    result.stopped = `${e} in run ${result.often}`;
  }
  session.dispose();
  result.afterDispose = await failure(session.run());

  // workers that cannot be made, and such whose script is not there
  const { Worker: Real } = globalThis;
  result.withoutWorkers = [];
  for (const Fake of [function () { throw new Error('no workers today'); }, function () { return new Real('/nowhere.js', { type: 'module' }); }]) {
    globalThis.Worker = Fake;
    const { info } = await createSession('/data/model.gf', { threads: 2 });
    result.withoutWorkers.push({ threads: info.threads, reason: info.threadsReason });
  }
  globalThis.Worker = Real;

  const remote = await createRemote('/data/model.gf', { threads: 2 });
  result.remote = { info: infoOf(remote.info), difference: largest((await remote.run({ [input]: x.slice() }, { transfer: true }))[output], y) };
  remote.dispose();

  const batch = { x: await numbers('batch'), target: Array.from({ length: 16 }, (_, i) => (i * 7) % 10) };
  const losses = async (trainer) => {
    const found = [];
    for (let i = 0; i < 10; ++i) found.push((await trainer.step(batch)).loss);
    const state = await trainer.state();
    await trainer.load(state);
    trainer.dispose();
    return { found, state: state.length };
  };
  result.trained = await losses(await createTrainer('/data/train.gf', { threads: 2 }));
  result.trainedInWorker = await losses(await createRemoteTrainer('/data/train.gf'));

  for (let i = 0; i < 3; ++i) (await createSession('/data/cached.gf', { cache: true })).dispose();
  const { integrity } = await (await fetch('/data/integrity.json')).json();
  for (let i = 0; i < 3; ++i) (await createSession('/data/hashed.gf', { cache: true, integrity })).dispose();

  result.errors = {
    missing: await failure(createSession('/data/none.gf')),
    missingInWorker: await failure(createRemote('/data/none.gf')),
    page: await failure(createSession('/index.html')),
    shape: await failure(createSession('/data/model.gf').then((s) => s.run({ [input]: [1] }))),
    wasm: await failure(createSession('/data/model.gf', { threads: 1, wasmPath: '/nowhere/' })),
  };

  const small = await (await fetch('/data/train.gf')).arrayBuffer();
  for (let i = 0; i < 300; ++i) (await createSession(small, { threads: 1 })).dispose();
  return result;
}
const seen = (result) => {
  window.result = result;
  if (location.search === '?report') fetch('/report', { method: 'POST', body: JSON.stringify(result) });
};
main().then(seen, (e) => seen({ failed: `${e}\n${e.stack}` }));
