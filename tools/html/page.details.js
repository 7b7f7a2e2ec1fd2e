// Beside the graph: what is selected, and the search.
'use strict';

// ---- details

function tensorRow(t, who) {
  if (t < 0) return el('li', {}, el('span', {class: 'type'}, 'left out'));
  const x = graph.tensors[t];
  const links = who.map(n => el('button', {class: 'link', onclick: () => goTo(n)}, `${graph.nodes[n].op} ${graph.nodes[n].name}`));
  const more = links.length > 6 ? [el('span', {class: 'type'}, ` and ${links.length - 6} more`)] : [];
  return el('li', {},
    el('span', {class: 'bytes'}, x.role === 'constant' ? `${bytes(x.stored)} stored` : x.unbounded ? 'no bound' : bytes(x.bytes)),
    el('div', {}, x.name || (x.role === 'constant' ? 'constant' : `value ${t}`),
      x.role !== 'computed' && el('span', {class: 'tag'}, x.splat ? 'constant, one value' : x.role)),
    el('div', {class: 'type'}, typed(x)),
    x.quantization && el('div', {class: 'type'}, x.quantization),
    links.slice(0, 6).map(l => el('div', {}, l)), more);
}
function section(title, ...content) { return [el('h3', {}, title), ...content]; }

function details() {
  const box = $('details');
  if (!selected) { box.replaceChildren(...overview()); return; }
  if (selected.kind !== 'op') {
    const t = selected.tensor, x = graph.tensors[t];
    box.replaceChildren(el('h2', {}, selected.title),
      el('p', {class: 'sub'}, {input: 'Input', output: 'Output', state: selected.writes ? 'State, written here' : 'State', outer: 'Value from outside this sub-graph'}[selected.kind]),
      el('div', {class: 'facts'}, fact(x.dtype, 'type'), fact(x.unbounded ? 'no bound' : bytes(x.bytes), 'at most')),
      ...section('Shape', el('dl', {class: 'pairs'}, x.shape.flatMap((d, i) => [el('dt', {}, `axis ${i}`), el('dd', {}, d)]))),
      ...section('Made by and read by', el('ul', {class: 'tensors'}, tensorRow(t, [...(graph.maker.has(t) ? [graph.maker.get(t)] : []), ...(graph.readers.get(t) || [])]))));
    box.scrollTop = 0;
    return;
  }
  const n = graph.nodes[selected.node];
  const facts = [];
  if (n.ms !== undefined) facts.push(fact(ms(n.ms), `per run${graph.total > 0 ? `, ${(100 * n.ms / graph.total).toFixed(1)} %` : ''}`));
  if (n.calls !== undefined && Math.abs(n.calls - 1) > 1e-9) facts.push(fact(n.calls.toFixed(n.calls % 1 ? 1 : 0), 'executions per run'));
  if (n.macs) facts.push(fact(count(n.macs), 'multiply-adds'));
  if (n.macs && n.ms) facts.push(fact((2 * n.macs * (n.calls || 1) / n.ms / 1e6).toFixed(1), 'GFLOP/s, at the bounds'));
  const weights = [...new Set(n.in.filter(t => t >= 0 && graph.tensors[t].role === 'constant'))].reduce((s, t) => s + graph.tensors[t].stored, 0);
  if (weights) facts.push(fact(bytes(weights), 'constants read'));
  box.replaceChildren(
    el('h2', {}, el('span', {class: 'dot', color: `var(--${family(n.family)})`}), n.op),
    el('p', {class: 'sub'}, n.name.startsWith('#') ? `node ${n.index}, ${kFamilies[family(n.family)].toLowerCase()}` : n.name),
    n.origin ? el('p', {class: 'sub'}, `from ${n.origin}`) : '',
    el('div', {class: 'facts'}, facts),
    ...section('Kernel', el('p', {class: 'type wrap'}, n.kernel ? n.kernel : n.kernel === '' ? 'run by the session itself' : 'not chosen on this machine'),
      n.refused ? el('p', {class: 'note'}, `A better kernel refused: ${n.refused}`) : ''),
    ...(n.attributes.length ? section('Attributes', el('dl', {class: 'pairs'}, n.attributes.flatMap(([k, v, d]) => [
      el('dt', {}, k), el('dd', {class: d ? 'default' : '', title: d ? 'default' : undefined}, v === '' ? '\u201c\u201d' : v)]))) : []),
    ...section(`Inputs (${n.in.length})`, el('ul', {class: 'tensors'}, n.in.map(t => tensorRow(t, graph.maker.has(t) ? [graph.maker.get(t)] : [])))),
    ...section(`Outputs (${n.out.length})`, el('ul', {class: 'tensors'}, n.out.map(t => tensorRow(t, graph.readers.get(t) || [])))),
    ...(n.graphs ? section('Sub-graphs', el('p', {}, el('button', {class: 'link', onclick: () => { toggle(places.get(n.index)); details(); }},
      graph.open.has(n.index) ? 'Hide them' : 'Show them'))) : []));
  box.scrollTop = 0;
}
function overview() {
  const m = entry.memory;
  const slow = timed() ? graph.nodes.filter(n => n.ms > 0).sort((a, b) => b.ms - a.ms).slice(0, 8) : [];
  const heavy = graph.nodes.filter(n => n.macs).sort((a, b) => b.macs - a.macs).slice(0, 8);
  const rows = (list, text) => el('ul', {class: 'tensors'}, list.map(n => el('li', {}, el('span', {class: 'bytes'}, text(n)),
    el('button', {class: 'link', onclick: () => goTo(n.index)}, `${n.op} ${n.name}`))));
  return [
    el('h2', {}, entry.name), el('p', {class: 'sub'}, 'Entry point. Click a node for its attributes, shapes and kernel.'),
    el('div', {class: 'facts'},
      fact(count(graph.nodes.length), 'ops'), fact(count(entry.macs), 'multiply-adds'),
      m && fact(bytes(m.activation_bytes), 'activations'), fact(bytes(data.weights_bytes), 'weights in the file'),
      timed() && fact(ms(graph.total), `per run, ${graph.runs} traced`)),
    graph.session_error ? el('p', {class: 'note'}, graph.session_error) : '',
    ...section('Inputs', el('ul', {class: 'tensors'}, graph.graphs[0].in.map(t => tensorRow(t, [])))),
    ...section('Outputs', el('ul', {class: 'tensors'}, graph.graphs[0].out.map(t => tensorRow(t, [])))),
    ...(slow.length ? section('Where the time goes', rows(slow, n => ms(n.ms))) : []),
    ...(heavy.length ? section('Most work', rows(heavy, n => count(n.macs))) : []),
  ];
}

