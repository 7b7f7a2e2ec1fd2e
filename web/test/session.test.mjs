// What a session gives and refuses.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { GhostFlowError, createSession } from 'ghostflow';
import { convert, errorOf, folder, goldenNet, onnx, root, single, threadsBuilt } from './support.mjs';

const mlp = convert(goldenNet('mlp'), '--shape', 'x=2x64');
const add = convert(single('Add', 'float32', [2, 3], 2), '-O0');
const one = { threads: 1 };

test('a path, a URL, bytes, a buffer and a Response give the same session', async () => {
  const bytes = readFileSync(mlp);
  const sources = [mlp, pathToFileURL(mlp), pathToFileURL(mlp).href, bytes, new Uint8Array(bytes).buffer, new Response(bytes)];
  const x = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i));
  let first;
  for (const source of sources) {
    const s = await createSession(source, one);
    const { logits } = await s.run({ x });
    assert.deepEqual(logits, (first ??= logits));
    s.dispose();
  }
});

test('views: inputs are written in place, outputs change with the next run, results do not', async () => {
  const s = await createSession(add, one);
  s.inputs.a.set([1, 2, 3, 4, 5, 6]);
  s.inputs.b.fill(10);
  const y = s.runSync().y;
  assert.deepEqual(y, Float32Array.of(11, 12, 13, 14, 15, 16));
  assert.deepEqual(s.outputs.y, y);
  const view = s.runSync({ a: [0, 0, 0, 0, 0, 0], b: [1, 1, 1, 1, 1, 1] }, { views: true }).y;
  assert.equal(view, s.outputs.y);
  assert.deepEqual(view, Float32Array.of(1, 1, 1, 1, 1, 1));
  assert.deepEqual(y, Float32Array.of(11, 12, 13, 14, 15, 16));
  assert.equal(s.inputs.a.buffer, s.outputs.y.buffer);
  s.dispose();
});

test('info: entries, memory that adds up to the whole, threads and why', async () => {
  const s = await createSession(mlp, one);
  const { memory, entries } = s.info;
  assert.deepEqual(entries, ['main']);
  assert.equal(memory.total, memory.file + memory.weights + memory.state + memory.activations + memory.scratch + memory.pool + memory.runtime);
  assert.equal(memory.total, s.inputs.x.buffer.byteLength);
  assert.ok(memory.runtime < 1 << 20);
  assert.equal(s.info.threadsReason, '');
  assert.deepEqual({ ...s.inputInfo.x, shape: s.inputInfo.x.shape }.shape, [2, 64]);
  assert.equal(s.inputInfo.x.dtype, 'float32');
  s.dispose();
});

test('threads: as many as asked for, or one and a reason', async () => {
  const s = await createSession(mlp, { threads: 3 });
  if (threadsBuilt) assert.deepEqual([s.info.threads, s.info.threadsReason], [3, '']);
  else {
    assert.equal(s.info.threads, 1);
    assert.match(s.info.threadsReason, /gf-threads\.wasm/);
  }
  s.dispose();
  const wrong = await createSession(mlp, { threads: 2, wasmPath: pathToFileURL(join(root, 'web/dist/gf.wasm')) });
  assert.equal(wrong.info.threads, 1);
  assert.match(wrong.info.threadsReason, /without threads/);
  wrong.dispose();
  for (const threads of [0, 65, 1.5, 'all']) await assert.rejects(createSession(mlp, { threads }), errorOf('INVALID_ARGUMENT', /threads/));
});

test('wasmBinary and wasmPath', async () => {
  const bytes = readFileSync(join(root, 'web/dist/gf.wasm'));
  for (const wasmBinary of [bytes, new WebAssembly.Module(bytes)]) (await createSession(mlp, { wasmBinary })).dispose();
  (await createSession(mlp, { wasmPath: pathToFileURL(join(root, 'web/dist/')).href })).dispose();
  await assert.rejects(createSession(mlp, { wasmBinary: new Uint8Array(8), threads: 1 }), errorOf('WASM_FAILED', /wasmBinary/));
  await assert.rejects(createSession(mlp, { wasmPath: '/nowhere/', threads: 1 }), errorOf('FETCH_FAILED', /nowhere\/gf\.wasm/));
  await assert.rejects(createSession(mlp, { wasmPath: mlp, threads: 1 }), errorOf('WASM_FAILED', /not a WebAssembly module/));
  const other = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  await assert.rejects(createSession(mlp, { wasmBinary: other, threads: 1 }), errorOf('WASM_FAILED', /versions/));
});

