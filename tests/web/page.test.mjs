// Pages in headless Chromium: built by Vite, served by Vite's own server, and without any bundler; with and without
// cross-origin isolation. Without a bundler also in Firefox and in WebKitGTK (Safari's engine), where they are installed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { bodyOf, browserNames, browserProgram, visitUntil } from '../../web/test/browsers.mjs';
import { convert, folder, fromNpy, goldenNet, goldenSets, npy, prepare, randoms, root, serve, threadsBuilt, tool } from '../../web/test/support.mjs';

const app = process.env.GF_APP;
const chromium = browserProgram('Chromium');
const { build } = await import(join(root, 'web/node_modules/esbuild/lib/main.js')).then((m) => m.default ?? m);
const { chromium: driver } = createRequire(join(app, 'package.json'))('playwright-core');

// ---- what the pages load ----
const [{ inputs: [input], outputs: [output] }] = goldenSets('mobilenet_v2');
const model = convert(goldenNet('mobilenet_v2'), '--dim', `N=${input.shape[0]}`);
const train = prepare(goldenNet('mlp'), '--loss', 'cross_entropy', '--optimizer', 'adamw,lr=0.01', '--batch', '16');
const batch = randoms(16 * 64, 7), target = BigInt64Array.from({ length: 16 }, (_, i) => BigInt((i * 7) % 10));
tool('gf-run', train, '--entry', 'train_step', '--input', `x=${npy(batch, [16, 64])}`, '--input', `target=${npy(target, [16])}`, '--repeat', '10', '--output-dir', folder, '--no-xnnpack');
const loss = fromNpy(join(folder, 'loss.npy'))[0];
const bytes = readFileSync(model);
const raw = (a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength);
const data = {
  'model.gf': bytes, 'cached.gf': bytes, 'hashed.gf': bytes, 'train.gf': readFileSync(train), 'input.f32': raw(input.data), 'output.f32': raw(output.data), 'batch.f32': raw(batch),
  'integrity.json': Buffer.from(JSON.stringify({ integrity: `sha256-${createHash('sha256').update(bytes).digest('base64')}` })),
};

// a page without a bundler
const map = { imports: { ghostflow: '/node_modules/ghostflow/dist/index.js', 'ghostflow/worker': '/node_modules/ghostflow/dist/worker.js' } };
writeFileSync(join(app, 'plain.html'), `<!doctype html><meta charset="utf-8"><script type="importmap">${JSON.stringify(map)}</script><script type="module" src="/main.js"></script>`);

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };
const ISOLATION = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

/** A handler of `at` and /data/; `seen` gets each request. */
function files(at, headers, seen) {
  return (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
    seen.push(`${request.method} ${path}`);
    const name = path.startsWith('/data/') ? path.slice(6) : '';
    const file = join(at, path.endsWith('/') ? `${path}index.html` : path);
    const body = name !== '' ? data[name] : existsSync(file) ? readFileSync(file) : undefined;
    if (body === undefined) return response.writeHead(404, headers).end('none');
    response.writeHead(200, { ...headers, 'content-type': TYPES[extname(path)] ?? (path.endsWith('/') ? 'text/html' : 'application/octet-stream'), 'content-length': body.length, etag: `"${body.length}"` });
    return response.end(request.method === 'HEAD' ? undefined : body);
  };
}

