#!/bin/sh
# The binary interface of the C API is the one written in abi/libghostflow-N.abi, N being GF_ABI_VERSION; and a planted change
# of a struct, of a parameter and of the set of functions is seen. --update writes the file. (GF_SOURCE_DIR: the repository.)
set -eu
root=${GF_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
if ! command -v abidw >/dev/null 2>&1; then
  echo "needs abidw and abidiff (Debian: abigail-tools)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/c.map" <<'MAP'
{ global: gf_*; local: *; };
MAP

# write_abi SOURCES OUT: the C API as compiled from that tree. Only its own files are needed: a shared library may lack the rest.
write_abi() {
  (cd "$1" && for source in facade/c/*.cpp; do
    "${CXX:-g++}" -std=c++20 -g -O0 -fPIC -I. -DGF_VERSION='"abi"' -c "$source" -o "$work/$(basename "$source" .cpp).o"
  done) >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
  "${CXX:-g++}" -shared -Wl,--version-script="$work/c.map" -Wl,-soname,libghostflow.so -o "$work/libghostflow.so" "$work"/*.o
  # types that only our own sources know (what handles point to) are nobody's business
  abidw --headers-dir "$1/runtime/include/ghostflow" --drop-private-types --exported-interfaces-only --no-corpus-path --no-comp-dir-path --no-show-locs \
    --no-elf-needed --out-file "$2" "$work/libghostflow.so"
}

version=$(sed -n 's/^#define GF_ABI_VERSION \([0-9]*\)$/\1/p' "$root/runtime/include/ghostflow/ghostflow.h")
stored=$root/tests/package/abi/libghostflow-$version.abi
if [ "${1:-}" = --update ]; then
  write_abi "$root" "$stored"
  echo "wrote $stored"
  exit 0
fi
if [ ! -f "$stored" ]; then
  echo "GF_ABI_VERSION is $version and there is no $stored: tests/package/abi_test.sh --update"
  exit 1
fi
write_abi "$root" "$work/now.abi"
if ! abidiff "$stored" "$work/now.abi" >"$work/difference"; then
  cat "$work/difference"
  echo "the binary interface of the C API changed: step GF_ABI_VERSION and run tests/package/abi_test.sh --update, or undo it"
  exit 1
fi

# One tree with all three plants; each must stand in the report.
mkdir "$work/planted"
cp -r "$root/runtime" "$root/schema" "$root/facade" "$work/planted"
header=$work/planted/runtime/include/ghostflow/ghostflow.h
sed -i 's/^  uint64_t bytes;               \/\* of the elements/  uint64_t planted; uint64_t bytes; \/* of the elements/' "$header"
sed -i 's/gf_session_cancel(gf_session\* session, int cancel)/gf_session_cancel(gf_session* session, int64_t cancel)/' "$header" "$work/planted/facade/c/session.cpp"
sed -i 's/gf_state_save_bytes/gf_state_saved_bytes/' "$header" "$work/planted/facade/c/program.cpp"
write_abi "$work/planted" "$work/planted.abi"
if abidiff "$stored" "$work/planted.abi" >"$work/difference"; then
  echo "a changed interface went unseen"
  exit 1
fi
for word in planted gf_session_cancel gf_state_save_bytes gf_state_saved_bytes; do
  grep -q "$word" "$work/difference" || { cat "$work/difference"; echo "the report does not speak of $word"; exit 1; }
done
