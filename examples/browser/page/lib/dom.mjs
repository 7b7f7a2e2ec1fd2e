// Elements, messages, and the pieces that every part shows: a place to drop files, and the numbers below it.

/** An element: `h('button', { class: 'x', onclick: f }, 'text', child)`. Attributes that are false or undefined are left out. */
export function h(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === undefined || value === null) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name in e && typeof value !== 'string') e[name] = value;
    else e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return e;
}

const ICONS = {
  picture: '<rect x="3" y="4" width="18" height="16" rx="3"/><circle cx="9" cy="10" r="1.8"/><path d="m4 18 5.5-5 4 3.5L16.5 14l4 4"/>',
  pen: '<path d="m4 20 1-4L16.5 4.5a2 2 0 0 1 3 3L8 19l-4 1Z"/><path d="m14.5 6.5 3 3"/>',
  voice: '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5 11a7 7 0 0 0 14 0M12 18v3"/>',
  train: '<path d="M3 4v14a2 2 0 0 0 2 2h16"/><path d="M7 8c2 7 5 8.5 13 9"/>',
  file: '<path d="M6 3h8l5 5v11a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2Z"/><path d="M8 17v-3m4 3v-6m4 6v-4"/>',
  play: '<path d="M7 4.500v15l12-7.5-12-7.500Z" fill="currentColor"/>',
  pause: '<path d="M8 5v14M16 5v14" stroke-width="3.5"/>',
  stop: '<rect x="6" y="6" width="12" height="12" rx="2" fill="currentColor"/>',
  down: '<path d="M12 4v11m-5-4.5 5 5 5-5M5 20h14"/>',
  undo: '<path d="M4 10h10a5 5 0 0 1 0 10h-4M4 10l4.5-4.500M4 10l4.5 4.5"/>',
  plus: '<path d="M12 5v14M5 12h14"/>',
  bolt: '<path d="M13 3 5 14h6l-1 7 8-11h-6l1-7Z"/>',
};
export function icon(name) {
  const span = h('span', { class: 'icon', 'aria-hidden': 'true' });
  span.innerHTML = `<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">${ICONS[name]}</svg>`;
  return span;
}
export function button(text, { icon: name, primary, quiet, small, ...props } = {}) {
  return h('button', { type: 'button', class: ['button', primary && 'primary', quiet && 'quiet', small && 'small'].filter(Boolean).join(' '), ...props }, name && icon(name), h('span', {}, text));
}

