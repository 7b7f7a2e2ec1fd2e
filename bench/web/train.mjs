// A training step in WebAssembly beside the native one: one thread each, AVX2 at most (SIMD128 has four lanes, AVX2 eight and
// multiply-add), in turns.
// Usage: node train.mjs [--package web/dist] --bench GF_BENCH [--cpu] MODEL.gf...      (models from gf-train prepare)
//        --cpu: processor time, and the best of both: for a busy machine
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';

const words = process.argv.slice(2), models = [], args = {};
while (words.length > 0) {
  const word = words.shift();
  if (word === '--cpu') args.cpu = true;
  else if (word.startsWith('--')) args[word.slice(2)] = words.shift();
  else models.push(word);
}
if (!args.bench || models.length === 0) {
  console.error('usage: node train.mjs [--package web/dist] --bench GF_BENCH [--cpu] MODEL.gf...');
  process.exit(2);
}
const rounds = Number(args.rounds ?? 9), median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
const clock = args.cpu ? cpu : () => performance.now();

const dist = path.resolve(args.package ?? new URL('../../web/dist', import.meta.url).pathname);
const { createTrainer } = await import(path.join(dist, 'node/index.js'));
for (const model of models) {
  const trainer = await createTrainer(new Uint8Array(fs.readFileSync(model)), { threads: 1, cache: false });
  const batch = {};
  for (const [name, { size }] of Object.entries(trainer.batchInfo))
    batch[name] = name === 'target' ? BigInt64Array.from({ length: size }, (_, i) => BigInt(i % 10)) : Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.37));
  let loss = 0;
  const step = () => { ({ loss } = trainer.stepSync(batch)); };
  for (let i = 0; i < 60; ++i) step();
  const ours = [], native = [];
  for (let round = 0; round < rounds; ++round) {
    const begin = clock();
    for (let i = 0; i < 20; ++i) step();
    ours.push((clock() - begin) / 20);
    const out = execFileSync(args.bench, [model, '--entry', 'train_step', '--isa', 'avx2', '--no-xnnpack', '--threads', '1', '--min-time', '0.3', '--json'], { encoding: 'utf8' });
    native.push(JSON.parse(out).run_ms[args.cpu ? 'min' : 'median']);  // gf-bench measures by the clock
  }
  const pick = args.cpu ? (list) => Math.min(...list) : median;
  console.log(`${model}: WebAssembly ${pick(ours).toFixed(2)} ms, native ${pick(native).toFixed(2)} ms, ratio ${(pick(ours) / pick(native)).toFixed(2)}, loss ${loss.toFixed(4)}`);
}
