"""The architectures of the model zoo, in plain PyTorch, each with its sizes as parameters.

`models.py` builds them at published size for the comparison with ONNX Runtime; `tests/golden/make_goldens.py` builds
the same topologies narrow and small for the tests. Dropout is left out everywhere: inference never sees it.
Sizes follow the papers and the reference implementations named at each class.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F


def divisible(value, divisor=8):
    """The channel rounding of the MobileNet papers: to a multiple, never more than 10 % down."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def conv_bn(inputs, outputs, kernel, stride=1, groups=1, act=nn.ReLU, eps=1e-5):
    """Convolution without bias, BatchNorm, activation (None: none); padded to keep the size at stride 1."""
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(outputs, eps=eps)]
    return nn.Sequential(*layers, *([act()] if act else []))


# --------------------------------------------------------------------------------------------- image classification

class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.body = nn.Sequential(conv_bn(inputs, width, 3, stride), conv_bn(width, width, 3, act=None))
        self.short = (conv_bn(inputs, width, 1, stride, act=None)
                      if stride != 1 or inputs != width else nn.Identity())

    def forward(self, x):
        return F.relu(self.body(x) + self.short(x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = 4 * width
        self.body = nn.Sequential(conv_bn(inputs, width, 1), conv_bn(width, width, 3, stride),
                                  conv_bn(width, outputs, 1, act=None))
        self.short = (conv_bn(inputs, outputs, 1, stride, act=None)
                      if stride != 1 or inputs != outputs else nn.Identity())

    def forward(self, x):
        return F.relu(self.body(x) + self.short(x))


class ResNet(nn.Module):
    """He et al. 2015, with the stride on the 3x3 of the bottleneck (as torchvision has it)."""

    def __init__(self, block, depths, widths=(64, 128, 256, 512), classes=1000):
        super().__init__()
        channels = widths[0]
        self.stem = nn.Sequential(conv_bn(3, channels, 7, 2), nn.MaxPool2d(3, 2, 1))
        stages = []
        for stage, (depth, width) in enumerate(zip(depths, widths)):
            for i in range(depth):
                stages.append(block(channels, width, 2 if stage > 0 and i == 0 else 1))
                channels = width * block.expansion
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.stages(self.stem(x))), 1))


def resnet18(**sizes):
    return ResNet(BasicBlock, (2, 2, 2, 2), **sizes)


