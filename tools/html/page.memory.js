// The memory plan: buffers over time, live bytes, what is alive at a step.
'use strict';

// ---- memory plan

const plan = $('plan');
let live = [], stepNode = [], stepAt = 0, planBox = null;
function indexMemory() {
  const steps = Math.max(1, ...graph.buffers.map(b => b.last + 1), ...graph.nodes.map(n => (n.steps ? n.steps[1] + 1 : 0)));
  const delta = new Array(steps + 1).fill(0);
  for (const b of graph.buffers) { delta[b.first] += b.bytes; delta[b.last + 1] -= b.bytes; }
  live = [];
  let sum = 0;
  for (let s = 0; s < steps; ++s) { sum += delta[s]; live.push(sum); }
  stepNode = new Array(steps).fill(-1);
  graph.nodes.forEach((n, i) => { if (n.steps) { stepNode[n.steps[1]] = i; stepNode[n.steps[0]] = i; } });
  stepAt = live.indexOf(Math.max(...live));
  const m = entry.memory, peak = Math.max(...live);
  $('memory-tiles').replaceChildren(...(m ? [
    tile(bytes(m.activation_bytes), 'activations, one arena'), tile(bytes(m.max_live_bytes), 'most alive at once'),
    tile(m.max_live_bytes ? `${(m.activation_bytes / m.max_live_bytes).toFixed(2)} \u00d7` : '1 \u00d7', 'arena over that'),
    tile(bytes(m.weights_bytes), 'packed weights'), tile(bytes(m.scratch_bytes), 'scratch of kernels'), tile(bytes(m.state_bytes), 'state'),
    tile(bytes(m.session_bytes), 'records of a session')] : []));
  $('memory-card').hidden = $('alive-card').hidden = graph.buffers.length === 0;
  if (graph.buffers.length === 0)
    $('memory-tiles').append(el('p', {class: 'empty'}, graph.session_error || 'This entry needs no activation memory.'));
  return peak;
}
const bufferFamily = b => { const n = graph.maker.get(b.tensors[0]); return n === undefined ? 'port' : family(graph.nodes[n].family); };
const bufferName = b => { const n = graph.maker.get(b.tensors[0]); return tensorName(b.tensors[0], n === undefined ? undefined : `${graph.nodes[n].op} ${graph.nodes[n].name}`); };
const stepName = s => { const n = stepNode[s]; return n >= 0 ? `${graph.nodes[n].op} ${graph.nodes[n].name}` : s >= live.length - 1 ? 'end' : ''; };

