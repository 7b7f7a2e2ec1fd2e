"""Writes the cases of bench/web: for each a folder with model.onnx, model.gf, the list of calls that TensorFlow.js runs (it computes in
floats only, so that int8 cases have none), and inputs.

Usage: models.py OUT --convert GF_CONVERT [--zoo FOLDER] [--silero FILE] [--cases NAME ...]
FOLDER is what bench/infer/models.py wrote (mobilenet_v2, squeezenet1_1, minilm_6). Needs numpy, onnx and onnxruntime.
"""
import argparse
import json
import pathlib
import subprocess

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

FILES = {np.float32: "f32", np.int64: "i64", np.uint8: "u8"}


def floats(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


def one_op(nodes, inputs, outputs, constants):
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "op", [value(*x) for x in inputs], [value(*x) for x in outputs],
                              [numpy_helper.from_array(a, n) for n, a in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def conv(size, channels, out, kernel, groups):
    """Twice: channels first, as ONNX Runtime computes, and with the axes of its ends turned, as we and TensorFlow.js compute."""
    rng = np.random.default_rng(1)
    w = floats(rng, out, channels // groups, kernel, kernel) / (kernel * (channels // groups) ** 0.5)
    node = lambda x, y: helper.make_node("Conv", [x, "w", "b"], [y], kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, group=groups)
    constants = {"w": w, "b": floats(rng, out)}
    first, last = (1, channels, size, size), (1, size, size, channels)
    to = (1, out, size, size), (1, size, size, out)
    plain = one_op([node("x", "y")], [("x", first)], [("y", to[0])], constants)
    turned = one_op([helper.make_node("Transpose", ["x"], ["u"], perm=[0, 3, 1, 2]), node("u", "v"),
                     helper.make_node("Transpose", ["v"], ["y"], perm=[0, 2, 3, 1])], [("x", last)], [("y", to[1])], constants)
    return plain, turned, 2 * size * size * out * kernel * kernel * channels // groups


def matmul(n):
    rng = np.random.default_rng(1)
    both = one_op([helper.make_node("MatMul", ["x", "w"], ["y"])], [("x", (n, n))], [("y", (n, n))], {"w": floats(rng, n, n)})
    return both, both, 2 * n**3


def matmul_integer(n):
    """As dynamic quantisation leaves a product: uint8 with a zero point, by int8 without one, to int32."""
    w = np.random.default_rng(1).integers(-127, 128, (n, n), dtype=np.int8)
    value = lambda name, kind: helper.make_tensor_value_info(name, kind, (n, n))
    constants = {"w": w, "x_zero": np.array(128, np.uint8)}
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["x", "w", "x_zero"], ["y"])], "op", [value("x", TensorProto.UINT8)],
                              [value("y", TensorProto.INT32)], [numpy_helper.from_array(a, name) for name, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), 2 * n**3


class Noise(quantization.CalibrationDataReader):
    """Four inputs of random numbers: they say how fast an int8 net is, not how good it is."""

    def __init__(self, value):
        rng, shape = np.random.default_rng(3), [d.dim_value for d in value.type.tensor_type.shape.dim]
        self.left = [{value.name: floats(rng, *shape)} for _ in range(4)]

    def get_next(self):
        return self.left.pop() if self.left else None


def quantised(source, out, static):
    """Static: QuantizeLinear and DequantizeLinear around every op, uint8 with zero points, weights int8 per channel. Else dynamic."""
    if static:
        quantization.quantize_static(source, out, Noise(onnx.load(source).graph.input[0]), per_channel=True,
                                     activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8)
    else:
        quantization.quantize_dynamic(source, out, weight_type=quantization.QuantType.QInt8)
    return onnx.load(out)


OPS = {"matmul_512": lambda: matmul(512), "conv1x1_128_56": lambda: conv(56, 128, 128, 1, 1),
       "conv3x3_64_56": lambda: conv(56, 64, 64, 3, 1), "depthwise3x3_128_56": lambda: conv(56, 128, 128, 3, 128)}
NETS = ["mobilenet_v2", "squeezenet1_1", "minilm_6"]
INT8_OPS = {"matmul_u8s8_512": lambda: matmul_integer(512)}
INT8_NETS = {"mobilenet_v2_int8": ("mobilenet_v2", True), "minilm_6_int8": ("minilm_6", False)}  # of which net, static


def fold(path, out):
    """ONNX Runtime's basic optimisations: what depends on constants only is computed, batch normalisation goes into convolutions."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return onnx.load(out)


def calls(model):
    """[{op, in, out, attributes}] for tfjs.mjs with activations and biases inside convolutions and products, and the constants."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    nodes = []
    for n in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in n.attribute}
        if n.op_type == "Constant":
            constants[n.output[0]] = numpy_helper.to_array(attributes["value"])
            continue
        plain = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
        nodes.append({"op": n.op_type, "in": list(n.input), "out": list(n.output), "at": plain})
    users = {}
    for n in nodes:
        for name in n["in"]:
            users.setdefault(name, []).append(n)
    makers = {n["out"][0]: n for n in nodes}
    kept = []
    for n in nodes:
        before = makers.get(n["in"][0]) if n["in"] else None
        alone = before is not None and len(users[n["in"][0]]) == 1
        clip6 = n["op"] == "Clip" and [constants.get(i) for i in n["in"][1:]] == [0, 6]
        if alone and before["op"] == "Conv" and (n["op"] == "Relu" or clip6):
            before["activation"] = "relu" if n["op"] == "Relu" else "relu6"
        elif n["op"] == "Add" and any(i in constants and constants[i].ndim == 1 for i in n["in"]):
            bias, x = sorted(n["in"], key=lambda i: i not in constants)
            before = makers.get(x)
            if before is None or before["op"] != "MatMul" or len(users[x]) != 1:
                kept.append(n)
                continue
            before["in"].append(bias)
        else:
            kept.append(n)
            continue
        before["out"] = n["out"]
        makers[n["out"][0]] = before
    return kept, constants


