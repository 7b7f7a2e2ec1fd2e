#!/usr/bin/env python3
"""All tasks of bench/train, GhostFlow and PyTorch taking turns: python run.py --build DIR [--turns N] [--cpus 0,1] [TASK...]"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
STEPS = {"mlp": 60, "lenet": 40, "resnet18": 5, "char_gpt": 15, "char_lstm": 7, "encoder": 7, "gpt": 3}

# MB of activations and scratch, where fit_memory() computes results again to meet the goal of the task
BUDGETS = {"encoder": 66, "gpt": 225}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--cpus", default="0,1")
    parser.add_argument("tasks", nargs="*", default=list(STEPS))
    options = parser.parse_args()
    cpus = options.cpus.split(",")
    print(f"{'task':10} {'threads':7} {'ours ms':>9} {'torch ms':>9} {'ratio':>6} {'ours MB':>8} {'torch MB':>8} {'compile ms':>10} {'first ms':>9} {'torch first':>11}")
    for task in options.tasks:
        for threads in (1, 2):
            pin = ["taskset", "-c", ",".join(cpus[:threads])]
            commands = {"ours": [*pin, options.build / "bin" / "train_bench", task, str(threads), str(STEPS[task]),
                                 *(["", str(BUDGETS[task])] if task in BUDGETS else [])],
                        "torch": [*pin, sys.executable, HERE / "torch_bench.py", task, str(threads), str(STEPS[task])]}
            rows = {name: [] for name in commands}
            for _ in range(options.turns):
                for name, command in commands.items():
                    rows[name].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            middle = {name: {k: statistics.median(r[k] for r in rs) for k in ("ms", "mb", "first_ms")} for name, rs in rows.items()}
            compiling = statistics.median(r["compile_ms"] for r in rows["ours"])
            ours, torch = middle["ours"], middle["torch"]
            print(f"{task:10} {threads:7} {ours['ms']:9.2f} {torch['ms']:9.2f} {torch['ms'] / ours['ms']:6.2f} {ours['mb']:8.0f} {torch['mb']:8.0f} {compiling:10.0f} {ours['first_ms']:9.1f} {torch['first_ms']:11.1f}", flush=True)


if __name__ == "__main__":
    main()
