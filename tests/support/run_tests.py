"""Builds and tests GhostFlow, stage by stage; called by tests/run.sh. Standard library only.

A stage is one preset (or one tool over its executables). A stage that fails does not stop the later ones, but makes the
run fail. Exit status: 0 all passed, 1 something failed or did not build, 2 wrong usage, 3 nothing ran.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz_seeds import write_seeds

ROOT = Path(__file__).resolve().parents[2]
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# Groups with many independent tests run as one process per core.
SHARDED = {"ops", "simd", "models", "runtime", "converter", "conformance"}
EXIT_SKIP = 77  # a test script that cannot run here says so with this status and a last line with the reason
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1",
}


class Stage:
    """What a stage found: counts, failures by name, skips by reason, seconds."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failures = []  # (test name, what happened)
        self.skips = {}  # reason -> [test names]
        self.seconds = {}
        self.begun = True

    def skip(self, name, reason):
        self.skips.setdefault(" ".join(reason.split()) or "no reason given", []).append(name)

    def skipped(self):
        return sum(len(names) for names in self.skips.values())

    def line(self):
        if not self.begun:
            return f"stage {self.name}: NOT BEGUN"
        times = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in self.seconds.items())
        return (f"stage {self.name}: {self.passed} passed, {len(self.failures)} failed, {self.skipped()} skipped"
                f" in {sum(self.seconds.values()):.0f} s ({times})")


def tail(text, lines=60):
    kept = text.splitlines()[-lines:]
    return "\n".join("    " + line for line in kept)


