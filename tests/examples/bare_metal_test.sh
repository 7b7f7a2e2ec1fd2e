#!/bin/sh
# The bare-metal example on this machine: right answers, the ops of its model, and no symbol of a C library but those named.
# GF_BIN_DIR, GF_SOURCE_DIR: where programs and sources are; exit 77 (skip) when the example was not built.
set -eu
program=$GF_BIN_DIR/bare_metal
model=$GF_BUILD_DIR/examples/bare_metal/digits_model.gf
if [ ! -x "$program" ]; then
  echo "the bare-metal example needs the converter, which this build leaves out"
  exit 77
fi
output=$("$program")
for label in 0 2 4 7 9; do
  if ! echo "$output" | grep -q "^digit $label: $label ("; then
    echo "digit $label was not recognised:"
    echo "$output"
    exit 1
  fi
done
# the system call of main, mathematics, and what every program starts with
allowed="write _exit exp expm1 erf tanh log __libc_start_main __errno_location main _init _fini"
for symbol in $(nm -u "$program" | awk '{print $2}' | sed 's/@.*//'); do
  case " $allowed __gmon_start__ _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable __cxa_finalize " in
    *" $symbol "*) ;;
    *)
      echo "the program asks for '$symbol', which a machine without a C library does not have"
      exit 1
      ;;
  esac
done
wanted=$("$GF_BIN_DIR/gf-info" --ops --json "$model" |
  python3 -c 'import json, sys; print(*sorted({row["op"] for row in json.load(sys.stdin)["ops"]}))')
if ! grep -q "OPS $wanted\$" "$GF_SOURCE_DIR/examples/bare_metal/CMakeLists.txt"; then
  echo "examples/bare_metal/CMakeLists.txt should say: OPS $wanted"
  exit 1
fi
