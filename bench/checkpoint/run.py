#!/usr/bin/env python3
"""How fast a checkpoint is saved beside what the disk takes: `dd conv=fsync` of the same bytes and saves in turns, on one file system.
python run.py --build DIR --folder FOLDER [--turns N] [--megabytes N]"""
import argparse
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="on the disk that counts")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    times = {"dd": [], "synchronous": [], "asynchronous": [], "handed over": []}
    with tempfile.TemporaryDirectory(dir=options.folder) as work:
        plain, source = pathlib.Path(work) / "plain", pathlib.Path(work) / "source"
        source.write_bytes(bytes(range(256)) * (options.megabytes * 1_000_000 // 256))  # as the numbers of a model: nothing that compresses to nothing
        for _ in range(options.turns):
            plain.unlink(missing_ok=True)
            begin = time.monotonic()
            subprocess.run(["dd", f"if={source}", f"of={plain}", "bs=1M", "conv=fsync"], check=True, capture_output=True)
            times["dd"].append(time.monotonic() - begin)
            for how in ("synchronous", "asynchronous"):
                folder = pathlib.Path(work) / how
                output = subprocess.run([options.build / "bin" / "checkpoint_bench", folder, str(options.megabytes), how], check=True,
                                        capture_output=True, text=True).stdout.split()
                times[how].append(float(output[1]))
                if how == "asynchronous":
                    times["handed over"].append(float(output[0]))
                shutil.rmtree(folder)
    for what, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{what:13} {1000 * median:8.1f} ms  ({1000 * min(seconds):.1f} to {1000 * max(seconds):.1f})  {options.megabytes / median:7.0f} MB/s")
    ratios = sorted(dd / ours for dd, ours in zip(times["dd"], times["synchronous"]))
    print(f"synchronous save at {statistics.median(ratios):.0%} of dd's speed (turns: {ratios[0]:.0%} to {ratios[-1]:.0%}); goal 70 %")
    print(f"asynchronous, one a minute: training waits for {statistics.median(times['handed over']) / 60:.3%} of its time; goal 1 %")


if __name__ == "__main__":
    main()
