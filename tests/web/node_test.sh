#!/bin/sh
# The npm package under Node: web/test. Arguments: names of test files (default: all).
set -eu
. "$(dirname "$0")/setup.sh"
build_package
cd "$web"
if [ $# -eq 0 ]; then set -- test/*.test.mjs; fi
exec node --expose-gc --test "$@"
