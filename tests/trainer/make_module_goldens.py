#!/usr/bin/env python3
"""Writes data/modules.json: layers as PyTorch computes them in float64: values, gradients by inputs and parameters, buffers afterwards.

Nothing of GhostFlow takes part. What torch.nn does not have is written out here from the paper's formula. Run with torch 2.13 (CPU):
  python3 make_module_goldens.py
"""
import math

import torch
import torch.nn.functional as F
from golden_cases import Cases, distinct, steps
from torch import nn

c = Cases(20261130)
signal, image, volume = steps(2, 4, 7), steps(2, 4, 4, 3), steps(1, 2, 3, 3, 4)

# --- convolutions
c.module("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), dict(x=signal))
c.module("conv3d", nn.Conv3d(2, 3, (2, 1, 3), stride=(1, 2, 1), padding=(1, 0, 1)), dict(x=volume))
for mode in ("reflect", "replicate", "circular"):
    c.module("conv2d_" + mode, nn.Conv2d(4, 2, 3, padding=(1, 2), padding_mode=mode, bias=False), dict(x=image))
c.module("conv1d_circular", nn.Conv1d(4, 2, 3, padding=2, padding_mode="circular"), dict(x=signal))
c.module("conv_transpose1d", nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2), dict(x=signal))
c.module("conv_transpose2d", nn.ConvTranspose2d(4, 3, (3, 2), stride=(2, 1), padding=(1, 0), output_padding=(1, 0)), dict(x=image))
c.module("conv_transpose2d_depthwise", nn.ConvTranspose2d(4, 4, 2, stride=2, groups=4, bias=False), dict(x=image))
c.module("conv_transpose3d", nn.ConvTranspose3d(2, 2, 2, stride=(2, 1, 2)), dict(x=steps(1, 2, 2, 2, 3)))

# --- pools; elements all differ
d1, d2, d3 = distinct(2, 2, 7), distinct(1, 2, 5, 7), distinct(1, 1, 4, 5, 3)
c.module("max_pool1d", nn.MaxPool1d(3, 2, 1), dict(x=d1))
c.module("max_pool2d_ceil", nn.MaxPool2d(3, 2, ceil_mode=True), dict(x=d2))
c.module("max_pool2d_dilated", nn.MaxPool2d(2, 1, padding=1, dilation=(2, 3)), dict(x=d2))
c.module("max_pool3d", nn.MaxPool3d((2, 3, 2), (2, 1, 1)), dict(x=d3))
c.module("avg_pool1d", nn.AvgPool1d(3, 2, 1), dict(x=d1))
c.module("avg_pool2d_ceil", nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), dict(x=d2))
c.module("avg_pool2d_no_pad", nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), dict(x=d2))
c.module("avg_pool3d", nn.AvgPool3d(2, (1, 2, 1)), dict(x=d3))
c.module("lp_pool1d", nn.LPPool1d(2, 3, 2), dict(x=d1))
c.module("lp_pool2d", nn.LPPool2d(3, 2), dict(x=d2.abs()))
for n, x in ((1, d1), (2, d2), (3, d3)):
    size = (3, (2, 3), (2, 3, 2))[n - 1]
    c.module(f"adaptive_avg_pool{n}d", getattr(nn, f"AdaptiveAvgPool{n}d")(size), dict(x=x))
    c.module(f"adaptive_max_pool{n}d", getattr(nn, f"AdaptiveMaxPool{n}d")(size), dict(x=x))
c.module("adaptive_avg_pool2d_even", nn.AdaptiveAvgPool2d((2, 3)), dict(x=distinct(1, 2, 4, 6)))
c.module("adaptive_max_pool2d_even", nn.AdaptiveMaxPool2d((2, 3)), dict(x=distinct(1, 2, 4, 6)))
c.module("adaptive_avg_pool2d_one", nn.AdaptiveAvgPool2d(1), dict(x=d2))

