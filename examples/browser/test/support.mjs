// A server and a browser for the tests of the demo; what is missing makes them skip with a line that says so.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browserProgram } from '../../../web/test/browsers.mjs';

export const root = fileURLToPath(new URL('../../../', import.meta.url));
export const bin = process.env.GF_BIN_DIR ?? join(root, 'build/release/bin');
export const data = process.env.GF_TEST_DATA ?? join(root, '../shared/data');
const executable = browserProgram('Chromium');

function driver() {
  try {
    return createRequire(import.meta.url)('playwright-core').chromium;
  } catch {
    return undefined;
  }
}
const chromium = driver();

/** Why nothing here can run; false: it can. */
export const cannot = executable === undefined ? 'chromium is not installed' : chromium === undefined ? 'playwright-core is not installed: npm ci in examples/browser/test'
  : !existsSync(join(root, 'web/dist/worker.js')) ? 'the package is not built: npm run build in web' : !existsSync(join(bin, 'gf-convert')) ? `no gf-convert in ${bin}` : false;
export const needs = (...files) => cannot || files.map((f) => (existsSync(join(data, f)) ? false : `test data ${f} is not there`)).find(Boolean) || false;

/** The microphone of such a browser plays `sound`, over and over; without it, pages are refused the microphone. */
export function launch(sound) {
  const microphone = sound === undefined ? [] : ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-audio-capture=${sound}`];
  return chromium.launch({
    executablePath: executable,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...microphone],
  });
}

export const DESKTOP = { viewport: { width: 1280, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' };

/** A page that fails the test when a script of it does. `errors` are what it reported. */
export async function openPage(browser, options = DESKTOP) {
  const context = await browser.newContext(options), page = await context.newPage(), errors = [];
  page.setDefaultTimeout(40000);
  page.on('pageerror', (e) => errors.push(String(e)));
  page.on('console', (m) => m.type() === 'error' && errors.push(m.text()));
  return { page, errors, close: () => context.close() };
}

export async function goTo(page, url, part) {
  await page.goto(`${url}#${part}`);
  await page.waitForFunction((id) => ['ready', 'failed'].includes(document.getElementById(id)?.dataset.state), part);
  if (await page.locator(`#${part}`).getAttribute('data-state') === 'failed') throw new Error(`${part}: ${await page.locator(`#${part} > .messages`).innerText()}`);
}

/** Screenshots go to the folder GF_SHOTS, if it is set: of a phone, and of a desktop. */
export async function shoot(page, name) {
  const folder = process.env.GF_SHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** The tile with this name, as text. */
export const tile = (page, part, name) => page.locator(`#${part} .stats > div`, { has: page.locator(`dt:text-is("${name}")`) }).first().locator('dd').innerText();

/** Draws lines, in parts of the pad's size from its upper left corner. */
export async function draw(page, ...lines) {
  await page.locator('.pad').evaluate((pad) => pad.scrollIntoView({ block: 'center' }));
  const box = await page.locator('.pad').boundingBox();
  for (const [first, ...rest] of lines) {
    await page.mouse.move(box.x + first[0] * box.width, box.y + first[1] * box.height);
    await page.mouse.down();
    for (const [x, y] of rest) await page.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: 4 });
    await page.mouse.up();
  }
}

// ---- what is expected, in every browser ----
export const SILERO = 'models/silero-vad/test.wav', SQUEEZENET = 'models/squeezenet/golden_fp16_cpu.csv';
export const numbers = (text) => text.split(/[\s,]+/).map(Number).filter((n) => !Number.isNaN(n));

/** The classes of the sample picture, best first, as in the test data. */
export function judgeClasses(names, percent) {
  const golden = numbers(readFileSync(join(data, SQUEEZENET), 'utf8')).filter((_, i) => i % 2 === 1), order = [0, 389, 395, 5, 390];
  const labels = readFileSync(join(data, 'models/squeezenet/labels.txt'), 'utf8').split('\n').map((l) => l.split(',')[1]?.trim());
  assert.deepEqual(names, order.map((i) => labels[i]));
  // 1e-3 of probability is allowed, and the page rounds to 0.1 %
  order.forEach((i, n) => assert.ok(Math.abs(percent[n] - 100 * golden[i]) <= 0.15 + 1e-9, `class ${i}: ${percent[n]} %, expected ${100 * golden[i]} %`));
}

/** Where there is speech in the sample: [begin, end] in seconds, of ONNX Runtime's probabilities. */
export function expectedSpeech() {
  const spans = [], probabilities = numbers(readFileSync(join(root, 'tests/models/silero_speech.csv'), 'utf8'));
  let speaking = false;
  probabilities.forEach((p, k) => {
    const now = (k * 512) / 16000, then = speaking;
    speaking = p >= (speaking ? 0.35 : 0.5);
    if (speaking && !then) spans.push([now, (probabilities.length * 512) / 16000]);
    if (!speaking && then) spans.at(-1)[1] = now;
  });
  assert.ok(spans.length > 10);
  return spans;
}

const circle = (x, y, r, s = 1) => [Array.from({ length: 17 }, (_, i) => [x + r * Math.sin((i * Math.PI) / 8), y - s * r * Math.cos((i * Math.PI) / 8)])];
/** Digits as lines, in parts of the pad's size. */
export const DRAWN = { 0: circle(0.5, 0.5, 0.25, 1.3), 1: [[[0.5, 0.15], [0.5, 0.85]]], 7: [[[0.28, 0.2], [0.72, 0.2], [0.45, 0.85]]], 4: [[[0.35, 0.15], [0.3, 0.5], [0.7, 0.5]], [[0.66, 0.15], [0.64, 0.88]]] };

/** Floats as a .npy file, for gf-run. */
export function writeNpy(path, values, shape) {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`, padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, padded.length & 255, padded.length >> 8]);
  writeFileSync(path, Buffer.concat([head, Buffer.from(padded), Buffer.from(Float32Array.from(values).buffer)]));
}
/** Floats of a .npy file of ours. */
export function readNpy(path) {
  const bytes = readFileSync(path), at = 10 + bytes.readUInt16LE(8);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + bytes.length));
}
