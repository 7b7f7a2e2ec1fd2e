"""Whole trainings with `gf-train fit` and in PyTorch, in turns: python run.py --build DIR --data DIR [--turns N] [--threads N] [TASK...]."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TASKS = {  # data below --data, arguments of gf-train fit, epochs or steps
    "mnist": ("mnist", "mnist", ["lenet", "--augment", "--epochs"], 6),
    "char-gpt": ("text/tinyshakespeare.txt", "text", ["char-gpt", "--clip-norm", "1", "--steps"], 2000),
}
parser = argparse.ArgumentParser()
parser.add_argument("--build", type=pathlib.Path, required=True)
parser.add_argument("--data", type=pathlib.Path, required=True)
parser.add_argument("--turns", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("tasks", nargs="*", default=list(TASKS))
args = parser.parse_args()


def ours(data, kind, fit, count):
    start = time.perf_counter()
    out = subprocess.run([args.build / "bin/gf-train", "fit", *fit, str(count), "--data", f"{kind}:{data}", "--threads", str(args.threads), "--json"],
                         capture_output=True, text=True, check=True).stdout
    done = json.loads(out.splitlines()[-1])
    return {"seconds": round(time.perf_counter() - start, 1), **done["validation"], "stall": done["stall_seconds"] / done["seconds"]}


def torch(task, data, count):
    return json.loads(subprocess.run([sys.executable, HERE / "torch_fit.py", task, data, str(args.threads), str(count)], capture_output=True, text=True, check=True).stdout)


print(f"{'task':10s} {'who':12s} {'seconds':>8s} {'ratio':>6s}  result")
for task in args.tasks:
    path, kind, fit, count = TASKS[task]
    turns = [(ours(args.data / path, kind, fit, count), torch(task, args.data / path, count)) for _ in range(args.turns)]
    first = statistics.median(t[0]["seconds"] for t in turns)
    for who, k in (("ours", 0), ("torch", 1)):
        seconds = statistics.median(t[k]["seconds"] for t in turns)
        result = ", ".join(f"{name} {statistics.median(t[k][name] for t in turns):.4f}" for name in turns[0][k] if name != "seconds")
        print(f"{task:10s} {who:12s} {seconds:8.1f} {seconds / first:6.2f}  {result}", flush=True)
