#!/usr/bin/env python3
"""Measures GhostFlow beside ONNX Runtime, net by net, interleaved in one run.

    python run.py --models FOLDER --build BUILD [--nets NAME ...] [--threads 1 2] [--rounds 5] [--out bench-infer]

FOLDER is what models.py wrote; without --build only ONNX Runtime is measured. Every measurement is a process of its
own, pinned to as many cores as it has threads; the two engines take turns going first. Writes OUT.md and OUT.json.
Compared, in f32 and with ONNX Runtime at its default optimisation level: median time of a run, load + create, peak
resident memory above what the process had before the model. Outputs are compared with the golden ones (rtol 1e-3,
atol 1e-4). Exit code 1 if a net fails or differs; a missed floor is marked in the table only.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

FLOOR = {"run": 1.5, "create": 0.5, "memory": 1.0}  # most that GhostFlow may take, in units of ONNX Runtime
CHILD_LIMIT_SECONDS = 600


# ------------------------------------------------------------------------------------- ONNX Runtime, in its own process

def memory_bytes(field):
    """VmRSS or VmHWM of this process (Linux)."""
    for line in open("/proc/self/status", encoding="ascii"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as f:
            f.write("5")
    except OSError:
        pass  # then the peak of the start-up counts too, which imports keep below what any net needs


def measure_onnxruntime(model, data_set, threads, min_time):
    """Runs in a child: prints the fields of `gf-bench --json` that the comparison uses."""
    import cases
    feed = cases.read_set(data_set, "input")
    reset_peak()
    before = memory_bytes("VmRSS")
    start = time.perf_counter()
    session = cases.session(model, threads=threads)
    created = time.perf_counter()
    session.run(None, feed)
    first = time.perf_counter()
    for _ in range(2):
        session.run(None, feed)
    times, end = [], time.perf_counter() + min_time
    while len(times) < 5 or time.perf_counter() < end:
        t = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - t)
    print(json.dumps({
        "load_ms": 0.0, "create_ms": (created - start) * 1e3, "first_run_ms": (first - created) * 1e3,
        "run_ms": {"median": statistics.median(times) * 1e3, "min": min(times) * 1e3, "count": len(times)},
        "rss_before_bytes": before, "peak_rss_bytes": memory_bytes("VmHWM")}))


# ------------------------------------------------------------------------------------------------------------ children

class Failed(Exception):
    """A child process failed; the text says which and why."""


def run_child(command, cpus=None):
    """Runs a command pinned to `cpus`; returns its standard output."""
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, preexec_fn=pin,
                              timeout=CHILD_LIMIT_SECONDS, check=False)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{pathlib.Path(command[0]).name}: more than {CHILD_LIMIT_SECONDS} s") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise Failed(f"{pathlib.Path(command[0]).name} ended with {done.returncode}: "
                     f"{lines[-1] if lines else 'no message'}")
    return done.stdout


def summary(samples):
    """Medians over the rounds of what one engine's children printed."""
    def middle(read):
        return statistics.median(read(s) for s in samples)

    return {"run_ms": middle(lambda s: s["run_ms"]["median"]), "best_run_ms": min(s["run_ms"]["min"] for s in samples),
            "slowest_round_ms": max(s["run_ms"]["median"] for s in samples),
            "first_run_ms": middle(lambda s: s["first_run_ms"]),
            "create_ms": middle(lambda s: s["load_ms"] + s["create_ms"]),
            "memory_bytes": middle(lambda s: s["peak_rss_bytes"] - s["rss_before_bytes"]), "rounds": samples}


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, net):
        self.net = net

    def measure(self, threads, cpus, min_time):
        child = [sys.executable, __file__, "--child", self.net.model, self.net.sets[-1], threads, min_time]
        return json.loads(run_child(child, cpus))