def run_process(command, env, timeout, cwd=ROOT):
    """(status, output, timed_out); the whole process group is ended at the timeout."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               env=env, cwd=cwd, text=True, errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output, False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return process.returncode, output, True


def build(stage, preset, groups=None, targets=()):
    """Configures and builds everything, or the tests of `groups`, or `targets`; False (and a failure entry) when that does not work."""
    start = time.time()

    def step(command):
        print(f"  {' '.join(command)}", flush=True)
        status, output, _ = run_process(command, dict(os.environ), None)
        stage.seconds["build"] = time.time() - start
        if status != 0:
            stage.failures.append((f"{stage.name}: {' '.join(command)}", "build failed:\n" + tail(output)))
        return status == 0

    if not step(["cmake", "--preset", preset]):
        return False
    command = ["cmake", "--build", "--preset", preset, "-j", str(JOBS)]
    if groups is not None:
        _, entries = read_manifest(preset)
        targets = [Path(e[2]).name for e in entries if e[0] == "test" and e[1] in groups]
        if not targets:
            stage.failures.append((f"{stage.name}: groups", f"preset {preset} has none of the groups {sorted(groups)}"))
            return False
    if targets:
        command += ["--target", *targets]
    return step(command)


def read_manifest(preset):
    entries = []
    path = ROOT / "build" / preset / "tests.manifest"
    for line in path.read_text().splitlines() if path.exists() else []:
        entries.append(line.split("\t"))
    emulator = next((e[1].split(";") for e in entries if e[0] == "emulator" and e[1]), [])
    return emulator, [e for e in entries if e[0] != "emulator"]


def base_environment(preset, tier):
    env = dict(os.environ)
    build_dir = ROOT / "build" / preset
    env.update({"GF_SOURCE_DIR": str(ROOT), "GF_BUILD_DIR": str(build_dir), "GF_BIN_DIR": str(build_dir / "bin"),
                "GF_TEST_TIER": tier})
    env.setdefault("GF_TEST_DATA", str(ROOT.parent / "shared" / "data"))
    for key, value in SANITIZER_ENV.items():
        env.setdefault(key, value)
    return env


def skip_reasons(output):
    """Test name -> reason, from what the executable printed (GoogleTest's JSON leaves the reason out)."""
    found = re.findall(r"^\[ RUN +\] (\S+)\n((?:(?!^\[ RUN).*\n)*?)^\[ +SKIPPED +\]", output, re.M)
    return {name: text.split("Skipped\n", 1)[-1] for name, text in found}


def merge_json(stage, group, report, output):
    reasons = skip_reasons(output)
    for suite in report.get("testsuites", []):
        for test in suite.get("testsuite", []):
            name = f"{group}: {test['classname']}.{test['name']}"
            if test.get("failures"):
                stage.failures.append((name, tail(test["failures"][0]["failure"], 12)))
            elif test.get("result") == "SKIPPED":
                stage.skip(name, reasons.get(f"{test['classname']}.{test['name']}", ""))
            elif test.get("status") == "RUN":
                stage.passed += 1


def merge_output(stage, group, output, status, timed_out):
    """For a process that died before writing its report."""
    done = re.findall(r"^\[ +(OK|FAILED|SKIPPED) +\] (\S+) \(", output, re.M)
    started = re.findall(r"^\[ RUN +\] (\S+)", output, re.M)
    total = re.search(r"Running (\d+) tests? from", output)
    for result, name in done:
        if result == "OK":
            stage.passed += 1
        elif result == "FAILED":
            stage.failures.append((f"{group}: {name}", "see above"))
        else:
            stage.skip(f"{group}: {name}", skip_reasons(output).get(name, ""))
    what = "timed out" if timed_out else f"ended by {signal.Signals(-status).name}" if status < 0 else f"exit {status}"
    left = int(total.group(1)) - len(done) if total else 1
    culprit = started[-1] if started else "start-up"
    stage.failures.append((f"{group}: {culprit}", f"process {what}; {left} test(s) without a result\n" + tail(output)))


def run_gtest(group, command, env, shard, shards, test_filter, timeout):
    with tempfile.TemporaryDirectory(prefix="gf_run_") as folder:
        env = dict(env)
        report = Path(folder) / "report.json"
        temp = Path(folder) / "tmp"
        temp.mkdir()
        env.update({"TMPDIR": str(temp), "TEST_TMPDIR": str(temp) + "/", "GTEST_OUTPUT": f"json:{report}"})
        if shards > 1:
            env.update({"GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard)})
        if test_filter:
            env["GTEST_FILTER"] = test_filter
        start = time.time()
        status, output, timed_out = run_process(command, env, timeout)
        parsed = None
        if report.exists():
            try:
                parsed = json.loads(report.read_text(errors="replace"))
            except ValueError:
                parsed = None
        return group, parsed, status, output, timed_out, time.time() - start


def run_tests(stage, preset, tier, test_filter, only=None, wrapper=(), timeout=1800, scripts=False):
    """Runs the executables of `preset` (of the groups `only`) and, with `scripts`, the test scripts."""
    emulator, entries = read_manifest(preset)
    if not test_filter and stage.name in LEFT_OUT:
        test_filter_used = "-" + ":".join(pattern for _, patterns in LEFT_OUT[stage.name] for pattern in patterns)
        for reason, patterns in LEFT_OUT[stage.name]:
            for pattern in patterns:
                stage.skip(pattern, reason)
    else:
        test_filter_used = test_filter
    env = base_environment(preset, tier)
    start = time.time()
    jobs = []
    for entry in entries:
        if entry[0] == "skip" and only is None and not test_filter:
            stage.skip(entry[1], f"not built: {entry[2]}")
        elif entry[0] == "test" and (only is None or entry[1] in only):
            shards = JOBS if entry[1] in SHARDED else 1
            command = [*wrapper, *emulator, entry[2]]
            jobs += [(entry[1], command, env, shard, shards, test_filter_used, timeout) for shard in range(shards)]
    jobs.sort(key=lambda job: job[4], reverse=True)  # sharded groups are the long ones: first
    with ThreadPoolExecutor(JOBS) as pool:
        for group, report, status, output, timed_out, seconds in pool.map(lambda job: run_gtest(*job), jobs):
            failed_before = len(stage.failures)
            if report is not None and not timed_out:
                merge_json(stage, group, report, output)
                if status != 0 and len(stage.failures) == failed_before:
                    stage.failures.append((f"{group}: exit status", f"tests passed but the process ended with {status} "
                                           "(a sanitizer, a leak or a crash at exit)\n" + tail(output)))
            else:
                merge_output(stage, group, output, status, timed_out)
            if seconds > 20:
                print(f"  {group}: {seconds:.0f} s", flush=True)
    if scripts and not test_filter:
        run_scripts(stage, env)
    stage.seconds["tests"] = time.time() - start


def run_scripts(stage, env):
    """tests/<group>/*_test.sh and *_test.py: exit 0 passed, 77 skipped (last line: why), anything else failed."""
    for script in sorted([*ROOT.glob("tests/*/*_test.sh"), *ROOT.glob("tests/*/*_test.py")]):
        if script.parent != ROOT / WEB_SCRIPTS:
            run_script(stage, script, env)


def run_script(stage, script, env, arguments=()):
    name = str(script.relative_to(ROOT / "tests"))
    command = ["sh", str(script)] if script.suffix == ".sh" else [sys.executable, str(script)]
    if os.access(script, os.X_OK):
        command = [str(script)]
    with tempfile.TemporaryDirectory(prefix="gf_run_") as folder:
        status, output, timed_out = run_process([*command, *arguments], {**env, "TMPDIR": folder}, 1800)
    if status == 0 and not timed_out:
        stage.passed += 1
        for line in output.splitlines():  # numbers that a script wants people to see
            if line.startswith("note: "):
                print(f"  {name}: {line[6:]}", flush=True)
    elif status == EXIT_SKIP:
        stage.skip(name, (output.strip().splitlines() or ["no reason given"])[-1])
    else:
        stage.failures.append((name, ("timed out\n" if timed_out else f"exit {status}\n") + tail(output)))


def run_fuzzers(stage, preset, seconds_each, seed):
    """Each fuzzer for a while, from the seeds of fuzz_seeds.py and those in tests/fuzz/corpus/<name>/. `seed` of the mutations: 0
    draws another one each time."""
    start = time.time()
    _, entries = read_manifest(preset)
    env = base_environment(preset, "plain")
    seed_folder = ROOT / "build" / preset / "fuzz-seeds"
    shutil.rmtree(seed_folder, ignore_errors=True)
    seed_folder.mkdir()
    try:
        write_seeds(seed_folder, ROOT, ROOT / "build" / preset / "bin", env["GF_TEST_DATA"])
    except (OSError, subprocess.CalledProcessError) as error:
        stage.failures.append(("fuzz: seeds", f"    {error}"))
        return

    def one(entry):
        name = entry[1].removesuffix("_fuzz")
        with tempfile.TemporaryDirectory(prefix="gf_fuzz_") as folder:
            corpus = Path(folder) / "corpus"
            corpus.mkdir()
            seeds = [str(f) for f in (seed_folder / name, ROOT / "tests" / "fuzz" / "corpus" / name) if f.is_dir()]
            command = [entry[2], f"-seed={seed}", f"-max_total_time={seconds_each}", "-timeout=20", "-rss_limit_mb=4096", "-max_len=65536",
                       "-print_final_stats=1", f"-artifact_prefix={ROOT}/build/{preset}/crash-{entry[1]}-", str(corpus), *seeds]
            result = run_process(command, {**env, "TMPDIR": folder}, seconds_each * 4 + 300)
            return entry[1], seeds, *result

    with ThreadPoolExecutor(JOBS) as pool:
        for name, seeds, status, output, timed_out in pool.map(one, [e for e in entries if e[0] == "fuzz"]):
            if not seeds:
                stage.failures.append((name, "    it has no seeds: add some to tests/support/fuzz_seeds.py"))
            elif status == 0 and not timed_out:
                stage.passed += 1
                executed = re.search(r"number_of_executed_units: (\d+)", output)
                covered = re.findall(r"cov: (\d+)", output)
                print(f"  {name}: {executed.group(1) if executed else '?'} inputs, {covered[-1] if covered else '?'} branches",
                      flush=True)
            else:
                stage.failures.append((name, ("timed out\n" if timed_out else f"exit {status}\n") + tail(output, 40)))
    stage.seconds["fuzz"] = time.time() - start


UNDER_EMULATOR = [
    ("a minute under the emulator; Gemm.RandomShapesAndOptions and EveryTileHeightAndWidth cover its tiles", ["Gemm.LargeShapes"]),
    ("thousands of damaged files, minutes under the emulator; the release and sanitizer stages run them, and no byte is read"
     " differently on another machine", ["HostileGf.EveryFlipped*", "HostileGf.FlippedBytes*", "HostileGf.Resealed*"]),
    ("thousands of runs of whole nets, minutes under the emulator; the release stage counts the same calls", ["ZeroHeap.*"]),
    ("graphs of a million nodes, minutes under the emulator", ["LargeGraph.*"]),
]
# What a stage leaves out and why: (reason, GoogleTest patterns). Listed as skipped, so that nothing disappears without a word.
LEFT_OUT = {
    "valgrind": [
        ("valgrind puts its own malloc in place of the one that counts", ["ZeroHeap.*"]),
        ("times and resident pages mean nothing under valgrind", ["LargeGraph.*", "PackedHook.ModelDropsThePages*"]),
    ],
    "aarch64": UNDER_EMULATOR,
    "riscv64": UNDER_EMULATOR[-1:],  # the others belong to tests that it does not build
}
# Other machines: kernels, and sessions over them. Files, tools and the converter's own tests would run the same code slowly.
OTHER_MACHINE_GROUPS = {"ops", "simd", "runtime"}
# Thread sanitizer: what threads touch. One-op tests run serially and would only cost time.
TSAN_GROUPS = {"runtime"}
VALGRIND_GROUPS = {"runtime", "io"}


def stage_of(name, preset=None, groups=None, scripts=False, wrapper=()):
    """A stage that builds `preset` (default: of the stage's name) and runs its tests, those of `groups` if given."""
    def run(options, tier):
        stage = Stage(name)
        chosen = options.groups or groups
        if build(stage, preset or name, None if preset == "release" or groups is None else chosen):
            run_tests(stage, preset or name, tier, options.filter, chosen, wrapper=wrapper,
                      scripts=scripts and not options.groups)
        return stage
    return run


def stage_fuzz(options, tier):
    stage = Stage("fuzz")
    if build(stage, "asan"):
        # A gate repeats itself as far as it can; new inputs are looked for by hand, for longer.
        run_fuzzers(stage, "asan", *((1200, 0) if tier == "long" else (25, 1)))
    return stage


def stage_cortex_m7(options, tier):
    """The bare-metal example for a microcontroller, run by an emulator; its answers are those of this machine's build."""
    stage = Stage("cortex-m7")
    needed = [tool for tool in ("arm-none-eabi-g++", "qemu-system-arm") if shutil.which(tool) is None]
    if needed:
        stage.skip("cortex-m7", f"{' and '.join(needed)} not installed (toolchains/setup-debian.sh cross)")
        return stage
    if not build(stage, "release", targets=["gf-convert", "bare_metal"]) or not build(stage, "cortex-m7"):
        return stage
    start = time.time()
    with tempfile.TemporaryDirectory(prefix="gf_run_") as folder:
        expected = Path(folder) / "expected.txt"
        _, output, _ = run_process([str(ROOT / "build/release/bin/bare_metal")], dict(os.environ), 60)
        expected.write_text(output)
        run_script(stage, ROOT / "tests/examples/cortex_m7.sh", base_environment("cortex-m7", tier),
                   [str(ROOT / "build/cortex-m7/bin/bare_metal.elf"), str(expected)])
    stage.seconds["tests"] = time.time() - start
    return stage


def stage_mingw_w64(options, tier):
    """The library and the programs for Windows: linked always, run where there is Wine."""
    stage = Stage("mingw-w64")
    if shutil.which("x86_64-w64-mingw32-g++-posix") is None:
        stage.skip("mingw-w64", "x86_64-w64-mingw32-g++-posix is not installed (toolchains/setup-debian.sh cross)")
        return stage
    if not build(stage, "release", targets=["gf-convert", "gf-run", "gf-info"]) or not build(stage, "mingw-w64"):
        return stage
    start = time.time()
    for what in ("link", "run"):
        run_script(stage, ROOT / "tests/tools/windows.py", base_environment("release", tier), [what, str(ROOT / "build/mingw-w64/bin")])
    stage.seconds["tests"] = time.time() - start
    return stage


WEB_TOOLS = {"em++": "emscripten", "node": "nodejs", "npm": "npm"}
WEB_SCRIPTS = "tests/web"  # left to its stage
WEB_GROUPS = {"runtime", "ops", "simd"}


def stage_web(options, tier):
    """The WebAssembly modules, the same tests of kernels and sessions under Node, the npm package, the pages in a browser."""
    stage = Stage("web")
    missing = [f"{tool} (Debian: {package})" for tool, package in WEB_TOOLS.items() if shutil.which(tool) is None]
    if missing:
        stage.skip("web", f"not installed: {', '.join(missing)}; toolchains/setup-debian.sh web")
        return stage
    if not build(stage, "release", targets=["gf-convert", "gf-train", "gf-run", "gf-info", "example_train_digits"]):
        return stage
    model = ROOT / "build/release/web_mobilenet_v2.gf"  # for a module with its ops alone
    run_process([str(ROOT / "build/release/bin/gf-convert"), str(ROOT / "tests/golden/mobilenet_v2/model.onnx"), "-o", str(model)], dict(os.environ), 60)
    run_process(["cmake", "--preset", "wasm", f"-DGF_WEB_MODELS={model}", "-DGF_WEB_WITHOUT=conv_direct;conv_winograd", f"-DGF_INFO={ROOT}/build/release/bin/gf-info"], dict(os.environ), 300)
    if not build(stage, "wasm") or not build(stage, "wasm-threads", targets=["gf-threads"]):
        return stage
    start = time.time()
    for script in sorted((ROOT / WEB_SCRIPTS).glob("*_test.sh")):
        run_script(stage, script, base_environment("release", tier))
    stage.seconds["package"] = time.time() - start
    if build(stage, "wasm-tests", WEB_GROUPS):
        run_tests(stage, "wasm-tests", "plain", options.filter, WEB_GROUPS)
    return stage


def stage_valgrind(options, tier):
    if shutil.which("valgrind") is None:
        stage = Stage("valgrind")
        stage.skip("valgrind", "valgrind is not installed (Debian: valgrind)")
        return stage
    # somalloc: the executables define malloc themselves (tests/support/heap_counter.cpp)
    wrapper = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
               "--soname-synonyms=somalloc=NONE", "--fair-sched=yes"]
    return stage_of("valgrind", "release", VALGRIND_GROUPS, wrapper=wrapper)(options, tier)


STAGES = {
    "release": stage_of("release", scripts=True), "minimal": stage_of("minimal"), "asan": stage_of("asan"), "fuzz": stage_fuzz,
    "aarch64": stage_of("aarch64", groups=OTHER_MACHINE_GROUPS), "riscv64": stage_of("riscv64", groups=OTHER_MACHINE_GROUPS - {"simd"}),
    "x86-32": stage_of("x86-32"), "tsan": stage_of("tsan", groups=TSAN_GROUPS),
    "cortex-m7": stage_cortex_m7, "mingw-w64": stage_mingw_w64, "valgrind": stage_valgrind, "web": stage_web, "dev": stage_of("dev"), "clang": stage_of("clang"),
}
# In this order: on a slow day the last are left out (LAST_START_SECONDS).
ALL = ["release", "minimal", "cortex-m7", "web", "x86-32", "tsan", "asan", "fuzz", "valgrind", "aarch64", "riscv64", "mingw-w64"]
# On a slow day --all leaves later stages out, and says so, instead of running into a limit from outside.
LAST_START_SECONDS = 60 * 60


def report(stages, started):
    for stage in stages:
        for name, what in stage.failures:
            print(f"FAILED [{stage.name}] {name}\n{what}")
    reasons = {}
    for stage in stages:
        for reason, names in stage.skips.items():
            reasons.setdefault(reason, []).extend(f"{name} [{stage.name}]" for name in names)
    for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        shown = ", ".join(names[:3]) + (f", ... ({len(names)} in all)" if len(names) > 3 else "")
        print(f"skipped: {reason}: {shown}")
    for stage in stages:
        print(stage.line())
        for name, _ in stage.failures:
            print(f"  failed: {name}")
    left = [stage.name for stage in stages if not stage.begun]
    if left:
        print(f"NOT BEGUN for want of time, so not tested: {', '.join(left)}; tests/run.sh --stage NAME runs one")
    print(f"total time {time.time() - started:.0f} s")
    passed, failed = sum(s.passed for s in stages), sum(len(s.failures) for s in stages)
    print(f"{passed} passed, {failed} failed, {sum(s.skipped() for s in stages)} skipped")
    return 1 if failed else 3 if passed == 0 else 0


def main():
    parser = argparse.ArgumentParser(prog="tests/run.sh", description="Sets up, builds and tests GhostFlow.")
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument("--all", action="store_true", help="also sanitizers, short fuzzing, cross builds, valgrind and large models"
                      " (<= 60 minutes on 2 cores)")
    tier.add_argument("--long", action="store_true", help="as --all, with the tests that take hours and 20 minutes for each fuzzer")
    tier.add_argument("--web", action="store_true", help="only WebAssembly: modules, kernels under Node, npm package, pages in a browser")
    parser.add_argument("--stage", action="append", default=[], choices=STAGES, help="only this stage (repeatable)")
    parser.add_argument("--filter", help="GoogleTest filter, for instance '*Softmax*'; leaves the script tests out")
    parser.add_argument("--group", dest="groups", action="append", help="only tests/<group> (repeatable)")
    parser.add_argument("--no-setup", action="store_true", help="do not look for missing packages")
    options = parser.parse_args()
    options.groups = set(options.groups) if options.groups else None
    level = "long" if options.long else "all" if options.all else "plain"
    names = options.stage or (["web"] if options.web else None) or (["release"] if level == "plain" else ALL)
    started = time.time()
    stages = []
    for name in names:
        print(f"stage {name}", flush=True)
        if level == "all" and not options.stage and time.time() - started > LAST_START_SECONDS:
            stages.append(Stage(name))
            stages[-1].begun = False
            stages[-1].skip(name, f"not begun: the stages before it took over {LAST_START_SECONDS // 60} minutes")
            print(f"  {stages[-1].line()}", flush=True)
            continue
        stages.append(STAGES[name](options, level if name in ("release", "fuzz") else "plain"))
        print(f"  {stages[-1].line()}", flush=True)
    print()
    return report(stages, started)


if __name__ == "__main__":
    sys.exit(main())
