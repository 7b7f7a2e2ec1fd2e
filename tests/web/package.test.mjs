// The installed package: files, a Node script, types, bundles.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { convert, goldenNet, goldenSets, root } from '../../web/test/support.mjs';

const app = process.env.GF_APP, installed = join(app, 'node_modules/ghostflow'), web = join(root, 'web');
const model = convert(goldenNet('mlp'), '--shape', 'x=4x64');
const [{ inputs: [x], outputs: [y] }] = goldenSets('mlp');
const script = (first, ...rest) => `${first}
import { readFileSync } from 'node:fs';
const s = await createSession(${JSON.stringify(model)}, { threads: 1${rest.join('')} });
const { logits } = await s.run({ x: ${JSON.stringify(Array.from(x.data))} });
const expected = ${JSON.stringify(Array.from(y.data))};
if (!expected.every((v, i) => Math.abs(v - logits[i]) <= 1e-4 + 1e-3 * Math.abs(v))) throw new Error(String(logits));
s.dispose();
console.log('right');
`;

test('files: what the package needs and nothing else; scripts of at most 30 kB beside the converter', () => {
  const files = readdirSync(installed, { recursive: true }).map(String).filter((f) => statSync(join(installed, f)).isFile()).sort();
  for (const f of ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/worker.js', 'dist/thread.js', 'dist/remote.js', 'dist/convert.js', 'dist/node/index.js', 'dist/gf.wasm', 'dist/types/index.d.ts'])
    assert.ok(files.includes(f), `${f} is missing among ${files}`);
  assert.deepEqual(files.filter((f) => !/^(package\.json|README\.md|LICENSE|NOTICE|dist\/((node\/)?[\w-]+\.js|gf(-threads|-convert)?\.wasm|types\/[\w-]+\.d\.ts))$/.test(f)), []);
  const scripts = files.filter((f) => /^dist\/[\w-]+\.js$/.test(f) && f !== 'dist/convert.js').reduce((sum, f) => sum + statSync(join(installed, f)).size, 0);
  assert.ok(scripts <= 30000, `${scripts} bytes of scripts`);
});

test('locks do not say where packages were fetched from', () => {
  for (const lock of [join(web, 'package-lock.json'), join(root, 'tests/web/app/package-lock.json')]) assert.ok(!readFileSync(lock, 'utf8').includes('"resolved"'), lock);
});

test('a Node script', () => {
  const file = join(app, 'run.mjs');
  writeFileSync(file, script("import { createSession } from 'ghostflow';"));
  assert.match(execFileSync(process.execPath, [file], { encoding: 'utf8' }), /right/);
  writeFileSync(file, script("import { createSession } from 'ghostflow/worker';"));
  assert.match(execFileSync(process.execPath, [file], { encoding: 'utf8' }), /right/);
});

test('to import it does nothing, and nothing keeps the process alive', () => {
  const file = join(app, 'idle.mjs');
  writeFileSync(file, `const before = process.getActiveResourcesInfo().length;
globalThis.fetch = () => { throw new Error('fetched'); };
WebAssembly.compile = WebAssembly.instantiate = () => { throw new Error('compiled'); };
await import('ghostflow');
await import('ghostflow/worker');
console.log(process.getActiveResourcesInfo().length - before);
`);
  execFileSync(process.execPath, [file], { encoding: 'utf8', timeout: 20000 });
  writeFileSync(file, `import { createSession } from 'ghostflow';
const s = await createSession(${JSON.stringify(model)}, { threads: 2 });
console.log(s.info.threads);  // not disposed
`);
  execFileSync(process.execPath, [file], { encoding: 'utf8', timeout: 20000 });
});

test('types, as bundlers and as Node resolve them', () => {
  writeFileSync(join(app, 'use.ts'), `import { createSession, createTrainer, GhostFlowError, type Session, type ErrorCode } from 'ghostflow';
import { createSession as remote, type RemoteSession } from 'ghostflow/worker';
const s: Session = await createSession('model.gf', { threads: 'auto', cache: true, onProgress: ({ loaded, total }) => console.log(loaded / total) });
const y: Float32Array = (await s.run({ x: { data: new Float32Array(4), shape: [1, 4] } })).y as Float32Array;
const shape: readonly number[] = s.inputInfo.x!.shape;
const r: RemoteSession = await remote(new Uint8Array(4));
const loss: number = (await (await createTrainer(new URL('file:///x.gf'))).step({ x: y, target: [1, 2] })).loss;
const code: ErrorCode = new GhostFlowError('BUSY', '').code;
// @ts-expect-error no such option
await createSession('model.gf', { thread: 2 });
console.log(shape, r, loss, code);
`);
  for (const resolution of [['--module', 'esnext', '--moduleResolution', 'bundler'], ['--module', 'nodenext', '--moduleResolution', 'nodenext']])
    execFileSync(process.execPath, [join(web, 'node_modules/typescript/bin/tsc'), '--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2022,dom', ...resolution, 'use.ts'], { cwd: app, stdio: 'pipe', encoding: 'utf8' });
});

test('bundles of esbuild: for browsers, and for Node with the module given', async () => {
  const { build } = await import(join(web, 'node_modules/esbuild/lib/main.js')).then((m) => m.default ?? m);
  const out = join(app, 'bundle');
  mkdirSync(out, { recursive: true });
  await build({ entryPoints: [join(app, 'main.js')], bundle: true, format: 'esm', outdir: out, logLevel: 'silent' });
  assert.ok(existsSync(join(out, 'main.js')));
  writeFileSync(join(app, 'bundled.mjs'), script("import { createSession } from 'ghostflow';", `, wasmBinary: readFileSync(${JSON.stringify(join(installed, 'dist/gf.wasm'))})`));
  await build({ entryPoints: [join(app, 'bundled.mjs')], bundle: true, format: 'esm', platform: 'node', outfile: join(out, 'node.mjs'), logLevel: 'silent' });
  assert.match(execFileSync(process.execPath, [join(out, 'node.mjs')], { encoding: 'utf8' }), /right/);
});