def resnet50(**sizes):
    return ResNet(Bottleneck, (3, 4, 6, 3), **sizes)


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        hidden = inputs * expand
        layers = [conv_bn(inputs, hidden, 1, act=nn.ReLU6)] if expand != 1 else []
        layers += [conv_bn(hidden, hidden, 3, stride, groups=hidden, act=nn.ReLU6),
                   conv_bn(hidden, outputs, 1, act=None)]
        self.body = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, table 2."""

    def __init__(self, width=1.0, divisor=8, last=1280, classes=1000):
        super().__init__()
        table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                 (6, 320, 1, 1))
        channels = divisible(32 * width, divisor)
        layers = [conv_bn(3, channels, 3, 2, act=nn.ReLU6)]
        for expand, outputs, count, stride in table:
            outputs = divisible(outputs * width, divisor)
            for i in range(count):
                layers.append(InvertedResidual(channels, outputs, stride if i == 0 else 1, expand))
                channels = outputs
        layers.append(conv_bn(channels, last, 1, act=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x):
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed, act, gate):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.act, self.gate = act(), gate()

    def forward(self, x):
        return x * self.gate(self.expand(self.act(self.reduce(F.adaptive_avg_pool2d(x, 1)))))


class MBConv(nn.Module):
    """Expand 1x1, depthwise, squeeze-and-excite (0: none), project 1x1; the block of MobileNetV3 and EfficientNet."""

    def __init__(self, inputs, hidden, outputs, kernel, stride, squeezed, act, se_act, se_gate, eps):
        super().__init__()
        layers = [conv_bn(inputs, hidden, 1, act=act, eps=eps)] if hidden != inputs else []
        layers.append(conv_bn(hidden, hidden, kernel, stride, hidden, act, eps))
        if squeezed:
            layers.append(SqueezeExcite(hidden, squeezed, se_act, se_gate))
        layers.append(conv_bn(hidden, outputs, 1, act=None, eps=eps))
        self.body = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


class MobileNetV3Large(nn.Module):
    """Howard et al. 2019, table 1."""

    def __init__(self, width=1.0, divisor=8, last=1280, classes=1000):
        super().__init__()
        relu, hswish = nn.ReLU, nn.Hardswish
        table = ((3, 16, 16, 0, relu, 1), (3, 64, 24, 0, relu, 2), (3, 72, 24, 0, relu, 1), (5, 72, 40, 1, relu, 2),
                 (5, 120, 40, 1, relu, 1), (5, 120, 40, 1, relu, 1), (3, 240, 80, 0, hswish, 2),
                 (3, 200, 80, 0, hswish, 1), (3, 184, 80, 0, hswish, 1), (3, 184, 80, 0, hswish, 1),
                 (3, 480, 112, 1, hswish, 1), (3, 672, 112, 1, hswish, 1), (5, 672, 160, 1, hswish, 2),
                 (5, 960, 160, 1, hswish, 1), (5, 960, 160, 1, hswish, 1))
        channels = divisible(16 * width, divisor)
        layers = [conv_bn(3, channels, 3, 2, act=hswish, eps=1e-3)]
        for kernel, hidden, outputs, se, act, stride in table:
            hidden, outputs = divisible(hidden * width, divisor), divisible(outputs * width, divisor)
            squeezed = divisible(hidden // 4, divisor) if se else 0
            layers.append(
                MBConv(channels, hidden, outputs, kernel, stride, squeezed, act, nn.ReLU, nn.Hardsigmoid, 1e-3))
            channels = outputs
        layers.append(conv_bn(channels, 6 * channels, 1, act=hswish, eps=1e-3))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(6 * channels, last), hswish(), nn.Linear(last, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))


class EfficientNetB0(nn.Module):
    """Tan and Le 2019, table 1."""

    def __init__(self, width=1.0, divisor=8, last=1280, classes=1000):
        super().__init__()
        table = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
                 (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))
        channels = divisible(32 * width, divisor)
        layers = [conv_bn(3, channels, 3, 2, act=nn.SiLU)]
        for expand, kernel, stride, outputs, count in table:
            outputs = divisible(outputs * width, divisor)
            for i in range(count):
                layers.append(MBConv(channels, channels * expand, outputs, kernel, stride if i == 0 else 1,
                                     max(1, channels // 4), nn.SiLU, nn.SiLU, nn.Sigmoid, 1e-5))
                channels = outputs
        layers.append(conv_bn(channels, last, 1, act=nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x):
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))


class Fire(nn.Module):
    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.one, self.three = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat((F.relu(self.one(x)), F.relu(self.three(x))), 1)


class SqueezeNet11(nn.Module):
    """Iandola et al. 2016, version 1.1. `scale` divides every channel count."""

    def __init__(self, scale=1, classes=1000):
        super().__init__()

        def fire(inputs, squeeze, expand):
            return Fire(inputs // scale, squeeze // scale, expand // scale)

        def pool():
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        self.features = nn.Sequential(
            nn.Conv2d(3, 64 // scale, 3, 2), nn.ReLU(), pool(), fire(64, 16, 64), fire(128, 16, 64), pool(),
            fire(128, 32, 128), fire(256, 32, 128), pool(), fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256),
            fire(512, 64, 256))
        self.classifier = nn.Conv2d(512 // scale, classes, 1)

    def forward(self, x):
        return torch.flatten(F.adaptive_avg_pool2d(F.relu(self.classifier(self.features(x))), 1), 1)


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, features):
        x = self.conv1(F.relu(self.norm1(torch.cat(features, 1))))
        return self.conv2(F.relu(self.norm2(x)))


class DenseBlock(nn.Module):
    def __init__(self, inputs, growth, count):
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(inputs + i * growth, growth) for i in range(count))

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features, 1)


class DenseNet121(nn.Module):
    """Huang et al. 2016."""

    def __init__(self, growth=32, first=64, classes=1000):
        super().__init__()
        channels, layers = first, [conv_bn(3, first, 7, 2), nn.MaxPool2d(3, 2, 1)]
        for i, count in enumerate((6, 12, 24, 16)):
            if i:
                layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels // 2, 1, bias=False),
                           nn.AvgPool2d(2)]
                channels //= 2
            layers.append(DenseBlock(channels, growth, count))
            channels += count * growth
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))


# ------------------------------------------------------------------------------------- segmentation and detection

class UNet(nn.Module):
    """Ronneberger et al. 2015, padded and with BatchNorm; upsampling is learned, or bilinear and a 1x1."""

    def __init__(self, base=64, inputs=3, classes=2, bilinear=False):
        super().__init__()

        def double(a, b):
            return nn.Sequential(conv_bn(a, b, 3), conv_bn(b, b, 3))

        def up(a):
            if bilinear:
                return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                                     nn.Conv2d(a, a // 2, 1))
            return nn.ConvTranspose2d(a, a // 2, 2, 2)

        widths = [base << i for i in range(5)]
        self.down = nn.ModuleList(double(a, b) for a, b in zip([inputs] + widths, widths))
        self.up = nn.ModuleList(up(a) for a in reversed(widths[1:]))
        self.merge = nn.ModuleList(double(a, a // 2) for a in reversed(widths[1:]))
        self.out = nn.Conv2d(base, classes, 1)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1])):
            x = merge(torch.cat((skip, up(x)), 1))
        return self.out(x)


class C2f(nn.Module):
    def __init__(self, inputs, outputs, count, residual):
        super().__init__()
        half = outputs // 2
        self.first = conv_bn(inputs, 2 * half, 1, act=nn.SiLU, eps=1e-3)
        self.blocks = nn.ModuleList(
            nn.Sequential(conv_bn(half, half, 3, act=nn.SiLU, eps=1e-3), conv_bn(half, half, 3, act=nn.SiLU, eps=1e-3))
            for _ in range(count))
        self.last = conv_bn((2 + count) * half, outputs, 1, act=nn.SiLU, eps=1e-3)
        self.residual = residual

    def forward(self, x):
        parts = list(self.first(x).chunk(2, 1))
        for block in self.blocks:
            y = block(parts[-1])
            parts.append(parts[-1] + y if self.residual else y)
        return self.last(torch.cat(parts, 1))


class SPPF(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = conv_bn(channels, channels // 2, 1, act=nn.SiLU, eps=1e-3)
        self.last = conv_bn(2 * channels, channels, 1, act=nn.SiLU, eps=1e-3)

    def forward(self, x):
        parts = [self.first(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.last(torch.cat(parts, 1))


class NonMaxSuppression(torch.autograd.Function):
    """Stands for ONNX's operator of that name; what PyTorch itself computes here is only a placeholder."""

    @staticmethod
    def forward(ctx, boxes, scores, most, iou, score):
        return torch.zeros((1, 3), dtype=torch.int64)

    @staticmethod
    def symbolic(g, boxes, scores, most, iou, score):
        return g.op("NonMaxSuppression", boxes, scores, g.op("Constant", value_t=torch.tensor([most])),
                    g.op("Constant", value_t=torch.tensor([iou])), g.op("Constant", value_t=torch.tensor([score])))


