// The three engines behind one face: open(case files) -> {run(), read(), close()}. Inputs are the case's, in ONNX's order of axes.
import { tfjsNet } from './tfjs.mjs';

const count = (shape) => shape.reduce((a, b) => a * b, 1);

/// [n, c, h, w] to [n, h, w, c], or back.
export function turn(data, [n, c, h, w], back) {
  const out = new Float32Array(data.length);
  for (let i = 0; i < n; ++i)
    for (let p = 0; p < h * w; ++p)
      for (let k = 0; k < c; ++k) {
        const first = (i * c + k) * h * w + p, last = (i * h * w + p) * c + k;
        if (back) out[first] = data[last];
        else out[last] = data[first];
      }
  return out;
}

const ARRAYS = { f32: Float32Array, i64: BigInt64Array, u8: Uint8Array }, ORT_TYPES = { f32: 'float32', i64: 'int64', u8: 'uint8' };
function readInput(files, name, { type, shape }) {
  const bytes = files[`${name}.bin`];
  const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return { shape, type: ORT_TYPES[type], data: new ARRAYS[type](copy) };
}
export const readInputs = (files, info) => Object.fromEntries(Object.entries(info.inputs).map(([k, v]) => [k, readInput(files, k, v)]));

/// `gf` is the npm package. An op alone is measured with its operands where they are; a net is given its inputs in every run.
export async function ghostflow({ gf, wasm, files, info, threads }) {
  const session = await gf.createSession(files['model.gf'], { threads, cache: false, ...(wasm && { wasmBinary: wasm }) });
  const inputs = {};
  for (const [name, i] of Object.entries(readInputs(files, info))) inputs[name] = info.turned ? turn(i.data, i.shape, false) : i.data;
  const views = { views: true };
  if (info.op) for (const [name, values] of Object.entries(inputs)) session.inputs[name].set(values);
  return {
    session,
    run: info.op ? () => session.runSync(undefined, views) : () => session.runSync(inputs, views),
    read() {
      return info.outputs.map((name) => {
        const data = session.outputs[name].slice(), shape = session.outputInfo[name].shape;
        return info.turned ? turn(data, [shape[0], shape[3], shape[1], shape[2]], true) : data;
      });
    },
    close: () => session.dispose(),
  };
}

/// `ort` is the imported library. Its run() copies inputs in and outputs out.
export async function onnxruntime({ ort, files, info, threads }) {
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  const session = await ort.InferenceSession.create(files['model.onnx'], { executionProviders: ['wasm'] });
  const feeds = {};
  for (const [name, i] of Object.entries(readInputs(files, info)))
    feeds[name] = new ort.Tensor(i.type, i.data, i.shape);
  let last;
  return {
    asynchronous: true,
    run: async () => { last = await session.run(feeds); },
    read: () => info.outputs.map((name) => Float32Array.from(last[name].data)),
    close: () => session.release(),
  };
}

/// Null where models.py wrote no list (int8), or one that holds what TensorFlow.js has no call for (silero's LSTM).
export async function tensorflow({ tf, files, info }) {
  if (!files['tfjs.json']) return null;
  const list = JSON.parse(new TextDecoder().decode(files['tfjs.json']));
  if (list.nodes.some((n) => n.op === 'LSTM')) return null;
  const inputs = {}, pictures = Object.values(info.inputs).some((i) => i.shape.length === 4);
  const net = tfjsNet(tf, list, files['tfjs.bin'], info.outputs, pictures);
  for (const [name, i] of Object.entries(readInputs(files, info))) {
    if (i.data instanceof BigInt64Array) inputs[name] = tf.tensor(Int32Array.from(i.data, Number), i.shape, 'int32');
    else if (pictures) inputs[name] = tf.tensor(turn(i.data, i.shape, false), [i.shape[0], i.shape[2], i.shape[3], i.shape[1]]);
    else inputs[name] = tf.tensor(i.data, i.shape);
  }
  let last = [];
  return {
    run() {
      for (const t of last) t.dispose();
      last = net(inputs);
      if (!info.op) for (const t of last) t.dataSync();
    },
    read: () => last.map((t) => {
      const data = Float32Array.from(t.dataSync());
      return t.rank === 4 && pictures ? turn(data, [t.shape[0], t.shape[3], t.shape[1], t.shape[2]], true) : data;
    }),
    close() {},
  };
}
