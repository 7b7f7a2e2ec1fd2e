// The graph canvas: painting, overview map, pointer and keys.
'use strict';

// ---- the graph canvas

const canvas = $('drawing');
let view = {k: 1, x: 0, y: 0}, size = {w: 1, h: 1}, selected = null, heat = false, queued = false;
const redraw = () => { if (!queued) { queued = true; requestAnimationFrame(() => { queued = false; paint(); }); } };

function start() {
  const all = Math.min((size.w - 60) / drawing.w, (size.h - 130) / drawing.h);
  if (all >= 0.6) { fit(); return; }
  view.k = clamp((size.w - (size.w < 500 ? 40 : 150)) / drawing.w, size.w < 500 ? 0.75 : 0.6, 1);
  const first = drawing.items.find(i => i.y === Math.min(...drawing.items.map(j => j.y))) || drawing.items[0];
  view.x = drawing.w * view.k <= size.w - 20 ? (size.w - drawing.w * view.k) / 2 : size.w / 2 - (first.x + first.w / 2) * view.k;
  view.y = 72;
  redraw();
}
function fit() {
  const k = clamp(Math.min((size.w - 60) / drawing.w, (size.h - 130) / drawing.h), 0.01, 1.25);
  view = {k, x: (size.w - drawing.w * k) / 2, y: Math.max(64, (size.h - drawing.h * k) / 2)};
  redraw();
}
function zoom(factor, x = size.w / 2, y = size.h / 2) {
  const k = clamp(view.k * factor, 0.01, 4);
  view.x = x - (x - view.x) * k / view.k;
  view.y = y - (y - view.y) * k / view.k;
  view.k = k;
  redraw();
}
function center(item) {
  view.k = clamp(view.k, 0.75, 1.5);
  view.x = size.w / 2 - (item.ax + item.w / 2) * view.k;
  view.y = size.h / 2 - (item.ay + Math.min(item.h, 200) / 2) * view.k;
  redraw();
}

const mix = (t, a, b) => `color-mix(in srgb, ${a} ${Math.round(t * 100)}%, ${b})`;
const heatCache = new Map();
function heatColor(v) {  // canvas fillStyle does not read color-mix everywhere: resolve once per shade
  const step = Math.round(clamp(Math.sqrt(v), 0, 1) * 20), key = `${step}${colors.panel}`;
  if (!heatCache.has(key)) {
    const probe = el('i', {});
    probe.style.color = mix(step / 20 * 0.75, colors.warn, colors.raised);
    document.body.append(probe);
    heatCache.set(key, getComputedStyle(probe).color);
    probe.remove();
  }
  return heatCache.get(key);
}

function paint() {
  if ($('view-graph').hidden || !drawing) return;
  const c = prepare(canvas, size.w, size.h);
  c.translate(view.x, view.y);
  c.scale(view.k, view.k);
  const seen = {l: -view.x / view.k, t: -view.y / view.k, r: (size.w - view.x) / view.k, b: (size.h - view.y) / view.k};
  paintScope(c, drawing, seen);
  paintMap();
}
function touches(e, s) {
  if (!selected) return false;
  const a = s.items[e[0]], b = s.items[e[1]];
  return a === selected || b === selected;
}
function paintScope(c, s, seen) {
  c.lineWidth = Math.max(1.4, 0.8 / view.k);
  c.strokeStyle = colors.edge;
  c.stroke(s.path);
  if (selected) {
    c.lineWidth = Math.max(2.4, 1.4 / view.k);
    c.strokeStyle = colors.accent;
    s.edges.forEach((e, i) => touches(e, s) && c.stroke(s.curves[i]));
  }
  for (const item of s.items) {
    if (item.ax > seen.r || item.ay > seen.b || item.ax + item.w < seen.l || item.ay + item.h < seen.t) continue;
    paintItem(c, item, seen);
  }
}
function paintItem(c, item, seen) {
  const port = item.kind !== 'op', node = port ? null : graph.nodes[item.node];
  const tone = port ? colors.port : colors[family(node.family)];
  const radius = port ? item.h / 2 : 9;
  c.beginPath();
  c.roundRect(item.ax, item.ay, item.w, item.h, radius);
  c.fillStyle = port ? colors.back : heat && timed() && graph.slowest > 0 ? heatColor((node.ms || 0) / graph.slowest) : colors.raised;
  if (view.k < 0.28 && !port && !item.inner && !heat) c.fillStyle = tone;
  c.fill();
  c.lineWidth = item === selected ? 2.6 : 1.2;
  c.strokeStyle = item === selected ? colors.accent : port ? colors.faint : item.inner ? tone : colors.line;
  if (port && (item.kind === 'state' || item.kind === 'outer')) c.setLineDash([5, 4]);
  c.stroke();
  c.setLineDash([]);
  if (!port && view.k >= 0.28) {
    c.save();
    c.beginPath();
    c.roundRect(item.ax, item.ay, item.w, item.h, radius);
    c.clip();
    c.fillStyle = tone;
    c.fillRect(item.ax, item.ay, 5, item.h);
    c.restore();
  }
  if (view.k >= 0.28) paintText(c, item, port, tone);
  for (const inner of item.inner || []) {
    c.beginPath();
    c.roundRect(item.ax + inner.dx - 12, item.ay + inner.dy - 22, inner.boxW, item.h - inner.dy + 8, 9);
    c.fillStyle = colors.back;
    c.fill();
    if (view.k >= 0.28) {
      c.fillStyle = colors.muted;
      c.font = `600 ${kSub}px ${sans()}`;
      c.textAlign = 'left';
      c.fillText(inner.name, item.ax + inner.dx - 2, item.ay + inner.dy - 9);
    }
    paintScope(c, inner, seen);
  }
}
function paintText(c, item, port, tone) {
  c.textBaseline = 'alphabetic';
  c.textAlign = port ? 'center' : 'left';
  const x = port ? item.ax + item.w / 2 : item.ax + 16;
  c.font = fonts.title;
  c.fillStyle = colors.text;
  c.fillText(item.title, x, item.ay + (port ? 18 : 20));
  if (item.badge) {
    c.fillStyle = tone;
    c.textAlign = 'right';
    c.fillText(item.open ? '\u2212' : '+', item.ax + item.w - 12, item.ay + 20);
    c.textAlign = port ? 'center' : 'left';
  }
  if (view.k < 0.42 || item.inner) return;
  c.font = fonts.sub;
  c.fillStyle = colors.muted;
  c.fillText(item.sub, x, item.ay + (port ? 32 : 36));
  if (item.time) {
    c.textAlign = 'right';
    c.fillText(item.time, item.ax + item.w - 10, item.ay + 36);
  }
}

