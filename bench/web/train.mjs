// A training step in WebAssembly beside the native one: one thread each, AVX2 at most (SIMD128 has four lanes, AVX2 eight and
// multiply-add), in turns.
// Usage: node train.mjs --wasm gf.wasm --bench GF_BENCH [--cpu] MODEL.gf...      (models from gf-train prepare)
//        --cpu: processor time, and the best of both: for a busy machine
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';
import { openGhostFlow } from './ghostflow.mjs';

const words = process.argv.slice(2), models = [], args = {};
while (words.length > 0) {
  const word = words.shift();
  if (word === '--cpu') args.cpu = true;
  else if (word.startsWith('--')) args[word.slice(2)] = words.shift();
  else models.push(word);
}
if (!args.wasm || !args.bench || models.length === 0) {
  console.error('usage: node train.mjs --wasm gf.wasm --bench GF_BENCH [--cpu] MODEL.gf...');
  process.exit(2);
}
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
const clock = args.cpu ? cpu : () => performance.now();

function text(exports, memory, at) {
  const bytes = new Uint8Array(memory.buffer);
  return new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
}
/// Number of the entry train_step: it is looked up in a module of its own.
async function trainEntry(wasm, file) {
  const net = await openGhostFlow(wasm, file);
  const count = net.exports.gfw_entry_count();
  for (let i = 0; i < count; ++i) if (text(net.exports, net.memory, net.exports.gfw_entry_name(i)) === 'train_step') return i;
  throw new Error('there is no entry train_step');
}

const wasm = fs.readFileSync(args.wasm);
for (const model of models) {
  const file = new Uint8Array(fs.readFileSync(model));
  const net = await openGhostFlow(wasm, file, { entries: [await trainEntry(wasm, file)] });
  for (const t of Object.values(net.inputs))
    t.data.forEach((_, i) => { t.data[i] = t.data instanceof BigInt64Array ? BigInt(i % 10) : Math.sin(i * 0.37); });
  const saved = Object.values(net.inputs).map((t) => t.data.slice());
  const step = () => {
    Object.values(net.inputs).forEach((t, i) => t.data.set(saved[i]));
    net.run();
  };
  for (let i = 0; i < 60; ++i) step();
  const ours = [], native = [];
  for (let round = 0; round < 9; ++round) {
    const begin = clock();
    for (let i = 0; i < 20; ++i) step();
    ours.push((clock() - begin) / 20);
    const out = execFileSync(args.bench, [model, '--entry', 'train_step', '--isa', 'avx2', '--no-xnnpack', '--threads', '1', '--min-time', '0.3', '--json'], { encoding: 'utf8' });
    native.push(JSON.parse(out).run_ms[args.cpu ? 'min' : 'median']);  // gf-bench measures by the clock
  }
  const loss = Object.values(net.outputs)[0].data[0];
  const pick = args.cpu ? (list) => Math.min(...list) : median;
  console.log(`${model}: WebAssembly ${pick(ours).toFixed(2)} ms, native ${pick(native).toFixed(2)} ms, ratio ${(pick(ours) / pick(native)).toFixed(2)}, loss ${loss.toFixed(4)}`);
}
