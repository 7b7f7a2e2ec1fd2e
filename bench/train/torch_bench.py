"""One task in PyTorch, eager or compiled: python torch_bench.py TASK[.bf16|.bf16kept] THREADS STEPS [compile]; those: autocast; one line of JSON as train_bench prints it."""
import json
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F

import torch_nets

(task, _, narrow), threads, steps = sys.argv[1].partition("."), int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(0)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

gpts = {"char_gpt": (65, 12, 64, 128, 4, 4), "gpt": (65, 8, 256, 384, 6, 6)}
net, optimizer, x, t = torch_nets.gpt(*gpts[task]) if task in gpts else getattr(torch_nets, task)()
if sys.argv[4:] == ["compile"]:
    net = torch.compile(net)
times = []
for _ in range(steps):
    start = time.perf_counter()
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow.startswith("bf16")):
        loss = F.cross_entropy(net(x), t)
    loss.backward()
    optimizer.step()
    times.append((time.perf_counter() - start) * 1e3)
print(json.dumps({"task": task, "threads": threads, "ms": round(statistics.median(times), 4), "first_ms": round(times[0], 3),
                  "mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024, 1), "loss": round(loss.item(), 5)}))
