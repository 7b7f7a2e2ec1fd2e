#!/usr/bin/env python3
"""Writes data/nn.json: layers, losses and whole nets as PyTorch computes them in float64: values, gradients, first losses of training.

Inputs and weights are multiples of 1/64, exact in float32. Nothing of GhostFlow takes part. Run with torch 2.13 (CPU):
  python3 make_nn_goldens.py
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(20261127)
torch.set_default_dtype(torch.float64)


def steps(*shape, low=-1.0, high=1.0):
    return torch.randint(round(low * 64), round(high * 64) + 1, shape).double() / 64


def pack(t):
    whole = not t.is_floating_point()
    return {"shape": list(t.shape), "data": [int(v) if whole else float(f"{v:.9g}") for v in t.reshape(-1).tolist()]}


functions = []


def case(name, make, inputs, **fixed):
    """make(inputs..., fixed...) -> y; the loss is sum(y * dy) with a random dy."""
    leaves = {k: v.clone().requires_grad_() for k, v in inputs.items()}
    y = make(**leaves, **fixed)
    dy = steps(*y.shape)
    (y * dy).sum().backward()
    functions.append({"name": name, "inputs": {k: pack(v) for k, v in inputs.items()}, "fixed": {k: pack(v) for k, v in fixed.items()},
                      "y": pack(y.detach()), "dy": pack(dy), "gradients": {k: pack(v.grad) for k, v in leaves.items()}})


image = steps(2, 4, 7, 6)
case("linear", lambda x, w, b: F.linear(x, w, b), dict(x=steps(3, 2, 5), w=steps(4, 5), b=steps(4)))
case("conv2d", lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=1, groups=2), dict(x=image, w=steps(6, 2, 3, 3), b=steps(6)))
case("max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1), dict(x=torch.randperm(2 * 3 * 49).double().reshape(2, 3, 7, 7) / 64))
case("avg_pool2d", lambda x: F.avg_pool2d(x, 2), dict(x=image))
case("layer_norm", lambda x, w, b: F.layer_norm(x, (3, 5), w, b), dict(x=steps(4, 3, 5), w=steps(3, 5), b=steps(3, 5)))
case("rms_norm", lambda x, w: F.rms_norm(x, (5,), w, eps=1e-5), dict(x=steps(4, 5), w=steps(5)))
qkv = dict(q=steps(2, 4, 5, 3), k=steps(2, 4, 5, 3), v=steps(2, 4, 5, 3))
case("attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v), qkv)
case("attention_causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), qkv)
case("attention_grouped", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
     dict(q=steps(1, 4, 3, 2), k=steps(1, 2, 5, 2), v=steps(1, 2, 5, 2)))

scores, targets = steps(6, 5, low=-3, high=3), torch.tensor([0, 4, -100, 2, 2, 1])
weight = torch.tensor([0.5, 1.0, 2.0, 1.5, 0.25])
for reduction in ("none", "mean", "sum"):
    case("cross_entropy_" + reduction, lambda x, t, w, r=reduction: F.cross_entropy(x, t, w, reduction=r), dict(x=scores), t=targets, w=weight)
    case("mse_" + reduction, lambda x, t, r=reduction: F.mse_loss(x, t, reduction=r), dict(x=steps(4, 3)), t=steps(4, 3))
case("cross_entropy_smoothed", lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1), dict(x=scores), t=targets)
case("cross_entropy_spatial", lambda x, t: F.cross_entropy(x, t), dict(x=steps(2, 3, 4)), t=torch.randint(0, 3, (2, 4)))
case("nll", lambda x, t: F.nll_loss(F.log_softmax(x, 1), t), dict(x=scores), t=targets)
apart = steps(30, low=-3, high=3)
case("l1", lambda x, t: F.l1_loss(x, t), dict(x=apart), t=apart.roll(1) + 1 / 128)
case("huber", lambda x, t: F.huber_loss(x, t, delta=0.7), dict(x=apart), t=apart.roll(1) + 1 / 128)
case("smooth_l1", lambda x, t: F.smooth_l1_loss(x, t, beta=0.5), dict(x=apart), t=apart.roll(1) + 1 / 128)
logits = steps(20, low=-6, high=6)
case("bce_logits", lambda x, t: F.binary_cross_entropy_with_logits(x, t), dict(x=logits), t=torch.randint(0, 2, (20,)).double())
case("bce_logits_weighted", lambda x, t, w: F.binary_cross_entropy_with_logits(x, t, pos_weight=w), dict(x=steps(4, 3)),
     t=torch.randint(0, 2, (4, 3)).double(), w=torch.tensor([1.0, 2.0, 0.5]))
case("bce", lambda x, t: F.binary_cross_entropy(x, t), dict(x=(torch.arange(1, 21) / 32)), t=torch.randint(0, 2, (20,)).double())
case("kl_div", lambda x, t: F.kl_div(x, t), dict(x=steps(4, 3, low=-4, high=-1)), t=torch.tensor([[0.5, 0.25, 0.25], [1, 0, 0], [0, 0.5, 0.5], [0.25, 0.5, 0.25]]))


def rounded(net):
    with torch.no_grad():
        for p in net.parameters():
            p.copy_((p * 64).round() / 64)
    return net


nets = []


def train(name, net, optimizer, batch, forward):
    start = {k: pack(v.detach().clone()) for k, v in net.named_parameters()}
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = forward(net, *batch)
        loss.backward()
        optimizer.step()
        losses.append(float(f"{loss.item():.10g}"))
    nets.append({"name": name, "weights": start, "batch": [pack(b) for b in batch], "losses": losses})


lenet = rounded(nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 5), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Flatten(), nn.Linear(5 * 25, 16), nn.ReLU(), nn.Linear(16, 10)))
train("lenet", lenet, torch.optim.SGD(lenet.parameters(), lr=0.05, momentum=0.9), (steps(4, 1, 28, 28), torch.randint(0, 10, (4,))),
      lambda net, x, t: F.cross_entropy(net(x), t))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        h = self.ln1(x)
        mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
        x = x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class CharGpt(nn.Module):
    def __init__(self, words, length, dim, heads, depth):
        super().__init__()
        self.tok, self.pos = nn.Embedding(words, dim), nn.Embedding(length, dim)
        self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(depth)])
        self.ln, self.head = nn.LayerNorm(dim), nn.Linear(dim, words, bias=False)

    def forward(self, t):
        return self.head(self.ln(self.blocks(self.tok(t) + self.pos(torch.arange(t.shape[1])))))


gpt = rounded(CharGpt(17, 8, 16, 2, 2))
tokens = torch.randint(0, 17, (3, 9))
train("char_gpt", gpt, torch.optim.AdamW(gpt.parameters(), lr=3e-3), (tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()),
      lambda net, x, t: F.cross_entropy(net(x).transpose(1, 2), t))

counts = {"linear": sum(p.numel() for p in nn.Linear(784, 512).parameters()),
          "lenet5": sum(p.numel() for p in nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5), nn.Linear(400, 120), nn.Linear(120, 84),
                                                          nn.Linear(84, 10)).parameters())}
path = pathlib.Path(__file__).parent / "data" / "nn.json"
path.write_text(json.dumps({"functions": functions, "nets": nets, "counts": counts}) + "\n")
