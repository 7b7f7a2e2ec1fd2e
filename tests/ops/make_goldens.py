#!/usr/bin/env python3
"""Writes data/{elementwise,cast,reduce,norm}.json: inputs and expected outputs of single ops.

Expected values come from PyTorch and NumPy in float64 (integers: exact Python or NumPy arithmetic), rounded once to the
output's type; small floats from ml_dtypes. Nothing of GhostFlow takes part. Run with numpy, torch, ml_dtypes:
  python3 make_goldens.py
"""
import itertools
import json
import math
import pathlib

import ml_dtypes
import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent / "data"
rng = np.random.default_rng(20261123)
DT = {
    "float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
    "int8": np.int8, "uint8": np.uint8, "int16": np.int16, "uint16": np.uint16, "int32": np.int32,
    "uint32": np.uint32, "int64": np.int64, "uint64": np.uint64, "bool": np.bool_,
    "int4": ml_dtypes.int4, "uint4": ml_dtypes.uint4, "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz, "float4_e2m1": ml_dtypes.float4_e2m1fn,
}
NAME = {np.dtype(v): k for k, v in DT.items()}
RTOL = {"float32": 2e-6, "float64": 4e-15, "float16": 1e-3, "bfloat16": 8e-3}
FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
SIGNED = ["int8", "int16", "int32", "int64"]


# float attributes are float32 in ONNX and in GhostFlow
f32 = lambda v: float(np.float32(v))
ALPHA, GAMMA, EPS, EPS5 = f32(1.67326319217681884765625), f32(1.05070102214813232421875), f32(1e-3), f32(1e-5)


def number(v):
    if isinstance(v, float):
        if math.isnan(v): return "nan"
        if math.isinf(v): return "inf" if v > 0 else "-inf"
        return v
    return v


def tensor(a):
    a = np.asarray(a)
    name = NAME[a.dtype]
    if name in ("int4", "uint4"): data = [int(v) for v in a.astype(np.int64).ravel()]
    elif name in INTS or name == "bool": data = [int(v) for v in a.astype(object).ravel()]
    elif name == "float64": data = [number(float(v)) for v in a.ravel()]
    # the shortest decimal that reads back as the same float32 (which holds every narrower float)
    else: data = [number(float(str(v))) for v in a.astype(np.float32).ravel()]
    return {"dtype": name, "shape": list(a.shape), "data": data}


cases = []


def case(op, inputs, outputs, attrs=None, rtol=None, atol=0.0):
    outputs = [np.asarray(o) for o in outputs]
    if rtol is None: rtol = RTOL.get(NAME[outputs[0].dtype], 0.0)
    cases.append({"op": op, "attrs": attrs or {}, "inputs": [None if i is None else tensor(i) for i in inputs],
                  "outputs": [tensor(o) for o in outputs], "rtol": rtol, "atol": atol})


def save(name):
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (HERE / f"{name}.json").write_text("[\n" + lines + "\n]\n")
    print(name, len(cases), "cases")
    cases.clear()


def as_type(x64, dtype):
    """float64 -> dtype with one rounding (ml_dtypes would go through float32 for bfloat16)."""
    if dtype == "bfloat16": return torch.tensor(np.asarray(x64)).to(torch.bfloat16).float().numpy().astype(DT[dtype])
    return np.asarray(x64).astype(DT[dtype])


def randoms(dtype, shape, low=-4.0, high=4.0):
    if dtype in FLOATS: return as_type(rng.uniform(low, high, shape), dtype)
    info = np.iinfo(DT[dtype])
    return rng.integers(max(info.min, -100), min(info.max, 100), shape, dtype=np.int64).astype(DT[dtype])


def t64(x): return torch.tensor(np.asarray(x).astype(np.float64))


# --- elementwise ----------------------------------------------------------------------------------------------------
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -1.5, math.inf, -math.inf, math.nan, 30.0, -30.0]
f64 = lambda g: (lambda x: np.asarray(g(t64(x))))


