#!/bin/sh
# Installs the build into an empty prefix, moves it, and builds and runs consumers against it: find_package (static, shared,
# converter, trainer), a project in C alone, pkg-config (static, shared), -fno-exceptions -fno-rtti, only the ops of a model; and
# add_subdirectory. Each must find a seven on digit_7.txt. Then the packages of cpack.
set -eu
here=$GF_SOURCE_DIR/tests/package
if [ ! -x "$GF_BIN_DIR/gf-convert" ] || [ ! -e "$GF_BUILD_DIR/libghostflow.so" ]; then
  echo "needs the tools and the shared library"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$1"
  [ ! -f "$work/log" ] || tail -n 30 "$work/log"
  exit 1
}
quietly() { "$@" >"$work/log" 2>&1 || fail "failed: $*"; }
# expect WANTED COMMAND...: the command prints exactly that
expect() {
  wanted=$1
  shift
  got=$("$@" 2>"$work/log") || fail "failed: $*"
  [ "$got" = "$wanted" ] || fail "'$*' printed '$got', not '$wanted'"
}

cmake --install "$GF_BUILD_DIR" --prefix "$work/first" >"$work/log" 2>&1 || fail "cmake --install"
mv "$work/first" "$work/moved"   # nothing may remember where it was installed
prefix=$work/moved
library=$(dirname "$(find "$prefix" -name libghostflow.a)")
if grep -rlF -e "$work/first" -e "$GF_SOURCE_DIR" "$prefix/include" "$library/cmake" "$library/pkgconfig"; then
  fail "the files above hold paths of this machine"
fi
"$prefix/bin/gf-convert" "$GF_SOURCE_DIR/examples/digits/digits.onnx" -o "$work/digits.gf" >"$work/log" 2>&1 || fail "gf-convert"
image=$here/consumers/digit_7.txt

signature=OFF
if [ -e "$library/libghostflow_signature.a" ]; then
  signature=ON
  # the key pair of RFC 8410, section 10
  printf -- '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n' >"$work/key.pem"
  key=19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1
  quietly "$prefix/bin/gf-convert" "$GF_SOURCE_DIR/examples/digits/digits.onnx" -o "$work/signed.gf" --sign "$work/key.pem"
fi
trainer=OFF
[ ! -e "$library/libghostflow_trainer.a" ] || trainer=ON
for linkage in static shared; do
  quietly cmake -S "$here/consumers/plain_c" -B "$work/c_$linkage" -G Ninja -DLINKAGE=$linkage -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
  quietly cmake --build "$work/c_$linkage"
  expect "seven 7" "$work/c_$linkage/plain" "$work/digits.gf" "$image"
  expect 18 "$work/c_$linkage/misuse" "$work/digits.gf"
  quietly cmake -S "$here/consumers/cmake" -B "$work/$linkage" -G Ninja -DLINKAGE=$linkage -DSIGNATURE=$signature -DTRAINER=$trainer -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
  quietly cmake --build "$work/$linkage"
  expect seven "$work/$linkage/model" "$work/digits.gf" "$image"
  expect 7 "$work/$linkage/strict" "$work/digits.gf" "$image"
done
if [ $signature = ON ]; then
  expect Ok "$work/static/signed" "$work/signed.gf" $key
  expect InvalidArgument "$work/static/signed" "$work/signed.gf" "$(printf %s $key | tr 19 91)"
  expect NotFound "$work/static/signed" "$work/digits.gf" $key
fi
expect "20 mine" "$work/static/convert" "$GF_SOURCE_DIR/examples/digits/digits.onnx"
if [ $trainer = ON ]; then
  expect "0110 better" "$work/static/train"
  strip -s -o "$work/stripped" "$work/static/train"
  with=$(stat -c %s "$work/stripped")
  strip -s -o "$work/stripped" "$work/static/model"
  without=$(stat -c %s "$work/stripped")
  echo "note: a program with lazy tensors and a train step: $with bytes stripped, gf::Model alone with every op: $without"
  [ $((with - without)) -le 2000000 ] || fail "the trainer adds more than 2 MB to a program"
fi
grep -q "Usage" "$work/static/tool.txt" || fail "ghostflow::gf-info does not run"
if ldd "$work/static/model" | grep -q ghostflow; then fail "static consumer needs the shared library"; fi
ldd "$work/shared/model" | grep -q "libghostflow.so.0 => $work" || fail "shared consumer does not use the installed library"

