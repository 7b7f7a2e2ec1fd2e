// Whole models: the answers are ONNX Runtime's (tests/golden, and the shared models where they are).
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSession, fromFloat32, toFloat32 } from 'ghostflow';
import { close, convert, data, goldenNet, goldenSets, root, threadsBuilt } from './support.mjs';

const nets = readdirSync(join(root, 'tests/golden')).filter((n) => existsSync(goldenNet(n)));
assert.ok(nets.length >= 20);

// Bounds of the named dimensions: those of the sets lie inside.
const dims = { resnet50: ['N'], mobilenet_v2: ['N'], vit: ['N'], mlp: ['N'], unet: ['N', 'H', 'W'], bert: ['batch', 'sequence'], bert_dynamo: ['batch', 'sequence'], bigru: ['batch', 'time'] };
const bound = { H: 64, W: 64, sequence: 32, time: 32 };
const options = (net) => (dims[net] ?? []).flatMap((d) => ['--dim', `${d}=1..${bound[d] ?? 4}`]);

for (const threads of threadsBuilt ? [1, 2] : [1]) {
  for (const net of nets) {
    test(`${net}, ${threads} thread(s): every set of tests/golden`, async () => {
      const session = await createSession(convert(goldenNet(net), ...options(net)), { threads });
      assert.equal(session.info.threads, threads, session.info.threadsReason);
      try {
        const names = Object.keys(session.inputInfo);
        for (const { inputs, outputs } of goldenSets(net)) {
          const given = Object.fromEntries(inputs.map((t, i) => [t.name || names[i], { data: t.data, shape: t.shape }]));
          // shapes are set for all inputs together, so named dimensions agree
          const fixed = Object.fromEntries(Object.entries(given).map(([name, v]) => [name, session.inputInfo[name].dynamic.includes(true) ? v : v.data]));
          const found = await session.run(fixed);
          const names2 = Object.keys(found);
          outputs.forEach((t, i) => {
            const name = t.name || names2[i];
            assert.deepEqual(session.outputInfo[name].shape, t.shape, name);
            close(found[name], t.data, {}, `${net}: ${name}`);
          });
        }
      } finally {
        session.dispose();
      }
    });
  }
}

test('lstm: the state carried inside the model', async () => {
  const session = await createSession(convert(goldenNet('lstm'), '--state', 'hn=h0', '--state', 'cn=c0'), { threads: 1 });
  assert.equal(Object.keys(session.stateInfo).length, 2);
  for (let round = 0; round < 2; ++round) {
    for (const { inputs, outputs } of goldenSets('lstm')) {
      const given = Object.fromEntries(inputs.filter((t) => t.name in session.inputInfo).map((t) => [t.name, t.data]));
      const found = await session.run(given);
      for (const t of outputs) if (t.name in found) close(found[t.name], t.data, {}, t.name);
    }
    session.resetState();
  }
  session.dispose();
});

const numbers = (file) => readFileSync(file, 'utf8').split(/[\s,]+/).filter(Boolean).map(Number);
/** The second column, without its head. */
const values = (file) => readFileSync(file, 'utf8').trim().split('\n').slice(1).map((line) => Number(line.split(',')[1]));
const models = join(data, 'models');
const skip = existsSync(models) ? false : 'the shared models are not there';

test('SqueezeNet with weights and input of float16 (ONNX Runtime, CPU)', { skip }, async () => {
  const session = await createSession(convert(join(models, 'squeezenet/SqueezeNet_fp16.onnx')), { threads: 1 });
  const [input] = Object.values(session.inputInfo), [output] = Object.values(session.outputInfo);
  const fish = numbers(join(models, 'squeezenet/fish.csv')), golden = values(join(models, 'squeezenet/golden_fp16_cpu.csv'));
  const half = input.dtype === 'float16';
  const found = (await session.run({ [input.name]: half ? fromFloat32(fish, 'float16') : Float32Array.from(fish) }))[output.name];
  const scores = output.dtype === 'float16' ? toFloat32(found, 'float16') : found;
  const best = (v) => Array.from(v.keys()).sort((a, b) => v[b] - v[a])[0];
  assert.equal(best(scores), best(golden));
  close(scores, golden, { rtol: 0, atol: 1e-3 }, 'squeezenet');
  session.dispose();
});

test('the digit classifier of CNTK (ONNX Runtime, CPU)', { skip }, async () => {
  const session = await createSession(convert(join(models, 'mnist-cntk/mnist.onnx')), { threads: 1 });
  const [input] = Object.keys(session.inputInfo), [output] = Object.keys(session.outputInfo);
  const found = await session.run({ [input]: numbers(join(models, 'mnist-cntk/mnist_28.csv')) });
  close(found[output], values(join(models, 'mnist-cntk/golden_cpu.csv')), { rtol: 0, atol: 6 }, 'mnist');
  session.dispose();
});
