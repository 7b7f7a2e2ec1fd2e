"""One task in PyTorch eager: python torch_bench.py TASK THREADS STEPS; one line of JSON as train_bench prints it."""
import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
import torch.nn.functional as F

task, threads, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(0)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def mlp():
    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))
    return net, torch.optim.Adam(net.parameters(), lr=1e-3), torch.randn(128, 784), torch.randint(0, 10, (128,))


net, optimizer, x, t = {"mlp": mlp}[task]()
times = []
for _ in range(steps):
    start = time.perf_counter()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), t)
    loss.backward()
    optimizer.step()
    times.append((time.perf_counter() - start) * 1e3)
print(json.dumps({"task": task, "threads": threads, "ms": round(statistics.median(times), 4), "first_ms": round(times[0], 3),
                  "mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024, 1), "loss": round(loss.item(), 5)}))
