#!/bin/sh
# web/pack: a module written here does the same after packing; in gf.wasm every read of a local sees the writes that it saw before.
set -eu
. "$(dirname "$0")/setup.sh"
exec python3 -B "$(dirname "$0")/pack_check.py" "$GF_WASM_BUILD/wasm/bin/gf.wasm.optimized" "$GF_WASM_BUILD/wasm/bin/gf.wasm"
