#!/usr/bin/env python3
"""Writes data/losses.json: losses as PyTorch computes them in float64, values and gradients. Those that PyTorch does not have are written
out from their papers, as loops where the paper has sums.

Nothing of GhostFlow takes part. Run with torch 2.13 (CPU):
  python3 make_loss_goldens.py
"""
import torch
import torch.nn.functional as F
from golden_cases import Cases, distinct, steps

c = Cases(20261201)
R = ("none", "mean", "sum")
scores, targets = steps(6, 5, low=-3, high=3), torch.tensor([0, 4, -100, 2, 2, 1])
weight = torch.tensor([0.5, 1.0, 2.0, 1.5, 0.25])
soft = torch.tensor([[0.5, 0.25, 0.25, 0, 0], [0, 0, 0, 1, 0], [0.125, 0.125, 0.25, 0.25, 0.25]])
for r in R:
    c.add("cross_entropy_smoothed_" + r, lambda x, t, w, r=r: F.cross_entropy(x, t, w, reduction=r, label_smoothing=0.1), dict(x=scores), t=targets, w=weight)
    c.add("cross_entropy_soft_" + r, lambda x, t, w, r=r: F.cross_entropy(x, t, w, reduction=r, label_smoothing=0.2), dict(x=scores[:3]), t=soft, w=weight)
c.add("cross_entropy_soft_plain", lambda x, t: F.cross_entropy(x, t), dict(x=scores[:3], t=soft))
c.add("cross_entropy_soft_spatial", lambda x, t: F.cross_entropy(x, t), dict(x=steps(2, 3, 2)), t=torch.softmax(steps(2, 3, 2), 1))

rates, counts = steps(2, 4), torch.tensor([[0.0, 1.0, 2.0, 5.0], [3.0, 0.0, 1.0, 8.0]])
for r in R:
    c.add("poisson_" + r, lambda x, t, r=r: F.poisson_nll_loss(x, t, full=True, reduction=r), dict(x=rates), t=counts)
c.add("poisson_plain", lambda x, t: F.poisson_nll_loss(x, t, log_input=False), dict(x=rates.abs() + 0.5), t=counts)
c.add("gaussian", lambda x, t, v: F.gaussian_nll_loss(x, t, v), dict(x=steps(3, 4), v=steps(3, 4, low=0.25, high=2)), t=steps(3, 4))
c.add("gaussian_full_sum", lambda x, t, v: F.gaussian_nll_loss(x, t, v, full=True, reduction="sum"), dict(x=steps(3, 4), v=steps(3, 1, low=0.25, high=2)), t=steps(3, 4))

signs = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, -1.0])
for r in R:
    c.add("hinge_embedding_" + r, lambda x, t, r=r: F.hinge_embedding_loss(x, t, 0.5, reduction=r), dict(x=distinct(6, scale=3 / 8)), t=signs)
c.add("hinge", lambda x, t: torch.clamp(1 - t * x, min=0).mean(), dict(x=distinct(6, scale=3 / 8)), t=signs)
c.add("soft_margin", lambda x, t: F.soft_margin_loss(x, t), dict(x=distinct(6, scale=3 / 8)), t=signs)
classes = torch.tensor([0, 4, 2, 2, 1, 3])
for r in R:
    c.add("multi_margin_" + r, lambda x, t, w, r=r: F.multi_margin_loss(x, t, 2, 0.75, w, reduction=r), dict(x=distinct(6, 5, scale=1 / 8)), t=classes, w=weight)
c.add("multi_margin_plain", lambda x, t: F.multi_margin_loss(x, t), dict(x=distinct(6, 5, scale=1 / 8)), t=classes)
ends = torch.tensor([[3, 0, -1, 1], [-1, 1, 2, 3], [0, 1, 2, 3], [2, -1, -1, -1]])
for r in R:
    c.add("multilabel_margin_" + r, lambda x, t, r=r: F.multilabel_margin_loss(x, t, reduction=r), dict(x=distinct(4, 4, scale=1 / 8)), t=ends)
c.add("multilabel_soft_margin", lambda x, t, w: F.multilabel_soft_margin_loss(x, t, w), dict(x=steps(3, 5)), t=torch.randint(0, 2, (3, 5)).double(), w=weight)
c.add("multilabel_soft_margin_sum", lambda x, t: F.multilabel_soft_margin_loss(x, t, reduction="sum"), dict(x=steps(3, 5)), t=torch.randint(0, 2, (3, 5)).double())
c.add("margin_ranking", lambda a, b, t: F.margin_ranking_loss(a, b, t, 0.25), dict(a=distinct(6, scale=3 / 8), b=steps(6)), t=signs)

a, b, d = steps(4, 3), steps(4, 3), steps(4, 3)
c.add("cosine_similarity", lambda a, b: F.cosine_similarity(a, b), dict(a=a, b=b))
c.add("pairwise_distance", lambda a, b: F.pairwise_distance(a, b, 3, keepdim=True), dict(a=a, b=b))
for r in R:
    c.add("cosine_embedding_" + r, lambda a, b, t, r=r: F.cosine_embedding_loss(a, b, t, 0.1, reduction=r), dict(a=steps(6, 3), b=steps(6, 3)), t=signs)
    c.add("triplet_" + r, lambda a, p, n, r=r: F.triplet_margin_loss(a, p, n, reduction=r), dict(a=a, p=b, n=d))
