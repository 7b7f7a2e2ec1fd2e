// Models from a server: progress, failures, a cache. The Cache API itself is a browser's (tests/web); here stands a small one.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createSession } from 'ghostflow';
import { convert, errorOf, goldenNet, serve } from './support.mjs';

const bytes = readFileSync(convert(goldenNet('mobilenet_v2'), '--dim', 'N=1'));
const hash = createHash('sha256').update(bytes).digest();
let served = bytes, etag = '"1"';
const seen = [];
const server = await serve((request, response) => {
  const path = request.url.split('?')[0];
  seen.push(`${request.method} ${path}`);
  switch (path) {
    case '/model.gf':
      response.writeHead(200, { 'content-length': served.length, etag });
      return request.method === 'HEAD' ? response.end() : response.end(served);
    case '/chunks.gf':
      response.write(bytes.subarray(0, 1000));
      return setTimeout(() => response.end(bytes.subarray(1000)), 20);
    case '/zipped.gf':
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': gzipSync(bytes).length });
      return response.end(gzipSync(bytes));
    case '/cut.gf':
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 5000));
      return setTimeout(() => response.destroy(), 20);
    case '/short.gf':
      return response.end(bytes.subarray(0, bytes.length - 1));
    case '/slow.gf':
      response.writeHead(200, { 'content-length': bytes.length });
      return response.write(bytes.subarray(0, 1000));
    case '/page.gf':
      response.writeHead(200, { 'content-type': 'text/html' });
      return response.end('<!doctype html><title>not a model</title>');
    default:
      response.writeHead(404);
      return response.end();
  }
});
after(() => server.close());
const url = (name) => server.url + name;
const one = { threads: 1 };

test('progress: grows, and ends with the size', async () => {
  const steps = [];
  (await createSession(url('model.gf'), { ...one, onProgress: (p) => steps.push(p) })).dispose();
  assert.ok(steps.length > 0 && steps.every((p, i) => p.total === bytes.length && (i === 0 || p.loaded > steps[i - 1].loaded)));
  assert.equal(steps.at(-1).loaded, bytes.length);
});

test('a body without a length, and a compressed one', async () => {
  for (const name of ['chunks.gf', 'zipped.gf']) {
    const steps = [];
    (await createSession(url(name), { ...one, onProgress: (p) => steps.push(p) })).dispose();
    assert.deepEqual([steps.at(-1).loaded, steps.at(-1).total], [bytes.length, 0], name);
  }
});

test('a Response; one that was read, or that is an error, is refused', async () => {
  const response = await fetch(url('model.gf'));
  (await createSession(response, one)).dispose();
  await assert.rejects(createSession(response, one), errorOf('INVALID_ARGUMENT', /read before/));
  await assert.rejects(createSession(await fetch(url('gone.gf')), one), errorOf('FETCH_FAILED', /gone\.gf.*404/));
});

test('failures say what and where', async () => {
  await assert.rejects(createSession(url('gone.gf'), one), errorOf('FETCH_FAILED', /gone\.gf could not be fetched: status 404/));
  await assert.rejects(createSession('http://127.0.0.1:9/model.gf', one), errorOf('FETCH_FAILED', /127\.0\.0\.1:9/));
  await assert.rejects(createSession(url('cut.gf'), one), errorOf('FETCH_FAILED', /cut\.gf/));
  await assert.rejects(createSession(url('short.gf'), one), errorOf('BAD_FILE'));
  await assert.rejects(createSession(url('page.gf'), one), errorOf('BAD_FILE'));
});

test('an abort ends it', async () => {
  const controller = new AbortController();
  const session = createSession(url('slow.gf'), { ...one, signal: controller.signal, onProgress: () => controller.abort() });
  await assert.rejects(session, errorOf('ABORTED'));
  await assert.rejects(createSession(url('model.gf'), { ...one, signal: AbortSignal.abort() }), errorOf('ABORTED'));
});

test('integrity: hexadecimal or base64; other bytes are refused', async () => {
  for (const integrity of [`sha256-${hash.toString('hex')}`, `sha256-${hash.toString('base64')}`])
    for (const source of [url('model.gf'), bytes]) (await createSession(source, { ...one, integrity })).dispose();
  await assert.rejects(createSession(url('short.gf'), { ...one, integrity: `sha256-${hash.toString('hex')}` }), errorOf('INTEGRITY_MISMATCH', /SHA-256/));
  for (const integrity of ['', 'sha256-', 'md5-abc', 'sha256-zz', `sha256-${'0'.repeat(63)}`])
    await assert.rejects(createSession(url('model.gf'), { ...one, integrity }), errorOf('INVALID_ARGUMENT', /integrity/));
});

/** As much of CacheStorage as the loader uses. */
function fakeCaches() {
  const entries = new Map();
  const cache = {
    match: async (key) => entries.get(key)?.clone(),
    put: async (key, response) => void entries.set(key, response),
    delete: async (key) => entries.delete(key),
  };
  return { entries, open: async () => cache };
}

test('cache by URL: asked whether it changed, taken when it did not, fetched when it did, there when offline', async (t) => {
  const fake = fakeCaches();
  globalThis.caches = fake;
  t.after(() => delete globalThis.caches);
  const load = async () => {
    seen.length = 0;
    (await createSession(url('model.gf'), { ...one, cache: true })).dispose();
    return seen.filter((s) => s.endsWith('model.gf')).join();
  };
  assert.equal(await load(), 'GET /model.gf');
  assert.equal(await load(), 'HEAD /model.gf');
  etag = '"2"';
  assert.equal(await load(), 'HEAD /model.gf,GET /model.gf');
  assert.equal(await load(), 'HEAD /model.gf');
  const { fetch } = globalThis;
  globalThis.fetch = () => Promise.reject(new TypeError('offline'));
  t.after(() => (globalThis.fetch = fetch));
  assert.equal(await load(), '');
  assert.equal(fake.entries.size, 1);
});

test('cache by content: never asked again, and what is damaged there is fetched anew', async (t) => {
  const fake = fakeCaches();
  globalThis.caches = fake;
  t.after(() => delete globalThis.caches);
  const load = async () => {
    seen.length = 0;
    (await createSession(url('model.gf'), { ...one, cache: true, integrity: `sha256-${hash.toString('hex')}` })).dispose();
    return seen.filter((s) => s.endsWith('model.gf')).join();
  };
  assert.equal(await load(), 'GET /model.gf');
  assert.equal(await load(), '');
  const [key] = fake.entries.keys();
  fake.entries.set(key, new Response(bytes.subarray(1)));
  assert.equal(await load(), 'GET /model.gf');
  assert.equal(await load(), '');
});

test('a cache that refuses costs nothing but itself', async (t) => {
  t.after(() => delete globalThis.caches);
  globalThis.caches = { open: async () => { throw new Error('denied'); } };
  (await createSession(url('model.gf'), { ...one, cache: true })).dispose();
  globalThis.caches = { open: async () => ({ match: async () => undefined, put: async () => { throw new Error('quota'); } }) };
  (await createSession(url('model.gf'), { ...one, cache: true })).dispose();
});
