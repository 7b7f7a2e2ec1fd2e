// Reads what a .gf file says about itself, and writes a copy with other first values of its State: so a page can hand out a model
// that it has trained. Follows schema/format/FORMAT.md. Who runs a file has it checked by the runtime; here only what is read is.

const DTYPES = ['invalid', 'float32', 'float64', 'float16', 'bfloat16', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'bool', 'string',
  'int4', 'uint4', 'int2', 'uint2', 'float8_e4m3fn', 'float8_e4m3fnuz', 'float8_e5m2', 'float8_e5m2fnuz', 'float4_e2m1', 'float8_e8m0', 'complex64', 'complex128'];
const SEAL = 32, ALIGN = 64;

let table;
export function crc32c(bytes) {
  table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; ++k) n = n & 1 ? (n >>> 1) ^ 0x82f63b78 : n >>> 1;
    return n;
  });
  let crc = ~0;
  for (let i = 0; i < bytes.length; ++i) crc = table[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Tables of FlatBuffers: where fields lie (0: absent), and what they hold. */
class Buffers {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  field(at, number) {
    const vtable = at - this.view.getInt32(at, true), slot = 4 + 2 * number;
    const offset = slot < this.view.getUint16(vtable, true) ? this.view.getUint16(vtable + slot, true) : 0;
    return offset === 0 ? 0 : at + offset;
  }
  number(at, number, type, missing = 0) {
    const f = this.field(at, number);
    return f === 0 ? missing : Number(this.view[`get${type}`](f, true));
  }
  follow(at) {
    return at + this.view.getUint32(at, true);
  }
  text(at, number) {
    const f = this.field(at, number);
    return f === 0 ? '' : this.string(this.follow(f));
  }
  string(at) {
    return new TextDecoder().decode(this.bytes.slice(at + 4, at + 4 + this.view.getUint32(at, true)));
  }
  /** Places of the elements of a vector. `size`: of a scalar or struct; 0: they are offsets, which are followed. */
  list(at, number, size = 0) {
    const f = this.field(at, number);
    if (f === 0) return [];
    const v = this.follow(f), length = this.view.getUint32(v, true);
    return Array.from({ length }, (_, i) => (size === 0 ? this.follow(v + 4 + 4 * i) : v + 4 + size * i));
  }
}

const isModel = (b) => b.length > 12 + SEAL && String.fromCharCode(...b.subarray(8, 12)) === 'GFM1';

/** True for bytes that begin as a .gf does. */
export { isModel };

function tensorOf(b, at, symbols) {
  const dims = b.list(at, 5, 16).map((d) => {
    const bound = Number(b.view.getBigInt64(d, true)), symbol = b.view.getInt32(d + 8, true);
    return symbol === -1 ? String(bound) : `${symbols[symbol] ?? '?'}≤${bound}`;
  });
  return { name: b.text(at, 0), dtype: DTYPES[b.number(at, 1, 'Uint8')] ?? '?', kind: b.number(at, 2, 'Uint8'), shape: dims };
}

function entryOf(b, at, ops) {
  const symbols = b.list(at, 1).map((s) => b.text(s, 0));
  const tensors = b.list(at, 2), graphs = b.list(at, 3), names = b.list(at, 5).map((s) => b.string(s));
  const counts = new Map();
  for (const graph of graphs) for (const node of b.list(graph, 0)) {
    const op = ops[b.number(node, 0, 'Uint16')] ?? '?';
    counts.set(op, (counts.get(op) ?? 0) + 1);
  }
  const ids = (number) => b.list(graphs[0], number, 4).map((i) => b.view.getInt32(i, true));
  return {
    name: b.text(at, 0), ops: [...counts].sort((x, y) => y[1] - x[1]).map(([op, n]) => ({ op, n })), nodes: [...counts.values()].reduce((x, y) => x + y, 0),
    inputs: ids(1).map((i) => tensorOf(b, tensors[i], symbols)),
    outputs: ids(2).map((i, n) => ({ ...tensorOf(b, tensors[i], symbols), name: names[n] ?? '' })),
  };
}

function open(bytes) {
  if (!isModel(bytes)) throw new Error('these bytes are not a .gf file: it does not begin as one');
  const b = new Buffers(bytes), root = 4 + b.view.getUint32(4, true);
  const constants = b.list(root, 4).map((at) => ({
    at, name: b.text(at, 0), segment: b.number(at, 3, 'Uint32'), offset: b.number(at, 4, 'BigUint64'), bytes: b.number(at, 5, 'BigUint64'), splat: b.number(at, 6, 'Uint8') !== 0,
  }));
  const states = b.list(root, 5).map((at) => ({
    name: b.text(at, 0), dtype: DTYPES[b.number(at, 1, 'Uint8')] ?? '?', shape: b.list(at, 2, 8).map((d) => Number(b.view.getBigInt64(d, true))), initial: b.number(at, 3, 'Int32', -1),
  }));
  const segments = b.list(root, 7).map((at) => ({ at, offset: b.number(at, 0, 'BigUint64'), bytes: b.number(at, 1, 'BigUint64') }));
  return { b, root, constants, states, segments };
}

/** What the file holds, without running anything. */
export function describe(bytes) {
  try {
    const { b, root, constants, states } = open(bytes);
    const ops = b.list(root, 3).map((at) => b.text(at, 1));
    return {
      version: `${b.number(root, 0, 'Uint16')}.${b.number(root, 1, 'Uint16')}`, producer: b.text(root, 2),
      constants: constants.length, constantBytes: constants.reduce((sum, c) => sum + c.bytes, 0), states,
      entries: b.list(root, 6).map((at) => entryOf(b, at, ops)),
      metadata: Object.fromEntries(b.list(root, 9).map((at) => [b.text(at, 0), b.text(at, 1)])),
    };
  } catch (e) {
    if (e instanceof RangeError) throw new Error('this .gf file is damaged: it points outside itself', { cause: e });
    throw e;
  }
}

/**
 * A copy of the file in which State begins with `values` (typed arrays by name). States that are not named begin as before. A
 * constant that no other overlaps is written in place; for others the copy gets room at the end of the constants.
 */
export function withState(bytes, values) {
  const { b, states, constants, segments } = open(bytes);
  if (b.list(4 + b.view.getUint32(4, true), 8).length > 0) throw new Error('the file has sections (golden runs, a signature) that would not hold for other values');
  const overlaps = (c) => constants.some((o) => o !== c && o.segment === c.segment && o.offset < c.offset + c.bytes && c.offset < o.offset + o.bytes);
  const used = (index) => states.filter((s) => s.initial === index).length;
  const inPlace = [], moved = [];
  for (const [name, value] of Object.entries(values)) {
    const state = states.find((s) => s.name === name);
    if (state === undefined || state.initial < 0) throw new Error(`the file has no first value for State '${name}'`);
    const c = constants[state.initial], data = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (!c.splat && c.bytes !== data.length) throw new Error(`State '${name}' is ${c.bytes} bytes, not ${data.length}`);
    if (used(state.initial) > 1) throw new Error(`State '${name}' shares its first value with another`);
    if (!c.splat && !overlaps(c)) inPlace.push({ c, data });
    else if (b.field(c.at, 4) === 0) throw new Error(`State '${name}' cannot be given other values in this file`);
    else moved.push({ c, data });
  }
  const end = bytes.length - SEAL, segment = segments.find((s) => s === segments[moved[0]?.c.segment ?? 0]);
  let size = end;
  const align = (n) => Math.ceil(n / ALIGN) * ALIGN;
  for (const m of moved) size = (m.at = align(size)) + m.data.length;
  const out = new Uint8Array(size + SEAL), view = new DataView(out.buffer);
  out.set(bytes.subarray(0, end));
  for (const { c, data } of inPlace) out.set(data, segments[c.segment].offset + c.offset);
  for (const { c, data, at } of moved) {
    out.set(data, at);
    view.setBigUint64(b.field(c.at, 4), BigInt(at - segments[c.segment].offset), true);
    view.setBigUint64(b.field(c.at, 5), BigInt(data.length), true);
    if (c.splat) out[b.field(c.at, 6)] = 0;
  }
  if (moved.length > 0) view.setBigUint64(b.field(segment.at, 1), BigInt(size - segment.offset), true);
  seal(out, view);
  return out;
}

function seal(out, view) {
  const at = out.length - SEAL, header = 4 + view.getUint32(0, true);
  out.set([...'GFSEAL01'].map((c) => c.charCodeAt(0)), at);
  view.setBigUint64(at + 8, BigInt(out.length), true);
  view.setUint32(at + 16, crc32c(out.subarray(0, at)), true);
  view.setUint32(at + 20, crc32c(out.subarray(0, header)), true);
  view.setUint32(at + 24, crc32c(out.subarray(at, at + 24)), true);
  view.setUint32(at + 28, 0, true);
}