class Yolo(nn.Module):
    """Anchor-free detector in the shape of YOLOv8-n: C2f backbone, SPPF, PAN neck, decoupled head with DFL, then NMS.

    Returns boxes (K x 4: x1 y1 x2 y2 in pixels), scores (K) and classes (K) of what NMS kept, per class, best first.
    """
    strides = (8, 16, 32)

    def __init__(self, width=16, classes=80, bins=16, size=640, head=64, class_head=80, most=100, iou=0.45, score=0.25):
        super().__init__()
        self.size, self.bins, self.classes, self.nms = size, bins, classes, (most, iou, score)
        w = [width << i for i in range(5)]

        def conv(a, b, kernel=3, stride=1):
            return conv_bn(a, b, kernel, stride, act=nn.SiLU, eps=1e-3)

        self.p3 = nn.Sequential(conv(3, w[0], 3, 2), conv(w[0], w[1], 3, 2), C2f(w[1], w[1], 1, True),
                                conv(w[1], w[2], 3, 2), C2f(w[2], w[2], 2, True))
        self.p4 = nn.Sequential(conv(w[2], w[3], 3, 2), C2f(w[3], w[3], 2, True))
        self.p5 = nn.Sequential(conv(w[3], w[4], 3, 2), C2f(w[4], w[4], 1, True), SPPF(w[4]))
        self.up4, self.up3 = C2f(w[4] + w[3], w[3], 1, False), C2f(w[3] + w[2], w[2], 1, False)
        self.down3, self.down4 = conv(w[2], w[2], 3, 2), conv(w[3], w[3], 3, 2)
        self.out4, self.out5 = C2f(w[2] + w[3], w[3], 1, False), C2f(w[3] + w[4], w[4], 1, False)

        def branch(a, hidden, outputs):
            return nn.Sequential(conv(a, hidden), conv(hidden, hidden), nn.Conv2d(hidden, outputs, 1))

        self.box = nn.ModuleList(branch(a, head, 4 * bins) for a in w[2:5])
        self.cls = nn.ModuleList(branch(a, class_head, classes) for a in w[2:5])
        self.dfl = nn.Conv2d(bins, 1, 1, bias=False)
        self.dfl.weight.data = torch.arange(bins, dtype=torch.float32).view(1, bins, 1, 1)
        centres, scale = [], []
        for stride in self.strides:
            steps = (torch.arange(size // stride) + 0.5) * stride
            y, x = torch.meshgrid(steps, steps, indexing="ij")
            centres.append(torch.stack((x.flatten(), y.flatten())))
            scale.append(torch.full((x.numel(),), float(stride)))
        self.register_buffer("centres", torch.cat(centres, 1)[None])
        self.register_buffer("scale", torch.cat(scale)[None, None])

    def raw(self, x):
        """Box-bin logits (N x 4*bins x A) and class logits (N x classes x A), before decoding."""
        p3 = self.p3(x)
        p4 = self.p4(p3)
        p5 = self.p5(p4)
        n4 = self.up4(torch.cat((F.interpolate(p5, scale_factor=2.0), p4), 1))
        n3 = self.up3(torch.cat((F.interpolate(n4, scale_factor=2.0), p3), 1))
        n4 = self.out4(torch.cat((self.down3(n3), n4), 1))
        n5 = self.out5(torch.cat((self.down4(n4), p5), 1))
        levels = (n3, n4, n5)
        boxes = torch.cat([f(n).flatten(2) for f, n in zip(self.box, levels)], 2)
        return boxes, torch.cat([f(n).flatten(2) for f, n in zip(self.cls, levels)], 2)

    def forward(self, x):
        bins, logits = self.raw(x)
        anchors = bins.shape[2]
        bins = bins.view(1, 4, self.bins, anchors).transpose(1, 2).softmax(1)
        distance = self.dfl(bins).view(1, 4, anchors) * self.scale
        low, high = distance.chunk(2, 1)
        boxes = torch.cat((self.centres - low, self.centres + high), 1).transpose(1, 2)
        scores = logits.sigmoid()
        kept = NonMaxSuppression.apply(boxes, scores, *self.nms)
        classes, anchor = kept[:, 1], kept[:, 2]
        return boxes[0][anchor], scores[0].flatten()[classes * anchors + anchor], classes


# ------------------------------------------------------------------------------------------------------ transformers

def split_heads(x, heads):
    batch, length, width = x.shape
    return x.view(batch, length, heads, width // heads).transpose(1, 2)


def join_heads(x):
    batch, heads, length, width = x.shape
    return x.transpose(1, 2).reshape(batch, length, heads * width)


class ViTBlock(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x):
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.out(join_heads(F.scaled_dot_product_attention(q, k, v)))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Dosovitskiy et al. 2020; defaults: ViT-B/16 at 224x224."""

    def __init__(self, width=768, depth=12, heads=12, hidden=3072, patch=16, size=224, classes=1000):
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*(ViTBlock(width, heads, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class BertLayer(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-12), nn.LayerNorm(width, eps=1e-12)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x, mask):
        q, k, v = (split_heads(f(x), self.heads) for f in (self.q, self.k, self.v))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
        x = self.norm1(x + self.out(join_heads(scores.softmax(-1) @ v)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Bert(nn.Module):
    """Devlin et al. 2018; defaults: BERT-base. Returns the last hidden state and the pooled first token."""

    def __init__(self, width=768, depth=12, heads=12, hidden=3072, vocabulary=30522, positions=512):
        super().__init__()
        self.words, self.positions, self.types = (nn.Embedding(n, width) for n in (vocabulary, positions, 2))
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer(width, heads, hidden) for _ in range(depth))
        self.pooler = nn.Linear(width, width)
        self.register_buffer("position_ids", torch.arange(positions)[None], persistent=False)

    def encode(self, input_ids, attention_mask, token_type_ids):
        positions = self.position_ids[:, :input_ids.shape[1]]
        x = self.norm(self.words(input_ids) + self.types(token_type_ids) + self.positions(positions))
        mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, mask)
        return x

    def forward(self, input_ids, attention_mask, token_type_ids):
        x = self.encode(input_ids, attention_mask, token_type_ids)
        return x, torch.tanh(self.pooler(x[:, 0]))


class MiniLM(Bert):
    """Wang et al. 2020 as sentence encoder: mean over the unmasked tokens, scaled to length one."""

    def __init__(self, width=384, depth=6, heads=12, hidden=1536, **sizes):
        super().__init__(width, depth, heads, hidden, **sizes)

    def forward(self, input_ids, attention_mask, token_type_ids):
        x = self.encode(input_ids, attention_mask, token_type_ids)
        weight = attention_mask[:, :, None].to(x.dtype)
        return F.normalize((x * weight).sum(1) / weight.sum(1).clamp(min=1e-9), dim=1)


class Conv1D(nn.Module):
    """GPT-2's linear layer: the weight is stored inputs x outputs."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.randn(outputs) * 0.02)

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)


class GPT2Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = Conv1D(width, 3 * width), Conv1D(width, width)
        self.up, self.down = Conv1D(width, 4 * width), Conv1D(4 * width, width)

    def forward(self, x, position, mask, key, value):
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        key, value = key.index_copy(2, position, k), value.index_copy(2, position, v)
        scores = q @ key.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
        x = x + self.out(join_heads(scores.softmax(-1) @ value))
        h = self.up(self.norm2(x))
        h = 0.5 * h * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (h + 0.044715 * torch.pow(h, 3.0))))
        return x + self.down(h), key, value


