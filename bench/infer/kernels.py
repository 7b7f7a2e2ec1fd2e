#!/usr/bin/env python3
"""Measures GhostFlow's own kernels beside another table of kernels that it may prefer, interleaved in one run.

    python kernels.py --models FOLDER --build BUILD [--prefer xnnpack] [--nets NAME ...] [--threads 1 2] [--rounds 5]

FOLDER is what models.py wrote. Processes, pinning and the check of the outputs are those of run.py; needs numpy and onnx.
Prints a table: medians over the rounds, the nodes that the preferred table took and their share of the time. Exit code 1 if
a net fails or an output differs.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

from run import Failed, GhostFlow, Net

HEADER = ("| net | threads | our kernels ms | {0} ms | {0} / ours | nodes on {0} | of the time | output error / tolerance |\n"
          "|---|---:|---:|---:|---:|---:|---:|---:|")


def row(net, args, threads, cpus, work):
    engines = [GhostFlow(net, args.build, work), GhostFlow(net, args.build, work, ("--prefer", args.prefer))]
    samples = ([], [])
    for turn in range(args.rounds):
        for i in (1, 0) if turn % 2 else (0, 1):
            samples[i].append(engines[i].measure(threads, cpus[:threads], args.min_time))
    ours, theirs = (statistics.median(s["run_ms"]["median"] for s in of) for of in samples)
    ops = samples[1][-1]["ops"]
    taken = [op for op in ops if op["kernel"].endswith("_" + args.prefer)]
    share = sum(op["ms"] for op in taken) / max(1e-9, sum(op["ms"] for op in ops))
    worst = max(engine.worst_output(threads, cpus[:threads]) for engine in engines)
    print(f"| {net.name} | {threads} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.2f} | {len(taken)} of {len(ops)} | "
          f"{share:.0%} | {worst:.3f} |", flush=True)
    return worst <= 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, required=True, help="the folder that models.py wrote")
    parser.add_argument("--build", required=True, help="GhostFlow's build folder, with bin/gf-bench")
    parser.add_argument("--prefer", default="xnnpack", help="as --prefer of the tools")
    parser.add_argument("--nets", nargs="*", default=["mobilenet_v2", "resnet50", "squeezenet1_1", "dscnn_kws"])
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--min-time", type=float, default=1.0, metavar="SECONDS", help="per measurement")
    args = parser.parse_args()
    cpus, good = sorted(os.sched_getaffinity(0)), True
    print(HEADER.format(args.prefer))
    with tempfile.TemporaryDirectory() as work:
        for name in args.nets:
            net = Net(args.models / name)
            net.warm_page_cache()
            for threads in args.threads:
                try:
                    good &= row(net, args, threads, cpus, pathlib.Path(work))
                except (Failed, json.JSONDecodeError, KeyError, OSError) as error:
                    good = False
                    print(f"{name}, {threads} threads: {error}", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
