#!/usr/bin/env python3
"""Writes data/functions.json: functions of tensors and activations as PyTorch computes them in float64, values and gradients.

Nothing of GhostFlow takes part. Run with torch 2.13 (CPU):
  python3 make_function_goldens.py
"""
import torch
import torch.nn.functional as F
from golden_cases import Cases, distinct, steps

c = Cases(20261129)
x = distinct(3, 4, scale=1 / 8)
positive = steps(3, 4, low=0.25, high=4)
unit = distinct(3, 4, scale=1 / 8) / 2

for name in "neg reciprocal square exp2 sinh cosh asinh atan sign tan trunc frac floor ceil".split():
    c.add(name, getattr(torch, name), dict(input=x))
for name in "rsqrt log2 log10".split():
    c.add(name, getattr(torch, name), dict(input=positive))
for name in "asin acos atanh".split():
    c.add(name, getattr(torch, name), dict(input=unit))
c.add("acosh", torch.acosh, dict(input=positive + 1))
c.add("round", torch.round, dict(input=torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 0.25, 2.75])))
special = torch.tensor([1.0, float("nan"), float("inf"), -float("inf"), 0.0])
for name in "isnan isinf isfinite".split():
    c.add(name, lambda s, f=getattr(torch, name): f(1 / s), gradients=False, s=torch.tensor([1.0, 0.0, -2.0]))
c.add("pow_number", lambda x: torch.pow(x, 2.5), dict(x=positive))
odd = torch.tensor([2.5, -1.25, 0.75, -3.0])
c.add("fmod", torch.fmod, dict(input=x), other=odd)
c.add("remainder", torch.remainder, dict(input=x), other=odd)
c.add("remainder_both", torch.remainder, dict(input=x, other=odd.clone()))
c.add("fmod_number", lambda x: torch.fmod(x, -0.7), dict(x=x))
c.add("floor_divide", torch.floor_divide, gradients=False, input=torch.tensor([7, -7, 7, -7]), other=torch.tensor([2, 2, -2, -2]))
c.add("clamp", lambda x: torch.clamp(x, -0.25, 0.5), dict(x=torch.tensor([-1.0, -0.25, 0.0, 0.5, 2.0])))
c.add("clamp_min", lambda x: torch.clamp(x, min=0.1), dict(x=x))
c.add("clamp_ints", lambda x: torch.clamp(x, -1, 2), x=torch.tensor([-5, -1, 0, 2, 9]))
c.add("lerp", torch.lerp, dict(input=x, end=steps(3, 4), weight=steps(4)))
c.add("fma", lambda a, b, c: a * b + c, dict(a=x, b=steps(4), c=steps(3, 1)))
left, right = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), torch.tensor([2.0, 2.0, 3.0])
for name in "eq ne lt le gt ge".split():
    c.add(name, getattr(torch, name), gradients=False, input=left, other=right)
for name in "logical_and logical_or logical_xor".split():
    c.add(name, getattr(torch, name), input=torch.tensor([0, 1, 0, 5]), other=torch.tensor([0, 0, 2, 3]))
c.add("logical_not", torch.logical_not, input=torch.tensor([0, 1, 5]))
for name in "bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift".split():
    c.add(name, getattr(torch, name), input=torch.tensor([12, -7, 255, 1]), other=torch.tensor([3, 2, 5, 0]))
c.add("bitwise_not", torch.bitwise_not, input=torch.tensor([12, -7, 0]))

cube = distinct(2, 3, 4, scale=1 / 4)
c.add("amin", lambda x: torch.amin(x, (0, 2)), dict(x=cube))
c.add("prod", lambda x: torch.prod(x, 1), dict(x=cube))
c.add("prod_all", lambda x: torch.prod(x), dict(x=torch.tensor([2.0, 0.0, -3.0])))
c.add("var", lambda x: torch.var(x, (0, 2)), dict(x=cube))
c.add("var_biased", lambda x: torch.var(x, correction=0), dict(x=cube))
c.add("std", lambda x: torch.std(x, 1, keepdim=True), dict(x=cube))
for p in (1, 2, 3, float("inf"), -float("inf")):
    c.add(f"norm_{p}", lambda x, p=p: torch.linalg.vector_norm(x, p, 1), dict(x=cube))
