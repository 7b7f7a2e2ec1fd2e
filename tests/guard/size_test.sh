#!/bin/sh
# Prints the stripped size of the programs in size_limits.txt and holds it against their limits.
# GF_SIZE_BIN_DIR, GF_BIN_DIR: where the programs are; exit 77 (skip) when none was built.
set -eu
here=$(dirname "$0")
folder=${GF_SIZE_BIN_DIR:-${GF_BIN_DIR:?set GF_BIN_DIR to the folder of the programs}}
limits=${1:-$here/size_limits.txt}
copy=$(mktemp)
trap 'rm -f "$copy"' EXIT
found=0
failed=0
missing=""
while IFS='|' read -r program limit _; do
  case "$program" in '#'* | '') continue ;; esac
  program=$(echo "$program" | tr -d ' ')
  limit=$(echo "$limit" | tr -d ' ')
  if [ ! -x "$folder/$program" ]; then
    missing="$missing $program"
    continue
  fi
  found=1
  strip -s -o "$copy" "$folder/$program"
  bytes=$(stat -c %s "$copy")
  echo "note: $program: $bytes bytes stripped (limit $limit)"
  if [ "$bytes" -gt "$limit" ]; then
    echo "$program is larger than its limit in $limits: make it smaller, or raise the limit and say why" >&2
    failed=1
  fi
done <"$limits"
[ "$failed" = 0 ] || exit 1
if [ "$found" = 0 ]; then
  echo "size limits: not built in this configuration:$missing"
  exit 77
fi