# --- images of other sizes
for mode, align in (("nearest", None), ("nearest-exact", None), ("bilinear", False), ("bilinear", True), ("bicubic", False), ("bicubic", True), ("area", None)):
    name = "interpolate_" + mode.replace("-", "_") + ("_aligned" if align else "")
    c.add(name, lambda x, m=mode, a=align: (F.interpolate(x, (7, 4), mode=m, align_corners=a), F.interpolate(x, scale_factor=(2, 1.5), mode=m, align_corners=a)),
          dict(x=steps(1, 2, 5, 6)))
c.add("interpolate_linear", lambda x: F.interpolate(x, 5, mode="linear"), dict(x=signal))
c.add("interpolate_trilinear", lambda x: F.interpolate(x, scale_factor=2, mode="trilinear"), dict(x=steps(1, 1, 2, 3, 2)))
c.module("upsample", nn.Upsample(scale_factor=2, mode="nearest"), dict(x=steps(1, 2, 2, 3)))
c.module("pixel_shuffle", nn.PixelShuffle(2), dict(x=steps(2, 8, 2, 3)))
c.add("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), dict(x=steps(1, 2, 4, 6)))

# --- normalisations
c.module("batch_norm1d", nn.BatchNorm1d(4), dict(x=signal))
c.module("batch_norm1d_flat", nn.BatchNorm1d(3, affine=False), dict(x=steps(5, 3)))
c.module("batch_norm3d", nn.BatchNorm3d(2, track_running_stats=False), dict(x=volume))
c.module("batch_norm3d_evaluation", nn.BatchNorm3d(2, track_running_stats=False), dict(x=volume), train=False)
c.module("group_norm", nn.GroupNorm(2, 4), dict(x=image))
c.module("group_norm_plain", nn.GroupNorm(3, 6, affine=False), dict(x=steps(2, 6)), train=True)
c.module("instance_norm2d", nn.InstanceNorm2d(4, affine=True), dict(x=image))
c.module("instance_norm1d", nn.InstanceNorm1d(4), dict(x=signal))
c.module("local_response_norm", nn.LocalResponseNorm(3, alpha=0.5, beta=0.75, k=2), dict(x=image))
c.module("local_response_norm_even", nn.LocalResponseNorm(4, alpha=0.5), dict(x=steps(1, 6, 2, 2)))
c.module("layer_norm_no_bias", nn.LayerNorm(5, bias=False), dict(x=steps(3, 5)))
c.add("normalize", lambda x: F.normalize(x), dict(x=steps(3, 4)))
c.module("weight_norm_linear", nn.utils.weight_norm(nn.Linear(4, 3)), dict(x=steps(2, 4)))
c.module("weight_norm_conv", nn.utils.weight_norm(nn.Conv1d(4, 2, 3, bias=False)), dict(x=signal))
spectral = nn.utils.spectral_norm(nn.Linear(4, 3))
del spectral._parameters["bias"]
spectral.register_parameter("bias", nn.Parameter(steps(3)))
spectral._buffers.pop("weight", None)
with torch.no_grad():
    spectral.weight_u.copy_(F.normalize(spectral.weight_u.float().double(), dim=0))
c.module("spectral_norm", spectral, dict(x=steps(2, 4)))

# --- containers and small layers
c.module("prelu", nn.PReLU(3, 0.5), dict(x=steps(2, 3, 4) + 1 / 128))
c.module("bilinear", nn.Bilinear(3, 4, 2), dict(a=steps(2, 3, 3), b=steps(2, 3, 4)), call=lambda net, a, b: net(a, b))
for mode in ("sum", "mean", "max"):
    c.module("embedding_bag_" + mode, nn.EmbeddingBag(7, 3, mode=mode), call=lambda net, i: net(i), i=torch.tensor([[1, 2, 5], [6, 0, 0]]))
for mode in ("sum", "mean"):
    c.module("embedding_bag_offsets_" + mode, nn.EmbeddingBag(7, 3, mode=mode), call=lambda net, i, o: net(i, o), i=torch.tensor([1, 2, 5, 6, 0]), o=torch.tensor([0, 2, 2, 3]))
c.module("flatten", nn.Sequential(nn.Flatten(), nn.Unflatten(1, (4, 7))), dict(x=signal))


class Residual(nn.Module):
    def __init__(self, f, shortcut=None):
        super().__init__()
        self.f = f
        if shortcut is not None:
            self.shortcut = shortcut

    def forward(self, x):
        return self.f(x) + (self.shortcut(x) if hasattr(self, "shortcut") else x)


c.module("residual", Residual(nn.Sequential(nn.Linear(4, 4), nn.Tanh())), dict(x=steps(3, 4)))
c.module("residual_shortcut", Residual(nn.Linear(4, 2), nn.Linear(4, 2, bias=False)), dict(x=steps(3, 4)))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed, activation, gate):
        super().__init__()
        self.fc1, self.fc2, self.activation, self.gate = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1), activation, gate

    def forward(self, x):
        return self.gate(self.fc2(self.activation(self.fc1(x.mean((2, 3), keepdim=True))))) * x


