#!/usr/bin/env python3
"""The programs for Windows (preset mingw-w64), held against those of this machine's build. Standard library only.

windows.py link FOLDER   each .exe needs DLLs of the system alone
windows.py run FOLDER    runs them under Wine (exit 77: it is not installed); answers are those of $GF_BIN_DIR's programs
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WINE = str(ROOT / "toolchains" / "wine.sh")
DIGITS = ROOT / "examples" / "digits"
PROGRAMS = ["gf-run", "gf-convert", "gf-info", "gf-bench"]
SYSTEM_DLLS = {"kernel32.dll", "msvcrt.dll", "shell32.dll", "user32.dll", "advapi32.dll"}
EXIT_SKIP = 77
TOLERANCE = 1e-5  # what README.md promises between machines


def fail(text):
    print(text)
    sys.exit(1)


def check(condition, text):
    if not condition:
        fail(text)


def link(folder):
    for name in PROGRAMS:
        program = folder / f"{name}.exe"
        text = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", program], check=True, capture_output=True, text=True).stdout
        needed = {line.split(":", 1)[1].strip() for line in text.splitlines() if "DLL Name:" in line}
        check("KERNEL32.dll" in needed, f"{program}: no list of DLLs in what objdump says")
        foreign = sorted(dll for dll in needed if dll.lower() not in SYSTEM_DLLS)
        check(not foreign, f"{program} needs {', '.join(foreign)} beside it; it must run alone")
        print(f"note: {program.name}: {program.stat().st_size} bytes, needs {', '.join(sorted(needed))}")


class Both:
    """One command on this machine and under Wine, in a folder that both see."""

    def __init__(self, folder, native, work):
        self.folder, self.native, self.work = folder, native, work
        self.env = {**os.environ, "GF_WINE_FOLDER": str(work / "wine")}

    def windows(self, name, *arguments):
        return self.start([WINE, str(self.folder / f"{name}.exe")], arguments)

    def here(self, name, *arguments):
        return self.start([str(self.native / name)], arguments)

    def start(self, command, arguments):
        done = subprocess.run([*command, *map(str, arguments)], cwd=self.work, env=self.env, capture_output=True, timeout=300)
        return done.returncode, *(text.decode().replace("\r\n", "\n") for text in (done.stdout, done.stderr))

    def good(self, result, what):
        code, out, err = result
        check(code == 0, f"{what}: exit code {code}\n{out}{err}")
        return out


def floats(path):
    """Shape text and values of a float32 .npy (version 1.0, as its specification in NumPy's documentation has it)."""
    data = path.read_bytes()
    check(data[:8] == b"\x93NUMPY\x01\x00", f"{path}: not an .npy of version 1.0")
    length = struct.unpack("<H", data[8:10])[0]
    header = data[10:10 + length].decode()
    check("'<f4'" in header, f"{path}: not float32: {header}")
    body = data[10 + length:]
    return header, struct.unpack(f"<{len(body) // 4}f", body)


def compare_answers(here, there):
    """Outputs of one gf-run --json: names, types, shapes, labels; values within the tolerance."""
    strip = [[{key: o[key] for key in ("name", "dtype", "shape")} for o in run["outputs"]] for run in (here, there)]
    check(strip[0] == strip[1], f"outputs differ: {strip}")
    check([t["label"] for t in here["top"]] == [t["label"] for t in there["top"]], f"classes differ: {here['top']} {there['top']}")
    for a, b in zip(here["top"], there["top"]):
        check(abs(a["probability"] - b["probability"]) <= TOLERANCE, f"probabilities differ: {a} {b}")


def run(folder):
    version = subprocess.run([WINE, "--version"], capture_output=True, text=True)
    if version.returncode != 0:
        print("Wine is not installed (Debian: wine64), so the programs for Windows were linked and not run")
        sys.exit(EXIT_SKIP)
    check("GF_BIN_DIR" in os.environ, "GF_BIN_DIR must name the folder of this machine's programs")
    with tempfile.TemporaryDirectory(prefix="gf_windows_") as temporary:
        work = Path(temporary)
        both = Both(folder, Path(os.environ["GF_BIN_DIR"]), work)
        names = "цифры é.gf"  # no Windows code page has all of these
        shutil.copy(DIGITS / "digits.onnx", work / "модель é.onnx")
        shutil.copy(DIGITS / "digit_7.png", work / "семь é.png")

        # the same file, byte for byte
        both.good(both.here("gf-convert", "модель é.onnx", "-o", "here.gf"), "gf-convert here")
        both.good(both.windows("gf-convert", "модель é.onnx", "-o", names), "gf-convert.exe")
        check((work / names).is_file(), f"gf-convert.exe wrote no file '{names}': {os.listdir(work)}")
        check((work / names).read_bytes() == (work / "here.gf").read_bytes(), "gf-convert.exe wrote another file than gf-convert")

        # the same answers; and the same bits for any number of threads
        arguments = [names, "--input", "image=семь é.png", "--top", "3", "--json"]
        here = json.loads(both.good(both.here("gf-run", *arguments, "--isa", "portable", "--no-xnnpack", "--output-dir", "here é"), "gf-run here"))
        files = {}
        for threads in ("1", "3"):
            there = json.loads(both.good(both.windows("gf-run", *arguments, "--threads", threads, "--output-dir", f"there é {threads}"), "gf-run.exe"))
            compare_answers(here, there)
            check(there["top"][0]["label"] == "seven", f"not a seven: {there['top']}")
            check(there["threads"] == int(threads), f"{there['threads']} threads, not {threads}")
            files[threads] = sorted((work / f"there é {threads}").iterdir())
            check(files[threads], "gf-run.exe --output-dir wrote nothing")
        for ours, one, three in zip(sorted((work / "here é").iterdir()), files["1"], files["3"], strict=True):
            check(one.read_bytes() == three.read_bytes(), f"{one.name}: other bits with 3 threads")
            (header, values), (other_header, others) = floats(ours), floats(one)
            check(header == other_header and len(values) == len(others), f"{one.name}: {header} {other_header}")
            worst = max(abs(a - b) for a, b in zip(values, others))
            check(worst <= TOLERANCE, f"{one.name} differs by {worst}")
            print(f"note: {one.name} under {version.stdout.strip()}: {len(values)} values, at most {worst:.2g} from this machine's")

        # golden vectors of this machine still come out there
        both.good(both.here("gf-convert", "модель é.onnx", "--golden", "2", "-o", "golden.gf"), "gf-convert --golden here")
        both.good(both.windows("gf-run", "golden.gf", "--verify-golden"), "gf-run.exe --verify-golden")

        # what is wrong is told in the same words
        (work / "short.gf").write_bytes((work / names).read_bytes()[:1000])
        (work / "folder.png").mkdir()
        for arguments in (["нет.gf"], [work], ["short.gf"], [names], [names, "--input", "image=нет.png"], [names, "--input", "image=short.gf"],
                          [names, "--input", "image=folder.png"], ["--no-such-flag"], ["модель é.onnx", "--input", "bild=ones"]):
            ours, theirs = both.here("gf-run", *arguments), both.windows("gf-run", *arguments)
            check(ours[0] != 0 and ours[::2] == theirs[::2], f"gf-run {arguments}: {ours}\nunder Wine: {theirs}")

        # the other programs
        ours, theirs = (json.loads(both.good(start("gf-info", names, "--json", *more), "gf-info"))
                        for start, more in ((both.here, ["--isa", "portable", "--no-xnnpack"]), (both.windows, [])))
        for key in ("format_version", "producer", "metadata", "ops", "weights_bytes", "sections"):
            check(ours[key] == theirs[key], f"gf-info.exe --json: {key} is {theirs[key]}, here {ours[key]}")
        bench = json.loads(both.good(both.windows("gf-bench", names, "--json", "--min-time", "0.1"), "gf-bench.exe"))
        check(0 < bench["run_ms"]["min"] <= bench["run_ms"]["median"], f"gf-bench.exe: {bench['run_ms']}")
        check(bench["peak_rss_bytes"] > 0, "gf-bench.exe knows no memory use")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("link", "run"):
        fail(__doc__)
    {"link": link, "run": run}[sys.argv[1]](Path(sys.argv[2]).resolve())
