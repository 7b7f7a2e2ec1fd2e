// MNIST from scratch: a LeNet is trained batch by batch in a worker, and tested on digits that it never trains on.
import { createTrainer } from 'ghostflow/worker';
import { exportModel } from 'ghostflow/convert';
import { absent, button, bytes, count, download, h, median, messages, percent, stats, time, told } from '../lib/dom.mjs';
import { lineChart } from '../lib/chart.mjs';
import { mnist } from '../lib/idx.mjs';
import { SIDE, thumbnail } from '../lib/strokes.mjs';

const BATCH = 64, AREA = SIDE * SIDE, TEST_BATCHES = 16, TEST_EVERY = 50, RATES = [0.0005, 0.001, 0.002, 0.004];

/** All numbers below n in random order. */
function shuffled(n) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; --i) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function batchOf({ pictures, labels }, which) {
  const image = new Float32Array(BATCH * AREA), target = new BigInt64Array(BATCH);
  which.forEach((from, i) => {
    for (let k = 0; k < AREA; ++k) image[i * AREA + k] = pictures[from * AREA + k] / 255;
    target[i] = BigInt(labels[from]);
  });
  return { image, target };
}

export async function mount(root, { assets }) {
  if (assets.missing.mnist ?? assets.missing.all) return void root.append(absent('MNIST or its net', assets.missing.mnist ?? assets.missing.all));
  const message = messages(), tiles = stats(['train step', 'memory', 'threads', 'speed']);
  const chart = lineChart('Training', [{ name: 'loss', colour: 'accent', smooth: true }, { name: 'right, of unseen digits', colour: 'second', right: true, dots: true }]);
  const score = h('span', { class: 'big-number', id: 'accuracy' }, '–'), scoreNote = h('p', { class: 'quiet-text', 'aria-live': 'polite' }, 'of unseen digits right'), strip = h('div', { class: 'digits-strip' });
  const start = button('Start', { icon: 'play', primary: true, disabled: true, id: 'train-start', onclick: () => (running ? pause() : train()) });
  const again = button('Start over', { icon: 'undo', disabled: true, onclick: reset }), get = button('Download .gf', { icon: 'down', disabled: true, onclick: getFile });
  const rate = h('select', { class: 'field', 'aria-label': 'Learning rate', onchange: () => setRate() }, RATES.map((r) => h('option', { value: String(r), selected: r === 0.002 }, `learning rate ${r}`)));
  const bar = h('i'), progress = h('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Loading the digits' }, bar);
  root.append(message.root, progress, h('div', { class: 'columns' },
    h('div', { class: 'card' }, h('div', { class: 'row' }, start, again, h('span', { class: 'grow' }), rate), chart.root),
    h('div', { class: 'card' }, h('div', {}, score, scoreNote), strip, h('div', { class: 'row' }, get))), tiles.root);

  const [trainer, known, unseen] = await Promise.all([createTrainer('/assets/lenet.gf'), mnist('train', (n) => (bar.style.width = `${n / 96400}%`)), mnist('t3k', () => undefined)]);
  progress.remove();
  tiles.set(told(trainer.info));
  const tests = Array.from({ length: TEST_BATCHES }, (_, b) => batchOf(unseen, Array.from({ length: BATCH }, (_, i) => b * BATCH + i)));
  const shownDigits = Array.from({ length: 24 }, (_, i) => {
    const answer = h('figcaption', {}, '?'), figure = h('figure', {}, thumbnail(unseen.pictures.subarray(i * AREA, (i + 1) * AREA)), answer);
    return { figure, answer, label: unseen.labels[i] };
  });
  strip.append(...shownDigits.map((d) => d.figure));
  start.disabled = false;
  let running = false, stopping = Promise.resolve(), order = shuffled(known.count), at = 0, epoch = 1, newRate;
  const times = [];
  await test();

  async function setRate() {
    newRate = Number(rate.value);
  }
  async function test() {
    let right = 0;
    for (const batch of tests) right += (await trainer.evaluate(batch)).accuracy / TEST_BATCHES;
    score.textContent = percent(right);
    scoreNote.textContent = `of ${count(TEST_BATCHES * BATCH)} unseen digits right after ${count(trainer.steps)} steps`;
    chart.add(1, trainer.steps, right);
    const { probabilities } = await trainer.predict({ image: tests[0].image });
    shownDigits.forEach(({ figure, answer, label }, i) => {
      const p = probabilities.subarray(10 * i, 10 * i + 10), said = p.indexOf(Math.max(...p));
      answer.textContent = String(said);
      figure.className = said === label ? 'right' : 'wrong';
    });
    root.dataset.accuracy = right.toFixed(4);
  }

  async function train() {
    running = true;
    message.clear();
    face('Pause', 'pause');
    again.disabled = get.disabled = true;
    let done;
    stopping = new Promise((f) => (done = f));
    let since = performance.now(), pictures = 0;
    try {
      while (running) {
        if (newRate !== undefined) {
          await trainer.setLearningRate(newRate);
          newRate = undefined;
        }
        if (at + BATCH > known.count) [order, at, epoch] = [shuffled(known.count), 0, epoch + 1];
        const batch = batchOf(known, order.subarray(at, at += BATCH)), begin = performance.now(), { loss } = await trainer.step(batch, { transfer: true });
        times.push(performance.now() - begin);
        if (times.length > 100) times.shift();
        pictures += BATCH;
        chart.add(0, trainer.steps, loss);
        root.dataset.losses = `${root.dataset.losses ?? ''} ${loss.toFixed(4)}`.slice(-800);
        if (trainer.steps % 10 === 0) {
          tiles.set({ 'train step': [time(median(times)), `${BATCH} pictures`], speed: [`${count(pictures / ((performance.now() - since) / 1000))} /s`, `pictures; epoch ${epoch}, ${Math.round((100 * at) / known.count)} %`] });
          // a tab in the background would otherwise never let others in
          await new Promise((f) => setTimeout(f, 0));
        }
        if (trainer.steps % TEST_EVERY === 0) {
          await test();
          [since, pictures] = [performance.now(), 0];
        }
      }
    } catch (e) {
      running = false;
      if (e.code === 'NON_FINITE') message.say('The loss is no longer a number: the learning rate is too high. Start over with a smaller one.', 'error');
      else message.fail(e);
    } finally {
      face('Go on', 'play');
      again.disabled = get.disabled = false;
      done();
    }
  }
  function face(text, name) {
    const fresh = button(text, { icon: name });
    start.replaceChildren(...fresh.childNodes);
  }
  const pause = () => (running = false);
  async function reset() {
    pause();
    await stopping;
    await trainer.resetState();
    newRate = Number(rate.value);
    [order, at, epoch] = [shuffled(known.count), 0, 1];
    times.length = 0;
    root.dataset.losses = '';
    chart.clear();
    message.clear();
    face('Start', 'play');
    get.disabled = true;
    await test();
  }
  async function getFile() {
    try {
      const file = await exportModel(trainer);
      download('my-lenet.gf', file);
      message.say(`my-lenet.gf, ${bytes(file.length)}: what was learned here is its values. gf-run runs it, gf-train goes on from it.`);
    } catch (e) {
      message.fail(e);
    }
  }
  return { hide: pause };
}
