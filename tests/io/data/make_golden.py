"""Writes golden.bin.gz: small files made by numpy, PIL, wave and safetensors, and what they hold.

golden.bin.gz opens with lines "name bytes", an empty line ends them, then the pieces follow one after the other. Numbers
are little-endian float64. Run by hand when a case is added (needs numpy, pillow, safetensors, ml_dtypes).
"""
import gzip
import io
import pathlib
import struct
import wave

import ml_dtypes
import numpy as np
import safetensors.numpy
from PIL import Image

files = []


def emit(name, data):
    files.append((name, bytes(data)))


def emit_numbers(name, values):
    emit(name, np.asarray(values).astype("<f8").tobytes())


def npy(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


# npy: every type, values that show sign, size and rounding
kinds = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
for kind in kinds:
    if kind == "bool":
        a = np.array([[True, False, True], [False, False, True]])
    elif kind.startswith("float"):
        a = np.array([[0.1, -2.5, 65504.0], [0.0, -0.0, 6e-8]]).astype(kind)
    else:
        info = np.iinfo(kind)
        a = np.array([[info.min, info.max, 1], [2, 3, 100]], dtype=kind)
    for order in "<>":
        if a.dtype.itemsize == 1 and order == ">":
            continue
        name = f"kNpy_{kind}_{'le' if order == '<' else 'be'}"
        data = npy(a.astype(a.dtype.newbyteorder(order)))
        emit(name, data)
        emit_numbers(name + "_values", a.astype(np.float64))
fortran = np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4))
emit("kNpyFortran", npy(fortran))
emit("kNpyFortranBig", npy(np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3))))
emit("kNpyScalar", npy(np.array(3.5, dtype=np.float32)))
emit("kNpyEmpty", npy(np.zeros((0, 3), dtype=np.float32)))
emit("kNpyVersion2", npy(np.arange(3, dtype=np.float32), (2, 0)))
emit("kNpyVersion3", npy(np.arange(3, dtype=np.float32), (3, 0)))
emit("kNpyComplex", npy(np.array([1 + 2j, -3.5 + 0.25j], dtype=">c8")))
emit("kNpyString", npy(np.array(["ab", "c"])))
emit("kNpyRecord", npy(np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")])))

arrays = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "labels": np.array([7, -1], dtype=np.int64)}
for name, save in (("kNpzStored", np.savez), ("kNpzDeflated", np.savez_compressed)):
    out = io.BytesIO()
    save(out, **arrays)
    emit(name, out.getvalue())
out = io.BytesIO()
np.savez_compressed(out, zeros=np.zeros(1 << 20, np.uint8))
emit("kNpzZeros", out.getvalue())

# small floats, as ml_dtypes understands every bit pattern
for name, kind in (("E4m3fn", ml_dtypes.float8_e4m3fn), ("E4m3fnuz", ml_dtypes.float8_e4m3fnuz),
                   ("E5m2", ml_dtypes.float8_e5m2), ("E5m2fnuz", ml_dtypes.float8_e5m2fnuz),
                   ("E8m0", ml_dtypes.float8_e8m0fnu)):
    values = np.arange(256, dtype=np.uint8).view(kind).astype(np.float32)
    emit(f"kFloat8{name}", values.astype("<f4").tobytes())
emit_numbers("kFloat4", np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32))

# pictures: a small one with odd sides and strong edges
rng = np.random.default_rng(5)
pixels = rng.integers(0, 256, size=(7, 11, 3), dtype=np.uint8)
picture = Image.fromarray(pixels)


def encoded(image, **options):
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


emit("kPngRgb", encoded(picture, format="PNG"))
emit("kPngRgbPixels", pixels.tobytes())
emit("kPngGray", encoded(picture.convert("L"), format="PNG"))
emit("kPngGrayPixels", picture.convert("L").tobytes())
emit("kPngRgba", encoded(Image.fromarray(np.dstack([pixels, rng.integers(0, 256, (7, 11), np.uint8)]), "RGBA"), format="PNG"))
palette = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
emit("kPngPalette", encoded(palette, format="PNG"))
emit("kPngPalettePixels", palette.convert("RGB").tobytes())
y, x = np.mgrid[0:16, 0:24]
smooth = np.dstack([x * 10, y * 15, 255 - x * 5 - y * 5]).astype(np.uint8)
jpeg = encoded(Image.fromarray(smooth), format="JPEG", quality=90, subsampling=0)
emit("kJpeg", jpeg)
emit("kJpegPixels", np.asarray(Image.open(io.BytesIO(jpeg))).tobytes())
emit("kPngSmooth", encoded(Image.fromarray(smooth), format="PNG"))

sizes = [(5, 3), (11, 3), (4, 7), (1, 1), (16, 9), (22, 14), (3, 10), (10, 6)]
for w, h in sizes:
    emit(f"kResize{w}x{h}", picture.resize((w, h), Image.Resampling.BILINEAR).tobytes())
# the usual classifier preparation: shorter side 6, centre 5x4 (HxW), /255, mean, std; long side int(6 * 11 / 7) = 9
resized = picture.resize((9, 6), Image.Resampling.BILINEAR)
cropped = resized.crop((2, 0, 6, 5))  # round((9-4)/2) = 2, round((6-5)/2) = 0: half to even
tensor = (np.asarray(cropped, dtype=np.float64) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
emit_numbers("kPreparedHwc", tensor.astype(np.float32))


def pcm(width, channels, frames):
    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setnchannels(channels)
        w.setsampwidth(width)
        w.setframerate(16000)
        w.writeframes(frames)
    return out.getvalue()


emit("kWav8", pcm(1, 1, bytes([0, 128, 255, 64])))
emit("kWav16Stereo", pcm(2, 2, struct.pack("<6h", -32768, 32767, 0, 1, -1, 16384)))
emit("kWav24", pcm(3, 1, b"\x00\x00\x80\xff\xff\x7f\x01\x00\x00\xff\xff\xff"))
emit("kWav32", pcm(4, 1, struct.pack("<3i", -2**31, 2**31 - 1, 2**30)))

tensors = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.array([1.5, -2.0], dtype=np.float16),
           "brain": np.array([1.0, -3.0], dtype=ml_dtypes.bfloat16), "flag": np.array([True, False, True])}
emit("kSafetensors", safetensors.numpy.save(tensors, metadata={"format": "np"}))

images = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
idx = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 2, 3) + images.tobytes()
emit("kIdx", idx)
emit("kIdxGzip", gzip.compress(idx, mtime=0))
emit("kIdxFloat", struct.pack(">BBBBI2f", 0, 0, 0x0d, 1, 2, 1.5, -0.25))
head = "".join(f"{name} {len(data)}\n" for name, data in files).encode() + b"\n"
blob = head + b"".join(data for _, data in files)
pathlib.Path(__file__).with_name("golden.bin.gz").write_bytes(gzip.compress(blob, mtime=0))
