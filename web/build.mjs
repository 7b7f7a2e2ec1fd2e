// Makes dist/: scripts for browsers and, in dist/node, for Node; declarations; the WebAssembly files.
//   node build.mjs [--wasm FOLDER]     FOLDER (default ../build) has the builds of the presets wasm and, for threads, wasm-threads
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
const at = process.argv.indexOf('--wasm');
const wasm = at > 0 ? process.argv[at + 1] : '../build';

rmSync('dist', { recursive: true, force: true });
// Properties that only these scripts know, and no interface of browsers or Node has.
const INTERNAL = /^(instance|sink|nodeTime|fileAt|whole|peers|startThread|moduleUrl|autoThreads|noThreads|absolute|sha256|idle|array|what|check|alone|hold|lost|end|ready|base|kept|names|states|args|kind|busy|order|textAt|view|head|bring)$/;

const sizes = {};
const size = (files) => files.reduce((sum, f) => ({ raw: sum.raw + statSync(f).size, gzip: sum.gzip + gzipSync(readFileSync(f), { level: 9 }).length }), { raw: 0, gzip: 0 });

for (const [platform, outdir] of [['web', 'dist'], ['node', 'dist/node']]) {
  const { metafile: { outputs } } = await build({
    entryPoints: ['index', 'worker', 'convert', 'thread', 'remote'].map((f) => `src/${f}.ts`),
    outdir, bundle: true, splitting: true, format: 'esm', minify: true, target: 'es2022', platform: 'neutral', metafile: true, mangleProps: INTERNAL,
    alias: Object.fromEntries(['converter', 'platform', 'remote', 'serve'].map((f) => [`#${f}`, `./src/${f}-${platform}.ts`])),
    external: ['node:*'], chunkNames: '[hash]', logLevel: 'warning',
  });
  // all scripts but what only the converter loads
  const loaded = new Set(), load = (file) => {
    if (loaded.has(file) || outputs[file] === undefined) return;
    loaded.add(file);
    for (const i of outputs[file].imports) load(i.path);
  };
  for (const f of ['index', 'worker', 'thread', 'remote']) load(`${outdir}/${f}.js`);
  sizes[`scripts, ${platform}`] = size([...loaded]);
  if (platform === 'web') sizes['of the converter'] = size(Object.keys(outputs).filter((f) => !loaded.has(f)));
}
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], { stdio: 'inherit' });
for (const [file, preset] of [['gf.wasm', 'wasm'], ['gf-convert.wasm', 'wasm'], ['gf-threads.wasm', 'wasm-threads']]) {
  const from = join(wasm, preset, 'bin', file);
  if (existsSync(from)) copyFileSync(from, join('dist', file));
  else if (file === 'gf.wasm') throw new Error(`${from} is not there: cmake --preset wasm && cmake --build --preset wasm --target gf`);
}

for (const file of ['LICENSE', 'NOTICE']) copyFileSync(join('..', file), file);  // npm takes them from here

for (const file of readdirSync('dist').filter((f) => f.endsWith('.wasm'))) sizes[file] = size([join('dist', file)]);
for (const [what, { raw, gzip }] of Object.entries(sizes)) console.log(`${what.padEnd(18)} ${String(raw).padStart(8)} bytes, ${String(gzip).padStart(7)} gzip`);
