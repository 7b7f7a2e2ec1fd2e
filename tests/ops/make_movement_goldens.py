#!/usr/bin/env python3
"""Writes data/{movement,image,quantize}.json: inputs and expected outputs of single ops (format: golden_test.cpp).

Expected values: NumPy for moves, gathers, scatters, pads and signals (float64), PyTorch for grid_sample, affine_grid and
fold, ONNX Runtime for resize, roi_align, max_roi_pool, non_max_suppression and quantised products, and (resize of
integers and in float64) onnx.reference. Nothing of GhostFlow takes part. Images are channels last here, so the rows of
ONNX Runtime get transposed copies. Run with numpy, torch, ml_dtypes, onnx, onnxruntime:
  python3 make_movement_goldens.py
"""
import itertools
import json
import math
import pathlib

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent / "data"
rng = np.random.default_rng(20261124)
DT = {
    "float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
    "int8": np.int8, "uint8": np.uint8, "int16": np.int16, "uint16": np.uint16, "int32": np.int32,
    "uint32": np.uint32, "int64": np.int64, "uint64": np.uint64, "bool": np.bool_,
    "int4": ml_dtypes.int4, "uint4": ml_dtypes.uint4, "int2": ml_dtypes.int2, "uint2": ml_dtypes.uint2,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2": ml_dtypes.float8_e5m2, "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float4_e2m1": ml_dtypes.float4_e2m1fn,
}
NAME = {np.dtype(v): k for k, v in DT.items()}
INTS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
SMALL_INTS = ["int4", "uint4", "int2", "uint2"]
FLOATS = ["float32", "float64", "float16", "bfloat16"]
ANY = FLOATS + INTS + ["bool"]
SIZES = ["uint8", "float16", "float32", "int64", "bool"]  # one type per element size, and bool
i64 = lambda *v: np.array(v, np.int64)
cases = []


def number(v):
    if math.isnan(v): return "nan"
    return v if math.isfinite(v) else ("inf" if v > 0 else "-inf")


def tensor(a):
    a = np.asarray(a)
    name = NAME[a.dtype]
    if name in INTS or name == "bool": data = [int(v) for v in a.astype(object).ravel()]
    elif name in SMALL_INTS: data = [int(v) for v in a.astype(np.int64).ravel()]
    elif name == "float64": data = [number(float(v)) for v in a.ravel()]
    else: data = [number(float(str(v))) for v in a.astype(np.float32).ravel()]
    return {"dtype": name, "shape": list(a.shape), "data": data}


def case(op, inputs, outputs, attrs=None, rtol=0.0, atol=0.0):
    cases.append({"op": op, "attrs": attrs or {}, "inputs": [None if i is None else tensor(i) for i in inputs],
                  "outputs": [tensor(o) for o in outputs], "rtol": rtol, "atol": atol})


def save(name):
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (HERE / f"{name}.json").write_text("[\n" + lines + "\n]\n")
    print(name, len(cases), "cases")
    cases.clear()


def any_values(dtype, shape):
    if dtype == "bool": return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype in ("int4", "uint4", "int2", "uint2"):
        low, high = {"int4": (-8, 8), "uint4": (0, 16), "int2": (-2, 2), "uint2": (0, 4)}[dtype]
        return rng.integers(low, high, shape).astype(DT[dtype])
    if dtype == "float4_e2m1": return rng.choice([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -3], shape).astype(DT[dtype])
    if dtype in INTS:
        info = np.iinfo(DT[dtype])
        return rng.integers(max(info.min, -1000), min(info.max, 1000), shape).astype(DT[dtype])
    return (rng.integers(-64, 64, shape) / 8).astype(np.float32).astype(DT[dtype])


# --- views, slices, joins -------------------------------------------------------------------------------------------
def views():
    x = any_values("float32", (2, 3, 4))
    for shape, allow in [((4, 6), 0), ((-1,), 0), ((0, -1), 0), ((2, 0, 4), 0), ((1, 24, 1), 0), ((3, 2, 2, 2), 0)]:
        want = [x.shape[k] if v == 0 else v for k, v in enumerate(shape)]
        case("reshape", [x, i64(*shape)], [x.reshape(want)], {"allowzero": allow})
    empty = np.zeros((0, 3), np.float32)
    case("reshape", [empty, i64(3, 0)], [empty.reshape(3, 0)], {"allowzero": 1})
    case("reshape", [empty, i64(0, -1)], [empty])  # a copied 0 cancels
    case("reshape", [np.float32(3).reshape(()), i64(1, 1)], [np.full((1, 1), 3, np.float32)])
    case("reshape", [np.full((1, 1), 3, np.float32), np.zeros(0, np.int64)], [np.float32(3).reshape(())])
    for dtype in SIZES:
        y = any_values(dtype, (1, 3, 1, 5))
        case("squeeze", [y, i64(0, -2)], [y.reshape(3, 5)])
        case("squeeze", [y], [y.reshape(3, 5)])
        case("squeeze", [y], [y.reshape(3, 1, 5)], {"axes": [0]})
        case("unsqueeze", [y, i64(-1, 0)], [y[None, ..., None]])
        case("unsqueeze", [y], [y[:, :, None]], {"axes": [2]})
        for axis in (0, 1, 2, 4, -1):
            a = axis if axis >= 0 else axis + 4
            case("flatten", [y], [y.reshape(int(np.prod(y.shape[:a])), -1)], {"axis": axis})


