#!/usr/bin/env python3
"""gf-train fit over several processes (mpirun) against one; going on with another number of processes; a process that is killed in mid-step,
one that is stopped, data of one process that cannot be read, NaN; what is refused. And mpi_program: transfers over MPI."""
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(os.environ["GF_BIN_DIR"])
TIMEOUT = 300
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
# processes of a test may run where there is no network, and are no children of a debugger
ENVIRONMENT = {**os.environ, "OMPI_MCA_btl": "self,vader", "OMPI_MCA_plm_rsh_agent": "", "OMPI_MCA_btl_base_warn_component_unused": "0"}


def run(command, **more):
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, env=ENVIRONMENT, **more)


def fit(ranks, *arguments):
    start = [*MPIRUN, "-n", str(ranks)] if ranks > 1 else []
    return [*start, BIN / "gf-train", "fit", "mlp", "--threads", "1", "--seed", "5", *arguments]


def check(result, *texts, code=0):
    assert (result.returncode == 0) == (code == 0), f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    for text in texts:
        assert text in result.stderr, f"'{text}' is not in\n{result.stderr}"
    return result


def tensors(path):
    """Names to (dtype, shape, bytes)."""
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + length])
    return {name: (t["dtype"], t["shape"], data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]])
            for name, t in head.items() if name != "__metadata__"}


def newest(folder):
    return sorted(Path(folder).glob("step-*.safetensors"))[-1]


def same(a, b, but=()):
    a, b = ({n: t for n, t in tensors(x).items() if not n.endswith(".gradient") and n not in but} for x in (a, b))
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    differ = [n for n in a if a[n] != b[n]]
    assert not differ, differ


def numbers_file(path, rows=96, bad=None):
    with open(path, "w") as f:
        for i in range(rows):
            values = [math.sin(i * 5 + k) + (k == i % 3) for k in range(5)]
            f.write(",".join([f"{v:.6f}" for v in values] + [str(i % 3)]) + "\n")
        if bad:
            f.write(bad + "\n")
    return f"csv:{path},classes=3"


def losses(result):
    return [json.loads(line)["loss"] for line in result.stdout.splitlines() if '"loss"' in line and '"lr"' in line]


def test_transfers(folder):
    for ranks in (1, 2, 3):
        result = run([*MPIRUN, "-n", ranks, BIN / "mpi_program", "sums"])
        assert result.returncode == 0 and result.stdout == f"ok {ranks}\n", result
    check(run([*MPIRUN, "-n", 2, BIN / "mpi_program", "late", 300]), "rank 0: waited 0.3 s for rank 1: it is dead or slow", code=1)
    check(run([*MPIRUN, "-n", 2, BIN / "mpi_program", "abort"]), "rank 1: label 12 is out of range", code=1)


def test_against_one_process(folder):
    """Two processes are one that accumulates two batches, bit for bit; state in parts changes nothing; the file that comes out is the same."""
    data = numbers_file(folder / "data.csv")
    common = ["--data", data, "--epochs", "2", "--optimizer", "adamw,lr=0.01", "--json"]
    one = check(run(fit(1, *common, "--batch", "8", "--accumulate", "2", "--checkpoint", folder / "one", "-o", folder / "one.gf")))
    for extra in ([], ["--shard-optimizer"]):
        out = folder / ("two" + "".join(extra))
        two = check(run(fit(2, *common, "--batch", "16", "--checkpoint", out, "-o", out.with_suffix(".gf"), *extra)), "; 2 ranks")
        same(newest(folder / "one"), newest(out), but=("optimizer.added",))
        assert len(losses(two)) == len(losses(one)) == 10, (losses(one), losses(two))  # of 86 examples
        assert (folder / "one.gf").stat().st_size > 0 and out.with_suffix(".gf").stat().st_size > 0
        a = check(run([BIN / "gf-run", out.with_suffix(".gf"), "--entry", "main", "--json", "--threads", "1", "--input", "ones"]))
        b = check(run([BIN / "gf-run", folder / "one.gf", "--entry", "main", "--json", "--threads", "1", "--input", "ones"]))
        assert json.loads(a.stdout)["outputs"] == json.loads(b.stdout)["outputs"]