def unary_cases():
    clampless = {
        "abs": torch.abs, "neg": torch.neg, "sqrt": torch.sqrt, "reciprocal": torch.reciprocal, "log": torch.log,
        "exp": torch.exp, "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "asin": torch.asin, "acos": torch.acos,
        "atan": torch.atan, "sinh": torch.sinh, "cosh": torch.cosh, "tanh": torch.tanh, "asinh": torch.asinh,
        "acosh": torch.acosh, "atanh": torch.atanh, "ceil": torch.ceil, "floor": torch.floor, "round": torch.round,
        "erf": torch.erf, "relu": torch.relu, "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
        "softsign": F.softsign, "sigmoid": torch.sigmoid, "mish": F.mish, "hard_swish": F.hardswish,
    }
    for name, g in clampless.items():
        for dtype in FLOATS:
            x = as_type(np.concatenate([SPECIAL if dtype == "float32" else SPECIAL[:8], rng.uniform(-5, 5, 24)]), dtype)
            if dtype == "float16" and name in ("sinh", "cosh", "exp"): x = as_type(rng.uniform(-5, 5, 24), dtype)
            if name == "softsign": x = x[np.isfinite(x.astype(np.float64))]
            y = g(t64(x)).numpy()
            if name in ("mish", "hard_swish"): y = np.where(np.isneginf(x.astype(np.float64)), np.nan, y)  # -inf * 0
            if name in ("abs", "neg", "ceil", "floor", "round", "relu"): case(name, [x], [as_type(y, dtype)], rtol=0.0)
            else: case(name, [x], [as_type(y, dtype)], atol=1e-7 if dtype == "float32" else 0.0)
    parametric = [
        ("leaky_relu", {"alpha": 0.125}, lambda x: F.leaky_relu(x, 0.125)),
        ("elu", {"alpha": 1.5}, lambda x: F.elu(x, 1.5)),
        ("celu", {"alpha": 2.0}, lambda x: F.celu(x, 2.0)),
        ("selu", {}, lambda x: GAMMA * torch.where(x > 0, x, ALPHA * torch.expm1(x))),
        ("hard_sigmoid", {"alpha": 0.25, "beta": 0.375}, lambda x: torch.clamp(0.25 * x + 0.375, 0, 1)),
        ("gelu", {}, F.gelu),
        ("gelu", {"approximate": 1}, lambda x: F.gelu(x, approximate="tanh")),
        ("swish", {}, F.silu),
        ("swish", {"alpha": 1.5}, lambda x: x * torch.sigmoid(1.5 * x)),
        ("thresholded_relu", {"alpha": 0.75}, lambda x: F.threshold(x, 0.75, 0.0)),
        ("shrink", {"lambd": 1.5, "bias": 0.5}, lambda x: torch.where(x < -1.5, x + 0.5, torch.where(x > 1.5, x - 0.5, 0 * x))),
        ("clip", {"min": -1.25, "max": 2.0}, lambda x: torch.clamp(x, -1.25, 2.0)),
        ("clip", {"min": 0.0}, lambda x: torch.clamp(x, min=0.0)),
        ("clip", {"min": 2.0, "max": 1.0}, lambda x: torch.full_like(x, 1.0)),
    ]
    for name, attrs, g in parametric:
        for dtype in FLOATS:
            x = as_type(rng.uniform(-5, 5, (3, 11)), dtype)
            # float32 forms subtract: one part in 2^23 of the largest term is the honest bound near a zero
            case(name, [x], [as_type(g(t64(x)).numpy(), dtype)], attrs, atol={"float32": 5e-7, "float16": 2e-5, "bfloat16": 1e-4}.get(dtype, 1e-15))
    for dtype in FLOATS + SIGNED:
        x = randoms(dtype, (2, 3, 7))
        case("sign", [x], [np.sign(x.astype(np.float64)).astype(DT[dtype])], rtol=0.0)
    for dtype in SIGNED:
        info = np.iinfo(DT[dtype])
        x = np.array([info.min, info.max, 0, 1, -1, 77, -77], DT[dtype])
        with np.errstate(over="ignore"):
            case("abs", [x], [np.abs(x)])
            case("neg", [x], [np.negative(x)])
        case("relu", [x], [np.maximum(x, 0)])
    for dtype in INTS:
        info = np.iinfo(DT[dtype])
        x = np.array([info.min, info.max, 0, 1, 77], DT[dtype])
        case("bitwise_not", [x], [~x])
    case("not", [np.array([[True, False, True]])], [np.array([[False, True, False]])])
    x = np.array([0, math.nan, math.inf, -math.inf, 1e30, -0.0], np.float32)
    for dtype in FLOATS:
        v = as_type(x[[0, 1, 2, 3, 5]], dtype)
        w = v.astype(np.float64)
        case("is_nan", [v], [np.isnan(w)])
        case("is_inf", [v], [np.isinf(w)])
        case("is_inf", [v], [np.isposinf(w)], {"detect_negative": 0})
        case("is_inf", [v], [np.isneginf(w)], {"detect_positive": 0})
    case("exp", [np.zeros((0, 3), np.float32)], [np.zeros((0, 3), np.float32)])
    case("exp", [np.array(1.0, np.float32)], [np.array(math.e, np.float32)])


