#!/usr/bin/env python3
"""All tasks of bench/train, GhostFlow and its rivals taking turns: PyTorch eager, torch.compile, JAX.
python run.py --build DIR [--turns N] [--cpus 0,1] [--rivals torch,compile,jax] [TASK[.bf16]...]
TASK.bf16: products from bfloat16 operands, TASK.bf16kept: and activations kept in bfloat16, both beside torch.autocast; TASK.kept: activations
alone (none of the three beside JAX). Tasks of one net that are given together take turns."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
STEPS = {"mlp": 60, "lenet": 40, "resnet18": 5, "char_gpt": 15, "char_lstm": 7, "encoder": 7, "gpt": 3}
RIVALS = {"torch": ["torch_bench.py"], "compile": ["torch_bench.py", "compile"], "jax": ["jax_bench.py"]}
# MB of activations and scratch, where fit_memory() computes results again to meet the goal of the task
BUDGETS = {"gpt": 280}


def medians(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0] if isinstance(rows[0][key], (int, float))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--cpus", default="0,1")
    parser.add_argument("--rivals", default="torch,compile,jax")
    parser.add_argument("tasks", nargs="*", default=list(STEPS))
    options = parser.parse_args()
    cpus, rivals = options.cpus.split(","), options.rivals.split(",")
    print(f"{'task':14} {'threads':7} {'who':8} {'ms':>9} {'ratio':>6} {'MB':>6} {'first step less median, ms':>27}")
    nets = {}
    for task in options.tasks:
        nets.setdefault(task.partition(".")[0], []).append(task)
    for net, tasks in nets.items():
        for threads in (1, 2):
            pin = ["taskset", "-c", ",".join(cpus[:threads])]
            commands = {}
            for task in tasks:
                counts = [task, str(threads), str(STEPS[net])]
                commands[task, "ours"] = [*pin, options.build / "bin" / "train_bench", *counts, *(["", str(BUDGETS[net])] if net in BUDGETS else [])]
                for rival in [r for r in rivals if not (r == "jax" and "." in task)]:
                    program, *words = RIVALS[rival]
                    commands[task, rival] = [*pin, sys.executable, HERE / program, *counts, *words]
            rows = {row: [] for row in commands}
            for _ in range(options.turns):
                for row, command in commands.items():
                    done = subprocess.run(command, capture_output=True, text=True)
                    if done.returncode != 0:
                        sys.exit(f"{row[1]}, {row[0]}: exit status {done.returncode}\n{done.stderr}")
                    rows[row].append(json.loads(done.stdout.splitlines()[-1]))
            for (task, who), runs in rows.items():
                m, ours = medians(runs), medians(rows[task, "ours"])
                compiling = m["first_ms"] - m["ms"] + m.get("compile_ms", 0)
                print(f"{task:14} {threads:7} {who:8} {m['ms']:9.2f} {m['ms'] / ours['ms']:6.2f} {m['mb']:6.0f} {compiling:27.0f}", flush=True)


if __name__ == "__main__":
    main()
