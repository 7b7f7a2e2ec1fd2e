#!/bin/sh
# Programs of ghostflow_add_runtime run the models they were built for as gf-run does, and say what to add for others.
# GF_BIN_DIR, GF_BUILD_DIR: where programs and models are; exit 77 (skip) when they were not built.
set -eu
digits=$GF_BUILD_DIR/examples/bare_metal/digits_model.gf
mobilenet=$GF_BUILD_DIR/tests/mobilenet_v2.gf
for file in "$GF_BIN_DIR/gf_size_digits" "$GF_BIN_DIR/gf_size_mobilenet" "$digits" "$mobilenet"; do
  if [ ! -e "$file" ]; then
    echo "$file was not built in this configuration"
    exit 77
  fi
done
answers() {  # program, model, name of its input: the largest output for an input of zeros
  ours=$("$1" "$2")
  theirs=$("$GF_BIN_DIR/gf-run" "$2" --json --input "$3=zeros" --top 1 |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["top"][0]["index"])')
  if [ "$ours" != "$theirs" ]; then
    echo "$1 $2 answers $ours, gf-run $theirs"
    exit 1
  fi
}
input=$("$GF_BIN_DIR/gf-info" "$mobilenet" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["entries"][0]["inputs"][0]["name"])')
answers "$GF_BIN_DIR/gf_size_digits" "$digits" image
answers "$GF_BIN_DIR/gf_size_all_ops" "$digits" image
answers "$GF_BIN_DIR/gf_size_mobilenet" "$mobilenet" "$input"
# element types of a model: float32, value 1 of DType, and for shapes int64, value 11, which reshape alone reads; activations: Relu, value 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake -DGF_INFO="$GF_BIN_DIR/gf-info" -DMODELS="$digits" -DOUTPUT="$work/tables.cpp" -DDTYPES_HEADER="$work/dtypes.h" \
  -P "$GF_SOURCE_DIR/cmake/GhostFlowTables.cmake"
if ! grep -q "^#define GF_DTYPES $((1 << 1))u$" "$work/dtypes.h" || ! grep -q "^#define GF_SHAPE_DTYPES $((1 << 11))u$" "$work/dtypes.h" ||
  ! grep -q "^#define GF_ACTIVATIONS $((1 << 1))u$" "$work/dtypes.h"; then
  echo "the digit classifier should need float32, int64 for shapes, and Relu:"
  cat "$work/dtypes.h"
  exit 1
fi
cmake -DOPS="conv" -DOUTPUT="$work/tables.cpp" -DDTYPES_HEADER="$work/dtypes.h" -DDTYPES=float32 "-DSHAPE_DTYPES=int64;int32" \
  -P "$GF_SOURCE_DIR/cmake/GhostFlowTables.cmake"
if ! grep -q "^#define GF_DTYPES $((1 << 1))u$" "$work/dtypes.h" || ! grep -q "^#define GF_SHAPE_DTYPES $((1 << 11 | 1 << 9))u$" "$work/dtypes.h"; then
  echo "kernels should be for float32, shapes of int64 and int32:"
  cat "$work/dtypes.h"
  exit 1
fi
if problem=$("$GF_BIN_DIR/gf_size_digits" "$mobilenet" 2>&1); then
  echo "a model with ops that were left out was accepted"
  exit 1
fi
case "$problem" in
  *UnknownOp*"op '"*"ghostflow_add_runtime"*) ;;
  *)
    echo "the error should name the op and ghostflow_add_runtime, it says: $problem"
    exit 1
    ;;
esac
