// A picture and its five most probable classes, by SqueezeNet.
import { createSession } from 'ghostflow/worker';
import { absent, bytes, button, dropZone, h, messages, stats, time, timeOf, told } from '../lib/dom.mjs';
import { bars } from '../lib/chart.mjs';

const ROUNDS = 7;

/** The square in the middle, as the net's input: 3 planes, blue first, values 0 to 255. */
function planes(picture, side) {
  const canvas = new OffscreenCanvas(side, side), context = canvas.getContext('2d', { willReadFrequently: true });
  const { width, height } = picture, part = Math.min(width, height);
  context.fillStyle = '#fff';
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, (width - part) / 2, (height - part) / 2, part, part, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side), area = side * side, out = new Float32Array(3 * area);
  for (let i = 0; i < area; ++i) for (let c = 0; c < 3; ++c) out[c * area + i] = data[4 * i + 2 - c];
  return out;
}

/** Probabilities lie as the bits of float16. */
function fromHalf(bits) {
  const e = (bits >> 10) & 31, m = bits & 1023;
  return (bits >> 15 ? -1 : 1) * (e === 0 ? m * 2 ** -24 : (1 + m / 1024) * 2 ** (e - 15));
}

// 'n01440764 tench, Tinca tinca' or '0 tench, Tinca tinca': the first name is enough
const nameOf = (line, i) => (line ?? `class ${i}`).replace(/^(n?\d+|\{.*?\})[\s,:]+/, '').split(',')[0].trim();

export async function mount(root, { assets }) {
  if (assets.missing.classify ?? assets.missing.all) return void root.append(absent('SqueezeNet', assets.missing.classify ?? assets.missing.all));
  const message = messages(), tiles = stats(), result = bars('Most probable classes');
  const preview = h('img', { class: 'picture', alt: '', hidden: true });
  const drop = dropZone({ accept: 'image/*', label: 'Drop a picture', hint: 'or click to choose one; on a phone, take one', take: (file) => classify(file, file.name) });
  drop.root.append(preview);
  const hint = h('p', { class: 'quiet-text' }, 'The answer appears here.');
  const sample = button('Use the sample', { icon: 'picture', small: true, onclick: async () => {
    const response = await fetch('/assets/sample.png');
    await classify(await response.blob(), 'the sample');
  } });
  root.append(message.root, h('div', { class: 'columns' },
    h('div', { class: 'card' }, drop.root, h('div', { class: 'row' }, sample, h('span', { class: 'quiet-text' }, 'a 224 × 224 photograph'))),
    h('div', { class: 'card', 'aria-live': 'polite' }, h('h3', {}, 'Top five'), hint, result.root)), tiles.root);

  const bar = h('i'), progress = h('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Loading the model' }, bar);
  hint.after(progress);
  let session, size = 0;
  const onProgress = ({ loaded, total }) => {
    size = loaded;
    bar.style.width = `${(100 * loaded) / (total || 2.6e6)}%`;
  };
  try {
    session = await createSession('/assets/squeezenet.gf', { cache: true, onProgress });
  } finally {
    progress.remove();
  }
  const labels = (session.info.metadata.labels ?? '').split('\n');
  const [input] = Object.values(session.inputInfo), [output] = Object.keys(session.outputInfo);
  tiles.set({ ...told(session.info), 'ready after': [time(session.info.loadMs + session.info.createMs), `${bytes(size)} file`] });

  let turn = 0;
  async function classify(blob, name) {
    const mine = ++turn;
    message.clear();
    let picture;
    try {
      picture = await createImageBitmap(blob);
    } catch {
      message.say(`“${name}” is not a picture that this browser can read. PNG, JPEG and WebP work.`, 'error');
      return;
    }
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(blob);
    preview.alt = name;
    preview.hidden = false;
    drop.inner.hidden = true;
    const x = planes(picture, input.shape.at(-1));
    picture.close();
    try {
      const scores = (await session.run({ [input.name]: x }))[output];
      if (mine !== turn) return;
      show(scores);
      tiles.set({ 'time per run': [time(await timeOf(session, ROUNDS)), `median of ${ROUNDS}`] });
      root.dataset.done = String(mine);
    } catch (e) {
      if (e.code !== 'BUSY') message.fail(e);
    }
  }
  function show(scores) {
    const p = Array.from(scores, scores instanceof Uint16Array ? fromHalf : Number);
    const best = p.map((value, i) => ({ value, i })).sort((a, b) => b.value - a.value).slice(0, 5);
    hint.hidden = true;
    result.update(best.map(({ value, i }) => ({ name: nameOf(labels[i], i), value })));
  }
  root.addEventListener('paste', (e) => e.clipboardData.files[0] && classify(e.clipboardData.files[0], 'what you pasted'));
  return {};
}
