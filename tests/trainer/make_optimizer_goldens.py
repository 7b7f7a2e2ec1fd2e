#!/usr/bin/env python3
"""Writes data/optimizers.json: parameters and state after some steps of each optimizer, in float64, and data/optimizers_bf16.json: the same
of parameters in bfloat16.

PyTorch's optimizers where it has them; Lion, LAMB and LARS from their papers (written here, on plain float64 tensors). The
gradients are given, multiples of 1/128, none zero; after ten steps the learning rate is halved. Muon's Newton-Schulz steps are
kept from rounding to bfloat16.

bfloat16: PyTorch's optimizers step in float32 from numbers in bfloat16, and parameters and state are rounded to bfloat16 behind each step (what
its fused kernels do: checked here, parameters bit for bit; optimizers without one round behind every operation). Nothing of GhostFlow takes
part. Run with torch 2.13 (CPU):
  python3 make_optimizer_goldens.py
"""
import json
import pathlib

import torch

torch.manual_seed(20261128)
torch.set_default_dtype(torch.float64)
torch.Tensor.bfloat16 = lambda self: self.clone()  # Muon divides it in place

STEPS = 20
KEPT = (2, STEPS)
SHAPES = [[], [3], [4, 3], [2, 5], [2, 3, 2], [2, 1, 3, 2]]


def parts(shape):
    whole = torch.randint(1, 257, shape) * (2 * torch.randint(0, 2, shape) - 1)
    return whole.double() / 128


start = [parts(s) for s in SHAPES] + [torch.zeros(2)]
gradients = [[parts(p.shape) for p in start] for _ in range(STEPS)]
rate_factors = [1.0] * 10 + [0.5] * 10


class Rule:
    """An optimizer written by hand: step(p, g, state, lr, t) per parameter."""

    def __init__(self, params, **settings):
        self.settings = {**self.defaults, **settings}
        self.state = {p: {k: torch.zeros_like(p) for k in self.slots} for p in params}
        self.param_groups = [{"lr": self.settings["lr"], "params": params}]
        self.t = 0

    def step(self):
        self.t += 1
        for p, state in self.state.items():
            g = -p.grad if self.settings["maximize"] else p.grad
            self.update(p, g, state, self.param_groups[0]["lr"], self.t, **self.settings)


class Lion(Rule):  # arXiv 2302.06675, algorithm 2
    slots = ["exp_avg"]
    defaults = dict(lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, maximize=False)

    def update(self, p, g, state, rate, t, betas, weight_decay, **_):
        c = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
        p -= rate * (torch.sign(c) + weight_decay * p)
        state["exp_avg"] = betas[1] * state["exp_avg"] + (1 - betas[1]) * g


class LAMB(Rule):  # arXiv 1904.00962, algorithm 2
    slots = ["exp_avg", "exp_avg_sq"]
    defaults = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, maximize=False)

    def update(self, p, g, state, rate, t, betas, eps, weight_decay, **_):
        m = state["exp_avg"] = betas[0] * state["exp_avg"] + (1 - betas[0]) * g
        v = state["exp_avg_sq"] = betas[1] * state["exp_avg_sq"] + (1 - betas[1]) * g**2
        r = m / (1 - betas[0] ** t) / (torch.sqrt(v / (1 - betas[1] ** t)) + eps) + weight_decay * p
        a, b = p.norm().item(), r.norm().item()
        p -= rate * (a / b if a > 0 and b > 0 else 1) * r


class LARS(Rule):  # arXiv 1708.03888, algorithm 1
    slots = ["momentum_buffer"]
    defaults = dict(lr=0.1, momentum=0.9, weight_decay=5e-4, trust_coefficient=1e-3, maximize=False)

    def update(self, p, g, state, rate, t, momentum, weight_decay, trust_coefficient, **_):
        a, b = p.norm().item(), g.norm().item()
        ratio = trust_coefficient * a / (b + weight_decay * a) if a > 0 and b > 0 else 1
        state["momentum_buffer"] = momentum * state["momentum_buffer"] + rate * ratio * (g + weight_decay * p)
        p -= state["momentum_buffer"]


def numbers(t):
    return [float(f"{v:.10g}") for v in t.reshape(-1).tolist()]


cases, cases_bf16 = [], []
UNROUNDED = ("step", "mu_product")
FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad)


def run_bf16(make, chosen, native, settings):
    params = [torch.nn.Parameter(start[k].to(torch.bfloat16 if native else torch.float32)) for k in chosen]
    if make is torch.optim.Adafactor:
        settings = {**settings, "eps": settings.get("eps", (torch.finfo(torch.bfloat16).eps, 1e-3))}
    if make in FUSED and native:
        settings = {**settings, "fused": True}
    optimizer = make(params, **settings)
    rate = optimizer.param_groups[0]["lr"]
    for t in range(1, STEPS + 1):
        optimizer.param_groups[0]["lr"] = rate * rate_factors[t - 1]
        for k, p in zip(chosen, params):
            p.grad = gradients[t - 1][k].to(p.dtype)
        optimizer.step()
        for p in params if not native else []:
            p.copy_(p.to(torch.bfloat16))
            for name, v in optimizer.state[p].items():
                if name not in UNROUNDED and v is not None:
                    v.copy_(v.to(torch.bfloat16))
    return params, optimizer


