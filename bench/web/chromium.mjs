// Serves the page of this folder and drives it in headless Chromium. Nothing leaves the machine.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { createRequire } from 'node:module';

const here = path.dirname(new URL(import.meta.url).pathname);
const TYPES = { '.html': 'text/html', '.mjs': 'text/javascript', '.js': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };

function serve(roots) {
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url, 'http://local').pathname);
    const [, first, ...rest] = name.split('/');
    const root = roots[first], file = root && (fs.statSync(root).isFile() ? root : path.join(root, ...rest));
    if (!file || file.includes('..') || !fs.existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    });
    fs.createReadStream(file).pipe(response);
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

/// {run(case name) -> result of measureCase, close()}
export async function inChromium({ root, dist, wasm, settings }) {
  const { chromium } = await import('playwright-core');
  const packages = path.resolve(path.dirname(createRequire(import.meta.url).resolve('onnxruntime-web')), '../..');
  const server = await serve({ bench: here, cases: root, lib: packages, package: dist, ...(wasm && { 'gf.wasm': path.resolve(wasm) }) });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu'],
  });
  const base = `http://127.0.0.1:${server.address().port}`;
  return {
    /// A page of its own for each case.
    async run(name) {
      const page = await browser.newPage();
      page.on('pageerror', (error) => console.error(String(error)));
      await page.goto(`${base}/bench/page.html`);
      const files = fs.readdirSync(path.join(root, name)).filter((f) => !/^(folded|ours)[.]/.test(f));
      const result = await page.evaluate(([n, f, s]) => window.measure(n, f, s), [name, files, { ...settings, wasm: wasm !== undefined }]);
      await page.close();
      return result;
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}