/** What the page at `url` puts into window.result. */
async function visit(url) {
  const browser = await driver.launch({ executablePath: chromium, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage(), log = [];
    page.on('console', (m) => log.push(m.text()));
    page.on('pageerror', (e) => log.push(String(e)));
    await page.goto(url);
    const result = await page.waitForFunction(() => window.result, null, { timeout: 120000 }).then((h) => h.jsonValue(), (e) => ({ failed: `${e}\n${log.join('\n')}` }));
    assert.equal(result.failed, undefined);
    return result;
  } finally {
    await browser.close();
  }
}

/** What plain.html sees in a browser that is given an address and nothing else; and what it asked for. */
async function visitIn(name, headers) {
  const seen = [], plain = files(app, headers, seen);
  let report;
  const reported = new Promise((done) => (report = done));
  const server = await serve((request, response) => {
    if (request.method !== 'POST') return plain(request, response);
    report(bodyOf(request));
    return response.writeHead(204, headers).end();
  });
  try {
    const result = await visitUntil(name, `${server.url}plain.html?report`, reported, 120000);
    assert.equal(result.failed, undefined);
    return [result, seen];
  } finally {
    await server.close();
  }
}

const modulesOf = (seen) => [...new Set(seen.filter((s) => s.endsWith('.wasm')).map((s) => s.split('/').at(-1)))].sort();

function judge(result, isolated, seen) {
  assert.equal(result.isolated, isolated);
  assert.equal(result.lazy, 0);
  const threads = isolated && threadsBuilt ? 2 : 1;
  for (const { info, difference } of [result.session, result.remote]) {
    assert.ok(difference < 1e-3, `largest difference ${difference}`);
    assert.equal(info.threads, threads, info.threadsReason);
    assert.match(info.threadsReason, threads === 2 ? /^$/ : isolated ? /threads/ : /isolated/);
    assert.ok(info.memory.runtime <= 1 << 20);
  }
  assert.deepEqual(result.session.progress, { loaded: bytes.length, total: bytes.length });
  assert.ok(result.session.nodes > 10);
  assert.equal(result.stopped, undefined);
  assert.ok(result.often > 10, `${result.often} runs`);
  assert.match(result.afterDispose, /GhostFlowError DISPOSED/);
  for (const { threads: alone, reason } of result.withoutWorkers) {
    assert.equal(alone, 1);
    assert.match(reason, threads === 2 ? /workers could not be started/ : /isolated|threads/);
  }
  for (const { found, state } of [result.trained, result.trainedInWorker]) {
    assert.ok(Math.abs(found.at(-1) - loss) <= 1e-4 * loss + 1e-5, `${found} after ten steps, natively ${loss}`);
    assert.ok(state > 10000);
  }
  const { errors } = result;
  assert.match(errors.missing, /GhostFlowError FETCH_FAILED: .*none\.gf.*404/);
  assert.match(errors.missingInWorker, /GhostFlowError FETCH_FAILED: .*none\.gf.*404/);
  assert.match(errors.page, /GhostFlowError BAD_FILE/);
  assert.match(errors.shape, /GhostFlowError SHAPE_MISMATCH/);
  assert.match(errors.wasm, /GhostFlowError (FETCH_FAILED|WASM_FAILED): .*nowhere/);
  if (seen === undefined) return;
  const count = (what) => seen.filter((s) => s === what).length;
  assert.deepEqual([count('GET /data/cached.gf'), count('HEAD /data/cached.gf')], [1, 2]);
  assert.deepEqual([count('GET /data/hashed.gf'), count('HEAD /data/hashed.gf')], [1, 0]);
}

const skip = chromium === undefined && 'Chromium is not installed';

for (const isolated of [true, false]) {
  const headers = isolated ? ISOLATION : {}, how = isolated ? 'isolated' : 'not isolated';

  test(`built by Vite, ${how}`, { skip }, async () => {
    if (!existsSync(join(app, 'dist'))) execFileSync(process.execPath, [join(app, 'node_modules/vite/bin/vite.js'), 'build'], { cwd: app, stdio: 'pipe' });
    const seen = [], server = await serve(files(join(app, 'dist'), headers, seen));
    try {
      judge(await visit(server.url), isolated, seen);
    } finally {
      await server.close();
    }
  });

  test(`without a bundler, ${how}`, { skip }, async () => {
    const seen = [], server = await serve(files(app, headers, seen));
    try {
      judge(await visit(`${server.url}plain.html`), isolated, seen);
      assert.deepEqual(modulesOf(seen), threadsBuilt && isolated ? ['gf-threads.wasm', 'gf.wasm'] : ['gf.wasm']);
    } finally {
      await server.close();
    }
  });

  for (const name of browserNames.filter((n) => n !== 'Chromium'))
    test(`without a bundler, ${how}, in ${name}`, { skip: browserProgram(name) === undefined && `${name} is not installed` }, async () => {
      const [result, seen] = await visitIn(name, headers);
      judge(result, isolated, seen);
    });

  test(`bundled by esbuild, ${how}`, { skip }, async () => {
    const out = join(app, 'esbuild'), dist = join(app, 'node_modules/ghostflow/dist');
    await build({ entryPoints: [join(app, 'main.js')], bundle: true, format: 'esm', outdir: out, logLevel: 'silent' });
    for (const f of readdirSync(dist).filter((f) => /[.](js|wasm)$/.test(f))) copyFileSync(join(dist, f), join(out, f));
    copyFileSync(join(app, 'index.html'), join(out, 'index.html'));
    const seen = [], server = await serve(files(out, headers, seen));
    try {
      judge(await visit(server.url), isolated, seen);
    } finally {
      await server.close();
    }
  });

  test(`served by Vite's own server, ${how}`, { skip }, async () => {
    const { createServer } = await import(join(app, 'node_modules/vite/dist/node/index.js'));
    const answer = files(app, headers, []);
    const server = await createServer({
      root: app, logLevel: 'error', server: { host: '127.0.0.1', port: 0, headers },
      plugins: [{ name: 'data', configureServer: (s) => void s.middlewares.use((request, response, next) => (request.url.startsWith('/data/') || request.url.startsWith('/nowhere/') ? answer(request, response) : next())) }],
    });
    try {
      await server.listen();
      judge(await visit(`http://127.0.0.1:${server.httpServer.address().port}/`), isolated);
    } finally {
      await server.close();
    }
  });
}