class GhostFlow:
    name = "ghostflow"

    def __init__(self, net, build, work, flags=()):
        self.net, self.bin, self.flags = net, pathlib.Path(build) / "bin", flags
        self.model, self.outputs = work / f"{net.name}.gf", work / f"{net.name}-outputs"
        state = [word for source, into in net.state for word in ("--state", f"{source}={into}")]
        start = time.perf_counter()
        run_child([self.bin / "gf-convert", net.model, "-o", self.model, *state])
        self.convert_s = time.perf_counter() - start

    def inputs(self, data_set):
        """What the model still asks for: an input that became State is not given."""
        held = {into for _, into in self.net.state}
        files = enumerate(self.net.about["inputs"])
        return [word for i, name in files if name not in held
                for word in ("--input", f"{name}={data_set / f'input_{i}.pb'}")]

    def measure(self, threads, cpus, min_time):
        return json.loads(run_child([self.bin / "gf-bench", self.model, "--json", "--threads", threads, "--min-time",
                                     min_time, *self.flags, *self.inputs(self.net.sets[-1])], cpus))

    def worst_output(self, threads, cpus):
        """Largest error in units of the tolerance, on the first set (where State is still as it starts)."""
        import cases
        import numpy as np
        answer = json.loads(run_child([self.bin / "gf-run", self.model, "--json", "--threads", threads, "--output-dir",
                                       self.outputs, *self.flags, *self.inputs(self.net.sets[0])], cpus))
        expected = cases.read_set(self.net.sets[0], "output")
        for source, _ in self.net.state:
            expected.pop(source)
        worst = 0.0
        files = {o["name"]: o["file"] for o in answer["outputs"]}
        for name, wanted in expected.items():
            if name not in files:
                raise Failed(f"gf-run gave no output '{name}'")
            path = pathlib.Path(files[name])
            unit = self.net.about.get("units", {}).get(name, 1)
            actual = np.load(path if path.exists() else self.outputs / path)
            worst = max(worst, cases.worst(actual / unit, wanted / unit))
        return worst


class Net:
    def __init__(self, folder):
        self.name, self.model = folder.name, folder / "model.onnx"
        self.about = json.loads((folder / "net.json").read_text())
        self.state = self.about["state"]
        self.sets = [folder / f"test_data_set_{i}" for i in range(self.about["sets"])]

    def warm_page_cache(self):
        with open(self.model, "rb") as f:
            while f.read(1 << 24):
                pass


# ------------------------------------------------------------------------------------------------------------- the run

def compare(net, args, cpus, work):
    """Measures one net at every thread count; returns one row per thread count."""
    net.warm_page_cache()
    engines, rows = [OnnxRuntime(net)], []
    failure = None
    if args.build:
        try:
            engines.append(GhostFlow(net, args.build, work))
        except Failed as error:
            failure = str(error)
    for threads in args.threads:
        samples = {engine.name: [] for engine in engines}
        row = {"net": net.name, "threads": threads, "failure": failure}
        for turn in range(args.rounds):
            for engine in engines[::-1] if turn % 2 else engines:
                try:
                    samples[engine.name].append(engine.measure(threads, cpus[:threads], args.min_time))
                except (Failed, json.JSONDecodeError) as error:
                    row["failure"] = str(error)
        for engine in engines:
            if samples[engine.name]:
                row[engine.name] = summary(samples[engine.name])
        if len(engines) == 2:
            judge(row, engines[1], threads, cpus)
        rows.append(row)
        print(line(row), flush=True)
    return rows


def judge(row, ghostflow, threads, cpus):
    """Adds ratios, floors and the check of the outputs to a row."""
    try:
        row["worst_output"] = ghostflow.worst_output(threads, cpus[:threads])
        if row["worst_output"] > 1:
            row["failure"] = f"outputs differ by {row['worst_output']:.3g} of the tolerance"
    except (Failed, json.JSONDecodeError, KeyError, OSError) as error:
        row["failure"] = str(error)
    row["convert_s"] = ghostflow.convert_s
    ours, theirs = row.get("ghostflow"), row.get("onnxruntime")
    if ours and theirs:
        row["ratio"] = {"run": ours["run_ms"] / theirs["run_ms"], "create": ours["create_ms"] / theirs["create_ms"],
                        "memory": ours["memory_bytes"] / max(1, theirs["memory_bytes"])}
        row["floor_missed"] = [key for key, most in FLOOR.items() if row["ratio"][key] > most]
        row["heap_allocations_in_run"] = max(s.get("heap_allocations_in_run", 0) for s in ours["rounds"])


HEADER = ("| net | threads | ORT run ms | GF run ms | ratio | ORT create ms | GF create ms | ratio | ORT peak MB | "
          "GF peak MB | ratio | output error / tolerance | heap calls in run | |\n" + "|---|" + "---:|" * 12 + "---|")


def line(row):
    """One row of the Markdown table; a ratio that misses the floor is bold."""
    ratio, missed = row.get("ratio", {}), row.get("floor_missed", [])
    cells = [row["net"], row["threads"]]
    for key, field, scale, digits in (("run", "run_ms", 1, 3), ("create", "create_ms", 1, 2),
                                      ("memory", "memory_bytes", 1e-6, 1)):
        for engine in ("onnxruntime", "ghostflow"):
            cells.append(f"{row[engine][field] * scale:.{digits}f}" if engine in row else "-")
        text = f"{ratio[key]:.2f}" if key in ratio else "-"
        cells.append(f"**{text}**" if key in missed else text)
    cells.append(f"{row['worst_output']:.3f}" if "worst_output" in row else "-")
    cells.append(row.get("heap_allocations_in_run", "-"))
    cells.append(row["failure"] or "")
    return "| " + " | ".join(str(c) for c in cells) + " |"


