// ghostflow/worker under Node: the same answers, from another thread.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import * as here from 'ghostflow';
import { createSession, createTrainer, GhostFlowError } from 'ghostflow/worker';
import { convert, errorOf, goldenNet, goldenSets, onnx, prepare, randoms, serve, threadsBuilt } from './support.mjs';

const mlp = convert(goldenNet('mlp'), '--shape', 'x=2x64');
const file = prepare(goldenNet('mlp'), '--loss', 'cross_entropy', '--optimizer', 'adamw,lr=0.01', '--batch', '16');
const one = { threads: 1 };
const server = await serve((request, response) => {
  if (request.url !== '/model.gf') return response.writeHead(404).end();
  const bytes = readFileSync(mlp);
  response.writeHead(200, { 'content-length': bytes.length });
  return response.end(bytes);
});
after(() => server.close());

test('a session: infos, runs, and outputs that are the caller\'s', async () => {
  const local = await here.createSession(mlp, one);
  const x = randoms(128, 3);
  const expected = (await local.run({ x })).logits;
  for (const source of [mlp, readFileSync(mlp), `${server.url}model.gf`, await fetch(`${server.url}model.gf`)]) {
    const s = await createSession(source, one);
    assert.deepEqual([s.name, s.info.entries, s.inputInfo.x.shape, s.inputInfo.x.dtype], ['main', ['main'], [2, 64], 'float32']);
    assert.deepEqual((await s.run({ x })).logits, expected);
    assert.equal(x.length, 128);
    s.dispose();
  }
  local.dispose();
});

test('transfer hands buffers over', async () => {
  const s = await createSession(mlp, one);
  const x = randoms(128, 3), kept = x.slice();
  const first = await s.run({ x }), again = await s.run({ x: kept }, { transfer: true });
  assert.deepEqual(again, first);
  assert.equal(kept.length, 0);
  s.dispose();
});

test('threads in the worker', { skip: !threadsBuilt && 'no module with threads' }, async () => {
  const s = await createSession(mlp, { threads: 2 });
  assert.deepEqual([s.info.threads, s.info.threadsReason], [2, '']);
  await s.run({ x: randoms(128, 3) });
  s.dispose();
});

test('shapes follow', async () => {
  const model = onnx({ inputs: [{ name: 'a', type: 'float32', shape: ['n'] }], outputs: [{ name: 'y', type: 'float32', shape: ['n'] }], nodes: [{ op: 'Neg', in: ['a'], out: ['y'] }] });
  const s = await createSession(convert(model, '--dim', 'n=1..8'), one);
  await s.setShape('a', [3]);
  assert.deepEqual([s.inputInfo.a.shape, s.inputInfo.a.size], [[3], 3]);
  assert.deepEqual((await s.run({ a: { data: [1, 2], shape: [2] } })).y, Float32Array.of(-1, -2));
  assert.deepEqual([s.outputInfo.y.shape, s.inputInfo.a.shape], [[2], [2]]);
  await assert.rejects(s.setShape({ a: [9] }), errorOf('SHAPE_OUT_OF_BOUNDS'));
  assert.ok((await s.profile(2)).nodes.length > 0);
  s.dispose();
});

test('several entries', async () => {
  const s = await createSession(convert(goldenNet('mlp'), `second=${goldenNet('mlp')}`, '--shape', 'x=2x64'), { entries: ['second'], ...one });
  const x = randoms(128, 5);
  assert.deepEqual(await s.entry('second').run({ x }), await s.run({ x }));
  assert.equal(s.entry('main').name, 'main');
  assert.throws(() => s.entry('third'), errorOf('NOT_FOUND'));
  s.dispose();
});

test('errors arrive as they were thrown', async () => {
  const s = await createSession(mlp, one);
  await assert.rejects(s.run({ x: [1] }), (e) => e instanceof GhostFlowError && errorOf('SHAPE_MISMATCH', /128 elements, not 1/)(e));
  await assert.rejects(s.run({ x: [() => 1] }), errorOf('INVALID_ARGUMENT', /cannot be given/));
  const first = s.run({ x: randoms(128, 1) });
  await assert.rejects(s.run(), errorOf('BUSY'));
  await first;
  const going = s.run({ x: randoms(128, 1) });
  s.dispose();
  await assert.rejects(going, errorOf('DISPOSED'));
  await assert.rejects(s.run(), errorOf('DISPOSED'));
  await assert.rejects(s.state(), errorOf('DISPOSED'));
  await assert.rejects(createSession(`${server.url}gone.gf`, one), errorOf('FETCH_FAILED', /404/));
  await assert.rejects(createSession(new Uint8Array(100), one), errorOf('BAD_FILE'));
  await assert.rejects(createSession(mlp, { entry: 'no', ...one }), errorOf('NOT_FOUND'));
  await assert.rejects(createSession(mlp, { ...one, signal: AbortSignal.abort() }), errorOf('ABORTED'));
});

test('progress is told here', async () => {
  const steps = [];
  const s = await createSession(`${server.url}model.gf`, { ...one, onProgress: (p) => steps.push(p) });
  assert.equal(steps.at(-1).loaded, readFileSync(mlp).length);
  s.dispose();
});

test('a trainer: the same losses as in this thread; State goes between them', async () => {
  const local = await here.createTrainer(file, one), remote = await createTrainer(file, one);
  const x = randoms(16 * 64, 7), target = Array.from({ length: 16 }, (_, i) => (i * 7) % 10);
  for (let i = 0; i < 5; ++i) assert.deepEqual(await remote.step({ x, target }), await local.step({ x, target }));
  assert.deepEqual(await remote.evaluate({ x, target }), await local.evaluate({ x, target }));
  assert.deepEqual(await remote.predict({ x }), await local.predict({ x }));
  assert.equal(remote.steps, 5);
  const saved = await remote.state();
  assert.deepEqual(saved, local.state());
  await remote.resetState();
  assert.equal(remote.steps, 0);
  await remote.load(saved);
  assert.equal(remote.steps, 5);
  await remote.setLearningRate(0.5);
  assert.equal(await remote.learningRate(), 0.5);
  await assert.rejects(remote.step({ x: x.map(() => NaN), target }), errorOf('NON_FINITE'));
  remote.dispose();
  local.dispose();
});

test('a net of many outputs', async () => {
  const s = await createSession(convert(goldenNet('gpt2_cached')), one);
  const [{ inputs, outputs }] = goldenSets('gpt2_cached');
  const found = await s.run(Object.fromEntries(inputs.map((t) => [t.name, t.data])));
  assert.equal(Object.keys(found).length, outputs.length);
  s.dispose();
});
