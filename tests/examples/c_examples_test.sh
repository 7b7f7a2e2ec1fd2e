#!/bin/sh
# The examples in C99 compile against the library of this build and answer; and the op of one's own gives in C++ and in C what its
# formula gives in double precision.
set -eu
for needed in "$GF_BUILD_DIR/libghostflow.a" "$GF_BIN_DIR/gf-convert" "$GF_BIN_DIR/example_custom_op"; do
  [ -e "$needed" ] || { echo "needs $needed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$1"
  exit 1
}
examples=$GF_SOURCE_DIR/examples
libraries=$(sed -n 's/^Libs.private: //p' "$GF_BUILD_DIR/ghostflow.pc")
for source in classify.c train_on_device.c custom_op/mu_law.c; do
  # shellcheck disable=SC2086  # a list of flags
  "${CC:-gcc}" -std=c99 -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$GF_BUILD_DIR/include" "$examples/$source" "$GF_BUILD_DIR/libghostflow.a" \
    $libraries -lm -o "$work/$(basename "$source" .c)"
done

"$GF_BIN_DIR/gf-convert" "$examples/digits/digits.onnx" -o "$work/digits.gf" >"$work/log" 2>&1 || fail "gf-convert: $(cat "$work/log")"
first=$("$work/classify" "$work/digits.gf" "$GF_SOURCE_DIR/tests/package/consumers/digit_7.txt" | head -n 1)
case "$first" in "seven 0.9"* | "seven 1.0"*) ;; *) fail "classify.c took a seven for '$first'" ;; esac
if "$work/classify" "$work/digits.gf" "$examples/README.md" 2>"$work/log"; then fail "classify.c: a text passed for a picture"; fi
grep -q "not 784 numbers for 'image'" "$work/log" || fail "classify.c said: $(cat "$work/log")"

# shellcheck disable=SC2086
samples="-1.9 -0.5 -0.01 0 0.001 0.25 1.0 2.0"
"$GF_BIN_DIR/example_custom_op" "$examples/custom_op/mu_law.onnx" "$work/mu_law.gf" $samples >"$work/cpp"
"$work/mu_law" "$work/mu_law.gf" $samples >"$work/c"
python3 - "$work/cpp" "$work/c" $samples <<'PYTHON'
import math
import sys

expected = [math.copysign(math.log1p(255 * abs(x / 2)) / math.log1p(255), x) for x in map(float, sys.argv[3:])]
for path in sys.argv[1:3]:
    got = [float(line) for line in open(path)]
    if len(got) != len(expected) or max(abs(g - e) for g, e in zip(got, expected)) > 1e-6:
        sys.exit(f"{path}: {got}, the formula gives {expected}")
PYTHON
if "$GF_BIN_DIR/gf-run" "$work/mu_law.gf" 2>"$work/log" >&2; then fail "gf-run ran an op that it cannot know"; fi
grep -q "example.mu_law" "$work/log" || fail "gf-run did not name the op: $(cat "$work/log")"

# A device that goes on learning: dark digits on white paper, which the net never saw.
[ -e "$GF_BIN_DIR/gf-train" ] || { echo "train_on_device: needs gf-train"; exit 0; }
images=${GF_TEST_DATA:-}/mnist/t3k-images-idx3-ubyte.gz
[ -e "$images" ] || { echo "train_on_device: needs MNIST's pictures under GF_TEST_DATA"; exit 0; }
python3 - "$images" "${GF_TEST_DATA:-}/mnist/t3k-labels-idx1-ubyte.gz" "$work/pictures.csv" <<'PYTHON'
import gzip
import sys

pixels, labels = gzip.open(sys.argv[1]).read()[16:], gzip.open(sys.argv[2]).read()[8:]
with open(sys.argv[3], "w") as out:
    for i in range(320):
        print(labels[i], *(255 - p for p in pixels[i * 784:(i + 1) * 784]), sep=",", file=out)
PYTHON
"$GF_BIN_DIR/gf-train" prepare "$examples/digits/digits.onnx" --loss cross_entropy --optimizer sgd,lr=0.01,momentum=0.9 --last 1 --batch 16 -o "$work/train.gf" >"$work/log" 2>&1 ||
  fail "gf-train prepare: $(cat "$work/log")"
"$work/train_on_device" "$work/train.gf" "$work/pictures.csv" 60 "$work/whole.state" >"$work/whole" || fail "train_on_device failed"
for half in 1 2; do  # in two runs, the second from what the first one saved: 40 steps are twice through the pictures
  "$work/train_on_device" "$work/train.gf" "$work/pictures.csv" $((half * 20)) "$work/halves.state" >"$work/halves" || fail "train_on_device failed in part $half"
done
cmp "$work/whole.state" "$work/halves.state" || fail "20 and 40 steps are not 60"
python3 - "$work/whole" <<'PYTHON'
import re
import sys

before, after = (float(x) for x in re.findall(r"([0-9.]+) % right", open(sys.argv[1]).read()))
print(open(sys.argv[1]).read())
if not (before < 50 and after > 80):
    sys.exit(f"{before} % right before, {after} % after")
PYTHON
if "$work/train_on_device" "$work/train.gf" "$examples/README.md" 1 "$work/no.state" 2>"$work/log" >&2; then fail "train_on_device: a text passed for pictures"; fi
grep -q "does not begin with a class" "$work/log" || fail "train_on_device said: $(cat "$work/log")"
if "$work/train_on_device" "$work/train.gf" "$work/pictures.csv" 1 "$work/train.gf" 2>"$work/log" >&2; then fail "train_on_device: a model passed for a State"; fi
