#!/usr/bin/env python3
"""Writes data/tuning.json: fake quantisation with its gradients and ranges, distillation, and digits.onnx that learns from a teacher, by PyTorch.

Inputs are formulas. Nothing of GhostFlow takes part. Run with torch and onnx: python3 make_tuning_goldens.py
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from make_prepare_goldens import BATCH, batch, every, forward, weights
from torch.ao.quantization import MovingAverageMinMaxObserver

HERE = pathlib.Path(__file__).parent
STEPS = 4


def formula(rows, cols, scale, shift):
    return torch.tensor([[(((r * 29 + c * 17 + r * c * 5 + shift) % 47) - 20.5) * scale for c in range(cols)] for r in range(rows)], dtype=torch.float32)


def fake_quantised_layer():
    """y = fake(x) fake(w)^T over some steps: ranges as MovingAverageMinMaxObserver keeps them, straight-through gradients, plain descent."""
    observer = MovingAverageMinMaxObserver(averaging_constant=0.25, dtype=torch.quint8, quant_min=0, quant_max=255)
    w = formula(3, 6, 0.0313, 3).requires_grad_()
    steps = []
    for step in range(STEPS):
        x = formula(5, 6, 0.11 if step % 2 == 0 else 0.173, step * 7).requires_grad_()
        observer(x.detach())
        scale, zero = observer.calculate_qparams()
        fx = torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero), 0, 255)
        ws = w.detach().abs().amax(1) / 127
        fw = torch.fake_quantize_per_channel_affine(w, ws, torch.zeros(3, dtype=torch.int32), 0, -127, 127)
        y = F.linear(fx, fw)
        loss = F.mse_loss(y, formula(5, 3, 0.05, step))
        w.grad = None
        loss.backward()
        steps.append({"loss": loss.item(), "low": observer.min_val.item(), "high": observer.max_val.item(), "dx": x.grad.flatten().tolist(), "dw": w.grad.flatten().tolist()})
        with torch.no_grad():
            w -= 0.1 * w.grad
    return steps


def distillation():
    cases = []
    for rows, cols, temperature, alpha in ((4, 5, 4.0, 0.5), (3, 7, 1.0, 0.1), (6, 2, 2.5, 0.0), (2, 3, 8.0, 1.0)):
        s = formula(rows, cols, 0.21, 1).double().requires_grad_()
        t = formula(rows, cols, 0.33, 9).double()
        target = torch.tensor([(r * 3 + 1) % cols for r in range(rows)])
        soft = F.kl_div(F.log_softmax(s / temperature, 1), F.softmax(t / temperature, 1), reduction="batchmean")
        loss = alpha * F.cross_entropy(s, target) + (1 - alpha) * temperature**2 * soft
        loss.backward()
        cases.append({"rows": rows, "cols": cols, "temperature": temperature, "alpha": alpha, "loss": loss.item(), "gradient": s.grad.flatten().tolist()})
    return cases


def digits_with_teacher():
    """The teacher is digits.onnx; the student the same with its last layer's weights halved."""
    w, teacher = weights(), weights()
    with torch.no_grad():
        w["net.fc.weight"] *= 0.5
    trained = [w[n].requires_grad_() for n in every]
    o = torch.optim.SGD(trained, lr=0.02)
    losses = []
    for step in range(STEPS):
        x, t = batch(step)
        with torch.no_grad():
            theirs = forward(teacher, x)
        mine = forward(w, x)
        soft = F.kl_div(F.log_softmax(mine / 3, 1), F.softmax(theirs / 3, 1), reduction="batchmean")
        loss = 0.25 * F.cross_entropy(mine, t) + 0.75 * 9 * soft
        o.zero_grad()
        loss.backward()
        o.step()
        losses.append(loss.item())
    return losses


torch.set_default_dtype(torch.float64)
out = {"batch": BATCH, "distillation": distillation(), "digits_with_teacher": digits_with_teacher()}
torch.set_default_dtype(torch.float32)
out["fake_quantised_layer"] = fake_quantised_layer()
path = HERE / "data" / "tuning.json"
path.write_text(json.dumps(out, indent=1) + "\n")
print(path.stat().st_size, "bytes")
