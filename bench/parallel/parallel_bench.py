#!/usr/bin/env python3
"""Two processes that train ResNet-18 on pictures of CIFAR's size together (mpirun) beside two that train alone, at once: pictures a second of both,
in turns. A thread and half of the cores each. Usage: parallel_bench.py [--bin DIR] [--batch N] [--steps N] [--rounds N] [--shard-optimizer]"""
import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
from pathlib import Path


def write_pictures(folder, count):
    draw = random.Random(1)
    pictures = bytearray(draw.randbytes(3073 * count))
    for i in range(count):
        pictures[3073 * i] = i % 10
    for k in range(1, 6):
        (folder / f"data_batch_{k}.bin").write_bytes(pictures)
    (folder / "test_batch.bin").write_bytes(pictures[:3073 * 10])


def speed_of(output, batch):
    """Pictures a second of a job's steps without the first two, which warm up."""
    times = [json.loads(line)["step_ms"] for line in output.splitlines() if '"step_ms"' in line][2:]
    return batch / statistics.mean(times) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default="build/release/bin", type=Path)
    parser.add_argument("--batch", default=32, type=int, help="pictures per process and step")
    parser.add_argument("--steps", default=12, type=int)
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--shard-optimizer", action="store_true")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gf_parallel_bench_") as temporary:
        folder = Path(temporary)
        write_pictures(folder, max(100, 2 * o.batch * o.steps // 5 + 1))
        job = [o.bin / "gf-train", "fit", "resnet18", "--data", f"cifar:{folder}", "--threads", "1", "--steps", o.steps, "--validate-every", 10**9, "--json"]
        together = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", 2, *job, "--batch", 2 * o.batch]
        if o.shard_optimizer:
            together.append("--shard-optimizer")

        def run(commands):
            jobs = [subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands]
            results = [j.communicate() for j in jobs]
            for j, (_, errors) in zip(jobs, results):
                assert j.returncode == 0, errors
            return [output for output, _ in results]

        ratios = []
        for k in range(o.rounds):
            alone = sum(speed_of(output, o.batch) for output in run([[*job, "--batch", o.batch]] * 2))
            both = speed_of(run([together])[0], 2 * o.batch)
            ratios.append(both / alone)
            print(f"round {k + 1}: alone {alone:.1f}, together {both:.1f} pictures/s: {ratios[-1]:.3f}; load {os.getloadavg()[0]:.1f}", flush=True)
        print(f"median {statistics.median(ratios):.3f} of {o.rounds} rounds, {o.batch} pictures per process and step, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
