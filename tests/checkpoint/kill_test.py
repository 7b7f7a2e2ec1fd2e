#!/usr/bin/env python3
"""A save loop is killed (SIGKILL) at random moments, 50 times (1,000 with run.sh --long). After each kill the newest checkpoint opens, is
whole, and is not older than the last save that had returned; the loop then goes on from it. The files are read here too, by a reader
of their own: safetensors with the metadata that trainer/checkpoint/README.md names."""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KILLS = {"plain": 50, "all": 50, "long": 1000}
SIZES = (300, 30_000, 300_000)  # numbers in the largest tensor: saves that are short and long
KEPT = 3                        # generations
READ_EACH = 10                  # kills between looks with the reader below

TABLE = []
for byte in range(256):
    crc = byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    TABLE.append(crc)


def crc32c(data):
    """RFC 3720, appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return f"{crc ^ 0xFFFFFFFF:08x}"


def read(path):
    """The step of a checkpoint whose checksums are right."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    head = data[:8 + length]
    metadata = json.loads(head[8:])["__metadata__"]
    place = head.index(b'"gf.header_crc32c":"') + len(b'"gf.header_crc32c":"')
    assert metadata["gf.checkpoint"] == "1"
    assert crc32c(head[:place] + b"00000000" + head[place + 8:]) == metadata["gf.header_crc32c"], f"{path}: header"
    assert len(head) % 64 == 0
    for name, tensor in json.loads(head[8:]).items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            assert crc32c(data[len(head) + begin:len(head) + end]) == metadata["gf.crc32c." + name], f"{path}: {name}"
    return int(metadata["gf.step"])


def main():
    assert crc32c(b"123456789") == "e3069283", "the reader's own checksum"
    program = Path(os.environ["GF_BIN_DIR"]) / "saver_program"
    if not program.exists():
        print("saver_program was not built: no trainer in this build")
        return 77
    kills = KILLS[os.environ.get("GF_TEST_TIER", "plain")]
    seed = int(os.environ.get("GF_KILL_SEED", "1"))
    draw = random.Random(seed)
    began, saves, unfinished, newer, read_back = time.time(), 0, 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="gf_kill_") as temporary:
        folder = Path(temporary) / "checkpoints"
        last = 0  # newest save that is known to have returned
        for kill in range(kills):
            command = [program, "save", folder, str(last + 1), str(draw.choice(SIZES)), *(["async"] if kill % 2 else [])]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(draw.uniform(0.005, 0.15))
            alive = process.poll() is None
            process.kill()
            output, errors = process.communicate()
            assert alive, f"the loop ended by itself: {errors}"
            returned = [int(line) for line in output.splitlines() if output.endswith("\n") or line != output.splitlines()[-1]]
            saves += len(returned)
            last = max([last, *returned])
            unfinished += any(name.name.startswith(".") for name in folder.iterdir()) if folder.exists() else 0
            if not folder.exists():
                assert last == 0
                continue
            look = subprocess.run([program, "load", folder], capture_output=True, text=True)
            assert look.returncode == 0, f"kill {kill}: {look.stdout}{look.stderr}"
            found = 0 if look.stdout == "none\n" else int(look.stdout)
            assert found >= last, f"kill {kill}: save {last} had returned, {found} is the newest that opens"
            newer += found > last
            last = found
            files = sorted(folder.glob("step-*.gfckpt.safetensors"))
            assert len(files) <= KEPT + 1, files  # one more when the kill came before the oldest was removed
            if last and kill % READ_EACH == 0 and files[-1].stat().st_size < 500_000:
                assert read(files[-1]) == last
                read_back += 1
    print(f"note: {kills} kills (seed {seed}), {saves} saves had returned, {unfinished} kills left an unfinished file, {newer} came between a"
          f" rename and the return; nothing was lost; {read_back} files read by a second reader; {time.time() - began:.0f} s")
    assert saves >= kills // 5 and unfinished > 0 and read_back > 0, "too few saves, or none was interrupted, for this to say anything"
    return 0


if __name__ == "__main__":
    sys.exit(main())