def test_a_trace_shows_transfers_inside_the_backward_part(folder):
    """By the order of events: a product of the backward part begins behind the beginning of a transfer of gradients, and in front of the first wait."""
    pictures = os.urandom(3073 * 64)
    for name in [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]:
        (folder / name).write_bytes(b"".join(bytes([i % 10]) + pictures[3073 * i + 1:3073 * (i + 1)] for i in range(16)))
    check(run([*MPIRUN, "-n", 2, BIN / "gf-train", "fit", "resnet18", "--data", f"cifar:{folder}", "--batch", "4", "--steps", "2", "--threads", "1", "--trace", folder / "trace.json"]))
    events = [e for e in json.loads((folder / "trace.json").read_text())["traceEvents"] if e["ph"] == "X"]
    nodes = [e for e in events if e["tid"] == 1]
    transfers = [e for e in events if e["cat"] == "transfer"]
    assert nodes == sorted(nodes, key=lambda e: e["ts"])
    first_wait = next(e for e in nodes if e["cat"] == "parallel.wait")
    waits = [e for e in nodes if e["cat"] == "parallel.wait"]
    begun = [e for e in nodes if e["cat"] == "parallel.reduce"]
    products = [e for e in nodes if e["cat"].startswith("conv") and e["ts"] < first_wait["ts"]]
    # running statistics and the loss are first; then gradients, in buckets of 4 MB, of 45 MB
    assert len(begun) >= 9 and len(waits) == len(begun) <= len(transfers), (len(begun), len(waits), len(transfers))
    beside = [p for p in products if p["ts"] > begun[2]["ts"]]
    assert len(beside) >= 10, (len(beside), len(products))
    assert len([t for t in transfers if t["ts"] < beside[-1]["ts"]]) >= len(begun) - 2


def test_goes_on_with_others(folder):
    """Four steps by two processes and four by three are eight of two, to rounding: sums of a batch are cut in other places."""
    data = numbers_file(folder / "data.csv")
    common = ["--data", data, "--optimizer", "adamw,lr=0.01", "--schedule", "constant", "--batch", "12", "--shard-optimizer"]
    whole = check(run(fit(2, *common, "--steps", "8", "--checkpoint", folder / "whole", "--json")))
    check(run(fit(2, *common, "--steps", "4", "--checkpoint", folder / "cut", "--json")))
    on = check(run(fit(3, *common, "--steps", "8", "--checkpoint", folder / "cut", "--resume", "--json")))
    assert len(losses(on)) == 4
    for a, b in zip(losses(whole)[4:], losses(on)):
        assert abs(a - b) < 1e-5 * abs(a), (a, b)
    check(run(fit(2, *common, "--steps", "9", "--checkpoint", folder / "cut", "--resume")), "by another version of this model (batch size, ranks")


