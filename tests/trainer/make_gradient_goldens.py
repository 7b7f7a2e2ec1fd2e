#!/usr/bin/env python3
"""Writes data/gradients.json: inputs, outputs and gradients of layers and losses as PyTorch computes them in float64.

Inputs are multiples of 1/128, exact in float32. Images are stored channels last, as GhostFlow has them. Nothing of GhostFlow
takes part. Run with torch 2.13 (CPU):
  python3 make_gradient_goldens.py
"""
import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(20261127)
cases = []


def steps(*shape, low=-2.0, high=2.0):
    return torch.randint(round(low * 128), round(high * 128) + 1, shape).double() / 128


def last(t):
    return t.movedim(1, -1)


def first(t):
    return t.movedim(-1, 1)


def pack(t):
    whole = not t.is_floating_point()
    return {"shape": list(t.shape), "data": [int(v) if whole else float(f"{v:.9g}") for v in t.reshape(-1).tolist()]}


def case(name, make, inputs, **integers):
    """make(inputs..., integers...) -> y; the loss is sum(y * dy) with a random dy."""
    leaves = {k: v.clone().requires_grad_() for k, v in inputs.items()}
    y = make(**leaves, **integers)
    dy = steps(*y.shape)
    (y * dy).sum().backward()
    cases.append({"name": name, "inputs": {k: pack(v) for k, v in (inputs | integers).items()}, "y": pack(y.detach()),
                  "dy": pack(dy), "gradients": {k: pack(v.grad) for k, v in leaves.items()}})


conv = dict(x=steps(2, 7, 6, 4), w=steps(6, 2, 3, 3), b=steps(6))
case("conv", lambda x, w, b: last(F.conv2d(first(x), w, b, stride=2, padding=1, groups=2)), conv)
case("conv_dilated", lambda x, w: last(F.conv2d(first(x), w, dilation=2)), dict(x=steps(1, 7, 8, 3), w=steps(2, 3, 3, 2)))
case("conv_transpose", lambda x, w, b: last(F.conv_transpose2d(first(x), w, b, stride=2, padding=1, output_padding=1)),
     dict(x=steps(1, 4, 3, 3), w=steps(3, 2, 3, 3), b=steps(2)))
case("max_pool", lambda x: last(F.max_pool2d(first(x), 3, 2, 1)), dict(x=steps(2, 7, 6, 3, low=-9, high=9)))
case("average_pool", lambda x: last(F.avg_pool2d(first(x), 3, 2, 1, ceil_mode=True, count_include_pad=False)),
     dict(x=steps(1, 6, 6, 2)))
case("batch_norm", lambda x, s, b: last(F.batch_norm(first(x), None, None, s, b, training=True, eps=1e-3)),
     dict(x=steps(3, 4, 2, 5), s=steps(5), b=steps(5)))
case("group_norm", lambda x, s, b: last(F.group_norm(first(x), 2, s, b, eps=1e-3)), dict(x=steps(2, 3, 3, 4), s=steps(4), b=steps(4)))
case("layer_norm", lambda x, s, b: F.layer_norm(x, (6,), s, b, eps=1e-3), dict(x=steps(4, 6), s=steps(6), b=steps(6)))
case("gelu", lambda x: F.gelu(x), dict(x=steps(40, low=-5, high=5)))
case("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), dict(x=steps(40, low=-5, high=5)))
case("cross_entropy", lambda x, t: F.cross_entropy(x, t, torch.tensor([0.5, 1.0, 2.0, 1.5, 0.25]).double(), ignore_index=-100),
     dict(x=steps(6, 5)), t=torch.tensor([0, 4, -100, 2, 2, 1]))
case("embedding", lambda w, t: F.embedding(t, w), dict(w=steps(5, 3)), t=torch.tensor([[1, 4, 1], [0, 1, 2]]))
case("attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
     dict(q=steps(1, 2, 4, 3), k=steps(1, 2, 4, 3), v=steps(1, 2, 4, 3)))
kinks = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0, 0.5, -0.5]).double()
for name, f in {"relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "celu": F.celu, "abs": torch.abs,
                "hard_sigmoid": F.hardsigmoid, "softsign": F.softsign, "shrink": F.hardshrink,
                "clip": lambda x: torch.clamp(x, -1, 1)}.items():
    case("kink_" + name, lambda x, f=f: f(x), dict(x=kinks))
case("kink_max", lambda a, b: torch.maximum(a, b), dict(a=kinks, b=torch.tensor([-3.0, 2, 0, 0, 3, 0.5, 1]).double()))
case("kink_reduce_max", lambda x: x.amax(1), dict(x=torch.tensor([[1.0, 3, 3, 2], [0, 0, 0, 0]]).double()))
case("kink_pow", lambda x, e: x**e, dict(x=torch.tensor([0.0, 0, 2, 3, 0.5]).double(), e=torch.tensor([2.0, 0, 0, -1, 1.5]).double()))
case("kink_prod", lambda x: x.prod(1), dict(x=torch.tensor([[2.0, 0, 3], [0, 0, 5], [1, 2, 3]]).double()))


