// Any .gf: what it holds, the memory that it needs, how long it takes and where. An .onnx is converted first
// (convert.mjs).
import { createSession } from 'ghostflow/worker';
import { button, bytes, count, dropZone, explain, h, median, messages, runsAtOnce, stats, time, told } from '../lib/dom.mjs';
import { describe, isModel } from '../lib/model-file.mjs';

const EXAMPLES = [['squeezenet.gf', 'classify', 'SqueezeNet'], ['digits.gf', 'digits', 'Digits'], ['voice.gf', 'voice', 'Voice detector'], ['lenet.gf', 'mnist', 'LeNet, to train']];
const PARTS = [['weights', 'accent'], ['state', 'second'], ['activations', 'blue'], ['scratch', 'gold'], ['file', 'pink'], ['pool', 'warn'], ['runtime', 'muted']];

/** Mean of the middle half: neither a disturbed run nor a coarse clock decides. */
function middle(values) {
  const v = [...values].sort((a, b) => a - b).slice(Math.floor(values.length / 4), Math.ceil((3 * values.length) / 4));
  return v.reduce((a, b) => a + b, 0) / v.length;
}

/** Inputs that any entry runs with: small numbers for floats, zeros for the rest. */
function inputsFor(info) {
  const made = {};
  for (const { name, dtype, size } of Object.values(info)) {
    const values = new Float32Array(size);
    if (/float/.test(dtype)) values.forEach((_, i) => (values[i] = ((i * 2654435761) >>> 0) / 2 ** 32));
    made[name] = ['float32', 'float16', 'bfloat16'].includes(dtype) ? values : dtype === 'float64' ? Float64Array.from(values) : undefined;
    if (made[name] === undefined) delete made[name];
  }
  return made;
}

export async function mount(root, { assets }) {
  const message = messages(), result = h('div', { class: 'stack' });
  const drop = dropZone({ accept: '.gf,.onnx', label: 'Drop a .gf or .onnx', hint: 'it stays on this machine', take: async (file) => look(new Uint8Array(await file.arrayBuffer()), file.name) });
  const tries = EXAMPLES.filter(([, part]) => (assets.missing[part] ?? assets.missing.all) === undefined).map(([file, , name]) => button(name, { small: true, onclick: async () => look(new Uint8Array(await (await fetch(`/assets/${file}`)).arrayBuffer()), file) }));
  root.append(message.root, h('div', { class: 'card' }, drop.root, tries.length > 0 && h('div', { class: 'row' }, h('span', { class: 'quiet-text' }, 'or one of these:'), tries)), result);
  result.style.marginTop = '20px';
  let turn = 0, session;

  async function look(data, name) {
    const mine = ++turn;
    session?.dispose();
    session = undefined;
    message.clear();
    result.replaceChildren();
    let notes = [];
    delete root.dataset.done;
    try {
      if (/\.onnx$/i.test(name)) {
        message.say(`Converting “${name}” …`);
        const { toGf } = await import('../convert.mjs'), made = await toGf(data, { name });
        if (mine !== turn) return;
        data = made.bytes;
        notes = made.notes;
        message.clear();
        name = name.replace(/\.onnx$/i, '.gf');
      }
      if (!isModel(data)) throw new Error(`“${name}” is not a .gf file: it does not begin as one.`);
      let opened = await createSession(data, { verify: true });
      const names = opened.info.entries;
      if (names.length > 1) {
        const entry = opened.name;
        opened.dispose();
        opened = await createSession(data, { entry, entries: names.filter((n) => n !== entry) });
      }
      if (mine !== turn) return opened.dispose();
      const about = describe(data);
      session = opened;
      result.append(summary(name, data, about), memoryPlan(session.info), benchmark(session, names));
      if (notes.length > 0) message.say(notes.join('; '));
      root.dataset.done = name;
    } catch (e) {
      if (mine !== turn) return;
      const text = explain(e);
      message.say(text.includes(name) ? text : `“${name}”: ${text}`, 'error');
    }
  }
  return { hide: () => undefined };
}

const port = (p) => h('div', {}, `${p.name} `, h('span', {}, `${p.dtype} ${p.shape.length === 0 ? 'scalar' : p.shape.join('×')}`));

