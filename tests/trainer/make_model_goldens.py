#!/usr/bin/env python3
"""Writes data/models.json: for each architecture of trainer/models at small size, the names and shapes of its state_dict, the first three
losses of a fixed batch and outputs in evaluation mode, as torchvision, transformers and PyTorch compute them in float64; how many
parameters the published sizes have, and scores of image nets of that size.

Weights and batches are not stored: both sides make them from a hash of name and place (`hashed`; tests/trainer/models_test.cpp has the
same). Nothing of GhostFlow takes part. Run with torch 2.13, torchvision 0.28 and transformers 5.24 (CPU):
  python3 make_model_goldens.py
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# torchvision's compiled ops, which none of these models needs, may be missing
_register_fake = torch.library.register_fake
torch.library.register_fake = lambda name, *a, **k: (lambda f: f) if name.startswith("torchvision::") else _register_fake(name, *a, **k)
import torchvision.models as tv  # noqa: E402
import transformers as hf  # noqa: E402
from torchvision.models.efficientnet import EfficientNet, MBConvConfig  # noqa: E402
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1  # noqa: E402

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def words(name, count):
    """32-bit words: FNV-1a of the name, the place times the golden ratio, MurmurHash3's finaliser."""
    seed = 2166136261
    for c in name.encode():
        seed = (seed ^ c) * 16777619 & 0xFFFFFFFF
    h = (np.arange(count, dtype=np.uint64) * 0x9E3779B9 + seed) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ (h >> shift)) * factor & 0xFFFFFFFF
    return h ^ (h >> 16)


def hashed(name, shape):
    """Uniform in [-1, 1)."""
    n = int(np.prod(shape))
    return torch.from_numpy((words(name, n) >> 8).astype(np.float64) / 2**23 - 1).reshape(shape)


def weight(name, shape):
    v = hashed(name, shape)
    if len(shape) >= 2:
        v = v * np.sqrt(3 / np.prod(shape[1:]))
    elif name.endswith("running_var"):
        v = 1 + 0.25 * v
    elif name.endswith("weight"):
        v = 1 + 0.1 * v
    else:
        v = 0.1 * v
    return v.float().double()


def floats(name, *shape):
    return hashed(name, shape).float().double()


def whole(name, low, high, *shape):
    return torch.from_numpy((words(name, int(np.prod(shape))) % (high - low)).astype(np.int64) + low).reshape(shape)


def fill(net, tied):
    own = net.state_dict()
    names = {k: list(v.shape) for k, v in own.items() if not k.endswith("num_batches_tracked") and k not in tied}
    net.load_state_dict({k: weight(k, s) for k, s in names.items()}, strict=False)
    return names


out = {"models": {}, "counts": {}}


def case(name, net, loss_of, eval_of, adam=False, lr=0.05, tied=()):
    names = fill(net, tied)
    net.eval()
    with torch.no_grad():
        y = eval_of(net)
    net.train()
    opt = torch.optim.AdamW(net.parameters(), lr=lr) if adam else torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    losses = []
    for step in range(50):
        opt.zero_grad()
        loss = loss_of(net)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    print(f"{name:14} {sum(p.numel() for p in net.parameters()):8} {losses[:3]} last / first {losses[-1] / losses[0]:.3f} y {y.abs().max().item():.3g}")
    assert losses[-1] <= 0.7 * losses[0], name
    out["models"][name] = {"state": names, "losses": losses[:3], "adam": adam, "lr": lr,
                           "y": {"shape": list(y.shape), "data": [float(f"{v:.9g}") for v in y.reshape(-1).tolist()]}}


def image_case(name, net, size, classes=10, channels=3, **how):
    x, t = floats("x", 4, channels, size, size), whole("t", 0, classes, 4)
    case(name, net, lambda n: F.cross_entropy(n(x), t), lambda n: n(x), **how)


def token_case(name, net, run, **how):
    x, t = whole("x", 1, 50, 4, 8), whole("t", 0, 50, 4, 8)
    case(name, net, lambda n: F.cross_entropy(run(n, x).transpose(1, 2), t), lambda n: run(n, x)[:, :2], adam=True, **how)


