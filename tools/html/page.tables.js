// Operators, kernels, interface, file.
'use strict';

// ---- tables

function table(columns, rows, sort) {
  let by = sort, down = true;
  const t = el('table', {});
  const most = columns.map(c => Math.max(...rows.map(r => (c.bar ? r[c.key] || 0 : 0)), 0));
  const fill = () => {
    const sorted = by === undefined ? rows : rows.slice().sort((a, b) => {
      const x = a[by], y = b[by];
      return (typeof x === 'number' ? y - x : String(x).localeCompare(String(y))) * (down ? 1 : -1);
    });
    t.replaceChildren(
      el('thead', {}, el('tr', {}, columns.map(c => el('th', {class: c.text ? 'n' : '', 'aria-sort': by === c.key && sort !== undefined ? (down ? 'descending' : 'ascending') : undefined},
        sort === undefined ? c.title : el('button', {onclick: () => { down = by === c.key ? !down : true; by = c.key; fill(); }}, c.title))))),
      el('tbody', {}, sorted.map(r => el('tr', {}, columns.map((c, i) => el('td', {class: (c.text ? 'n ' : '') + (c.mono ? 'm' : '')},
        c.show ? c.show(r) : c.text ? c.text(r[c.key]) : r[c.key],
        c.bar && most[i] > 0 && r[c.key] > 0 ? el('i', {class: 'bar', color: r.color, width: `${Math.max(1, 100 * r[c.key] / most[i])}%`}) : '')))))
    );
  };
  fill();
  return el('div', {class: 'scroll'}, t);
}
function card(title, about, ...content) {
  return el('div', {class: 'card'}, el('div', {class: 'card-head'}, el('h2', {}, title), about ? el('p', {}, about) : ''), ...content);
}
const shown = (v, text) => (v > 0 ? text(v) : '\u2013');

function showOps() {
  const rows = new Map(), kernels = new Map(), counted = new Set();
  for (const n of graph.nodes) {
    if (!rows.has(n.op)) rows.set(n.op, {op: n.op, family: family(n.family), color: `var(--${family(n.family)})`, count: 0, macs: 0, weights: 0, outputs: 0, ms: 0});
    const r = rows.get(n.op);
    r.count += 1;
    r.macs += n.macs;
    r.ms += n.ms || 0;
    for (const t of n.in) if (t >= 0 && graph.tensors[t].role === 'constant' && !counted.has(graph.tensors[t].source)) {
      counted.add(graph.tensors[t].source);
      r.weights += graph.tensors[t].stored;
    }
    for (const t of n.out) if (t >= 0) r.outputs += graph.tensors[t].bytes;
    if (n.kernel === undefined) continue;
    const k = n.kernel || '(session)';
    if (!kernels.has(k)) kernels.set(k, {kernel: k, ops: new Set(), count: 0, ms: 0, refused: 0, color: r.color});
    const q = kernels.get(k);
    q.ops.add(n.op);
    q.count += 1;
    q.ms += n.ms || 0;
    q.refused += n.refused ? 1 : 0;
  }
  const list = [...rows.values()];
  const name = r => [el('i', {class: 'dot', color: r.color}), el('button', {class: 'link', onclick: () => { showTab('graph'); $('find').value = r.op; find(r.op); $('find').focus(); }}, r.op)];
  const columns = [{key: 'op', title: 'Op', show: name}, {key: 'count', title: 'Count', text: count, bar: true}];
  if (timed()) columns.push({key: 'ms', title: 'Time per run', text: v => shown(v, ms), bar: true});
  columns.push({key: 'macs', title: 'Multiply-adds', text: v => shown(v, count), bar: true}, {key: 'weights', title: 'Weights', text: v => shown(v, bytes), bar: true},
    {key: 'outputs', title: 'Outputs', text: v => shown(v, bytes), bar: true});
  const share = timed() && graph.total > 0 ? 'ms' : list.some(r => r.macs) ? 'macs' : 'count';
  const total = list.reduce((sum, r) => sum + r[share], 0);
  const stack = el('div', {class: 'stack', role: 'img', 'aria-label': 'Share of each op'}, list.slice().sort((a, b) => b[share] - a[share]).filter(r => r[share] > 0)
    .map(r => el('i', {color: r.color, share: String(r[share] / total), title: r.op})));
  const k = [...kernels.values()].map(q => ({...q, ops: [...q.ops].join(', ')}));
  $('view-ops').replaceChildren(
    card('Operators', {ms: 'The bar shows their share of the time.', macs: 'The bar shows their share of the multiply-adds.', count: ''}[share], stack, table(columns, list, share)),
    k.length ? card('Kernels', `Chosen on this machine (${data.isa}).`, table([{key: 'kernel', title: 'Kernel', mono: true}, {key: 'ops', title: 'For'}, {key: 'count', title: 'Nodes', text: count, bar: true},
      ...(timed() ? [{key: 'ms', title: 'Time per run', text: v => shown(v, ms), bar: true}] : []), {key: 'refused', title: 'Better one refused', text: v => shown(v, String)}], k, timed() ? 'ms' : 'count')) : '');
}

