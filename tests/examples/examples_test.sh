#!/bin/sh
# Runs the example programs on models that ship with the sources, and the voice detector where the shared data is.
# GF_BIN_DIR, GF_SOURCE_DIR, GF_TEST_DATA; exit 77 (skip) when they were not built.
set -eu
bin=$GF_BIN_DIR
if [ ! -x "$bin/example_decode" ] || [ ! -x "$bin/gf-convert" ]; then
  echo "the examples need the converter and io, which this build leaves out"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "$1"
  exit 1
}
examples=$GF_SOURCE_DIR/examples
"$bin/gf-convert" "$examples/digits/digits.onnx" -o "$folder/digits.gf" 2>/dev/null >&2
"$bin/gf-convert" "$GF_SOURCE_DIR/tests/golden/mobilenet_v2/model.onnx" -o "$folder/mobilenet.gf" 2>/dev/null >&2

for pair in 0:zero 2:two 4:four 7:seven 9:nine; do
  first=$("$bin/example_classify_image" "$folder/digits.gf" "$examples/digits/digit_${pair%:*}.png" | head -n 1)
  case "$first" in "${pair#*:} 0.9"* | "${pair#*:} 1.0"*) ;; *) fail "classify_image: ${pair#*:} was taken for '$first'" ;; esac
done
if "$bin/example_classify_image" "$folder/digits.gf" "$examples/README.md" 2>/dev/null; then fail "classify_image: a text passed for a picture"; fi

states=""
for name in key_0 value_0 key_1 value_1; do states="$states --state new_$name=$name"; done
# shellcheck disable=SC2086  # a list of flags
"$bin/gf-convert" "$examples/gpt/prefill.onnx" decode="$examples/gpt/decode.onnx" --entry prefill --dim length=1..32 $states \
  -o "$folder/gpt.gf" >/dev/null
expected=$(cat "$examples/gpt/expected.txt")  # PyTorch's: 5 tokens of prompt, 20 more
# shellcheck disable=SC2086
got=$("$bin/example_decode" --check "$folder/gpt.gf" 20 $(echo "$expected" | cut -d ' ' -f 1-5))
[ "$got" = "$expected" ] || fail "decode: $got, PyTorch: $expected"
one=$(wc -c <"$folder/gpt.gf")
[ "$one" -lt 200000 ] || fail "decode: the entries do not share weights ($one bytes)"

"$bin/example_shared_arena" "$folder/digits.gf" "$folder/mobilenet.gf" >/dev/null || fail "shared_arena failed"
"$bin/example_threads" "$folder/digits.gf" 3 50 >/dev/null || fail "threads failed"

mnist=${GF_TEST_DATA:-}/mnist
squeezenet=${GF_TEST_DATA:-}/models/squeezenet/SqueezeNet_fp16.onnx
if [ -x "$bin/example_finetune_squeezenet" ] && [ -e "$squeezenet" ] && [ -e "$mnist/train-images-idx3-ubyte.gz" ]; then
  # 300 digits, the new layer alone and then all of it; by guessing it would be 10 %
  "$bin/example_finetune_squeezenet" "$squeezenet" "$mnist" "$folder/squeezenet.gf" 300 1 1 >"$folder/finetune.txt" 2>/dev/null
  right=$(sed -n 's/^all layers: \([0-9]*\).*$/\1/p' "$folder/finetune.txt")
  [ "$right" -ge 30 ] || fail "finetune_squeezenet: $right % right"
  "$bin/gf-run" "$folder/squeezenet.gf" --input data_0=random:1 >/dev/null || fail "finetune_squeezenet: the file does not run"
  if "$bin/example_finetune_squeezenet" "$examples/digits/digits.onnx" "$mnist" "$folder/no.gf" 300 1 1 2>/dev/null; then fail "finetune_squeezenet: gray inputs passed for colour"; fi
else
  echo "note: finetune_squeezenet was left out: no trainer in this build, or no ../shared/data/models/squeezenet"
fi

silero=${GF_TEST_DATA:-}/models/silero-vad
if [ ! -e "$silero/silero_vad_16k_static.onnx" ]; then
  echo "note: voice_activity was left out: no ../shared/data/models/silero-vad"
  exit 0
fi
"$bin/gf-convert" "$silero/silero_vad_16k_static.onnx" --state stateN=state -o "$folder/vad.gf" >/dev/null 2>&1
"$bin/example_voice_activity" "$folder/vad.gf" "$silero/test.wav" >"$folder/speech.txt"
# the same rule on what ONNX Runtime answers for the file (tests/models/silero_speech.csv)
python3 - "$GF_SOURCE_DIR/tests/models/silero_speech.csv" >"$folder/expected.txt" <<'PYTHON'
import sys
speaking, since, out = False, 0.0, []
for k, p in enumerate(map(float, open(sys.argv[1]))):
    now = k * 512 / 16000
    if not speaking and p >= 0.5:
        since = now
    if speaking and p < 0.35:
        out.append(f"{since:.2f} to {now:.2f} s")
    speaking = p >= (0.35 if speaking else 0.5)
if speaking:
    out.append(f"{since:.2f} to the end")
print("\n".join(out))
PYTHON
cmp -s "$folder/speech.txt" "$folder/expected.txt" || fail "voice_activity: $(diff "$folder/speech.txt" "$folder/expected.txt" | head -n 5)"