// ---- overview map

const map = $('map');
let mapScale = 1;
function paintMap() {
  const overflow = Math.max(drawing.w * view.k / size.w, drawing.h * view.k / size.h);
  map.hidden = overflow < 1.8 || size.w < 500;
  if (map.hidden) return;
  mapScale = Math.min(110 / drawing.w, (size.h * 0.5) / drawing.h);
  const w = Math.max(46, drawing.w * mapScale + 12), h = drawing.h * mapScale + 12;
  map.style.width = `${w}px`;
  map.style.height = `${h}px`;
  const c = prepare(map, w, h), ox = (w - drawing.w * mapScale) / 2;
  for (const item of drawing.items) {
    c.fillStyle = item.kind === 'op' ? colors[family(graph.nodes[item.node].family)] : colors.faint;
    c.fillRect(ox + item.x * mapScale, 6 + item.y * mapScale, Math.max(1.5, item.w * mapScale), Math.max(1, item.h * mapScale));
  }
  c.strokeStyle = colors.accent;
  c.lineWidth = 1.5;
  c.fillStyle = 'rgba(80,110,255,.12)';
  const l = ox - view.x / view.k * mapScale, t = 6 - view.y / view.k * mapScale;
  const x0 = clamp(l, 1, w - 2), y0 = clamp(t, 1, h - 2);
  const r = clamp(l + size.w / view.k * mapScale, x0 + 3, w - 1), b = clamp(t + size.h / view.k * mapScale, y0 + 3, h - 1);
  c.fillRect(x0, y0, r - x0, b - y0);
  c.strokeRect(x0, y0, r - x0, b - y0);
}
function mapMove(e) {
  const box = map.getBoundingClientRect(), ox = (box.width - drawing.w * mapScale) / 2;
  view.x = size.w / 2 - (e.clientX - box.left - ox) / mapScale * view.k;
  view.y = size.h / 2 - (e.clientY - box.top - 6) / mapScale * view.k;
  redraw();
}
map.addEventListener('pointerdown', e => { map.setPointerCapture(e.pointerId); mapMove(e); });
map.addEventListener('pointermove', e => e.buttons && mapMove(e));

// ---- pointer and keys