# --- what neither torchvision nor transformers has, with the names of PyTorch's tutorials and examples
def mlp(*sizes):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = F.max_pool2d(F.relu(conv(x)), 2)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


class SmallResNet(nn.Module):
    """torchvision's blocks and names at other widths."""

    def __init__(self, block, depths, width, classes):
        super().__init__()
        self.conv1, self.bn1, self.channels = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), width
        for k, depth in enumerate(depths):
            planes, blocks = width << k, []
            for i in range(depth):
                stride = 2 if i == 0 and k > 0 else 1
                down = None
                if stride != 1 or self.channels != planes * block.expansion:
                    down = nn.Sequential(conv1x1(self.channels, planes * block.expansion, stride), nn.BatchNorm2d(planes * block.expansion))
                blocks.append(block(self.channels, planes, stride, down, base_width=64))
                self.channels = planes * block.expansion
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(self.channels, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for k in range(4):
            x = getattr(self, f"layer{k + 1}")(x)
        return self.fc(x.mean((2, 3)))


class Twice(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.double_conv = nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
                                         nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), Twice(a, b))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(a, b, 2, 2), Twice(a, b)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], 1))


class Out(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv = nn.Conv2d(a, b, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    """Ronneberger et al. 2015 with batch norm and padding, named as in the best known PyTorch form."""

    def __init__(self, channels, classes, width=64):
        super().__init__()
        self.inc = Twice(channels, width)
        for k in range(4):
            self.add_module(f"down{k + 1}", Down(width << k, width << (k + 1)))
        for k in range(4):
            self.add_module(f"up{k + 1}", Up(width << (4 - k), width << (3 - k)))
        self.outc = Out(width, classes)

    def forward(self, x):
        levels = [self.inc(x)]
        for k in range(4):
            levels.append(getattr(self, f"down{k + 1}")(levels[-1]))
        y = levels.pop()
        for k in range(4):
            y = getattr(self, f"up{k + 1}")(y, levels.pop())
        return self.outc(y)


class RecurrentLm(nn.Module):
    """Names and order of PyTorch's word language model example, batch first."""

    def __init__(self, cell, words_, dim, hidden, layers):
        super().__init__()
        self.encoder, self.rnn, self.decoder = nn.Embedding(words_, dim), cell(dim, hidden, layers, batch_first=True), nn.Linear(hidden, words_)

    def forward(self, t):
        return self.decoder(self.rnn(self.encoder(t))[0])


class Vae(nn.Module):
    """Kingma and Welling 2014, names and sizes of PyTorch's example."""

    def __init__(self, size=784, hidden=400, latent=20):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(size, hidden), nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.fc3, self.fc4 = nn.Linear(latent, hidden), nn.Linear(hidden, size)

    def forward(self, x, noise):
        h = F.relu(self.fc1(x))
        mean, log_var = self.fc21(h), self.fc22(h)
        z = mean + noise * torch.exp(0.5 * log_var)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mean, log_var


def vae_loss(parts, x):
    y, mean, log_var = parts
    return F.binary_cross_entropy(y, x, reduction="sum") - 0.5 * torch.sum(1 + log_var - mean**2 - log_var.exp())


flat = floats("x", 4, 20)
case("mlp", mlp(20, 16, 12, 5), lambda n: F.cross_entropy(n(flat), whole("t", 0, 5, 4)), lambda n: n(flat))
image_case("lenet", LeNet(), 28, channels=1)
image_case("resnet_basic", SmallResNet(BasicBlock, (2, 2, 1, 1), 8, 10), 40, lr=0.02)
image_case("resnet_deep", SmallResNet(Bottleneck, (1, 2, 1, 1), 8, 10), 40, lr=0.02)
image_case("mobilenet_v2", tv.MobileNetV2(10, 0.25, [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2]], dropout=0), 32, lr=0.01)
image_case("efficientnet", EfficientNet([MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(6, 3, 2, 8, 8, 2), MBConvConfig(6, 5, 2, 8, 16, 1)], 0, 0, 10), 32, lr=0.02)
image_case("densenet", tv.DenseNet(8, (2, 2, 1, 1), 8, num_classes=10), 64, lr=0.02)
image_case("vit", tv.VisionTransformer(16, 4, 2, 2, 16, 32, num_classes=10), 16, adam=True, lr=3e-3)

picture, marks = floats("x", 2, 3, 32, 32), whole("t", 0, 2, 2, 32, 32)
case("unet", UNet(3, 2, 4), lambda n: F.cross_entropy(n(picture), marks), lambda n: n(picture)[:, :, :4, :8], lr=0.1)

seen = torch.tensor([8, 8, 6, 3])[:, None] > torch.arange(8)
ids, kinds = whole("x", 0, 10, 4, 8), whole("kinds", 0, 2, 4, 8)
bert = hf.BertForSequenceClassification(hf.BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                                                      max_position_embeddings=16, hidden_dropout_prob=0, attention_probs_dropout_prob=0, num_labels=3))
run_bert = lambda n: n(input_ids=ids, token_type_ids=kinds, attention_mask=seen.long()).logits  # noqa: E731
case("bert", bert, lambda n: F.cross_entropy(run_bert(n), whole("t", 0, 3, 4)), run_bert, adam=True, lr=3e-3)
token_case("gpt2", hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=2, n_head=2, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)),
           lambda n, x: n(x).logits, lr=1e-2, tied=("lm_head.weight",))
