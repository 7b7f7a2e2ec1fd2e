#!/usr/bin/env python3
"""Writes data/prepare.json: examples/digits/digits.onnx, trained for some steps by PyTorch (float64) from its own weights.

Batch normalisation keeps its statistics, as the exported model does. Inputs are a formula: pixel i of step s is (i * 37 + s * 11) % 101 / 101,
label n of step s is (n * 3 + s) % 10. Nothing of GhostFlow takes part. Run with torch and onnx: python3 make_prepare_goldens.py
"""
import json
import pathlib

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

HERE = pathlib.Path(__file__).parent
MODEL = onnx.load(HERE / "../../examples/digits/digits.onnx")
BATCH, STEPS = 6, 8
torch.set_default_dtype(torch.float64)


def weights():
    return {t.name: torch.tensor(numpy_helper.to_array(t).astype(np.float64)) for t in MODEL.graph.initializer}


def forward(w, x, lora=None):
    for k in ("1", "2"):
        x = F.conv2d(x, w[f"net.conv{k}.weight"], padding=1)
        x = F.batch_norm(x, w[f"net.norm{k}.running_mean"], w[f"net.norm{k}.running_var"], w[f"net.norm{k}.weight"], w[f"net.norm{k}.bias"], eps=9.999999747378752e-06)
        x = F.max_pool2d(F.relu(x), 2)
    x = x.flatten(1)
    y = F.linear(x, w["net.fc.weight"], w["net.fc.bias"])
    return y if lora is None else y + 2.0 * x @ lora[0] @ lora[1]


def batch(step):
    i = np.arange(BATCH * 784)
    x = ((i * 37 + step * 11) % 101).astype(np.float32) / np.float32(101)
    return torch.tensor(x.astype(np.float64)).reshape(BATCH, 1, 28, 28), torch.tensor([(n * 3 + step) % 10 for n in range(BATCH)])


def train(names, optimizer, lora=None):
    w = weights()
    trained = [w[n].requires_grad_() for n in names] + ([] if lora is None else [p.requires_grad_() for p in lora])
    o = optimizer(trained)
    losses = []
    for step in range(STEPS):
        x, t = batch(step)
        o.zero_grad()
        loss = F.cross_entropy(forward(w, x, lora), t)
        loss.backward()
        o.step()
        losses.append(loss.item())
    with torch.no_grad():
        x, t = batch(STEPS)
        y = forward(w, x, lora)
        return {"losses": losses, "evaluate_loss": F.cross_entropy(y, t).item(), "accuracy": (y.argmax(1) == t).double().mean().item(),
                "probabilities": F.softmax(y, 1)[0].tolist()}


def formula(rows, cols, scale):
    return torch.tensor([[((r * 7 + c * 5) % 13 - 6) * scale for c in range(cols)] for r in range(rows)])


every = [n for n in weights() if "running" not in n]
cases = {
    "adamw": train(every, lambda p: torch.optim.AdamW(p, lr=1e-3)),
    "last": train(["net.fc.weight", "net.fc.bias"], lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "biases": train(["net.fc.bias"], lambda p: torch.optim.Adam(p, lr=0.01)),
    "lora": train([], lambda p: torch.optim.SGD(p, lr=0.05), [formula(1176, 3, 1 / 256), formula(3, 10, 1 / 256)]),
}
path = HERE / "data" / "prepare.json"
path.write_text(json.dumps({"batch": BATCH, "steps": STEPS, "cases": cases}, indent=1) + "\n")
print(path.stat().st_size, "bytes")
