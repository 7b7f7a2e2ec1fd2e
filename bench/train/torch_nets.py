"""The nets of the benchmarks in PyTorch: each task gives net, optimizer, input and target."""
import torch
from torch import nn
import torch.nn.functional as F


def mlp():
    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))
    return net, torch.optim.Adam(net.parameters(), lr=1e-3), torch.randn(128, 784), torch.randint(0, 10, (128,))


def lenet5(width=1):
    return nn.Sequential(nn.Conv2d(1, 6 * width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6 * width, 16 * width, 5), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(400 * width, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def lenet():
    net = lenet5()
    return net, torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9), torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))


def plain_conv(i, o, kernel, stride):
    return nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=False)


class ResidualBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.main = nn.Sequential(plain_conv(i, o, 3, stride), nn.BatchNorm2d(o), nn.ReLU(), plain_conv(o, o, 3, 1), nn.BatchNorm2d(o))
        self.shortcut = nn.Sequential(plain_conv(i, o, 1, stride), nn.BatchNorm2d(o)) if i != o else nn.Identity()

    def forward(self, x):
        return F.relu(self.main(x) + self.shortcut(x))


def resnet18():
    blocks, i = [], 64
    for o in (64, 128, 256, 512):
        for first in (True, False):
            blocks.append(ResidualBlock(i, o, 2 if first and o != 64 else 1))
            i = o
    net = nn.Sequential(plain_conv(3, 64, 3, 1), nn.BatchNorm2d(64), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    return net, torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9), torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,))


class CharLstm(nn.Module):
    def __init__(self, words, dim):
        super().__init__()
        self.tok, self.rnn, self.head = nn.Embedding(words, dim), nn.LSTM(dim, dim, 2, batch_first=True), nn.Linear(dim, words)

    def forward(self, t):
        return self.head(self.rnn(self.tok(t))[0]).flatten(0, 1)


def char_lstm():
    net = CharLstm(65, 256)
    return net, torch.optim.AdamW(net.parameters(), lr=1e-3), torch.randint(0, 65, (32, 64)), torch.randint(0, 65, (32 * 64,))


class Attention(nn.Module):
    def __init__(self, dim, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    def __init__(self, dim, heads, causal):
        super().__init__()
        self.ln1, self.ln2, self.attn = nn.LayerNorm(dim), nn.LayerNorm(dim), Attention(dim, heads, causal)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Transformer(nn.Module):
    def __init__(self, words, length, dim, heads, depth, causal, out):
        super().__init__()
        self.causal = causal
        self.tok, self.pos = nn.Embedding(words, dim), nn.Embedding(length, dim)
        self.blocks = nn.Sequential(*[Block(dim, heads, causal) for _ in range(depth)])
        self.ln, self.head = nn.LayerNorm(dim), nn.Linear(dim, out, bias=False)

    def forward(self, t):
        h = self.ln(self.blocks(self.tok(t) + self.pos.weight))
        return self.head(h if self.causal else h.mean(1)).flatten(0, -2)


def gpt(words, batch, length, dim, heads, depth):
    net = Transformer(words, length, dim, heads, depth, True, words)
    return (net, torch.optim.AdamW(net.parameters(), lr=1e-3), torch.randint(0, words, (batch, length)), torch.randint(0, words, (batch * length,)))


def encoder():
    net = Transformer(8000, 128, 128, 4, 4, False, 2)
    return net, torch.optim.AdamW(net.parameters(), lr=1e-3), torch.randint(0, 8000, (16, 128)), torch.randint(0, 2, (16,))
