#!/usr/bin/env python3
"""Writes data/lbfgs.json: losses, parameters and counts of torch.optim.LBFGS over 20 steps, and averages of weights by
torch.optim.swa_utils, in float64. The net is tanh(x w1 + b1) w2 with mean squares; a part of the
weights' squares is added, so that there is one minimum and not a valley of them, where rounding would decide the way.

Nothing of GhostFlow takes part. Run with torch 2.13 (CPU):
  python3 make_lbfgs_goldens.py
"""
import json
import pathlib

import torch
from golden_cases import pack, steps
from torch.optim import swa_utils

torch.manual_seed(20261130)
STEPS = 20
x, target = steps(8, 3), steps(8, 2)
start = {"w1": steps(3, 5), "b1": steps(5), "w2": steps(5, 2)}


def exact(t):
    return {"shape": list(t.shape), "data": [float(f"{v:.12g}") for v in t.detach().reshape(-1).tolist()]}


def loss_of(p):
    net = torch.tanh(x @ p["w1"] + p["b1"]) @ p["w2"]
    return ((net - target) ** 2).mean() + sum((v**2).sum() for v in p.values()) / 64


def lbfgs(name, **settings):
    p = {k: v.clone().requires_grad_() for k, v in start.items()}
    optimizer = torch.optim.LBFGS(list(p.values()), **settings)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(p)
        loss.backward()
        return loss

    losses = [float(f"{optimizer.step(closure).item():.12g}") for _ in range(STEPS)]
    state = optimizer.state[p["w1"]]
    return {"name": name, "losses": losses, "parameters": {k: exact(v) for k, v in p.items()}, "iterations": state["n_iter"],
            "evaluations": state["func_evals"]}


def averages(name, average):
    """Of weights under SGD with rate 0.5: after each step. Begins with step 3 where the name says so."""
    net = torch.nn.Module()
    for k, v in start.items():
        net.register_parameter(k, torch.nn.Parameter(v.clone()))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    model = swa_utils.AveragedModel(net, **average)
    for step in range(1, 8):
        optimizer.zero_grad()
        loss_of(dict(net.named_parameters())).backward()
        optimizer.step()
        if "late" not in name or (step >= 3 and (step - 3) % 2 == 0):
            model.update_parameters(net)
    return {"name": name, "averages": {k: exact(v) for k, v in model.module.named_parameters()}}


cases = [
    lbfgs("plain", lr=0.1, max_iter=3),
    lbfgs("defaults"),
    lbfgs("few_evaluations", lr=0.5, max_iter=4, max_eval=3, history_size=4),
    lbfgs("strong_wolfe", max_iter=2, line_search_fn="strong_wolfe"),
    lbfgs("strong_wolfe_short", lr=8, max_iter=3, max_eval=6, history_size=3, line_search_fn="strong_wolfe"),
    lbfgs("strong_wolfe_defaults", line_search_fn="strong_wolfe"),
]
means = [
    averages("ema", dict(multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.75))),
    averages("swa", {}),
    averages("swa_late", {}),
    averages("ema_late", dict(multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))),
]
out = pathlib.Path(__file__).parent / "data" / "lbfgs.json"
head = {"x": pack(x), "target": pack(target), "start": {k: pack(v) for k, v in start.items()}}
lines = [f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in head.items()]
for key, rows in (("cases", cases), ("averages", means)):
    lines.append(f'"{key}": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in rows) + "\n]")
out.write_text("{\n" + ",\n".join(lines) + "\n}\n")