// ---- numbers for people ----
export function bytes(n) {
  return n < 1000 ? `${n} B` : n < 1e6 ? `${(n / 1e3).toFixed(n < 1e4 ? 1 : 0)} kB` : `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)} MB`;
}
export function time(ms) {
  return ms < 0.1 ? `${(ms * 1000).toFixed(ms < 0.01 ? 1 : 0)} µs` : ms < 1 ? `${ms.toFixed(2)} ms` : ms < 100 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
export const percent = (p, digits = 1) => `${(100 * p).toFixed(digits)} %`;
export const count = (n) => Math.round(n).toLocaleString('en');
export function median(values) {
  const v = [...values].sort((a, b) => a - b), m = v.length >> 1;
  return v.length === 0 ? NaN : v.length % 2 ? v[m] : (v[m - 1] + v[m]) / 2;
}

/** Tiles: `set({ 'time per run': '3 ms' })` adds and changes, in the order of first use. */
export function stats(names = ['time per run', 'memory', 'threads']) {
  const root = h('dl', { class: 'stats' }), tiles = new Map();
  const set = (values) => {
    for (const [name, value] of Object.entries(values)) {
      let tile = tiles.get(name);
      if (tile === undefined) {
        tile = h('dd');
        tiles.set(name, tile);
        root.append(h('div', {}, h('dt', {}, name), tile));
      }
      const [main, note] = Array.isArray(value) ? value : [value];
      tile.replaceChildren(main, note ? h('small', {}, note) : '');
    }
  };
  set(Object.fromEntries(names.map((n) => [n, '–'])));
  return { root, set };
}
/** Runs to measure at once: clocks of pages are coarse (5 µs; 100 where the page is not isolated), so short runs are timed together. */
export const runsAtOnce = (ms) => Math.max(1, Math.min(50, Math.ceil(4 / Math.max(ms, 0.01))));
/** Milliseconds of a run with the present inputs, measured in the worker: the median of `rounds`. A recurrent net moves on. */
export async function timeOf(entry, rounds) {
  const runs = runsAtOnce((await entry.profile(3)).ms), times = [];
  for (let i = 0; i < rounds; ++i) times.push((await entry.profile(runs)).ms);
  return median(times);
}
/** What a session says about itself, for such tiles. */
export function told(info) {
  return {
    memory: [bytes(info.memory.total), info.memory.state > info.memory.weights ? `of it State ${bytes(info.memory.state)}` : `of it weights ${bytes(info.memory.weights)}`],
    threads: [String(info.threads), info.threads > 1 || info.threadsReason === '' ? '' : crossOriginIsolated ? info.threadsReason : 'page not isolated'],
  };
}

/** A place for one message at a time; '' takes it away. */
export function messages() {
  const root = h('div', { class: 'messages', 'aria-live': 'polite' });
  return {
    root,
    clear: () => root.replaceChildren(),
    say: (text, kind = 'note') => root.replaceChildren(h('p', { class: `message ${kind}`, role: kind === 'error' ? 'alert' : 'status' }, text)),
    fail: (e) => root.replaceChildren(h('p', { class: 'message error', role: 'alert' }, explain(e))),
  };
}

const SAID = {
  BAD_FILE: 'This is not a .gf file that can be read here, or it is damaged.',
  BAD_VERSION: 'This file is of a newer format than this page reads.',
  FETCH_FAILED: 'The model could not be loaded from the server.',
  OUT_OF_MEMORY: 'The browser gave no more memory. Closing other tabs may help.',
  UNSUPPORTED: 'The file needs something that this build lacks.',
  NO_SIMD: 'This browser lacks WebAssembly SIMD, which the nets need. A version of this decade has it.',
};
/** An error as a person should read it, with the runtime's own words behind it. */
export function explain(e) {
  const own = e?.message ?? String(e), first = SAID[e?.code];
  return first === undefined ? own : `${first} (${own})`;
}

/** A part whose assets the server could not make says so in place of its content. */
export function absent(what, reason) {
  return h('div', { class: 'absent' }, icon('file'), h('h3', {}, `${what} is not on this server`), h('p', {}, 'It was started without what this part needs:'), h('code', {}, reason),
    h('p', {}, 'The README of this example says how to get it. The other parts do not mind.'));
}

/** A button-like area for files: click, drop, paste of a picture. `take(file)`. */
export function dropZone({ accept, label, hint, take, capture }) {
  const input = h('input', { type: 'file', accept, class: 'hidden-input', 'aria-label': label, capture, onchange: () => input.files[0] && (take(input.files[0]), (input.value = '')) });
  const inner = h('div', { class: 'drop-inner' }, icon('down'), h('strong', {}, label), h('span', {}, hint));
  const root = h('label', { class: 'drop' }, input, inner);
  let depth = 0;
  const over = (by) => root.classList.toggle('over', (depth = Math.max(0, depth + by)) > 0);
  root.addEventListener('dragenter', (e) => (e.preventDefault(), over(1)));
  root.addEventListener('dragleave', () => over(-1));
  root.addEventListener('dragover', (e) => e.preventDefault());
  root.addEventListener('drop', (e) => {
    e.preventDefault();
    over(-depth);
    if (e.dataTransfer.files[0] !== undefined) take(e.dataTransfer.files[0]);
  });
  return { root, inner, show: (...content) => inner.replaceChildren(...content) };
}

/** Hands `data` to the person as a file. */
export function download(name, data) {
  const url = URL.createObjectURL(new Blob([data]));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** The next time that the browser draws. */
export const frame = () => new Promise((done) => (document.hidden ? setTimeout(done, 16) : requestAnimationFrame(done)));
