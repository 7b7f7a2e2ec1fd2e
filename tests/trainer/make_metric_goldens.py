#!/usr/bin/env python3
"""Writes data/metrics.json: metrics as scikit-learn computes them. Nothing of GhostFlow takes part. Run with scikit-learn 1.9:
  python3 make_metric_goldens.py
"""
import json
import pathlib

import numpy as np
from sklearn import metrics as m

rng = np.random.default_rng(20261202)
classes, n = 5, 40
target = rng.integers(0, classes - 1, n)  # the last class never occurs
scores = rng.integers(-8, 9, (n, classes)) / 8  # with ties
said = np.where(rng.random(n) < 0.5, target, rng.integers(0, classes - 1, n))
labels = list(range(classes))
binary, rated = rng.integers(0, 2, n), rng.integers(0, 9, n) / 8
real, guess = rng.integers(-64, 65, n) / 64, rng.integers(-64, 65, n) / 64


def pack(a):
    return {"shape": list(a.shape), "data": a.reshape(-1).tolist()}


def averages(f):
    return {how: f(target, said, average=how, zero_division=0) for how in ("macro", "weighted", "micro")}


p, r, f, support = m.precision_recall_fscore_support(target, said, labels=labels, zero_division=0)
# the lower class comes first among equal scores: a difference too small to move anything else
order = scores - np.arange(classes) * 1e-9
out = {"target": pack(target), "scores": pack(scores), "said": pack(said), "binary": pack(binary), "rated": pack(rated), "real": pack(real), "guess": pack(guess),
       "accuracy": m.accuracy_score(target, said), "argmax_accuracy": m.accuracy_score(target, order.argmax(1)),
       "top2": m.top_k_accuracy_score(target, order, k=2, labels=labels), "top3": m.top_k_accuracy_score(target, order, k=3, labels=labels),
       "confusion": m.confusion_matrix(target, said, labels=labels).reshape(-1).tolist(),
       "precision_of_classes": p.tolist(), "recall_of_classes": r.tolist(), "f1_of_classes": f.tolist(), "support": support.tolist(),
       "precision": averages(m.precision_score), "recall": averages(m.recall_score), "f1": averages(m.f1_score),
       "iou": m.jaccard_score(target, said, average="macro"), "auc": m.roc_auc_score(binary, rated),
       "r2": m.r2_score(real, guess), "mse": m.mean_squared_error(real, guess), "mae": m.mean_absolute_error(real, guess)}
path = pathlib.Path(__file__).parent / "data" / "metrics.json"
path.write_text(json.dumps(out) + "\n")