class GPT2(nn.Module):
    """Radford et al. 2019, one token per call: writes its key and value at `position` of a cache of fixed length.

    forward(input_ids 1x1, position 1, past_key_0, past_value_0, ...: 1 x heads x cache x width/heads)
    -> logits 1x1xvocabulary, present_key_0, present_value_0, ... The output layer is the word embedding (tied).
    """

    def __init__(self, width=768, depth=12, heads=12, vocabulary=50257, positions=1024, cache=256):
        super().__init__()
        self.words, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        nn.init.normal_(self.words.weight, std=0.1)
        nn.init.normal_(self.positions.weight, std=0.1)
        self.layers = nn.ModuleList(GPT2Layer(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("slots", torch.arange(cache), persistent=False)

    def forward(self, input_ids, position, *past):
        x = self.words(input_ids) + self.positions(position)
        mask = torch.where(self.slots <= position, 0.0, torch.finfo(x.dtype).min)
        present = []
        for i, layer in enumerate(self.layers):
            x, key, value = layer(x, position, mask, past[2 * i], past[2 * i + 1])
            present += [key, value]
        return F.linear(self.norm(x), self.words.weight), *present


# -------------------------------------------------------------------------------------------------- sequences, small

class LSTM(nn.Module):
    """Stacked LSTM, sequence first, with its state in and out, and a linear layer on every step."""

    def __init__(self, inputs=128, hidden=512, layers=2, outputs=32):
        super().__init__()
        self.rnn = nn.LSTM(inputs, hidden, layers)
        self.fc = nn.Linear(hidden, outputs)

    def forward(self, x, h0, c0):
        y, (hn, cn) = self.rnn(x, (h0, c0))
        return self.fc(y), hn, cn


class BiGRU(nn.Module):
    """Stacked bidirectional GRU over a whole sequence (batch first) and a linear layer on every step."""

    def __init__(self, inputs=128, hidden=256, layers=2, outputs=32):
        super().__init__()
        self.rnn = nn.GRU(inputs, hidden, layers, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(2 * hidden, outputs)

    def forward(self, x):
        return self.fc(self.rnn(x)[0])


class DSCNN(nn.Module):
    """Depthwise-separable keyword spotting (Zhang et al. 2017, small), as MLPerf Tiny has it: 49x10 MFCC, 12 words.

    The first convolution has TensorFlow's uneven "same" padding.
    """

    def __init__(self, channels=64, blocks=4, classes=12):
        super().__init__()

        def act(a):
            return nn.Sequential(nn.BatchNorm2d(a), nn.ReLU())

        self.first = nn.Sequential(nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, channels, (10, 4), 2), act(channels))
        self.blocks = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, groups=channels), act(channels),
                          nn.Conv2d(channels, channels, 1), act(channels)) for _ in range(blocks)))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        return torch.softmax(self.fc(F.avg_pool2d(self.blocks(self.first(x)), (25, 5)).flatten(1)), 1)


