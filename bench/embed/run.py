#!/usr/bin/env python3
"""What it costs to embed GhostFlow: overhead of a run, set-up, a cold process, memory, idle CPU; ONNX Runtime's C API beside it.

Usage: run.py [--build DIR] [--rounds N]
Needs a C compiler and the Python packages of requirements.txt (models are written with onnx; onnxruntime is the rival).
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

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


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def process_cost(command, rounds):
    """Median wall milliseconds from fork to exit, and peak resident kilobytes."""
    walls, peaks = [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        child = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
        _, status, usage = os.wait4(child, 0)
        walls.append((time.perf_counter() - begin) * 1e3)
        peaks.append(usage.ru_maxrss)
        if status != 0:
            sys.exit("%s failed" % command)
    return statistics.median(walls), statistics.median(peaks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="build folder (default: build/release)")
    parser.add_argument("--rounds", type=int, default=51)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="gf_embed_")
    write_models(work)
    for name, flags in (("one", []), ("hundred", ["-O0"])):
        subprocess.run([os.path.join(args.build, "bin/gf-convert"), os.path.join(work, name + ".onnx"), "-o", os.path.join(work, name + ".gf")] + flags,
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run([os.path.join(args.build, "bin/gf-convert"), os.path.join(ROOT, "examples/digits/digits.onnx"), "-o", os.path.join(work, "digits.gf")],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    programs = {"ghostflow": ["-I" + os.path.join(args.build, "include"), os.path.join(args.build, "libghostflow.a"), "-lstdc++", "-lm", "-lpthread", "-Wl,--gc-sections", "-s"],
                "onnxruntime": ["-ldl"]}
    for name, flags in programs.items():
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-std=c99", os.path.join(HERE, name + ".c"), "-o", os.path.join(work, name)] + flags, check=True)
    empty = os.path.join(work, "empty")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-xc", "-", "-o", empty], input="int main(void) { return 0; }", text=True, check=True)

    ours = os.path.join(work, "ghostflow")
    rows = []
    import onnxruntime
    capi = os.path.join(os.path.dirname(onnxruntime.__file__), "capi")
    library = next(os.path.join(capi, f) for f in sorted(os.listdir(capi)) if f.startswith("libonnxruntime.so"))
    run_us, rival_us, version = [], [], ""
    for _ in range(3):  # turns, so that both see the same machine
        run_us.append(float(output_of(ours, "run", os.path.join(work, "one.gf"), str(args.rounds))[0]))
        version, microseconds = output_of(os.path.join(work, "onnxruntime"), library, os.path.join(work, "one.onnx"), str(args.rounds))
        rival_us.append(float(microseconds))
    rows.append(("run of one node (Relu of 4 numbers), C API, 1 thread", "%.3f us" % min(run_us), "<= 1 us", "%.3f us" % min(rival_us)))
    nodes, needs, create = output_of(ours, "create", os.path.join(work, "hundred.gf"), str(args.rounds))
    rows.append(("gf_session_create of %s nodes, weights packed before" % nodes, "%.3f ms" % (float(create) / 1e3), "<= 1 ms", ""))
    rows.append(("gf_session_needs of the same", "%.3f ms" % (float(needs) / 1e3), "", ""))
    pixels = os.path.join(ROOT, "tests/package/consumers/digit_7.txt")
    if output_of(ours, "cold", os.path.join(work, "digits.gf"), pixels) != ["7"]:
        sys.exit("the digits program gave a wrong answer")
    wall, peak = process_cost([ours, "cold", os.path.join(work, "digits.gf"), pixels], args.rounds)
    empty_wall, empty_peak = process_cost([empty], args.rounds)
    rows.append(("digits: process start to end with an answer", "%.2f ms (empty program %.2f)" % (wall, empty_wall), "<= 5 ms", ""))
    rows.append(("digits: peak memory above an empty C program", "%.2f MB" % ((peak - empty_peak) / 1024), "<= 3 MB", ""))
    rows.append(("idle CPU in one second between runs, 2 threads", "%s ms" % output_of(ours, "idle", os.path.join(work, "digits.gf"))[0], "0", ""))
    print("| what | GhostFlow | aim | ONNX Runtime %s |\n|---|---:|---:|---:|" % version)
    for row in rows:
        print("| %s | %s | %s | %s |" % row)


if __name__ == "__main__":
    main()
