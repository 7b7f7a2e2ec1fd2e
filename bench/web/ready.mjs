// Time from bytes in memory to a session that can run, the first run, and memory: each engine in processes of its own; and the same again
// in a process that has done it before (the rivals keep their engine then, a session of ours is an engine of its own).
// Usage: node ready.mjs --cases FOLDER [--package web/dist] [--names CASE...] [--rounds N]
// (a process of its own: node ready.mjs ENGINE CASE_FOLDER PACKAGE)
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readCase } from './cases.mjs';
import * as engines from './engines.mjs';

const self = fileURLToPath(import.meta.url), require = createRequire(import.meta.url);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

async function libraries(engine, dist) {
  if (engine === 'ghostflow') return { gf: await import(path.join(dist, 'node/index.js')), wasm: fs.readFileSync(path.join(dist, 'gf.wasm')) };
  if (engine === 'onnxruntime') {
    const ort = await import('onnxruntime-web');
    ort.env.wasm.wasmBinary = fs.readFileSync(require.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'));
    return { ort };
  }
  const tf = require('@tensorflow/tfjs-core'), backend = require('@tensorflow/tfjs-backend-wasm');
  backend.setWasmPaths(`${path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  return { tf };
}

async function child(engine, folder, dist) {
  const files = readCase(folder);
  const info = JSON.parse(new TextDecoder().decode(files['case.json']));
  const loaded = await libraries(engine, dist);
  const before = process.memoryUsage().rss, begin = performance.now();
  if (loaded.tf) await loaded.tf.setBackend('wasm');
  const open = await engines[engine]({ ...loaded, files, info, threads: 1 });
  const ready = performance.now();
  await open.run();
  const first = performance.now();
  for (let i = 0; i < 10; ++i) await open.run();
  const out = { ready: ready - begin, first: first - ready, rss: (process.memoryUsage().rss - before) / 1e6 };
  if (open.session) for (const [k, bytes] of Object.entries(open.session.info.memory)) out[k] = bytes / 1e6;
  await open.close();
  const again = [];
  for (let i = 0; i < 9; ++i) {
    const start = performance.now(), next = await engines[engine]({ ...loaded, files, info, threads: 1 });
    again.push(performance.now() - start);
    await next.run();
    await next.close();
  }
  out.again = median(again);
  console.log(JSON.stringify(out));
  process.exit(0);
}

if (['ghostflow', 'onnxruntime', 'tensorflow'].includes(process.argv[2])) {
  await child(...process.argv.slice(2));
} else {
  const value = (key, otherwise) => {
    const at = process.argv.indexOf(`--${key}`);
    return at < 0 ? otherwise : process.argv.slice(at + 1).filter((w, i, all) => !all.slice(0, i + 1).some((v) => v.startsWith('--')));
  };
  const [root] = value('cases'), dist = path.resolve(value('package', [fileURLToPath(new URL('../../web/dist', import.meta.url))])[0]), rounds = Number(value('rounds', [7])[0]);
  for (const name of value('names', ['mobilenet_v2'])) {
    const results = { ghostflow: [], onnxruntime: [], tensorflow: [] };
    for (let r = 0; r < rounds; ++r)
      for (const engine of Object.keys(results))
        results[engine].push(JSON.parse(execFileSync(process.execPath, [self, engine, path.join(root, name), dist], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n').pop()));
    for (const [engine, list] of Object.entries(results)) {
      const cells = Object.keys(list[0]).map((k) => `${k} ${median(list.map((x) => x[k])).toFixed(1)}`);
      console.log(`${name} ${engine}: ${cells.join(', ')}    (ms; MB; medians of ${rounds} processes)`);
    }
  }
}
