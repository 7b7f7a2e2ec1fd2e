// Measures engines in turns: the same code under Node and in a page.
import * as engines from './engines.mjs';

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/// Milliseconds of this process's processor time: for machines that are busy with something else (Node only).
const processorTime = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/// Milliseconds per run over at least `budget` milliseconds.
async function timed(engine, budget, clock = () => performance.now()) {
  let runs = 0;
  const begin = clock();
  let now = begin;
  while (now - begin < budget) {
    if (engine.asynchronous) await engine.run();
    else engine.run();
    ++runs;
    now = clock();
  }
  return (now - begin) / runs;
}

/// Largest difference from the first engine's outputs, over the largest value there.
function difference(expected, actual) {
  let worst = 0, largest = 0;
  expected.forEach((e, i) => e.forEach((v, j) => {
    worst = Math.max(worst, Math.abs(v - actual[i][j]));
    largest = Math.max(largest, Math.abs(v));
    if (Number.isNaN(actual[i][j])) worst = Infinity;
  }));
  return worst / largest;
}

/// libraries: {gf?, wasm?, ort?, tf?}. Returns {case, <engine>: {ms, best, difference}}.
export async function measureCase(libraries, files, { rounds = 9, budget = 100, warmUp = 500, threads = 1, only = null, cpu = false } = {}) {
  const clock = cpu ? processorTime : undefined;
  const info = JSON.parse(new TextDecoder().decode(files['case.json']));
  const makers = { ghostflow: 'gf', onnxruntime: 'ort', tensorflow: 'tf' };
  const open = {};
  for (const [name, needs] of Object.entries(makers)) {
    if (!libraries[needs] || (only && !only.includes(name))) continue;
    const engine = await engines[name]({ ...libraries, files, info, threads });
    if (engine !== null) open[name] = { engine, times: [] };
  }
  const result = { case: info.name, flops: info.flops };
  const names = Object.keys(open);
  for (const name of names) await timed(open[name].engine, warmUp);
  const expected = (open.onnxruntime ?? open[names[0]]).engine.read();
  for (let r = 0; r < rounds; ++r)
    for (let i = 0; i < names.length; ++i) {
      const { engine, times } = open[names[(i + r) % names.length]];
      times.push(await timed(engine, budget, clock));
    }
  for (const name of names) {
    const { engine, times } = open[name];
    result[name] = { ms: median(times), best: Math.min(...times), difference: difference(expected, engine.read()) };
    if (name === 'ghostflow') {
      result.info = { threads: engine.session.info.threads, reason: engine.session.info.threadsReason, memory: engine.session.info.memory };
      result.profile = engine.session.profile(10).nodes;
    }
    await engine.close();
  }
  return result;
}