function paintPlan() {
  if ($('view-memory').hidden || graph.buffers.length === 0) return;
  const w = plan.clientWidth || plan.parentElement.clientWidth - 36, narrow = w < 520;
  const chart = narrow ? 84 : 110, body = narrow ? 260 : Math.max(280, Math.min(460, innerHeight - 430));
  const left = narrow ? 52 : 68, right = 8, top = 22, gap = 26, h = top + chart + gap + body + 26;
  plan.style.height = `${h}px`;
  const c = prepare(plan, w, h);
  const arena = Math.max(1, ...graph.buffers.map(b => b.offset + b.bytes)), peak = Math.max(...live), steps = live.length;
  const x = s => left + s * (w - left - right) / steps, y = o => top + chart + gap + body - o / arena * body;
  const ly = v => top + chart - v / arena * chart;
  planBox = {left, right, w, steps, top: top + chart + gap, body, arena, x, y};
  c.font = `11px ${sans()}`;
  c.textBaseline = 'middle';
  c.textAlign = 'right';
  for (let i = 0; i <= 4; ++i) {
    c.fillStyle = colors.faint;
    c.fillText(bytes(Math.round(arena * i / 4)), left - 8, y(arena * i / 4));
    c.fillStyle = colors.grid;
    c.fillRect(left, y(arena * i / 4) - 0.5, w - left - right, 1);
  }
  // live bytes
  c.beginPath();
  c.moveTo(x(0), ly(0));
  live.forEach((v, s) => { c.lineTo(x(s), ly(v)); c.lineTo(x(s + 1), ly(v)); });
  c.lineTo(x(steps), ly(0));
  c.closePath();
  c.globalAlpha = 0.22;
  c.fillStyle = colors.accent;
  c.fill();
  c.globalAlpha = 1;
  c.beginPath();
  live.forEach((v, s) => { if (s === 0) c.moveTo(x(0), ly(v)); else c.lineTo(x(s), ly(v)); c.lineTo(x(s + 1), ly(v)); });
  c.lineWidth = 1.6;
  c.strokeStyle = colors.accent;
  c.stroke();
  const best = live.indexOf(peak);
  c.setLineDash([4, 4]);
  c.strokeStyle = colors.warn;
  c.lineWidth = 1.2;
  c.beginPath();
  c.moveTo(left, ly(peak)); c.lineTo(w - right, ly(peak));
  c.moveTo((x(best) + x(best + 1)) / 2, ly(peak)); c.lineTo((x(best) + x(best + 1)) / 2, y(0));
  c.stroke();
  c.setLineDash([]);
  c.fillStyle = colors.warn;
  c.textAlign = x(best) > w / 2 ? 'right' : 'left';
  c.fillText(`peak ${bytes(peak)} at step ${best}`, x(best) + (x(best) > w / 2 ? -6 : 6), Math.max(8, ly(peak) - 10));
  c.fillStyle = colors.faint;
  c.textAlign = 'right';
  c.fillText('alive', left - 8, ly(0) - chart / 2);
  // buffers
  for (const b of graph.buffers) {
    const bx = x(b.first), by = y(b.offset + b.bytes), bw = Math.max(1, x(b.last + 1) - bx), bh = Math.max(0.75, b.bytes / arena * body);
    c.fillStyle = colors[bufferFamily(b)];
    c.globalAlpha = b.first <= stepAt && b.last >= stepAt ? 1 : 0.62;
    const inset = bw > 5 && bh > 5 ? 0.6 : 0;
    c.fillRect(bx + inset, by + inset, bw - 2 * inset, bh - 2 * inset);
    c.globalAlpha = 1;
    if (bw > 70 && bh > 15) {
      c.fillStyle = colors.panel;
      c.textAlign = 'left';
      c.save();
      c.beginPath();
      c.rect(bx + 5, by, bw - 10, bh);
      c.clip();
      c.fillText(bufferName(b), bx + 6, by + bh / 2);
      c.restore();
    }
  }
  // cursor
  c.fillStyle = colors.text;
  c.globalAlpha = 0.75;
  c.fillRect((x(stepAt) + x(stepAt + 1)) / 2 - 0.75, top, 1.5, chart + gap + body);
  c.globalAlpha = 1;
  c.fillStyle = colors.muted;
  c.textAlign = 'left';
  c.fillText('first op', left, h - 10);
  c.textAlign = 'right';
  c.fillText(`${steps} steps`, w - right, h - 10);
}
function showAlive() {
  const list = graph.buffers.filter(b => b.first <= stepAt && b.last >= stepAt).sort((a, b) => b.bytes - a.bytes);
  $('alive-title').textContent = `Alive at step ${stepAt}${stepName(stepAt) ? `: ${stepName(stepAt)}` : ''}`;
  $('alive-about').textContent = `${list.length} buffer${list.length === 1 ? '' : 's'}, ${bytes(live[stepAt] || 0)}${live[stepAt] === Math.max(...live) ? ', the peak' : ''}`;
  $('alive').replaceChildren(
    el('thead', {}, el('tr', {}, el('th', {}, 'Value'), el('th', {}, 'Type'), el('th', {class: 'n'}, 'Bytes'), el('th', {class: 'n'}, 'Offset'), el('th', {class: 'n'}, 'Steps'))),
    el('tbody', {}, list.slice(0, 40).map(b => el('tr', {},
      el('td', {}, el('i', {class: 'dot', color: `var(--${bufferFamily(b)})`}), el('button', {class: 'link', onclick: () => goToTensor(b.tensors[0])}, bufferName(b)),
        b.tensors.length > 1 ? el('span', {class: 'tag', title: 'in place, or views of it'}, `+ ${b.tensors.length - 1} in place`) : ''),
      el('td', {class: 'm'}, typed(graph.tensors[b.tensors[0]])), el('td', {class: 'n'}, bytes(b.bytes)), el('td', {class: 'n'}, bytes(b.offset)),
      el('td', {class: 'n'}, `${b.first} \u2013 ${b.last}`)))));
}
function setStep(s) {
  stepAt = clamp(s, 0, live.length - 1);
  paintPlan();
  showAlive();
}
function planAt(e) {
  const box = plan.getBoundingClientRect(), px = e.clientX - box.left, py = e.clientY - box.top;
  const step = clamp(Math.floor((px - planBox.left) / (planBox.w - planBox.left - planBox.right) * planBox.steps), 0, planBox.steps - 1);
  const offset = (planBox.top + planBox.body - py) / planBox.body * planBox.arena;
  return {step, buffer: graph.buffers.find(b => step >= b.first && step <= b.last && offset >= b.offset && offset < b.offset + b.bytes)};
}
plan.addEventListener('pointermove', e => {
  if (!planBox) return;
  const {step, buffer} = planAt(e);
  if (buffer)
    tip(e.clientX, e.clientY, bufferName(buffer), [typed(graph.tensors[buffer.tensors[0]]), `${bytes(buffer.bytes)} at offset ${bytes(buffer.offset)}`,
      `steps ${buffer.first} to ${buffer.last}`, ...(buffer.tensors.length > 1 ? [`also ${buffer.tensors.slice(1, 5).map(t => tensorName(t)).join(', ')}${buffer.tensors.length > 5 ? ', \u2026' : ''}`] : [])]);
  else tip(e.clientX, e.clientY, `Step ${step}`, [stepName(step), `${bytes(live[step])} alive`].filter(Boolean));
});
plan.addEventListener('pointerleave', () => tip());
plan.addEventListener('click', e => { if (planBox) setStep(planAt(e).step); });
plan.addEventListener('keydown', e => {
  const way = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9}[e.key];
  if (way === undefined) return;
  e.preventDefault();
  setStep(stepAt + way);
  say($('alive-title').textContent);
});
