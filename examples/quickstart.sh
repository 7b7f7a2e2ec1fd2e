#!/bin/sh
# From a fresh machine to an answer: sets up what is missing, builds, converts a real model, runs it on a real input.
#   --bin DIR   use the programs in DIR: no set-up, no build
#   --out DIR   where the converted models go (default: build/quickstart)
#   --jobs N    compilers at the same time (default: all processors)
set -eu
cd "$(dirname "$0")/.."

bin=""
out=build/quickstart
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
while [ $# -gt 0 ]; do
  case "$1" in
    --bin | --out | --jobs)
      if [ $# -lt 2 ]; then
        echo "quickstart.sh: $1 needs a value" >&2
        exit 2
      fi
      case "$1" in
        --bin) bin=$2 ;;
        --out) out=$2 ;;
        --jobs) jobs=$2 ;;
      esac
      shift 2
      ;;
    -h | --help)
      sed -n '2,5s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "quickstart.sh: unknown argument '$1'; there are --bin DIR, --out DIR, --jobs N, --help" >&2
      exit 2
      ;;
  esac
done
mkdir -p "$out"

# Runs quietly; on failure shows the end of the log and stops.
quietly() {
  if ! "$@" >"$out/build.log" 2>&1; then
    tail -n 40 "$out/build.log" >&2
    echo "quickstart.sh: '$*' failed; the whole log is $out/build.log" >&2
    exit 1
  fi
}

if [ -z "$bin" ]; then
  ./toolchains/setup-debian.sh
  if ! command -v cmake >/dev/null 2>&1; then
    echo "quickstart.sh: cmake is missing; install what is listed above and start again" >&2
    exit 1
  fi
  echo "building (the first time takes some minutes)"
  quietly cmake --preset release
  quietly cmake --build --preset release --parallel "$jobs" --target gf-convert gf-run gf-info gf-bench gf-diff
  bin=build/release/bin
fi

echo
echo "A digit, with the classifier in examples/digits:"
"$bin/gf-convert" examples/digits/digits.onnx -o "$out/digits.gf" >"$out/convert.log" 2>&1 || { cat "$out/convert.log" >&2; exit 1; }
"$bin/gf-run" "$out/digits.gf" --input image=examples/digits/digit_7.png --top 5

data=../shared/data/models/squeezenet
if [ -f "$data/SqueezeNet_fp16.onnx" ]; then
  echo
  echo "A fish, with SqueezeNet and its 1,000 ImageNet classes:"
  "$bin/gf-convert" "$data/SqueezeNet_fp16.onnx" -o "$out/squeezenet.gf" --meta labels="$data/labels.txt" >"$out/convert.log" 2>&1 || { cat "$out/convert.log" >&2; exit 1; }
  "$bin/gf-run" "$out/squeezenet.gf" --input "$data/fish.csv" --top 5
fi

echo
echo "Next: $bin/gf-convert YOUR.onnx -o your.gf, then $bin/gf-run your.gf --input NAME=FILE (every tool has --help)"
