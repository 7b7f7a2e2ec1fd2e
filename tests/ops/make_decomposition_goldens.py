#!/usr/bin/env python3
"""Writes data/decompositions.json: Cholesky, QR, symmetric eigen and singular value decompositions by NumPy (LAPACK) in float64.

Signs are those that schema/ops names. Where vectors are not unique (equal or vanishing values) only the values are kept, the output is
null. Tolerances are those of float64, with room for the gaps between values. Nothing of GhostFlow takes part. Run with NumPy: python3 make_decomposition_goldens.py
"""
import json
import pathlib

import numpy as np

random = np.random.default_rng(20261128)
cases = []


def numbers(*shape):
    return random.integers(-64, 65, shape) / 64


def pack(a):
    return {"dtype": "float64", "shape": list(a.shape), "data": [float(f"{v:.16g}") for v in a.reshape(-1).tolist()]}


def case(op, x, *outputs):
    cases.append({"op": op, "attrs": {}, "inputs": [pack(x)], "outputs": [None if y is None else pack(y) for y in outputs],
                  "rtol": 1e-10, "atol": 1e-10})


def signs(v):
    return np.sign(np.take_along_axis(v, np.abs(v).argmax(-2, keepdims=True), -2))


def T(a):
    return np.swapaxes(a, -1, -2)


def qr(x):
    q, r = np.linalg.qr(x)
    sign = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
    case("qr", x, q * sign[..., None, :], r * sign[..., :, None])


def eigh(x, vectors=True):
    w, v = np.linalg.eigh(x)
    case("eigh", x, w, v * signs(v) if vectors else None)


def svd(x, vectors=True):
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    sign = signs(u)
    case("svd", x, u * sign if vectors else None, s, vh * T(sign) if vectors else None)


for shape in ((1, 1), (2, 3, 3), (2, 2, 5, 5), (20, 20)):
    a = numbers(*shape)
    spd = a @ T(a) + np.eye(shape[-1]) / 4
    case("cholesky", spd, np.linalg.cholesky(spd))
    eigh((a + T(a)) / 2)
for shape in ((1, 1), (3, 3), (2, 5, 3), (2, 2, 3, 5), (1, 4), (4, 1), (20, 20), (30, 7)):
    a = numbers(*shape) + np.eye(shape[-2], shape[-1])
    qr(a)
    svd(a)
# no unique vectors: equal, vanishing and opposite values
q = np.linalg.qr(numbers(6, 6))[0]
eigh(q @ np.diag([1.0, 1, 1, 2, 2, -1]) @ q.T, vectors=False)
eigh(np.zeros((3, 3)), vectors=False)
eigh(np.ones((5, 5)), vectors=False)
svd(q[:, :4] @ np.diag([3.0, 3, 1, 0]) @ q[:4, :4].T, vectors=False)
svd(numbers(6, 2) @ numbers(2, 4), vectors=False)
svd(numbers(4, 2) @ numbers(2, 7), vectors=False)
svd(np.zeros((4, 2)), vectors=False)
svd(np.ones((3, 5)), vectors=False)
path = pathlib.Path(__file__).parent / "data" / "decompositions.json"
path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(len(cases), "cases,", path.stat().st_size, "bytes")