def transposes():
    for dtype in ANY + SMALL_INTS + ["float4_e2m1", "float8_e5m2"]:
        x = any_values(dtype, (3, 4, 5))
        case("transpose", [x], [np.transpose(x)])
        case("transpose", [x], [np.transpose(x, (1, 0, 2))], {"perm": [1, 0, 2]})
    for shape, perm in [((37, 41), (1, 0)), ((2, 33, 3, 34), (0, 2, 3, 1)), ((2, 3, 33, 34), (0, 3, 1, 2)), ((1, 5, 1), (2, 0, 1)),
                        ((2, 3, 2, 3, 2), (4, 2, 0, 3, 1)), ((0, 3), (1, 0)), ((7,), (0,)), ((2, 2, 2, 2, 2, 2, 2, 2), (7, 0, 6, 1, 5, 2, 4, 3))]:
        x = any_values("int16", shape)
        case("transpose", [x], [np.transpose(x, perm)], {"perm": list(perm)})
    case("transpose", [np.float32(2).reshape(())], [np.float32(2).reshape(())])


def joins():
    for dtype in SIZES + ["int4", "uint2"]:
        a, b, c = any_values(dtype, (2, 3, 3)), any_values(dtype, (2, 1, 3)), any_values(dtype, (2, 4, 3))
        case("concat", [a, b, c], [np.concatenate([a, b, c], 1)], {"axis": 1})
        case("concat", [a, a], [np.concatenate([a, a], -1)], {"axis": -1})
        x = any_values(dtype, (3, 7, 2))
        case("split", [x, i64(2, 0, 5)], list(np.split(x, [2, 2], 1)), {"axis": 1})
        case("split", [x], [x[:, :3], x[:, 3:6], x[:, 6:]], {"axis": 1})
        case("split", [x], [x[:1], x[1:3]], {"axis": 0, "sizes": [1, 2]})
    case("concat", [any_values("float32", (0, 2)), any_values("float32", (3, 2))][:1], [np.zeros((0, 2), np.float32)], {"axis": 0})


def slices():
    m, n = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    x = any_values("float32", (6, 5, 4))
    for starts, ends, axes, steps in [
            ([1], [4], [0], [1]), ([0, 1], [m, m], [2, 0], [1, 2]), ([-3], [-1], [0], [1]), ([m], [n], [1], [-1]), ([-1], [n], [0], [-2]),
            ([4], [0], [1], [-3]), ([100], [200], [0], [1]), ([-100], [100], [0], [1]), ([3], [3], [0], [1]), ([1], [2], [-1], [m]),
            ([0], [m], [1], [n]), ([-100], [m], [0], [3]), ([5, 4, 3], [0, 0, 0], [0, 1, 2], [-1, -1, -1])]:
        key = [slice(None)] * 3
        for s, e, a, st in zip(starts, ends, axes, steps):
            length = x.shape[a]
            s, e = (v + length if v < 0 else v for v in (s, e))
            low, high = (-1, length - 1) if st < 0 else (0, length)
            s, e = min(max(s, 0), high), min(max(e, low), high)
            key[a] = np.arange(s, e, st if abs(st) < 100 else (100 if st > 0 else -100))
        y = x
        for a in range(3):
            if not isinstance(key[a], slice): y = np.take(y, key[a], a)
        case("slice", [x, i64(*starts), i64(*ends), i64(*axes), i64(*steps)], [y])
    case("slice", [x, np.array([1, 2], np.int32), np.array([5, 4], np.int32)], [x[1:5, 2:4]])
    for dtype in SIZES + ["int4", "uint2"]:
        y = any_values(dtype, (7, 9))
        case("slice", [y, i64(1, -1), i64(6, 0), i64(0, 1), i64(2, -3)], [y[1:6:2, -1:0:-3]])


def repeats():
    for dtype in SIZES:
        x = any_values(dtype, (3, 1, 2))
        case("expand", [x, i64(2, 1, 4, 1)], [np.broadcast_to(x, (2, 3, 4, 2))])
        case("expand", [x, i64(2)], [x])
        case("tile", [x, i64(2, 3, 1)], [np.tile(x, (2, 3, 1))])
        case("tile", [x, i64(1, 0, 2)], [np.tile(x, (1, 0, 2))])
    case("expand", [np.float32(3).reshape(()), i64(2, 3)], [np.full((2, 3), 3, np.float32)])
    case("expand", [any_values("float32", (1, 3)), i64(0, 3)], [np.zeros((0, 3), np.float32)])
    x = any_values("int8", (2, 2, 2, 2, 2))
    case("tile", [x, i64(1, 2, 1, 2, 3)], [np.tile(x, (1, 2, 1, 2, 3))])