SHAPES = [((3, 5), (3, 5)), ((3, 5), (5,)), ((2, 3, 4), (3, 1)), ((2, 1, 4), (3, 1)), ((), (2, 2)), ((7,), (1,)),
          ((2, 3, 1, 5, 2), (3, 4, 1, 2)), ((0, 3), (1, 3)), ((300,), (300,)), ((1, 1, 270), (2, 1))]


def trunc_div(a, b):
    q = abs(int(a)) // abs(int(b))
    return q if (int(a) < 0) == (int(b) < 0) else -q


def wrap(v, dtype):
    bits = np.iinfo(DT[dtype]).bits
    v &= (1 << bits) - 1
    if dtype in SIGNED and v >> (bits - 1): v -= 1 << bits
    return v


def exact(f, dtype, *arrays):
    arrays = np.broadcast_arrays(*arrays)
    out = [wrap(f(*(int(v) for v in vs)), dtype) for vs in zip(*(a.astype(object).ravel() for a in arrays))]
    return np.array(out, dtype=DT[dtype]).reshape(arrays[0].shape)


def binary_cases():
    names = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "min": np.minimum, "max": np.maximum}
    for k, ((sa, sb), name) in enumerate(itertools.product(SHAPES, names)):
        dtype = FLOATS[k % 4]
        if np.prod(sa) > 100: dtype = "float32"
        a, b = randoms(dtype, sa), randoms(dtype, sb, 0.5, 4.0)
        case(name, [a, b], [as_type(names[name](a.astype(np.float64), b.astype(np.float64)), dtype)])
    for dtype in INTS:
        info = np.iinfo(DT[dtype])
        a = np.array([info.min, info.max, 7, 100, 3, 5], DT[dtype])
        b = np.array([info.max, 2, 3, 100, 1, 9], DT[dtype])
        if dtype in SIGNED:
            a = np.concatenate([a, np.array([-7, info.min, 7], DT[dtype])])
            b = np.concatenate([b, np.array([3, -1, -3], DT[dtype])])
        for name, g in {"add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": trunc_div,
                        "mod": lambda x, y: x % y, "min": min, "max": max, "bitwise_and": lambda x, y: x & y,
                        "bitwise_or": lambda x, y: x | y, "bitwise_xor": lambda x, y: x ^ y}.items():
            case(name, [a, b], [exact(g, dtype, a, b)])
        case("mod", [a, b], [exact(lambda x, y: x - trunc_div(x, y) * y, dtype, a, b)], {"fmod": 1})
        n = np.array([0, 1, 2, 3, 5, 4], DT[dtype])
        base = np.array([0, 1, 3, 2, 2, 5], DT[dtype])
        case("pow", [base, n], [exact(lambda x, y: x ** y, dtype, base, n)])
        bits = info.bits
        v = np.array([1, 3, info.max, 100, info.min, 1, 1], DT[dtype])
        s = np.array([1, 4, bits - 1, bits, 1, bits - 1, 0], DT[dtype])
        case("bit_shift", [v, s], [exact(lambda x, y: 0 if y >= bits else x << y, dtype, v, s)], {"direction": 0})
        case("bit_shift", [v, s], [exact(lambda x, y: x >> y, dtype, v, s)], {"direction": 1})
    case("pow", [np.array([2, -1, -1, 1, 5], np.int32), np.array([-1, -1, -2, -7, -3], np.int32)], [np.array([0, -1, 1, 1, 0], np.int32)])
    a = np.array([5.3, -5.3, 5.3, -5.3, 0.0, 6.0, 1e10, math.inf, 3.0], np.float32)
    b = np.array([2.0, 2.0, -2.0, -2.0, 3.0, -3.0, 7.0, 2.0, math.inf], np.float32)
    case("mod", [a, b], [np.mod(a, b)], rtol=0.0)
    case("mod", [a, b], [np.fmod(a, b)], {"fmod": 1}, rtol=0.0)
    for dtype in FLOATS:
        a, b = randoms(dtype, (2, 9), 0.1, 4.0), randoms(dtype, (9,), -2.0, 2.0)
        case("pow", [a, b], [as_type(np.power(a.astype(np.float64), b.astype(np.float64)), dtype)])
        a, b = randoms(dtype, (2, 3, 4)), randoms(dtype, (3, 1))
        x, s = a.astype(np.float64), b.astype(np.float64)
        case("prelu", [a, b], [as_type(np.where(x < 0, x * s, x), dtype)])
    n = np.array([1.0, math.nan, 2.0, math.nan], np.float32)
    m = np.array([math.nan, 1.0, 3.0, math.nan], np.float32)
    case("min", [n, m], [np.minimum(n, m)])
    case("max", [n, m], [np.maximum(n, m)])
    compares = {"equal": np.equal, "less": np.less, "less_or_equal": np.less_equal, "greater": np.greater, "greater_or_equal": np.greater_equal}
    for name, g in compares.items():
        for dtype in FLOATS[:3] + INTS:
            a = rng.integers(0, 4, (3, 5)).astype(DT[dtype])
            b = rng.integers(0, 4, (5,)).astype(DT[dtype])
            case(name, [a, b], [g(a, b)])
        case(name, [n, m], [g(n, m)])
    u = np.array([2**63 + 1, 5, 2**64 - 1], np.uint64)
    case("less", [u, np.array([2**63], np.uint64)], [np.array([False, True, False])])
    p, q = np.array([[True, True, False, False]]), np.array([[True, False, True, False]])
    case("equal", [p, q], [p == q])
    for name, g in {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}.items():
        case(name, [p, q.reshape(4, 1)], [g(p, q.reshape(4, 1))])
    for dtype in FLOATS + INTS + ["bool"]:
        c = rng.integers(0, 2, (2, 1, 5)).astype(np.bool_)
        a, b = rng.integers(0, 2, (3, 1)).astype(DT[dtype]), rng.integers(0, 2, (1, 3, 5)).astype(DT[dtype])
        case("where", [c, a, b], [np.where(c, a, b)])