test('types: every one that JavaScript has an array for, and plain arrays, checked', async () => {
  const good = {
    float32: [[1.5, -2], Float32Array], float64: [[1.5, -2], Float64Array], int8: [[-128, 127], Int8Array], uint8: [[0, 255], Uint8Array],
    int32: [[-5, 7], Int32Array], int64: [[-5n, 2n ** 62n], BigInt64Array], bool: [[true, false], Uint8Array],
  };
  for (const [type, [values, array]] of Object.entries(good)) {
    const s = await createSession(convert(single('Identity', type, [2]), '-O0'), one);
    const y = s.runSync({ a: values }).y;
    assert.ok(y instanceof array, type);
    assert.deepEqual(Array.from(y), values.map((v) => (v === true ? 1 : v === false ? 0 : v)), type);
    assert.deepEqual(s.runSync({ a: y }).y, y, type);
    s.dispose();
  }
  const s = await createSession(convert(single('Identity', 'int64', [2]), '-O0'), one);
  assert.deepEqual(s.runSync({ a: [3, 4n] }).y, BigInt64Array.of(3n, 4n));
  for (const a of [[1.5, 2], [2n ** 63n, 0n], ['1', 2], [NaN, 0]]) assert.throws(() => s.runSync({ a }), errorOf('TYPE_MISMATCH', /int64 \[2\]: element \d/));
  assert.throws(() => s.runSync({ a: Float32Array.of(1, 2) }), errorOf('TYPE_MISMATCH', /takes a BigInt64Array, not a Float32Array/));
  s.dispose();
  const u = await createSession(convert(single('Identity', 'uint8', [2]), '-O0'), one);
  assert.deepEqual(u.runSync({ a: Uint8ClampedArray.of(1, 255) }).y, Uint8Array.of(1, 255));
  assert.throws(() => u.runSync({ a: [0, 256] }), errorOf('TYPE_MISMATCH', /element 1 is 256/));
  u.dispose();
});

test('16-bit floats: bits, or numbers that are rounded', async () => {
  for (const [type, one16] of [['float16', 0x3c00], ['bfloat16', 0x3f80]]) {
    const s = await createSession(convert(single('Identity', type, [2]), '-O0'), one);
    for (const a of [Uint16Array.of(one16, 0), Float32Array.of(1, 0), [1, 0]]) assert.deepEqual(s.runSync({ a }).y, Uint16Array.of(one16, 0), type);
    assert.throws(() => s.runSync({ a: Float64Array.of(1, 0) }), errorOf('TYPE_MISMATCH', /Uint16Array/));
    s.dispose();
  }
});

test('wrong names, lengths and values are errors that say what was expected, and change nothing', async () => {
  const s = await createSession(add, one);
  s.runSync({ a: [1, 2, 3, 4, 5, 6], b: [0, 0, 0, 0, 0, 0] });
  const wrong = [
    [{ c: [1] }, 'NOT_FOUND', /no input 'c'; there are: a, b/],
    [{ a: new Float32Array(5) }, 'SHAPE_MISMATCH', /input 'a' is float32 \[2, 3\]: 6 elements, not 5/],
    [{ a: [1, 2] }, 'SHAPE_MISMATCH', /6 elements, not 2/],
    [{ a: 1 }, 'SHAPE_MISMATCH', /6 elements, not 1/],
    [{ a: null }, 'TYPE_MISMATCH', /null/],
    [{ a: undefined }, 'SHAPE_MISMATCH', /./],
    [{ a: {} }, 'TYPE_MISMATCH', /Object/],
    [{ a: 'abcdef' }, 'SHAPE_MISMATCH', /./],
    [{ a: [1, 2, 3, 4, 5, '6'] }, 'TYPE_MISMATCH', /element 5 is string/],
    [{ a: { data: new Float32Array(6), shape: [3, 2] } }, 'SHAPE_MISMATCH', /dimension 0 is 2, not 3/],
    [{ a: { data: new Float32Array(6), shape: [6] } }, 'SHAPE_MISMATCH', /rank/],
    [{ a: { data: new Float32Array(6), shape: [-2, 3] } }, 'INVALID_ARGUMENT', /whole numbers/],
  ];
  for (const [inputs, code, text] of wrong) {
    assert.throws(() => s.runSync(inputs), errorOf(code, text));
    await assert.rejects(s.run(inputs), errorOf(code, text));
  }
  assert.deepEqual((await s.run({ a: [1, 1, 1, 1, 1, 1], b: [1, 1, 1, 1, 1, 1] })).y, new Float32Array(6).fill(2));
  s.dispose();
});

