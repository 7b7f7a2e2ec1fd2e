// The demo in browsers that nothing here drives (Firefox, WebKitGTK): drive.html uses every part in a frame and posts what it saw.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bodyOf, browserNames, browserProgram, visitUntil } from '../../../web/test/browsers.mjs';
import { serve } from '../serve.mjs';
import { DRAWN, SILERO, SQUEEZENET, bin, data, expectedSpeech, judgeClasses, needs, root } from './support.mjs';

const drive = readFileSync(new URL('./drive.html', import.meta.url));
const needed = needs(SILERO, SQUEEZENET, 'mnist/train-images-idx3-ubyte.gz');

/** The demo's own server with two more addresses: drive.html, and where it posts to. */
async function serveDriven(demo, isolation, report) {
  const headers = isolation ? { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' } : {};
  const server = createServer((request, response) => {
    if (request.method === 'POST') {
      report(bodyOf(request));
      return response.writeHead(204, headers).end();
    }
    if (request.url.startsWith('/drive.html')) return response.writeHead(200, { ...headers, 'Content-Type': 'text/html' }).end(drive);
    return forward(new URL(request.url, demo.url), { method: request.method, headers: request.headers }, (answer) => answer.pipe(response.writeHead(answer.statusCode, answer.headers))).on('error', () => response.destroy()).end();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => new Promise((done) => (server.close(done), server.closeAllConnections())) };
}

for (const name of browserNames.filter((n) => n !== 'Chromium'))
  for (const isolation of [true, false]) {
    const skip = needed || (browserProgram(name) === undefined && `${name} is not installed`);
    describe(`${name}, ${isolation ? 'with cross-origin isolation' : 'without it'}`, { skip }, () => {
      let seen, demo, server;
      before(async () => {
        demo = await serve({ port: 0, isolation, bin, data, out: join(root, 'build/browser') });
        let report;
        const reported = new Promise((done) => (report = done));
        server = await serveDriven(demo, isolation, report);
        seen = await visitUntil(name, `${server.url}drive.html?${encodeURIComponent(JSON.stringify(DRAWN))}`, reported, 300000);
      });
      after(async () => {
        await server?.close();
        await demo?.close();
      });
      /** That a part told its time, memory and threads; `small` ones ask for one. */
      const told = (part, first = 'time per run', small = false) => {
        assert.equal(seen[part].failed, undefined);
        const { tiles } = seen[part];
        assert.match(tiles[first], /^[\d.]+ (µs|ms|s)/);
        assert.match(tiles.memory, /^[\d.]+ [kM]B/);
        const n = Number(tiles.threads.split('\n')[0]);
        assert.ok(isolation && !small ? n > 1 : n === 1, `threads: ${tiles.threads}`);
      };

      test('the page works without an error', () => {
        assert.equal(seen.failed, undefined);
        assert.equal(seen.isolated, isolation);
        assert.deepEqual(seen.errors, []);
      });
      test('a picture is classified as in the test data', () => {
        told('classify');
        judgeClasses(seen.classify.names, seen.classify.values);
      });
      test('digits are read', () => {
        told('digits', undefined, true);
        for (const digit of Object.keys(DRAWN)) assert.equal(seen.digits[digit], digit);
      });
      test('speech is found in a file where ONNX Runtime finds it', () => {
        told('voice', undefined, true);
        assert.deepEqual(seen.voice.spans, expectedSpeech());
      });
      test('a net learns MNIST from scratch', (t) => {
        if (demo.assets.missing.mnist) return t.skip(demo.assets.missing.mnist);
        told('mnist', 'train step');
        assert.ok(seen.mnist.before < 0.3 && seen.mnist.after >= 0.85, JSON.stringify(seen.mnist));
      });
      test('a model is described and measured', () => {
        told('inspect');
        assert.match(seen.inspect.entry, /image float32 1×1×28×28/);
        assert.ok(seen.inspect.nodes.some((n) => n.startsWith('conv')));
      });
    });
  }
