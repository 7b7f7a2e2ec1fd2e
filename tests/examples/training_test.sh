#!/bin/sh
# The examples that train, shortened: losses fall, pictures and models are written and can be read, the same seed gives the same numbers.
# GF_BIN_DIR, GF_SOURCE_DIR, GF_TEST_DATA; exit 77 (skip) when they were not built.
set -eu
bin=$GF_BIN_DIR
if [ ! -x "$bin/example_train_digits" ] || [ ! -x "$bin/gf-convert" ]; then
  echo "needs the trainer and the converter, which this build leaves out"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "$1"
  exit 1
}
# below LIMIT NUMBER WHAT
below() { awk -v n="$2" -v most="$1" 'BEGIN { exit !(n != "" && n + 0 < most) }' || fail "$3: $2, not below $1"; }
# refused STATUS TEXT COMMAND...: ends so, and says that
refused() {
  wanted=$1
  text=$2
  shift 2
  status=0
  "$@" >"$folder/refused" 2>&1 || status=$?
  [ $status -eq "$wanted" ] || fail "'$*' ended with $status, not $wanted"
  grep -q -e "$text" "$folder/refused" || fail "'$*' said: $(cat "$folder/refused")"
}
# A PNG of that size, written by nobody's zlib but Python's, whose darkest and lightest pixels are far apart.
picture() {
  python3 - "$@" <<'PYTHON' || fail "$1 is not the picture that was to be written"
import struct
import sys
import zlib

path, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data, at, packed = open(path, "rb").read(), 8, b""
assert data[:8] == b"\x89PNG\r\n\x1a\n"
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at:at + 8])
    body = data[at + 8:at + 8 + size]
    assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]
    if kind == b"IHDR":
        assert struct.unpack(">IIBB", body[:10]) == (width, height, 8, 0), struct.unpack(">IIBB", body[:10])
    if kind == b"IDAT":
        packed += body
    at += 12 + size
rows = zlib.decompress(packed)
assert len(rows) == height * (width + 1)
assert len(set(rows)) > 50, "hardly any greys"
PYTHON
}

# Balancing a pole, from the first game to the last: no data needed.
"$bin/example_train_cart_pole" >"$folder/pole.txt"
points=$(sed -n 's/.*; 100 games: \([0-9.]*\) points on average.*/\1/p' "$folder/pole.txt")
below 0 "$(awk -v p="$points" 'BEGIN { print 475 - p - 0.001 }')" "cart_pole: 475 less the points"
echo "note: cart_pole: $(tail -n 1 "$folder/pole.txt")"

# Language models on a text that is at hand. By guessing, the loss would be 4.3.
for net in gpt:3.45 lstm:3.55; do
  text() { "$bin/example_train_text" --net ${net%:*} --text "$GF_SOURCE_DIR/LICENSE" --steps 12 --look-every 6 --begin "You may" --write 40 --out "$folder/text.gf"; }
  text >"$folder/text.txt"
  below "${net#*:}" "$(sed -n 's/^step 12 .*unseen text \([0-9.]*\)$/\1/p' "$folder/text.txt")" "train_text ${net%:*}"
  [ "$(grep -c "^You may" "$folder/text.txt")" -eq 3 ] || fail "train_text: three pieces of text were to be written: $(cat "$folder/text.txt")"
  "$bin/gf-run" "$folder/text.gf" --input tokens=zeros --json >"$folder/run.json" 2>&1 || fail "gf-run does not run what train_text wrote: $(cat "$folder/run.json")"
  [ ${net%:*} = gpt ] || continue
  mv "$folder/text.txt" "$folder/first.txt"
  text >"$folder/text.txt"
  cmp "$folder/first.txt" "$folder/text.txt" || fail "train_text: two runs with one seed differ"
done
refused 1 "there is no net 'rnn'" "$bin/example_train_text" --net rnn --text "$GF_SOURCE_DIR/LICENSE"
refused 1 "nowhere.txt" "$bin/example_train_text" --text "$folder/nowhere.txt"
refused 2 "--steps 2000" "$bin/example_train_text" --steps many
refused 2 "usage: " "$bin/example_train_text" --verbose 1

mnist=${GF_TEST_DATA:-}/mnist
if [ ! -e "$mnist/train-images-idx3-ubyte.gz" ]; then
  echo "note: examples that train on digits were left out: no ../shared/data/mnist"
  exit 0
fi
digits() { "$bin/example_train_digits" --data "$mnist" "$@"; }
# right NET STEPS LEAST [ARGUMENTS]: so many of the 3,000 test pictures, of which guessing gets 300
right() {
  digits --net "$1" --steps "$2" ${4:+--out "$4"} >"$folder/$1.txt" || fail "train_digits: $1 failed"
  got=$(sed -n 's/^\([0-9]*\) of 3000 test pictures right$/\1/p' "$folder/$1.txt")
  [ "${got:-0}" -ge "$3" ] || fail "train_digits: $1 gets $got right after $2 steps, not $3"
}
right mlp 60 2400
right lenet 60 2400 "$folder/lenet.gf"
right small 60 2400 "$folder/small.onnx"
digits --net resnet --steps 16 >"$folder/resnet.txt"
below 2.1 "$(sed -n 's/^step   15  loss \(.*\)$/\1/p' "$folder/resnet.txt")" "train_digits resnet"  # its norms need longer before they tell anything without a batch
first=$("$bin/example_classify_image" "$folder/lenet.gf" "$GF_SOURCE_DIR/examples/digits/digit_7.png" | head -n 1)
case "$first" in "seven "*) ;; *) fail "train_digits: the trained LeNet takes a 7 for '$first'" ;; esac
"$bin/gf-convert" "$folder/small.onnx" -o "$folder/small.gf" >"$folder/log" 2>&1 || fail "gf-convert: $(cat "$folder/log")"
first=$("$bin/example_classify_image" "$folder/small.gf" "$GF_SOURCE_DIR/examples/digits/digit_7.png" | head -n 1)
case "$first" in "seven "*) ;; *) fail "train_digits: the trained small net takes a 7 for '$first'" ;; esac
cp "$folder/small.onnx" "$folder/first.onnx"
right small 60 2400 "$folder/small.onnx"
cmp "$folder/first.onnx" "$folder/small.onnx" || fail "train_digits: the same seed gave another model"
refused 1 "there is no net 'vgg'" "$bin/example_train_digits" --data "$mnist" --net vgg
refused 1 "holds none of train-images" "$bin/example_train_digits" --data "$folder"

"$bin/example_train_vae" --data "$mnist" --steps 100 --out "$folder" >"$folder/vae.txt"
below 200 "$(sed -n 's/^unseen digits: loss \([0-9.]*\)$/\1/p' "$folder/vae.txt")" "train_vae"  # 544 for pixels of one half
picture "$folder/reconstructions.png" 302 242
picture "$folder/samples.png" 302 242
refused 1 "no/such" "$bin/example_train_vae" --data "$mnist" --steps 1 --out "$folder/no/such"

"$bin/example_train_gan" --data "$mnist" --steps 12 --out "$folder/gan.png" >"$folder/gan.txt"
picture "$folder/gan.png" 242 242
if grep -q "nan\|inf" "$folder/gan.txt"; then fail "train_gan: $(cat "$folder/gan.txt")"; fi
