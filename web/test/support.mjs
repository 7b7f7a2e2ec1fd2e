// What the tests share: models converted by this build's tools, tensors of ONNX's test data, comparison, a small server.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = process.env.GF_BIN_DIR ?? join(root, 'build/release/bin');
export const data = process.env.GF_TEST_DATA ?? join(root, '../shared/data');
export const folder = mkdtempSync(join(tmpdir(), 'gf-web-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

export const threadsBuilt = existsSync(new URL('../dist/gf-threads.wasm', import.meta.url));

export function tool(name, ...args) {
  return execFileSync(join(bin, name), args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

let count = 0;
/** `model`.onnx as a .gf, with these options of gf-convert. */
export function convert(model, ...options) {
  const out = join(folder, `model${count++}.gf`);
  tool('gf-convert', model, '-o', out, ...options);
  return out;
}
/** A file of gf-train prepare. */
export function prepare(model, ...options) {
  const out = join(folder, `train${count++}.gf`);
  tool('gf-train', 'prepare', model, '-o', out, ...options);
  return out;
}
export const goldenNet = (name) => join(root, 'tests/golden', name, 'model.onnx');

/** The sets of a net of tests/golden: what ONNX Runtime was given and answered. */
export function goldenSets(name) {
  const at = join(root, 'tests/golden', name);
  return readdirSync(at).filter((f) => f.startsWith('test_data_set_')).sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).map((set) => {
    const all = (kind) => readdirSync(join(at, set)).filter((f) => f.startsWith(kind)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).map((f) => tensorProto(readFileSync(join(at, set, f))));
    return { inputs: all('input_'), outputs: all('output_') };
  });
}

const ARRAYS = { 1: Float32Array, 2: Uint8Array, 3: Int8Array, 4: Uint16Array, 5: Int16Array, 6: Int32Array, 7: BigInt64Array, 9: Uint8Array, 10: Uint16Array, 11: Float64Array, 12: Uint32Array, 13: BigUint64Array, 16: Uint16Array };

/** {name, shape, data} of a TensorProto (onnx.proto) with raw or typed data. */
export function tensorProto(bytes) {
  let at = 0, type = 0, name = '', raw;
  const shape = [], typed = [];
  const varint = () => {
    let value = 0n, shift = 0n, b;
    do {
      b = bytes[at++];
      value |= BigInt(b & 127) << shift;
      shift += 7n;
    } while (b & 128);
    return BigInt.asIntN(64, value);
  };
  while (at < bytes.length) {
    const tag = Number(varint()), field = tag >> 3, wire = tag & 7;
    if (wire === 0) {
      const v = varint();
      if (field === 1) shape.push(Number(v));
      else if (field === 2) type = Number(v);
      else if (field === 5 || field === 7) typed.push(v);
      continue;
    }
    if (wire === 5) {
      typed.push(bytes.readFloatLE(at));
      at += 4;
      continue;
    }
    const size = Number(varint()), part = bytes.subarray(at, at + size), end = at + size;
    if (field === 1) while (at < end) shape.push(Number(varint()));
    else if (field === 4) for (let i = 0; i < size; i += 4) typed.push(part.readFloatLE(i));
    else if (field === 5 || field === 7) while (at < end) typed.push(varint());
    else if (field === 8) name = part.toString();
    else if (field === 9) raw = part;
    at = end;
  }
  const array = ARRAYS[type];
  const values = raw !== undefined ? new array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length))
    : array.from(typed, array === BigInt64Array ? BigInt : Number);
  return { name, shape, data: values };
}

/** Throws at the first place where |a - b| > atol + rtol |b|. */
export function close(actual, expected, { rtol = 1e-3, atol = 1e-4 } = {}, what = '') {
  if (actual.length !== expected.length) throw new Error(`${what}: ${actual.length} elements, expected ${expected.length}`);
  for (let i = 0; i < expected.length; ++i) {
    const a = Number(actual[i]), b = Number(expected[i]);
    if (Object.is(a, b) || a === b) continue;
    if (!(Math.abs(a - b) <= atol + rtol * Math.abs(b))) throw new Error(`${what}: element ${i} is ${a}, expected ${b}`);
  }
}

/** Numbers that are the same everywhere. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
export const randoms = (size, seed) => Float32Array.from({ length: size }, ((next) => () => next() * 2 - 1)(random(seed)));

/** A .npy that gf-run reads. */
export function npy(array, shape) {
  const kind = { Float32Array: '<f4', BigInt64Array: '<i8', Int32Array: '<i4', Float64Array: '<f8' }[array.constructor.name];
  let header = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${shape.map((d) => `${d},`).join('')}), }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  const file = join(folder, `array${count++}.npy`);
  writeFileSync(file, Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header, 'latin1'), Buffer.from(array.buffer, array.byteOffset, array.byteLength)]));
  return file;
}
/** The numbers of a .npy of float32 or float64. */
export function fromNpy(file) {
  const bytes = readFileSync(file), size = bytes.readUInt16LE(8), header = bytes.toString('latin1', 10, 10 + size);
  const body = bytes.buffer.slice(bytes.byteOffset + 10 + size, bytes.byteOffset + bytes.length);
  return header.includes("'<f8'") ? new Float64Array(body) : new Float32Array(body);
}

