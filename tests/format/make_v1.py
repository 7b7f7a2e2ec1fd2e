#!/usr/bin/env python3
"""How v1_0.gf was made. Kept as a description of what is in it: the file itself is never made again (README.md).

    python make_v1.py OUT_FOLDER        # main.onnx, second.onnx, v1_0.npz with inputs and ONNX Runtime's answers
    gf-convert main.onnx second=second.onnx -o plain.gf --dim N=1..4 --state h_out=h --keep-node-names \
        --meta labels=labels.txt --meta license=Apache-2.0
    finish_v1 plain.gf v1_0.gf          # finish_v1.cpp: a splat, a table of quantisation, golden runs
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(20261127)
F, I, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def branch(name, op, other):
    node = helper.make_node(op, ["mixed", other], [name])
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, F, ["N", 8])])


def loop_body():
    nodes = [helper.make_node("Tanh", ["carried"], ["t"]), helper.make_node("Add", ["t", "normed"], ["next"]),
             helper.make_node("Identity", ["go_in"], ["go_out"]), helper.make_node("ReduceMean", ["next"], ["mean"], keepdims=0)]
    return helper.make_graph(nodes, "body",
                             [helper.make_tensor_value_info("round", I, []), helper.make_tensor_value_info("go_in", B, []),
                              helper.make_tensor_value_info("carried", F, ["N", 8])],
                             [helper.make_tensor_value_info("go_out", B, []), helper.make_tensor_value_info("next", F, ["N", 8]),
                              helper.make_tensor_value_info("mean", F, [])])


def main_model():
    weights = [
        constant("shape_4d", np.array([-1, 1, 2, 4])), constant("conv_w", rng.standard_normal((2, 1, 3, 3), dtype=np.float32)),
        constant("conv_b", rng.standard_normal(2, dtype=np.float32)), constant("fc_w", rng.standard_normal((16, 8), dtype=np.float32) / 4),
        constant("norm_g", rng.standard_normal(8, dtype=np.float32)), constant("norm_b", rng.standard_normal(8, dtype=np.float32)),
        constant("scale", np.float32(0.05)), constant("zero", np.int8(3)), constant("trips", np.int64(3)), constant("true", np.bool_(True)),
        constant("q_w", rng.integers(-100, 100, (8, 4)).astype(np.int8)), constant("q_w_scale", (rng.random(4) * 0.02 + 0.01).astype(np.float32)),
        constant("q_w_zero", np.zeros(4, np.int8)), constant("splat_shape", np.array([8, 160])),
        constant("half", np.float32(0.5)),
    ]
    n = helper.make_node
    nodes = [
        n("Reshape", ["x", "shape_4d"], ["image"]), n("Conv", ["image", "conv_w", "conv_b"], ["c"], pads=[1, 1, 1, 1]), n("Relu", ["c"], ["r"]),
        n("Flatten", ["r"], ["f"]), n("MatMul", ["f", "fc_w"], ["m"]), n("Add", ["m", "h"], ["mixed"]),
        n("LayerNormalization", ["mixed", "norm_g", "norm_b"], ["normed"]),
        n("If", ["flag"], ["chosen"], then_branch=branch("a", "Add", "normed"), else_branch=branch("b", "Sub", "normed")),
        n("Loop", ["trips", "true", "chosen"], ["looped", "means"], body=loop_body()),
        n("QuantizeLinear", ["looped", "scale", "zero"], ["q"]), n("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
        n("DequantizeLinear", ["q_w", "q_w_scale", "q_w_zero"], ["w"], axis=1), n("MatMul", ["dq", "w"], ["logits"]), n("Softmax", ["logits"], ["y"]),
        n("ConstantOfShape", ["splat_shape"], ["quarter"], value=helper.make_tensor("v", F, [1], [0.25])),
        n("MatMul", ["dq", "quarter"], ["wide"]), n("ReduceMean", ["dq"], ["h_mean"], axes=[0], keepdims=0),
        n("Mul", ["h", "half"], ["h_half"]), n("Add", ["h_half", "h_mean"], ["h_out"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "main", [info("x", F, ["N", 8]), info("flag", B, []), info("h", F, [8])],
                              [info("y", F, ["N", 4]), info("means", F, [3]), info("wide", F, ["N", 160]), info("h_out", F, [8])], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def second_model():
    graph = helper.make_graph([helper.make_node("Mul", ["a", "a"], ["square"]), helper.make_node("TopK", ["square", "k"], ["values", "indices"])],
                              "second", [helper.make_tensor_value_info("a", F, [5])],
                              [helper.make_tensor_value_info("values", F, [2]), helper.make_tensor_value_info("indices", I, [2])],
                              [constant("k", np.array([2]))])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(model, feeds, state=None):
    session, out = onnxruntime.InferenceSession(model.SerializeToString()), {}
    carried = np.zeros(8, np.float32)
    for i, feed in enumerate(feeds):
        given = dict(feed, h=carried) if state else feed
        names = [o.name for o in session.get_outputs()]
        got = dict(zip(names, session.run(names, given)))
        carried = got.get("h_out")
        out.update({f"{i}_in_{k}": np.asarray(v) for k, v in feed.items()})
        out.update({f"{i}_out_{k}": v for k, v in got.items()})
    return out


def main():
    folder = pathlib.Path(sys.argv[1])
    main_, second = main_model(), second_model()
    for name, model in (("main", main_), ("second", second)):
        onnx.checker.check_model(model)
        onnx.save(model, folder / f"{name}.onnx")
    feeds = [{"x": rng.standard_normal((n, 8), dtype=np.float32), "flag": np.array(flag)} for n, flag in ((2, True), (4, False), (1, True))]
    arrays = {f"main_{k}": v for k, v in answers(main_, feeds, True).items()}
    arrays.update({f"second_{k}": v for k, v in answers(second, [{"a": np.array([1, -3, 2, 0.5, -2.5], np.float32)}]).items()})
    np.savez(folder / "v1_0.npz", **arrays)
    (folder / "labels.txt").write_text("north\neast\nsouth\nwest\n")


main()