function portTable(title, list, about) {
  return card(title, about, list.length ? table([{key: 'name', title: 'Name'}, {key: 'dtype', title: 'Type', mono: true},
    {key: 'shape', title: 'Shape', show: r => r.shape.length ? r.shape.join(' \u00d7 ') : 'scalar', mono: true},
    {key: 'bounds', title: 'At most', show: r => (r.bounds ? r.bounds.join(' \u00d7 ') : ''), mono: true}], list) : el('p', {class: 'empty'}, 'None.'));
}
function showInterface() {
  const others = data.entries.length > 1 ? card('Entry points', 'They share weights and state.', table([
    {key: 'name', title: 'Name', show: r => el('button', {class: 'link', onclick: () => use(data.entries.indexOf(r))}, r.name)}, {key: 'nodes', title: 'Ops', text: count}, {key: 'macs', title: 'Multiply-adds', text: count},
    {key: 'activations', title: 'Activations', show: r => (r.memory ? bytes(r.memory.activation_bytes) : '\u2013')}], data.entries)) : '';
  $('view-interface').replaceChildren(others, portTable('Inputs', entry.inputs), portTable('Outputs', entry.outputs),
    portTable('State', entry.state, 'What this entry reads or writes and keeps between runs.'),
    entry.dims.length ? card('Dimensions', 'Named sizes that may change from run to run.', table([{key: 'name', title: 'Name'}, {key: 'lo', title: 'From', text: String}, {key: 'hi', title: 'To', text: String}], entry.dims)) : '');
}
function showFile() {
  const meta = Object.entries(data.metadata).map(([key, value]) => ({key, value}));
  const value = r => (r.value.length > 300 || r.value.split('\n').length > 6
    ? el('details', {}, el('summary', {}, `${r.value.split('\n').filter(Boolean).length} lines, ${r.value.length} characters`), el('div', {class: 'wrap'}, r.value)) : el('div', {class: 'wrap'}, r.value));
  $('view-file').replaceChildren(
    el('div', {class: 'tiles'}, tile(bytes(data.file_bytes), 'file'), tile(bytes(data.weights_bytes), `weights, ${data.constants} constants`), tile(data.format_version, 'format'), tile(String(data.entries.length), data.entries.length === 1 ? 'entry point' : 'entry points')),
    card('Metadata', '', meta.length ? table([{key: 'key', title: 'Key'}, {key: 'value', title: 'Value', show: value}], meta) : el('p', {class: 'empty'}, 'None. gf-convert --meta labels=labels.txt adds some.')),
    card('Sections', 'Optional parts of the file.', data.sections.length ? table([{key: 'kind', title: 'Kind'}, {key: 'required', title: 'Required', show: r => (r.required ? 'yes' : 'no')}, {key: 'bytes', title: 'Size', text: bytes}], data.sections) : el('p', {class: 'empty'}, 'None.')),
    card('Written by', '', el('p', {class: 'empty'}, `${data.producer}; shown by ${data.tool}`)));
}