# --- casts ----------------------------------------------------------------------------------------------------------
def cast_cases():
    plain = FLOATS + INTS + ["bool"]
    values = np.array([0, 1, 2, 3, 100, 127, 5, 64], np.float64)
    signed = np.array([-1, -2, -100, -128, 7], np.float64)
    fractions = np.array([0.1, 0.5, 1.5, 2.75, -0.5, -1.5, -2.75, 65000.0, 1e-7, 3.14159265358979], np.float64)
    order = list(DT)
    code = {"float32": 1, "float64": 2, "float16": 3, "bfloat16": 4, "int8": 5, "uint8": 6, "int16": 7, "uint16": 8,
            "int32": 9, "uint32": 10, "int64": 11, "uint64": 12, "bool": 13, "int4": 15, "uint4": 16, "float8_e4m3fn": 19,
            "float8_e4m3fnuz": 20, "float8_e5m2": 21, "float8_e5m2fnuz": 22, "float4_e2m1": 23}
    for src in plain:
        for dst in plain:
            x = values
            if src in FLOATS + SIGNED and dst in FLOATS + SIGNED: x = np.concatenate([x, signed])
            if src in FLOATS and (dst in FLOATS or dst == "bool"): x = np.concatenate([x, fractions])
            if src == "bool": x = np.array([0, 1, 1, 0], np.float64)
            a = as_type(x, src) if src in FLOATS else x.astype(DT[src])
            if dst == "bool": y = a.astype(np.float64) != 0
            elif src in FLOATS and dst in FLOATS: y = as_type(a.astype(np.float64), dst)
            elif src in FLOATS: y = np.trunc(a.astype(np.float64)).astype(DT[dst])
            elif dst in FLOATS: y = as_type(a.astype(np.float64), dst)
            else: y = a.astype(DT[dst])
            case("cast", [a], [y], {"to": code[dst]}, rtol=0.0)
    # out of range: ONNX wants infinities between floats, low bits between integers
    case("cast", [np.array([1e6, -1e6, 65519.0, 65520.0], np.float32)], [np.array([np.inf, -np.inf, 65504, np.inf], np.float16)], {"to": 3}, rtol=0.0)
    case("cast", [np.array([1e300, -1e300], np.float64)], [np.array([np.inf, -np.inf], np.float32)], {"to": 1}, rtol=0.0)
    case("cast", [np.array([200, -129, 70000], np.int32)], [np.array([200, -129, 70000], np.int64).astype(np.int8)], {"to": 5})
    case("cast", [np.array([2**64 - 1, 2**63], np.uint64)], [np.array([-1, -2**63], np.int64)], {"to": 11})
    case("cast", [np.array([math.nan, math.inf], np.float32)], [np.array([True, True])], {"to": 13})
    # one rounding from f64: a value just above a tie of float16 and bfloat16
    tie = np.array([1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-11, 1 + 2.0**-8 + 2.0**-45], np.float64)
    case("cast", [tie], [np.array([1 + 2.0**-10, 1, 1 + 2.0**-8], np.float16)], {"to": 3}, rtol=0.0)
    case("cast", [tie], [np.array([1, 1, 1 + 2.0**-7], np.float32).astype(ml_dtypes.bfloat16)], {"to": 4}, rtol=0.0)
    # small floats; ml_dtypes does not saturate, so its overflow results are those of saturate = 0
    small = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]
    every = np.arange(256, dtype=np.uint8)
    x = np.concatenate([rng.normal(0, 1, 40), rng.normal(0, 100, 40), rng.normal(0, 0.01, 40), [0.0, 448.0, 464.0, 240.0, 57344.0, 2.0**-9, 2.0**-10, 3 * 2.0**-10, 2.0**-17]]).astype(np.float32)
    for name in small:
        top = float(ml_dtypes.finfo(DT[name]).max)
        a = x[np.abs(x) <= top]
        case("cast", [a], [a.astype(DT[name])], {"to": code[name]}, rtol=0.0)
        case("cast", [a.astype(np.float64)], [a.astype(DT[name])], {"to": code[name]}, rtol=0.0)
        over = np.array([top * 1.5, -top * 1.5, math.inf, -math.inf, math.nan], np.float32)
        case("cast", [over], [np.array([top, -top, top, -top, math.nan], np.float32).astype(DT[name])], {"to": code[name]}, rtol=0.0)
        case("cast", [over], [over.astype(DT[name])], {"to": code[name], "saturate": 0}, rtol=0.0)
        patterns = every.view(DT[name])
        case("cast", [patterns], [patterns.astype(np.float32)], {"to": 1}, rtol=0.0)
    f4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -6, 0.25, 0.75, 1.25, 1.75, 2.5, 5.0, 100.0], np.float32)
    case("cast", [f4], [f4.astype(DT["float4_e2m1"])], {"to": 23}, rtol=0.0)
    case("cast", [f4[:9].astype(DT["float4_e2m1"])], [f4[:9]], {"to": 1}, rtol=0.0)
    i4 = np.array([-8, -1, 0, 1, 7], np.int8)
    case("cast", [i4.astype(ml_dtypes.int4)], [i4], {"to": 5})
    case("cast", [i4.astype(np.float32)], [i4.astype(ml_dtypes.int4)], {"to": 15})
    u4 = np.array([0, 1, 8, 15, 9, 3, 2], np.uint8)
    case("cast", [u4.astype(ml_dtypes.uint4)], [u4.astype(np.float32)], {"to": 1})
    case("cast", [u4], [u4.astype(ml_dtypes.uint4)], {"to": 16})


