#!/bin/sh
# The demo (examples/browser): each part, with and without cross-origin isolation, in headless Chromium, Firefox and WebKitGTK.
set -eu
. "$(dirname "$0")/setup.sh"
command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || skip "chromium is not installed"
build_package
tests=$GF_SOURCE_DIR/examples/browser/test
packages "$tests"
[ -d "${GF_TEST_DATA:-$GF_SOURCE_DIR/../shared/data}/mnist" ] || echo "note: most of it was left out: no ../shared/data"
node --test "$tests/page.test.mjs"
node --test "$tests/browsers.test.mjs"  # one after the other: both keep every processor busy
