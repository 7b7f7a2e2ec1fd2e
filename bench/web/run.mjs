// Measures GhostFlow's WebAssembly module beside onnxruntime-web and TensorFlow.js under Node and in browsers.
// Usage: node run.mjs --cases FOLDER [--package web/dist] [--wasm gf.wasm] [--in node chromium firefox webkitgtk] [--threads N] [--only ENGINE...] [--names CASE...] [--rounds N] [--budget MS]
//        [--profile] [--cpu] [--json FILE]      --cpu: processor time instead of the clock (Node), for a busy machine
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { measureCase } from './measure.mjs';
import { inBrowser } from './browser.mjs';
import { readCase } from './cases.mjs';

function options(argv) {
  const out = { in: ['node'] };
  let key;
  for (const word of argv) {
    if (word.startsWith('--')) out[(key = word.slice(2))] = [];
    else if (key) out[key].push(word);
    else throw new Error(`what is "${word}"?`);
  }
  return out;
}
const args = options(process.argv.slice(2));
if (!args.cases) {
  console.error('usage: node run.mjs --cases FOLDER [--package web/dist] [--in node chromium firefox webkitgtk] [--only ENGINE...] [--names CASE...]');
  process.exit(2);
}
const settings = { rounds: Number(args.rounds?.[0] ?? 9), budget: Number(args.budget?.[0] ?? 100), only: args.only ?? null, cpu: args.cpu !== undefined, threads: Number(args.threads?.[0] ?? 1) };
const dist = path.resolve(args.package?.[0] ?? new URL('../../web/dist', import.meta.url).pathname), wasm = args.wasm?.[0];
const root = path.resolve(args.cases[0]);
const names = args.names ?? fs.readdirSync(root).filter((n) => fs.existsSync(path.join(root, n, 'case.json')));

async function nodeLibraries(only) {
  const wants = (name) => only === null || only.includes(name);
  const require = createRequire(import.meta.url);
  const libraries = { wasm: wasm && fs.readFileSync(wasm) };
  if (wants('ghostflow')) libraries.gf = await import(path.join(dist, 'node/index.js'));
  if (wants('onnxruntime')) libraries.ort = await import('onnxruntime-web');
  if (wants('tensorflow')) {
    const tf = require('@tensorflow/tfjs-core'), backend = require('@tensorflow/tfjs-backend-wasm');
    const folder = path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm'));
    backend.setWasmPaths(`${folder}/`);
    if (settings.threads === 1) tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    else backend.setThreadsCount(settings.threads);
    await tf.setBackend('wasm');
    libraries.tf = tf;
  }
  return libraries;
}

const digits = (x) => (x === undefined ? '' : x < 10 ? x.toFixed(3) : x.toFixed(1));
function row(r) {
  const g = r.ghostflow, o = r.onnxruntime, t = r.tensorflow;
  const cells = [r.case, ...[g, o, t].map((e) => (e ? `${digits(e.ms)} (${digits(e.best)})` : ''))];
  for (const rival of [o, t]) cells.push(rival && g ? `${(rival.ms / g.ms).toFixed(2)} (${(rival.best / g.best).toFixed(2)})` : '');
  cells.push(r.flops ? [g, o, t].map((e) => (e ? (r.flops / e.best / 1e6).toFixed(1) : '')).join(' / ') : '');
  cells.push([g, t].map((e) => (e ? e.difference.toExponential(1) : '')).join(' / '));
  return `| ${cells.join(' | ')} |`;
}
function printProfile(r) {
  const total = r.profile.reduce((sum, n) => sum + n.ms, 0), kinds = {};
  for (const n of r.profile) kinds[`${n.op} ${n.kernel}`] = (kinds[`${n.op} ${n.kernel}`] ?? 0) + n.ms;
  for (const [kind, ms] of Object.entries(kinds).sort((a, b) => b[1] - a[1]))
    if (ms > 0.01 * total) console.log(`    ${ms.toFixed(3)} ms ${kind}`);
}

const all = {};
for (const place of args.in) {
  console.log(`\n${place}\n| case | GhostFlow ms: median (best) | onnxruntime-web | tfjs | ORT / ours | tfjs / ours | GFLOP/s, best | difference |`);
  console.log('|---|---:|---:|---:|---:|---:|---|---|');
  all[place] = [];
  const libraries = place === 'node' ? await nodeLibraries(settings.only) : null;
  const measure = place === 'node' ? null : await inBrowser(place, { root, dist, wasm, settings });
  for (const name of names) {
    const r = place === 'node' ? await measureCase(libraries, readCase(path.join(root, name)), settings) : await measure.run(name);
    console.log(row(r));
    if (r.info && r.info.threads !== settings.threads) console.log(`    GhostFlow ran with ${r.info.threads} thread: ${r.info.reason}`);
    if (args.profile) printProfile(r);
    all[place].push(r);
  }
  await measure?.close();
}
if (args.json) fs.writeFileSync(args.json[0], JSON.stringify(all, null, 1));
process.exit(0);