def ranks_of(process):
    """Process ids of the ranks of a job."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
            environment = (stat.parent / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if name.endswith("(gf-train") and int(rest.split()[1]) == process.pid:
            rank = [e for e in environment if e.startswith(b"OMPI_COMM_WORLD_RANK=")]
            if rank:
                found.append((int(rank[0].split(b"=")[1]), int(stat.parent.name)))
    return [pid for rank, pid in sorted(found)]


def start(command, checkpoints):
    """The job, when it has saved something and trains on."""
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    end = time.time() + TIMEOUT
    while process.poll() is None and time.time() < end and not list(Path(checkpoints).glob("step-*.safetensors")):
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    return process


def finish(process):
    try:
        output, errors = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess([], process.returncode, output, errors)


def test_a_rank_is_killed_or_slow(folder):
    data = numbers_file(folder / "data.csv")
    common = ["--data", data, "--batch", "8", "--steps", "1000000", "--save-every", "20"]
    for what in ("killed", "slow"):
        out = folder / what
        limit = [] if what == "killed" else ["--rank-limit", "5"]
        process = start(fit(2, *common, "--checkpoint", out, *limit), out)
        pids = ranks_of(process)
        assert len(pids) == 2, pids
        os.kill(pids[1], signal.SIGKILL if what == "killed" else signal.SIGSTOP)
        result = finish(process)
        if what == "killed":
            assert result.returncode != 0 and "signal 9" in result.stderr, result.stderr
        else:
            check(result, "rank 0: ", "waited 5 s for rank 1: it is dead or slow; checkpoints are as they were", code=1)
        last = int(newest(out).name[5:17])
        assert last % 20 == 0 and tensors(newest(out))
        check(run(fit(1, "--data", data, "--batch", "8", "--steps", last + 1, "--checkpoint", out, "--resume", "--json")))
        assert not any(f.name.startswith(".") for f in out.iterdir())


def test_asked_to_stop(folder):
    """mpirun passes SIGUSR1 on: all stop behind one step, and what is saved is that step."""
    data = numbers_file(folder / "data.csv")
    out = folder / "run"
    process = start(fit(2, "--data", data, "--batch", "8", "--steps", "1000000", "--save-every", "20", "--checkpoint", out), out)
    process.send_signal(signal.SIGUSR1)
    check(finish(process))
    assert tensors(newest(out))


def test_ctrl_c(folder):
    """mpirun with patience: what is saved is the step behind which all stopped, also in the middle of a validation; going on is as never having stopped."""
    data = numbers_file(folder / "data.csv", 960)
    patient = [*MPIRUN, "--mca", "odls_base_sigkill_timeout", "8", "-n", "2"]
    common = ["--data", data, "--batch", "8", "--optimizer", "adamw,lr=0.01", "--schedule", "constant", "--save-every", "1000000", "--validate-every", "20"]
    out = folder / "run"
    process = subprocess.Popen([str(c) for c in [*patient, *fit(1, *common, "--steps", "1000000", "--checkpoint", out, "--log-dir", folder / "log")]],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    end = time.time() + TIMEOUT
    log = folder / "log" / "log.jsonl"
    while process.poll() is None and time.time() < end and not (log.exists() and '"validation"' in log.read_text()):
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    finish(process)  # mpirun's exit code says that it was interrupted
    last = int(newest(out).name[5:17])
    assert last > 20 and len(list(out.glob("step-*"))) == 1 and tensors(newest(out)), list(out.iterdir())
    done = json.loads(log.read_text().splitlines()[-1])
    assert done["done"] and done["stopped"] and done["step"] == last, done
    # twenty more, beside a run that was never stopped
    check(run(fit(2, *common, "--steps", last + 20, "--checkpoint", out, "--resume")), f"goes on after step {last}")
    check(run(fit(2, *common, "--steps", last + 20, "--checkpoint", folder / "whole")))
    same(newest(out), newest(folder / "whole"))


def test_too_little_patience_is_said(folder):
    """Of 1 ms, where a step and a save take longer; enough is not mentioned."""
    data = numbers_file(folder / "data.csv")
    for seconds, said in (("0.001", True), ("3600", False)):
        command = [*MPIRUN, "-x", f"OMPI_MCA_odls_base_sigkill_timeout={seconds}", "-n", "2", *fit(1, "--data", data, "--batch", "8", "--steps", "4", "--checkpoint", folder / seconds)]
        result = check(run(command))
        assert ("kill -USR1" in result.stderr) == said, result.stderr


def test_nan(folder):
    """Of one process's data: all end with one message, and nothing is saved behind it."""
    data = numbers_file(folder / "data.csv", 40)
    out = folder / "run"
    check(run(fit(2, "--data", data, "--batch", "8", "--steps", "2", "--checkpoint", out)))
    before = newest(out).read_bytes()
    result = check(run(fit(2, "--data", data, "--batch", "8", "--steps", "400", "--save-every", "1000", "--optimizer", "sgd,lr=1e30", "--checkpoint", folder / "other")),
                   "gf-train: the loss of step ", code=1)
    assert result.stderr.count("the loss of step") == 1, result.stderr
    assert not list((folder / "other").glob("step-*")) if (folder / "other").exists() else True
    assert newest(out).read_bytes() == before


def test_refused(folder):
    data = numbers_file(folder / "data.csv", 40)
    check(run(fit(2, "--data", data, "--batch", "9", "--steps", "2")), "--batch 9 does not divide by 2 ranks", code=2)
    check(run(fit(2, "--data", data, "--batch", "8", "--steps", "2", "--optimizer", "lamb,lr=0.01", "--shard-optimizer")), "LAMB: its update of a number hangs on the others", code=3)
    check(run(fit(1, "--data", data, "--batch", "8", "--steps", "2", "--shard-optimizer")), "--shard-optimizer is for several processes", code=2)
    check(run(fit(2, "--data", f"csv:{folder}/missing.csv,classes=3", "--batch", "8", "--steps", "2")), "missing.csv", code=1)
    check(run(fit(1, "--data", data, "--batch", "8", "--steps", "2", "-o", folder / "net.gf")))
    made = [*MPIRUN, "-n", 2, BIN / "gf-train", "fit", folder / "net.gf", "--data", data, "--batch", "8", "--steps", "2"]
    check(run(made), "is made already, for one process", code=2)
    # processes that were started with different settings
    mixed = [*MPIRUN, "-n", 1, BIN / "gf-train", "fit", "mlp", "--data", data, "--batch", "8", "--steps", "2",
             ":", "-n", 1, BIN / "gf-train", "fit", "mlp", "--data", data, "--batch", "8", "--steps", "3"]
    check(run(mixed), "rank 1 has other settings than rank 0", code=2)


def main():
    if shutil.which("mpirun") is None:
        print("there is no mpirun (Debian: openmpi-bin)")
        return 77
    if not (BIN / "mpi_program").exists() or not (BIN / "gf-train").exists():
        print("built without MPI (GF_MPI) or without tools")
        return 77
    tests = [f for name, f in globals().items() if name.startswith("test_")]
    for test in tests:
        if len(sys.argv) > 1 and sys.argv[1] not in test.__name__:
            continue
        began = time.time()
        with tempfile.TemporaryDirectory(prefix="gf_mpi_") as folder:
            test(Path(folder))
        print(f"{test.__name__}: {time.time() - began:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
