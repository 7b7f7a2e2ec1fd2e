#!/bin/sh
# What `npm pack` makes, installed: a Node script, types, bundles of esbuild and Vite, and pages in headless Chromium with and
# without cross-origin isolation.
set -eu
. "$(dirname "$0")/setup.sh"
build_package
here=$GF_SOURCE_DIR/tests/web
packages "$here/app"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$web" && npm pack --silent --pack-destination "$work" >/dev/null)
mkdir "$work/app"
cp -R "$here/app/." "$work/app/"
(cd "$work/app" && npm install --no-audit --no-fund --no-save --silent "$work"/ghostflow-*.tgz)
# not exec: the trap clears up
GF_APP=$work/app node --test "$here/package.test.mjs" "$here/page.test.mjs"