def short_table(rows):
    """What the project's README shows: times, and the three ratios that have a floor."""
    lines = ["| net | threads | ONNX Runtime ms | GhostFlow ms | ratio | load + create | peak memory |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for row in rows:
        if "ratio" in row:
            ratios = [f"**{row['ratio'][key]:.2f}**" if key in row["floor_missed"] else f"{row['ratio'][key]:.2f}"
                      for key in ("run", "create", "memory")]
            lines.append(f"| {row['net']} | {row['threads']} | {row['onnxruntime']['run_ms']:.2f} | "
                         f"{row['ghostflow']['run_ms']:.2f} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def scaling(rows, most):
    """Time with one thread over time with `most`, for each engine and net."""
    by_key = {(row["net"], row["threads"]): row for row in rows}
    lines = [f"| net | ORT: 1 to {most} threads | GF: 1 to {most} threads |", "|---|---:|---:|"]
    for net in dict.fromkeys(row["net"] for row in rows):
        one, many = by_key.get((net, 1)), by_key.get((net, most))
        if one and many:
            cells = [f"{one[e]['run_ms'] / many[e]['run_ms']:.2f}" if e in one and e in many else "-"
                     for e in ("onnxruntime", "ghostflow")]
            lines.append(f"| {net} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def processor():
    for text in open("/proc/cpuinfo", encoding="utf-8"):
        if text.startswith("model name"):
            return text.split(":", 1)[1].strip()
    return platform.machine()


def versions(args):
    import onnxruntime
    found = {"onnxruntime": onnxruntime.__version__, "processor": processor(), "cores": os.cpu_count()}
    if args.build:
        try:
            found["ghostflow"] = run_child([pathlib.Path(args.build) / "bin" / "gf-bench", "--version"]).strip()
        except Failed as error:
            sys.exit(f"no GhostFlow tools: {error}; give the build folder with --build")
    return found


def write(args, about, rows):
    """Writes OUT.json (everything) and OUT.md (the tables); called after each net, so a stopped run keeps its rows."""
    result = {"versions": about, "rounds": args.rounds, "min_time_s": args.min_time, "floor": FLOOR, "rows": rows}
    pathlib.Path(f"{args.out}.json").write_text(json.dumps(result, indent=1) + "\n")
    text = [f"GhostFlow {about.get('ghostflow', '(not measured)')}, ONNX Runtime {about['onnxruntime']}, "
            f"{about['processor']}, {about['cores']} cores. Medians of {args.rounds} rounds of at least "
            f"{args.min_time} s each. GF = GhostFlow, ORT = ONNX Runtime; create = load + create; peak = resident "
            "memory above the process's own; bold = floor missed (run <= 1.5, create <= 0.5, peak <= 1).", "", HEADER]
    text += [line(row) for row in rows]
    if 1 in args.threads and max(args.threads) > 1:
        text += ["", scaling(rows, max(args.threads))]
    text += ["", short_table(rows)]
    pathlib.Path(f"{args.out}.md").write_text("\n".join(text) + "\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, required=True, help="the folder that models.py wrote")
    parser.add_argument("--build", help="GhostFlow's build folder, with bin/gf-bench; without it: ONNX Runtime alone")
    parser.add_argument("--nets", nargs="*", metavar="NAME", help="default: all in the folder")
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--min-time", type=float, default=1.0, metavar="SECONDS", help="per measurement")
    parser.add_argument("--cpus", nargs="*", type=int, help="cores to pin to; default: those this process may use")
    parser.add_argument("--out", default="bench-infer", help="prefix of the .md and .json")
    args = parser.parse_args()
    if min(args.threads + [args.rounds]) < 1:
        parser.error("--threads and --rounds must be at least 1")
    return parser, args


def main():
    if sys.argv[1:2] == ["--child"]:
        model, data_set, threads, min_time = sys.argv[2:6]
        measure_onnxruntime(model, data_set, int(threads), float(min_time))
        return 0
    parser, args = parse()
    known = sorted(f.parent.name for f in args.models.glob("*/net.json"))
    unknown = set(args.nets or ()) - set(known)
    if unknown or not known:
        parser.error(f"not in {args.models}: {', '.join(sorted(unknown)) or 'any net'}; make them with models.py")
    cpus = args.cpus or sorted(os.sched_getaffinity(0))
    if max(args.threads) > len(cpus):
        parser.error(f"{max(args.threads)} threads need as many cores; there are {len(cpus)}: give fewer --threads")
    about, rows = versions(args), []
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as work:
        for name in args.nets or known:
            rows += compare(Net(args.models / name), args, cpus, pathlib.Path(work))
            write(args, about, rows)
    return 1 if any(row["failure"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
