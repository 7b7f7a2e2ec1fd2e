"""A whole training in PyTorch, as `gf-train fit` does it: torch_fit.py mnist|char-gpt DATA THREADS [EPOCHS_OR_STEPS]; one line of JSON with seconds and result.

Data are tensors in memory and batches are augmented whole, which is faster than a loader that takes pictures one by one.
"""
import gzip
import json
import math
import pathlib
import sys
import time

import torch
from torch import nn
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "train"))
import torch_nets  # noqa: E402

task, data, threads = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(0)


def idx(names, offset, shape):
    for name in names:
        for end in ("", ".gz"):
            if (data / (name + end)).exists():
                raw = (gzip.open if end else open)(data / (name + end), "rb").read()
                return torch.frombuffer(bytearray(raw[offset:]), dtype=torch.uint8).reshape(shape)
    raise SystemExit(f"{data} holds none of {names}")


def mnist(epochs):
    start = time.perf_counter()
    pictures = [(idx(n, 16, (-1, 1, 28, 28)).float() / 255 - 0.1307) / 0.3081 for n in (["train-images-idx3-ubyte"], ["t10k-images-idx3-ubyte", "t3k-images-idx3-ubyte"])]
    labels = [idx(n, 8, (-1,)).long() for n in (["train-labels-idx1-ubyte"], ["t10k-labels-idx1-ubyte", "t3k-labels-idx1-ubyte"])]
    net = torch_nets.lenet5(2)
    steps = epochs * (len(labels[0]) // 64)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, cycle_momentum=False)
    for _ in range(epochs):
        order = torch.randperm(len(labels[0]))
        for at in range(0, len(order) - 63, 64):
            x, t = pictures[0][order[at:at + 64]], labels[0][order[at:at + 64]]
            a = (torch.rand(64) * 2 - 1) * math.pi / 18
            shift = torch.randint(-2, 3, (2, 64)) / 14
            theta = torch.stack([torch.stack([a.cos(), -a.sin(), shift[0]], 1), torch.stack([a.sin(), a.cos(), shift[1]], 1)], 1)
            x = F.grid_sample(x + 0.4242, F.affine_grid(theta, x.shape, align_corners=False), align_corners=False) - 0.4242  # what comes in is black
            optimizer.zero_grad()
            F.cross_entropy(net(x), t).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        right = sum((net(pictures[1][i:i + 250]).argmax(1) == labels[1][i:i + 250]).sum().item() for i in range(0, len(labels[1]), 250))
    return time.perf_counter() - start, {"accuracy": right / len(labels[1])}


def char_gpt(steps):
    start = time.perf_counter()
    text = data.read_text()
    words = sorted(set(text))
    tokens = torch.tensor([words.index(c) for c in text])
    train, validation = tokens[:len(tokens) * 9 // 10], tokens[len(tokens) * 9 // 10:]
    net = torch_nets.gpt(len(words), 12, 64, 128, 4, 4)[0]
    for m in net.modules():
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.02)
            if getattr(m, "bias", None) is not None:
                nn.init.zeros_(m.bias)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, betas=(0.9, 0.99), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, cycle_momentum=False)

    def batch(of, at):
        rows = torch.stack([of[i:i + 65] for i in at])
        return rows[:, :-1], rows[:, 1:].flatten()

    for _ in range(steps):
        x, t = batch(train, torch.randint(len(train) - 65, (12,)))
        optimizer.zero_grad()
        F.cross_entropy(net(x), t).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        at = torch.arange(0, len(validation) - 65, 64)
        losses = [F.cross_entropy(net(x), t).item() for x, t in (batch(validation, at[i:i + 100]) for i in range(0, len(at) - 99, 100))]
    return time.perf_counter() - start, {"loss": sum(losses) / len(losses)}


seconds, result = mnist(int(sys.argv[4])) if task == "mnist" else char_gpt(int(sys.argv[4]))
print(json.dumps({"seconds": round(seconds, 1), **{k: round(v, 4) for k, v in result.items()}}))
