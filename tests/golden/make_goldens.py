#!/usr/bin/env python3
"""Makes the golden nets of this folder: known topologies, narrow, seeded random weights, outputs from ONNX Runtime.

    python make_goldens.py [--only NAME ...] [--out FOLDER]

For each net: <name>/model.onnx and <name>/test_data_set_i/{input,output}_j.pb. What is written was checked three ways:
ONNX Runtime with and without its graph optimiser and PyTorch agree within the tolerance of the tests, and the answer
still holds when the inputs are disturbed by one part in a million (so that no answer hangs on a tie or a threshold).
"""
import argparse
import pathlib
import shutil
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "bench" / "infer"))
import cases  # noqa: E402
import export  # noqa: E402
import nets  # noqa: E402

NET_LIMIT_BYTES, TOTAL_LIMIT_BYTES = 200_000, 2_500_000
SPREAD_LEAST = 0.01  # standard deviation of a float output; less would drown errors in the absolute tolerance


def images(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


def tokens(rng, batch, length, vocabulary, lengths):
    """input_ids, attention_mask, token_type_ids with sentences of the given lengths."""
    mask = (np.arange(length)[None] < np.array(lengths)[:, None]).astype(np.int64)
    ids = rng.integers(1, vocabulary, (batch, length)) * mask
    types = (np.arange(length)[None] >= np.array(lengths)[:, None] // 2).astype(np.int64) * mask
    return [ids, mask, types]


class Golden:
    """One net: how it is built, exported and fed. With `steps` > 1, outputs named in `carry` feed the next set."""

    def __init__(self, build, inputs, outputs, feed, opset, settle=None, carry=None, steps=1, half=False, short=True,
                 **options):
        self.build, self.inputs, self.outputs, self.feed, self.opset = build, inputs, outputs, feed, opset
        self.settle, self.carry, self.steps = settle, carry or {}, steps
        self.half, self.short, self.options = half, short, options


BATCH = {"image": {0: "N"}, "logits": {0: "N"}}
BERT_IN = ["input_ids", "attention_mask", "token_type_ids"]
TEXT = {name: {0: "batch", 1: "sequence"} for name in BERT_IN}
BERT_SIZES = dict(width=24, depth=3, heads=3, hidden=64, vocabulary=64, positions=32)
GPT = dict(width=24, depth=2, heads=3, vocabulary=61, positions=32, cache=12)
GPT_PAST = [f"past_{kind}_{i}" for i in range(GPT["depth"]) for kind in ("key", "value")]
GPT_PRESENT = [name.replace("past", "present") for name in GPT_PAST]
LSTM_IN, LSTM_OUT = ["x", "h0", "c0"], ["y", "hn", "cn"]


def net_of_images(build, size, opset, batch=1, **options):
    """An image classifier: N x 3 x size x size -> N x 10; BatchNorm is settled on eight other images."""
    return Golden(build, ["image"], ["logits"], lambda rng, step: [images(rng, batch, 3, size, size)], opset,
                  settle=(8, 3, size, size), **options)


def build_yolo():
    return nets.Yolo(width=2, classes=6, bins=8, size=64, head=8, class_head=8, most=10)


def feed_gpt2(rng, step):
    cache = [np.zeros((1, GPT["heads"], GPT["cache"], GPT["width"] // GPT["heads"]), np.float32) for _ in GPT_PAST]
    return [rng.integers(0, GPT["vocabulary"], (1, 1)), np.array([step], np.int64), *cache]


def feed_lstm(rng, step):
    return [images(rng, 5, 1, 12), np.zeros((2, 1, 24), np.float32), np.zeros((2, 1, 24), np.float32)]


def resnet18():
    return nets.resnet18(widths=(4, 6, 10, 16), classes=10)


def lstm():
    return nets.LSTM(inputs=12, hidden=24, layers=2, outputs=6)


GOLDENS = {
    "resnet18": net_of_images(resnet18, 48, 17, keep_batch_norm=True, short=False),
    "resnet18_dynamo": net_of_images(resnet18, 48, 18, dynamo=True),
    "resnet50": net_of_images(lambda: nets.resnet50(widths=(2, 4, 8, 16), classes=10), 40, 13, batch=2, half=True,
                              keep_batch_norm=True, dynamic=BATCH),
    "mobilenet_v2": net_of_images(lambda: nets.MobileNetV2(0.08, 2, 64, 10), 33, 12, batch=2, dynamic=BATCH,
                                  keep_batch_norm=True),
    "mobilenet_v3_large": net_of_images(lambda: nets.MobileNetV3Large(0.07, 2, 48, 10), 48, 17),
    "efficientnet_b0": net_of_images(lambda: nets.EfficientNetB0(0.06, 2, 48, 10), 40, 14, keep_batch_norm=True),
    "squeezenet": net_of_images(lambda: nets.SqueezeNet11(8, 10), 64, 11),
    "densenet121": net_of_images(lambda: nets.DenseNet121(2, 8, 10), 40, 15, keep_batch_norm=True,
                                 half=True),
    "unet": Golden(lambda: nets.UNet(3), ["image"], ["mask"], lambda rng, step: [images(rng, 1, 3, 32, 48)], 17,
                   settle=(4, 3, 32, 48), keep_batch_norm=True, half=True,
                   dynamic={"image": {0: "N", 2: "H", 3: "W"}, "mask": {0: "N", 2: "H", 3: "W"}}),
    "unet_bilinear": Golden(lambda: nets.UNet(2, bilinear=True), ["image"], ["mask"],
                            lambda rng, step: [images(rng, 1, 3, 48, 32)], 18, settle=(4, 3, 48, 32)),
    "yolo_nms": Golden(build_yolo, ["image"], ["boxes", "scores", "classes"],
                       lambda rng, step: [images(rng, 1, 3, 64, 64)], 16, settle=(4, 3, 64, 64), half=True),
    "vit": Golden(lambda: nets.ViT(28, 3, 4, 56, 8, 32, 10), ["image"], ["logits"],
                  lambda rng, step: [images(rng, 2, 3, 32, 32)], 20, dynamic=BATCH),
    "bert": Golden(lambda: nets.Bert(**BERT_SIZES), BERT_IN, ["last_hidden_state", "pooler_output"],
                   lambda rng, step: tokens(rng, 2, 14, 64, (14, 9)), 13,
                   dynamic={**TEXT, "last_hidden_state": {0: "batch", 1: "sequence"}, "pooler_output": {0: "batch"}},
                   short=False),
    "bert_dynamo": Golden(lambda: nets.Bert(**BERT_SIZES), BERT_IN, ["last_hidden_state", "pooler_output"],
                          lambda rng, step: tokens(rng, 2, 14, 64, (14, 9)), 20, dynamo=True, dynamic=TEXT,
                          short=False),
    "minilm": Golden(lambda: nets.MiniLM(24, 6, 3, 48, vocabulary=64, positions=32), BERT_IN, ["embedding"],
                     lambda rng, step: tokens(rng, 1, 16, 64, (11,)), 17),
    "gpt2_cached": Golden(lambda: nets.GPT2(**GPT), ["input_ids", "position", *GPT_PAST], ["logits", *GPT_PRESENT],
                          feed_gpt2, 17, carry=dict(zip(GPT_PRESENT, GPT_PAST)), steps=4, fold=False),
    "lstm": Golden(lstm, LSTM_IN, LSTM_OUT, feed_lstm, 14, carry={"hn": "h0", "cn": "c0"}, steps=3),
    "lstm_dynamo": Golden(lstm, LSTM_IN, LSTM_OUT, feed_lstm, 20, dynamo=True, short=False),
    "bigru": Golden(lambda: nets.BiGRU(12, 20, 2, 6), ["x"], ["y"], lambda rng, step: [images(rng, 2, 9, 12)], 17,
                    dynamic={"x": {0: "batch", 1: "time"}, "y": {0: "batch", 1: "time"}}),
    "dscnn_kws": Golden(lambda: nets.DSCNN(24), ["mfcc"], ["probabilities"],
                        lambda rng, step: [images(rng, 1, 1, 49, 10)], 17, settle=(8, 1, 49, 10), keep_batch_norm=True),
    "mlp": Golden(lambda: nets.MLP((64, 48, 32, 10)), ["x"], ["logits"], lambda rng, step: [images(rng, 4, 64)], 9,
                  dynamic={"x": {0: "N"}, "logits": {0: "N"}}),
}


HALF_LEAST = 64  # elements from which a weight is worth storing as float16


def round_half(net):
    """Rounds what `store_half` will store as float16, so that PyTorch computes with the same weights."""
    for value in net.state_dict().values():
        if value.is_floating_point() and value.numel() >= HALF_LEAST:
            value.copy_(value.half().float())


def store_half(model):
    """Stores large float initialisers as float16 followed by a Cast, as size-reduced models do."""
    for initializer in list(model.graph.initializer):
        value = numpy_helper.to_array(initializer)
        if value.dtype != np.float32 or value.size < HALF_LEAST:
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(value.astype(np.float16), name + "_f16"))
        model.graph.node.insert(0, helper.make_node("Cast", [name + "_f16"], [name], to=TensorProto.FLOAT))


def shorten(model):
    """Gives inner values, weights and nodes short names: PyTorch's long ones can outweigh the weights of such nets."""
    keep = {value.name for value in list(model.graph.input) + list(model.graph.output)} | {""}
    short = {}

    def rename(name, letter):
        return name if name in keep else short.setdefault(name, f"{letter}{len(short)}")

    for initializer in model.graph.initializer:
        initializer.name = rename(initializer.name, "w")
    for i, node in enumerate(model.graph.node):
        node.name = f"{node.op_type.lower()}_{i}"
        node.input[:] = [rename(x, "v") for x in node.input]
        node.output[:] = [rename(x, "v") for x in node.output]


def build(name, golden):
    """Returns the net with settled statistics and the sets of inputs for each step."""
    seed = 1000 + sum(name.removesuffix("_dynamo").encode())
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = nets.randomise(golden.build(), seed)
    if golden.settle:
        nets.settle(net, torch.from_numpy(images(rng, *golden.settle)))
    net.eval()
    if isinstance(net, nets.ViT):
        net.position.data.mul_(10)
        net.token.data.mul_(10)
    feeds = [golden.feed(rng, step) for step in range(golden.steps)]
    if isinstance(net, nets.Yolo):
        nets.set_candidates(net, torch.from_numpy(feeds[0][0]), 40)
    if golden.half:
        round_half(net)
    return net, feeds


def disturbed(rng, value):
    noise = 1 + 1e-6 * rng.uniform(-1, 1, value.shape)
    return (value * noise).astype(value.dtype) if value.dtype == np.float32 else value


def check(name, net, session, plain, golden, feed, expected):
    """The three checks of the header; returns the largest error in units of the tolerance."""
    rng = np.random.default_rng(0)
    others = {"ONNX Runtime, optimiser off": plain.run(None, feed),
              "disturbed inputs": session.run(None, {k: disturbed(rng, v) for k, v in feed.items()})}
    if not isinstance(net, nets.Yolo):  # PyTorch has no NonMaxSuppression of its own
        with torch.no_grad():
            result = net(*(torch.from_numpy(feed[k]) for k in golden.inputs))
        others["PyTorch"] = [x.numpy() for x in (result if isinstance(result, tuple) else (result,))]
    largest = 0.0
    for other, values in others.items():
        for output, actual, wanted in zip(golden.outputs, values, expected, strict=True):
            error = cases.worst(actual, wanted)
            if error > 0.5:
                sys.exit(f"{name}: {output} differs from {other} by {error:.2f} of the tolerance")
            largest = max(largest, error)
    for output, wanted in zip(golden.outputs, expected):
        if wanted.dtype == np.float32 and wanted.std() < SPREAD_LEAST:
            sys.exit(f"{name}: {output} hardly varies (standard deviation {wanted.std():.4g})")
    return largest


def make(name, golden, out):
    net, feeds = build(name, golden)
    model = export.export(net, feeds[0], golden.inputs, golden.outputs, golden.opset, **golden.options)
    if golden.half:
        store_half(model)
    if golden.short:
        shorten(model)
    model.graph.name = name
    onnx.checker.check_model(model, full_check=True)
    folder = out / name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)

    session, plain = cases.session(data), cases.session(data, optimise=False)
    carried, largest = {}, 0.0
    for step, arrays in enumerate(feeds):
        feed = dict(zip(golden.inputs, arrays)) | carried
        expected = session.run(golden.outputs, feed)
        largest = max(largest, check(name, net, session, plain, golden, feed, expected))
        cases.write_set(folder / f"test_data_set_{step}", feed.items(), zip(golden.outputs, expected))
        by_name = dict(zip(golden.outputs, expected))
        carried = {into: by_name[source] for source, into in golden.carry.items()}

    size = sum(f.stat().st_size for f in folder.rglob("*.*") if f.is_file())
    parameters = sum(p.numel() for p in net.parameters())
    exporter = "dynamo" if golden.options.get("dynamo") else "TorchScript"
    print(f"| {name} | {model.opset_import[0].version} | {exporter} | "
          f"{len(model.graph.node)} | {parameters} | {len(feeds)} | {size} | {largest:.3f} |", flush=True)
    if size >= NET_LIMIT_BYTES:
        sys.exit(f"{name}: {size} bytes, the limit is {NET_LIMIT_BYTES}")
    return size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(GOLDENS), choices=list(GOLDENS), metavar="NAME")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| net | opset | exporter | nodes | parameters | sets | bytes | largest disagreement / tolerance |")
    print("|---|---|---|---|---|---|---|---|")
    total = sum(make(name, GOLDENS[name], args.out) for name in args.only)
    print(f"total {total} bytes")
    if total > TOTAL_LIMIT_BYTES:
        sys.exit(f"more than {TOTAL_LIMIT_BYTES} bytes in total")


if __name__ == "__main__":
    main()
