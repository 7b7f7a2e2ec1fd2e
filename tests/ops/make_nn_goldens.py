#!/usr/bin/env python3
"""Writes data/{matmul,conv,pool,recurrent,attention}.json: inputs and expected outputs of single ops.

Expected values come from PyTorch and NumPy in float64, rounded once to the output's type; recurrent cells with peepholes,
clipping or unusual activations from ONNX Runtime in float32; deformable convolution from onnx.reference. Nothing of
GhostFlow takes part. Images are channels last in the files. Run with numpy, torch, onnx, onnxruntime:
  python3 make_nn_goldens.py
"""
import itertools
import json
import math
import pathlib

import numpy as np
import onnx
import onnx.helper as oh
import onnxruntime as ort
import torch
import torch.nn.functional as F
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent / "data"
rng = np.random.default_rng(20261124)
FLOATS = ["float32", "float64", "float16", "bfloat16"]
RTOL = {"float32": 2e-6, "float64": 4e-15, "float16": 1e-3, "bfloat16": 8e-3}
ATOL = {"float32": 1e-6, "float64": 1e-15, "float16": 1e-6, "bfloat16": 1e-6}  # times the magnitude of the sums
cases = []


class Bf16:
    """A float32 array whose values are bfloat16's."""
    def __init__(self, a): self.a = np.asarray(a, np.float32)


def as_type(x64, dtype):
    if dtype == "bfloat16": return Bf16(torch.tensor(np.asarray(x64, np.float64)).to(torch.bfloat16).float().numpy())
    return np.asarray(x64).astype(dtype)


def wide(x): return np.asarray(x.a if isinstance(x, Bf16) else x).astype(np.float64)
def t64(x): return torch.tensor(wide(x))


def number(v):
    if isinstance(v, float) and not math.isfinite(v): return "nan" if math.isnan(v) else ("inf" if v > 0 else "-inf")
    return v


def tensor(a):
    if isinstance(a, Bf16): name, a = "bfloat16", a.a
    else: name = str(np.asarray(a).dtype)
    a = np.asarray(a)
    if a.dtype.kind in "iub": data = [int(v) for v in a.ravel()]
    elif name == "float64": data = [number(float(v)) for v in a.ravel()]
    else: data = [number(float(str(v))) for v in a.astype(np.float32).ravel()]
    return {"dtype": name, "shape": list(a.shape), "data": data}


def name_of(a): return "bfloat16" if isinstance(a, Bf16) else str(np.asarray(a).dtype)


def case(op, inputs, outputs, attrs=None, rtol=None, atol=0.0):
    if rtol is None: rtol = RTOL.get(name_of(outputs[0]), 0.0)
    cases.append({"op": op, "attrs": attrs or {}, "inputs": [None if i is None else tensor(i) for i in inputs],
                  "outputs": [tensor(o) for o in outputs], "rtol": rtol, "atol": atol})


def save(name):
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (HERE / f"{name}.json").write_text("[\n" + lines + "\n]\n")
    print(name, len(cases), "cases")
    cases.clear()


def steps(low, high, shape):
    """Random multiples of 1/128: exact in every float type, and short in the file."""
    return rng.integers(round(low * 128), round(high * 128) + 1, shape) / 128


def randoms(dtype, shape, scale=1.0):
    if dtype in FLOATS: return as_type(steps(-scale, scale, shape), dtype)
    return rng.integers(0 if dtype.startswith("u") else -50, 50, shape).astype(dtype)


def last(a):
    """Channels first -> channels last."""
    if isinstance(a, Bf16): return Bf16(last(a.a))
    return np.ascontiguousarray(np.moveaxis(np.asarray(a), 1, -1))


ACTIVATIONS = [
    (0, 0.0, 0.0, lambda x: x), (1, 0.0, 0.0, F.relu), (2, -0.25, 0.5, lambda x: x.clamp(-0.25, 0.5)),
    (3, 0.125, 0.0, lambda x: F.leaky_relu(x, 0.125)), (4, 0.25, 0.5, lambda x: (0.25 * x + 0.5).clamp(0, 1)),
    (5, 0.0, 0.0, F.hardswish), (6, 0.0, 0.0, torch.sigmoid), (7, 1.0, 0.0, F.silu),
    (7, 1.5, 0.0, lambda x: x * torch.sigmoid(1.5 * x)), (8, 0.0, 0.0, torch.tanh), (9, 0.0, 0.0, F.gelu),
    (10, 0.0, 0.0, lambda x: F.gelu(x, approximate="tanh")), (11, 0.5, 0.0, lambda x: F.elu(x, 0.5)),
]


def with_activation(attrs, which):
    number_, a, b, f = ACTIVATIONS[which]
    if number_ != 0: attrs = {**attrs, "activation": number_, "activation_a": a, "activation_b": b}
    return attrs, f


