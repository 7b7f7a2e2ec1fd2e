"""Makes prefill.onnx and decode.onnx: one small GPT with random weights from a fixed seed, exported twice.

prefill takes a whole prompt, decode one token; both write keys and values into a cache of fixed length that they take and
give back, so that `gf-convert --state` can keep it. expected.txt holds what PyTorch makes of a prompt, greedily.
Needs torch and onnx: python3 make_gpt.py FOLDER
"""
import math
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, DEPTH, HEADS, VOCABULARY, CACHE = 32, 2, 4, 64, 32
PROMPT = [17, 3, 42, 8, 23]
STEPS = 20


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, slot, mask, key, value):
        heads = [part.reshape(1, -1, HEADS, WIDTH // HEADS).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1)]
        keep = 1 - slot.sum(0).unsqueeze(1)  # slots that no token of this call writes
        key, value = key * keep + slot.T @ heads[1], value * keep + slot.T @ heads[2]
        scores = heads[0] @ key.transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + mask
        x = x + self.out((scores.softmax(-1) @ value).transpose(1, 2).reshape(1, -1, WIDTH))
        return x + self.down(F.gelu(self.up(self.norm2(x)))), key, value


class Gpt(nn.Module):
    """forward(tokens 1 x length, position length, key_0, value_0, ...) -> logits of the last token, new caches."""

    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CACHE, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.register_buffer("slots", torch.arange(CACHE), persistent=False)

    def forward(self, tokens, position, *past):
        x = self.words(tokens) + self.positions(position)
        slot = (self.slots == position.unsqueeze(1)).to(x.dtype)  # length x cache: where each token goes
        mask = torch.where(self.slots <= position.unsqueeze(1), 0.0, -1e30)  # a token sees itself and what came before
        present = []
        for i, layer in enumerate(self.layers):
            x, key, value = layer(x, slot, mask, past[2 * i], past[2 * i + 1])
            present += [key, value]
        return F.linear(self.norm(x[:, -1]), self.words.weight), *present


def empty_cache():
    return [torch.zeros(1, HEADS, CACHE, WIDTH // HEADS) for _ in range(2 * DEPTH)]


def greedy(net):
    tokens = list(PROMPT)
    for _ in range(STEPS):
        logits, *_ = net(torch.tensor([tokens]), torch.arange(len(tokens)), *empty_cache())
        tokens.append(int(logits.argmax()))
    return tokens


def export(net, path, length, dynamic):
    names = [f"{kind}_{i}" for i in range(DEPTH) for kind in ("key", "value")]
    axes = {"tokens": {1: "length"}, "position": {0: "length"}} if dynamic else None
    torch.onnx.export(net, (torch.zeros(1, length, dtype=torch.long), torch.arange(length), *empty_cache()), path,
                      input_names=["tokens", "position", *names], output_names=["logits", *(f"new_{n}" for n in names)],
                      dynamic_axes=axes, opset_version=17, dynamo=False)


def main():
    folder = Path(sys.argv[1])
    torch.manual_seed(11)
    net = Gpt().eval()
    for weight in net.parameters():
        if weight.dim() == 2:
            nn.init.normal_(weight, std=0.25)
    with torch.no_grad():
        export(net, folder / "prefill.onnx", 5, True)
        export(net, folder / "decode.onnx", 1, False)
        tokens = greedy(net)
    (folder / "expected.txt").write_text(" ".join(map(str, tokens)) + "\n")
    print(tokens)


if __name__ == "__main__":
    main()