c.module("se_block", SqueezeExcitation(4, 2, F.silu, torch.sigmoid), dict(x=image))
c.module("se_block_hard", SqueezeExcitation(4, 3, F.relu, F.hardsigmoid), dict(x=image))


class Cbam(nn.Module):
    def __init__(self, channels, reduction, kernel):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, channels // reduction, bias=False), nn.Linear(channels // reduction, channels, bias=False)
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x):
        gate = torch.sigmoid(sum(self.fc2(F.relu(self.fc1(p))) for p in (x.mean((2, 3)), x.amax((2, 3)))))
        y = x * gate[:, :, None, None]
        return y * torch.sigmoid(self.conv(torch.stack([y.mean(1), y.amax(1)], 1)))


c.module("cbam", Cbam(4, 2, 3), dict(x=distinct(2, 4, 3, 5)))
c.add("spp", lambda x: torch.cat([F.adaptive_max_pool2d(x, k).flatten(1) for k in (4, 2, 1)], 1), dict(x=distinct(1, 2, 5, 7)))


class FeedForward(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.linear2(F.gelu(self.linear1(x)))


class SwiGlu(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(dim, hidden, bias=False), nn.Linear(dim, hidden, bias=False), nn.Linear(hidden, dim, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Lora(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = nn.Linear(4, 3)
        self.base.requires_grad_(False)
        self.lora_A, self.lora_B = nn.Parameter(steps(2, 4)), nn.Parameter(steps(3, 2))

    def forward(self, x):
        return self.base(x) + x @ self.lora_A.T @ self.lora_B.T * (3 / 2)


class Experts(nn.Module):
    def __init__(self, dim, count, active):
        super().__init__()
        self.gate, self.experts, self.active = nn.Linear(dim, count, bias=False), nn.ModuleList([FeedForward(dim, 5) for _ in range(count)]), active

    def forward(self, x):  # token by token, only the chosen experts
        out = []
        for token in x.reshape(-1, x.shape[-1]):
            best, places = torch.topk(self.gate(token), self.active)
            out.append(sum(w * self.experts[int(e)](token) for w, e in zip(torch.softmax(best, 0), places)))
        return torch.stack(out).reshape(x.shape)


c.module("feed_forward", FeedForward(4, 6), dict(x=steps(2, 3, 4)))
c.module("swiglu", SwiGlu(4, 6), dict(x=steps(2, 3, 4)))
c.module("lora", Lora(), dict(x=steps(5, 4)))
c.module("mixture_of_experts", Experts(4, 3, 2), dict(x=steps(2, 3, 4)))

# --- positions


def table(length, dim):  # Vaswani et al. 2017, section 3.5
    angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angle.sin(), angle.cos()], -1).reshape(length, dim)


def rotate(x, positions, base, interleaved):  # Su et al. 2021, equation 34, as complex numbers
    half = x.shape[-1] // 2
    pairs = torch.stack([x[..., :half], x[..., half:]], -1) if not interleaved else x.unflatten(-1, (half, 2))
    angle = positions[:, None, :, None] / base ** (2 * torch.arange(half) / x.shape[-1])
    turned = torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(angle), angle))
    return turned.flatten(-2) if interleaved else torch.cat([turned[..., 0], turned[..., 1]], -1)


