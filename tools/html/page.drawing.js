// From an entry to boxes and lines: sizes of items, scopes inside scopes, places by Layout.
'use strict';

// ---- drawing model: one scope per graph, items with sizes, laid out from the inside out

const measure = document.createElement('canvas').getContext('2d');
function cut(text, font, width) {
  measure.font = font;
  if (measure.measureText(text).width <= width) return text;
  let lo = 0, hi = text.length;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if (measure.measureText(text.slice(0, mid) + '\u2026').width <= width) lo = mid; else hi = mid - 1;
  }
  return text.slice(0, lo) + '\u2026';
}
const kTitle = 13, kSub = 11, kWide = 230;
let fonts = {};

function block(item, title, sub) {
  item.title = cut(title, fonts.title, kWide);
  item.sub = cut(sub, fonts.sub, kWide);
  measure.font = fonts.title;
  const a = measure.measureText(item.title).width;
  measure.font = fonts.sub;
  const b = measure.measureText(item.sub).width + (item.time ? measure.measureText(item.time).width + 14 : 0);
  item.w = Math.max(84, Math.ceil(Math.max(a + (item.badge ? 26 : 0), b)) + 26);
  item.h = 46;
  return item;
}

function scope(g) {
  const items = [], edges = [], source = new Map();
  const port = (kind, t, title) => {
    const item = block({kind, tensor: t}, title, typed(graph.tensors[t]));
    item.h = 40;
    source.set(t, items.length);
    items.push(item);
    return items.length - 1;
  };
  const me = graph.graphs[g];
  me.in.forEach((t, i) => port('input', t, tensorName(t, g === 0 ? `input ${i}` : ['round', 'go on'][i] && me.in.length > 1 ? ['round', 'go on'][i] || `carried ${i - 2}` : `in ${i}`)));
  const used = new Set();
  const inside = n => {  // tensors that a node or its sub-graphs read
    const list = n.in.slice();
    for (const s of n.graphs || []) {
      for (const k of graph.graphs[s].nodes) list.push(...inside(graph.nodes[k]));
      list.push(...graph.graphs[s].out);
    }
    return list;
  };
  const defined = new Set(me.in);
  me.nodes.forEach(k => graph.nodes[k].out.forEach(t => defined.add(t)));
  for (const k of me.nodes) for (const t of inside(graph.nodes[k])) {
    if (t < 0 || used.has(t) || source.has(t) || defined.has(t)) continue;
    const role = graph.tensors[t].role;
    if (role === 'constant') continue;
    used.add(t);
    if (role === 'state') port('state', t, tensorName(t));
    else if (g !== 0 && !within(t, g)) port('outer', t, outerName(t));
  }
  for (const k of me.nodes) {
    const n = graph.nodes[k];
    const item = {kind: 'op', node: k};
    if (timed() && n.ms !== undefined) item.time = ms(n.ms);
    if (n.graphs) {
      item.badge = true;
      item.open = graph.open.has(k);
      if (item.open) cluster(item, n);
      else block(item, n.op, `${n.graphs.length} sub-graph${n.graphs.length > 1 ? 's' : ''}, ${n.graphs.reduce((s, x) => s + graph.graphs[x].nodes.length, 0)} ops`);
    } else {
      const o = n.out.find(t => t >= 0);
      block(item, n.op, o === undefined ? '' : shape(graph.tensors[o]));
    }
    const at = items.length;
    items.push(item);
    const seen = new Set();
    for (const t of inside(n)) {
      if (t < 0 || seen.has(t) || !source.has(t) || source.get(t) === at) continue;
      seen.add(t);
      edges.push([source.get(t), at, t]);
    }
    n.out.forEach(t => t >= 0 && source.set(t, at));
    for (const t of n.out) if (t >= 0 && graph.tensors[t].role === 'state') {
      const end = block({kind: 'state', tensor: t, writes: true, late: true}, tensorName(t), 'new value');
      end.h = 40;
      items.push(end);
      edges.push([at, items.length - 1, t]);
    }
  }
  me.out.forEach((t, i) => {
    const from = source.get(t);
    const item = block({kind: 'output', tensor: t, late: true}, tensorName(t, `out ${i}`), typed(graph.tensors[t]));
    item.h = 40;
    items.push(item);
    if (from !== undefined) edges.push([from, items.length - 1, t]);
  });
  const placed = Layout.layered(items, edges);
  items.forEach((item, i) => { item.x = placed.x[i]; item.y = placed.y[i]; });
  return {items, edges, paths: placed.paths, w: placed.w, h: placed.h};
}
// Is the tensor made inside graph g or one of its sub-graphs?
function within(t, g) {
  let home = graph.maker.has(t) ? graph.home[graph.maker.get(t)] : graph.graphs.findIndex(x => x.in.includes(t));
  while (home > 0) {
    if (home === g) return true;
    home = graph.owner[home] < 0 ? 0 : graph.home[graph.owner[home]];
  }
  return home === g;
}
function outerName(t) {
  const n = graph.maker.get(t);
  return graph.tensors[t].name || (n !== undefined ? `${graph.nodes[n].op}` : `value ${t}`);
}
function cluster(item, n) {
  const names = n.graphs.length === 2 ? ['then', 'else'] : ['body'];
  item.inner = n.graphs.map((g, i) => ({name: n.op === 'if' ? names[i] : n.graphs.length > 1 ? `graph ${i}` : 'body', ...scope(g)}));
  let x = 16, h = 0;
  for (const s of item.inner) {
    s.dx = x + 12;
    s.dy = 68;
    s.boxW = Math.max(s.w, 60) + 24;
    x += s.boxW + 14;
    h = Math.max(h, s.h);
  }
  item.title = n.op;
  item.sub = item.inner.map(s => s.name).join(' | ');
  item.w = Math.max(x + 2, 160);
  item.h = h + 68 + 28;
}

let drawing = null, places = new Map(), ports = new Map();
function layout() {
  fonts = {title: `600 ${kTitle}px ${sans()}`, sub: `${kSub}px ${sans()}`};
  drawing = scope(0);
  places = new Map();
  ports = new Map();
  const walk = (s, x, y) => {
    for (const item of s.items) {
      item.ax = x + item.x;
      item.ay = y + item.y;
      if (item.kind === 'op') places.set(item.node, item);
      else if (!ports.has(item.tensor) || item.kind !== 'outer') ports.set(item.tensor, item);
      for (const inner of item.inner || []) walk(inner, item.ax + inner.dx, item.ay + inner.dy);
    }
    s.ax = x;
    s.ay = y;
    s.path = new Path2D();
    s.curves = s.paths.map(points => {
      const p = new Path2D();
      points.forEach(([px, py], i) => {
        if (i === 0) { p.moveTo(x + px, y + py); return; }
        const [qx, qy] = points[i - 1], mid = (py - qy) * 0.5;
        if (Math.abs(px - qx) < 0.5) p.lineTo(x + px, y + py);
        else p.bezierCurveTo(x + qx, y + qy + mid, x + px, y + py - mid, x + px, y + py);
      });
      s.path.addPath(p);
      return p;
    });
  };
  walk(drawing, 0, 0);
}
