// Runs the list of calls that models.py made of an ONNX graph with TensorFlow.js: pictures channels last, biases and activations inside
// convolutions and products, as a converted TensorFlow model has them.
const same = (a) => a.every((v) => v === a[0]);

function convolution(tf, node, constants) {
  const { strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], group = 1 } = node.at;
  const w = constants[node.in[1]], bias = node.in[2] ? constants[node.in[2]] : undefined;
  const depthwise = group > 1 && group === w.shape[0];
  if (group > 1 && !depthwise) throw new Error('groups');
  const filter = tf.transpose(w, depthwise ? [2, 3, 0, 1] : [2, 3, 1, 0]);
  const [h, v] = [w.shape[2], w.shape[3]];
  // "same" where that means what the graph's padding does; else a padding of its own, as Keras's MobileNetV2 has at stride 2
  // (explicit padding of a depthwise convolution gives wrong numbers in TensorFlow.js's wasm backend)
  const none = pads.every((p) => p === 0), same1 = strides[0] === 1 && same(pads) && h === v && pads[0] === (h - 1) / 2;
  const call = depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
  const args = { filter, strides, pad: same1 && !none ? 'same' : 'valid', dilations, bias, activation: node.activation ?? 'linear' };
  if (none || same1) return (x) => call({ ...args, x });
  return (x) => call({ ...args, x: tf.pad(x, [[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]]) });
}

function product(tf, node, constants) {
  const bias = node.in[2] ? constants[node.in[2]] : undefined;
  // turned once: a fused product with transposeB gives wrong numbers in the wasm backend
  const w = node.at.transB === 1 ? tf.transpose(constants[node.in[1]]) : constants[node.in[1]];
  return (x, y) => {
    if (x.rank === 2) return tf.fused.matMul({ a: x, b: w ?? y, bias });
    if (w === undefined) return tf.matMul(x, y);
    const rows = x.size / x.shape[x.rank - 1];
    const out = tf.fused.matMul({ a: tf.reshape(x, [rows, x.shape[x.rank - 1]]), b: y, bias });
    return tf.reshape(out, [...x.shape.slice(0, -1), w.shape[1]]);
  };
}

function layerNorm(tf, node) {
  const epsilon = node.at.epsilon;
  return (x, scale, shift) => {
    const mean = tf.mean(x, -1, true), centred = tf.sub(x, mean);
    const variance = tf.mean(tf.square(centred), -1, true);
    return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon))), scale), shift);
  };
}

const axes = (node, values) => node.at.axes ?? Array.from(values[node.in[1]]);

/// A function of tensors for a node; `values` are the constants' numbers.
function compile(tf, node, constants, values, pictures) {
  const { at } = node;
  switch (node.op) {
    case 'Conv': return convolution(tf, node, constants);
    case 'MatMul': case 'Gemm': return product(tf, node, constants);
    case 'LayerNormalization': return layerNorm(tf, node);
    case 'Relu': return (x) => tf.relu(x);
    case 'Erf': return (x) => tf.erf(x);
    case 'Softmax': return (x) => tf.softmax(x, -1);
    case 'Add': return (x, y) => tf.add(x, y);
    case 'Sub': return (x, y) => tf.sub(x, y);
    case 'Mul': return (x, y) => tf.mul(x, y);
    case 'Div': return (x, y) => tf.div(x, y);
    case 'Cast': return (x) => tf.cast(x, 'float32');
    case 'Gather': return (x, i) => tf.gather(x, i, at.axis ?? 0);
    case 'Transpose': return (x) => tf.transpose(x, at.perm);
    case 'Reshape': {
      const shape = Array.from(values[node.in[1]]);
      return (x) => tf.reshape(x, shape.map((d, i) => (d === 0 ? x.shape[i] : d)));
    }
    case 'Expand': return (x) => x;  // the division behind it broadcasts
    case 'Unsqueeze': return (x) => axes(node, values).reduce((y, axis) => tf.expandDims(y, axis), x);
    case 'ReduceSum': return (x) => tf.sum(x, axes(node, values), at.keepdims !== 0);
    case 'ReduceL2': return (x) => tf.sqrt(tf.sum(tf.square(x), axes(node, values), at.keepdims !== 0));
    case 'Clip': return (x) => tf.maximum(x, values[node.in[1]][0]);
    case 'Concat': return (...x) => tf.concat(x, pictures ? 3 : at.axis);
    case 'MaxPool': {
      const out = at.ceil_mode === 1 ? 'ceil' : 'floor';
      return (x) => tf.maxPool(x, at.kernel_shape, at.strides, 0, out);
    }
    case 'GlobalAveragePool': return (x) => tf.mean(x, [1, 2]);
    case 'Flatten': return (x) => tf.reshape(x, [x.shape[0], x.size / x.shape[0]]);
    default: throw new Error(`no TensorFlow.js call for ${node.op}`);
  }
}

/// Inputs by name -> outputs by name; tensors are the caller's.
export function tfjsNet(tf, list, bytes, outputs, pictures) {
  const constants = {}, values = {};
  for (const [name, c] of Object.entries(list.constants)) {
    const size = c.shape.reduce((a, b) => a * b, 1);
    const Type = c.type === 'f32' ? Float32Array : Int32Array;
    values[name] = new Type(bytes.slice(c.at, c.at + 4 * size).buffer);
    constants[name] = tf.tensor(values[name], c.shape, c.type === 'f32' ? 'float32' : 'int32');
  }
  const steps = list.nodes.map((node) => ({ node, call: compile(tf, node, constants, values, pictures) }));
  return (inputs) => tf.tidy(() => {
    const known = { ...constants, ...inputs };
    for (const { node, call } of steps) known[node.out[0]] = call(...node.in.filter((i) => i !== '').map((i) => known[i]));
    return outputs.map((name) => known[name]);
  });
}
