#!/usr/bin/env python3
"""Writes data/fused_gradients.json: inputs and expected outputs of attention_grad, layer_norm_grad,
gelu_grad, batch_norm with the statistics of the batch, and batch_norm_grad.

Expected values: PyTorch's own gradients in float64, from inputs that are exact in the type of the case, rounded once. Nothing of
GhostFlow takes part. Run with torch 2.13 (CPU):
  python3 make_fused_gradient_goldens.py
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(20261128)
TYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TOLERANCE = {"float64": (1e-12, 1e-12), "float32": (1e-5, 2e-6), "float16": (2e-3, 4e-3), "bfloat16": (2e-2, 4e-2)}
cases = []


def steps(*shape, low=-1.0, high=1.0):
    """Multiples of 1/64: exact in every type but the 8 bits of bfloat16 in the small range used here."""
    return torch.randint(round(low * 64), round(high * 64) + 1, shape).double() / 64


def tensor(t, dtype):
    if t is None: return None
    if t.dtype == torch.bool: return {"dtype": "bool", "shape": list(t.shape), "data": [int(v) for v in t.reshape(-1)]}
    if t.dtype == torch.int64: return {"dtype": "int64", "shape": list(t.shape), "data": t.reshape(-1).tolist()}
    exact = t.to(TYPES[dtype]).double().reshape(-1).tolist()
    text = {"float64": "{:.17g}", "float32": "{:.9g}"}.get(dtype, "{:.6g}")
    name = lambda v: "nan" if math.isnan(v) else "inf" if v > 0 else "-inf"
    return {"dtype": dtype, "shape": list(t.shape), "data": [float(text.format(v)) if math.isfinite(v) else name(v) for v in exact]}


def case(op, dtype, inputs, outputs, attrs):
    rtol, atol = TOLERANCE[dtype]
    cases.append({"op": op, "attrs": attrs, "inputs": [tensor(t, dtype) for t in inputs],
                  "outputs": [tensor(t.detach(), dtype) for t in outputs], "rtol": rtol, "atol": atol})


def attention(dtype, batch, heads, kv_heads, q_len, kv_len, dim, v_dim, inner=False, scale=0.0, softcap=0.0, causal=False,
              window=(-1, -1), mask=None, lengths=None, offset=None, planted=None):
    q, k, v = (steps(*s).requires_grad_() for s in ((batch, heads, q_len, dim), (batch, kv_heads, kv_len, dim), (batch, kv_heads, kv_len, v_dim)))
    if planted is not None:
        with torch.no_grad(): q[planted] = math.nan
    group = heads // kv_heads
    s = q @ k.repeat_interleave(group, 1).transpose(-1, -2) * (scale or 1 / math.sqrt(dim))
    if softcap: s = softcap * torch.tanh(s / softcap)
    pos, key = torch.arange(q_len).reshape(1, 1, -1, 1), torch.arange(kv_len).reshape(1, 1, 1, -1)
    n = torch.full((batch, 1, 1, 1), kv_len) if lengths is None else torch.tensor(lengths).reshape(-1, 1, 1, 1)
    pos = pos + (offset if offset is not None else 0 if lengths is None else n - q_len)
    hidden = (key >= n) | torch.zeros_like(pos, dtype=torch.bool)
    if causal: hidden = hidden | (key > pos)
    if window[0] >= 0: hidden = hidden | (key < pos - window[0])
    if window[1] >= 0: hidden = hidden | (key > pos + window[1])
    m = None
    if mask is not None:
        kind, shape = mask
        m = torch.rand(shape) > 0.3 if kind == "bool" else steps(*shape)
        if kind == "bool": hidden = hidden | ~m
        else: s = s + m
    p = torch.softmax(s.masked_fill(hidden, -1e300), -1).masked_fill(hidden, 0)  # a query without any key: zeros
    y = p @ v.repeat_interleave(group, 1)
    dy = steps(*y.shape)
    gradients = torch.autograd.grad(y, (q, k, v), dy)
    swap = lambda t: t.detach().transpose(1, 2).contiguous() if inner else t.detach()
    attrs = {"layout": int(inner), "scale": scale, "softcap": softcap, "is_causal": int(causal), "left_window": window[0], "right_window": window[1]}
    case("attention_grad", dtype, [swap(q), swap(k), swap(v), swap(y), swap(dy), m, None if lengths is None else torch.tensor(lengths),
                                   None if offset is None else torch.tensor([offset])],
         [swap(g) for g in gradients], attrs)


for dtype in TYPES:
    attention(dtype, 2, 2, 2, 5, 7, 4, 3)
    attention(dtype, 1, 4, 2, 4, 4, 3, 5, inner=True, causal=True)
for dtype in ("float64", "float32"):
    attention(dtype, 2, 2, 1, 3, 6, 4, 4, mask=("bool", (3, 6)), softcap=2.0)
    attention(dtype, 2, 2, 2, 3, 6, 4, 4, inner=True, mask=("float", (2, 1, 1, 6)), scale=0.25)
    attention(dtype, 2, 6, 2, 5, 9, 5, 3, inner=True, lengths=[4, 9], causal=True, mask=("float", (1, 6, 5, 9)))
    attention(dtype, 1, 2, 1, 6, 6, 3, 3, window=(2, 1), offset=1, softcap=1.5)
    attention(dtype, 1, 1, 1, 4, 2, 4, 4, causal=True, offset=-2)  # the first queries see nothing
    attention(dtype, 1, 2, 2, 3, 3, 3, 3, planted=(0, 1, 2, 0))    # NaN in one query reaches the keys and values of its head
    attention(dtype, 0, 2, 1, 3, 4, 4, 4)
    attention(dtype, 1, 2, 1, 0, 4, 4, 4)
attention("float32", 1, 2, 1, 53, 18, 5, 3, causal=True, offset=-20)


def layer_norm(dtype, lead, own, centred=True, bias=True, epsilon=1e-3):
    x, scale, b = steps(*lead, *own, low=-2, high=2).requires_grad_(), steps(*own).requires_grad_(), steps(*own).requires_grad_()
    axes = tuple(range(len(lead), len(lead) + len(own)))
    if centred: y = F.layer_norm(x, own, scale, b, eps=epsilon)
    else: y = F.rms_norm(x, own, scale, eps=epsilon)
    dy = steps(*y.shape)
    wanted = (x, scale, b) if bias and centred else (x, scale)
    gradients = torch.autograd.grad(y, wanted, dy)
    mean = x.mean(axes, keepdim=True) if centred else torch.zeros(1).double()
    inverse = 1 / torch.sqrt(((x - mean) ** 2).mean(axes, keepdim=True) + epsilon)
    own_type = "float64" if dtype == "float64" else "float32"
    case("layer_norm_grad", dtype, [x.detach(), scale.detach(), None, dy], gradients, {"axis": len(lead)})
    cases[-1]["inputs"][2] = tensor(inverse.detach(), own_type)
    if centred: cases[-1]["inputs"].append(tensor(mean.detach(), own_type))


for dtype in TYPES:
    layer_norm(dtype, (5,), (6,))
    layer_norm(dtype, (2, 3), (19,), centred=False)
for dtype in ("float64", "float32"):
    layer_norm(dtype, (2, 2), (3, 5), bias=False)
    layer_norm(dtype, (70,), (3,))
    layer_norm(dtype, (0,), (4,))
    layer_norm(dtype, (), (33,))

for dtype in TYPES:
    for approximate in ("none", "tanh"):
        x = torch.tensor([0.0, -0.0, 0.5, -0.75, 1, -1, 2, -2, 3.5, -3.5, 5, -5, 9, -9, 30, -30, math.nan]).double().requires_grad_()
        dy = steps(17)
        case("gelu_grad", dtype, [x.detach(), dy], torch.autograd.grad(F.gelu(x, approximate=approximate), x, dy), {"approximate": int(approximate == "tanh")})


def batch_norm(dtype, *shape, activation=0, low=0.0, high=0.0, given=False, scale_only=False, epsilon=2 ** -10):
    exact = lambda t: t.to(TYPES[dtype]).double()
    x, scale = steps(*shape, low=-2, high=3).requires_grad_(), exact(steps(shape[-1]) + 1 / 3).requires_grad_()
    bias = exact(steps(shape[-1]) + 1 / 3).requires_grad_()
    axes = tuple(range(len(shape) - 1))
    mean = x.mean(axes) if axes else x
    var = ((x - mean) ** 2).mean(axes) if axes else (x - mean) ** 2
    y = (x - mean) / torch.sqrt(var + epsilon) * scale + bias
    if activation == 1: y = torch.relu(y)
    if activation == 2: y = torch.clamp(y, low, high)
    dy = steps(*shape)
    gradients = torch.autograd.grad(y, (x, scale) if scale_only else (x, scale, bias), dy)
    attrs = {"epsilon": epsilon, "activation": activation, "activation_a": low, "activation_b": high}
    own_type = "float64" if dtype == "float64" else "float32"
    statistics = [tensor(t.detach(), own_type) for t in (mean, var)]
    inputs = [x.detach(), scale.detach(), bias.detach()]
    if given:  # what left, given back
        case("batch_norm", dtype, inputs, [y], attrs)
        cases[-1]["inputs"] += statistics
    else:
        case("batch_norm", dtype, inputs, [y], attrs)
        cases[-1]["outputs"] += statistics
    case("batch_norm_grad", dtype, [inputs[0], inputs[1], None, None, dy], gradients, attrs)
    cases[-1]["inputs"][2:4] = statistics
    if activation: cases[-1]["inputs"].append(tensor(inputs[2], dtype))


for dtype in TYPES:
    batch_norm(dtype, 4, 3, 5)
    batch_norm(dtype, 7, 19, scale_only=True)
for dtype in ("float64", "float32"):
    batch_norm(dtype, 2, 5, 5, 17, activation=1)
    batch_norm(dtype, 300, 3, activation=2, low=-0.25, high=0.75)
    batch_norm(dtype, 9, 140, activation=1, given=True)
    batch_norm(dtype, 1, 4)
    batch_norm(dtype, 33)

lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
(pathlib.Path(__file__).parent / "data" / "fused_gradients.json").write_text("[\n" + lines + "\n]\n")
print(len(cases), "cases")
