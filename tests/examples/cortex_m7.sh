#!/bin/sh
# The bare-metal example for a Cortex-M7: runs it under qemu-system-arm, expects the answers of this machine's build, prints
# flash and RAM, and holds them against cortex_m7_limits.txt.
# Usage: cortex_m7.sh bare_metal.elf [expected-output] [limits]
set -eu
elf=$1
limits=${3:-$(dirname "$0")/cortex_m7_limits.txt}
output=$(timeout 120 qemu-system-arm -M mps2-an500 -nographic -monitor none -serial none \
  -semihosting-config enable=on,target=native -kernel "$elf" 2>&1)
for label in 0 2 4 7 9; do
  if ! echo "$output" | grep -q "^digit $label: $label ("; then
    echo "digit $label was not recognised:"
    echo "$output"
    exit 1
  fi
done
if [ -n "${2:-}" ] && [ "$(echo "$output" | grep '^digit')" != "$(grep '^digit' "$2")" ]; then
  echo "answers differ from those of this machine's build:"
  echo "$output"
  cat "$2"
  exit 1
fi
section() { arm-none-eabi-size -A "$elf" | awk -v name="$1" '$1 == name { found = $2 } END { print found + 0 }'; }
data=$(section .data)
code=$(($(section .text) + $(section .ARM.exidx) + $(section .init_array) + data))
flash=$((code + $(section .model)))
ram=$((data + $(section .bss)))
failed=0
while IFS='|' read -r what limit meaning; do
  case "$what" in '#'* | '') continue ;; esac
  what=$(echo "$what" | tr -d ' ')
  limit=$(echo "$limit" | tr -d ' ')
  case "$what" in
    code) bytes=$code ;;
    flash) bytes=$flash ;;
    ram) bytes=$ram ;;
    *)
      echo "$limits: what is '$what'?"
      exit 1
      ;;
  esac
  echo "note: Cortex-M7 $what: $bytes bytes (limit $limit):$meaning"
  if [ "$bytes" -gt "$limit" ]; then
    echo "$what is larger than its limit in $limits: make it smaller, or raise the limit and say why"
    failed=1
  fi
done <"$limits"
exit $failed
