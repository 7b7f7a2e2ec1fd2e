// Reads what a .gf file says about itself, without running it (schema/format/FORMAT.md). It trusts
// the bytes: the runtime checks a file when a session is made of it, and only then is it described.

const DTYPES = ['invalid', 'float32', 'float64', 'float16', 'bfloat16', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'bool', 'string',
  'int4', 'uint4', 'int2', 'uint2', 'float8_e4m3fn', 'float8_e4m3fnuz', 'float8_e5m2', 'float8_e5m2fnuz', 'float4_e2m1', 'float8_e8m0', 'complex64', 'complex128'];
const SEAL = 32;

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

/** True for bytes that begin as a .gf does. */
export const isModel = (b) => b.length > 12 + SEAL && String.fromCharCode(...b.subarray(8, 12)) === 'GFM1';

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

/** What the file holds. The bytes are those of a file that the runtime has accepted. */
export function describe(bytes) {
  const b = new Buffers(bytes), root = 4 + b.view.getUint32(4, true);
  const ops = b.list(root, 3).map((at) => b.text(at, 1)), constants = b.list(root, 4);
  return {
    version: `${b.number(root, 0, 'Uint16')}.${b.number(root, 1, 'Uint16')}`, producer: b.text(root, 2),
    constants: constants.length, constantBytes: constants.reduce((sum, at) => sum + b.number(at, 5, 'BigUint64'), 0),
    states: b.list(root, 5).map((at) => b.text(at, 0)), entries: b.list(root, 6).map((at) => entryOf(b, at, ops)),
    metadata: Object.fromEntries(b.list(root, 9).map((at) => [b.text(at, 0), b.text(at, 1)])),
  };
}