c.add("norm_0", lambda x: torch.linalg.vector_norm(x, 0, 1), dict(x=cube), gradients=False)
c.add("logsumexp", lambda x: torch.logsumexp(x, (0, 1)), dict(x=cube))
c.add("any", lambda x: torch.any(x, 1), x=torch.tensor([[0, 0], [0, 3]]))
c.add("all", lambda x: torch.all(x, 1), x=torch.tensor([[0, 1], [1, 3]]))
c.add("count_nonzero", lambda x: torch.count_nonzero(x, 1), x=torch.tensor([[0, 1], [1, 3]]))
c.add("argmin", lambda x: torch.argmin(x, 1), gradients=False, x=x)
c.add("cumsum", lambda x: torch.cumsum(x, -1), dict(x=cube))
c.add("cumprod", lambda x: torch.cumprod(x, 1), dict(x=cube))

index = torch.tensor([[0, 2, 1], [2, 2, 0]])
c.add("gather", lambda x, i: torch.gather(x, 0, i), dict(x=x), i=index)
c.add("scatter", lambda x, s, i: torch.scatter(x, 1, i, s), dict(x=x, s=steps(2, 3)), i=torch.tensor([[0, 3, 1], [2, 1, 0]]))
c.add("scatter_add", lambda x, s, i: torch.scatter_add(x, 1, i, s), dict(x=x, s=steps(2, 3)), i=torch.tensor([[0, 3, 0], [2, 2, 2]]))
c.add("scatter_max", lambda x, s, i: torch.scatter_reduce(x, 1, i, s, "amax"), dict(x=x, s=distinct(2, 3)), gradients=False, i=torch.tensor([[0, 3, 1], [2, 1, 0]]))
c.add("index_select", lambda x, i: torch.index_select(x, 1, i), dict(x=x), i=torch.tensor([3, 0, 3]))
c.add("index_add", lambda x, s, i: torch.index_add(x, 1, i, s), dict(x=x, s=steps(3, 2)), i=torch.tensor([3, 3]))
c.add("select", lambda x: torch.select(x, 1, -2), dict(x=x))
c.add("slice_step", lambda x: x[:, 0:4:2], dict(x=x))
c.add("masked_fill", lambda x, m: x.masked_fill(m != 0, 7.5), dict(x=x), m=torch.randint(0, 2, (3, 4)))
c.add("sort", lambda x: tuple(torch.sort(x, stable=True)), dict(x=x))
c.add("sort_descending", lambda x: tuple(torch.sort(x, 0, descending=True)), dict(x=x))
c.add("argsort_stable", lambda x: torch.argsort(x, stable=True), gradients=False, x=torch.tensor([2.0, 1.0, 2.0, 1.0]))
c.add("topk", lambda x: tuple(torch.topk(x, 2)), dict(x=x))
c.add("topk_smallest", lambda x: tuple(torch.topk(x, 2, 0, largest=False)), dict(x=x))
c.add("roll", lambda x: torch.roll(x, (1, -3), (0, 1)), dict(x=x))
c.add("roll_flat", lambda x: torch.roll(x, 5), dict(x=x))
c.add("flip", lambda x: torch.flip(x, (0, 1)), dict(x=x))
c.add("tile", lambda x: torch.tile(x, (2,)), dict(x=x))
c.add("repeat", lambda x: x.repeat(2, 1, 2), dict(x=x))
c.add("repeat_interleave", lambda x: torch.repeat_interleave(x, 2, 0), dict(x=x))
for mode, more in (("constant", dict(value=1.5)), ("reflect", {}), ("replicate", {}), ("circular", {})):
    c.add("pad_" + mode, lambda x, mode=mode, more=more: F.pad(x, (1, 2, 2, 1), mode, **more), dict(x=distinct(1, 2, 3, 4)))
