#!/usr/bin/env python3
"""Loading and planning grow with the number of nodes, not with its square, for legal and hostile files: instructions of the
tests named LargeGraph, counted by valgrind's cachegrind for two sizes. Counts are the same on every run, unlike times."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SIZES = (4000, 8000)
MOST_GROWTH = 2.6  # twice the work: 2 and some; the square would be near 4
CASES = ("LoadsAndIsPlanned", "OutputNamedTwiceIsFound", "StateReplacedTwiceIsFound")


def instructions(program: Path, case: str, nodes: int) -> int:
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program,
               f"--gtest_filter=LargeGraph.{case}"]
    run = subprocess.run(command, env={**os.environ, "GF_LARGE_GRAPH_NODES": str(nodes)}, capture_output=True, text=True)
    counted = re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)
    if run.returncode != 0 or "1 test from 1 test suite ran" not in run.stdout or counted is None:
        sys.exit(f"{case} with {nodes} nodes: exit status {run.returncode}\n{run.stdout}{run.stderr}")
    return int(counted[1].replace(",", ""))


def main() -> int:
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: instructions cannot be counted")
        return 77
    program = Path(os.environ["GF_BIN_DIR"]) / "runtime_tests"
    bad = 0
    for case in CASES:
        none, small, large = (instructions(program, case, nodes) for nodes in (2, *SIZES))  # 2 nodes: what start-up takes
        growth = (large - none) / (small - none)
        print(f"{case}: {growth:.2f} times the instructions for twice the nodes")
        if growth > MOST_GROWTH:
            print(f"  allowed are {MOST_GROWTH}: {small - none:,} for {SIZES[0]} nodes, {large - none:,} for {SIZES[1]}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