function summary(name, data, about) {
  const meta = Object.entries(about.metadata).map(([k, v]) => [k, v.includes('\n') ? `${count(v.trimEnd().split('\n').length)} lines` : v]);
  const facts = [['file', bytes(data.length)], ['format', `${about.version}${about.producer ? `, by ${about.producer}` : ''}`], ['constants', `${count(about.constants)}, ${bytes(about.constantBytes)}`],
    ...(about.states.length > 0 ? [['state', `${about.states.length}: ${about.states.slice(0, 4).join(', ')}${about.states.length > 4 ? ' …' : ''}`]] : []), ...meta];
  return h('div', { class: 'card' }, h('h3', {}, name), h('dl', { class: 'facts' }, facts.flatMap(([k, v]) => [h('dt', {}, k), h('dd', {}, v)])),
    about.entries.map((e, i) => h('details', { class: 'entry', open: i === 0 }, h('summary', {}, `${e.name} · ${count(e.nodes)} ops`),
      h('div', { class: 'ports' }, h('span', {}, 'takes'), e.inputs.map(port)), h('div', { class: 'ports' }, h('span', {}, 'gives'), e.outputs.map(port)),
      h('div', { class: 'chips' }, e.ops.map((o) => h('span', {}, `${o.op}${o.n > 1 ? ` × ${o.n}` : ''}`))))));
}

function memoryPlan({ memory }) {
  const parts = PARTS.filter(([p]) => memory[p] > 0);
  return h('div', { class: 'card' }, h('h3', {}, 'Memory plan', h('small', {}, `${bytes(memory.total)} in all, fixed before the first run`)),
    h('div', { class: 'plan', role: 'img', 'aria-label': parts.map(([p]) => `${p} ${bytes(memory[p])}`).join(', ') }, parts.map(([p, c]) => h('i', { style: `--of: var(--${c}); flex: ${memory[p]}` }))),
    h('div', { class: 'plan-legend' }, parts.map(([p, c]) => h('span', { style: `--of: var(--${c})` }, p, h('b', {}, bytes(memory[p]))))));
}

function benchmark(session, names) {
  const message = messages(), tiles = stats(), list = h('ol', { class: 'profile', 'aria-label': 'Time of each node' });
  const which = h('select', { class: 'field', 'aria-label': 'Entry', hidden: names.length < 2 }, names.map((n) => h('option', { selected: n === session.name }, n)));
  const go = button('Benchmark', { icon: 'bolt', primary: true, id: 'benchmark', onclick: run });
  const bar = h('i'), progress = h('div', { class: 'progress', hidden: true }, bar);
  tiles.set({ ...told(session.info), 'ready after': time(session.info.createMs) });
  tiles.root.style.marginTop = 0;
  async function run() {
    go.disabled = which.disabled = true;
    message.clear();
    progress.hidden = false;
    try {
      const entry = session.entry(which.value), inputs = inputsFor(entry.inputInfo);
      await entry.run(inputs);
      // two runs to warm up, then about two seconds
      const guess = (await entry.profile(2)).ms, runs = runsAtOnce(guess), rounds = Math.max(5, Math.min(41, Math.round(2000 / (guess * runs)))), times = [], nodes = new Map();
      for (let i = 0; i < rounds; ++i) {
        const p = await entry.profile(runs);
        times.push(p.ms);
        for (const n of p.nodes) nodes.set(n.node, { ...n, times: [...(nodes.get(n.node)?.times ?? []), n.ms] });
        bar.style.width = `${(100 * (i + 1)) / rounds}%`;
      }
      const ms = median(times), rows = [...nodes.values()].filter((n) => n.calls > 0).map((n) => ({ ...n, ms: middle(n.times) }));
      tiles.set({ 'time per run': [time(ms), `median of ${times.length}${runs > 1 ? ` × ${runs} runs` : ''}`] });
      const most = Math.max(...rows.map((n) => n.ms), 1e-9), byTime = rows.sort((a, b) => b.ms - a.ms).slice(0, 40);
      list.replaceChildren(...byTime.map((n) => h('li', { title: [n.name, n.kernel, n.refused].filter(Boolean).join(' · ') }, h('span', { class: 'node' }, n.op, h('small', {}, n.name || `node ${n.node}`)), h('span', { class: 'bar' }, h('i', { style: `width:${((100 * n.ms) / most).toFixed(1)}%` })), h('span', { class: 'ms' }, time(n.ms)))));
    } catch (e) {
      message.fail(e);
    } finally {
      go.disabled = which.disabled = false;
      progress.hidden = true;
    }
  }
  return h('div', { class: 'card' }, h('h3', {}, 'Benchmark', h('small', {}, 'slowest first')), h('div', { class: 'row' }, go, which), progress, message.root, tiles.root, list);
}
