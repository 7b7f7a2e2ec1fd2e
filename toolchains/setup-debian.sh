#!/bin/sh
# Installs the Debian packages that building and testing GhostFlow needs. Quiet; asks nothing; does nothing when all are
# there. Usage: setup-debian.sh [runtime] [tests] [cross] [web]   (default: runtime tests)
#   runtime  compilers, build tools, libraries of the product
#   tests    GoogleTest, benchmark library, libonnx's checker, libabigail, what packages are made and found with
#   web      Emscripten, and browsers and npm for the package's tests
#   cross    what `tests/run.sh --all` adds: clang, sanitizers, valgrind, aarch64, riscv64, 32-bit and Windows compilers, qemu, Wine
set -eu

runtime="g++ cmake ninja-build ccache git python3 libflatbuffers-dev flatbuffers-compiler libprotozero-dev libxnnpack-dev
  libpthreadpool-dev libcpuinfo-dev libhwy-dev libcli11-dev nlohmann-json3-dev libfmt-dev libstb-dev zlib1g-dev
  libsodium-dev libopenmpi-dev openmpi-bin"
tests="abigail-tools dpkg-dev file pkg-config libgtest-dev libbenchmark-dev libonnx-dev libprotobuf-dev"
# g++-multilib and g++-aarch64-linux-gnu exclude each other; the versioned packages do not.
cross="clang-14 libclang-rt-14-dev valgrind qemu-user googletest g++-12-multilib libc6-dev-i386
  g++-12-aarch64-linux-gnu libc6-dev-arm64-cross g++-12-riscv64-linux-gnu libc6-dev-riscv64-cross
  g++-mingw-w64-x86-64-posix libz-mingw-w64-dev
  gcc-arm-none-eabi libnewlib-arm-none-eabi libnewlib-dev libstdc++-arm-none-eabi-dev libstdc++-arm-none-eabi-newlib qemu-system-arm"
web="emscripten"
web_optional="chromium firefox-esr webkit2gtk-driver xvfb xauth"  # webkit2gtk-driver: for the MiniBrowser that comes along
command -v npm >/dev/null 2>&1 || web_optional="$web_optional npm"  # a Node from elsewhere brings its own, and excludes Debian's

# Large, and nothing is lost but a skipped test where it cannot be had.
cross_optional="wine64"

packages=""
optional=""
[ $# -gt 0 ] || set -- runtime tests
for group in "$@"; do
  case "$group" in
    runtime) packages="$packages $runtime" ;;
    tests) packages="$packages $tests" ;;
    cross)
      packages="$packages $cross"
      optional="$optional $cross_optional"
      ;;
    web)
      packages="$packages $web"
      optional="$optional $web_optional"
      ;;
    *)
      echo "setup-debian.sh: unknown group '$group'; there are: runtime tests cross web" >&2
      exit 2
      ;;
  esac
done
# shellcheck disable=SC2086  # word splitting is wanted: these are lists
set -- $packages $optional

if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "This is not a Debian system, so nothing was installed. Needed, under the names that Debian 12 gives them:"
  printf '  %s\n' "$@"
  echo "A C++20 compiler (g++ 12, clang 14 or newer), CMake 3.25 and Ninja are needed everywhere."
  exit 0
fi

# Asks the package database alone: answers in milliseconds, without the network.
present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || true
missing=""
wanted=""
for package in "$@"; do
  case "
$present
" in
    *"
$package
"*) ;;
    *)
      case " $optional " in
        *" $package "*) wanted="$wanted $package" ;;
        *) missing="$missing $package" ;;
      esac
      ;;
  esac
done
[ -n "$missing$wanted" ] || exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    [ -n "$missing" ] || exit 0
    echo "setup-debian.sh: packages are missing and neither root nor sudo is at hand. As root, run:" >&2
    echo "  apt-get install --no-install-recommends$missing$wanted" >&2
    exit 1
  fi
  sudo="sudo"
fi
echo "installing:$missing$wanted"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 </dev/null
}
# Package lists of a fresh machine are empty or old: refresh them only when the install fails without.
# shellcheck disable=SC2086
if [ -n "$missing" ] && ! install $missing; then
  $sudo apt-get update -q >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }
  install $missing || { cat "$log" >&2; echo "setup-debian.sh: apt-get could not install:$missing" >&2; exit 1; }
fi
# shellcheck disable=SC2086
if [ -n "$wanted" ] && ! install $wanted; then
  $sudo apt-get update -q >"$log" 2>&1 </dev/null || true
  if ! install $wanted; then  # one that cannot be had keeps no other away
    lacking=""
    for package in $wanted; do
      install "$package" || lacking="$lacking $package"
    done
    [ -z "$lacking" ] || echo "setup-debian.sh: could not be installed, so tests that want it are skipped:$lacking"
  fi
fi
