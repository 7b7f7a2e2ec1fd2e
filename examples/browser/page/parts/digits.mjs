// Draw: digits are recognised while they are drawn. Symbols of one's own are learned in the page: the net's last layer has spare
// classes, and is trained on the person's drawings beside some digits, so that it keeps those.
import { createSession, createTrainer } from 'ghostflow/worker';
import { exportModel } from 'ghostflow/convert';
import { absent, button, bytes, download, frame, h, median, messages, percent, stats, time, timeOf, told } from '../lib/dom.mjs';
import { confusion, lineChart } from '../lib/chart.mjs';
import { forget, load, save } from '../lib/store.mjs';
import { SIDE, drawingPad, thumbnail, varied } from '../lib/strokes.mjs';

const DIGITS = 10, BATCH = 32, AREA = SIDE * SIDE, STEPS = 80, ENOUGH = 3, KEPT = 'symbols-1';

/** Recognises with the net as it comes, or as it was taught. */
class Reader {
  names = Array.from({ length: DIGITS }, (_, i) => String(i));
  trainer;
  async start(assets) {
    this.plain = await createSession('/assets/digits.gf', { cache: true, threads: 1 });
    this.info = this.plain.info;
    if (assets.missing.teach !== undefined) return;
    const get = async (name) => new Uint8Array(await (await fetch(`/assets/${name}`)).arrayBuffer());
    this.first = await get('symbols.state');
    const some = await get('some-digits.bin'), cut = (from, n) => Array.from({ length: DIGITS * n }, (_, i) => ({ picture: some.subarray(AREA * (from + i), AREA * (from + i + 1)), label: Math.floor(i / n) }));
    this.rehearsed = cut(0, assets.rehearsed);
    this.unseen = cut(DIGITS * assets.rehearsed, assets.tested);
    this.trainer = await createTrainer('/assets/symbols.gf', { cache: true });
    await this.trainer.load(this.first);
  }
  /** Probabilities of `names`. */
  async read(picture) {
    const image = Float32Array.from(picture, (v) => v / 255);
    if (this.names.length === DIGITS || this.trainer === undefined) return Array.from((await this.plain.run({ image })).probabilities);
    return (await this.readMany([picture]))[0];
  }
  /** Taught classes only: the spare ones that nothing was taught yet are left out. */
  async readMany(pictures) {
    const image = { data: Float32Array.from({ length: AREA * pictures.length }, (_, i) => pictures[Math.floor(i / AREA)][i % AREA] / 255), shape: [pictures.length, 1, SIDE, SIDE] };
    const { probabilities } = await this.trainer.predict({ image });
    const all = probabilities.length / pictures.length;
    return pictures.map((_, i) => {
      const p = Array.from(probabilities.subarray(i * all, i * all + this.names.length)), sum = p.reduce((a, b) => a + b, 0);
      return p.map((v) => v / sum);
    });
  }
}

const best = (p) => p.indexOf(Math.max(...p));

export async function mount(root, { assets }) {
  if (assets.missing.digits ?? assets.missing.all) return void root.append(absent('The digit net', assets.missing.digits ?? assets.missing.all));
  const reader = new Reader(), message = messages(), tiles = stats();
  const answer = h('strong', {}, '?'), sure = h('span', {}, 'Draw a digit, large, with a finger or the mouse.'), list = h('ol', { class: 'columns-chart', 'aria-label': 'Probabilities' });
  const pad = drawingPad({ label: 'Drawing pad', changed: look, ended: look });
  const wipe = () => {
    pad.clear();
    answer.textContent = '?';
    mini.textContent = '';
    sure.textContent = 'Draw a digit, large, with a finger or the mouse.';
    bar([]);
  };

  function bar(p) {
    const top = best(p);
    list.replaceChildren(...reader.names.map((name, i) => h('li', { class: i === top ? 'best' : '', title: p[i] === undefined ? '' : percent(p[i]) }, h('div', {}, h('i', { style: `height:${(100 * (p[i] ?? 0)).toFixed(1)}%` })), h('span', {}, name))));
  }
  let looking = false, again = false;
  async function look() {
    if (looking || training) return void (again = true);
    looking = true;
    try {
      do {
        again = false;
        const picture = pad.picture();
        if (picture === undefined) break;
        const p = await reader.read(picture);
        if (pad.empty) break;
        const top = best(p);
        answer.textContent = mini.textContent = reader.names[top];
        sure.textContent = `${percent(p[top], p[top] > 0.999 ? 2 : 1)} sure`;
        bar(p);
        await frame();
      } while (again);
    } catch (e) {
      message.fail(e);
    } finally {
      looking = false;
    }
  }
  let training = false;

  const mini = h('span', { class: 'mini', 'aria-hidden': 'true' });
  const padButtons = h('div', { class: 'row' }, button('Clear', { icon: 'undo', onclick: wipe }), mini);
  const padCard = h('div', { class: 'card pad-card' }, pad.canvas, padButtons);
  const readCard = h('div', { class: 'card' }, h('h3', {}, 'What it reads'), h('div', { class: 'guess', 'aria-live': 'polite' }, answer, sure), list);
  const teachPlace = h('div', {});
  root.append(message.root, h('div', { class: 'columns' }, padCard, h('div', { class: 'stack' }, readCard, tiles.root)), teachPlace);
  tiles.root.style.marginTop = 0;
  bar([]);
  await reader.start(assets);
  tiles.set({ 'time per run': [time(await timeOf(reader.plain, 7)), '28 × 28 pixels'], ...told(reader.info) });
  if (reader.trainer === undefined) teachPlace.append(h('div', { class: 'card', style: 'margin-top:20px' }, h('h3', {}, 'Teach it your own symbols'), h('p', { class: 'quiet-text' }, `Not on this server: ${assets.missing.teach}`)));
  else teachPlace.append(await teaching({ assets, reader, pad, padButtons, wipe, bar, look, tiles, setTraining: (on) => (training = on) }));
  return {};
}

