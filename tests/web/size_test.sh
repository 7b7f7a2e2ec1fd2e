#!/bin/sh
# Sizes of the WebAssembly files, and of the package's scripts, against size_limits.txt.
set -eu
. "$(dirname "$0")/setup.sh"
build_package
status=0
check() { # name, bytes, limit
  if [ "$2" -gt "$3" ]; then
    echo "$1 has $2 bytes, the limit is $3"
    status=1
  fi
}
grep -v '^#' "$GF_SOURCE_DIR/tests/web/size_limits.txt" | while IFS='|' read -r file raw packed what; do
  file=$(echo $file) raw=$(echo $raw) packed=$(echo $packed)
  [ -f "$GF_WASM_BUILD/$file" ] || { echo "$GF_WASM_BUILD/$file is not built ($what)"; exit 1; }
  bytes=$(wc -c <"$GF_WASM_BUILD/$file") zipped=$(gzip -9 -c "$GF_WASM_BUILD/$file" | wc -c)
  echo "note: ${file##*/} $bytes bytes, $zipped gzip"
  check "$file" "$bytes" "$raw"
  check "$file, gzip" "$zipped" "$packed"
  [ "$status" -eq 0 ] || exit 1  # of the subshell that a pipe makes
done
scripts=$(find "$web/dist" -maxdepth 1 -name '*.js' ! -name convert.js -exec cat {} + | wc -c)  # a page that converts loads convert.js
echo "note: scripts for browsers $scripts bytes"
check "the package's scripts for browsers" "$scripts" 30720
exit $status
