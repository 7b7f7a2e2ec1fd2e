#!/usr/bin/env python3
"""Trains the digit classifier that ships with GhostFlow and exports it to ONNX.

Reads the idx.gz files of MNIST, trains a small CNN (about two minutes on two cores), prints its accuracy on the test
images, checks the exported file with ONNX Runtime, and writes `digits.onnx` and a few test digits as PNG.
BatchNormalization stays in the exported graph on purpose: folding it is a job of gf-convert.

    python train_digits.py [FOLDER_WITH_MNIST] [--out FOLDER] [--epochs N]
"""
import argparse
import gzip
import io
import pathlib
import struct
import sys

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
DEFAULT_DATA = HERE.parents[1] / ".." / "shared" / "data" / "mnist"
LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SEED = 7
SIZE_LIMIT_BYTES = 100_000
LEAST_ACCURACY = 0.985


class Digits(nn.Module):
    """1x28x28 pixels in 0..1 -> 10 logits; 15 thousand parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(24)
        self.fc = nn.Linear(24 * 7 * 7, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.fc(torch.flatten(x, 1))


class WithSoftmax(nn.Module):
    """What is exported: probabilities instead of logits."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        return torch.softmax(self.net(image), dim=1)


def read_idx(path):
    """Reads one idx.gz file of unsigned bytes."""
    try:
        with gzip.open(path) as f:
            data = f.read()
    except FileNotFoundError:
        sys.exit(f"{path} is missing: give the folder that holds the MNIST idx.gz files as the first argument")
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4:4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def as_batch(images):
    return torch.from_numpy(images.astype(np.float32) / 255).unsqueeze(1)


def shifted(x, generator):
    """Moves a batch by up to two pixels each way: the only augmentation."""
    dy, dx = torch.randint(0, 5, (2,), generator=generator).tolist()
    return F.pad(x, (2, 2, 2, 2))[:, :, dy:dy + 28, dx:dx + 28]


def train(images, labels, epochs):
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    net = Digits()
    batch_size = 128
    steps = epochs * (len(images) // batch_size)
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for i in range(len(images) // batch_size):
            index = order[i * batch_size:(i + 1) * batch_size]
            loss = F.cross_entropy(net(shifted(images[index], generator)), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / (i + 1):.4f}", flush=True)
    return net.eval()


def export(net, path):
    """Opset 17, dynamic batch `N`, probabilities out, names of the classes and pixel scaling in the metadata."""
    buffer = io.BytesIO()
    torch.onnx.export(
        WithSoftmax(net).eval(), (torch.zeros(1, 1, 28, 28),), buffer, dynamo=False, opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        input_names=["image"], output_names=["probabilities"],
        dynamic_axes={"image": {0: "N"}, "probabilities": {0: "N"}})
    model = onnx.load_from_string(buffer.getvalue())
    model.graph.name = "digits"
    onnx.helper.set_model_props(model, {
        "labels": "\n".join(LABELS),
        "image": f"nchw,scale={1 / 255!r},mean=0,std=1",
        "description": "Handwritten digits, trained on MNIST by examples/digits/train_digits.py",
        "licence": "Apache-2.0",
    })
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def write_pngs(images, labels, folder):
    """The first test image of each of five digits, named after its label."""
    for digit in (0, 2, 4, 7, 9):
        first = int(np.argmax(labels == digit))
        Image.fromarray(images[first]).save(folder / f"digit_{digit}.png", optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=pathlib.Path, default=DEFAULT_DATA, help="folder with the idx.gz files")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="where the model and the PNGs go")
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()

    train_images = read_idx(args.data / "train-images-idx3-ubyte.gz")
    train_labels = read_idx(args.data / "train-labels-idx1-ubyte.gz")
    test_images = read_idx(args.data / "t3k-images-idx3-ubyte.gz")
    test_labels = read_idx(args.data / "t3k-labels-idx1-ubyte.gz")

    net = train(as_batch(train_images), torch.from_numpy(train_labels.astype(np.int64)), args.epochs)
    model_path = args.out / "digits.onnx"
    export(net, model_path)
    write_pngs(test_images, test_labels, args.out)

    session = onnxruntime.InferenceSession(str(model_path), providers=["CPUExecutionProvider"])
    probabilities = session.run(None, {"image": as_batch(test_images).numpy()})[0]
    right = int((probabilities.argmax(1) == test_labels).sum())
    parameters = sum(p.numel() for p in net.parameters())
    print(f"{parameters} parameters, {model_path.stat().st_size} bytes; "
          f"{right} of {len(test_labels)} test images right ({100 * right / len(test_labels):.2f} %)")
    if right < LEAST_ACCURACY * len(test_labels) or model_path.stat().st_size >= SIZE_LIMIT_BYTES:
        sys.exit(f"not good enough: needs {100 * LEAST_ACCURACY} % and less than {SIZE_LIMIT_BYTES} bytes")


if __name__ == "__main__":
    main()