def pads():
    modes = {0: "constant", 1: "reflect", 2: "edge", 3: "wrap"}
    for mode, dtype in itertools.product(modes, SIZES):
        x = any_values(dtype, (3, 4, 2))
        for before, after in [((1, 2, 0), (0, 3, 0)), ((0, 0, 1), (2, 0, 1)), ((5, 1, 3), (4, 9, 2))]:
            extra = {"constant_values": any_values(dtype, ())} if mode == 0 else {}
            y = np.pad(x, list(zip(before, after)), modes[mode], **extra)
            case("pad", [x, i64(*before, *after)] + ([extra["constant_values"]] if extra else []), [y], {"mode": mode})
    x = any_values("float32", (4, 5))
    case("pad", [x, i64(-1, 2, -2, 1)], [np.pad(x[1:2], ((0, 0), (2, 1)))])
    case("pad", [x, i64(-1, 2, 2, -3)], [np.pad(x[1:, :2], ((0, 2), (2, 0)), "edge")], {"mode": 2})
    case("pad", [x, i64(-1, 2), np.float32(7).reshape(()), i64(-1)], [np.pad(x[:, 1:], ((0, 0), (0, 2)), constant_values=7)])
    case("pad", [np.zeros((0, 2), np.float32), i64(1, 0, 1, 1)], [np.zeros((2, 3), np.float32)])
    case("pad", [any_values("float32", (1, 3))[:, :1] * 0 + 5, i64(2, 1, 0, 2)], [np.full((3, 4), 5, np.float32)], {"mode": 1})
    case("center_crop_pad", [x, i64(7, 2)], [np.pad(x[:, 1:3], ((1, 2), (0, 0)))])
    case("center_crop_pad", [x, i64(2)], [x[:, 1:3]], {"axes": [-1]})


def gathers():
    for dtype in ANY + ["int4", "uint2", "float8_e4m3fn"]:
        x = any_values(dtype, (3, 5, 2))
        index = np.array([[0, -1], [4, 2]], np.int64)
        case("gather", [x, index], [np.take(x, index, 1)], {"axis": 1})
        pick = rng.integers(-3, 3, (2, 5, 2)).astype(np.int32)
        case("gather_elements", [x, pick], [np.take_along_axis(x, np.where(pick < 0, pick + 3, pick), 0)], {"axis": 0})
        small = rng.integers(-5, 5, (2, 7, 1)).astype(np.int64)
        case("gather_elements", [x, small], [np.take_along_axis(x[:2, :, :1], np.where(small < 0, small + 5, small), 1)], {"axis": 1})
        tuples = np.array([[[0, 1], [-1, -5]], [[2, 4], [1, 3]]], np.int64)
        case("gather_nd", [x, tuples], [x[tuples[..., 0], tuples[..., 1]]])
        batched = np.array([[[1]], [[-1]], [[4]]], np.int64)
        case("gather_nd", [x, batched], [np.stack([x[b, batched[b, :, 0]] for b in range(3)])], {"batch_dims": 1})
    x = any_values("float32", (4,))
    case("gather", [x, np.array(-2, np.int32)], [x[-2]])
    case("gather", [x, np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.float32)])


def scatters():
    ops = {1: np.add, 2: np.multiply, 3: np.maximum, 4: np.minimum}
    for dtype, how in itertools.product(ANY, range(5)):
        x, updates = any_values(dtype, (3, 4)), any_values(dtype, (2, 4))
        if how == 2 and dtype in ("int8", "uint8"): updates = updates % 3
        index = rng.integers(-3, 3, (2, 4)).astype(np.int64)
        if how == 0: index[1] = (index[0] + 1) % 3
        y = x.copy()
        for i, j in np.ndindex(2, 4):
            at = (index[i, j], j)
            y[at] = updates[i, j] if how == 0 else ops[how](y[at], updates[i, j])
        case("scatter_elements", [x, index, updates], [y], {"axis": 0, "reduction": how})
        tuples, rows = np.array([[2], [0], [2 if how else 1]], np.int64), any_values(dtype, (3, 4))
        z = x.copy()
        for k in range(3):
            z[tuples[k, 0]] = rows[k] if how == 0 else ops[how](z[tuples[k, 0]], rows[k])
        case("scatter_nd", [x, tuples, rows], [z], {"reduction": how})
    cache, update = any_values("float16", (2, 3, 5, 2)), any_values("float16", (2, 3, 2, 2))
    for circular, starts in [(0, [1, 3]), (1, [4, 11])]:
        y = cache.copy()
        for b in range(2):
            for s in range(2): y[b, :, (starts[b] + s) % 5] = update[b, :, s]
        case("tensor_scatter", [cache, update, i64(*starts)], [y], {"circular": circular})


def fills():
    x = any_values("float32", (2, 3, 4))
    case("shape", [x], [i64(2, 3, 4)])
    case("shape", [x], [i64(3)], {"start": -2, "end": -1})
    case("shape", [x], [np.zeros(0, np.int64)], {"start": 2, "end": 1})
    case("shape", [np.float32(1).reshape(())], [np.zeros(0, np.int64)])
    case("size", [x], [np.array(24, np.int64)])
    case("constant_of_shape", [i64(2, 3)], [np.ones((2, 3), np.float32)], {"bits": 0x3f800000})
    case("constant_of_shape", [np.zeros(0, np.int64)], [np.array(-5, np.int64)], {"dtype": 11, "bits": -5})
    case("constant_of_shape", [i64(3, 5)], [np.full((3, 5), 3, DT["uint4"])], {"dtype": 16, "bits": 3})
    case("constant_of_shape", [i64(0, 5)], [np.zeros((0, 5), np.bool_)], {"dtype": 13, "bits": 1})
    for dtype in ["float32", "float64", "float16", "bfloat16"]:
        s, l, d = (np.array(v, np.float32).astype(DT[dtype]) for v in (1, 9.25, 1.5))
        case("range", [s, l, d], [np.arange(1, 9.25, 1.5).astype(np.float32).astype(DT[dtype])])
    for s, l, d in [(10, 4, -2), (4, 4, 1), (5, 4, 1), (-3, 8, 4)]:
        for dtype in ("int16", "int32", "int64"):
            case("range", [np.array(v, DT[dtype]) for v in (s, l, d)], [np.arange(s, l, d, DT[dtype])])
    for k in (-2, 0, 1, 9):
        case("eye_like", [any_values("int32", (3, 4))], [np.eye(3, 4, k, np.float32)], {"dtype": 1, "k": k})
        case("eye_like", [any_values("bool", (3, 4))], [np.eye(3, 4, k, np.bool_)], {"k": k})
        for upper, dtype in itertools.product((0, 1), SIZES):
            m = any_values(dtype, (2, 3, 4))
            case("trilu", [m, np.array(k, np.int64)], [np.triu(m, k) if upper else np.tril(m, k)], {"upper": upper})
    index = np.array([[0, 2], [-1, 7]], np.float32)
    on = np.array([[0, 2], [3, 9]])
    hot = np.where(np.arange(4) == on[..., None], np.float64(5), np.float64(-1))
    case("one_hot", [index, np.array(4, np.int64), np.array([-1, 5], np.float64)], [hot])
    case("one_hot", [index, np.array([4.0], np.float32), np.array([-1, 5], np.float64)], [np.moveaxis(hot, -1, 0)], {"axis": 0})
    case("one_hot", [index.astype(np.int8), np.array(4, np.int32), np.array([-1, 5], np.float64)], [np.moveaxis(hot, -1, 1)], {"axis": -2})


