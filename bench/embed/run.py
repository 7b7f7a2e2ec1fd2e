#!/usr/bin/env python3
"""What it costs to embed GhostFlow: overhead of a run, set-up, a cold process, memory, idle CPU; the C APIs of ONNX Runtime and LiteRT beside it.

Usage: run.py [--build DIR] [--rounds N] [--turns N] [--cpu N]
Needs a C compiler and the Python packages of requirements.txt (models are written with onnx; LiteRT
is left out when it is not installed).
"""
import argparse
import importlib.metadata
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def write_models(folder):
    import onnx
    from onnx import TensorProto, helper

    def save(name, nodes, width, outputs):
        graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [width])],
                                  [helper.make_tensor_value_info(outputs, TensorProto.FLOAT, [width])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, os.path.join(folder, name + ".onnx"))

    save("one", [helper.make_node("Relu", ["x"], ["y"])], 4, "y")
    names = ["x"] + ["t%d" % i for i in range(99)] + ["y"]
    save("hundred", [helper.make_node("Softmax" if i % 2 else "Relu", [names[i]], [names[i + 1]]) for i in range(100)], 64, "y")


def write_tflite(path):
    """The one-node model again, as LiteRT wants it."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as tfl

    def tensor(name, buffer):
        t = tfl.TensorT()
        t.name, t.shape, t.type, t.buffer = name, [4], tfl.TensorType.FLOAT32, buffer
        return t

    code, node, graph, model = tfl.OperatorCodeT(), tfl.OperatorT(), tfl.SubGraphT(), tfl.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = tfl.BuiltinOperator.RELU
    code.version = 1
    node.opcodeIndex, node.inputs, node.outputs = 0, [0], [1]
    graph.name, graph.tensors, graph.inputs, graph.outputs, graph.operators = "main", [tensor("x", 1), tensor("y", 2)], [0], [1], [node]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [tfl.BufferT() for _ in range(3)]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    with open(path, "wb") as file:
        file.write(builder.Output())


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()


class Bench:
    """The programs and models, and one measurement of each kind."""

    def __init__(self, build, work, rounds):
        self.work, self.rounds, self.build = work, str(rounds), build
        write_models(work)
        self.convert(self.path("one.onnx"), "one.gf")
        self.convert(self.path("hundred.onnx"), "hundred.gf", "-O0")
        self.digits = os.path.join(ROOT, "examples/digits/digits.onnx")
        self.pixels = os.path.join(ROOT, "tests/package/consumers/digit_7.txt")
        self.convert(self.digits, "digits.gf")
        with open(os.path.join(build, "ghostflow.pc")) as file:
            libraries = next(line.split()[1:] for line in file if line.startswith("Libs.private:"))
        library = ["-I" + os.path.join(build, "include"), os.path.join(build, "libghostflow.a"), "-Wl,--as-needed", *libraries, "-Wl,--gc-sections", "-s"]
        self.compile("ghostflow", "ghostflow", *library)
        self.compile("ghostflow", "digits_app", self.tables("digits.gf"), *library)
        for rival in ("onnxruntime", "litert"):
            self.compile(rival, rival, "-ldl")
        self.compile("launch", "launch", "-static")
        with open(self.path("empty.c"), "w") as file:
            file.write("int main(void) { return 0; }\n")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", self.path("empty.c"), "-o", self.path("empty")], check=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def convert(self, model, out, *flags):
        subprocess.run([os.path.join(self.build, "bin/gf-convert"), model, "-o", self.path(out), *flags], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def tables(self, model):
        """What ghostflow_add_runtime(... MODELS model) puts in front of the library: the ops of one model."""
        source, out = self.path("tables.cpp"), self.path("tables.o")
        subprocess.run(["cmake", "-DMODELS=" + self.path(model), "-DGF_INFO=" + os.path.join(self.build, "bin/gf-info"), "-DSIMD=ON", "-DPUBLIC=ON", "-DOUTPUT=" + source,
                        "-P", os.path.join(ROOT, "cmake/GhostFlowTables.cmake")], check=True)
        subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-O2", "-ffunction-sections", "-fdata-sections", "-I" + os.path.join(self.build, "include"), "-c", source, "-o", out], check=True)
        return out

    def compile(self, source, name, *flags):
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-std=c99", os.path.join(HERE, source + ".c"), "-o", self.path(name), *flags], check=True)

    def ours(self, *arguments):
        return [float(v) for v in output_of(self.path("ghostflow"), *arguments)]

    def launch(self, *command):
        """Wall milliseconds from start to end and peak kilobytes of a process."""
        return [float(v) for v in output_of(self.path("launch"), self.rounds, *command)]


def medians(rows):
    return [statistics.median(column) for column in zip(*rows)]


def measure(bench, ort, litert, turns):
    """One dictionary of numbers: every contestant in each turn, so that all see the same machine."""
    onnx_program = (bench.path("onnxruntime"), ort)
    cold = ("cold", bench.path("digits.gf"), bench.pixels)
    app, all_ops, ort_cold = (bench.path("digits_app"), *cold), (bench.path("ghostflow"), *cold), (*onnx_program, "cold", bench.digits, bench.pixels)
    for command in (app, all_ops, ort_cold):
        if output_of(*command) != ["7"]:
            sys.exit("%s gave a wrong answer" % command[0])
    names = ("run", "ort_run", "litert_run", "nodes", "needs", "create", "set_up", "ort_create", "cold_ms", "cold_kb", "all_ms", "all_kb", "ort_ms", "ort_kb", "empty_ms", "empty_kb", "idle_ms")
    rows = []
    for _ in range(turns):
        row = bench.ours("run", bench.path("one.gf"), bench.rounds)
        row += [float(v) for v in output_of(*onnx_program, "run", bench.path("one.onnx"), bench.rounds)]
        row += [float(v) for v in output_of(bench.path("litert"), litert, bench.path("one.tflite"), bench.rounds)] if litert else [float("nan")]
        row += bench.ours("create", bench.path("hundred.gf"), bench.rounds)
        row += [float(v) for v in output_of(*onnx_program, "create", bench.path("hundred.onnx"), bench.rounds)]
        row += bench.launch(*app) + bench.launch(*all_ops) + bench.launch(*ort_cold) + bench.launch(bench.path("empty"))
        row += bench.ours("idle", bench.path("digits.gf"))
        rows.append(row)
    return dict(zip(names, medians(rows)))


def print_table(m, ort_version, litert_version):
    print("| what | GhostFlow | aim | ONNX Runtime %s | LiteRT %s |\n|---|---:|---:|---:|---:|" % (ort_version, litert_version))
    for row in (
            ("run of one node (Relu of 4 numbers), 1 thread", "%.3f us" % m["run"], "1 us", "%.3f us" % m["ort_run"], "%.3f us" % m["litert_run"]),
            ("create of %d nodes, nothing to pack" % m["nodes"], "%.3f ms" % (m["create"] / 1e3), "1 ms", "", ""),
            ("file in memory to session, %d nodes" % m["nodes"], "%.3f ms" % (m["set_up"] / 1e3), "", "%.3f ms" % (m["ort_create"] / 1e3), ""),
            ("digits: a process from start to end, with an answer", "%.2f ms" % m["cold_ms"], "5 ms", "%.2f ms" % m["ort_ms"], ""),
            ("... with every op in the program", "%.2f ms" % m["all_ms"], "", "", ""),
            ("... an empty C program", "%.2f ms" % m["empty_ms"], "", "", ""),
            ("digits: peak memory above an empty C program", "%.2f MB" % ((m["cold_kb"] - m["empty_kb"]) / 1024), "3 MB", "%.2f MB" % ((m["ort_kb"] - m["empty_kb"]) / 1024), ""),
            ("... with every op in the program", "%.2f MB" % ((m["all_kb"] - m["empty_kb"]) / 1024), "", "", ""),
            ("CPU time in one second between runs, 2 threads", "%.3f ms" % m["idle_ms"], "0", "", "")):
        print("| %s | %s | %s | %s | %s |" % row)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="build folder (default: build/release)")
    parser.add_argument("--rounds", type=int, default=51, help="measurements of each kind in a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--cpu", type=int, help="run everything on this processor")
    args = parser.parse_args()
    import onnxruntime
    capi = os.path.join(os.path.dirname(onnxruntime.__file__), "capi")
    ort = next(os.path.join(capi, f) for f in sorted(os.listdir(capi)) if f.startswith("libonnxruntime.so"))
    with tempfile.TemporaryDirectory(prefix="gf_embed_") as work:
        bench = Bench(os.path.abspath(args.build), work, args.rounds)
        litert, litert_version = "", "(not installed)"
        try:
            import ai_edge_litert
            litert = os.path.join(os.path.dirname(ai_edge_litert.__file__), "libLiteRt.so")
            litert_version = importlib.metadata.version("ai-edge-litert")
            write_tflite(bench.path("one.tflite"))
        except ImportError:
            pass
        if args.cpu is not None:
            os.sched_setaffinity(0, {args.cpu})
        print_table(measure(bench, ort, litert, args.turns), onnxruntime.__version__, litert_version)


if __name__ == "__main__":
    main()
