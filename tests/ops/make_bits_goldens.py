#!/usr/bin/env python3
"""Writes data/bits.json: pack_bits and unpack_bits (format: golden_test.cpp). Expected values are numpy.packbits and numpy.unpackbits with
bitorder "little". Run with numpy: python3 make_bits_goldens.py
"""
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent / "data"
rng = np.random.default_rng(20261128)


def tensor(a):
    return {"dtype": str(a.dtype), "shape": list(a.shape), "data": [int(v) for v in a.ravel()]}


def main():
    cases = []
    shapes = [[], [0], [1], [7], [8], [9], [3, 5], [2, 0, 4], [64], [65], [4, 33], [2, 3, 4, 5], [257], [1000]]
    for shape in shapes:
        x = rng.integers(0, 2, shape).astype(bool)
        bits = np.packbits(x.ravel(), bitorder="little")
        cases.append({"op": "pack_bits", "attrs": {}, "inputs": [tensor(x)], "outputs": [tensor(bits)], "rtol": 0.0, "atol": 0.0})
        loose = bits.copy()  # bits behind the last element do not matter
        if x.size % 8: loose[-1] |= np.uint8(0xFF << x.size % 8 & 0xFF)
        back = np.unpackbits(loose, count=x.size, bitorder="little").reshape(shape).astype(bool)
        assert (back == x).all()
        cases.append({"op": "unpack_bits", "attrs": {"shape": shape}, "inputs": [tensor(loose)], "outputs": [tensor(back)], "rtol": 0.0, "atol": 0.0})
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (HERE / "bits.json").write_text("[\n" + lines + "\n]\n")


main()
