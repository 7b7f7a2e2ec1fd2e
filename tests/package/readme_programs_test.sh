#!/bin/sh
# The two programs of README's embedding chapter, taken out of it: at most 25 lines each, they compile against the library of this
# build and find a seven.
set -eu
for needed in "$GF_BUILD_DIR/libghostflow.a" "$GF_BIN_DIR/gf-convert"; do
  [ -e "$needed" ] || { echo "needs $needed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Blocks of the chapter "Embed" that are whole programs: ```cpp and ```c with a main.
awk -v out="$work/program" '
  /^## / { chapter = ($0 ~ /^## Embed/) }
  chapter && /^```(cpp|c)$/ { language = substr($0, 4); text = ""; lines = 0; next }
  /^```$/ && language != "" { if (text ~ /int main/) { printf "%s", text > (out "." language); print language, lines } language = ""; next }
  language != "" { text = text $0 "\n"; ++lines }' "$GF_SOURCE_DIR/README.md" >"$work/found"
[ "$(cut -d' ' -f1 "$work/found" | sort | tr '\n' ' ')" = "c cpp " ] || { echo "README's chapter Embed must hold one program in C++ and one in C; found:"; cat "$work/found"; exit 1; }
while read -r language lines; do
  [ "$lines" -le 25 ] || { echo "the $language program has $lines lines, not at most 25"; exit 1; }
done <"$work/found"
libraries=$(sed -n 's/^Libs.private: //p' "$GF_BUILD_DIR/ghostflow.pc")
"$GF_BIN_DIR/gf-convert" "$GF_SOURCE_DIR/examples/digits/digits.onnx" -o "$work/digits.gf" >/dev/null 2>&1
# shellcheck disable=SC2086  # a list of flags
{
  "${CXX:-g++}" -std=c++20 -Wall -Wextra -Werror -I"$GF_BUILD_DIR/include" "$work/program.cpp" "$GF_BUILD_DIR/libghostflow.a" $libraries -o "$work/cpp"
  "${CC:-gcc}" -std=c99 -Wall -Wextra -Werror -I"$GF_BUILD_DIR/include" "$work/program.c" "$GF_BUILD_DIR/libghostflow.a" $libraries -o "$work/c"
}
pixels=$GF_SOURCE_DIR/tests/package/consumers/digit_7.txt
[ "$("$work/cpp" "$work/digits.gf" "$pixels")" = seven ] || { echo "the C++ program did not say seven"; exit 1; }
"$work/c" "$work/digits.gf" "$pixels" | sort -k2 -r | head -n 1 | grep -q -e "^7 0.9" -e "^7 1.0" || { echo "the C program does not think that it is a seven"; "$work/c" "$work/digits.gf" "$pixels"; exit 1; }