def data_shaped():
    for dtype in ANY:
        x = any_values(dtype, (3, 4)) * np.array(rng.integers(0, 2, (3, 4))).astype(DT[dtype])
        case("nonzero", [x], [np.array(np.nonzero(x))])
        keep = np.array([1, 0, 1], np.bool_)
        case("compress", [x, keep], [np.compress(keep, x, 1)], {"axis": 1, "flat": 0})
        case("compress", [x, np.array([0, 1, 1, 0, 1], np.bool_)], [np.compress([0, 1, 1, 0, 1], x)])
        small = (any_values(dtype, (4, 3, 2)).astype(np.float32) // 300).astype(DT[dtype]) if dtype in INTS else any_values(dtype, (4, 3, 2))
        small[2] = small[0]
        small[:, 2] = small[:, 0]
        wide = small.astype(np.float64)
        for axis in (None, 0, 1):
            y, first, inverse, count = np.unique(wide, True, True, True, axis=axis)
            attrs = {"axis": axis, "flat": 0} if axis is not None else {}
            case("unique", [small], [y.astype(DT[dtype]), first, inverse.reshape(-1), count], attrs)
            order = np.argsort(first)
            rank = np.argsort(order)
            z = np.take(y, order, 0 if axis is None else axis)
            case("unique", [small], [z.astype(DT[dtype]), first[order], rank[inverse.reshape(-1)], count[order]], dict(attrs, sorted=0))
    case("nonzero", [np.float32(0).reshape(())], [np.zeros((0, 0), np.int64)])
    case("nonzero", [np.array([0.0, -0.0, math.nan, 1], np.float32)], [np.array([[2, 3]])])
    case("unique", [np.array([math.nan, 1, math.nan, -0.0, 0.0], np.float32)],
         [np.array([-0.0, 1, math.nan], np.float32), i64(3, 1, 0), i64(2, 1, 2, 0, 0), i64(2, 1, 2)])
    case("unique", [np.zeros(0, np.float32)], [np.zeros(0, np.float32)] + [np.zeros(0, np.int64)] * 3)


def blocks():
    for dtype in SIZES:
        x = any_values(dtype, (2, 3, 2, 8))
        y = x.reshape(2, 3, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(2, 6, 4, 2)
        z = x.reshape(2, 3, 2, 2, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(2, 6, 4, 2)
        for order, wide in [(0, y), (1, z)]:
            case("depth_to_space", [x], [wide], {"block": 2, "order": order})
            case("space_to_depth", [wide], [x], {"block": 2, "order": order})
        s = any_values(dtype, (4, 3, 2))
        lengths = [4, 1, 0]
        t = s.copy()
        for b, n in enumerate(lengths): t[:n, b] = s[:n, b][::-1]
        case("reverse_sequence", [s, i64(*lengths)], [t])
        case("reverse_sequence", [s.transpose(1, 0, 2), i64(*lengths)], [t.transpose(1, 0, 2)], {"batch_axis": 0, "time_axis": 1})


def folds():
    for c, image, block, args in [(2, (5, 6), (2, 3), {}), (1, (7, 5), (3, 2), {"strides": [2, 1], "pads": [1, 0, 1, 0]}),
                                  (3, (8, 8), (2, 2), {"dilations": [2, 3], "strides": [2, 2], "pads": [0, 1, 0, 1]})]:
        stride, dilation = args.get("strides", [1, 1]), args.get("dilations", [1, 1])
        pad = args.get("pads", [0, 0, 0, 0])[:2]
        blocks_ = [(image[d] + 2 * pad[d] - dilation[d] * (block[d] - 1) - 1) // stride[d] + 1 for d in range(2)]
        for dtype in ("float32", "float64"):
            x = any_values(dtype, (2, c * block[0] * block[1], blocks_[0] * blocks_[1]))
            y = F.fold(torch.tensor(x), image, block, dilation, pad, stride).numpy()
            case("col2im", [x, i64(*image), i64(*block)], [y], args)


# --- images and signals ---------------------------------------------------------------------------------------------
def run_onnx(op, inputs, attrs, outputs=1, opset=19, reference=False):
    names = [f"i{k}" if v is not None else "" for k, v in enumerate(inputs)]
    node = helper.make_node(op, names, [f"o{k}" for k in range(outputs)], **attrs)
    kind = lambda a: helper.np_dtype_to_tensor_dtype(np.asarray(a).dtype)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info(n, kind(v), np.shape(v)) for n, v in zip(names, inputs) if n],
                              [helper.make_empty_tensor_value_info(f"o{k}") for k in range(outputs)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    feeds = {n: np.asarray(v) for n, v in zip(names, inputs) if n}
    if reference: return ReferenceEvaluator(model).run(None, feeds)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)


MODES = ["nearest", "linear", "cubic"]
COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
ASPECT = ["stretch", "not_larger", "not_smaller"]


def resize_case(x, mode, coordinates, scales=None, sizes=None, nearest=0, axes=None, **more):
    attrs = {"mode": MODES[mode], "coordinate_transformation_mode": COORDINATES[coordinates]}
    if mode == 0: attrs["nearest_mode"] = NEAREST[nearest]
    extra = dict(more)
    if "aspect" in extra: attrs["keep_aspect_ratio_policy"] = ASPECT[extra.pop("aspect")]
    if "cubic_a" in extra: attrs["cubic_coeff_a"] = extra.pop("cubic_a")
    attrs.update(extra)
    if axes is not None: attrs["axes"] = axes
    full = [x.astype(np.float64) if x.dtype == np.float32 else x, None, np.array(scales, np.float32) if scales else None,
            i64(*sizes) if sizes else None]
    y = run_onnx("Resize", full[:3] if sizes is None else full, attrs, reference=True)[0]
    ours = {"mode": mode, "coordinates": coordinates}
    if mode == 0: ours["nearest"] = nearest
    ours.update(more)
    if axes is not None: ours["axes"] = axes
    y = y.astype(x.dtype)
    # onnx.reference computes cubic weights in float32, so their sums are off by some 1e-6
    tol = {"rtol": 2e-5 if mode else 0, "atol": [0, 1e-6, 5e-6][mode] if x.dtype.kind == "f" else 0}
    if len(cases) % 2:  # sizes as input, or as attribute when they are constant
        inputs = [x] + ([None, np.array(scales, np.float32)] if scales else [None, None, i64(*sizes)])
        case("resize", inputs, [y], ours, **tol)
    else:
        listed = {"scales": [float(np.float32(s)) for s in scales]} if scales else {"sizes": sizes}
        case("resize", [x], [y], dict(ours, **listed), **tol)


def resizes():
    x = rng.standard_normal((1, 4, 5, 3)).astype(np.float32)
    for mode, coordinates in itertools.product(range(3), range(5)):
        for scales in ([1, 1.7, 0.6, 1], [1, 2, 2, 1], [1, 0.5, 1, 1]):
            resize_case(x, mode, coordinates, scales=scales)
        resize_case(x, mode, coordinates, sizes=[3, 8], axes=[1, 2])
    for nearest, coordinates in itertools.product(range(4), (0, 3, 4)):
        resize_case(any_values("int32", (1, 4, 6, 2)), 0, coordinates, scales=[1, 1.5, 0.5, 1], nearest=nearest)
    for aspect in (1, 2):
        resize_case(x, 1, 0, sizes=[7, 9], axes=[1, 2], aspect=aspect)
    for mode in (1, 2):
        resize_case(x, mode, 0, scales=[0.4, 0.7], axes=[2, 1], antialias=1)
        resize_case(x, mode, 0, scales=[1, 0.6, 2.5, 1], antialias=1)
    resize_case(x, 2, 0, scales=[1, 0.8, 1.2, 1], exclude_outside=1, cubic_a=-0.5)
    resize_case(any_values("uint8", (1, 3, 4, 2)), 1, 0, scales=[1, 2, 4, 1])  # exact weights: ties are real ties
    resize_case(any_values("int8", (1, 3, 4)), 1, 4, scales=[1, 2, 2])
    resize_case(rng.standard_normal((2, 3, 2, 3)), 1, 0, scales=[1.5, 2, 2, 1])
    # the roi of tf_crop_and_resize, one output element too
    image = np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2)
    for sizes in ([3, 3], [1, 4]):
        roi = np.array([0.4, 0.6, 0.6, 1.2], np.float32)
        attrs = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 10.0, "axes": [1, 2]}
        y = run_onnx("Resize", [image.astype(np.float64), roi, None, i64(*sizes)], attrs, reference=True)[0].astype(np.float32)
        case("resize", [image, roi, None, i64(*sizes)], [y],
             {"mode": 1, "coordinates": 5, "extrapolation": 10.0, "axes": [1, 2]}, rtol=1e-5, atol=1e-5)


def grids():
    for spatial, mode, padding, align in itertools.product(((4, 5), (3, 4, 2)), range(3), range(3), (0, 1)):
        if len(spatial) == 3 and mode == 2: continue  # PyTorch has no tricubic
        x = rng.standard_normal((2, 2, *spatial)).astype(np.float32)
        grid = (rng.uniform(-1.3, 1.3, (2, *[s - 1 for s in spatial], len(spatial)))).astype(np.float32)
        if mode == 2: grid *= 0.6  # PyTorch pads per tap only, ONNX moves far positions first: equal inside
        y = F.grid_sample(torch.tensor(x.astype(np.float64)), torch.tensor(grid.astype(np.float64)), ["bilinear", "nearest", "bicubic"][mode],
                          ["zeros", "border", "reflection"][padding], bool(align)).numpy()
        case("grid_sample", [np.moveaxis(x, 1, -1), grid], [np.moveaxis(y, 1, -1).astype(np.float32)],
             {"mode": mode, "padding": padding, "align_corners": align}, rtol=1e-4, atol=2e-5)
    for size, align in itertools.product(([2, 3, 4, 5], [2, 1, 2, 3, 4]), (0, 1)):
        k = len(size) - 2
        theta = rng.standard_normal((2, k, k + 1)).astype(np.float32)
        y = F.affine_grid(torch.tensor(theta.astype(np.float64)), size, bool(align)).numpy().astype(np.float32)
        case("affine_grid", [theta, i64(*size)], [y], {"align_corners": align}, rtol=1e-5, atol=1e-6)


def rois():
    x = rng.standard_normal((2, 3, 8, 9)).astype(np.float32)
    boxes = np.array([[0, 0, 5, 6], [1.5, 2.25, 8, 7], [-2, -3, 4, 4], [3, 3, 3.2, 3.1], [5, 5, 20, 20]], np.float32)
    batch = i64(0, 1, 1, 0, 1)
    for mode, half, ratio in itertools.product(("avg", "max"), (True, False), (0, 2)):
        attrs = {"mode": mode, "output_height": 3, "output_width": 2, "sampling_ratio": ratio, "spatial_scale": 0.75,
                 "coordinate_transformation_mode": "half_pixel" if half else "output_half_pixel"}
        y = run_onnx("RoiAlign", [x, boxes, batch], attrs, opset=16)[0]
        case("roi_align", [np.moveaxis(x, 1, -1), boxes, batch], [np.moveaxis(y, 1, -1)],
             {"output_height": 3, "output_width": 2, "sampling_ratio": ratio, "spatial_scale": 0.75, "max_mode": int(mode == "max"),
              "half_pixel": int(half)}, rtol=1e-4, atol=1e-5)
    five = np.concatenate([batch[:, None].astype(np.float32), np.maximum(boxes, 0)], 1).astype(np.float32)
    y = run_onnx("MaxRoiPool", [x, five], {"pooled_shape": [2, 3], "spatial_scale": 0.5}, opset=16)[0]
    case("max_roi_pool", [np.moveaxis(x, 1, -1), five], [np.moveaxis(y, 1, -1)], {"pooled_height": 2, "pooled_width": 3, "spatial_scale": 0.5})
    for center, most, seed in itertools.product((0, 1), (2, 100), range(4)):
        r = np.random.default_rng(seed)
        b = r.uniform(0, 1, (2, 20, 4)).astype(np.float32)
        s = np.round(r.uniform(0, 1, (2, 3, 20)), 2).astype(np.float32)
        more = [np.array([most], np.int64), np.array([0.3], np.float32), np.array([0.25], np.float32)]
        y = run_onnx("NonMaxSuppression", [b, s] + more, {"center_point_box": center}, opset=11)[0]
        case("non_max_suppression", [b, s] + more, [y], {"center_point_box": center})


def signals():
    for n, dtype in itertools.product((1, 2, 3, 8, 12, 17), ("float32", "float64")):
        tol = {"rtol": 1e-5, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}
        pack = lambda z: np.stack([z.real, z.imag], -1).astype(DT[dtype])
        z = rng.standard_normal((2, n, 3)) + 1j * rng.standard_normal((2, n, 3))
        z = pack(z)[..., 0].astype(np.float64) + 1j * pack(z)[..., 1].astype(np.float64)
        case("dft", [pack(z)], [pack(np.fft.fft(z, axis=1))], {"axis": 1}, **tol)
        case("dft", [pack(z)], [pack(np.fft.ifft(z, axis=1))], {"axis": -3, "inverse": 1}, **tol)
        case("dft", [pack(z), i64(n + 3).reshape(())], [pack(np.fft.fft(z, n + 3, axis=1))], {"axis": 1}, **tol)
        real = z.real[..., None].astype(DT[dtype])
        case("dft", [real], [pack(np.fft.rfft(z.real, axis=1))], {"axis": 1, "onesided": 1}, **tol)
        case("dft", [real, None, np.array(0, np.int64)], [pack(np.fft.fft(z.real, axis=0))], **tol)
        if n > 1:
            half = np.fft.rfft(z.real, axis=1)
            half = pack(half)[..., 0].astype(np.float64) + 1j * pack(half)[..., 1].astype(np.float64)
            y = np.fft.irfft(half, n, axis=1)[..., None].astype(DT[dtype])
            case("dft", [pack(half), np.array(n, np.int64)], [y], {"axis": 1, "onesided": 1, "inverse": 1}, **tol)
    x = rng.standard_normal((2, 20)).astype(np.float32)
    w = rng.uniform(0, 1, 6).astype(np.float32)
    frames = np.stack([x[:, k:k + 6] * w.astype(np.float64) for k in range(0, 15, 4)], 1)
    one, full = np.fft.rfft(frames), np.fft.fft(frames)
    pack = lambda z: np.stack([z.real, z.imag], -1).astype(np.float32)
    case("stft", [x[..., None], np.array(4, np.int64), w, np.array(6, np.int64)], [pack(one)], rtol=1e-5, atol=1e-5)
    case("stft", [x[..., None], np.array(4, np.int64), w], [pack(full)], {"onesided": 0}, rtol=1e-5, atol=1e-5)
    for n, periodic in itertools.product((2, 7, 10), (0, 1)):  # PyTorch makes an exception of n = 1, ONNX does not
        for kind, f in enumerate((torch.hann_window, lambda n, p, **k: torch.hamming_window(n, p, 25 / 46, 21 / 46, **k), torch.blackman_window)):
            y = f(n, bool(periodic), dtype=torch.float64).numpy()
            case("window", [np.array(n, np.int64)], [y], {"kind": kind, "periodic": periodic, "dtype": 2}, rtol=1e-12, atol=1e-15)
    y = run_onnx("MelWeightMatrix", [np.array(v, np.int64) for v in (8, 16, 8192)] + [np.array(v, np.float32) for v in (0, 4096)], {}, opset=17)[0]
    case("mel_weight_matrix", [np.array(v, np.int64) for v in (8, 16, 8192)] + [np.array(v, np.float32) for v in (0, 4096)], [y], rtol=1e-6)
    for shape in ((3, 3), (2, 2, 4, 4), (1, 1), (5, 5)):
        m = rng.standard_normal(shape)
        case("det", [m.astype(np.float32)], [np.linalg.det(m.astype(np.float32).astype(np.float64)).astype(np.float32)], rtol=1e-5, atol=1e-6)
    case("det", [np.array([[1, 2], [2, 4]], np.float64)], [np.array(0.0)])
    for equation, shapes in [("ij,jk->ik", ((3, 4), (4, 5))), ("bij,bjk", ((2, 3, 4), (2, 4, 5))), ("ii->i", ((4, 4),)), ("ii", ((4, 4),)),
                             ("...ij->...ji", ((2, 3, 4, 5),)), ("...i,...i->...", ((2, 3, 4), (1, 3, 4))), ("i,j,k->kji", ((2,), (3,), (4,))),
                             ("ij->", ((3, 4),)), (" b n h d , b m h d -> b h n m ", ((2, 3, 2, 4), (2, 5, 2, 4))), ("aA,Ab->ab", ((2, 3), (3, 4))),
                             ("ba", ((2, 3),)), ("a...b,b...->a...", ((2, 3, 4, 5), (5, 3, 4))), (",ij->ij", ((), (2, 3)))]:
        args = [rng.standard_normal(s) for s in shapes]
        case("einsum", args, [np.einsum(equation, *args)], {"equation": equation}, rtol=1e-12, atol=1e-12)
        ints = [rng.integers(-5, 5, s) for s in shapes]
        case("einsum", ints, [np.asarray(np.einsum(equation, *ints))], {"equation": equation})


# --- quantisation ---------------------------------------------------------------------------------------------------
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535), "int4": (-8, 7), "uint4": (0, 15),
          "int2": (-2, 1), "uint2": (0, 3)}