c.add("pad_cut", lambda x: F.pad(x, (-1, 2)), dict(x=x))
c.add("tril", lambda x: torch.tril(x, -1), dict(x=x))
c.add("triu", lambda x: torch.triu(x, 1), dict(x=x))
c.add("diagonal", lambda x: torch.diagonal(x, -1, 1, 2), dict(x=cube))
for k in (0, 1, -2):
    c.add(f"diag_{k}", lambda x, k=k: torch.diag(x, k), dict(x=steps(3)))
c.add("diag_of_matrix", lambda x: torch.diag(x, 1), dict(x=x))
c.add("one_hot", lambda i: F.one_hot(i, 4), i=torch.tensor([[0, 3], [2, 2]]))
c.add("meshgrid", lambda a, b: torch.meshgrid(a, b, indexing="ij"), dict(a=steps(2), b=steps(3)))
c.add("meshgrid_xy", lambda a, b: torch.meshgrid(a, b, indexing="xy"), dict(a=steps(2), b=steps(3)))
c.add("chunk", lambda x: torch.chunk(x, 3, 1), dict(x=steps(2, 7)))
c.add("unbind", lambda x: torch.unbind(x, 1), dict(x=x))
c.add("unflatten", lambda x: torch.unflatten(x, 1, (2, -1)), dict(x=x))
c.add("flatten", lambda x: torch.flatten(x, 0, 1), dict(x=cube))
c.add("movedim", lambda x: torch.movedim(x, 0, -1), dict(x=cube))

c.add("bmm", torch.bmm, dict(input=steps(2, 3, 4), mat2=steps(2, 4, 2)))
c.add("mv", torch.mv, dict(input=steps(3, 4), vec=steps(4)))
c.add("dot", torch.dot, dict(input=steps(4), tensor=steps(4)))
c.add("outer", torch.outer, dict(input=steps(4), vec2=steps(3)))
c.add("addmm", lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2), dict(c=steps(3), a=steps(2, 4), b=steps(4, 3)))
c.add("baddbmm", lambda c, a, b: torch.baddbmm(c, a, b), dict(c=steps(2, 2, 3), a=steps(2, 2, 4), b=steps(2, 4, 3)))
c.add("einsum", lambda a, b: torch.einsum("bij,bkj->bik", a, b), dict(a=steps(2, 3, 4), b=steps(2, 2, 4)))
c.add("einsum_dots", lambda a, b: torch.einsum("...i,i->...", a, b), dict(a=steps(2, 3, 4), b=steps(4)))
square = torch.tensor([[2.0, 0.5, 0.25], [-0.5, 1.5, 0.125], [0.25, -0.75, 3.0]])
for name in "det inverse trace".split():
    c.add(name, getattr(torch, name), dict(input=square))
c.add("arange", lambda: torch.arange(2, 11, 3))
c.add("arange_floats", lambda: torch.arange(0.5, -1.0, -0.25))
c.add("linspace", lambda: torch.linspace(-1, 2, 7))
c.add("eye", lambda: torch.eye(2, 3))

# activations; x has no zeros
for name in "relu6 elu celu selu mish softsign hardtanh hardsigmoid hardswish hardshrink softshrink tanhshrink logsigmoid softplus leaky_relu".split():
    c.add(name, getattr(F, name), dict(input=distinct(3, 8, scale=5 / 8)))
c.add("elu_alpha", lambda x: F.elu(x, 0.5), dict(x=x))
c.add("celu_alpha", lambda x: F.celu(x, 0.5), dict(x=x))
c.add("leaky_relu_slope", lambda x: F.leaky_relu(x, 0.2), dict(x=x))
c.add("softplus_beta", lambda x: F.softplus(x, 2, 1), dict(x=x))
c.add("prelu", F.prelu, dict(input=steps(2, 3, 4) + 1 / 128, weight=steps(3)))
c.add("prelu_one", F.prelu, dict(input=x, weight=torch.tensor([0.25])))
c.add("softmin", lambda x: F.softmin(x, 1), dict(x=x))
c.add("glu", lambda x: F.glu(x, 1), dict(x=x))
c.add("threshold", lambda x: F.threshold(x, 0.1, 20), dict(x=x))
c.add("maxout", lambda x: x.reshape(3, 2, 2).amax(2), dict(x=x))

