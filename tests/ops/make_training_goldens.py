#!/usr/bin/env python3
"""Writes data/training.json: inputs and expected outputs of the ops that gradients are made of.

Expected values are PyTorch's own gradients in float64, rounded once to the output's type. Images are channels last in the file.
Nothing of GhostFlow takes part. Run with numpy and torch:
  python3 make_training_goldens.py
"""
import itertools
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent / "data"
TYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}
RTOL = {"float32": 2e-6, "float64": 4e-15, "float16": 1e-3, "bfloat16": 8e-3}
ATOL = {"float32": 1e-6, "float64": 1e-15, "float16": 1e-6, "bfloat16": 1e-6}  # times the magnitude of the sums
rng = np.random.default_rng(20261128)
cases = []


def steps(low, high, shape):
    """Random multiples of 1/16: exact in every float type, short in the file, and some of them equal."""
    return torch.tensor(rng.integers(round(low * 16), round(high * 16) + 1, shape) / 16)


def number(v):
    if math.isfinite(v): return v
    return "nan" if math.isnan(v) else ("inf" if v > 0 else "-inf")


def tensor(t, dtype):
    if not t.is_floating_point(): return {"dtype": str(t.dtype)[6:], "shape": list(t.shape), "data": t.reshape(-1).tolist()}
    r = t.to(TYPES[dtype])
    data = r.reshape(-1).tolist() if dtype == "float64" else [float(str(np.float32(v))) for v in r.float().reshape(-1).tolist()]
    return {"dtype": dtype, "shape": list(t.shape), "data": [number(v) for v in data]}


def case(op, dtype, inputs, output, attrs, scale=1.0):
    cases.append({"op": op, "attrs": attrs, "inputs": [None if t is None else tensor(t, dtype) for t in inputs],
                  "outputs": [tensor(output, dtype)], "rtol": RTOL[dtype], "atol": ATOL[dtype] * scale})


def last(t): return t.movedim(1, -1).contiguous()


def cross_entropy(dtype, shape, reduction, weighted=False, ignore=None, integer=torch.int64, x=None, t=None):
    x = (steps(-4, 4, shape) if x is None else x).requires_grad_()
    t = torch.tensor(rng.integers(0, shape[1], shape[:1] + shape[2:])) if t is None else t
    w = steps(0.5, 2, (shape[1],)) if weighted else None
    kw = {} if ignore is None else {"ignore_index": ignore}
    y = F.cross_entropy(x, t, w, reduction=("none", "mean", "sum")[reduction], **kw)
    dy = steps(-2, 2, y.shape)
    y.backward(dy)
    inputs = [x.detach(), t.to(integer), dy] + ([w] if weighted else [])
    case("cross_entropy_grad", dtype, inputs, x.grad, {"reduction": reduction, **kw})


def max_pool(dtype, shape, kernel, stride=None, dilation=None, pads=None, ceil=False, x=None):
    sp = len(kernel)
    stride, dilation, pads = stride or [1] * sp, dilation or [1] * sp, pads or [0] * (2 * sp)
    x = (steps(-3, 3, shape) if x is None else x).requires_grad_()
    padded = F.pad(x, [p for d in reversed(range(sp)) for p in (pads[d], pads[d + sp])], value=-math.inf)
    y = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[sp](padded, kernel, stride, 0, dilation, ceil)
    dy = steps(-2, 2, y.shape)
    y.backward(dy)
    attrs = {"kernel": kernel, "strides": stride, "dilations": dilation, "pads": pads, "ceil_mode": int(ceil)}
    case("max_pool_grad", dtype, [last(x.detach()), last(dy)], last(x.grad), attrs, scale=4)


