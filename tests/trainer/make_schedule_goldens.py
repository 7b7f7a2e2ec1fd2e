#!/usr/bin/env python3
"""Writes data/schedules.json: the learning rate of 26 steps under each of PyTorch's schedulers, for two groups.

`wsd` is written here, from its papers. Nothing of GhostFlow takes part. Run with torch 2.13 (CPU):
  python3 make_schedule_goldens.py
"""
import json
import math
import pathlib
import warnings

import torch
import torch.optim.lr_scheduler as S

warnings.filterwarnings("ignore")
STEPS = 26
BASES = (0.4, 0.01)
METRICS = [3.0, 2.0, 2.1, 1.9999, 2.0, 2.5, 2.4, 1.5, 1.6, 1.6, 1.6, 1.6, math.nan, 1.6, 1.6, 0.5, 0.49999, 0.49998, 0.6, 0.6, 0.6,
           0.6, 0.1, 0.1, 0.1, 0.1]
cases = {}


def fresh():
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": b} for b in BASES])


def case(name, make, metrics=None):
    optimizer = fresh()
    scheduler = make(optimizer)
    rates = []
    for t in range(STEPS):
        rates.append([g["lr"] for g in optimizer.param_groups])
        optimizer.step()
        if t + 1 < STEPS:
            scheduler.step(*([metrics[t]] if metrics else []))
    cases[name] = [list(r) for r in zip(*rates)]


case("step", lambda o: S.StepLR(o, 7))
case("step_gamma", lambda o: S.StepLR(o, 4, gamma=0.7))
case("multi_step", lambda o: S.MultiStepLR(o, [3, 4, 11]))
case("constant", lambda o: S.ConstantLR(o))
case("constant_half", lambda o: S.ConstantLR(o, factor=0.5, total_iters=9))
case("linear", lambda o: S.LinearLR(o))
case("linear_down", lambda o: S.LinearLR(o, start_factor=0.9, end_factor=0.1, total_iters=12))
case("exponential", lambda o: S.ExponentialLR(o, 0.8))
case("polynomial", lambda o: S.PolynomialLR(o))
case("polynomial_square", lambda o: S.PolynomialLR(o, total_iters=15, power=2.0))
case("cosine", lambda o: S.CosineAnnealingLR(o, 25))
case("cosine_rises", lambda o: S.CosineAnnealingLR(o, 9, eta_min=1e-3))
case("cosine_warm_restarts", lambda o: S.CosineAnnealingWarmRestarts(o, 6))
case("cosine_warm_restarts_longer", lambda o: S.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=1e-3))
case("one_cycle", lambda o: S.OneCycleLR(o, 0.5, total_steps=STEPS, cycle_momentum=False))
case("one_cycle_linear", lambda o: S.OneCycleLR(o, 0.5, total_steps=STEPS, pct_start=0.4, anneal_strategy="linear", div_factor=10.0,
                                                final_div_factor=100.0, three_phase=True, cycle_momentum=False))
case("one_cycle_at_once", lambda o: S.OneCycleLR(o, 0.5, total_steps=STEPS, pct_start=0.0, cycle_momentum=False))
case("lambda", lambda o: S.LambdaLR(o, lambda t: 1 / (1 + t)))
case("sequential", lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, 1.0, 5), S.CosineAnnealingLR(o, 10, 1e-3), S.ExponentialLR(o, 0.9)],
                                            [5, 15]))
case("chained", lambda o: S.ChainedScheduler([S.LinearLR(o, 0.1, 1.0, 5), S.CosineAnnealingLR(o, 25), S.StepLR(o, 8, 0.5)]))
case("plateau", lambda o: S.ReduceLROnPlateau(o, patience=2), METRICS)
case("plateau_max", lambda o: S.ReduceLROnPlateau(o, mode="max", factor=0.5, patience=1, threshold=0.2, threshold_mode="abs", cooldown=3,
                                                  min_lr=0.004), METRICS)
case("plateau_max_rel", lambda o: S.ReduceLROnPlateau(o, mode="max", factor=0.9, patience=0, eps=1e-3), METRICS)
case("plateau_min_abs", lambda o: S.ReduceLROnPlateau(o, patience=1, threshold=1.0, threshold_mode="abs"), METRICS)


def wsd(base, t, warmup, stable, decay, low, fall):  # arXiv 2404.06395; 1 - sqrt: arXiv 2405.18392
    if t < warmup:
        part = t / warmup
    elif t < warmup + stable:
        part = 1.0
    else:
        part = fall(min((t - warmup - stable) / decay, 1.0))
    return base * (low + (1 - low) * part)


for name, low, fall in (("linear", 0.0, lambda x: 1 - x), ("cosine", 0.1, lambda x: (1 + math.cos(math.pi * x)) / 2),
                        ("sqrt", 0.05, lambda x: 1 - math.sqrt(x))):
    cases["wsd_" + name] = [[wsd(b, t, 6, 9, 8, low, fall) for t in range(STEPS)] for b in BASES]

out = pathlib.Path(__file__).parent / "data" / "schedules.json"
head = f'"bases": {list(BASES)},\n"metrics": {json.dumps([None if math.isnan(m) else m for m in METRICS])},\n'
out.write_text("{\n" + head + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in cases.items()) + "\n}\n")