# --- matmul -----------------------------------------------------------------------------------------------------------
def matmul(dtype, sa, sb, ta=False, tb=False, alpha=1.0, bias=False, residual=False, residual_scale=1.0, act=0):
    a, b = randoms(dtype, sa), randoms(dtype, sb)
    if dtype not in FLOATS:
        y = np.matmul(a, b)
        return case("matmul", [a, b], [y])
    x = t64(a).transpose(-1, -2) if ta and len(sa) > 1 else t64(a)
    w = t64(b).transpose(-1, -2) if tb and len(sb) > 1 else t64(b)
    y = torch.matmul(x, w)
    size = float(torch.matmul(x.abs(), w.abs()).max()) if y.numel() else 0.0
    y = alpha * y
    inputs, attrs = [a, b], {}
    if ta: attrs["transpose_a"] = 1
    if tb: attrs["transpose_b"] = 1
    if alpha != 1: attrs["alpha"] = alpha
    if bias or residual: inputs.append(None)
    if bias:
        inputs[2] = randoms(dtype, y.shape[-1:])
        y = y + t64(inputs[2])
    if residual:
        inputs.append(randoms(dtype, tuple(y.shape)))
        y = y + residual_scale * t64(inputs[3])
        if residual_scale != 1: attrs["residual_scale"] = residual_scale
    attrs, f = with_activation(attrs, act)
    case("matmul", inputs, [as_type(f(y).numpy(), dtype)], attrs, atol=ATOL[dtype] * (size + 2))


def matmul_cases():
    shapes = [((5,), (5,)), ((5,), (5, 3)), ((4, 5), (5,)), ((1, 1), (1, 1)), ((3, 7), (7, 5)), ((17, 33), (33, 35)),
              ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((1, 3, 4), (6, 4, 5)), ((2, 1, 3, 4), (3, 4, 5)),
              ((3, 4), (2, 3, 4, 2)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)), ((0, 4), (4, 3)), ((3, 0), (0, 2)),
              ((2, 0, 4), (2, 4, 3)), ((1, 130), (130, 70)), ((70, 3), (3, 1))]
    for dtype in FLOATS + ["int32", "uint32", "int64", "uint64"]:
        for sa, sb in shapes: matmul(dtype, sa, sb)
    for dtype in FLOATS:
        for ta, tb in ((0, 1), (1, 0), (1, 1)):
            matmul(dtype, (9, 6) if ta else (6, 9), (4, 9) if tb else (9, 4), ta, tb, alpha=0.5)
            matmul(dtype, (2, 9, 6) if ta else (2, 6, 9), (2, 4, 9) if tb else (2, 9, 4), ta, tb)
            matmul(dtype, (2, 9, 6) if ta else (2, 6, 9), (4, 9) if tb else (9, 4), ta, tb, bias=True)
        for k in range(len(ACTIVATIONS)): matmul(dtype, (5, 11), (11, 19), bias=True, residual=k % 2 == 0, act=k)
        matmul(dtype, (2, 5, 3), (3, 4), bias=True, residual=True, residual_scale=-0.5, alpha=2.0)
        matmul(dtype, (2, 1, 5, 3), (4, 3, 2), residual=True)
        matmul(dtype, (3, 0), (0, 4), bias=True, residual=True, act=1)


# --- convolutions -----------------------------------------------------------------------------------------------------
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_T = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def torch_pads(pads, n):
    out = []
    for d in reversed(range(n)): out += [pads[d], pads[d + n]]
    return out


