#!/bin/sh
# The size guard catches a program that is too large, and passes one that is not.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp /bin/true "$folder/program"
echo "program | 10 | far too small a limit" >"$folder/small.txt"
echo "program | 100000000 | a wide limit" >"$folder/wide.txt"
echo "absent | 10 | never built" >"$folder/absent.txt"
GF_SIZE_BIN_DIR=$folder "$here/size_test.sh" "$folder/wide.txt" >/dev/null
if GF_SIZE_BIN_DIR=$folder "$here/size_test.sh" "$folder/small.txt" >/dev/null 2>&1; then
  echo "a program above its limit was not caught" >&2
  exit 1
fi
status=0
GF_SIZE_BIN_DIR=$folder "$here/size_test.sh" "$folder/absent.txt" >/dev/null || status=$?
[ "$status" = 77 ]