function hit(x, y) {
  const gx = (x - view.x) / view.k, gy = (y - view.y) / view.k;
  const search = s => {
    for (let i = s.items.length - 1; i >= 0; --i) {
      const item = s.items[i];
      if (gx < item.ax || gy < item.ay || gx > item.ax + item.w || gy > item.ay + item.h) continue;
      for (const inner of item.inner || []) { const found = search(inner); if (found) return found; }
      return item;
    }
    return null;
  };
  return search(drawing);
}
const pointers = new Map();
let moved = 0, pinch = 0;
const local = e => { const b = canvas.getBoundingClientRect(); return [e.clientX - b.left, e.clientY - b.top]; };
canvas.addEventListener('pointerdown', e => {
  canvas.setPointerCapture(e.pointerId);
  pointers.set(e.pointerId, local(e));
  if (pointers.size === 1) moved = 0;
  pinch = 0;
});
canvas.addEventListener('pointermove', e => {
  const at = local(e);
  if (!pointers.has(e.pointerId)) { canvas.classList.toggle('over', Boolean(hit(...at))); return; }
  const before = pointers.get(e.pointerId);
  pointers.set(e.pointerId, at);
  if (pointers.size === 2) {
    const [a, b] = [...pointers.values()], distance = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (pinch > 0) zoom(distance / pinch, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    pinch = distance;
    moved = 99;
    return;
  }
  moved += Math.abs(at[0] - before[0]) + Math.abs(at[1] - before[1]);
  if (moved < 4) return;
  canvas.classList.add('dragging');
  view.x += at[0] - before[0];
  view.y += at[1] - before[1];
  redraw();
});
const release = e => {
  if (!pointers.delete(e.pointerId)) return;
  canvas.classList.remove('dragging');
  if (e.type === 'pointerup' && moved < 4 && pointers.size === 0) {
    const [x, y] = local(e), item = hit(x, y);
    const sign = item && item.badge && (x - view.x) / view.k > item.ax + item.w - 30 && (y - view.y) / view.k < item.ay + 30;
    select(item);
    if (sign) toggle(item);
  }
};
canvas.addEventListener('pointerup', release);
canvas.addEventListener('pointercancel', release);
canvas.addEventListener('wheel', e => {
  e.preventDefault();
  const scale = e.deltaMode === 1 ? 18 : 1;
  if (e.shiftKey) { view.x -= (e.deltaY || e.deltaX) * scale; redraw(); return; }
  zoom(Math.exp(-e.deltaY * scale * (e.ctrlKey ? 0.01 : 0.0016)), ...local(e));
}, {passive: false});
canvas.addEventListener('dblclick', e => { const item = hit(...local(e)); if (item && item.badge) toggle(item); });

function findScope(item, s = drawing) {
  if (s.items.includes(item)) return s;
  for (const i of s.items) for (const inner of i.inner || []) { const found = findScope(item, inner); if (found) return found; }
  return null;
}
function walkTo(key) {
  if (!selected) { select(drawing.items[0], true); return; }
  const s = findScope(selected), at = s.items.indexOf(selected);
  let next = null;
  if (key === 'ArrowDown') next = s.edges.filter(e => e[0] === at).map(e => s.items[e[1]])[0];
  else if (key === 'ArrowUp') next = s.edges.filter(e => e[1] === at).map(e => s.items[e[0]])[0];
  else {
    const way = key === 'ArrowRight' ? 1 : -1;
    next = s.items.filter(i => i !== selected && Math.abs(i.y + i.h / 2 - selected.y - selected.h / 2) < 30 && (i.x - selected.x) * way > 0)
      .sort((a, b) => (a.x - b.x) * way)[0];
  }
  if (next) select(next, true);
}
canvas.addEventListener('keydown', e => {
  if (e.key.startsWith('Arrow')) walkTo(e.key);
  else if (e.key === '+' || e.key === '=') zoom(1.25);
  else if (e.key === '-') zoom(0.8);
  else if (e.key === '0') fit();
  else if (e.key === 'Escape') select(null);
  else if ((e.key === 'Enter' || e.key === ' ') && selected && selected.badge) toggle(selected);
  else return;
  e.preventDefault();
});
$('zoom-in').onclick = () => zoom(1.25);
$('zoom-out').onclick = () => zoom(0.8);
$('zoom-fit').onclick = fit;
$('heat').onclick = () => { heat = !heat; $('heat').setAttribute('aria-pressed', heat); redraw(); };

function toggle(item) {
  const node = item.node, sx = item.ax * view.k + view.x, sy = item.ay * view.k + view.y;
  if (graph.open.has(node)) graph.open.delete(node); else graph.open.add(node);
  layout();
  selected = places.get(node);
  view.x = sx - selected.ax * view.k;
  view.y = sy - selected.ay * view.k;
  say(graph.open.has(node) ? 'sub-graphs shown' : 'sub-graphs hidden');
  redraw();
}
// Opens what hides a node, then selects it.
function goTo(node, keepFocus) {
  let opened = false;
  for (let g = graph.home[node]; g > 0; g = graph.home[graph.owner[g]]) if (!graph.open.has(graph.owner[g])) { graph.open.add(graph.owner[g]); opened = true; }
  if (opened) layout();
  showTab('graph');
  select(places.get(node), true);
  if (!keepFocus) canvas.focus({preventScroll: true});
}
function goToTensor(t) {
  if (graph.maker.has(t)) goTo(graph.maker.get(t));
  else if (ports.has(t)) { showTab('graph'); select(ports.get(t), true); }
}
function select(item, move) {
  selected = item || null;
  details();
  if (item && move) center(item);
  if (item) say(item.kind === 'op' ? `${graph.nodes[item.node].op} ${graph.nodes[item.node].name}` : `${item.kind} ${item.title}`);
  redraw();
}
