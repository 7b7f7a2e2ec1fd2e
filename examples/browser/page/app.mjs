// The frame: tabs, which part is shown, what the page may do (threads). Each part is a module of its own, loaded when it is first seen.
import { h, icon, messages } from './lib/dom.mjs';

const PARTS = [
  { id: 'classify', icon: 'picture', tab: 'See', title: 'What is in the picture?', text: 'SqueezeNet, 1,000 classes, 2.5 MB.' },
  { id: 'digits', icon: 'pen', tab: 'Draw', title: 'Draw a digit, then teach it something new', text: 'It reads digits as you draw. Give it a symbol of your own, a few examples, and it learns it here.' },
  { id: 'voice', icon: 'voice', tab: 'Listen', title: 'Is somebody speaking?', text: 'Silero’s detector hears 32 milliseconds at a time and remembers what came before.' },
  { id: 'mnist', icon: 'train', tab: 'Train', title: 'From noise to handwriting', text: 'A LeNet with random weights learns to read 60,000 digits, in this tab.' },
  { id: 'inspect', icon: 'file', tab: 'Inspect', title: 'Look inside a model', text: 'Entries, memory plan, and where the time goes.' },
];

const assets = await fetch('/assets/assets.json').then((r) => (r.ok ? r.json() : undefined), () => undefined).then((a) => a ?? { missing: { all: 'assets.json' } });
const main = document.querySelector('#parts'), tabs = document.querySelector('.tabs');
main.replaceChildren();

function tellMode() {
  const mode = document.querySelector('#mode'), n = navigator.hardwareConcurrency || 1;
  const threads = crossOriginIsolated && n > 1 ? Math.min(4, n) : 1;
  mode.classList.toggle('many', threads > 1);
  mode.querySelector('span').textContent = threads > 1 ? `${threads} threads` : 'one thread';
  mode.querySelector('p').textContent = threads > 1 ? 'The page is cross-origin isolated: threads share the memory of each net.'
    : crossOriginIsolated ? 'This machine has one processor.' : 'The page is not cross-origin isolated, so the browser gives it no shared memory. Everything works, on one thread.';
}
tellMode();

const shown = new Map();
for (const part of PARTS) {
  // until it is ready nothing in it can be clicked; after a failure neither
  const body = h('div', { class: 'part-body', inert: true }), message = messages();
  const section = h('section', { id: part.id, class: 'part', role: 'tabpanel', hidden: true, 'aria-labelledby': `tab-${part.id}`, tabIndex: -1 },
    h('div', { class: 'part-head' }, h('h2', {}, part.title), h('p', {}, part.text)), message.root, body);
  const tab = h('button', { type: 'button', role: 'tab', id: `tab-${part.id}`, 'aria-controls': part.id, onclick: () => (location.hash = part.id) }, icon(part.icon), h('span', {}, part.tab));
  tabs.append(tab);
  main.append(section);
  shown.set(part.id, { section, tab, body, message, mounted: undefined });
}
tabs.addEventListener('keydown', (e) => {
  const at = PARTS.findIndex((p) => shown.get(p.id).tab === document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: PARTS.length - 1 }[e.key];
  if (at < 0 || to === undefined) return;
  e.preventDefault();
  const next = PARTS[(to + PARTS.length) % PARTS.length].id;
  location.hash = next;
  shown.get(next).tab.focus();
});

async function show() {
  const id = shown.has(location.hash.slice(1)) ? location.hash.slice(1) : PARTS[0].id;
  for (const [other, { section, tab, mounted }] of shown) {
    const here = other === id;
    if (!here && !section.hidden) Promise.resolve(mounted).then((m) => m?.hide?.());
    section.hidden = !here;
    tab.setAttribute('aria-selected', String(here));
    tab.tabIndex = here ? 0 : -1;
  }
  const part = shown.get(id);
  part.section.dataset.state ??= 'loading';
  part.mounted ??= import(`./parts/${id}.mjs`).then((m) => m.mount(part.body, { assets })).then((m) => {
    part.section.dataset.state = 'ready';
    part.body.inert = false;
    return m;
  }, (e) => {
    part.section.dataset.state = 'failed';
    part.message.fail(e);
  });
}
addEventListener('hashchange', show);
await show();
