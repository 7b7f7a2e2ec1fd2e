#!/usr/bin/env python3
"""Writes data/layers.json: layers with state of their own as PyTorch computes them in float64: batch normalisation over three steps and in
evaluation, LSTM and GRU with their gradients.

Inputs and weights are multiples of 1/64, exact in float32. Nothing of GhostFlow takes part. Run with torch 2.13 (CPU):
  python3 make_layer_goldens.py
"""
import json
import pathlib

import torch
from torch import nn

torch.manual_seed(20261128)
torch.set_default_dtype(torch.float64)


def steps(*shape, low=-1.0, high=1.0):
    return torch.randint(round(low * 64), round(high * 64) + 1, shape).double() / 64


def pack(t):
    return {"shape": list(t.shape), "data": [float(f"{v:.9g}") for v in t.detach().reshape(-1).tolist()]}


def rounded(net):
    with torch.no_grad():
        for p in net.parameters():
            p.copy_((p * 64).round() / 64)
    return net


out = {"recurrent": []}
norm = nn.BatchNorm2d(3, eps=1e-3, momentum=0.2)
with torch.no_grad():
    norm.weight.copy_(steps(3, low=0.5, high=2))
    norm.bias.copy_(steps(3))
start = {k: pack(v.clone()) for k, v in norm.named_parameters()}
calls = []
for _ in range(3):
    x, dy = steps(2, 3, 4, 2, low=-2, high=2).requires_grad_(), steps(2, 3, 4, 2)
    norm.zero_grad()
    y = norm(x)
    (y * dy).sum().backward()
    calls.append({"x": pack(x), "dy": pack(dy), "y": pack(y), "dx": pack(x.grad), "dw": pack(norm.weight.grad), "db": pack(norm.bias.grad),
                  "mean": pack(norm.running_mean.clone()), "var": pack(norm.running_var.clone())})
norm.eval()
x = steps(1, 3, 2, 2)
out["batch_norm"] = {"start": start, "calls": calls, "x": pack(x), "y": pack(norm(x))}

for kind, make in {"lstm": nn.LSTM, "gru": nn.GRU}.items():
    for layers, both, bias in ((1, False, True), (2, True, True), (1, False, False)):
        net = rounded(make(3, 4, num_layers=layers, bidirectional=both, bias=bias, batch_first=True))
        x = steps(2, 5, 3).requires_grad_()
        y = net(x)[0]
        dy = steps(*y.shape)
        (y * dy).sum().backward()
        out["recurrent"].append({"kind": kind, "layers": layers, "both": both, "bias": bias, "x": pack(x), "dy": pack(dy), "y": pack(y), "dx": pack(x.grad),
                                 "weights": {k: pack(v) for k, v in net.named_parameters()}, "gradients": {k: pack(v.grad) for k, v in net.named_parameters()}})

path = pathlib.Path(__file__).parent / "data" / "layers.json"
path.write_text(json.dumps(out) + "\n")