test('dynamic dimensions: one shape for all inputs that share a name, all or nothing', async () => {
  const model = onnx({
    inputs: [{ name: 'a', type: 'float32', shape: ['n', 2] }, { name: 'b', type: 'float32', shape: ['n', 2] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['n', 2] }], nodes: [{ op: 'Add', in: ['a', 'b'], out: ['y'] }],
  });
  const s = await createSession(convert(model, '--dim', 'n=1..8'), one);
  assert.deepEqual([s.inputInfo.a.shape, s.inputInfo.a.bounds, s.inputInfo.a.dynamic], [[8, 2], [8, 2], [true, false]]);
  s.setShape({ a: [1, 2], b: [1, 2] });
  assert.deepEqual(s.runSync({ a: [1, 2], b: [3, 4] }).y, Float32Array.of(4, 6));
  assert.deepEqual(s.outputInfo.y.shape, [1, 2]);
  assert.throws(() => s.setShape('a', [2, 2]), errorOf('SHAPE_MISMATCH'));
  assert.throws(() => s.setShape({ a: [9, 2], b: [9, 2] }), errorOf('SHAPE_OUT_OF_BOUNDS', /1 to 8, not 9/));
  assert.deepEqual([s.inputInfo.a.shape, s.inputInfo.b.shape], [[1, 2], [1, 2]]);
  const y = await s.run({ a: { data: [1, 1, 1, 1, 1, 1], shape: [3, 2] }, b: { data: new Float32Array(6), shape: [3, 2] } });
  assert.equal(y.y.length, 6);
  assert.deepEqual(s.outputInfo.y.shape, [3, 2]);
  s.dispose();
});

