#!/bin/sh
# The binary interface of the C API is the one written in abi/libghostflow-N.abi, N being GF_ABI_VERSION; the shared library
# shows exactly its functions; and a planted change of a struct, of a parameter and of the set of functions is seen.
# --update writes the file. (GF_SOURCE_DIR: the repository, GF_BUILD_DIR: the build.)
set -eu
root=${GF_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
if ! command -v abidw >/dev/null 2>&1; then
  echo "needs abidw and abidiff (Debian: abigail-tools)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# write_abi ROOT OUT: a library of the headers alone, every declared function with an empty body. The compiler already holds the real
# definitions to these declarations (extern "C" functions with other parameters are an error), and nothing of the inside is in it.
write_abi() {
  echo '#include "runtime/include/ghostflow/ghostflow_custom.h"' >"$work/api.c"
  "${CC:-gcc}" -std=c99 -E -P -I"$1" "$work/api.c" -o "$work/flat.i"
  sed -z 's/\(\n[^;{}()#]*\bgf_[a-z_]*([^;{}]*)\);/\1 { __builtin_trap(); }/g' "$work/flat.i" >"$work/stubs.c"
  "${CC:-gcc}" -std=c99 -w -g -O0 -fPIC -shared -Wl,-soname,libghostflow.so -o "$work/stubs.so" "$work/stubs.c"
  abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --out-file "$2" "$work/stubs.so"
}
functions() { nm -D --defined-only "$1" | sed -n 's/^[0-9a-f]* T \(gf_[a-z_]*\).*/\1/p' | sort; }

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
functions "$work/stubs.so" >"$work/declared"
if ! abidiff "$stored" "$work/now.abi" >"$work/difference"; then
  cat "$work/difference"
  echo "the binary interface of the C API changed: step GF_ABI_VERSION and run tests/package/abi_test.sh --update, or undo it"
  exit 1
fi
if [ -e "${GF_BUILD_DIR:-}/libghostflow.so" ]; then
  functions "$GF_BUILD_DIR/libghostflow.so" >"$work/defined"
  diff "$work/declared" "$work/defined" || { echo "libghostflow.so does not show what the headers declare (< declared, > shown)"; exit 1; }
fi

# One tree with all three plants; each must stand in the report.
folder=runtime/include/ghostflow
mkdir -p "$work/planted/$folder"
cp "$root/$folder/ghostflow.h" "$root/$folder/ghostflow_custom.h" "$work/planted/$folder"
sed -i -e 's/^  uint64_t bytes; *\/\* of the elements/  uint64_t planted; uint64_t bytes; \/* of the elements/' \
  -e 's/gf_session_cancel(gf_session\* session, int cancel)/gf_session_cancel(gf_session* session, int64_t cancel)/' \
  -e 's/gf_state_save_bytes/gf_state_saved_bytes/' "$work/planted/$folder/ghostflow.h"
write_abi "$work/planted" "$work/planted.abi"
if abidiff "$stored" "$work/planted.abi" >"$work/difference"; then
  echo "a changed interface went unseen"
  exit 1
fi
for word in planted gf_session_cancel gf_state_save_bytes gf_state_saved_bytes; do
  grep -q "$word" "$work/difference" || { cat "$work/difference"; echo "the report does not speak of $word"; exit 1; }
done