def spread(s, shape, axis, block):
    s = np.asarray(s)
    if s.size == 1 and not block: return s.reshape(())
    if not block: return s.reshape([-1 if d == axis else 1 for d in range(len(shape))])
    return np.take(np.repeat(s, block, axis), range(shape[axis]), axis)


def quantised():
    for dtype, (axis, block, shape) in itertools.product(LIMITS, [(1, 0, ()), (1, 0, (4,)), (0, 0, (3,)), (1, 3, (3, 2, 5)), (-1, 2, (3, 4, 3))]):
        low, high = LIMITS[dtype]
        x = rng.standard_normal((3, 4, 5)).astype(np.float32) * 3
        x[0, 0] = [0.5, 1.5, -0.5, -2.5, 1e9]
        scale = np.float32(2.0) ** rng.integers(-3, 2, shape).astype(np.float32)
        zero = rng.integers(max(low, -9), min(high, 9) + 1, shape).astype(DT[dtype])
        a = axis % 3
        q = np.rint(x / spread(scale, x.shape, a, block)) + spread(zero, x.shape, a, block).astype(np.float64)
        q = np.clip(q, low, high).astype(np.int64).astype(DT[dtype])
        case("quantize_linear", [x, scale, zero], [q], {"axis": axis, "block": block})
        if dtype == "int8":
            case("quantize_linear", [x.astype(np.float16), scale.astype(np.float16), zero], [np.clip(
                np.rint((x.astype(np.float16) / spread(scale, x.shape, a, block).astype(np.float16)).astype(np.float64)) +
                spread(zero, x.shape, a, block), low, high).astype(np.int8)], {"axis": axis, "block": block})
        y = (q.astype(np.float32) - spread(zero, x.shape, a, block).astype(np.float32)) * spread(scale, x.shape, a, block)
        case("dequantize_linear", [q, scale, zero], [y], {"axis": axis, "block": block})
        case("dequantize_linear", [q, scale.astype(np.float16)],
             [(q.astype(np.float32) * spread(scale, x.shape, a, block)).astype(np.float16)], {"axis": axis, "block": block})
    x = np.array([0.1, -7, 13.3, 450, -1e6, 0.004], np.float32)
    case("quantize_linear", [x, np.array([0.5], np.float32)], [np.clip(np.rint(x / 0.5), 0, 255).astype(np.uint8)])
    for k, dtype in enumerate(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")):
        largest = float(ml_dtypes.finfo(DT[dtype]).max)
        case("quantize_linear", [x, np.array(2, np.float32)], [np.clip(x / 2, -largest, largest).astype(DT[dtype])], {"output_dtype": 19 + k})
        y = (x[:4] / 2).astype(DT[dtype])
        case("dequantize_linear", [y, np.array(2, np.float32)], [y.astype(np.float32) * 2])
    y = np.clip(x / 2, -6, 6).astype(DT["float4_e2m1"])
    case("quantize_linear", [x, np.array(2, np.float32)], [y], {"output_dtype": 23})
    case("dequantize_linear", [y, np.array(2, np.float32)], [y.astype(np.float32) * 2])
    case("dequantize_linear", [np.array([5, -70000], np.int32), np.array(0.25, np.float32)], [np.array([1.25, -17500], np.float32)])
    # ONNX Runtime, as the operator's text, gives scale 1 to a range of 0 (onnx.reference: 1/255)
    for x in (rng.standard_normal((3, 5)), np.abs(rng.standard_normal(7)), -np.abs(rng.standard_normal(7)), np.zeros(4)):
        x = x.astype(np.float32)
        y, s, z = run_onnx("DynamicQuantizeLinear", [x], {}, 3, opset=11)
        case("dynamic_quantize_linear", [x], [y, s, z])


def products():
    byte = lambda t, shape: rng.integers(-128 if t == np.int8 else 0, 128 if t == np.int8 else 256, shape).astype(t)
    for ta, tb in itertools.product((np.uint8, np.int8), repeat=2):
        for sa, sb, za, zb in [((3, 5), (5, 4), (), ()), ((2, 3, 5), (5, 4), (), (4,)), ((2, 1, 3, 5), (3, 5, 4), (), ()), ((3, 5), (5, 4), (3,), (4,)),
                               ((5,), (5, 4), (), ()), ((3, 5), (5,), (), ()), ((2, 3, 5), (2, 5, 4), (2, 3, 1), (2, 1, 4))]:
            a, b = byte(ta, sa), byte(tb, sb)
            z, w = (byte(t, s) % 7 for t, s in ((ta, za), (tb, zb)))
            wide_z = z.astype(np.int32).reshape(-1, 1) if len(za) == 1 else z.astype(np.int32)
            y = np.matmul(a.astype(np.int32) - wide_z, b.astype(np.int32) - w.astype(np.int32))
            case("matmul_integer", [a, b, z, w], [y])
        a, b = byte(ta, (2, 3, 6)), byte(tb, (6, 4))
        for zy, wide in itertools.product((np.int8(-3), np.uint8(100)), (0, 1)):
            sb = rng.uniform(0.001, 0.02, (4,) if wide else ()).astype(np.float32)
            zb = byte(tb, (4,)) % 5 if wide else byte(tb, ()) % 5
            sa, sy, za = np.float32(0.03), np.float32(0.4), byte(ta, ()) % 9
            exact = np.matmul(a.astype(np.float64) - za, b.astype(np.float64) - zb.astype(np.float64)) * (np.float64(sa) * sb / sy)
            if np.min(np.abs(exact - np.floor(exact) - 0.5)) < 1e-3: continue  # a tie that float rounding may turn
            info = np.iinfo(zy.dtype)
            y = np.clip(np.rint(exact) + zy, info.min, info.max).astype(zy.dtype)
            case("qlinear_matmul", [a, sa, za, b, sb, zb, sy, zy], [y])
    for (xs, ws, attrs), per in itertools.product([
            ((1, 3, 6, 5), (4, 3, 3, 2), {"pads": [1, 0, 1, 2], "strides": [2, 1]}), ((2, 4, 5, 5), (6, 2, 2, 2), {"group": 2, "dilations": [2, 1]}),
            ((1, 2, 9), (3, 2, 4), {"strides": [3]}), ((1, 3, 4, 4), (3, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]})], (0, 1)):
        x, w = byte(np.uint8, xs), byte(np.int8, ws)
        zx, zw = np.uint8(120), (byte(np.int8, (ws[0],)) % 5 if per else np.int8(3))
        wide_w = w.astype(np.float64) - np.asarray(zw, np.float64).reshape([-1] + [1] * (len(ws) - 1))
        pads = attrs.get("pads", [0] * 2 * (len(xs) - 2))
        half = len(pads) // 2
        padded = np.pad(x.astype(np.float64) - 120, [(0, 0), (0, 0)] + [(pads[d], pads[d + half]) for d in range(half)])
        conv = {1: F.conv1d, 2: F.conv2d}[len(xs) - 2]
        exact = conv(torch.tensor(padded), torch.tensor(wide_w), None, attrs.get("strides", 1), 0, attrs.get("dilations", 1), attrs.get("group", 1)).numpy()
        case("conv_integer", [np.moveaxis(x, 1, -1), w, zx, zw], [np.moveaxis(exact, 1, -1).astype(np.int32)], attrs)
        bias = rng.integers(-500, 500, ws[0]).astype(np.int32)
        sw = (rng.uniform(0.001, 0.01, ws[0]) if per else np.array(0.004)).astype(np.float32)
        total = (exact + bias.reshape([1, -1] + [1] * half)) * (np.float64(np.float32(0.05)) / np.float64(np.float32(0.7)) * sw.astype(np.float64).reshape([1, -1] + [1] * half))
        if np.min(np.abs(total - np.floor(total) - 0.5)) < 1e-4: continue
        q = np.clip(np.rint(total) + 10, 0, 255).astype(np.uint8)
        case("qlinear_conv", [np.moveaxis(x, 1, -1), np.float32(0.05), zx, w, sw, zw, np.float32(0.7), np.uint8(10), bias], [np.moveaxis(q, 1, -1)], attrs)


for make in (views, transposes, joins, slices, repeats, pads, gathers, scatters, fills, data_shaped, blocks, folds): make()
save("movement")
for make in (resizes, grids, rois, signals): make()
save("image")
for make in (quantised, products): make()
save("quantize")