// ---- search

let matches = [], at = 0;
function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  matches = words.length === 0 ? [] : graph.nodes.filter(n => {
    const o = n.out.find(t => t >= 0), x = o === undefined ? null : graph.tensors[o];
    const hay = [n.op, n.name, n.origin || '', n.kernel || '', x ? x.dtype : '', x ? x.shape.join('x') : '', x ? x.name : ''].join(' ').toLowerCase();
    return words.every(w => hay.includes(w));
  });
  at = 0;
  showFound(words.length > 0);
}
function showFound(open) {
  const list = $('found');
  list.hidden = !open;
  if (!open) return;
  list.replaceChildren(el('p', {}, `${matches.length} of ${graph.nodes.length} ops`), ...matches.slice(0, 60).map((n, i) =>
    el('li', {}, el('button', {class: i === at ? 'at' : '', onclick: () => { goTo(n.index); list.hidden = true; }},
      el('i', {class: 'dot', color: `var(--${family(n.family)})`}), el('b', {}, n.op), el('span', {}, n.name)))));
}
$('find').addEventListener('input', e => find(e.target.value));
$('find').addEventListener('focus', e => e.target.value && find(e.target.value));
$('find').addEventListener('keydown', e => {
  if (e.key === 'Escape') { $('found').hidden = true; canvas.focus({preventScroll: true}); return; }
  if (!matches.length) return;
  if (e.key === 'ArrowDown' || e.key === 'ArrowUp') at = (at + (e.key === 'ArrowDown' ? 1 : matches.length - 1)) % Math.min(matches.length, 60);
  else if (e.key !== 'Enter') return;
  e.preventDefault();
  goTo(matches[at].index, true);
  showFound(e.key !== 'Enter');
  const row = $('found').querySelectorAll('button')[at];
  if (row) row.scrollIntoView({block: 'nearest'});
});
canvas.addEventListener('pointerdown', () => { $('found').hidden = true; });
document.addEventListener('keydown', e => {
  if (e.key === '/' && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) { e.preventDefault(); showTab('graph'); $('find').focus(); }
});
