// Serves the demo: one command, nothing to install.
//   node examples/browser/serve.mjs [--no-isolation] [--port 8080] [--host 127.0.0.1] [--bin DIR] [--data DIR] [--package DIR] [--out DIR]
// Models are made once with the native tools (assets.mjs); the page reads assets.json to learn which are there.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeAssets } from './assets.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = resolve(HERE, '../..');

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png', '.wasm': 'application/wasm', '.wav': 'audio/wav', '.txt': 'text/plain; charset=utf-8',
};

const DEFAULTS = {
  isolation: true, port: 8080, host: '127.0.0.1', bin: join(ROOT, 'build/release/bin'), data: resolve(ROOT, '../shared/data'),
  package: join(ROOT, 'web/dist'), out: join(ROOT, 'build/browser'),
};

/** Threads need shared memory, which a browser gives to a page with these headers only. */
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp', 'Cross-Origin-Resource-Policy': 'same-origin' };

/** The file that a path of a URL means; undefined: none. */
function fileOf(path, folders) {
  const [prefix, folder] = Object.entries(folders).find(([p]) => path.startsWith(p)) ?? [];
  if (folder === undefined) return undefined;
  const rest = path.slice(prefix.length) || 'index.html';
  const file = normalize(join(folder, rest));
  if (file.includes('\0') || !file.startsWith(folder + sep)) return undefined;
  return existsSync(file) && statSync(file).isFile() ? file : undefined;
}

/** Starts the server; port 0 takes a free one. Gives { url, assets, close }. */
export async function serve(options = {}) {
  const o = { ...DEFAULTS, ...options };
  if (!existsSync(join(o.package, 'worker.js'))) throw new Error(`${o.package} has no worker.js: make the package first (cd web && npm ci && npm run build)`);
  const assets = await makeAssets({ root: ROOT, bin: o.bin, data: o.data, package: o.package, out: o.out });
  const folders = { '/ghostflow/': o.package, '/assets/': o.out, '/mnist/': join(o.data, 'mnist'), '/': join(HERE, 'page') };
  const server = createServer((request, response) => {
    const headers = { 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff', ...(o.isolation ? ISOLATION : {}) };
    const end = (status, text, extra = {}) => response.writeHead(status, { ...headers, ...extra, 'Content-Type': 'text/plain; charset=utf-8' }).end(text);
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(405, 'GET and HEAD only\n', { Allow: 'GET, HEAD' });
    let path;
    try {
      path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    } catch {
      return end(400, 'not a path\n');
    }
    const file = fileOf(path, folders);
    if (file === undefined) return end(404, `${path} is not here\n`);
    const { size, mtimeMs } = statSync(file), tag = `"${size}-${Math.round(mtimeMs)}"`;
    if (request.headers['if-none-match'] === tag) return void response.writeHead(304, { ...headers, ETag: tag }).end();
    response.writeHead(200, { ...headers, 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Length': size, ETag: tag });
    if (request.method === 'HEAD') return void response.end();
    createReadStream(file).on('error', () => response.destroy()).pipe(response);
  });
  await new Promise((done, fail) => server.once('error', fail).listen(o.port, o.host, done));
  return {
    url: `http://${o.host.includes(':') ? `[${o.host}]` : o.host}:${server.address().port}/`, assets,
    close: () => new Promise((done) => (server.close(done), server.closeAllConnections())),
  };
}

function parse(args) {
  const options = {};
  for (let i = 0; i < args.length; ++i) {
    const name = args[i].replace(/^--/, '');
    if (name === 'no-isolation') options.isolation = false;
    else if (['port', 'host', 'bin', 'data', 'package', 'out'].includes(name) && args[i].startsWith('--') && args[i + 1] !== undefined) {
      const value = args[++i];
      options[name] = name === 'port' ? Number(value) : name === 'host' ? value : resolve(value);
      if (name === 'port' && !(Number.isInteger(options.port) && options.port >= 0 && options.port < 65536)) throw new Error(`--port is a number below 65536, not ${value}`);
    } else throw new Error(`${args[i]}: the options are --no-isolation, --port N, --host NAME, --bin DIR, --data DIR, --package DIR, --out DIR`);
  }
  return options;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const options = parse(process.argv.slice(2));
    const { url, assets } = await serve(options);
    for (const [part, reason] of Object.entries(assets.missing)) console.log(`${part}: not available, ${reason}`);
    console.log(`${url}${options.isolation === false ? '  (not cross-origin isolated: one thread)' : ''}`);
  } catch (e) {
    console.error(e.message);
    process.exitCode = 1;
  }
}
