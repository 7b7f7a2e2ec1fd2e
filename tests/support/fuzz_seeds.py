"""Seeds for the fuzzers: small valid files of each format, made anew so that they follow the code. Standard library only."""
import gzip
import io
import json
import shutil
import struct
import subprocess
import wave
import zipfile
from pathlib import Path

LARGEST = 64 * 1024  # libFuzzer cuts longer seeds, and a cut file teaches nothing


def npy(descr, shape, data, version=1):
    header = str({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + data


def npz(arrays, compression):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in arrays.items():
            archive.writestr(name + ".npy", data)
    return out.getvalue()


def wav(channels, width, samples):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(16000)
        file.writeframes(samples)
    return out.getvalue()


def idx(kind, dims, data):
    return bytes([0, 0, kind, len(dims)]) + struct.pack(f">{len(dims)}I", *dims) + data


def safetensors(tensors, data):
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header + data


def byte_pairs(merges, text):
    """Vocabulary, merges and a text for the tokenizer: the bytes as GPT-2 writes them, and what the merges make of them."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in visible]
    tokens = [chr(b) for b in visible] + [chr(256 + n) for n in range(len(hidden))] + [m.replace(" ", "") for m in merges]
    vocabulary = json.dumps({token: number for number, token in enumerate(tokens)}, ensure_ascii=False)
    return b"\0".join([vocabulary.encode(), "\n".join(["#version: 0.2", *merges]).encode(), text.encode()])


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return f"{crc ^ 0xFFFFFFFF:08x}"


def checkpoint(tensors, counters):
    """`tensors`: name -> (type, shape, data). The header's checksum stands for a right one: the fuzzer seals headers itself."""
    metadata = {"gf.checkpoint": "1", "gf.step": "12", "gf.graph": "0123abcd", "gf.header_crc32c": "00000000", **counters}
    header, data = {"__metadata__": metadata}, b""
    for name, (dtype, shape, content) in tensors.items():
        metadata["gf.crc32c." + name] = crc32c(content)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    return struct.pack("<Q", len(text)) + text + data


def small_formats():
    """Fuzzer -> seeds, for the readers of io/ and the tokenizer."""
    floats = npy("<f4", (2, 3), struct.pack("<6f", *range(6)))
    return {
        "npy": [floats, npy("|b1", (4,), b"\0\1\1\0"), npy("<i8", (), struct.pack("<q", -5)), npy(">f8", (1, 2), bytes(16)),
                npy("<f2", (0, 4), b"", version=2), npy("<c8", (1,), bytes(8))],
        "npz": [npz({"a": floats, "b": npy("<i4", (1,), bytes(4))}, zipfile.ZIP_STORED),
                npz({"x": floats}, zipfile.ZIP_DEFLATED), npz({}, zipfile.ZIP_STORED)],
        "wav": [wav(1, 2, bytes(range(64))), wav(2, 1, bytes(32)), wav(1, 3, bytes(30)), wav(1, 4, bytes(32))],
        "idx": [idx(8, (2, 3), bytes(6)), idx(13, (2,), struct.pack(">2f", 1, 2)), idx(9, (3,), bytes(3)),
                gzip.compress(idx(8, (4,), b"abcd"), mtime=0)],
        "csv": [b"1,2,3\n4,5,6\n", b"# note\na;b\n1.5e3;-inf\n", b"\"quoted, text\",2\r\n", b"label one\nlabel two\n",
                b"mean=0.5,0.5,0.5;std=0.2;size=8x8;layout=nchw"],
        "tokenizer": [byte_pairs(["t h", "th e", "\u0120 the"], "the other  the's\n\u00e9"), byte_pairs(["a a", "aa aa"], "a" * 9),
                      byte_pairs([], "")],
        "safetensors": [safetensors({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                                     "__metadata__": {"k": "v"}}, bytes(8)),
                        safetensors({"e": {"dtype": "I64", "shape": [0], "data_offsets": [0, 0]}}, b"")],
        "checkpoint": [checkpoint({"w": ("F32", [2], bytes(8)), "optimizer.step": ("F64", [], bytes(8))}, {"random.seed": "5"}),
                       checkpoint({"b": ("BOOL", [3], b"\0\1\1"), "none": ("BF16", [0, 2], b"")}, {}), checkpoint({}, {})],
    }


def write_seeds(folder, root, bin_dir, data_dir):
    """One folder of seeds for each fuzzer below `folder`. `bin_dir` holds gf_fuzz_seeds, which writes .gf files and sections."""
    for name, seeds in small_formats().items():
        (folder / name).mkdir(parents=True)
        for number, seed in enumerate(seeds):
            (folder / name / f"seed{number}").write_bytes(seed)
    (folder / "image").mkdir()
    for picture in [*root.glob("examples/digits/*.png"), *root.glob("tests/io/data/*.png"), *root.glob("tests/io/data/*.jpg")]:
        shutil.copy(picture, folder / "image")
    for name in ("onnx_reader", "onnx_convert"):
        (folder / name).mkdir()
        models = [*root.glob("tests/golden/*/model.onnx"), *root.glob("examples/*/*.onnx"),
                  *Path(data_dir).glob("onnx-backend/node/*/model.onnx"), *Path(data_dir).glob("onnx-backend/simple/*/model.onnx")]
        for model in models:
            if model.stat().st_size <= LARGEST:
                shutil.copy(model, folder / name / f"{model.parent.name}.onnx")
    for tensor in root.glob("tests/golden/*/test_data_set_0/*.pb"):
        if tensor.stat().st_size <= 4096:
            shutil.copy(tensor, folder / "onnx_reader" / f"{tensor.parent.parent.name}_{tensor.name}")
    subprocess.run([bin_dir / "gf_fuzz_seeds", folder], check=True, stdout=subprocess.DEVNULL)
