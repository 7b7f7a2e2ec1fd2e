#!/usr/bin/env python3
"""Writes data/train_steps.json: losses of 20 steps and the weights after them of a small net as PyTorch trains it, in float64.

Inputs and first weights are multiples of 1/128, exact in float32. Nothing of GhostFlow takes part. Run with torch 2.13 (CPU):
  python3 make_train_step_goldens.py
"""
import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(20261127)


def steps(*shape, low=-1.0, high=1.0):
    return torch.randint(round(low * 128), round(high * 128) + 1, shape).double() / 128


def pack(t):
    whole = not t.is_floating_point()
    return {"shape": list(t.shape), "data": [int(v) if whole else float(f"{v:.10g}") for v in t.reshape(-1).tolist()]}


BATCHES = [(steps(8, 6), torch.randint(0, 4, (8,))) for _ in range(3)]
WEIGHTS = {"w1": steps(6, 16), "b1": steps(16), "w2": steps(16, 4), "b2": steps(4)}
CASES = {
    "sgd": (lambda p: torch.optim.SGD(p, lr=0.1), {}),
    "momentum": (lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3), {}),
    "adam": (lambda p: torch.optim.Adam(p, lr=0.01), {}),
    "adamw_clip_norm": (lambda p: torch.optim.AdamW(p, lr=0.02), {"clip_norm": 0.25}),
    "sgd_clip_value": (lambda p: torch.optim.SGD(p, lr=0.1), {"clip_value": 0.05}),
}
out = {"batches": [{"x": pack(x), "t": pack(t)} for x, t in BATCHES], "weights": {k: pack(v) for k, v in WEIGHTS.items()}, "cases": []}
for name, (make, clip) in CASES.items():
    w = {k: v.clone().requires_grad_() for k, v in WEIGHTS.items()}
    optimizer = make(list(w.values()))
    losses = []
    for step in range(20):
        x, t = BATCHES[step % 3]
        optimizer.zero_grad()
        loss = F.cross_entropy(torch.tanh(x @ w["w1"] + w["b1"]) @ w["w2"] + w["b2"], t)
        loss.backward()
        if "clip_norm" in clip:
            torch.nn.utils.clip_grad_norm_(list(w.values()), clip["clip_norm"])
        if "clip_value" in clip:
            torch.nn.utils.clip_grad_value_(list(w.values()), clip["clip_value"])
        optimizer.step()
        losses.append(float(f"{loss.item():.10g}"))
    out["cases"].append({"name": name, **clip, "losses": losses, "weights": {k: pack(v.detach()) for k, v in w.items()}})

path = pathlib.Path(__file__).parent / "data" / "train_steps.json"
path.write_text(json.dumps(out) + "\n")
