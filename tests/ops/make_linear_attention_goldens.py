#!/usr/bin/env python3
"""Writes data/linear_attention.json: inputs and expected outputs of the recurrences of ONNX LinearAttention-27.

Expected values: the formulas of the specification in NumPy float64, rounded once to the output's type; each float32 case
without a past state of another type is also held against onnx.reference. Nothing of GhostFlow takes part. Run with numpy
and onnx (1.23 or newer):
  python3 make_linear_attention_goldens.py
"""
import itertools
import json
import pathlib

import numpy as np
import onnx.helper as oh
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent / "data"
RULES = ["linear", "gated", "delta", "gated_delta"]
RTOL = {"float32": 2e-6, "float64": 4e-15, "float16": 1e-3}
rng = np.random.default_rng(20261127)


def steps(low, high, shape):
    """Random multiples of 1/128: exact in every float type, and short in the file."""
    return rng.integers(round(low * 128), round(high * 128) + 1, shape) / 128


def recurrence(q, k, v, past, decay, beta, q_heads, kv_heads, scale, rule):
    batch, length = q.shape[:2]
    dk, dv = k.shape[2] // kv_heads, v.shape[2] // kv_heads
    q, k, v = (x.reshape(batch, length, x.shape[2] // d, d) for x, d in ((q, dk), (k, dk), (v, dv)))
    state = np.zeros((batch, kv_heads, dk, dv)) if past is None else past.copy()
    y = np.zeros((batch, length, q_heads, dv))
    for b, h, t in itertools.product(range(batch), range(kv_heads), range(length)):
        s, u = state[b, h], v[b, t, h]
        if rule in ("gated", "gated_delta"):
            g = decay[b, t].reshape(kv_heads, -1)[h]
            s = np.exp(g)[:, None] * s
        if rule in ("delta", "gated_delta"):
            u = beta[b, t, h if beta.shape[2] > 1 else 0] * (u - s.T @ k[b, t, h])
        state[b, h] = s = s + np.outer(k[b, t, h], u)
        for head in range(h * (q_heads // kv_heads), (h + 1) * (q_heads // kv_heads)):
            y[b, t, head] = (scale or dk ** -0.5) * (s.T @ q[b, t, head])
    return y.reshape(batch, length, q_heads * dv), state


def tensor(a):
    return None if a is None else {"dtype": str(a.dtype), "shape": list(a.shape), "data": [float(str(x)) for x in a.ravel()]}


def check(arrays, outputs, attrs):
    """The same through onnx.reference, in float32."""
    names = ["query", "key", "value", "past_state", "decay", "beta"]
    used = [n if a is not None else "" for n, a in zip(names, arrays)]
    node = oh.make_node("LinearAttention", used, ["y", "s"], **attrs)
    info = lambda n: oh.make_tensor_value_info(n, TensorProto.FLOAT, None)
    graph = oh.make_graph([node], "g", [info(n) for n in used if n], [info("y"), info("s")])
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 27)])
    got = ReferenceEvaluator(model).run(None, {n: a for n, a in zip(names, arrays) if a is not None})
    for g, o in zip(got, outputs):
        np.testing.assert_allclose(g, o, rtol=1e-4, atol=1e-5)


def case(dtype, rule, batch, length, q_heads, kv_heads, dk, dv, past, per_key=False, one_beta=False, scale=0.0):
    q, k, v = (steps(-1, 1, (batch, length, h * d)) for h, d in ((q_heads, dk), (kv_heads, dk), (kv_heads, dv)))
    k = k / 4 if "delta" in rule else k
    s = steps(-1, 1, (batch, kv_heads, dk, dv)) if past else None
    g = steps(-1, 0, (batch, length, kv_heads * (dk if per_key else 1))) if "gated" in rule else None
    b = steps(0, 1, (batch, length, 1 if one_beta else kv_heads)) if "delta" in rule else None
    arrays = [None if a is None else a.astype(dtype) for a in (q, k, v, s, g, b)]
    wide = [None if a is None else a.astype(np.float64) for a in arrays]
    outputs = [o.astype(dtype) for o in recurrence(*wide, q_heads, kv_heads, scale, rule)]
    if dtype == "float32" and length > 0:
        check(arrays, outputs, dict(q_num_heads=q_heads, kv_num_heads=kv_heads, update_rule=rule, scale=scale))
    attrs = {"q_heads": q_heads, "kv_heads": kv_heads, "rule": RULES.index(rule)}
    if scale: attrs["scale"] = scale
    return {"op": "linear_attention", "attrs": attrs, "inputs": [tensor(a) for a in arrays],
            "outputs": [tensor(o) for o in outputs], "rtol": RTOL[dtype], "atol": {"float16": 1e-3}.get(dtype, 1e-6)}


cases = []
for dtype, rule in itertools.product(("float32", "float64", "float16"), RULES):
    cases.append(case(dtype, rule, 2, 3, 2, 2, 3, 4, past=True))
    cases.append(case(dtype, rule, 1, 4, 4, 2, 4, 2, past=False, per_key=True, one_beta=True, scale=0.25))
    cases.append(case(dtype, rule, 1, 1, 3, 1, 5, 3, past=True, per_key=True))
cases.append(case("float32", "linear", 2, 0, 2, 2, 3, 4, past=True))  # no step: the state comes back
lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
(HERE / "linear_attention.json").write_text("[\n" + lines + "\n]\n")
print(len(cases), "cases")