test('an error while running names the node; the session goes on', async () => {
  const model = onnx({
    inputs: [{ name: 'a', type: 'float32', shape: [3] }, { name: 'i', type: 'int64', shape: [2] }],
    outputs: [{ name: 'y', type: 'float32', shape: [2] }], nodes: [{ op: 'Gather', in: ['a', 'i'], out: ['y'] }],
  });
  const s = await createSession(convert(model), one);
  assert.throws(() => s.runSync({ a: [1, 2, 3], i: [0, 7] }), (e) => errorOf('INDEX_OUT_OF_RANGE', /entry 'main': node 0 \(gather/)(e) && e.status === 80 && e.node === 0);
  assert.deepEqual(s.runSync({ a: [1, 2, 3], i: [0, -1] }).y, Float32Array.of(1, 3));
  s.dispose();
});

test('two runs at once: BUSY, and the first one is right', async () => {
  const s = await createSession(add, one);
  const first = s.run({ a: new Float32Array(6).fill(1), b: new Float32Array(6).fill(2) });
  const second = s.run({ a: new Float32Array(6), b: new Float32Array(6) });
  assert.throws(() => s.runSync(), errorOf('BUSY'));
  assert.throws(() => s.setShape('a', [2, 3]), errorOf('BUSY'));
  assert.throws(() => s.state(), errorOf('BUSY'));
  await assert.rejects(second, errorOf('BUSY'));
  assert.deepEqual((await first).y, new Float32Array(6).fill(3));
  assert.equal((await s.run()).y.length, 6);
  s.dispose();
});

test('after dispose everything is DISPOSED; a second dispose is nothing', async () => {
  const s = await createSession(add, one);
  const { inputInfo } = s;
  s.dispose();
  s.dispose();
  await assert.rejects(s.run(), errorOf('DISPOSED'));
  const uses = [() => s.runSync(), () => s.inputs.a, () => s.outputs.y, () => inputInfo.a.shape, () => s.setShape('a', [2, 3]), () => s.profile(), () => s.state(),
    () => s.load(new Uint8Array(4)), () => s.resetState(), () => s.readState('x'), () => s.entry('main')];
  for (const use of uses) assert.throws(use, errorOf('DISPOSED'), String(use));
});

test('entries: the one asked for, more over the same State, and none that are not there', async () => {
  const two = convert(goldenNet('mlp'), `second=${goldenNet('mlp')}`, '--shape', 'x=2x64');
  await assert.rejects(createSession(two, { entry: 'third', ...one }), errorOf('NOT_FOUND', /no entry 'third'; there are: main, second/));
  const s = await createSession(two, { entry: 'second', entries: ['main'], ...one });
  assert.equal(s.name, 'second');
  const x = new Float32Array(128).fill(0.5);
  assert.deepEqual((await s.entry('main').run({ x })).logits, (await s.run({ x })).logits);
  assert.throws(() => s.entry('third'), errorOf('NOT_FOUND'));
  s.dispose();
  const alone = await createSession(two, one);
  assert.throws(() => alone.entry('second'), errorOf('NOT_FOUND', /not made ready/));
  alone.dispose();
});

test('profile: each node, its kernel and its time; outputs stay right', async () => {
  const s = await createSession(mlp, one);
  const x = Float32Array.from({ length: 128 }, (_, i) => i / 128);
  const before = s.runSync({ x }).logits;
  s.inputs.x.set(x);
  const p = s.profile(3);
  assert.equal(p.runs, 3);
  assert.ok(p.nodes.length > 0 && p.nodes.every((n) => n.op !== '' && n.kernel !== '' && n.calls === 1 && n.ms >= 0));
  assert.deepEqual(s.runSync().logits, before);
  for (const runs of [0, -1, 1.5, 'x']) assert.throws(() => s.profile(runs), errorOf('INVALID_ARGUMENT'));
  s.dispose();
});

test('metadata of the file', async () => {
  const labels = join(folder, 'labels.txt');
  writeFileSync(labels, 'null\neins');
  const s = await createSession(convert(goldenNet('mlp'), '--meta', `labels=${labels}`, '--meta', 'license=CC0'), one);
  assert.deepEqual(s.info.metadata, { labels: 'null\neins', license: 'CC0' });
  s.dispose();
});

test('a program that does not fit is OUT_OF_MEMORY, before and beyond what WebAssembly has', async () => {
  const big = (n) => convert(onnx({
    inputs: [{ name: 'a', type: 'float32', shape: [n] }], outputs: [{ name: 'y', type: 'float32', shape: [n] }], nodes: [{ op: 'Exp', in: ['a'], out: ['y'] }],
  }));
  for (const threads of threadsBuilt ? [1, 2] : [1]) await assert.rejects(createSession(big(2 ** 30), { threads }), errorOf('OUT_OF_MEMORY', /at most 2048 MiB/));
  const { Memory } = WebAssembly;
  WebAssembly.Memory = function () {
    throw new RangeError('could not allocate memory');
  };
  try {
    await assert.rejects(createSession(add, one), errorOf('OUT_OF_MEMORY', /was to be had/));
  } finally {
    WebAssembly.Memory = Memory;
  }
  const { grow } = Memory.prototype;
  Memory.prototype.grow = () => assert.fail('a memory was grown');
  try {
    (await createSession(big(2 ** 20), one)).dispose();
  } finally {
    Memory.prototype.grow = grow;
  }
});

test('a machine without SIMD is told so', async () => {
  const { validate } = WebAssembly;
  WebAssembly.validate = () => false;
  try {
    await assert.rejects(createSession(add, one), errorOf('NO_SIMD', /SIMD/));
  } finally {
    WebAssembly.validate = validate;
  }
});

test('a wrong source', async () => {
  for (const source of [undefined, null, 5, {}, []]) await assert.rejects(createSession(source), errorOf('INVALID_ARGUMENT', /URL/));
  await assert.rejects(createSession(new Uint8Array(0)), errorOf('BAD_FILE', /empty/));
  await assert.rejects(createSession(new Uint8Array(100)), errorOf('BAD_FILE'));
  await assert.rejects(createSession('/nowhere/model.gf'), errorOf('FETCH_FAILED', /nowhere\/model\.gf/));
  assert.ok(new GhostFlowError('BUSY', 'x') instanceof Error);
});

test('a worker that traps in the middle of a run: INTERNAL, not a wait for ever', { skip: !threadsBuilt && 'no module with threads' }, async () => {
  // a stack that has no room: the first task of the worker that uses it traps
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...rest) {
    return postMessage.call(this, 'tls' in message ? { ...message, stack: 64 } : message, ...rest);
  };
  try {
    const s = await createSession(convert(goldenNet('resnet18')), { threads: 2 });
    assert.equal(s.info.threads, 2);
    // which thread takes a task is up to the machine: in some run the worker does
    const failed = await (async () => {
      for (let i = 0; i < 10000; ++i) s.runSync();
    })().catch((e) => e);
    errorOf('INTERNAL', /worker/)(failed);
    assert.throws(() => s.runSync(), errorOf('INTERNAL'));
    s.dispose();
    assert.throws(() => s.runSync(), errorOf('DISPOSED'));
  } finally {
    Worker.prototype.postMessage = postMessage;
  }
});
