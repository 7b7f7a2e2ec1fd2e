// Training with files of gf-train prepare. The native runtime's losses are the reference; what a step computes is held against
// PyTorch in tests/trainer.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSession, createTrainer } from 'ghostflow';
import { close, convert, errorOf, folder, fromNpy, goldenNet, npy, prepare, randoms, threadsBuilt, tool } from './support.mjs';

const file = prepare(goldenNet('mlp'), '--loss', 'cross_entropy', '--optimizer', 'adamw,lr=0.01', '--batch', '16');
const guarded = prepare(goldenNet('mlp'), '--loss', 'cross_entropy', '--optimizer', 'sgd,lr=0.1', '--batch', '16', '--stop-if-not-finite');
const x = randoms(16 * 64, 7), target = BigInt64Array.from({ length: 16 }, (_, i) => BigInt((i * 7) % 10));

for (const threads of threadsBuilt ? [1, 2] : [1]) {
  test(`20 steps: the native runtime's loss after as many, ${threads} thread(s)`, async () => {
    const trainer = await createTrainer(file, { threads });
    assert.equal(trainer.info.threads, threads);
    const losses = [];
    for (let i = 0; i < 20; ++i) losses.push((await trainer.step({ x, target })).loss);
    assert.ok(losses[19] < losses[0] / 2, `${losses}`);
    const out = mkdtempSync(join(folder, 'out-'));
    tool('gf-run', file, '--entry', 'train_step', '--input', `x=${npy(x, [16, 64])}`, '--input', `target=${npy(target, [16])}`, '--repeat', '20', '--output-dir', out, '--no-xnnpack');
    close([losses[19]], fromNpy(join(out, 'loss.npy')), { rtol: 1e-4, atol: 1e-5 }, 'loss of step 20');
    assert.equal(trainer.steps, 20);
    trainer.dispose();
  });
}

test('State goes out and back: the same losses follow, also in another session', async () => {
  const a = await createTrainer(file, { threads: 1 }), b = await createTrainer(file, { threads: 1 });
  for (let i = 0; i < 5; ++i) a.stepSync({ x, target });
  const saved = a.state();
  assert.notEqual(saved.buffer.byteLength, a.info.memory.total);
  const next = a.stepSync({ x, target });
  b.load(saved);
  assert.equal(b.steps, 5);
  assert.deepEqual(b.stepSync({ x, target }), next);
  a.resetState();
  assert.equal(a.steps, 0);
  a.load(saved.buffer.slice(saved.byteOffset, saved.byteOffset + saved.length));
  assert.deepEqual(a.stepSync({ x, target }), next);
  a.dispose();
  b.dispose();
});

test('saving State leaves inputs that were written as they are', async () => {
  const t = await createTrainer(file, { threads: 1 });
  t.session.inputs.x.set(x);
  t.session.inputs.target.set(target);
  t.load(t.state());
  assert.deepEqual(t.session.inputs.x.slice(), x);
  assert.deepEqual(t.session.inputs.target.slice(), target);
  t.dispose();
});

test('evaluate and predict see what was learned; a model with the State predicts alike', async () => {
  const t = await createTrainer(file, { threads: 1 });
  const before = await t.evaluate({ x, target });
  for (let i = 0; i < 40; ++i) await t.step({ x, target });
  const after = await t.evaluate({ x, target });
  assert.ok(after.loss < before.loss && after.accuracy === 1, JSON.stringify(after));
  const { logits } = await t.predict({ x });
  const best = Array.from({ length: 16 }, (_, i) => logits.subarray(10 * i, 10 * i + 10)).map((row) => row.indexOf(Math.max(...row)));
  assert.deepEqual(best, Array.from(target, Number));
  const s = await createSession(file, { threads: 1 });
  s.load(t.state());
  assert.deepEqual((await s.run({ x })).logits, logits);
  s.dispose();
  t.dispose();
});

test('the learning rate is read and set', async () => {
  const t = await createTrainer(file, { threads: 1 });
  assert.equal(t.learningRate, 0.01);
  t.learningRate = 0;
  const before = t.session.readState('w0');
  t.stepSync({ x, target });
  assert.deepEqual(t.session.readState('w0'), before);
  t.learningRate = 0.5;
  assert.equal(t.learningRate, 0.5);
  assert.throws(() => (t.learningRate = NaN), errorOf('INVALID_ARGUMENT'));
  t.dispose();
});

test('a loss that is not finite: NON_FINITE; a guarded step leaves State as it was', async () => {
  const bad = x.slice();
  bad[3] = NaN;
  const t = await createTrainer(guarded, { threads: 1 });
  const before = t.state();
  await assert.rejects(t.step({ x: bad, target }), (e) => errorOf('NON_FINITE')(e) && e.status === 84);
  assert.deepEqual(t.state(), before);
  assert.ok(Number.isFinite((await t.step({ x, target })).loss));
  t.dispose();
  const u = await createTrainer(file, { threads: 1 }), kept = u.state();
  await assert.rejects(u.step({ x: bad, target }), errorOf('NON_FINITE', /NaN/));
  u.load(kept);
  assert.ok(Number.isFinite((await u.step({ x, target })).loss));
  u.dispose();
});

test('a damaged, cut or foreign State is refused whole', async () => {
  const t = await createTrainer(file, { threads: 1 }), saved = t.state();
  t.stepSync({ x, target });
  const now = t.state();
  const flipped = saved.slice();
  flipped[flipped.length - 5] ^= 1;
  const g = await createTrainer(guarded, { threads: 1 });
  const wrong = [[flipped, 'BAD_CHECKSUM'], [saved.slice(0, 100), 'BAD_CHECKSUM'], [new Uint8Array(0), 'BAD_FILE'], [new Uint8Array(saved.length + 1), 'BAD_FILE'], [g.state(), 'NOT_FOUND'], ['x', 'INVALID_ARGUMENT']];
  for (const [bytes, code] of wrong) assert.throws(() => t.load(bytes), errorOf(code));
  assert.deepEqual(t.state(), now);
  g.dispose();
  t.dispose();
});

test('targets outside the classes, a file that does not train, entries that are not there', async () => {
  const t = await createTrainer(file, { threads: 1 });
  await assert.rejects(t.step({ x, target: new BigInt64Array(16).fill(10n) }), errorOf('INDEX_OUT_OF_RANGE', /train_step/));
  await assert.rejects(t.step({ x, y: target }), errorOf('NOT_FOUND', /there are: x, target/));
  t.dispose();
  await assert.rejects(createTrainer(convert(goldenNet('mlp'))), errorOf('NOT_FOUND', /no entry 'train_step'; there are: main/));
  await assert.rejects(createTrainer(file, { evaluate: 'judge' }), errorOf('NOT_FOUND', /judge/));
  await assert.rejects(createTrainer(file, { trainStep: 'main' }), errorOf('UNSUPPORTED', /no output 'loss'/));
});
