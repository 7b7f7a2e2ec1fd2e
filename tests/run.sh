#!/bin/sh
# Sets up, builds, tests. The last line is "N passed, N failed, N skipped". See tests/README.md or --help.
set -eu
cd "$(dirname "$0")/.."
groups="runtime tests"
setup=yes
for argument in "$@"; do
  case "$argument" in
    --web | web) groups="runtime tests web" ;;
    --all | --long) groups="runtime tests cross web" ;;
    --stage* | asan | tsan | minimal | cortex-m7 | aarch64 | x86-32 | valgrind | fuzz) groups="runtime tests cross" ;;
    --no-setup | --help | -h) setup=no ;;
  esac
done
# shellcheck disable=SC2086  # a list of words
[ "$setup" = no ] || ./toolchains/setup-debian.sh $groups
# compiled objects are shared between checkouts: paths under this one count as relative
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
exec python3 tests/support/run_tests.py "$@"