parts = torch.view_as_real
wave = steps(2, 6)
c.add("fft", lambda x: parts(torch.fft.fft(torch.view_as_complex(x))), dict(x=steps(2, 5, 2)))
c.add("ifft", lambda x: parts(torch.fft.ifft(torch.view_as_complex(x), dim=0)), dict(x=steps(3, 2, 2)))
c.add("rfft", lambda x: parts(torch.fft.rfft(x)), dict(x=wave))
c.add("rfft_axis", lambda x: parts(torch.fft.rfft(x, dim=0)), dict(x=steps(5, 2)))
c.add("irfft", lambda x: torch.fft.irfft(torch.view_as_complex(x)), dict(x=steps(2, 4, 2)))
c.add("irfft_odd", lambda x: torch.fft.irfft(torch.view_as_complex(x), 5), dict(x=steps(2, 3, 2)))
c.add("stft", lambda x, w: parts(torch.stft(x, 4, 2, window=w, center=False, return_complex=True)), dict(x=steps(2, 9), w=steps(4)))
for name in "hann hamming blackman".split():
    c.add(name, lambda f=getattr(torch, name + "_window"): (f(6), f(5, periodic=False), f(1)))
c.add("solve", lambda a, b: torch.linalg.solve(a, b), dict(a=square, b=steps(3, 2)))

# --- results whose size the data decide
c.add("nonzero", torch.nonzero, gradients=False, input=torch.tensor([[0, 3, 0], [1, 0, -2]]))
c.add("nonzero_none", torch.nonzero, gradients=False, input=torch.zeros(2, 3, dtype=torch.int64))
c.add("unique", lambda x: torch.unique(x, return_inverse=True, return_counts=True), gradients=False, x=torch.tensor([[2.0, -1.0, 2.0], [0.5, 2.0, -1.0]]))
c.add("unique_axis", lambda x: torch.unique(x, return_inverse=True, return_counts=True, dim=1), gradients=False, x=torch.tensor([[2, 1, 2, 1], [0, 3, 0, 1]]))
c.add("masked_select", lambda x, m: torch.masked_select(x, m != 0), dict(x=x), m=torch.tensor([1, 0, 1, 1]))
c.add("masked_select_wide", lambda x, m: torch.masked_select(x, m != 0), dict(x=steps(3, 1)), m=torch.tensor([[1, 0], [0, 0], [1, 1]]))

# --- decompositions; signs as schema/ops has them
def positive_largest(v):
    return torch.sign(v.gather(-2, v.abs().argmax(-2, keepdim=True))).detach()


def qr(x):
    q, r = torch.linalg.qr(x)
    sign = torch.sign(torch.diagonal(r, dim1=-2, dim2=-1)).detach()
    return q * sign.unsqueeze(-2), r * sign.unsqueeze(-1)


def eigh(x):
    w, v = torch.linalg.eigh((x + x.mT) / 2)
    return w, v * positive_largest(v)


def svd(x):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    sign = positive_largest(u)
    return u * sign, s, vh * sign.mT


tall, wide, squares = steps(2, 4, 3), steps(3, 5), steps(2, 3, 3)
c.add("cholesky", lambda x: torch.linalg.cholesky(x @ x.mT + torch.eye(3)), dict(x=squares))
c.add("cholesky_upper", lambda x: torch.linalg.cholesky(x @ x.mT + torch.eye(3), upper=True), dict(x=squares))
for name, x in (("tall", tall), ("wide", wide), ("square", squares)):
    c.add("qr_" + name, qr, dict(x=x))
    c.add("svd_" + name, svd, dict(x=x))
c.add("eigh", eigh, dict(x=squares))
c.add("eigenvalues", lambda x: torch.linalg.eigvalsh((x + x.mT) / 2), dict(x=squares))
c.add("singular_values", lambda x: torch.linalg.svdvals(x), dict(x=tall))
c.write("functions.json")
