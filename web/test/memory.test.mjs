// Memory: as much as planned, given back, and not growing. Runs in a process of its own (node:test does so for each file).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createSession, createTrainer } from 'ghostflow';
import { convert, goldenNet, prepare, randoms, threadsBuilt } from './support.mjs';

const mlp = readFileSync(convert(goldenNet('mlp'), '--shape', 'x=1x64'));
const settle = async () => {
  for (let i = 0; i < 3; ++i) {
    globalThis.gc?.();
    await new Promise((done) => setTimeout(done, 20));
  }
};
const rss = async () => {
  await settle();
  return process.memoryUsage().rss;
};

async function cycles(count, make) {
  for (let i = 0; i < count; ++i) (await make()).dispose();
}

test('10,000 sessions made, run and disposed: memory is flat', async () => {
  const x = randoms(64, 1);
  const make = async () => {
    const s = await createSession(mlp, { threads: 1 });
    s.runSync({ x });
    return s;
  };
  await cycles(1000, make);
  const before = await rss();
  await cycles(9000, make);
  const after = await rss();
  assert.ok(after - before < 24 << 20, `resident: ${before >> 20} MiB after 1,000, ${after >> 20} MiB after 10,000`);
});

test('sessions that fail in the making leave nothing either', async () => {
  const cut = mlp.subarray(0, mlp.length - 64);
  const fail = () => createSession(cut, { threads: 1 }).then(() => assert.fail('made'), () => undefined);
  for (let i = 0; i < 500; ++i) await fail();
  const before = await rss();
  for (let i = 0; i < 2000; ++i) await fail();
  assert.ok((await rss()) - before < 24 << 20);
});

test('a session with threads gives its workers back', { skip: !threadsBuilt && 'no module with threads' }, async () => {
  const make = () => createSession(mlp, { threads: 2 });
  await cycles(10, make);
  const before = await rss();
  await cycles(60, make);
  const after = await rss();
  assert.ok(after - before < 48 << 20, `resident: ${before >> 20} MiB, then ${after >> 20} MiB`);
});

test('memory does not grow while running or training, and is no more than planned and a megabyte', async () => {
  const nets = [convert(goldenNet('mobilenet_v2'), '--dim', 'N=1'), convert(goldenNet('unet'), '--dim', 'N=1', '--dim', 'H=32', '--dim', 'W=32')];
  for (const net of nets) {
    const s = await createSession(net, { threads: 1 });
    const { buffer } = Object.values(s.inputs)[0], { memory } = s.info;
    for (let i = 0; i < 3; ++i) s.runSync();
    assert.equal(Object.values(s.inputs)[0].buffer, buffer);
    assert.ok(memory.runtime <= 1 << 20, `${memory.runtime} bytes beside file, weights and plan`);
    s.dispose();
  }
  const t = await createTrainer(prepare(goldenNet('mlp'), '--loss', 'cross_entropy', '--optimizer', 'adamw', '--batch', '4'), { threads: 1 });
  const { buffer } = t.session.inputs.x;
  for (let i = 0; i < 10; ++i) await t.step({ x: randoms(256, i), target: [1, 2, 3, 4] });
  t.load(t.state());
  assert.equal(t.session.inputs.x.buffer, buffer);
  t.dispose();
});
