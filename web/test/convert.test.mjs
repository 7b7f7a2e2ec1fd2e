// ghostflow/convert: the bytes are those of the native gf-convert, and what was learned goes into a file.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createSession, createTrainer } from 'ghostflow';
import { convertOnnx, exportModel } from 'ghostflow/convert';
import { createTrainer as createRemoteTrainer } from 'ghostflow/worker';
import { close, convert, errorOf, goldenNet, goldenSets, onnx, prepare, randoms } from './support.mjs';

const options = { skip: !existsSync(new URL('../dist/gf-convert.wasm', import.meta.url)) && 'no converter module' };

test('the same bytes as from the native tool', options, async () => {
  for (const net of ['mobilenet_v2', 'lstm', 'bert', 'resnet18']) {
    const { bytes } = await convertOnnx(readFileSync(goldenNet(net)));
    assert.deepEqual(Buffer.from(bytes), readFileSync(convert(goldenNet(net))), net);
  }
  const { bytes } = await convertOnnx(readFileSync(goldenNet('lstm')), { integers: true });
  assert.deepEqual(Buffer.from(bytes), readFileSync(convert(goldenNet('lstm'), '--integers')));
});

test('options: names, shapes, dimensions, metadata', options, async () => {
  const metadata = { labels: 'null\neins', license: 'CC0' };
  const { bytes, notes } = await convertOnnx(goldenNet('mlp'), { entry: 'classify', optimize: 1, dims: { N: [1, 8] }, metadata });
  const s = await createSession(bytes, { threads: 1 });
  assert.deepEqual([s.name, s.inputInfo.x.bounds, s.info.metadata, notes], ['classify', [8, 64], metadata, []]);
  const [{ inputs: [x], outputs: [y] }] = goldenSets('mlp');
  close((await s.run({ x: { data: x.data, shape: x.shape } })).logits, y.data);
  s.dispose();
  const fixed = await convertOnnx(goldenNet('mlp'), { shapes: { x: [3, 64] } });
  const t = await createSession(fixed.bytes, { threads: 1 });
  assert.deepEqual(t.inputInfo.x.shape, [3, 64]);
  t.dispose();
  assert.match((await convertOnnx(goldenNet('mlp'))).notes.join(), /N/);
});

test('what cannot be converted is said', options, async () => {
  const bytes = readFileSync(goldenNet('mlp'));
  await assert.rejects(convertOnnx(new Uint8Array(100)), errorOf('BAD_FILE'));
  await assert.rejects(convertOnnx(bytes.subarray(0, bytes.length / 2)), errorOf('BAD_FILE'));
  const odd = onnx({ inputs: [{ name: 'a', type: 'float32', shape: [1] }], outputs: [{ name: 'y', type: 'float32', shape: [1] }], nodes: [{ op: 'Frobnicate', in: ['a'], out: ['y'] }] });
  await assert.rejects(convertOnnx(odd), errorOf('UNSUPPORTED', /Frobnicate/));
  await assert.rejects(convertOnnx(bytes, { entry: 'a\nb' }), errorOf('INVALID_ARGUMENT'));
  await assert.rejects(convertOnnx(bytes, { dims: { M: 4 } }), errorOf('NOT_FOUND', /M/));
  await assert.rejects(convertOnnx(bytes, { wasmPath: '/nowhere/' }), errorOf('FETCH_FAILED', /gf-convert\.wasm/));
});

test('what a trainer has learned becomes a file that predicts, and goes on learning', options, async () => {
  const file = prepare(goldenNet('mlp'), '--loss', 'cross_entropy', '--optimizer', 'adamw,lr=0.01', '--batch', '16');
  const x = randoms(16 * 64, 7), target = Array.from({ length: 16 }, (_, i) => (i * 7) % 10);
  for (const make of [createTrainer, createRemoteTrainer]) {
    const t = await make(file, { threads: 1 });
    for (let i = 0; i < 5; ++i) await t.step({ x, target });
    const exported = await exportModel(t), expected = await t.predict({ x });
    const s = await createSession(exported, { threads: 1 });
    assert.deepEqual(await s.run({ x }), expected);
    s.dispose();
    const again = await createTrainer(exported, { threads: 1 });
    assert.equal(again.steps, 5);
    assert.deepEqual(await again.step({ x, target }), await t.step({ x, target }));
    again.dispose();
    t.dispose();
  }
});
