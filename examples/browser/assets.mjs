// Makes what the page needs, in one folder: models by gf-convert and gf-train, samples from the test data. What cannot be made is
// named in assets.json with the reason, and the page says so where it is missed. What is newer than its sources stays.
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { deflateSync, gunzipSync } from 'node:zlib';

const run = promisify(execFile);

/** Classes of the net that learns symbols: ten digits and six of the user's. */
export const CLASSES = 16;
const DIGITS = 10;
/** Digits of each class that the page keeps in mind while it learns new symbols, and others to test itself with. */
const REHEARSED = 24, TESTED = 12;

class Missing extends Error {}

const fresh = (made, sources) => existsSync(made) && sources.every((s) => statSync(s).mtimeMs <= statSync(made).mtimeMs);

function needs(...files) {
  for (const f of files) if (!existsSync(f)) throw new Missing(`${f} is not there`);
}

/** `make` writes `file` unless it is newer than all of its sources. */
async function once(file, sources, make) {
  needs(...sources);
  if (fresh(file, sources)) return;
  try {
    await make(file);
  } catch (e) {
    rmSync(file, { force: true });
    throw e instanceof Missing ? e : new Missing(String(e.stderr || e.message).trim().split('\n')[0]);
  }
}

function crc32(bytes) {
  let crc = ~0;
  for (const b of bytes) {
    crc ^= b;
    for (let k = 0; k < 8; ++k) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A PNG of RGB bytes. */
function png(rgb, width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]), out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const lines = Buffer.alloc(height * (3 * width + 1));
  for (let y = 0; y < height; ++y) rgb.copy(lines, y * (3 * width + 1) + 1, y * 3 * width, (y + 1) * 3 * width);
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', header), chunk('IDAT', deflateSync(lines)), chunk('IEND', Buffer.alloc(0))]);
}

/** The test picture is 3 x 224 x 224 numbers, blue first, as the net wants them. */
function pictureOf(csv) {
  const values = readFileSync(csv, 'utf8').split(/[\s,]+/).filter(Boolean).map(Number), area = values.length / 3, side = Math.sqrt(area);
  if (!Number.isInteger(side)) throw new Missing(`${csv}: ${values.length} numbers are no square picture`);
  const rgb = Buffer.alloc(3 * area);
  for (let i = 0; i < area; ++i) for (let c = 0; c < 3; ++c) rgb[3 * i + c] = Math.round(values[(2 - c) * area + i]);
  return png(rgb, side, side);
}

/** A few digits of each class: first those to rehearse, then those to test with; 784 bytes each, class by class. */
function someDigits(folder) {
  const images = gunzipSync(readFileSync(join(folder, 'train-images-idx3-ubyte.gz'))).subarray(16), labels = gunzipSync(readFileSync(join(folder, 'train-labels-idx1-ubyte.gz'))).subarray(8);
  const byClass = Array.from({ length: DIGITS }, () => []);
  for (let i = 0; i < labels.length; ++i) if (byClass[labels[i]].length < REHEARSED + TESTED) byClass[labels[i]].push(images.subarray(784 * i, 784 * (i + 1)));
  return Buffer.concat([...byClass.flatMap((d) => d.slice(0, REHEARSED)), ...byClass.flatMap((d) => d.slice(REHEARSED))]);
}

/** The State of `symbols`, with the rows of the ten digits from a net that knows them and zeros for the others. */
async function transplant(packageFolder, symbols, digits) {
  const { createSession } = await import(pathToFileURL(join(packageFolder, 'node/index.js')));
  const from = await createSession(readFileSync(digits), { entry: 'main', threads: 1 }), to = await createSession(readFileSync(symbols), { entry: 'main', threads: 1 });
  for (const name of ['net.fc.weight', 'net.fc.bias']) {
    const all = new Float32Array(to.stateInfo[name].size);
    all.set(from.readState(name));
    to.writeState(name, all);
  }
  const state = to.state();
  from.dispose();
  to.dispose();
  return state;
}

export async function makeAssets({ root, bin, data, package: packageFolder, out }) {
  mkdirSync(out, { recursive: true });
  const tool = (name) => join(bin, name), at = (name) => join(out, name);
  const models = join(data, 'models'), digits = join(root, 'examples/digits/digits.onnx');
  const convert = async (source, name, ...more) => {
    needs(tool('gf-convert'));
    await once(at(name), [source], (to) => run(tool('gf-convert'), [source, '-o', to, ...more]));
  };
  const prepare = async (source, name, ...more) => {
    needs(tool('gf-train'));
    await once(at(name), [source], (to) => run(tool('gf-train'), ['prepare', source, '--loss', 'cross_entropy', '-o', to, ...more]));
  };
  const parts = {
    classify: async () => {
      const folder = join(models, 'squeezenet'), labels = join(folder, 'labels.txt');
      needs(labels);
      await convert(join(folder, 'SqueezeNet_fp16.onnx'), 'squeezenet.gf', '--meta', `labels=${labels}`, '--keep-node-names');
      await once(at('sample.png'), [join(folder, 'fish.csv')], (to) => writeFileSync(to, pictureOf(join(folder, 'fish.csv'))));
    },
    digits: () => convert(digits, 'digits.gf', '--dim', 'N=1', '--keep-node-names'),
    teach: async () => {
      await prepare(digits, 'symbols.gf', '--optimizer', 'adam,lr=0.004', '--head', String(CLASSES), '--last', '1', '--batch', '1..32');
      await prepare(digits, 'digits-last.gf', '--optimizer', 'adam', '--last', '1', '--batch', '1');
      await once(at('symbols.state'), [at('symbols.gf'), at('digits-last.gf')], async (to) => writeFileSync(to, await transplant(packageFolder, at('symbols.gf'), at('digits-last.gf'))));
      const mnist = join(data, 'mnist');
      await once(at('some-digits.bin'), [join(mnist, 'train-images-idx3-ubyte.gz'), join(mnist, 'train-labels-idx1-ubyte.gz')], (to) => writeFileSync(to, someDigits(mnist)));
    },
    voice: async () => {
      const folder = join(models, 'silero-vad');
      await convert(join(folder, 'silero_vad_16k_static.onnx'), 'voice.gf', '--state', 'stateN=state', '--keep-node-names');
      await once(at('speech.wav'), [join(folder, 'test.wav')], (to) => copyFileSync(join(folder, 'test.wav'), to));
    },
    mnist: async () => {
      const mnist = join(data, 'mnist'), train = tool('example_train_digits');
      needs(train, ...['train-images-idx3', 'train-labels-idx1', 't3k-images-idx3', 't3k-labels-idx1'].map((f) => join(mnist, `${f}-ubyte.gz`)));
      // one step, which is the least that it takes: the net is as good as new
      await once(at('lenet.onnx'), [train], (to) => run(train, ['--net', 'lenet', '--steps', '1', '--data', mnist, '--out', to]));
      await prepare(at('lenet.onnx'), 'lenet.gf', '--optimizer', 'adam,lr=0.002', '--batch', '64');
    },
  };
  const missing = {};
  for (const [part, make] of Object.entries(parts)) {
    try {
      await make();
    } catch (e) {
      if (!(e instanceof Missing)) throw e;
      missing[part] = e.message;
    }
  }
  const assets = { missing, classes: CLASSES, rehearsed: REHEARSED, tested: TESTED };
  writeFileSync(at('assets.json'), JSON.stringify(assets));
  return assets;
}
