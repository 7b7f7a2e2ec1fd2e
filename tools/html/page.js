// Tabs, entries, and the start of it all.
'use strict';

// ---- tabs, entries, start

const tabs = [['graph', 'Graph'], ['memory', 'Memory'], ['ops', 'Operators'], ['interface', 'Interface'], ['file', 'File']];
function showTab(name) {
  for (const [id] of tabs) {
    $(`view-${id}`).hidden = id !== name;
    $(`tab-${id}`).setAttribute('aria-selected', id === name);
    $(`tab-${id}`).tabIndex = id === name ? 0 : -1;
  }
  tip();
  if (name === 'memory') paintPlan();
  if (name === 'graph') resize();
  if (location.hash !== `#${name}`) history.replaceState(null, '', `#${name}`);
}
tabs.forEach(([id, title], i) => {
  $('tabs').append(el('button', {role: 'tab', id: `tab-${id}`, 'aria-controls': `view-${id}`, onclick: () => showTab(id), onkeydown: e => {
    const way = {ArrowRight: 1, ArrowLeft: -1}[e.key];
    if (!way) return;
    const next = tabs[(i + way + tabs.length) % tabs.length][0];
    showTab(next);
    $(`tab-${next}`).focus();
  }}, title));
});

// "#memory" shows a tab, "#node=12" a node.
function follow() {
  const wanted = location.hash.slice(1), node = Number(/^node=(\d+)$/.exec(wanted)?.[1] ?? -1);
  if (node >= 0 && node < graph.nodes.length) goTo(node, true);
  else if (tabs.some(([id]) => id === wanted)) showTab(wanted);
}
function resize() {
  const box = canvas.parentElement.getBoundingClientRect();
  if (box.width === 0) return;
  size = {w: box.width, h: box.height};
  paint();
}
function use(i) {
  entry = data.entries[i];
  graph = entry.graph;
  $('entry').value = String(i);
  index();
  selected = null;
  heat = false;
  $('heat').hidden = !timed();
  $('heat').setAttribute('aria-pressed', 'false');
  layout();
  const kinds = [...new Set(graph.nodes.map(n => family(n.family)))];
  $('legend').replaceChildren(...Object.keys(kFamilies).filter(k => kinds.includes(k)).map(k => el('li', {}, el('i', {class: 'dot', color: `var(--${k})`}), kFamilies[k])));
  $('legend').hidden = kinds.length === 0;
  details();
  indexMemory();
  if (graph.buffers.length) setStep(stepAt);
  showOps();
  showInterface();
  showFile();
  resize();
  start();
}
$('model').textContent = data.model;
$('about').textContent = [`${data.entries.reduce((s, e) => s + e.nodes, 0)} ops`, bytes(data.file_bytes), `.gf ${data.format_version}`, data.producer].filter(Boolean).join('  \u00b7  ');
if (data.entries.length > 1) {
  $('entry-label').hidden = false;
  data.entries.forEach((e, i) => $('entry').append(el('option', {value: i}, e.name)));
  $('entry').onchange = e => use(Number(e.target.value));
}
readColors();
const wanted = location.hash;
use(0);
showTab('graph');
if (wanted) { history.replaceState(null, '', wanted); follow(); }
addEventListener('resize', () => { resize(); paintPlan(); });
addEventListener('hashchange', follow);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readColors(); paint(); paintPlan(); });
document.documentElement.dataset.ready = 'yes';
