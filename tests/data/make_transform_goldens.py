"""Writes golden/transforms.json: pictures and what torchvision's deterministic functions make of them.
Run with PyTorch, torchvision and Pillow: python3 make_transform_goldens.py (the file in the tree: PyTorch 2.13, torchvision 0.28, Pillow 13.0)."""
import json
import pathlib

import numpy
import torch
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F2

rng = numpy.random.default_rng(5)


def picture(h, w, c):
    smooth = rng.integers(0, 256, (3, 3, c), dtype=numpy.uint8)
    big = numpy.stack([numpy.asarray(Image.fromarray(smooth[:, :, i]).resize((w, h), Image.BILINEAR)) for i in range(c)], axis=2).astype(int)
    return numpy.clip(big + rng.integers(-20, 21, (h, w, c)), 0, 255).astype(numpy.uint8)


cases = []


def case(name, source, arguments, result):
    """result: tensor CHW, uint8 or float32."""
    floats = result.is_floating_point()
    flat = result.flatten().tolist() if floats else result.permute(1, 2, 0).flatten().tolist()
    cases.append({"op": name, "in": source, "arguments": arguments, "shape": list(result.shape), "floats": floats,
                  "out": [float(f"{v:.9g}") for v in flat] if floats else flat})


pictures = {"rgb": picture(7, 9, 3), "gray": picture(8, 6, 1), "square": picture(6, 6, 3)}
for name, array in pictures.items():
    pixels = torch.from_numpy(array).permute(2, 0, 1).contiguous()
    floats = F.convert_image_dtype(pixels, torch.float32)
    case("to_float", name, [], pixels.to(torch.float32).div(255))
    n = array.shape[2]
    mean, deviation = [0.485, 0.456, 0.406][:n], [0.229, 0.224, 0.225][:n]
    case("normalize", name, mean + deviation, F.normalize(floats, mean, deviation))
    for t in (pixels, floats):
        case("hflip", name, [], F.hflip(t))
        case("vflip", name, [], F.vflip(t))
        case("crop", name, [2, 1, 4, 3], F.crop(t, 2, 1, 4, 3))
        case("crop", name, [-2, -1, 12, 9], F.crop(t, -2, -1, 12, 9))
        for size in ((4, 4), (5, 3), (12, 5), (11, 12)):
            case("center_crop", name, list(size), F.center_crop(t, list(size)))
        for degrees in (31.0, -47.5, 90.0, 180.0, 213.0):
            case("rotate", name, [degrees, 0], F.rotate(t, degrees, InterpolationMode.NEAREST))
            case("rotate", name, [degrees, 1], F2.rotate(t, degrees, InterpolationMode.BILINEAR))
    for size in ([4, 4], [14, 5], [3], [12]):
        mode = Image.fromarray(array[:, :, 0] if n == 1 else array)
        case("resize", name, size, F.pil_to_tensor(F.resize(mode, size, InterpolationMode.BILINEAR, antialias=True)))
    for factor in (0.0, 0.4, 1.0, 1.7):
        case("brightness", name, [factor], F.adjust_brightness(pixels, factor))
        case("contrast", name, [factor], F.adjust_contrast(pixels, factor))
        case("saturation", name, [factor], F.adjust_saturation(pixels, factor))
    for turn in (-0.5, -0.13, 0.0, 0.3):
        case("hue", name, [turn], F.adjust_hue(pixels, turn))

out = {"pictures": {k: {"shape": list(v.shape), "pixels": v.flatten().tolist()} for k, v in pictures.items()}, "cases": cases}
with open(pathlib.Path(__file__).parent / "golden/transforms.json", "w") as file:
    file.write('{"pictures": ' + json.dumps(out["pictures"]) + ',\n"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