c.add("triplet_swap", lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=0.5, p=3, swap=True), dict(a=a, p=b, n=d))


def contrastive(a, b, t):  # Hadsell et al. 2006, equation 4
    total = 0
    for x, y, same in zip(a, b, t):
        distance = ((x - y) ** 2).sum().sqrt()
        total = total + (distance**2 / 2 if same == 1 else torch.clamp(1.5 - distance, min=0) ** 2 / 2)
    return total / len(t)


def info_nce(q, k):
    total = 0
    for i in range(len(q)):
        s = torch.stack([torch.dot(q[i], key) / q[i].norm() / key.norm() / 0.2 for key in k])
        total = total - s[i] + torch.logsumexp(s, 0)
    return total / len(q)


def center(x, m, t):
    return sum(((x[i] - m[t[i]]) ** 2).sum() / 2 for i in range(len(t))) / len(t)


def focal(x, t, alpha, gamma):  # Lin et al. 2017, equation 5
    p = torch.sigmoid(x)
    p_t = torch.where(t == 1, p, 1 - p)
    alpha_t = torch.where(t == 1, torch.tensor(alpha), torch.tensor(1 - alpha)) if alpha is not None else 1
    return -(alpha_t * (1 - p_t) ** gamma * p_t.log())


def jaccard_loss(wrong, positive):  # the loss of the set of wrong elements: 1 - |y and y'| / |y or y'|
    inter = int((positive & ~wrong).sum())
    union = int((positive | wrong).sum())
    return 0.0 if union == 0 else 1 - inter / union


def lovasz(errors, positive):  # Berman et al. 2018, equations 7 and 8: the extension, element by element in the order of errors
    order = torch.argsort(errors.detach(), descending=True, stable=True)
    wrong, total = torch.zeros_like(positive), 0
    for i in order.tolist():
        before = jaccard_loss(wrong, positive)
        wrong[i] = True
        total = total + errors[i] * (jaccard_loss(wrong, positive) - before)
    return total


def lovasz_softmax(p, t):
    present = [k for k in range(p.shape[1]) if (t == k).any()]
    flat = p.movedim(1, 0).reshape(p.shape[1], -1)
    labels = t.reshape(-1)
    return sum(lovasz(torch.where(labels == k, 1 - flat[k], flat[k]), labels == k) for k in present) / len(present)


c.add("contrastive", contrastive, dict(a=a, b=b), t=torch.tensor([1.0, 0.0, 0.0, 1.0]))
c.add("info_nce", info_nce, dict(q=steps(3, 4), k=steps(3, 4)))
c.add("center", center, dict(x=steps(4, 2), m=steps(3, 2)), t=torch.tensor([0, 2, 2, 0]))
logits, labels = steps(2, 6, low=-4, high=4), torch.randint(0, 2, (2, 6)).double()
c.add("focal", lambda x, t: focal(x, t, 0.25, 2).mean(), dict(x=logits), t=labels)
c.add("focal_no_alpha", lambda x, t: focal(x, t, None, 1.5).sum(), dict(x=logits), t=labels)
c.add("dice", lambda p, t: sum(1 - (2 * (x * y).sum() + 1) / (x.sum() + y.sum() + 1) for x, y in zip(p, t)) / len(p), dict(p=steps(2, 6, low=0.1, high=0.9)), t=labels)
c.add("tversky", lambda p, t: sum(1 - ((x * y).sum() + 0.5) / ((x * y).sum() + 0.3 * x[y == 0].sum() + 0.7 * (1 - x[y == 1]).sum() + 0.5) for x, y in zip(p, t)) / len(p),
      dict(p=steps(2, 6, low=0.1, high=0.9)), t=labels)
c.add("lovasz_hinge", lambda x, t: lovasz(torch.clamp(1 - x * (2 * t - 1), min=0).reshape(-1), t.reshape(-1) == 1), dict(x=distinct(2, 6, scale=3 / 16)), t=labels)
c.add("lovasz_softmax", lambda x, t: lovasz_softmax(torch.softmax(x, 1), t), dict(x=steps(2, 4, 5)), t=torch.randint(0, 3, (2, 5)))

words, letters = steps(7, 3, 4, low=-2, high=2), torch.tensor([[1, 2, 2], [3, 3, 0], [1, 0, 0]])
lengths = dict(i=torch.tensor([7, 5, 6]), n=torch.tensor([3, 2, 1]))
for r in R:
    c.add("ctc_" + r, lambda x, t, i, n, r=r: F.ctc_loss(F.log_softmax(x, 2), t, i, n, reduction=r), dict(x=words), t=letters, **lengths)
c.add("ctc_blank_last", lambda x, t, i, n: F.ctc_loss(F.log_softmax(x, 2), t, i, n, blank=3), dict(x=words), t=torch.tensor([[1, 2, 2], [0, 0, 1], [1, 0, 0]]), **lengths)
c.write("losses.json")