token_case("llama", hf.LlamaForCausalLM(hf.LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                                                       num_key_value_heads=2, max_position_embeddings=16, rms_norm_eps=1e-5)), lambda n, x: n(x).logits, lr=1e-2)
token_case("lstm_lm", RecurrentLm(nn.LSTM, 50, 12, 16, 2), lambda n, x: n(x), lr=1e-2)
token_case("gru_lm", RecurrentLm(nn.GRU, 50, 12, 16, 2), lambda n, x: n(x), lr=1e-2)

shade, noise = (floats("x", 4, 36) + 1) / 2, floats("noise", 4, 5)
case("vae", Vae(36, 20, 5), lambda n: vae_loss(n(shade, noise), shade), lambda n: n(shade, torch.zeros(4, 5))[0], adam=True, lr=1e-2)

# whole nets of published size: scores of one image in evaluation mode
out["published"] = {}
for name, make in {"resnet18": tv.resnet18, "resnet50": tv.resnet50, "mobilenet_v2": tv.mobilenet_v2, "efficientnet_b0": tv.efficientnet_b0,
                   "densenet121": tv.densenet121}.items():
    net = make()
    fill(net, ())
    with torch.no_grad():
        y = net.eval()(floats("x", 1, 3, 64, 64))
    print(f"{name:16} y {y.abs().max().item():.3g}")
    out["published"][name] = {"shape": [1, 10], "data": [float(f"{v:.9g}") for v in y[0, :10].tolist()]}

with torch.device("meta"):
    published = {"mlp": mlp(784, 512, 256, 10), "lenet": LeNet(), "unet": UNet(3, 2), "lstm_lm": RecurrentLm(nn.LSTM, 33278, 200, 200, 2),
                 "gru_lm": RecurrentLm(nn.GRU, 33278, 200, 200, 2), "vae": Vae(), "resnet18": tv.resnet18(), "resnet50": tv.resnet50(),
                 "mobilenet_v2": tv.mobilenet_v2(), "efficientnet_b0": tv.efficientnet_b0(), "densenet121": tv.densenet121(), "vit_b_16": tv.vit_b_16(),
                 "bert_base": hf.BertModel(hf.BertConfig()), "gpt2": hf.GPT2LMHeadModel(hf.GPT2Config()),
                 "tiny_llama": hf.LlamaForCausalLM(hf.LlamaConfig(vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22,
                                                                  num_attention_heads=32, num_key_value_heads=4))}
out["counts"] = {k: sum(p.numel() for p in net.parameters()) for k, net in published.items()}
print(out["counts"])

path = pathlib.Path(__file__).parent / "data" / "models.json"
path.write_text(json.dumps(out) + "\n")