class Learned(nn.Module):
    def __init__(self, most, dim):
        super().__init__()
        self.weight = nn.Parameter(steps(most, dim))

    def forward(self, x):
        return x + self.weight[:x.shape[1]]


c.add("sinusoidal", lambda x: x + table(3, 4), dict(x=steps(2, 3, 4)))
c.module("learned_positions", Learned(5, 4), dict(x=steps(2, 3, 4)))
heads = steps(2, 2, 3, 4)
count_up = torch.arange(3)[None]
c.add("rotary", lambda x: rotate(x, count_up, 10000.0, False), dict(x=heads))
c.add("rotary_interleaved", lambda x: rotate(x, count_up, 500.0, True), dict(x=heads))
c.add("rotary_positions", lambda x, p: rotate(x, p, 10000.0, False), dict(x=heads), p=torch.tensor([[4, 5, 6], [0, 2, 1]]))
c.add("alibi_slopes", lambda: (2.0 ** -torch.arange(1, 9), torch.tensor([2.0 ** -2, 2.0 ** -4, 2.0 ** -6, 2.0 ** -8, 2.0 ** -1, 2.0 ** -3])))  # the paper's 8; its code's 6
c.add("alibi_bias", lambda: torch.tensor([2.0 ** -4, 2.0 ** -8])[:, None, None] * (torch.arange(4)[None, :] - torch.arange(1, 4)[:, None]))

# --- attention and transformers (batch first, no dropout)
mask = torch.tensor([[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]])
padding = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 0]])
q, kv = steps(2, 3, 4), steps(2, 4, 4)
make = lambda **more: nn.MultiheadAttention(4, 2, batch_first=True, **more)
c.module("attention_self", make(), dict(x=q), call=lambda net, x: net(x, x, x)[0])
c.module("attention_cross", make(bias=False), dict(q=q, k=kv, v=kv + 0.5), call=lambda net, q, k, v: net(q, k, v)[0])
c.module("attention_widths", make(kdim=3, vdim=5), dict(q=q, k=steps(2, 4, 3), v=steps(2, 4, 5)), call=lambda net, q, k, v: net(q, k, v)[0])
c.module("attention_masks", make(), dict(q=q, k=kv), call=lambda net, q, k, m, p: net(q, k, k, attn_mask=m != 0, key_padding_mask=p != 0)[0], m=mask, p=padding)
c.module("attention_float_mask", make(), dict(q=q, k=kv), call=lambda net, q, k, m: net(q, k, k, attn_mask=m)[0], m=steps(4, 3, 4))
causal = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
c.module("attention_causal", make(), dict(x=q), call=lambda net, x: net(x, x, x, attn_mask=causal, need_weights=False)[0])
small = dict(dim_feedforward=6, dropout=0.0, batch_first=True)
c.module("encoder_layer", nn.TransformerEncoderLayer(4, 2, **small), dict(x=q))
c.module("encoder_layer_norm_first", nn.TransformerEncoderLayer(4, 2, norm_first=True, activation=F.gelu, **small), dict(x=kv),
         call=lambda net, x, p: net(x, src_key_padding_mask=p != 0), p=padding)
c.module("decoder_layer", nn.TransformerDecoderLayer(4, 2, **small), dict(t=q, m=kv), call=lambda net, t, m: net(t, m, tgt_mask=causal))
c.module("decoder_layer_norm_first", nn.TransformerDecoderLayer(4, 2, norm_first=True, **small), dict(t=q, m=kv), call=lambda net, t, m: net(t, m))
c.module("encoder", nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, **small), 2, nn.LayerNorm(4), enable_nested_tensor=False), dict(x=q))
c.module("transformer", nn.Transformer(4, 2, 1, 1, **small), dict(s=kv, t=q), call=lambda net, s, t: net(s, t, tgt_mask=causal))