def case_bf16(name, make, chosen, settings):
    params, optimizer = run_bf16(make, chosen, False, settings)
    kept = {}
    for k, p in zip(chosen, params):
        state = {n: numbers(v) for n, v in optimizer.state[p].items() if n != "step" and v is not None}
        kept[str(k)] = {"end": numbers(p), "state": state}
    if make in FUSED:
        native, state = run_bf16(make, chosen, True, settings)
        for p, q in zip(params, native):
            assert torch.equal(p, q.float()), name
            for n, v in optimizer.state[p].items():  # one of 3,000 numbers is rounded the other way
                assert v is None or torch.allclose(v, state.state[q][n].to(v.dtype), rtol=2**-7, atol=0), (name, n)
    cases_bf16.append({"name": name, "parameters": kept})


def case(name, make, **settings):
    chosen = [k for k, p in enumerate(start) if make is not torch.optim.Muon or p.dim() == 2]
    params = [torch.nn.Parameter(start[k].clone()) for k in chosen]
    with torch.no_grad():
        optimizer = make(params, **settings)
        rate = optimizer.param_groups[0]["lr"]
        kept = [{} for _ in chosen]
        for t in range(1, STEPS + 1):
            optimizer.param_groups[0]["lr"] = rate * rate_factors[t - 1]
            for k, p in zip(chosen, params):
                p.grad = gradients[t - 1][k].clone()
            optimizer.step()
            for to, p in zip(kept, params):
                if t in KEPT:
                    to[str(t)] = numbers(p)
        for to, p in zip(kept, params):
            to["state"] = {k: numbers(v) for k, v in optimizer.state[p].items() if k != "step" and v is not None}
        case_bf16(name, make, chosen, settings)
    cases.append({"name": name, "parameters": {str(k): v for k, v in zip(chosen, kept)}})


O = torch.optim
case("sgd", O.SGD)
case("sgd_momentum", O.SGD, lr=0.1, momentum=0.9)
case("sgd_dampening", O.SGD, lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.01)
case("sgd_nesterov", O.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
case("sgd_maximize", O.SGD, lr=0.1, weight_decay=0.1, maximize=True)
case("adam", O.Adam)
case("adam_l2", O.Adam, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)
case("adam_amsgrad", O.Adam, lr=0.1, betas=(0.9, 0.7), amsgrad=True, maximize=True)
case("adam_no_momentum", O.Adam, lr=0.1, betas=(0.0, 0.0))
case("adamw", O.AdamW)
case("adamw_amsgrad", O.AdamW, lr=0.1, betas=(0.9, 0.7), weight_decay=0.3, amsgrad=True, maximize=True)
case("adamax", O.Adamax)
case("adamax_l2", O.Adamax, lr=0.1, betas=(0.8, 0.9), eps=1e-2, weight_decay=0.1, maximize=True)
case("nadam", O.NAdam)
case("nadam_l2", O.NAdam, lr=0.1, betas=(0.8, 0.9), weight_decay=0.1, momentum_decay=0.1, maximize=True)
case("nadam_decoupled", O.NAdam, lr=0.1, eps=1e-2, weight_decay=0.1, decoupled_weight_decay=True)
case("radam", O.RAdam)
case("radam_l2", O.RAdam, lr=0.1, betas=(0.8, 0.9), eps=1e-2, weight_decay=0.1, maximize=True)
case("radam_decoupled", O.RAdam, lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)
case("radam_never_rectified", O.RAdam, lr=0.1, betas=(0.9, 0.6))
case("rmsprop", O.RMSprop)
case("rmsprop_momentum", O.RMSprop, alpha=0.9, eps=1e-3, momentum=0.9)
case("rmsprop_centered", O.RMSprop, alpha=0.8, weight_decay=0.1, centered=True)
case("rmsprop_all", O.RMSprop, alpha=0.9, weight_decay=0.1, momentum=0.5, centered=True, maximize=True)
case("adagrad", O.Adagrad)
case("adagrad_all", O.Adagrad, lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-3, maximize=True)
case("adadelta", O.Adadelta)
case("adadelta_l2", O.Adadelta, lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1, maximize=True)
case("adafactor", O.Adafactor)
case("adafactor_all", O.Adafactor, lr=0.5, beta2_decay=-0.5, eps=(1e-2, 2.0), d=1.5, weight_decay=0.1, maximize=True)
case("muon", O.Muon)
case("muon_plain", O.Muon, lr=0.1, weight_decay=0.0, momentum=0.8, nesterov=False, ns_coefficients=(2.0, -1.5, 0.5), ns_steps=3,
     adjust_lr_fn="match_rms_adamw")
case("lion", Lion)
case("lion_decay", Lion, lr=0.01, betas=(0.8, 0.95), weight_decay=0.5, maximize=True)
case("lamb", LAMB)
case("lamb_plain", LAMB, lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.0, maximize=True)
case("lars", LARS)
case("lars_trust", LARS, lr=0.5, momentum=0.5, weight_decay=0.1, trust_coefficient=0.1, maximize=True)

data = pathlib.Path(__file__).parent / "data"
head = {"shapes": [list(p.shape) for p in start], "start": [numbers(p) for p in start], "rate_factors": rate_factors,
        "gradients": [[numbers(g) for g in step] for step in gradients]}


def lines_of(cases):
    return '"cases": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]"


lines = [f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in head.items()]
lines.append(lines_of(cases))
(data / "optimizers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
(data / "optimizers_bf16.json").write_text("{\n" + lines_of(cases_bf16) + "\n}\n")
