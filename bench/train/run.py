#!/usr/bin/env python3
"""All tasks of bench/train, GhostFlow and its rivals taking turns: PyTorch eager, torch.compile, JAX.
python run.py --build DIR [--turns N] [--cpus 0,1] [--rivals torch,compile,jax] [TASK[.bf16]...]
TASK.bf16: activations kept in bfloat16, beside torch.autocast (no JAX)."""
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
    print(f"{'task':10} {'threads':7} {'who':8} {'ms':>9} {'ratio':>6} {'MB':>6} {'first step less median, ms':>27}")
    for task in options.tasks:
        for threads in (1, 2):
            pin = ["taskset", "-c", ",".join(cpus[:threads])]
            counts = [task, str(threads), str(STEPS[task.removesuffix(".bf16")])]
            commands = {"ours": [*pin, options.build / "bin" / "train_bench", *counts, *(["", str(BUDGETS[task])] if task in BUDGETS else [])]}
            for rival in [r for r in rivals if not (r == "jax" and task.endswith(".bf16"))]:
                program, *words = RIVALS[rival]
                commands[rival] = [*pin, sys.executable, HERE / program, *counts, *words]
            rows = {who: [] for who in commands}
            for _ in range(options.turns):
                for who, command in commands.items():
                    done = subprocess.run(command, capture_output=True, text=True)
                    if done.returncode != 0:
                        sys.exit(f"{who}, {task}: exit status {done.returncode}\n{done.stderr}")
                    rows[who].append(json.loads(done.stdout.splitlines()[-1]))
            ours = medians(rows["ours"])
            for who, runs in rows.items():
                m = medians(runs)
                compiling = m["first_ms"] - m["ms"] + m.get("compile_ms", 0)
                print(f"{task:10} {threads:7} {who:8} {m['ms']:9.2f} {m['ms'] / ours['ms']:6.2f} {m['mb']:6.0f} {compiling:27.0f}", flush=True)


if __name__ == "__main__":
    main()