def conv_weights(dtype, shape, features, kernel, stride=None, dilation=None, pads=None, groups=1):
    sp = len(kernel)
    stride, dilation, pads = stride or [1] * sp, dilation or [1] * sp, pads or [0] * (2 * sp)
    x = steps(-1, 1, shape)
    padded = F.pad(x, [p for d in reversed(range(sp)) for p in (pads[d], pads[d + sp])])
    conv = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[sp]

    def gradient(image, g=None):
        w = torch.zeros(features, shape[1] // groups, *kernel, dtype=torch.float64, requires_grad=True)
        y = conv(image, w, None, stride, 0, dilation, groups)
        g = steps(-1, 1, y.shape) if g is None else g
        y.backward(g)
        return g, w.grad

    g, dw = gradient(padded)
    scale = float(gradient(padded.abs(), g.abs())[1].max())  # the sum of absolute products
    attrs = {"kernel": kernel, "strides": stride, "dilations": dilation, "pads": pads, "groups": groups}
    case("conv_weight_grad", dtype, [last(x), last(g)], dw, attrs, scale=max(scale, 1.0))


for dtype in TYPES:
    for reduction, weighted, ignore in itertools.product(range(3), (False, True), (None, 2, -100)):
        cross_entropy(dtype, (4, 5), reduction, weighted, ignore, torch.int32 if weighted else torch.int64)
    cross_entropy(dtype, (2, 5, 3, 2), 1, True, 2)
    max_pool(dtype, (1, 3, 6, 7), [2, 3], [2, 1], pads=[1, 1, 0, 1])
    max_pool(dtype, (2, 5, 7, 7), [3, 3], [2, 2], ceil=True)
    max_pool(dtype, (1, 2, 9), [3], [2], dilation=[2], pads=[1, 1])
    max_pool(dtype, (1, 2, 4, 5, 4), [2, 2, 3], [1, 2, 1], pads=[0, 1, 1, 1, 0, 1])
    conv_weights(dtype, (2, 3, 6, 5), 4, [3, 2], [2, 1], pads=[1, 0, 1, 1])
    conv_weights(dtype, (1, 4, 6, 6), 6, [2, 2], dilation=[2, 1], groups=2)
    conv_weights(dtype, (2, 3, 5, 6), 3, [3, 3], pads=[1, 1, 1, 1], groups=3)
    conv_weights(dtype, (2, 2, 9), 3, [3], [2], [2], pads=[2, 1])
    conv_weights(dtype, (1, 2, 4, 3, 4), 2, [2, 2, 2])
f32 = "float32"
for shape in ((7, 33), (3, 130), (2, 21, 9, 8), (1, 5, 70)):
    for reduction in range(3): cross_entropy(f32, shape, reduction, reduction == 1, 3)
nan = math.nan
cross_entropy(f32, (2, 3), 1, ignore=-100, t=torch.tensor([-100, -100]))  # nothing counts: a loss of NaN, a gradient of 0
cross_entropy(f32, (3, 3), 1, ignore=0, x=torch.tensor([[nan, 1, 2], [1, 2, 3], [nan, 0, 0]]).double(), t=torch.tensor([0, 1, 2]))
cross_entropy(f32, (2, 3), 2, x=torch.tensor([[1e4, 0, -1e4], [-math.inf, 0, 1]]).double(), t=torch.tensor([1, 2]))
for shape, k, s in (((2, 6, 8, 8), 2, 2), ((2, 40, 9, 7), 3, 2), ((1, 17, 5, 5), 3, 1), ((1, 70, 6, 6), 2, 2)):
    max_pool(f32, shape, [k, k], [s, s], pads=[k // 2] * 4)
max_pool(f32, (1, 1, 3, 4), [2, 2], x=torch.tensor([[[[1, nan, nan, 2], [1, 1, 1, 1], [-math.inf, -math.inf, 1, nan]]]]).double())
for c, m, k, s, d, p, g in ((1, 6, 5, 1, 1, 2, 1), (6, 16, 5, 1, 1, 0, 1), (3, 20, 3, 2, 1, 1, 1), (20, 33, 3, 1, 1, 1, 1), (64, 40, 1, 1, 1, 0, 1),
                            (50, 18, 3, 2, 2, 2, 1), (24, 24, 3, 1, 1, 1, 24), (36, 36, 3, 2, 1, 1, 36), (32, 64, 3, 1, 1, 1, 4), (4, 8, 3, 1, 1, 1, 4)):
    conv_weights(f32, (3, c, 9, 8), m, [k, k], [s, s], [d, d], [p, p, p, p], g)

HERE.joinpath("training.json").write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(len(cases), "cases")
