// The page of gf-info --html, first part: the model, helpers, the entry on show. All parts share one function's scope, in the
// order of page_parts.h. What comes from the model is put into the page as text (textContent, fillText), never as markup.
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));
const kFamilies = {
  product: 'Products and convolutions', elementwise: 'Elementwise', movement: 'Data movement', reduce: 'Reductions and norms',
  window: 'Pooling and windows', signal: 'Image and signal', quantized: 'Quantised', control: 'Control flow', custom: 'Custom',
};

// ---- small helpers

function el(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k === 'class') e.className = v;
    else if (k === 'color') e.style.setProperty('--c', v);
    else if (k === 'width') e.style.width = v;
    else if (k === 'share') e.style.flexGrow = v;
    else if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? '' : v);
  }
  for (const c of children.flat()) if (c !== null && c !== undefined && c !== false) e.append(c);
  return e;
}
function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let i = -1;
  do { n /= 1024; ++i; } while (n >= 1024 && i < 3);
  return `${n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}
function count(n) {
  if (n < 1e4) return String(Math.round(n));
  const units = ['k', 'M', 'G', 'T', 'P'];
  let i = -1;
  do { n /= 1000; ++i; } while (n >= 1000 && i < 4);
  return `${n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}
const ms = v => (v >= 100 ? v.toFixed(0) : v >= 1 ? v.toFixed(2) : v >= 0.001 ? `${(v * 1000).toFixed(v >= 0.1 ? 0 : 1)} \u00b5s` : '< 1 \u00b5s') + (v >= 1 ? ' ms' : '');
const shape = t => (t.shape_unknown ? 'shape known when running' : t.shape.length ? t.shape.join(' \u00d7 ').replaceAll('<=', '\u2264') : 'scalar');
const typed = t => `${t.dtype}  ${shape(t)}`;
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let colors = {};
function readColors() {
  for (const k of ['back', 'panel', 'raised', 'line', 'text', 'muted', 'faint', 'accent', 'accent-soft', 'edge', 'grid', 'port', 'warn', ...Object.keys(kFamilies)])
    colors[k] = css(`--${k}`);
}
const family = f => (kFamilies[f] ? f : 'custom');
const say = text => { $('said').textContent = text; };
function tile(value, label) { return el('div', {class: 'tile'}, el('b', {}, value), el('span', {}, label)); }
function fact(value, label) { return el('div', {class: 'fact'}, el('b', {}, value), el('span', {}, label)); }
function tip(x, y, title, lines) {
  const t = $('tip');
  if (!title) { t.hidden = true; return; }
  t.replaceChildren(el('b', {}, title), ...lines.map(l => el('span', {}, l)));
  t.hidden = false;
  const w = t.offsetWidth, h = t.offsetHeight;
  t.style.left = `${clamp(x + 14, 6, innerWidth - w - 6)}px`;
  t.style.top = `${y + 18 + h > innerHeight ? Math.max(6, y - h - 10) : y + 18}px`;
}
// Canvas in device pixels; returns its context in page pixels.
function prepare(canvas, w, h) {
  const d = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(w * d)) canvas.width = Math.round(w * d);
  if (canvas.height !== Math.round(h * d)) canvas.height = Math.round(h * d);
  const c = canvas.getContext('2d');
  c.setTransform(d, 0, 0, d, 0, 0);
  c.clearRect(0, 0, w, h);
  return c;
}
const sans = () => getComputedStyle(document.body).fontFamily;

// ---- the entry on show

let entry = data.entries[0], graph = entry.graph;
const timed = () => graph.runs !== undefined;
const tensorName = (id, fallback) => graph.tensors[id].name || fallback || `value ${id}`;

// Who makes and who reads each tensor; which graph a node stands in.
function index() {
  graph.maker = new Map();
  graph.readers = new Map();
  graph.owner = graph.graphs.map(() => -1);
  graph.home = new Array(graph.nodes.length).fill(0);
  graph.graphs.forEach((g, i) => g.nodes.forEach(n => { graph.home[n] = i; }));
  graph.nodes.forEach((n, i) => {
    n.index = i;
    n.out.forEach(t => t >= 0 && graph.maker.set(t, i));
    n.in.forEach(t => { if (t >= 0) graph.readers.set(t, [...(graph.readers.get(t) || []), i]); });
    (n.graphs || []).forEach(g => { graph.owner[g] = i; });
  });
  graph.total = graph.nodes.reduce((s, n, i) => s + (graph.home[i] === 0 ? n.ms || 0 : 0), 0);
  graph.slowest = Math.max(0, ...graph.nodes.map(n => n.ms || 0));
  graph.inside = graph.nodes.filter((_, i) => graph.home[i] !== 0).length;
  graph.open = new Set();
  if (graph.inside <= 60) graph.nodes.forEach((n, i) => n.graphs && graph.open.add(i));
}