def reorder(w, h, order):
    """Blocks of h rows in another order."""
    return torch.cat([w[k * h:(k + 1) * h] for k in order])


def recurrent(kind, x, layers, h0, c0=None, **options):
    """nn.LSTM, nn.GRU or nn.RNN with weights in ONNX's order: per layer w, r, b with a first axis of directions."""
    directions, h = layers[0][1].shape[0], layers[0][1].shape[2]
    order = {torch.nn.LSTM: [0, 2, 3, 1], torch.nn.GRU: [1, 0, 2], torch.nn.RNN: [0]}[kind]  # ONNX: i o f c; z r h
    m = kind(x.shape[2], h, len(layers), bidirectional=directions == 2, **options).double()
    weights = {}
    for k, (w, r, b) in enumerate(layers):
        for d in range(directions):
            end = f"_l{k}" + ("_reverse" if d else "")
            rows = w.shape[1]
            weights["weight_ih" + end] = reorder(w[d], h, order)
            weights["weight_hh" + end] = reorder(r[d], h, order)
            weights["bias_ih" + end] = reorder(b[d][:rows], h, order)
            weights["bias_hh" + end] = reorder(b[d][rows:], h, order)
    rest = torch.zeros(directions * (len(layers) - 1), *h0.shape[1:]).double()
    state = torch.cat([h0, rest])
    if c0 is not None:
        state = (state, torch.cat([c0, rest]))
    y, last = torch.func.functional_call(m, weights, (x, state))
    lasts = last if c0 is not None else (last,)
    return torch.cat([t[-directions:].reshape(-1) if t is not y else t.reshape(-1) for t in (y, *lasts)])


def cell_inputs(gates, inputs, h, directions):
    def small(*shape):
        return steps(*shape, low=-0.75, high=0.75)
    return {k: v for n, width in enumerate(inputs) for k, v in
            {f"w{n}": small(directions, gates * h, width), f"r{n}": small(directions, gates * h, h),
             f"b{n}": small(directions, 2 * gates * h)}.items()}


case("lstm", lambda x, h, c, w0, r0, b0, w1, r1, b1: recurrent(torch.nn.LSTM, x, [(w0, r0, b0), (w1, r1, b1)], h, c),
     dict(x=steps(5, 3, 4), h=steps(2, 3, 5), c=steps(2, 3, 5)) | cell_inputs(4, [4, 10], 5, 2))
case("gru", lambda x, h, w0, r0, b0, w1, r1, b1: recurrent(torch.nn.GRU, x, [(w0, r0, b0), (w1, r1, b1)], h),
     dict(x=steps(5, 3, 4), h=steps(2, 3, 5)) | cell_inputs(3, [4, 10], 5, 2))
for f in ("tanh", "relu"):
    case("rnn_" + f, lambda x, h, w0, r0, b0, f=f: recurrent(torch.nn.RNN, x, [(w0, r0, b0)], h, nonlinearity=f),
         dict(x=steps(6, 2, 3), h=steps(1, 2, 5)) | cell_inputs(1, [3], 5, 1))
for mode in ("bilinear", "bicubic"):
    for padding in ("zeros", "border", "reflection"):
        if (mode, padding) == ("bicubic", "border"):
            continue  # ONNX moves the coordinate to the border, PyTorch only the pixels around it
        case(f"grid_sample_{mode}_{padding}",
             lambda x, g, m=mode, p=padding: last(F.grid_sample(first(x), g, m, p, align_corners=False)),
             dict(x=steps(1, 4, 5, 2), g=(steps(1, 3, 3, 2, low=-1.4, high=1.4) + 1 / 512)))
case("rfft", lambda x: torch.view_as_real(torch.fft.rfft(x)), dict(x=steps(3, 6)))
case("irfft", lambda x: torch.fft.irfft(torch.view_as_complex(x), n=7), dict(x=steps(2, 4, 2)))
case("stft", lambda x, w: torch.view_as_real(torch.stft(x, 6, 2, 6, w, center=False, return_complex=True)).movedim(1, 2),
     dict(x=steps(2, 14), w=steps(6)))
case("det", lambda x: torch.linalg.det(x), dict(x=steps(2, 4, 4)))
case("det_singular", lambda x: torch.linalg.det(x), dict(x=torch.tensor([[[1.0, 2], [2, 4]], [[0, 0], [0, 0]]]).double()))

out = pathlib.Path(__file__).parent / "data" / "gradients.json"
out.parent.mkdir(exist_ok=True)
out.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