/** The card in which symbols are added, drawn and learned. */
async function teaching({ assets, reader, pad, padButtons, wipe, bar, look, tiles, setTraining }) {
  const message = messages(), chart = lineChart('Loss of training', [{ name: 'loss', colour: 'accent', smooth: true }]);
  const taught = { symbols: [], chosen: -1 };  // symbols: { name, samples: [Uint8Array] }
  const spare = assets.classes - DIGITS;
  const name = h('input', { class: 'field', maxlength: 6, placeholder: '☂, β, yes …', 'aria-label': 'Name of the new symbol', autocomplete: 'off' });
  const rows = h('div', { class: 'symbols' }), matrix = h('div', {}), note = h('p', { class: 'quiet-text' });
  const add = button('Add', { icon: 'plus', onclick: addSymbol });
  const keep = button('Add the drawing', { icon: 'plus', onclick: addSample, id: 'add-sample' });
  const train = button('Learn', { icon: 'bolt', primary: true, onclick: learn, id: 'learn' });
  const get = button('Download .gf', { icon: 'down', onclick: getFile, id: 'download-symbols' });
  const drop = button('Forget it all', { quiet: true, onclick: forgetAll });
  name.addEventListener('keydown', (e) => e.key === 'Enter' && addSymbol());

  function show() {
    rows.replaceChildren(...taught.symbols.map((s, i) => h('div', { class: `symbol ${i === taught.chosen ? 'chosen' : ''}` }, h('b', {}, s.name),
      h('div', { class: 'samples' }, s.samples.length === 0 ? 'no drawings yet' : s.samples.slice(-8).map(thumbnail), s.samples.length > 8 && `+ ${s.samples.length - 8}`),
      button(i === taught.chosen ? 'chosen' : 'choose', { small: true, quiet: true, 'aria-pressed': String(i === taught.chosen), onclick: () => ((taught.chosen = i), show()) }))));
    const ready = taught.symbols.length > 0 && taught.symbols.every((s) => s.samples.length >= ENOUGH);
    keep.hidden = taught.chosen < 0;
    keep.disabled = false;
    train.disabled = !ready;
    name.disabled = add.disabled = taught.symbols.length >= spare;
    note.textContent = taught.symbols.length >= spare ? `All ${spare} spare classes are taken.` : '';
    keep.lastChild.textContent = taught.chosen < 0 ? '' : `Add as “${taught.symbols[taught.chosen].name}”`;
  }
  function addSymbol() {
    const text = name.value.trim();
    if (text === '') return message.say('Give the symbol a name first: a letter, a word or an emoji.', 'error');
    if (reader.names.includes(text) || taught.symbols.some((s) => s.name === text)) return message.say(`“${text}” is there already.`, 'error');
    message.clear();
    taught.symbols.push({ name: text, samples: [] });
    taught.chosen = taught.symbols.length - 1;
    name.value = '';
    show();
  }
  async function addSample() {
    const picture = pad.picture();
    if (picture === undefined) return message.say('The pad is empty: draw the symbol first.', 'error');
    message.clear();
    taught.symbols[taught.chosen].samples.push(picture);
    wipe();
    show();
    await keepAll();
  }
  const keepAll = async () => {
    const state = reader.names.length > DIGITS ? await reader.trainer.state() : undefined;
    return save(KEPT, { symbols: taught.symbols, state, names: reader.names });
  };
  async function forgetAll() {
    taught.symbols = [];
    taught.chosen = -1;
    reader.names.length = DIGITS;
    await reader.trainer.load(reader.first);
    await forget(KEPT);
    chart.clear();
    matrix.replaceChildren();
    get.disabled = true;
    message.say('Forgotten: it is the net that it was.');
    bar([]);
    wipe();
    show();
  }

  /** Half of a batch are digits, half are symbols, each a little different every time. */
  function batch() {
    const image = new Float32Array(BATCH * AREA), target = new BigInt64Array(BATCH), any = (a) => a[Math.floor(Math.random() * a.length)];
    for (let i = 0; i < BATCH; ++i) {
      const symbol = Math.floor(Math.random() * taught.symbols.length), digit = any(reader.rehearsed);
      varied(i % 2 === 0 ? digit.picture : any(taught.symbols[symbol].samples), image, i * AREA);
      target[i] = BigInt(i % 2 === 0 ? digit.label : DIGITS + symbol);
    }
    return { image: { data: image, shape: [BATCH, 1, SIDE, SIDE] }, target: { data: target, shape: [BATCH] } };
  }
  async function learn() {
    setTraining(true);
    train.disabled = keep.disabled = true;
    chart.clear();
    message.clear();
    matrix.replaceChildren();
    const times = [], begin = performance.now();
    try {
      // from the net that knows digits, so that the order of lessons does not matter
      await reader.trainer.load(reader.first);
      reader.names = [...reader.names.slice(0, DIGITS), ...taught.symbols.map((s) => s.name)];
      for (let i = 0; i < STEPS; ++i) {
        const data = batch(), from = performance.now(), { loss } = await reader.trainer.step(data, { transfer: true });
        times.push(performance.now() - from);
        chart.add(0, i + 1, loss);
      }
      const kept = await keepAll();
      await test();
      tiles.set({ ...told(reader.trainer.info), 'train step': [time(median(times)), `${BATCH} pictures`] });
      message.say(`Learned in ${time(performance.now() - begin)}. ${kept ? 'It is kept in this browser.' : 'This browser keeps nothing for the page, so it is gone with the tab.'} Try it: draw one.`, 'good');
      get.disabled = false;
    } catch (e) {
      message.fail(e);
    } finally {
      setTraining(false);
      show();
      look();
    }
  }
  async function test() {
    const cases = [...reader.unseen, ...taught.symbols.flatMap((s, i) => Array.from({ length: assets.tested }, (_, n) => {
      const moved = new Float32Array(AREA);
      varied(s.samples[n % s.samples.length], moved, 0);
      return { picture: moved.map((v) => v * 255), label: DIGITS + i };
    }))];
    const counts = reader.names.map(() => reader.names.map(() => 0));
    for (let i = 0; i < cases.length; i += BATCH) {
      const some = cases.slice(i, i + BATCH), answers = await reader.readMany(some.map((c) => c.picture));
      answers.forEach((p, n) => ++counts[some[n].label][best(p)]);
    }
    const right = counts.reduce((sum, row, i) => sum + row[i], 0);
    matrix.replaceChildren(confusion(reader.names, counts), h('p', { class: 'quiet-text', id: 'taught-right' }, `${right} of ${cases.length} right: digits that it never saw, and your drawings turned and moved.`));
  }
  async function getFile() {
    get.disabled = true;
    try {
      const file = await exportModel(reader.trainer);
      download('my-symbols.gf', file);
      message.say(`my-symbols.gf, ${bytes(file.length)}: your weights are its values. gf-run runs it, gf-train goes on from it. Classes ${DIGITS} and up: ${reader.names.slice(DIGITS).join(' ')}`);
    } catch (e) {
      message.fail(e);
    } finally {
      get.disabled = false;
    }
  }

  padButtons.firstChild.after(keep);
  get.disabled = true;
  const kept = await load(KEPT);
  if (kept !== undefined) {
    taught.symbols = kept.symbols;
    taught.chosen = kept.symbols.length - 1;
    if (kept.state !== undefined) {
      try {
        await reader.trainer.load(kept.state);
        reader.names = kept.names;
        get.disabled = false;
        message.say(`Welcome back: it still knows ${kept.names.slice(DIGITS).join(' ')}.`, 'good');
      } catch {
        message.say('What was kept from last time is of another version of the net. Your drawings are here: let it learn them again.');
      }
    }
    bar([]);
  }
  show();
  return h('div', { class: 'card', style: 'margin-top:20px' }, h('h3', {}, 'Teach it your own symbols'), message.root, h('div', { class: 'columns' },
    h('ol', { class: 'steps' },
      h('li', {}, h('div', { class: 'body' }, h('span', {}, 'Name a symbol.'), h('div', { class: 'row', style: 'flex-wrap:nowrap' }, name, add), note)),
      h('li', {}, h('div', { class: 'body' }, h('span', {}, `Draw it on the pad above and add the drawing, ${ENOUGH} times or more.`), rows)),
      h('li', {}, h('div', { class: 'body' }, h('span', {}, `Let it learn: ${STEPS} steps, a second or so.`), h('div', { class: 'row' }, train, get, drop)))),
    h('div', { class: 'stack' }, chart.root, matrix)));
}