/** {url, close} of a server on this machine. `handler` as of node:http. */
export async function serve(handler) {
  const server = createServer(handler);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((done) => {
      server.closeAllConnections?.();
      server.close(done);
    }),
  };
}

/** For assert.rejects and assert.throws: a GhostFlowError of this code whose text matches. */
export function errorOf(code, pattern = /./) {
  return (e) => {
    if (e?.name !== 'GhostFlowError' || e.code !== code || !pattern.test(e.message)) {
      throw new Error(`expected a GhostFlowError ${code} that matches ${pattern}; got ${e?.name} ${e?.code}: ${e?.message}`, { cause: e });
    }
    return true;
  };
}

// ---- small ONNX models, written here (onnx.proto; opset 17) ----
const varint = (n) => {
  const out = [];
  for (let v = BigInt.asUintN(64, BigInt(n)); ; v >>= 7n) {
    if (v < 128n) return [...out, Number(v)];
    out.push(Number(v & 127n) | 128);
  }
};
const number = (field, n) => [...varint(field << 3), ...varint(n)];
const part = (field, bytes) => [...varint((field << 3) | 2), ...varint(bytes.length), ...bytes];
const word = (field, s) => part(field, [...Buffer.from(s)]);
export const TYPE = { float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, uint32: 12, uint64: 13, bfloat16: 16 };
const value = ({ name, type, shape }) => [...word(1, name), ...part(2, part(1, [...number(1, TYPE[type]), ...part(2, shape.flatMap((d) => part(1, typeof d === 'string' ? word(2, d) : number(1, d))))]))];

/** A .onnx of `nodes` [{op, in, out, ints: {axis: 1}}] over ports [{name, type, shape}]; a dimension may be a name. */
export function onnx({ inputs, outputs, nodes }) {
  const graph = [
    ...nodes.flatMap((n) => part(1, [...n.in.flatMap((i) => word(1, i)), ...n.out.flatMap((o) => word(2, o)), ...word(4, n.op),
      ...Object.entries(n.ints ?? {}).flatMap(([k, v]) => part(5, [...word(1, k), ...number(3, v), ...number(20, 2)]))])),
    ...word(2, 'g'), ...inputs.flatMap((i) => part(11, value(i))), ...outputs.flatMap((o) => part(12, value(o))),
  ];
  const file = join(folder, `model${count++}.onnx`);
  writeFileSync(file, Buffer.from([...number(1, 8), ...part(7, graph), ...part(8, number(2, 17))]));
  return file;
}
/** y = op(x...) of one type and shape. */
export function single(op, type, shape, n = 1, outType = type, outShape = shape) {
  const names = ['a', 'b', 'c'].slice(0, n);
  return onnx({ inputs: names.map((name) => ({ name, type, shape })), outputs: [{ name: 'y', type: outType, shape: outShape }], nodes: [{ op, in: names, out: ['y'] }] });
}