# --- reductions -----------------------------------------------------------------------------------------------------
def reduce_cases():
    plain = {"reduce_sum": np.sum, "reduce_mean": np.mean, "reduce_max": np.max, "reduce_min": np.min, "reduce_prod": np.prod,
             "reduce_l1": lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims),
             "reduce_l2": lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)),
             "reduce_log_sum": lambda x, axis, keepdims: np.log(np.sum(x, axis=axis, keepdims=keepdims)),
             "reduce_log_sum_exp": lambda x, axis, keepdims: torch.logsumexp(torch.tensor(x), dim=axis, keepdim=keepdims).numpy(),
             "reduce_sum_square": lambda x, axis, keepdims: np.sum(x * x, axis=axis, keepdims=keepdims)}
    combos = [((3, 4, 5), [0]), ((3, 4, 5), [1]), ((3, 4, 5), [2]), ((3, 4, 5), [0, 2]), ((3, 4, 5), [-1, -2]), ((2, 3, 2, 3, 2), [1, 3]),
              ((2, 3, 2, 3, 2), [0, 2, 4]), ((7,), [0]), ((3, 4, 5), []), ((1, 6, 1), [0, 2]), ((150, 3), [0]), ((2, 150), [1])]
    for name, g in plain.items():
        for k, (shape, axes) in enumerate(combos):
            dtype = FLOATS[k % 4] if np.prod(shape) < 100 else "float32"
            low = 0.5 if name in ("reduce_log_sum", "reduce_prod") else -2.0
            x = randoms(dtype, shape, low, 2.0 if name != "reduce_prod" else 1.5)
            if name == "reduce_prod" and np.prod(shape) > 100: x = as_type(rng.uniform(0.95, 1.05, shape), dtype)
            keep = k % 2 == 0
            y = g(x.astype(np.float64), axis=tuple(axes) if axes else tuple(range(len(shape))), keepdims=keep)
            case(name, [x], [as_type(y, dtype)], {"axes": axes, "keepdims": int(keep)}, atol=1e-6 if dtype == "float32" else 0.0)
        x = randoms("float64", (2, 3), 0.5, 2.0)
        y = g(x[:, :, None], axis=(2,), keepdims=False)
        case(name, [x], [y], {"none": 1})
    for dtype in ["int32", "int64", "uint8", "int8"]:
        x = rng.integers(0, 5, (3, 4)).astype(DT[dtype])
        for name in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_sum_square", "reduce_l1"):
            y = plain[name](x.astype(np.int64), axis=(1,), keepdims=False)
            case(name, [x], [y.astype(DT[dtype])], {"axes": [1], "keepdims": 0})
        e = np.zeros((2, 0), DT[dtype])
        case("reduce_max", [e], [np.full((2, 1), np.iinfo(DT[dtype]).min, DT[dtype])], {"axes": [1]})
        case("reduce_min", [e], [np.full((2, 1), np.iinfo(DT[dtype]).max, DT[dtype])], {"axes": [1]})
    b = np.array([[True, False], [False, False]])
    case("reduce_max", [b], [np.max(b, 1)], {"axes": [1], "keepdims": 0})
    case("reduce_min", [b], [np.min(b, 1)], {"axes": [1], "keepdims": 0})
    e = np.zeros((2, 0, 3), np.float32)
    for name, v in {"reduce_sum": 0, "reduce_prod": 1, "reduce_max": -math.inf, "reduce_min": math.inf, "reduce_mean": math.nan,
                    "reduce_log_sum_exp": -math.inf, "reduce_log_sum": -math.inf, "reduce_l1": 0, "reduce_l2": 0}.items():
        case(name, [e], [np.full((2, 1, 3), v, np.float32)], {"axes": [1]})
    case("reduce_max", [np.array([1, math.nan, 3], np.float32)], [np.array([math.nan], np.float32)])
    case("reduce_log_sum_exp", [np.array([1000.0, 1000.0], np.float32)], [np.array([1000 + math.log(2)], np.float32)])
    case("reduce_sum", [np.array(3.5, np.float32)], [np.array(3.5, np.float32)])
    # axes as an input
    x = randoms("float32", (2, 3, 4))
    case("reduce_sum", [x, np.array([-1, 0], np.int64)], [x.astype(np.float64).sum((0, 2)).astype(np.float32)], {"keepdims": 0}, atol=1e-6)
    for dtype in FLOATS[:3] + ["int32", "uint8", "int64"]:
        x = rng.integers(0, 4, (3, 5, 4)).astype(DT[dtype])
        for axis in (0, 1, -1):
            for name, g in (("arg_max", np.argmax), ("arg_min", np.argmin)):
                case(name, [x], [np.expand_dims(g(x, axis), axis)], {"axis": axis})
                n = x.shape[axis]
                case(name, [x], [n - 1 - g(np.flip(x, axis), axis)], {"axis": axis, "keepdims": 0, "select_last_index": 1})
    case("arg_max", [np.array([1, math.nan, 3], np.float32)], [np.array([1], np.int64)])
    for dtype in FLOATS[:3] + ["int32", "int64", "uint8"]:
        x = randoms(dtype, (2, 5, 3), 0.5, 1.5) if dtype in FLOATS else rng.integers(1, 4, (2, 5, 3)).astype(DT[dtype])
        wide = x.astype(np.float64) if dtype in FLOATS else x.astype(np.int64)
        for name, g, start in (("cum_sum", np.cumsum, 0), ("cum_prod", np.cumprod, 1)):
            for axis, exclusive, reverse in ((1, 0, 0), (-1, 1, 0), (0, 0, 1), (1, 1, 1)):
                v = np.flip(wide, axis) if reverse else wide
                y = g(v, axis=axis)
                if exclusive:
                    y = np.roll(y, 1, axis)
                    np.moveaxis(y, axis, 0)[0] = start
                if reverse: y = np.flip(y, axis)
                y = as_type(y, dtype) if dtype in FLOATS else y.astype(DT[dtype])
                case(name, [x], [y], {"axis": axis, "exclusive": exclusive, "reverse": reverse})
    x = np.array([1.0, 2.0, 3.0], np.float32)
    case("cum_sum", [x, np.array(0, np.int32)], [np.cumsum(x)])
    for dtype in FLOATS[:3] + ["int32", "uint8"]:
        x = rng.integers(0, 9, (3, 7, 2)).astype(DT[dtype])
        for axis, k, largest in ((1, 3, 1), (1, 7, 0), (0, 2, 1), (-1, 0, 1), (1, 1, 0)):
            order = np.argsort(-x.astype(np.float64) if largest else x.astype(np.float64), axis=axis, kind="stable")
            idx = np.take(order, np.arange(k), axis=axis)
            case("top_k", [x, np.array([k], np.int64)], [np.take_along_axis(x, idx, axis), idx.astype(np.int64)], {"axis": axis, "largest": largest})