# --- recurrent layers and cells
x, h, cell = steps(3, 4, 2), steps(1, 3, 3), steps(1, 3, 3)
lengths = torch.tensor([4, 2, 3])


def packed(net, x, state, n):
    y, last = net(nn.utils.rnn.pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False), state)
    y = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0]
    return (y, *last) if isinstance(last, tuple) else (y, last)


def stated(net, x, *state):
    y, last = net(x, state if len(state) > 1 else state[0])
    return (y, *last) if isinstance(last, tuple) else (y, last)


c.module("rnn", nn.RNN(2, 3, batch_first=True), dict(x=x), call=lambda net, x: net(x)[0])
c.module("rnn_relu", nn.RNN(2, 3, num_layers=2, nonlinearity="relu", bidirectional=True, batch_first=True), dict(x=x), call=lambda net, x: net(x)[0])
c.module("rnn_state", nn.RNN(2, 3, batch_first=True), dict(x=x, h=h), call=lambda net, x, h: stated(net, x, h))
c.module("gru_state", nn.GRU(2, 3, batch_first=True), dict(x=x, h=h), call=lambda net, x, h: stated(net, x, h))
c.module("lstm_state", nn.LSTM(2, 3, batch_first=True), dict(x=x, h=h, c=cell), call=lambda net, x, h, c: stated(net, x, h, c))
c.module("gru_lengths", nn.GRU(2, 3, bidirectional=True, batch_first=True), dict(x=x, h=steps(2, 3, 3)), call=lambda net, x, h, n: packed(net, x, h, n), n=lengths)
c.module("lstm_lengths", nn.LSTM(2, 3, num_layers=2, batch_first=True), dict(x=x, h=steps(2, 3, 3), c=steps(2, 3, 3)), call=lambda net, x, h, c, n: packed(net, x, (h, c), n), n=lengths)
one, hidden = steps(3, 2), steps(3, 4)
c.module("rnn_cell", nn.RNNCell(2, 4), dict(x=one, h=hidden), call=lambda net, x, h: net(x, h))
c.module("rnn_cell_relu", nn.RNNCell(2, 4, bias=False, nonlinearity="relu"), dict(x=one))
c.module("gru_cell", nn.GRUCell(2, 4), dict(x=one, h=hidden), call=lambda net, x, h: net(x, h))
c.module("lstm_cell", nn.LSTMCell(2, 4), dict(x=one, h=hidden, c=steps(3, 4)), call=lambda net, x, h, c: net(x, (h, c)))
cell3, h2 = steps(2, 3, 5), steps(2, 3, 2)
c.module("lstm_projected", nn.LSTM(2, 5, proj_size=2, batch_first=True), dict(x=x), call=lambda net, x: net(x)[0])
c.module("lstm_projected_layers", nn.LSTM(2, 5, num_layers=2, bidirectional=True, bias=False, proj_size=2, batch_first=True), dict(x=x), call=lambda net, x: net(x)[0])
c.module("lstm_projected_lengths", nn.LSTM(2, 5, bidirectional=True, proj_size=2, batch_first=True), dict(x=x, h=h2, c=cell3), call=lambda net, x, h, c, n: packed(net, x, (h, c), n), n=lengths)
for name, train in (("instance_norm_tracked", True), ("instance_norm_evaluated", False)):
    norm = nn.InstanceNorm2d(4, momentum=0.25, affine=True, track_running_stats=True)
    norm(steps(3, 4, 2, 3))  # statistics that are no longer the first ones
    c.module(name, norm, dict(x=image), train=train)

# --- tables
c.module("embedding_padding", nn.Embedding(4, 3, padding_idx=1), call=lambda net, i: net(i), i=torch.tensor([[1, 0], [3, 1]]))

# --- first values
c.add("dirac", lambda: (nn.init.dirac_(torch.empty(3, 2, 3)), nn.init.dirac_(torch.empty(4, 3, 3, 1), groups=2), nn.init.dirac_(torch.empty(2, 2, 1, 4, 3))))
c.write("modules.json")
