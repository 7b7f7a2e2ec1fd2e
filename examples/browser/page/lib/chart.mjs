// Charts without a library: lines on a canvas that follows its size and the colours of the page, bars and a matrix of elements.
import { h, percent } from './dom.mjs';

const all = new Set();
const redraw = () => all.forEach((draw) => draw());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);

/** A canvas that calls `paint(context, width, height, colour)` whenever that is needed; `draw()` asks for it. */
export function painted(paint, props = {}) {
  const canvas = h('canvas', { role: 'img', ...props });
  let asked = false;
  const now = () => {
    asked = false;
    const { clientWidth: w, clientHeight: ht } = canvas, ratio = devicePixelRatio || 1;
    if (w === 0 || ht === 0) return;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(ht * ratio)) [canvas.width, canvas.height] = [Math.round(w * ratio), Math.round(ht * ratio)];
    const style = getComputedStyle(canvas), context = canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, w, ht);
    paint(context, w, ht, (name) => style.getPropertyValue(`--${name}`).trim());
  };
  const draw = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(now);
  };
  new ResizeObserver(draw).observe(canvas);
  all.add(draw);
  return { canvas, draw };
}

/** Round steps for an axis from 0 to `top`. */
function ticks(top, wanted = 4) {
  const raw = top / wanted, power = 10 ** Math.floor(Math.log10(raw || 1)), step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  const list = [];
  for (let v = 0; v <= top + step / 1e6; v += step) list.push(v);
  return list;
}
const short = (v) => (Number.isInteger(v) ? String(v) : v.toFixed(Math.abs(v) < 1 ? 2 : 1));

/**
 * Lines over steps: series { name, colour, right?, smooth? }; `right`: from 0 to 1 on an axis of its own.
 * Points are thinned out so that long trainings stay cheap to draw.
 */
export function lineChart(label, series) {
  const lines = series.map((s) => ({ ...s, points: [] }));
  const chart = painted((c, w, ht, colour) => {
    const pad = { l: 34, r: lines.some((l) => l.right) ? 40 : 10, t: 12, b: 22 }, W = w - pad.l - pad.r, H = ht - pad.t - pad.b;
    const last = Math.max(10, ...lines.map((l) => l.points.at(-1)?.[0] ?? 0));
    const values = lines.filter((l) => !l.right).flatMap((l) => l.points.map((p) => p[1])).sort((a, b) => a - b);
    const top = Math.max(0.1, (values[Math.floor(values.length * 0.995)] ?? 1) * 1.08);
    const X = (x) => pad.l + (x / last) * W, Y = (y, of = top) => pad.t + H - (Math.min(y, of * 1.05) / of) * H;
    c.font = '11px ui-monospace, Menlo, Consolas, monospace';
    c.textBaseline = 'middle';
    for (const t of ticks(top).filter((v) => v <= top)) {
      c.strokeStyle = colour('line');
      c.beginPath();
      c.moveTo(pad.l, Math.round(Y(t)) + 0.5);
      c.lineTo(pad.l + W, Math.round(Y(t)) + 0.5);
      c.stroke();
      c.fillStyle = colour('muted');
      c.textAlign = 'right';
      c.fillText(short(t), pad.l - 7, Y(t));
    }
    c.fillStyle = colour('muted');
    c.textAlign = 'left';
    if (pad.r > 20) for (const t of [0, 0.5, 1]) c.fillText(`${100 * t} %`, pad.l + W + 6, Y(t, 1));
    c.textAlign = 'center';
    for (const t of ticks(last, Math.max(2, Math.round(W / 90))).filter((v) => v > 0 && X(v) < w - 14)) c.fillText(short(t), X(t), ht - 9);
    for (const line of lines) {
      const { points } = line, of = line.right ? 1 : top;
      if (points.length === 0) continue;
      c.lineJoin = 'round';
      c.strokeStyle = colour(line.colour);
      if (line.smooth && points.length > 8) {
        c.globalAlpha = 0.25;
        stroke(c, points, X, Y, of, 1);
        c.globalAlpha = 1;
        stroke(c, smoothed(points), X, Y, of, 2.2);
      } else stroke(c, points, X, Y, of, 2.2);
      if (points.length === 1 || line.dots) for (const [x, y] of points) {
        c.fillStyle = colour(line.colour);
        c.beginPath();
        c.arc(X(x), Y(y, of), 3, 0, 7);
        c.fill();
      }
    }
  }, { 'aria-label': label });
  const legend = h('div', { class: 'legend', 'aria-hidden': 'true' }, lines.map((l) => h('span', { style: `--of: var(--${l.colour})` }, l.name)));
  return {
    root: h('figure', { class: 'chart' }, legend, chart.canvas),
    add(index, x, y) {
      const { points } = lines[index];
      points.push([x, y]);
      if (points.length > 1200) lines[index].points = points.filter((_, i) => i % 2 === 0);
      chart.canvas.setAttribute('aria-label', `${label}: ${lines.map((l) => `${l.name} ${l.points.at(-1) === undefined ? 'not yet' : l.points.at(-1)[1].toFixed(3)}`).join(', ')}`);
      chart.draw();
    },
    clear() {
      for (const l of lines) l.points = [];
      chart.draw();
    },
  };
}
function stroke(c, points, X, Y, of, width) {
  c.lineWidth = width;
  c.beginPath();
  points.forEach(([x, y], i) => (i === 0 ? c.moveTo(X(x), Y(y, of)) : c.lineTo(X(x), Y(y, of))));
  c.stroke();
}
function smoothed(points) {
  const keep = Math.min(0.94, 1 - 4 / points.length);
  let value = points[0][1];
  return points.map(([x, y]) => [x, (value = keep * value + (1 - keep) * y)]);
}

/** Names with bars; `update([{ name, value, note? }])`, values 0..1. The first stands out. */
export function bars(label) {
  const root = h('ol', { class: 'bars', 'aria-label': label });
  return {
    root,
    update(rows) {
      while (root.children.length > rows.length) root.lastChild.remove();
      rows.forEach(({ name, value, note }, i) => {
        const row = root.children[i] ?? root.appendChild(h('li', {}, h('span', { class: 'bar-name' }), h('span', { class: 'bar-value' }), h('span', { class: 'bar' }, h('i'))));
        row.children[0].textContent = name;
        row.children[1].textContent = note ?? percent(value);
        row.children[2].firstChild.style.width = `${(100 * Math.min(1, value)).toFixed(2)}%`;
      });
    },
  };
}

/** What was drawn (rows) and what was recognised (columns). */
export function confusion(names, counts) {
  const largest = Math.max(1, ...counts.flat());
  const head = h('tr', {}, h('th', { 'aria-label': 'drawn, recognised' }), names.map((n) => h('th', { scope: 'col' }, n)));
  const rows = counts.map((row, r) => h('tr', {}, h('th', { scope: 'row' }, names[r]), row.map((n, c) => {
    const share = n / largest;
    return h('td', { class: n === 0 ? '' : r === c ? 'right' : 'wrong', style: `--share: ${share.toFixed(2)}`, title: `${n} of '${names[r]}' taken for '${names[c]}'` }, n === 0 ? '' : String(n));
  })));
  return h('table', { class: 'confusion' }, h('caption', {}, 'rows: what it is, columns: what the net says'), h('thead', {}, head), h('tbody', {}, rows));
}
