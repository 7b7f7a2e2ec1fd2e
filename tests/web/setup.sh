# Sourced by the scripts of this folder: finds Node and the modules, and builds the package (once, while nothing changes).
# GF_WASM_BUILD: folder with the builds of the presets wasm and wasm-threads (default build/).
skip() {
  echo "$1"
  exit 77
}
GF_SOURCE_DIR=${GF_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
GF_BIN_DIR=${GF_BIN_DIR:-$GF_SOURCE_DIR/build/release/bin}
GF_WASM_BUILD=${GF_WASM_BUILD:-$GF_SOURCE_DIR/build}
export GF_SOURCE_DIR GF_BIN_DIR GF_WASM_BUILD
web=$GF_SOURCE_DIR/web
command -v npm >/dev/null 2>&1 || skip "npm is not installed"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' || skip "Node is older than 18"
[ -f "$GF_WASM_BUILD/wasm/bin/gf.wasm" ] || skip "no WebAssembly module: run.sh --web builds it"
[ -x "$GF_BIN_DIR/gf-convert" ] || skip "no gf-convert: the converter was left out"

# The packages of a folder's package-lock.json, unless they are there.
packages() {
  if ! cmp -s "$1/package-lock.json" "$1/node_modules/.lock-of-install"; then
    (cd "$1" && npm ci --no-audit --no-fund --silent) || skip "npm could not install the packages of $1"
    cp "$1/package-lock.json" "$1/node_modules/.lock-of-install"
  fi
}
build_package() {
  packages "$web"
  if [ ! -d "$web/dist/types" ] || [ -n "$(find "$web/src" "$web/build.mjs" "$web/package.json" "$web/tsconfig.json" \
    "$GF_WASM_BUILD"/wasm*/bin/gf*.wasm -newer "$web/dist/types" 2>/dev/null)" ]; then
    (cd "$web" && node build.mjs --wasm "$GF_WASM_BUILD") | sed 's/^/note: /'
  fi
}
