#!/usr/bin/env python3
"""Exports the model zoo at published size, with random weights, to ONNX; ONNX Runtime's outputs beside each.

    python models.py FOLDER [--nets NAME ...]

Writes FOLDER/<net>/model.onnx, FOLDER/<net>/test_data_set_i/*.pb and FOLDER/<net>/net.json. Asserts that every net has
the published number of parameters and the published input shapes, and that PyTorch and ONNX Runtime agree. About 2 GB.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
import torch

import cases
import export
import nets

OPSET = 17
BERT_IN = ["input_ids", "attention_mask", "token_type_ids"]
GPT_DEPTH, GPT_CACHE = 12, 256
GPT_PAST = [f"past_{kind}_{i}" for i in range(GPT_DEPTH) for kind in ("key", "value")]
GPT_PRESENT = [name.replace("past", "present") for name in GPT_PAST]


def floats(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


def sentence(rng):
    """128 tokens, the last eight of them padding."""
    mask = (np.arange(128) < 120).astype(np.int64)[None]
    return [rng.integers(1, 30522, (1, 128)) * mask, mask, np.zeros((1, 128), np.int64)]


def token(rng, first):
    """GPT-2: a first token on an empty cache, or one with 255 tokens before it."""
    shape = (1, 12, GPT_CACHE, 64)
    cache = [np.zeros(shape, np.float32) if first else floats(rng, *shape) for _ in GPT_PAST]
    return [rng.integers(0, 50257, (1, 1)), np.array([0 if first else GPT_CACHE - 1]), *cache]


class Net:
    """How a net is built and fed. `feeds`: one function per data set; the last set is the one that is timed.

    `units`: outputs that are compared in another unit than the net gives, {name: what to divide by}.
    """

    def __init__(self, build, parameters, inputs, outputs, shapes, *feeds, state=(), fold=True, units=None):
        self.build, self.parameters, self.inputs, self.outputs = build, parameters, inputs, outputs
        self.shapes, self.feeds, self.state, self.fold, self.units = shapes, feeds, list(state), fold, units or {}


def classifier(build, parameters, size=224, output="logits"):
    return Net(build, parameters, ["image"], [output], [(1, 3, size, size)],
               lambda rng: [floats(rng, 1, 3, size, size)])


# Parameters: torchvision 0.2x for the image classifiers and ViT; transformers for BERT, MiniLM (all-MiniLM-L6-v2) and
# GPT-2; the YOLOv8-n release for the detector; MLPerf Tiny's 24,908 less BatchNorm's 1,152 running statistics for
# DS-CNN. The other four follow from their layer sizes.
ZOO = {
    "resnet18": classifier(nets.resnet18, 11_689_512),
    "resnet50": classifier(nets.resnet50, 25_557_032),
    "mobilenet_v2": classifier(nets.MobileNetV2, 3_504_872),
    "mobilenet_v3_large": classifier(nets.MobileNetV3Large, 5_483_032),
    "efficientnet_b0": classifier(nets.EfficientNetB0, 5_288_548),
    "squeezenet1_1": classifier(nets.SqueezeNet11, 1_235_496),
    "densenet121": classifier(nets.DenseNet121, 7_978_856),
    "unet": classifier(nets.UNet, 31_037_698, 256, "mask"),
    "yolo_nms": Net(nets.Yolo, 3_157_200, ["image"], ["boxes", "scores", "classes"], [(1, 3, 640, 640)],
                    lambda rng: [floats(rng, 1, 3, 640, 640)], units={"boxes": 640}),
    "vit_b_16": classifier(nets.ViT, 86_567_656),
    "bert_base": Net(nets.Bert, 109_482_240, BERT_IN, ["last_hidden_state", "pooler_output"], [(1, 128)] * 3, sentence),
    "minilm_6": Net(nets.MiniLM, 22_713_216, BERT_IN, ["embedding"], [(1, 128)] * 3, sentence),
    "gpt2_small": Net(nets.GPT2, 124_439_808, ["input_ids", "position", *GPT_PAST], ["logits", *GPT_PRESENT],
                      [(1, 1), (1,)] + [(1, 12, GPT_CACHE, 64)] * len(GPT_PAST), lambda rng: token(rng, True),
                      lambda rng: token(rng, False), state=zip(GPT_PRESENT, GPT_PAST), fold=False),
    "lstm_2x512": Net(nets.LSTM, 3_432_480, ["x", "h0", "c0"], ["y", "hn", "cn"], [(64, 1, 128)] + [(2, 1, 512)] * 2,
                      lambda rng: [floats(rng, 64, 1, 128), floats(rng, 2, 1, 512), floats(rng, 2, 1, 512)]),
    "bigru_2x256": Net(nets.BiGRU, 1_792_032, ["x"], ["y"], [(1, 64, 128)], lambda rng: [floats(rng, 1, 64, 128)]),
    "dscnn_kws": Net(nets.DSCNN, 23_756, ["mfcc"], ["probabilities"], [(1, 1, 49, 10)],
                     lambda rng: [floats(rng, 1, 1, 49, 10)]),
    "mlp": Net(nets.MLP, 535_818, ["x"], ["logits"], [(1, 784)], lambda rng: [floats(rng, 1, 784)]),
}


def check_pytorch(name, net, feed, expected):
    """PyTorch and ONNX Runtime agree. Of the detector only what comes before NonMaxSuppression exists in PyTorch."""
    if isinstance(net, nets.Yolo):
        if len(expected[0]) == 0:
            sys.exit(f"{name}: no box survives")
        return 0.0
    with torch.no_grad():
        result = net(*(torch.from_numpy(x) for x in feed))
    result = result if isinstance(result, tuple) else (result,)
    error = max(cases.worst(a.numpy(), b) for a, b in zip(result, expected, strict=True))
    if error > 1:
        sys.exit(f"{name}: PyTorch and ONNX Runtime differ by {error:.2f} of the tolerance")
    return error


def make(name, spec, folder):
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    net = nets.randomise(spec.build(), 1)
    parameters = sum(p.numel() for p in net.parameters())
    assert parameters == spec.parameters, f"{name}: {parameters} parameters, expected {spec.parameters}"
    feeds = [feed(rng) for feed in spec.feeds]
    for feed in feeds:
        assert [x.shape for x in feed] == spec.shapes, f"{name}: wrong input shapes"
    if len(spec.inputs) == 1 and len(spec.shapes[0]) == 4:
        shape = spec.shapes[0]
        nets.settle(net, torch.from_numpy(floats(rng, 2 if shape[2] < 400 else 1, *shape[1:])))
    net.eval()
    if isinstance(net, nets.Yolo):
        nets.set_candidates(net, torch.from_numpy(feeds[0][0]), 200)

    model = export.export(net, feeds[0], spec.inputs, spec.outputs, OPSET, fold=spec.fold)
    model.graph.name = name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    del model
    session, error = cases.session(str(path)), 0.0
    for i, feed in enumerate(feeds):
        expected = session.run(spec.outputs, dict(zip(spec.inputs, feed)))
        error = max(error, check_pytorch(name, net, feed, expected))
        cases.write_set(folder / f"test_data_set_{i}", zip(spec.inputs, feed), zip(spec.outputs, expected))
    about = {"name": name, "parameters": parameters, "file_bytes": path.stat().st_size, "state": spec.state,
             "inputs": {n: list(s) for n, s in zip(spec.inputs, spec.shapes)}, "sets": len(feeds),
             "units": spec.units}
    (folder / "net.json").write_text(json.dumps(about, indent=1) + "\n")
    agreement = ("not compared with PyTorch, which has no NonMaxSuppression" if isinstance(net, nets.Yolo) else
                 f"PyTorch and ONNX Runtime differ by {error:.3f} of the tolerance")
    print(f"{name}: {parameters:,} parameters, {path.stat().st_size / 1e6:.1f} MB, {agreement}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--nets", nargs="*", default=list(ZOO), choices=list(ZOO), metavar="NAME")
    args = parser.parse_args()
    for name in args.nets:
        make(name, ZOO[name], args.folder / name)


if __name__ == "__main__":
    main()
