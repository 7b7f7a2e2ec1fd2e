// Browsers that are started with an address and ended by force. Nothing drives them: a page posts what it found to where it came from.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const libraries = existsSync('/usr/lib') ? readdirSync('/usr/lib') : [];
const BROWSERS = {
  Chromium: {
    at: [process.env.CHROMIUM ?? '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
    command: (at, profile, url) => [at, '--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`, '--remote-debugging-port=0', url],
  },
  Firefox: {
    at: ['/usr/bin/firefox-esr', '/usr/bin/firefox'],
    command: (at, profile, url) => [at, '--headless', '--no-remote', '--profile', profile, url],
  },
  // Safari's engine. It has no window to be without: xvfb.
  WebKitGTK: {
    at: libraries.flatMap((d) => ['4.1', '4.0', '6.0'].map((v) => `/usr/lib/${d}/webkit2gtk-${v}/MiniBrowser`)),
    command: (at, _, url) => ['xvfb-run', '-a', at, '--private', url],
    env: { JSC_useSharedArrayBuffer: '1' },  // which Safari has by itself
  },
};
export const browserNames = Object.keys(BROWSERS);

/** Undefined where it is not installed. */
export const browserProgram = (name) => BROWSERS[name].at.find((f) => existsSync(f));

// Opens `url` with a new profile, which has temporary files too. The function that is returned ends the browser, which is many processes, one
// group: asked first, so that the X server takes its lock away.
function start(name, url) {
  const { command, env } = BROWSERS[name], profile = mkdtempSync(join(tmpdir(), 'gf-browser-'));
  const [program, ...args] = command(browserProgram(name), profile, url);
  const started = spawn(program, args, { detached: true, stdio: 'ignore', env: { ...process.env, ...env, HOME: profile, TMPDIR: profile } });
  const ended = new Promise((done) => started.on('exit', done).on('error', done));
  const signal = (which) => {
    try {
      process.kill(-started.pid, which);
    } catch {
      // it has ended by itself
    }
  };
  return async () => {
    signal('SIGTERM');
    await new Promise((done) => setTimeout(done, 500));
    signal('SIGKILL');
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
}

/** Opens `url` in a browser until the promise `reported` has a value, which is the result: an error after `ms` milliseconds without. */
export async function visitUntil(name, url, reported, ms) {
  const end = start(name, url);
  let timer;
  const late = new Promise((_, failed) => (timer = setTimeout(() => failed(new Error(`${name} reported nothing`)), ms)));
  try {
    return await Promise.race([reported, late]);
  } finally {
    clearTimeout(timer);
    await end();
  }
}

/** The body of a request, read as JSON. */
export async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}
