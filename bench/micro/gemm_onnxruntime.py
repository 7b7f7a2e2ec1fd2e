# Times single-node ONNX models (MatMul with constant weights + bias, Conv + Relu) in ONNX Runtime on the shapes of
# gemm_bench, for the comparison in the same session: gemm_onnxruntime.py THREADS [FILTER]
# Needs numpy, onnx and onnxruntime. Prints name, threads, ms, GFLOP/s; for ResNet-50 the sum over its layers.
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

GEMMS = [("bert.qkv 128x768x768", 128, 768, 768), ("bert.up 128x3072x768", 128, 3072, 768),
         ("bert.down 128x768x3072", 128, 768, 3072), ("bert.qkv 384x768x768", 384, 768, 768),
         ("square 512", 512, 512, 512), ("square 1024", 1024, 1024, 1024), ("square 96", 96, 96, 96),
         ("gemv 1x4096x1024", 1, 4096, 1024), ("gemv 1x1000x2048", 1, 1000, 2048),
         ("small m 4x3072x768", 4, 3072, 768), ("small m 8x3072x768", 8, 3072, 768)]
CONVS = [("conv1 224 3->64 7x7/2", 224, 3, 64, 7, 2, 1), ("c2 56 64->64 1x1", 56, 64, 64, 1, 1, 1),
         ("c2 56 64->64 3x3", 56, 64, 64, 3, 1, 3), ("c2 56 64->256 1x1", 56, 64, 256, 1, 1, 4),
         ("c2 56 256->64 1x1", 56, 256, 64, 1, 1, 2), ("c3 56 256->128 1x1", 56, 256, 128, 1, 1, 1),
         ("c3 56 128->128 3x3/2", 56, 128, 128, 3, 2, 1), ("c3 56 256->512 1x1/2", 56, 256, 512, 1, 2, 1),
         ("c3 28 128->512 1x1", 28, 128, 512, 1, 1, 4), ("c3 28 512->128 1x1", 28, 512, 128, 1, 1, 3),
         ("c3 28 128->128 3x3", 28, 128, 128, 3, 1, 3), ("c4 28 512->256 1x1", 28, 512, 256, 1, 1, 1),
         ("c4 28 256->256 3x3/2", 28, 256, 256, 3, 2, 1), ("c4 28 512->1024 1x1/2", 28, 512, 1024, 1, 2, 1),
         ("c4 14 256->1024 1x1", 14, 256, 1024, 1, 1, 6), ("c4 14 1024->256 1x1", 14, 1024, 256, 1, 1, 5),
         ("c4 14 256->256 3x3", 14, 256, 256, 3, 1, 5), ("c5 14 1024->512 1x1", 14, 1024, 512, 1, 1, 1),
         ("c5 14 512->512 3x3/2", 14, 512, 512, 3, 2, 1), ("c5 14 1024->2048 1x1/2", 14, 1024, 2048, 1, 2, 1),
         ("c5 7 512->2048 1x1", 7, 512, 2048, 1, 1, 3), ("c5 7 2048->512 1x1", 7, 2048, 512, 1, 1, 2),
         ("c5 7 512->512 3x3", 7, 512, 512, 3, 1, 2)]


def session(node_list, inputs, outputs, constants, threads):
    """ORT session of a small graph; input and output stay outside so that layouts may be chosen inside."""
    graph = helper.make_graph(node_list, "g", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def constant(name, shape):
    return numpy_helper.from_array(np.random.rand(*shape).astype(np.float32) - 0.5, name)


def time_session(s, shape, out_shape):
    binding = s.io_binding()
    binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(np.random.rand(*shape).astype(np.float32)))
    binding.bind_ortvalue_output("y", ort.OrtValue.ortvalue_from_numpy(np.zeros(out_shape, np.float32)))
    for _ in range(3):
        s.run_with_iobinding(binding)
    times = []
    end = time.perf_counter() + 0.25
    while len(times) < 9 or (time.perf_counter() < end and len(times) < 400):
        start = time.perf_counter()
        s.run_with_iobinding(binding)
        times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 4]


def report(name, threads, flops, seconds):
    print(f"{name:34s} {threads:2d} {seconds * 1e3:9.4f} ms {flops / seconds / 1e9:8.1f} GFLOP/s", flush=True)


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    for name, m, n, k in GEMMS:
        if wanted not in name:
            continue
        nodes = [helper.make_node("MatMul", ["x", "w"], ["t"]), helper.make_node("Add", ["t", "b"], ["y"])]
        s = session(nodes, [value("x", [m, k])], [value("y", [m, n])], [constant("w", [k, n]), constant("b", [n])],
                    threads)
        report(name, threads, 2.0 * m * n * k, time_session(s, [m, k], [m, n]))
    total = flops_all = 0.0
    for name, size, cin, cout, kernel, stride, count in CONVS:
        if wanted not in name:
            continue
        # ORT's blocked layout needs reorders at both ends of a model: where the layer can be chained, it is timed as
        # the difference of a chain of three and one of two, so that they drop out.
        pad = kernel // 2
        out = (size + 2 * pad - kernel) // stride + 1
        conv = dict(kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)
        flops = 2.0 * out * out * cin * cout * kernel * kernel

        def chain(repeats):
            nodes, constants, last = [], [], "x"
            for i in range(repeats):
                nodes.append(helper.make_node("Conv", [last, f"w{i}", f"b{i}"], [f"c{i}"], **conv))
                end = "y" if i == repeats - 1 else f"r{i}"
                nodes.append(helper.make_node("Relu", [f"c{i}"], [end]))
                constants += [constant(f"w{i}", [cout, cin, kernel, kernel]), constant(f"b{i}", [cout])]
                last = end
            x, y = value("x", [1, cin, size, size]), value("y", [1, cout, out, out])
            s = session(nodes, [x], [y], constants, threads)
            return time_session(s, [1, cin, size, size], [1, cout, out, out])

        seconds = chain(3) - chain(2) if cin == cout and stride == 1 else chain(1)
        report(name, threads, flops, seconds)
        total += seconds * count
        flops_all += flops * count
    if total > 0:
        report("all convolutions of ResNet-50", threads, flops_all, total)


main()
