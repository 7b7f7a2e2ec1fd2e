#!/usr/bin/env python3
"""Writes mu_law.onnx: N samples, halved, then `mu_law` of the domain "example", which no runtime knows. Needs the package onnx.

Usage: make_mu_law.py [OUT]
"""
import os
import sys

import onnx
from onnx import TensorProto, helper

nodes = [
    helper.make_node("Mul", ["samples", "half"], ["halved"], name="halve"),
    helper.make_node("mu_law", ["halved"], ["compressed"], name="compress", domain="example", mu=255.0),
]
graph = helper.make_graph(
    nodes, "mu_law",
    [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["N"])],
    [helper.make_tensor_value_info("compressed", TensorProto.FLOAT, ["N"])],
    [helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("example", 1)], ir_version=8)
onnx.save(model, sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "mu_law.onnx"))