def conv(dtype, n, size, cin, cout, kernel, groups=1, stride=None, dilation=None, pads=None, bias=True, residual=False, act=0, auto_pad=0):
    sp = len(size)
    stride, dilation = stride or [1] * sp, dilation or [1] * sp
    x, w = randoms(dtype, (n, cin, *size)), randoms(dtype, (cout, cin // groups, *kernel))
    attrs = {"strides": stride, "dilations": dilation, "groups": groups}
    if auto_pad:
        attrs["auto_pad"] = auto_pad
        total = [max(0, (-(-i // s) - 1) * s + (k - 1) * d + 1 - i) for i, s, k, d in zip(size, stride, kernel, dilation)]
        small = [t // 2 for t in total]
        large = [t - s for t, s in zip(total, small)]
        pads = small + large if auto_pad == 1 else large + small
    elif pads: attrs["pads"] = pads
    pads = pads or [0] * (2 * sp)
    b = randoms(dtype, (cout,)) if bias else None
    run = lambda x, w, b: CONV[sp](F.pad(x, torch_pads(pads, sp)), w, b, stride, 0, dilation, groups)
    y = run(t64(x), t64(w), t64(b) if bias else None)
    size_ = float(run(t64(x).abs(), t64(w).abs(), None).max()) if y.numel() else 0.0
    inputs = [last(x), w, b]
    if residual:
        r = randoms(dtype, tuple(y.shape))
        y = y + t64(r)
        inputs.append(last(r))
    attrs, f = with_activation(attrs, act)
    case("conv", inputs, [last(as_type(f(y).numpy(), dtype))], attrs, atol=ATOL[dtype] * (size_ + 2))


def conv_t(dtype, n, size, cin, cout, kernel, groups=1, stride=None, dilation=None, pads=None, out_pad=None, shape=None, auto_pad=0, bias=True, residual=False, act=0):
    sp = len(size)
    stride, dilation, op = stride or [1] * sp, dilation or [1] * sp, out_pad or [0] * sp
    x, w = randoms(dtype, (n, cin, *size)), randoms(dtype, (cin, cout // groups, *kernel))
    b = randoms(dtype, (cout,)) if bias else None
    attrs = {"strides": stride, "dilations": dilation, "groups": groups}
    if out_pad: attrs["output_padding"] = out_pad
    natural = [(i - 1) * s + (k - 1) * d + 1 + o for i, s, k, d, o in zip(size, stride, kernel, dilation, op)]
    want = shape or ([i * s for i, s in zip(size, stride)] if auto_pad else None)
    if shape: attrs["output_shape"] = shape
    if auto_pad: attrs["auto_pad"] = auto_pad
    if want:
        total = [max(0, a - c) for a, c in zip(natural, want)]
        small = [t // 2 for t in total]
        large = [t - s for t, s in zip(total, small)]
        pads = small + large if auto_pad == 1 else large + small
    elif pads: attrs["pads"] = pads
    pads = pads or [0] * (2 * sp)

    def run(x, w):  # the full result, cut (or continued with zeros) to what is asked for
        y = CONV_T[sp](x, w, None, stride, 0, 0, groups, dilation)
        end = want or [a - pads[d] - pads[d + sp] for d, a in enumerate(natural)]
        cut = []
        for d in reversed(range(sp)): cut += [-pads[d], end[d] + pads[d] - y.shape[d + 2]]
        return F.pad(y, cut)
    y = run(t64(x), t64(w))
    size_ = float(run(t64(x).abs(), t64(w).abs()).max())
    if bias: y = y + t64(b).reshape(1, -1, *[1] * sp)
    inputs = [last(x), w, b]
    if residual:
        r = randoms(dtype, tuple(y.shape))
        y = y + t64(r)
        inputs.append(last(r))
    attrs, f = with_activation(attrs, act)
    case("conv_transpose", inputs, [last(as_type(f(y).numpy(), dtype))], attrs, atol=ATOL[dtype] * (size_ + 2))


def deform(dtype, n, size, cin, cout, kernel, groups, offset_groups, stride, dilation, pads, bias, mask):
    x, w = randoms(dtype, (n, cin, *size)), randoms(dtype, (cout, cin // groups, *kernel))
    out = [(i + pads[d] + pads[d + 2] - (k - 1) * dl - 1) // s + 1 for d, (i, k, dl, s) in enumerate(zip(size, kernel, dilation, stride))]
    taps = kernel[0] * kernel[1] * offset_groups
    offset = randoms(dtype, (n, 2 * taps, *out), 1.5)
    b = randoms(dtype, (cout,)) if bias else None
    m = as_type(steps(0, 1, (n, taps, *out)), dtype) if mask else None
    names = ["x", "w", "o", "b" if bias else "", "m" if mask else ""]
    node = oh.make_node("DeformConv", names, ["y"], strides=stride, dilations=dilation, pads=pads, group=groups,
                        offset_group=offset_groups, kernel_shape=kernel)
    info = [oh.make_tensor_value_info(k, onnx.TensorProto.DOUBLE, None) for k in names if k]
    graph = oh.make_graph([node], "g", info, [oh.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, None)])
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 19)])
    feed = {"x": wide(x), "w": wide(w), "o": wide(offset)}
    if bias: feed["b"] = wide(b)
    if mask: feed["m"] = wide(m)
    y = ReferenceEvaluator(model).run(None, feed)[0]
    case("deform_conv", [last(x), w, last(offset), b, last(m) if mask else None], [last(as_type(y, dtype))],
         {"strides": stride, "dilations": dilation, "pads": pads, "groups": groups, "offset_groups": offset_groups},
         atol=ATOL[dtype] * 20)


def conv_cases():
    for dtype in FLOATS:
        conv(dtype, 2, [9], 3, 5, [3], stride=[2], pads=[1, 0])
        conv(dtype, 1, [7, 6], 4, 6, [3, 3], pads=[1, 1, 1, 1])
        conv(dtype, 2, [8, 7], 6, 4, [3, 2], groups=2, stride=[2, 1], dilation=[1, 2], pads=[0, 1, 2, 1])
        conv(dtype, 1, [5, 6], 8, 8, [1, 1], bias=False, residual=True, act=1)
        conv(dtype, 1, [6, 6], 7, 7, [3, 3], groups=7, pads=[1, 1, 1, 1])
        conv(dtype, 2, [6, 5], 5, 15, [5, 3], groups=5, stride=[2, 2], pads=[2, 1, 2, 1], act=5)
        conv(dtype, 1, [4, 5, 6], 2, 3, [2, 3, 3], stride=[1, 2, 1], pads=[1, 1, 0, 0, 1, 1])
        conv_t(dtype, 2, [5], 3, 4, [3], stride=[2], pads=[1, 1], out_pad=[1])
        conv_t(dtype, 1, [4, 5], 4, 6, [3, 3], groups=2, stride=[2, 3], dilation=[2, 1], pads=[0, 1, 1, 2])
        conv_t(dtype, 1, [3, 3, 2], 2, 3, [2, 2, 3], stride=[2, 1, 2])
        deform(dtype, 1, [6, 5], 4, 3, [3, 2], 1, 2, [1, 2], [1, 1], [1, 0, 0, 1], True, True)
    for k in range(len(ACTIVATIONS)):
        conv("float32", 1, [5, 5], 3, 17, [3, 3], act=k, residual=k % 2 == 1)
        conv("float32", 1, [5, 5], 9, 9, [3, 3], groups=9, act=k)
        conv_t("float32", 1, [3, 4], 3, 5, [3, 3], stride=[2, 2], act=k, residual=k % 2 == 1)
    for auto, stride, k in itertools.product((1, 2), (1, 2, 3), (1, 2, 4)):
        conv("float32", 1, [7, 8], 3, 4, [k, 3], stride=[stride, stride], auto_pad=auto)
        conv("float32", 1, [7, 8], 4, 4, [k, 3], groups=4, stride=[stride, stride], auto_pad=auto)
        conv_t("float32", 1, [4, 3], 3, 2, [k, 3], stride=[stride, stride], auto_pad=auto)
    for _ in range(60):
        sp = int(rng.integers(1, 4))
        pick = lambda lo, hi: [int(v) for v in rng.integers(lo, hi, sp)]
        groups = int(rng.choice([1, 1, 2, 3]))
        kernel, dil = pick(1, 4), pick(1, 3)
        size = [int((k - 1) * d + 1 + rng.integers(0, 6)) for k, d in zip(kernel, dil)]
        cin, cout = groups * int(rng.integers(1, 6)), groups * int(rng.integers(1, 8))
        conv("float32", int(rng.integers(1, 3)), size, cin, cout, kernel, groups, pick(1, 4), dil, pick(0, 3) + pick(0, 3),
             bias=bool(rng.integers(2)), residual=bool(rng.integers(2)), act=int(rng.integers(0, 3)))
        stride = pick(1, 4)
        conv_t("float32", int(rng.integers(1, 3)), pick(2, 5), cin, cout, kernel, groups, stride, dil,
               out_pad=[int(rng.integers(0, s)) for s in stride], bias=bool(rng.integers(2)))
    conv_t("float32", 1, [3, 3], 2, 2, [3, 3], stride=[3, 2], shape=[10, 8])
    conv_t("float32", 1, [3, 3], 2, 2, [3, 3], stride=[3, 2], shape=[7, 6], act=1)
    conv_t("float32", 1, [3, 3], 2, 2, [2, 2], stride=[4, 1], pads=[1, 0, 0, 1])
    for groups, og in ((1, 1), (2, 1), (2, 4)):
        deform("float32", 2, [5, 6], 4, 6, [2, 3], groups, og, [1, 1], [2, 1], [1, 1, 1, 1], False, groups == 2)


# --- pools ------------------------------------------------------------------------------------------------------------
def windows(x, kernel, stride, dilation, pads, ceil):
    """For each output position the input positions inside the image, and how many taps lie inside the padded image."""
    sp = len(kernel)
    size = x.shape[2:]
    out = []
    for d in range(sp):
        span = size[d] + pads[d] + pads[d + sp] - (kernel[d] - 1) * dilation[d] - 1
        o = (-(-span // stride[d]) if ceil else span // stride[d]) + 1
        if ceil and (o - 1) * stride[d] >= size[d] + pads[d]: o -= 1
        out.append(o)
    for p in itertools.product(*map(range, out)):
        inside, counted = [], 0
        for t in itertools.product(*map(range, kernel)):
            at = [p[d] * stride[d] - pads[d] + t[d] * dilation[d] for d in range(sp)]
            counted += all(at[d] < size[d] + pads[d + sp] for d in range(sp))
            if all(0 <= at[d] < size[d] for d in range(sp)): inside.append(tuple(at))
        yield p, inside, counted
    return


def out_shape(x, kernel, stride, dilation, pads, ceil):
    return tuple(max(p[d] for p, _, _ in windows(x, kernel, stride, dilation, pads, ceil)) + 1 for d in range(len(kernel)))


def pool(dtype, shape, kernel, stride=None, dilation=None, pads=None, ceil=False):
    sp = len(kernel)
    stride, dilation, pads = stride or [1] * sp, dilation or [1] * sp, pads or [0] * (2 * sp)
    attrs = {"kernel": kernel, "strides": stride, "dilations": dilation, "pads": pads, "ceil_mode": int(ceil)}
    x = randoms(dtype, shape)
    v = wide(x)
    size = shape[2:]
    y_shape = shape[:2] + out_shape(v, kernel, stride, dilation, pads, ceil)
    mx, ix, iy = np.zeros(y_shape), np.zeros(y_shape, np.int64), np.zeros(y_shape, np.int64)
    avg, avg_pad = np.zeros(y_shape), np.zeros(y_shape)
    lp = {p: np.zeros(y_shape) for p in (1, 2, 3)}
    plane = int(np.prod(size))
    for p, inside, counted in windows(v, kernel, stride, dilation, pads, ceil):
        at = (slice(None), slice(None)) + p
        seen = np.stack([v[(slice(None), slice(None)) + i] for i in inside])
        best = seen.argmax(0)
        mx[at] = seen.max(0)
        first = np.array([np.ravel_multi_index(i, size) for i in inside])[best]
        column = np.array([np.ravel_multi_index(i[::-1], size[::-1]) for i in inside])[best]
        base = (np.arange(shape[0])[:, None] * shape[1] + np.arange(shape[1])[None]) * plane
        ix[at], iy[at] = base + first, base + column
        avg[at], avg_pad[at] = seen.sum(0) / len(inside), seen.sum(0) / counted
        for q in lp: lp[q][at] = (np.abs(seen) ** q).sum(0) ** (1 / q)
    exact = as_type(mx, dtype)
    case("max_pool", [last(x)], [last(exact), last(ix)], attrs, rtol=0.0)
    case("max_pool", [last(x)], [last(exact), last(iy)], {**attrs, "column_major": 1}, rtol=0.0)
    case("max_pool", [last(x)], [last(exact)], attrs, rtol=0.0)
    if dtype not in FLOATS: return
    case("average_pool", [last(x)], [last(as_type(avg, dtype))], attrs, atol=ATOL[dtype])
    case("average_pool", [last(x)], [last(as_type(avg_pad, dtype))], {**attrs, "count_include_pad": 1}, atol=ATOL[dtype])
    for q in lp: case("lp_pool", [last(x)], [last(as_type(lp[q], dtype))], {**attrs, "p": q}, atol=ATOL[dtype], rtol=2 * RTOL[dtype])


def pool_cases():
    for dtype in FLOATS + ["int8", "uint8"]:
        pool(dtype, (1, 3, 6, 7), [2, 3], [2, 1], pads=[1, 1, 0, 1])
        pool(dtype, (2, 5, 7, 7), [3, 3], [2, 2], ceil=True)
        pool(dtype, (1, 2, 9), [3], [2], dilation=[2], pads=[1, 1])
        pool(dtype, (1, 2, 4, 5, 4), [2, 2, 3], [1, 2, 1], pads=[0, 1, 1, 1, 0, 1])
    for _ in range(16):
        sp = int(rng.integers(1, 3))
        kernel = [int(v) for v in rng.integers(1, 4, sp)]
        dil = [int(v) for v in rng.integers(1, 3, sp)]
        # pads of at most half a window (and every tap of stride 1 reaches the image), as PyTorch asks for
        pads = [int(rng.integers(0, k // 2 + 1)) for k in kernel] * 2
        size = [int((k - 1) * d + 1 + rng.integers(0, 7)) for k, d in zip(kernel, dil)]
        pool("float32", (int(rng.integers(1, 3)), int(rng.integers(1, 20)), *size), kernel, [int(v) for v in rng.integers(1, 4, sp)], dil, pads, bool(rng.integers(2)))
    for auto in (1, 2):
        for k, s in ((2, 2), (3, 2), (3, 1), (2, 3)):
            x = randoms("float32", (1, 3, 7, 6))
            total = [max(0, (-(-i // s) - 1) * s + k - i) for i in (7, 6)]
            lo = [t // 2 if auto == 1 else t - t // 2 for t in total]
            pad = F.pad(t64(x), [lo[1], total[1] - lo[1], lo[0], total[0] - lo[0]], value=-math.inf)
            y = F.max_pool2d(pad, k, s).numpy()
            case("max_pool", [last(x)], [last(y.astype(np.float32))], {"kernel": [k, k], "strides": [s, s], "auto_pad": auto}, rtol=0.0)
    # NaN wins; the first of equal elements is told
    x = np.array([[[[1, 1, 0], [math.nan, 1, 2], [2, 2, 2]]]], np.float32)
    y, i = F.max_pool2d(torch.tensor(x), 2, 1, return_indices=True)
    case("max_pool", [last(x)], [last(y.numpy()), last(i.numpy())], {"kernel": [2, 2]}, rtol=0.0)
    for shape, k, s in (((2, 3, 6, 6), 2, 2), ((1, 2, 7, 5), 3, 2)):
        x = randoms("float32", shape)
        y, i = F.max_pool2d(torch.tensor(x), k, s, return_indices=True)
        plane = np.arange(shape[0] * shape[1]).reshape(shape[0], shape[1], 1, 1)
        natural = [(v - 1) * s + k for v in y.shape[2:]]
        # PyTorch's indices count in the pooled image, ONNX's here in the natural size
        row, col = np.divmod(i.numpy(), shape[3])
        flat = (plane * natural[0] + row) * natural[1] + col
        z = np.zeros((*shape[:2], *natural), np.float32)
        z.ravel()[flat.ravel()] = y.numpy().ravel()
        case("max_unpool", [last(y.numpy()), last(flat)], [last(z)], {"kernel": [k, k], "strides": [s, s]}, rtol=0.0)
        big = np.zeros((*shape[:2], natural[0] + 1, natural[1] + 2), np.float32)
        big[:, :, :natural[0], :natural[1]] = z
        case("max_unpool", [last(y.numpy()), last(flat), np.array(big.shape, np.int64)], [last(big)], {"kernel": [k, k], "strides": [s, s]}, rtol=0.0)


# --- recurrent cells --------------------------------------------------------------------------------------------------
CELL = {"sigmoid": 0, "tanh": 1, "relu": 2, "affine": 3, "leakyrelu": 4, "thresholdedrelu": 5, "scaledtanh": 6, "hardsigmoid": 7,
        "elu": 8, "softsign": 9, "softplus": 10}
ONNX_NAME = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "affine": "Affine", "leakyrelu": "LeakyRelu", "thresholdedrelu": "ThresholdedRelu",
             "scaledtanh": "ScaledTanh", "hardsigmoid": "HardSigmoid", "elu": "Elu", "softsign": "Softsign", "softplus": "Softplus"}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def torch_cell(op, dtype, length, batch, width, hidden, dirs, bias=True, state=True, relu=False):
    m = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[op]
    extra = {"nonlinearity": "relu"} if relu else {}
    net = m(width, hidden, bidirectional=dirs == 2, bias=bias, **extra).double()
    g = GATES[op]
    order = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}[op]  # PyTorch: i f g o; r z n
    move = lambda a: np.concatenate([a.reshape(g, hidden, -1)[k] for k in order])
    w, r, b = [], [], []
    with torch.no_grad():
        for p in net.parameters(): p.copy_(torch.tensor(steps(-0.6, 0.6, tuple(p.shape))))
    for d in range(dirs):
        s = "_l0" + ("_reverse" if d else "")
        get = lambda n: getattr(net, n + s).detach().numpy()
        w.append(move(get("weight_ih")))
        r.append(move(get("weight_hh")))
        if bias: b.append(np.concatenate([move(get("bias_ih")).ravel(), move(get("bias_hh")).ravel()]))
    x = randoms(dtype, (length, batch, width))
    h0 = randoms(dtype, (dirs, batch, hidden)) if state else None
    c0 = randoms(dtype, (dirs, batch, hidden)) if state and op == "lstm" else None
    start = None
    if state: start = (t64(h0), t64(c0)) if op == "lstm" else t64(h0)
    y, s = net(t64(x), start)
    y = y.detach().numpy().reshape(length, batch, dirs, hidden).transpose(0, 2, 1, 3)
    outs = [y] + [v.detach().numpy() for v in (s if op == "lstm" else (s,))]
    inputs = [x, as_type(np.stack(w), dtype), as_type(np.stack(r), dtype), as_type(np.stack(b), dtype) if bias else None, None, h0]
    if op == "lstm": inputs.append(c0)
    attrs = {"hidden": hidden}
    if dirs == 2: attrs["direction"] = 2
    if op == "gru": attrs["linear_before_reset"] = 1
    if relu: attrs["activations"] = [CELL["relu"]] * dirs
    case(op, inputs, [as_type(o, dtype) for o in outs], attrs, atol=10 * ATOL[dtype], rtol=5 * RTOL[dtype])


def ort_cell(op, length, batch, width, hidden, direction, acts=None, alphas=(), betas=(), clip=0.0, option=False, lengths=None, peep=False, state=True):
    dirs, g = (2 if direction == 2 else 1), GATES[op]
    f = lambda *s: steps(-0.8, 0.8, s).astype(np.float32)
    x, w, r, b = f(length, batch, width), f(dirs, g * hidden, width), f(dirs, g * hidden, hidden), f(dirs, 2 * g * hidden)
    inputs = {"x": x, "w": w, "r": r, "b": b}
    if lengths is not None: inputs["s"] = np.array(lengths, np.int32)
    if state: inputs["h"] = f(dirs, batch, hidden)
    if op == "lstm" and state: inputs["c"] = f(dirs, batch, hidden)
    if peep: inputs["p"] = f(dirs, 3 * hidden)
    order = ["x", "w", "r", "b", "s", "h"] + (["c", "p"] if op == "lstm" else [])
    outs = ["y", "yh"] + (["yc"] if op == "lstm" else [])
    kw = {"hidden_size": hidden, "direction": ["forward", "reverse", "bidirectional"][direction]}
    attrs = {"hidden": hidden, "direction": direction}
    if acts:
        kw["activations"] = [ONNX_NAME[a] for a in acts]
        attrs["activations"] = [CELL[a] for a in acts]
        a_list, b_list, ai, bi = [], [], iter(alphas), iter(betas)
        for a in acts:
            a_list.append(float(next(ai)) if a in ("affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu") else 0.0)
            b_list.append(float(next(bi)) if a in ("affine", "scaledtanh", "hardsigmoid") else 0.0)
        attrs["activation_alpha"], attrs["activation_beta"] = a_list, b_list
        if alphas: kw["activation_alpha"] = list(alphas)
        if betas: kw["activation_beta"] = list(betas)
    if clip: kw["clip"] = attrs["clip"] = clip
    if option:
        name = "input_forget" if op == "lstm" else "linear_before_reset"
        kw[name] = attrs[name] = 1
    node = oh.make_node(op.upper(), [k if k in inputs else "" for k in order], outs, **kw)
    info = [oh.make_tensor_value_info(k, onnx.TensorProto.INT32 if k == "s" else onnx.TensorProto.FLOAT, v.shape) for k, v in inputs.items()]
    graph = oh.make_graph([node], "g", info, [oh.make_tensor_value_info(o, onnx.TensorProto.FLOAT, None) for o in outs])
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 14)], ir_version=8)
    y = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, inputs)
    case(op, [inputs.get(k) for k in order], y, attrs, atol=4e-6, rtol=1e-5)


def recurrent_cases():
    torch.manual_seed(1)
    for dtype, op in itertools.product(FLOATS, ("lstm", "gru", "rnn")):
        torch_cell(op, dtype, 3, 2, 4, 5, 1)
        torch_cell(op, dtype, 4, 1, 3, 6, 2)
    for op in ("lstm", "gru", "rnn"):
        torch_cell(op, "float32", 1, 1, 1, 1, 1)
        torch_cell(op, "float32", 5, 3, 7, 16, 2, bias=False)
        torch_cell(op, "float32", 4, 5, 9, 33, 1, state=False)
        for direction in (0, 1, 2):
            ort_cell(op, 4, 3, 3, 5, direction)
            ort_cell(op, 5, 3, 4, 6, direction, lengths=[5, 2, 3])
            ort_cell(op, 4, 2, 3, 5, direction, clip=0.4)
            if op != "rnn": ort_cell(op, 4, 2, 3, 5, direction, option=True)
    torch_cell("rnn", "float32", 4, 3, 5, 9, 2, relu=True)
    ort_cell("lstm", 4, 2, 3, 5, 2, peep=True)
    ort_cell("lstm", 4, 2, 3, 5, 0, peep=True, clip=0.5)
    ort_cell("lstm", 4, 2, 3, 5, 1, peep=True, option=True, lengths=[3, 4])
    ort_cell("lstm", 3, 2, 3, 4, 0, ["hardsigmoid", "softsign", "affine"], [0.3, 0.7], [0.4, 0.1])
    ort_cell("lstm", 3, 2, 3, 4, 2, ["sigmoid", "tanh", "relu", "hardsigmoid", "leakyrelu", "elu"], [0.25, 0.2, 0.9], [0.5])
    ort_cell("gru", 3, 2, 3, 4, 0, ["hardsigmoid", "scaledtanh"], [0.3, 0.7], [0.4, 1.2])
    ort_cell("gru", 3, 2, 3, 4, 2, ["sigmoid", "softplus", "sigmoid", "relu"], option=True)
    for a, al, be in (("softplus", [], []), ("affine", [0.5], [0.25]), ("leakyrelu", [0.3], []), ("elu", [0.8], []), ("hardsigmoid", [0.3], [0.4]),
                      ("scaledtanh", [0.8], [0.5]), ("softsign", [], []), ("sigmoid", [], []), ("thresholdedrelu", [0.2], [])):
        ort_cell("rnn", 3, 2, 3, 4, 0, [a], al, be)


# --- attention --------------------------------------------------------------------------------------------------------
def attention(dtype, batch, heads, kv_heads, q_len, kv_len, dim, v_dim, inner=False, scale=None, softcap=0.0, causal=False, window=(-1, -1),
              mask=None, lengths=False, offset=None, stage=None):
    q, k, v = randoms(dtype, (batch, heads, q_len, dim)), randoms(dtype, (batch, kv_heads, kv_len, dim)), randoms(dtype, (batch, kv_heads, kv_len, v_dim))
    group = heads // kv_heads
    kk, vv = t64(k).repeat_interleave(group, 1), t64(v).repeat_interleave(group, 1)
    s = t64(q) @ kk.transpose(-1, -2) * (scale if scale else 1 / math.sqrt(dim))
    stages = [s]
    if softcap: s = softcap * torch.tanh(s / softcap)
    stages.append(s)
    attrs, inputs = {}, [q, k, v]
    pos = torch.arange(q_len).reshape(1, 1, -1, 1)
    key = torch.arange(kv_len).reshape(1, 1, 1, -1)
    n = torch.full((batch, 1, 1, 1), kv_len)
    if lengths:
        raw = rng.integers(1, kv_len + 1, batch)
        n = torch.tensor(raw).reshape(-1, 1, 1, 1)
        pos = pos + n - q_len
    if offset is not None: pos = torch.arange(q_len).reshape(1, 1, -1, 1) + offset
    hidden = (key >= n) | torch.zeros_like(pos, dtype=torch.bool)
    if causal: hidden = hidden | (key > pos)
    if window[0] >= 0: hidden = hidden | (key < pos - window[0])
    if window[1] >= 0: hidden = hidden | (key > pos + window[1])
    m = None
    if mask is not None:
        kind, shape = mask
        m = rng.uniform(0, 1, shape) > 0.3 if kind == "bool" else randoms(dtype, shape)
        if kind == "bool": hidden = hidden | ~torch.tensor(m)
        else: s = s + t64(m)
    s = s.masked_fill(hidden, -math.inf)
    stages.append(s)
    p = torch.nan_to_num(torch.softmax(s, -1), nan=0.0)
    stages.append(p)
    y = p @ vv
    swap = (lambda a: Bf16(a.a.transpose(0, 2, 1, 3).copy()) if isinstance(a, Bf16) else np.ascontiguousarray(np.asarray(a).transpose(0, 2, 1, 3))) if inner else (lambda a: a)
    inputs = [swap(q), swap(k), swap(v), m if m is None or isinstance(m, Bf16) else np.asarray(m), raw.astype(np.int64) if lengths else None,
              np.array([offset], np.int64) if offset is not None else None]
    if inner: attrs["layout"] = 1
    if scale: attrs["scale"] = scale
    if softcap: attrs["softcap"] = softcap
    if causal: attrs["is_causal"] = 1
    if window[0] >= 0: attrs["left_window"] = window[0]
    if window[1] >= 0: attrs["right_window"] = window[1]
    outs = [swap(as_type(y.numpy(), dtype))]
    if stage is not None:
        attrs["scores"] = stage
        outs.append(as_type(stages[stage].expand(batch, heads, q_len, kv_len).numpy(), dtype))
    case("attention", inputs, outs, attrs, atol=4 * ATOL[dtype], rtol=4 * RTOL[dtype])


def rotary(dtype, batch, heads, length, dim, half, inner, interleaved, ids):
    x = randoms(dtype, (batch, heads, length, dim))
    angle = rng.uniform(-3, 3, (9, half) if ids else (batch, length, half))
    cos, sin = as_type(np.cos(angle), dtype), as_type(np.sin(angle), dtype)
    inputs = [x, cos, sin]
    c, s = wide(cos), wide(sin)
    if ids:
        pos = rng.integers(0, 9, (batch, length))
        inputs.append(pos)
        c, s = c[pos], s[pos]
    c, s = c[:, None], s[:, None]
    v = wide(x)
    y = v.copy()
    first, second = (slice(0, 2 * half, 2), slice(1, 2 * half, 2)) if interleaved else (slice(0, half), slice(half, 2 * half))
    y[..., first] = v[..., first] * c - v[..., second] * s
    y[..., second] = v[..., first] * s + v[..., second] * c
    swap = lambda a: Bf16(swap(a.a)) if isinstance(a, Bf16) else np.ascontiguousarray(a.transpose(0, 2, 1, 3))
    out = as_type(y, dtype)
    if inner: inputs[0], out = swap(x), swap(out)
    attrs = {**({"layout": 1} if inner else {}), **({"interleaved": 1} if interleaved else {})}
    case("rotary_embedding", inputs, [out], attrs, atol=2 * ATOL[dtype])


def attention_cases():
    for dtype, inner in itertools.product(FLOATS, (False, True)):
        attention(dtype, 2, 3, 3, 5, 7, 8, 6, inner)
        attention(dtype, 1, 4, 2, 4, 4, 8, 8, inner, causal=True)
        attention(dtype, 2, 2, 1, 3, 6, 4, 4, inner, mask=("bool", (3, 6)), softcap=2.0)
        attention(dtype, 2, 2, 2, 3, 6, 4, 4, inner, mask=("float", (2, 1, 1, 6)), scale=0.25)
        rotary(dtype, 2, 3, 4, 8, 4, inner, False, True)
        rotary(dtype, 2, 3, 4, 8, 3, inner, True, False)
        rotary(dtype, 1, 1, 2, 140, 70, inner, inner, False)
    for stage in range(4):
        attention("float32", 1, 2, 2, 3, 4, 4, 4, softcap=1.5, mask=("float", (1, 2, 3, 4)), causal=True, stage=stage)
        attention("float64", 2, 2, 1, 3, 4, 4, 4, mask=("bool", (2, 1, 1, 4)), stage=stage)
    for _ in range(30):
        kv_heads = int(rng.integers(1, 4))
        batch, heads, q_len, kv_len = int(rng.integers(1, 3)), kv_heads * int(rng.integers(1, 4)), int(rng.integers(1, 12)), int(rng.integers(1, 24))
        shape = [(kv_len,), (q_len, kv_len), (1, 1, 1, kv_len), (batch, 1, 1, kv_len), (1, heads, q_len, kv_len), (batch, heads, q_len, kv_len), (batch, 1, q_len, 1)]
        mask = [None, ("bool", shape[int(rng.integers(len(shape)))]), ("float", shape[int(rng.integers(len(shape)))])][int(rng.integers(3))]
        attention("float32", batch, heads, kv_heads, q_len, kv_len, int(rng.integers(1, 20)), int(rng.integers(1, 20)), bool(rng.integers(2)),
                  softcap=float(rng.choice([0.0, 0.0, 5.0])), causal=bool(rng.integers(2)), mask=mask, lengths=bool(rng.integers(2)),
                  offset=[None, 0, 3][int(rng.integers(3))], window=[(-1, -1), (2, -1), (1, 1)][int(rng.integers(3))])
    attention("float32", 1, 1, 1, 4, 2, 4, 4, causal=True, offset=-2)  # the first queries see nothing


HERE.mkdir(exist_ok=True)
matmul_cases(); save("matmul")
conv_cases(); save("conv")
pool_cases(); save("pool")
recurrent_cases(); save("recurrent")
attention_cases(); save("attention")