def write_case(folder, name, plain, turned, convert, flops, inputs, op=False, int8=False):
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(plain, folder / "model.onnx")
    onnx.save(turned, folder / "ours.onnx")
    subprocess.run([convert, folder / "ours.onnx", "-o", folder / "model.gf", "--no-xnnpack", *(["--integers"] if int8 else [])], check=True, stdout=subprocess.DEVNULL)
    case = {"name": name, "flops": flops, "op": op, "turned": turned is not plain, "inputs": {}, "outputs": [o.name for o in plain.graph.output]}
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in plain.graph.input}
    for key, value in inputs.items():
        value.tofile(folder / f"{key}.bin")
        case["inputs"][key] = {"type": FILES[value.dtype.type], "shape": shapes[key]}
    if not int8:
        write_calls(folder)
    (folder / "case.json").write_text(json.dumps(case))
    print(name, flush=True)


def write_calls(folder):
    nodes, constants = calls(fold(folder / "model.onnx", folder / "folded.onnx"))
    used = {i for n in nodes for i in n["in"]}
    data, table = bytearray(), {}
    for key, value in constants.items():
        if key not in used:
            continue
        value = value.astype(np.float32 if value.dtype.kind == "f" else np.int32)
        table[key] = {"at": len(data), "shape": list(value.shape), "type": "f32" if value.dtype == np.float32 else "i32"}
        data += value.tobytes()
    (folder / "tfjs.bin").write_bytes(data)
    (folder / "tfjs.json").write_text(json.dumps({"nodes": nodes, "constants": table}))


def net_inputs(folder, model):
    inputs = {}
    for i, value in enumerate(model.graph.input):
        tensor = onnx.load_tensor(folder / "test_data_set_0" / f"input_{i}.pb")
        inputs[value.name] = numpy_helper.to_array(tensor)
    return inputs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--convert", required=True)
    parser.add_argument("--zoo", type=pathlib.Path)
    parser.add_argument("--silero", type=pathlib.Path)
    parser.add_argument("--cases", nargs="*")
    args = parser.parse_args()
    wanted = lambda name: not args.cases or name in args.cases
    rng = np.random.default_rng(2)
    for name, make in OPS.items():
        if wanted(name):
            plain, turned, flops = make()
            shape = [d.dim_value for d in plain.graph.input[0].type.tensor_type.shape.dim]
            write_case(args.out / name, name, plain, turned, args.convert, flops, {"x": floats(rng, *shape)}, op=True)
    for name, make in INT8_OPS.items():
        if wanted(name):
            model, flops = make()
            shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
            write_case(args.out / name, name, model, model, args.convert, flops, {"x": rng.integers(0, 256, shape, dtype=np.uint8)}, op=True, int8=True)
    for name in NETS if args.zoo else []:
        if wanted(name):
            model = onnx.load(args.zoo / name / "model.onnx")
            write_case(args.out / name, name, model, model, args.convert, 0, net_inputs(args.zoo / name, model))
    for name, (net, static) in INT8_NETS.items() if args.zoo else []:
        if wanted(name):
            folder = args.out / name
            folder.mkdir(parents=True, exist_ok=True)
            fold(args.zoo / net / "model.onnx", folder / "folded.onnx")
            model = quantised(folder / "folded.onnx", folder / "quantised.onnx", static)
            write_case(folder, name, model, model, args.convert, 0, net_inputs(args.zoo / net, model), int8=True)
    if args.silero and wanted("silero"):
        model = onnx.load(args.silero)
        inputs = {i.name: 0.1 * floats(rng, *[d.dim_value for d in i.type.tensor_type.shape.dim]) for i in model.graph.input}
        write_case(args.out / "silero", "silero", model, model, args.convert, 0, inputs)


if __name__ == "__main__":
    main()
