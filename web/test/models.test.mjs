// gf-models.wasm, a module with the ops of MobileNetV2 and no others (GF_WEB_MODELS): its answers, and what it says to another model.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSession } from 'ghostflow';
import { close, convert, errorOf, goldenNet, goldenSets, root } from './support.mjs';

const file = join(process.env.GF_WASM_BUILD ?? join(root, 'build'), 'wasm/bin/gf-models.wasm');
const skip = existsSync(file) ? false : 'gf-models.wasm is not built';
const wasm = () => ({ threads: 1, wasmBinary: readFileSync(file) });

test('a module for MobileNetV2 alone answers as ONNX Runtime and as the module of all ops', { skip }, async () => {
  const [{ inputs: [image], outputs: [logits] }] = goldenSets('mobilenet_v2');
  const model = convert(goldenNet('mobilenet_v2'), '--dim', 'N=1..4');
  const session = await createSession(model, wasm()), whole = await createSession(model, { threads: 1 });
  const input = { image: { data: image.data, shape: image.shape } };
  const found = await session.run(input);
  close(found.logits, logits.data, {}, 'logits');
  assert.deepEqual(found.logits, (await whole.run(input)).logits);
  session.dispose();
  whole.dispose();
});

test('it has the kernels that the module of all ops would choose', { skip }, async () => {
  const model = convert(goldenNet('mobilenet_v2'));
  const session = await createSession(model, wasm()), whole = await createSession(model, { threads: 1 });
  const kernels = (s) => s.profile(1).nodes.map((n) => `${n.op}: ${n.kernel}`);
  assert.deepEqual(kernels(session), kernels(whole));
  session.dispose();
  whole.dispose();
});

test('it refuses what it was not made for, and says what to add', { skip }, async () => {
  await assert.rejects(createSession(convert(goldenNet('lstm')), wasm()), errorOf('UNKNOWN_OP', /op '.*ghostflow_add_runtime/));
  // its products end with Relu, those of MobileNetV2 with Clamp
  await assert.rejects(createSession(convert(goldenNet('mlp')), wasm()), errorOf('UNSUPPORTED', /activation was left out.*ghostflow_add_runtime/));
});
