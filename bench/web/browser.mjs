// Serves the page of this folder to a browser: a page of its own for each case, which posts its result. Nothing leaves the machine.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { createRequire } from 'node:module';
import { bodyOf, browserNames, browserProgram, visitUntil } from '../../web/test/browsers.mjs';
import { caseFiles } from './cases.mjs';

const here = path.dirname(new URL(import.meta.url).pathname);
const TYPES = { '.html': 'text/html', '.mjs': 'text/javascript', '.js': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const PATIENCE_MS = 300000;

function serve(roots, report) {
  const server = http.createServer((request, response) => {
    if (request.method === 'POST') {
      report(bodyOf(request));
      response.writeHead(204, ISOLATION).end();
      return;
    }
    const name = decodeURIComponent(new URL(request.url, 'http://local').pathname);
    const [, first, ...rest] = name.split('/');
    const root = roots[first], file = root && (fs.statSync(root).isFile() ? root : path.join(root, ...rest));
    if (!file || file.includes('..') || !fs.existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream', ...ISOLATION });
    fs.createReadStream(file).pipe(response);
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

/// {run(case name) -> result of measureCase, close()} in a browser of browserNames, in any case.
export async function inBrowser(wanted, { root, dist, wasm, settings }) {
  const name = browserNames.find((n) => n.toLowerCase() === wanted.toLowerCase());
  if (name === undefined) throw new Error(`what is "${wanted}"? There are node and ${browserNames.join(', ').toLowerCase()}`);
  if (browserProgram(name) === undefined) throw new Error(`${name} is not installed`);
  const packages = path.resolve(path.dirname(createRequire(import.meta.url).resolve('onnxruntime-web')), '../..');
  let report;
  const roots = { bench: here, cases: root, lib: packages, package: dist, ...(wasm && { 'gf.wasm': path.resolve(wasm) }) };
  const server = await serve(roots, (body) => report(body));
  return {
    async run(which) {
      const task = encodeURIComponent(JSON.stringify([which, caseFiles(path.join(root, which)), { ...settings, wasm: wasm !== undefined }]));
      const reported = new Promise((done) => (report = done));
      const result = await visitUntil(name, `http://127.0.0.1:${server.address().port}/bench/page.html?${task}`, reported, PATIENCE_MS);
      if (result.failed) throw new Error(`${name}, ${which}: ${result.failed}`);
      return result;
    },
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