class MLP(nn.Module):
    def __init__(self, widths=(784, 512, 256, 10)):
        super().__init__()
        layers = []
        for a, b in zip(widths, widths[1:]):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.layers(x)


# ------------------------------------------------------------------------------------------------- weights with life

def randomise(net, seed):
    """Gives every normalisation layer a scale and shift of its own; the rest keeps PyTorch's seeded initial weights."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            module.weight.data.uniform_(0.7, 1.3, generator=generator)
            module.bias.data.uniform_(-0.2, 0.2, generator=generator)
        elif isinstance(module, nn.Conv2d) and not isinstance(net, Yolo):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    return net


@torch.no_grad()
def settle(net, inputs):
    """Sets BatchNorm's running statistics to those of `inputs`, so that activations keep their size through the net."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.momentum = None
        net.train()
        net.raw(inputs) if isinstance(net, Yolo) else net(inputs)
    return net.eval()


@torch.no_grad()
def set_candidates(yolo, image, count):
    """Makes a detector with random weights see something: logits of moderate size, and `count` scores that pass."""
    for branches, logits in zip((yolo.box, yolo.cls), yolo.raw(image)):
        for branch in branches:
            branch[-1].weight /= logits.std()
            branch[-1].bias /= logits.std()
    threshold = yolo.nms[2]
    logits = yolo.raw(image)[1].flatten()
    cut = torch.topk(logits, count + 1).values[-2:].mean()
    for branch in yolo.cls:
        branch[-1].bias += math.log(threshold / (1 - threshold)) - cut
