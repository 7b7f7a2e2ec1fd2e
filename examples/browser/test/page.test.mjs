// Every part of the demo in headless Chromium, with and without cross-origin isolation. Expected values come from the test data, from
// ONNX Runtime's answers for it, and from running what the page hands out with the native tools.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { serve } from '../serve.mjs';
import { DESKTOP, DRAWN, PHONE, SILERO, SQUEEZENET, bin, cannot, data, draw, expectedSpeech, goTo, judgeClasses, launch, needs, numbers, openPage, readNpy, root, shoot, tile, writeNpy } from './support.mjs';

const folder = mkdtempSync(join(tmpdir(), 'gf-demo-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const out = join(root, 'build/browser');
const MNIST = 'mnist/train-images-idx3-ubyte.gz';

/** Runs an entry with gf-run and gives its output. */
function native(model, entry, name, values, shape, output) {
  writeNpy(join(folder, 'in.npy'), values, shape);
  execFileSync(join(bin, 'gf-run'), [model, '--entry', entry, '--input', `${name}=${join(folder, 'in.npy')}`, '--output-dir', folder], { stdio: 'pipe' });
  return readNpy(join(folder, `${output}.npy`));
}
const best = (p) => p.indexOf(Math.max(...p));
async function saved(page, click) {
  const [download] = await Promise.all([page.waitForEvent('download'), click()]);
  const path = join(folder, download.suggestedFilename());
  await download.saveAs(path);
  return path;
}

// ---- shapes to draw ----
/** The n-th drawing of a triangle: each a little different, and always the same. */
const triangle = (n) => {
  const j = (k) => 0.05 * Math.sin(7.1 * n + 3.3 * k), a = [0.5 + j(1), 0.15 + j(2)];
  return [[a, [0.85 + j(3), 0.8 + j(4)], [0.15 + j(5), 0.82 + j(6)], a]];
};

for (const isolation of [true, false]) {
  describe(isolation ? 'with cross-origin isolation' : 'without it', { skip: cannot, concurrency: 1 }, () => {
    const suffix = isolation ? '' : '-one-thread';
    let server, browser;
    before(async () => {
      server = await serve({ port: 0, isolation, bin, data, out });
      browser = await launch(needs(SILERO) === false ? join(data, SILERO) : undefined);
    });
    after(async () => {
      await browser?.close();
      await server?.close();
    });
    /** What threads a session has that takes as many as it can get. */
    const threads = async (page, part) => {
      const n = Number((await tile(page, part, 'threads')).split('\n')[0]), processors = await page.evaluate(() => navigator.hardwareConcurrency);
      assert.equal(await page.evaluate(() => crossOriginIsolated), isolation);
      assert.equal(n, isolation ? Math.min(4, processors) : 1);
    };
    const told = async (page, part, first = 'time per run') => {
      assert.match(await tile(page, part, first), /^[\d.]+ (µs|ms|s)/);
      assert.match(await tile(page, part, 'memory'), /^[\d.]+ [kM]B/);
    };

    test('a picture is classified as in the test data', { skip: needs(SQUEEZENET) }, async () => {
      const { page, errors, close } = await openPage(browser);
      await goTo(page, server.url, 'classify');
      await page.click('#classify button:has-text("sample")');
      await page.locator('#classify [data-done]').waitFor();
      judgeClasses(await page.locator('#classify .bar-name').allInnerTexts(), (await page.locator('#classify .bar-value').allInnerTexts()).map(parseFloat));
      await told(page, 'classify');
      assert.match(await tile(page, 'classify', 'ready after'), /2\.\d+ MB file/);
      await threads(page, 'classify');
      await shoot(page, `see${suffix}`);
      await page.setInputFiles('#classify input[type=file]', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture') });
      assert.match(await page.locator('#classify [role=alert]').innerText(), /notes\.txt.*not a picture/);
      assert.deepEqual(errors, []);
      await close();
    });

    test('digits are read, and a new symbol is learned, kept and handed out', { skip: needs(MNIST) }, async () => {
      const { page, errors, close } = await openPage(browser, { ...DESKTOP, acceptDownloads: true });
      await goTo(page, server.url, 'digits');
      const read = async (...lines) => {
        await page.click('#digits button:has-text("Clear")');
        await draw(page, ...lines);
        await page.waitForFunction(() => /sure/.test(document.querySelector('.guess').innerText));
        // what was asked for last is answered last
        await page.waitForTimeout(300);
        return page.locator('.guess strong').innerText();
      };
      for (const [digit, lines] of Object.entries(DRAWN)) assert.equal(await read(...lines), digit);
      await told(page, 'digits');

      await page.getByRole('button', { name: 'Add', exact: true }).click();
      assert.match(await page.locator('#digits [role=alert]').innerText(), /name first/);
      await page.fill('#digits input', '△');
      await page.press('#digits input', 'Enter');
      assert.ok(await page.locator('#learn').isDisabled());
      await page.click('#digits button:has-text("Clear")');
      for (let n = 0; n < 5; ++n) {
        await draw(page, ...triangle(n));
        await page.click('#add-sample');
      }
      await page.click('#learn');
      const [right, cases] = numbers((await page.locator('#taught-right').innerText()).replace('of', ''));
      assert.ok(right >= 0.9 * cases, `${right} of ${cases}`);
      assert.equal(cases, 132);
      const last = Number(/loss ([\d.]+)/.exec(await page.locator('#digits .chart canvas').getAttribute('aria-label'))[1]);
      // sixteen classes at random: ln 16 = 2.77
      assert.ok(last < 0.7, `loss ${last}`);
      assert.equal(await page.locator('.confusion tbody tr').count(), 11);
      assert.equal(await read(...triangle(11)), '△');
      assert.equal(await read(...DRAWN[0]), '0');
      await threads(page, 'digits');
      await read(...triangle(12));
      await shoot(page, `draw${suffix}`);

      // the file, read by the native runtime: digits that the page never trained on, and a triangle
      const file = await saved(page, () => page.click('#download-symbols'));
      const { rehearsed, tested } = server.assets, unseen = readFileSync(join(out, 'some-digits.bin')).subarray(784 * 10 * rehearsed);
      let good = 0;
      for (let from = 0; from < 10 * tested; from += 30) {
        const p = native(file, 'main', 'image', Array.from(unseen.subarray(784 * from, 784 * (from + 30)), (v) => v / 255), [30, 1, 28, 28], 'probabilities');
        for (let i = 0; i < 30; ++i) good += best(p.subarray(16 * i, 16 * i + 11)) === Math.floor((from + i) / tested) ? 1 : 0;
      }
      assert.ok(good >= 0.9 * 10 * tested, `${good} of ${10 * tested}`);
      const sample = await page.evaluate(() => new Promise((done) => {
        const request = indexedDB.open('ghostflow-demo', 1);
        request.onsuccess = () => {
          const get = request.result.transaction('kept').objectStore('kept').get('symbols-1');
          get.onsuccess = () => done(Array.from(get.result.symbols[0].samples[0]));
        };
      }));
      assert.equal(best(native(file, 'main', 'image', sample.map((v) => v / 255), [1, 1, 28, 28], 'probabilities').subarray(0, 11)), 10);

      await page.reload();
      await page.waitForFunction(() => document.querySelector('#digits')?.dataset.state === 'ready');
      assert.match(await page.locator('#digits [role=status]').innerText(), /still knows △/);
      assert.equal(await read(...triangle(13)), '△');
      await page.click('#digits button:has-text("Forget")');
      await page.locator('#digits .message:has-text("Forgotten")').waitFor();
      assert.notEqual(await read(...triangle(13)), '△');
      assert.deepEqual(errors, []);
      await close();
    });

    test('speech is found in a file where ONNX Runtime finds it, and through the microphone', { skip: needs(SILERO) }, async () => {
      const { page, errors, close } = await openPage(browser);
      await goTo(page, server.url, 'voice');
      await page.click('#voice button:has-text("Sample")');
      await page.locator('#voice [data-done]').waitFor();
      assert.deepEqual(JSON.parse(await page.locator('#voice [data-done]').getAttribute('data-done')), expectedSpeech());
      await told(page, 'voice');
      await shoot(page, `listen${suffix}`);

      await page.click('#microphone');
      await page.waitForFunction(() => Number(document.querySelector('#voice [data-live]')?.dataset.live) >= 1);
      await page.waitForFunction(() => document.querySelector('#said').innerText === 'Speech');
      await page.click('#microphone');
      await page.setInputFiles('#voice input[type=file]', { name: 'notes.wav', mimeType: 'audio/wav', buffer: Buffer.from('no sound') });
      assert.match(await page.locator('#voice [role=alert]').innerText(), /not a sound file/);
      assert.deepEqual(errors, []);
      await close();
    });

    test('a net learns MNIST from scratch', { skip: needs(MNIST) }, async (t) => {
      if (server.assets.missing.mnist) return t.skip(server.assets.missing.mnist);
      const { page, errors, close } = await openPage(browser, { ...DESKTOP, acceptDownloads: true });
      await goTo(page, server.url, 'mnist');
      const part = page.locator('#mnist .part-body');
      // it knows nothing yet
      assert.ok(Number(await part.getAttribute('data-accuracy')) < 0.3);
      await page.click('#train-start');
      await page.waitForFunction(() => Number(document.querySelector('#mnist .part-body').dataset.accuracy) >= 0.85);
      await page.click('#train-start');
      await page.locator('#train-start:has-text("Go on")').waitFor();
      const losses = numbers(await part.getAttribute('data-losses')).filter((v) => v > 0), mean = (v) => v.reduce((a, b) => a + b, 0) / v.length;
      // ten classes at random: ln 10 = 2.30
      assert.ok(mean(losses.slice(-10)) < 1, `losses ${losses.slice(-10)}`);
      await told(page, 'mnist', 'train step');
      await threads(page, 'mnist');
      assert.match(await tile(page, 'mnist', 'speed'), /^[\d,]+ \/s/);
      await shoot(page, `train${suffix}`);

      const file = await saved(page, () => page.click('#mnist button:has-text("Download")'));
      const pictures = gunzipSync(readFileSync(join(data, 'mnist/t3k-images-idx3-ubyte.gz'))).subarray(16), labels = gunzipSync(readFileSync(join(data, 'mnist/t3k-labels-idx1-ubyte.gz'))).subarray(8);
      let good = 0;
      for (let from = 1024; from < 1024 + 256; from += 64) {
        const p = native(file, 'main', 'image', Array.from(pictures.subarray(784 * from, 784 * (from + 64)), (v) => v / 255), [64, 1, 28, 28], 'probabilities');
        for (let i = 0; i < 64; ++i) good += best(p.subarray(10 * i, 10 * i + 10)) === labels[from + i] ? 1 : 0;
      }
      assert.ok(good >= 0.75 * 256, `${good} of 256`);

      await page.click('#mnist button:has-text("Start over")');
      await page.waitForFunction(() => Number(document.querySelector('#mnist .part-body').dataset.accuracy) < 0.3);
      assert.deepEqual(errors, []);
      await close();
    });

    test('a model is described and measured', async () => {
      const { page, errors, close } = await openPage(browser);
      await goTo(page, server.url, 'inspect');
      const file = join(out, 'digits.gf'), about = execFileSync(join(bin, 'gf-info'), [file], { encoding: 'utf8' });
      await page.setInputFiles('#inspect input[type=file]', file);
      await page.locator('#inspect [data-done="digits.gf"]').waitFor();
      const entry = await page.locator('#inspect .entry').innerText();
      assert.match(entry, new RegExp(`main · ${/entry 'main': (\d+) ops/.exec(about)[1]} ops`));
      assert.match(entry, /image float32 1×1×28×28/);
      assert.match(entry, /probabilities float32 1×10/);
      assert.match(await page.locator('#inspect .plan').getAttribute('aria-label'), /weights [\d.]+ kB, activations/);
      await page.click('#benchmark');
      await page.locator('#inspect .profile li').first().waitFor();
      await told(page, 'inspect');
      await threads(page, 'inspect');
      assert.ok((await page.locator('#inspect .profile .node').allInnerTexts()).some((n) => n.startsWith('conv')));
      await shoot(page, `inspect${suffix}`);

      // every kind of wrong file, and a good one again
      const bytes = readFileSync(file);
      const wrong = async (name, buffer) => {
        await page.setInputFiles('#inspect input[type=file]', { name, mimeType: 'application/octet-stream', buffer });
        return page.locator(`#inspect [role=alert]:has-text("${name}")`).innerText();
      };
      assert.match(await wrong('a.gf', Buffer.from('no model')), /a\.gf.*not a \.gf file/);
      assert.match(await wrong('b.gf', bytes.subarray(0, bytes.length - 100)), /damaged|not a \.gf/);
      const flipped = Buffer.from(bytes);
      flipped[bytes.length - 3000] ^= 1;
      assert.match(await wrong('c.gf', flipped), /damaged/);
      await page.setInputFiles('#inspect input[type=file]', file);
      await page.locator('#inspect [data-done="digits.gf"]').waitFor();
      assert.equal(await page.locator('#inspect [role=alert]').count(), 0);

      // an .onnx: converted in the page, or a message how to convert it
      await page.setInputFiles('#inspect input[type=file]', join(root, 'examples/digits/digits.onnx'));
      await page.locator('#inspect [data-done="digits.gf"], #inspect [role=alert]').first().waitFor();
      const there = await page.evaluate(() => fetch('/ghostflow/gf-convert.wasm', { method: 'HEAD' }).then((r) => r.ok));
      if (there) assert.match(await page.locator('#inspect .entry').innerText(), /probabilities float32 1×10/);
      else assert.match(await page.locator('#inspect [role=alert]').innerText(), /gf-convert digits\.onnx -o digits\.gf/);
      // a HEAD of the converter that is not there is the only error
      assert.deepEqual(errors.filter((e) => !/404/.test(e)), []);
      assert.ok(there ? errors.length === 0 : true);
      await close();
    });

    test('on a phone nothing is wider than the screen', async () => {
      const { page, close } = await openPage(browser, PHONE);
      for (const part of ['classify', 'digits', 'voice', 'mnist', 'inspect']) {
        await goTo(page, server.url, part);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), PHONE.viewport.width, part);
        await shoot(page, `phone-${part}${suffix}`);
      }
      await close();
    });
  });
}

describe('what is missing', { skip: cannot }, () => {
  test('parts whose data the server lacks say so, the others work', async () => {
    const server = await serve({ port: 0, bin, data: join(folder, 'nothing'), out: join(folder, 'out') }), browser = await launch();
    const { page, errors, close } = await openPage(browser);
    for (const part of ['classify', 'voice', 'mnist']) {
      await goTo(page, server.url, part);
      assert.match(await page.locator(`#${part} .absent`).innerText(), /not on this server/);
    }
    await goTo(page, server.url, 'digits');
    await draw(page, ...DRAWN[7]);
    await page.waitForFunction(() => document.querySelector('.guess strong').innerText === '7');
    assert.match(await page.locator('#digits .part-body').innerText(), /Not on this server/);
    await goTo(page, server.url, 'inspect');
    assert.deepEqual(errors, []);
    await close();
    await browser.close();
    await server.close();
  });

  test('a microphone that is refused is a message', { skip: needs(SILERO) }, async () => {
    const server = await serve({ port: 0, bin, data, out }), browser = await launch();
    const { page, close } = await openPage(browser);
    await goTo(page, server.url, 'voice');
    await page.click('#microphone');
    assert.match(await page.locator('#voice [role=alert]').innerText(), /microphone/i);
    await close();
    await browser.close();
    await server.close();
  });

  test('the server gives only what lies in its folders', async () => {
    const server = await serve({ port: 0, bin, data, out });
    const status = async (path, options) => (await fetch(server.url + path, options)).status;
    assert.equal(await status(''), 200);
    assert.equal(await status('serve.mjs'), 404);
    assert.equal(await status('..%2fserve.mjs'), 404);
    assert.equal(await status('assets/..%2f..%2fREADME.md'), 404);
    assert.equal(await status('%00'), 404);
    assert.equal(await status('%ff'), 400);
    assert.equal(await status('', { method: 'POST' }), 405);
    await server.close();
  });
});