# only the ops of the models: the installed archive gives a program as small as the one that the source tree makes
mobilenet=$GF_BUILD_DIR/tests/mobilenet_v2.gf
if [ -e "$mobilenet" ]; then
  quietly cmake -S "$here/consumers/selected" -B "$work/selected" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release \
    -DGHOSTFLOW="$GF_SOURCE_DIR" -DDIGITS="$work/digits.gf" -DMOBILENET="$mobilenet"
  quietly cmake --build "$work/selected"
  expect seven "$work/selected/model" "$work/digits.gf" "$image"
  expect 7 "$work/selected/plain" "$work/digits.gf" "$image"
  expect "seven 7" "$work/selected/in_c" "$work/digits.gf" "$image"
  expect "$("$GF_BIN_DIR/gf_size_mobilenet" "$mobilenet")" "$work/selected/mobilenet" "$mobilenet"
  if "$work/selected/model" "$mobilenet" "$image" >"$work/log" 2>&1; then fail "a model with ops that were left out was accepted"; fi
  grep -q "op '.*ghostflow_add_runtime" "$work/log" || fail "the error should name the op and ghostflow_add_runtime"
  if "$work/selected/in_c" "$mobilenet" "$image" >"$work/log" 2>&1; then fail "the C API took a model with ops that were left out"; fi
  grep -q "^UnknownOp: .*op '.*ghostflow_add_runtime" "$work/log" || fail "the error of the C API should name the op and ghostflow_add_runtime"
  if readelf -d "$work/selected/mobilenet" | grep -q "NEEDED.*\(XNNPACK\|pthreadpool\)"; then fail "a program without XNNPACK's kernels needs XNNPACK"; fi
  size() {
    strip -s -o "$work/stripped" "$1"
    stat -c %s "$work/stripped"
  }
  installed=$(size "$work/selected/mobilenet")
  in_tree=$(size "$GF_BIN_DIR/gf_size_mobilenet")
  some=$(size "$work/selected/model")
  every=$(size "$work/selected/every_op")
  echo "note: MobileNet app from the installed archive: $installed bytes stripped, in the source tree: $in_tree"
  echo "note: gf::Model with the ops of the digit classifier, all element types: $some bytes stripped, with every op: $every"
  [ "$installed" -le $((in_tree + in_tree / 50)) ] || fail "the installed archive makes a larger program than the source tree"
  [ "$some" -le $((every / 2)) ] || fail "ops that are not wanted stayed in the program"
fi

export PKG_CONFIG_PATH="$library/pkgconfig"
cxx() { quietly "${CXX:-g++}" -std=c++20 -O1 "$@"; }
# shellcheck disable=SC2046  # lists of flags
{
  cxx $(pkg-config --cflags ghostflow) -I"$here/consumers" "$here/consumers/model.cpp" -o "$work/pc_shared" $(pkg-config --libs ghostflow)
  expect seven env LD_LIBRARY_PATH="$library" "$work/pc_shared" "$work/digits.gf" "$image"
  quietly "${CC:-gcc}" -std=c99 $(pkg-config --cflags ghostflow) "$here/consumers/plain.c" -o "$work/pc_c" $(pkg-config --libs ghostflow)
  expect "seven 7" env LD_LIBRARY_PATH="$library" "$work/pc_c" "$work/digits.gf" "$image"
  mkdir "$work/only_static"
  cp "$library/libghostflow.a" "$work/only_static"
  cxx $(pkg-config --cflags ghostflow) -I"$here/consumers" "$here/consumers/model.cpp" -o "$work/pc_static" -L"$work/only_static" \
    $(pkg-config --static --libs-only-l ghostflow) $(pkg-config --static --libs-only-other ghostflow)
  expect seven "$work/pc_static" "$work/digits.gf" "$image"
}

# what cpack makes holds the library, its headers and the tools, each in its package
quietly cpack --config "$GF_BUILD_DIR/CPackConfig.cmake" -G TGZ -B "$work/packages"
command -v dpkg-shlibdeps >"$work/log" || { echo "note: no DEB: needs dpkg-shlibdeps (Debian: dpkg-dev)"; deb=no; }
[ "${deb:-}" = no ] || quietly cpack --config "$GF_BUILD_DIR/CPackConfig.cmake" -G DEB -B "$work/packages"
# holds COMPONENT PACKAGE FILE: that archive and that DEB have it
holds() {
  tar tzf "$(find "$work/packages" -maxdepth 1 -name "ghostflow-*-$1.tar.gz")" >"$work/log" 2>&1 || fail "no archive $1"
  grep -q "$3\$" "$work/log" || fail "the archive $1 lacks $3"
  [ "${deb:-}" = no ] || {
    dpkg-deb --contents "$(find "$work/packages" -maxdepth 1 -name "$2_*.deb")" >"$work/log" 2>&1 || fail "no package $2"
    grep -q "$3\$" "$work/log" || fail "the package $2 lacks $3"
  }
}
holds runtime libghostflow0 "libghostflow.so.0.1.0"
holds dev libghostflow-dev "include/ghostflow/model.h"
holds tools ghostflow-tools "bin/gf-convert"

# compiles the library: without vector kernels, and in a folder that stays, so that it is quick the second time
sub=$GF_BUILD_DIR/package_subdirectory
quietly cmake -S "$here/consumers/subdirectory" -B "$sub" -G Ninja -DGHOSTFLOW="$GF_SOURCE_DIR" -DCMAKE_BUILD_TYPE=Release -DGF_SIMD=OFF -DGF_XNNPACK=OFF
quietly cmake --build "$sub" --parallel 2 --target model strict
expect seven "$sub/model" "$work/digits.gf" "$image"
expect 7 "$sub/strict" "$work/digits.gf" "$image"