# --- normalisations -------------------------------------------------------------------------------------------------
def norm_cases():
    for dtype in FLOATS:
        tol = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}.get(dtype, 1e-14)
        for shape, axis in (((3, 4, 5), -1), ((3, 4, 5), 1), ((3, 4, 5), 0), ((6,), 0), ((2, 140, 2), 1), ((2, 1, 150), 2)):
            if np.prod(shape) > 250 and dtype != "float32": continue
            x = randoms(dtype, shape)
            case("softmax", [x], [as_type(torch.softmax(t64(x), axis).numpy(), dtype)], {"axis": axis}, atol=tol * 1e-2)
            case("log_softmax", [x], [as_type(torch.log_softmax(t64(x), axis).numpy(), dtype)], {"axis": axis}, atol=tol)
            h = np.zeros(shape)
            np.put_along_axis(h, np.expand_dims(np.argmax(x.astype(np.float64), axis), axis), 1.0, axis)
            case("hardmax", [x], [as_type(h, dtype)], {"axis": axis}, rtol=0.0)
        for shape, axis in (((4, 7), -1), ((2, 3, 5), 1), ((2, 2, 150), -1), ((2, 3, 4), 0)):
            if np.prod(shape) > 250 and dtype != "float32": continue
            norm = shape[axis:] if axis >= 0 else shape[axis:]
            x, s, b = randoms(dtype, shape), randoms(dtype, norm), randoms(dtype, norm)
            y = F.layer_norm(t64(x), norm, t64(s), t64(b), EPS).numpy()
            dims = tuple(range(len(shape)))[axis:] if axis >= 0 else (len(shape) - 1,)
            mean = x.astype(np.float64).mean(dims, keepdims=True)
            inv = 1 / np.sqrt(x.astype(np.float64).var(dims, keepdims=True) + EPS)
            stat = np.float64 if dtype == "float64" else np.float32
            case("layer_norm", [x, s, b], [as_type(y, dtype), mean.astype(stat), inv.astype(stat)], {"axis": axis, "epsilon": 1e-3}, atol=tol * 4)
            y = F.layer_norm(t64(x), norm, t64(s), None, EPS5).numpy()
            case("layer_norm", [x, s], [as_type(y, dtype)], {"axis": axis, "epsilon": 1e-5}, atol=tol * 4)
            y = F.rms_norm(t64(x), norm, t64(s), EPS).numpy()
            inv = 1 / np.sqrt((x.astype(np.float64) ** 2).mean(dims, keepdims=True) + EPS)
            case("rms_norm", [x, s], [as_type(y, dtype), inv.astype(stat)], {"axis": axis, "epsilon": 1e-3}, atol=tol * 4)
        last = lambda a: np.ascontiguousarray(np.moveaxis(np.asarray(a), 1, -1))
        for shape in ((2, 6, 3, 5), (1, 4, 7), (2, 6)):
            x, s, b = randoms(dtype, shape), randoms(dtype, shape[1:2]), randoms(dtype, shape[1:2])
            m, v = randoms(dtype, shape[1:2]), randoms(dtype, shape[1:2], 0.1, 2.0)
            for groups in (1, 2):
                y = F.group_norm(t64(x), groups, t64(s), t64(b), EPS).numpy()
                case("group_norm", [last(x), s, b], [last(as_type(y, dtype))], {"num_groups": groups, "epsilon": 1e-3}, atol=tol * 4)
            y = F.batch_norm(t64(x), t64(m), t64(v), t64(s), t64(b), False, 0, EPS).numpy()
            case("batch_norm", [last(x), s, b, m, v], [last(as_type(y, dtype))], {"epsilon": 1e-3}, atol=tol * 4)
            if len(shape) > 2:
                y = F.instance_norm(t64(x), None, None, t64(s), t64(b), True, 0.1, EPS).numpy()
                case("instance_norm", [last(x), s, b], [last(as_type(y, dtype))], {"epsilon": 1e-3}, atol=tol * 4)
                for size in (1, 3, 5):  # odd: PyTorch and ONNX centre even windows differently
                    y = F.local_response_norm(t64(x), size, f32(0.02), f32(0.6), 1.5).numpy()
                    case("lrn", [last(x)], [last(as_type(y, dtype))], {"size": size, "alpha": 0.02, "beta": 0.6, "bias": 1.5}, atol=tol)
        x = randoms(dtype, (2, 3, 4))
        for p, axis in ((1, 0), (2, 1), (2, -1)):
            y = F.normalize(t64(x), p=float(p), dim=axis, eps=0.0).numpy()
            case("lp_normalization", [x], [as_type(y, dtype)], {"p": p, "axis": axis})
        w = x.astype(np.float64)
        y = (w - w.mean((0, 2), keepdims=True)) / (w.std((0, 2), keepdims=True) + 1e-9)
        case("mean_variance_normalization", [x], [as_type(y, dtype)], {"axes": [0, 2]}, atol=tol * 4)
    case("lp_normalization", [np.zeros((1, 3), np.float32)], [np.zeros((1, 3), np.float32)], {"p": 2})
    case("softmax", [np.array([1e4, 0.0, -1e4], np.float32)], [np.array([1, 0, 0], np.float32)])
    case("softmax", [np.array([-math.inf, 0.0], np.float32)], [np.array([0, 1], np.float32)])
    # losses; targets with an ignored entry
    for red, (name, weighted, shape) in itertools.product(range(3), (("nll_loss", 0, (4, 5)), ("nll_loss", 1, (2, 5, 3)), ("softmax_cross_entropy_loss", 0, (4, 5)), ("softmax_cross_entropy_loss", 1, (2, 5, 3, 2)))):
        x = randoms("float32", shape)
        t = rng.integers(0, 5, shape[:1] + shape[2:])
        w = rng.uniform(0.5, 2, 5).astype(np.float32) if weighted else None
        for ignore in (None, 2):
            kw = {} if ignore is None else {"ignore_index": ignore}
            g = F.nll_loss if name == "nll_loss" else F.cross_entropy
            y = g(t64(x), torch.tensor(t), None if w is None else t64(w), reduction=("none", "mean", "sum")[red], **kw).numpy()
            outs = [y.astype(np.float32)]
            if name != "nll_loss": outs.append(torch.log_softmax(t64(x), 1).numpy().astype(np.float32))
            case(name, [x, t.astype(np.int64 if red else np.int32)] + ([w] if weighted else []), outs, {"reduction": red, **kw}, atol=1e-6)


HERE.mkdir(exist_ok=True)
with np.errstate(all="ignore"):
    unary_cases(); binary_cases(); save("elementwise")
    cast_cases(); save("cast")
    reduce_cases(); save("reduce")
    norm_cases(); save("norm")
