#!/bin/sh
# toolchains/setup-debian.sh against a package database and an apt-get that are scripts of this test: it is silent and
# installs nothing when all is there, installs exactly what is missing, refreshes the lists only when it must, and says what
# to do where it cannot install.
set -eu
script="$GF_SOURCE_DIR/toolchains/setup-debian.sh"
fake="$TMPDIR/fake"
mkdir "$fake"
for tool in sh cat sed mktemp rm env; do ln -s "$(command -v $tool)" "$fake/$tool"; done
failures=0
check() {  # check WHAT TEXT PATTERN: the text must match the shell pattern
  # shellcheck disable=SC2254  # a pattern on purpose
  case "$2" in
    $3) ;;
    *)
      echo "$1: got '$2'"
      failures=$((failures + 1))
      ;;
  esac
}
run() {  # status and output of the script with the fake tools only
  output=$(PATH="$fake" sh "$script" "$@" 2>&1) && status=0 || status=$?
}
make() {  # make NAME: an executable of that name, its text from standard input
  cat >"$fake/$1"
  chmod +x "$fake/$1"
}

run
check "another system: status" "$status" 0
check "another system: list" "$output" "*nothing was installed*libflatbuffers-dev*libgtest-dev*C++20*"
run nonsense
check "unknown group: status" "$status" 2
check "unknown group: text" "$output" "*'nonsense'*runtime tests cross*"

# a database that knows every package but those in $TMPDIR/missing, an apt-get that installs by emptying that file
make dpkg-query <<EOF
#!/bin/sh
shift 2
for p in "\$@"; do grep -qx "\$p" "$TMPDIR/missing" || echo "installed \$p"; done
EOF
make apt-get <<EOF
#!/bin/sh
echo "\$*" >>"$TMPDIR/calls"
case "\$*" in
  *update*) rm -f "$TMPDIR/stale" ;;
  *) [ ! -e "$TMPDIR/stale" ] || exit 100
     : >"$TMPDIR/missing" ;;
esac
EOF
make id <<EOF
#!/bin/sh
echo 0
EOF
ln -s "$(command -v grep)" "$fake/grep"
: >"$TMPDIR/missing"
: >"$TMPDIR/calls"
run runtime tests cross
check "all there: status" "$status" 0
check "all there: silent" "$output" ""
check "all there: nothing called" "$(cat "$TMPDIR/calls")" ""

printf 'ninja-build\nvalgrind\n' >"$TMPDIR/missing"
run runtime tests cross
check "two missing: status" "$status" 0
check "two missing: says so" "$output" "installing: ninja-build valgrind"
check "two missing: one call" "$(cat "$TMPDIR/calls")" "install *--no-install-recommends ninja-build valgrind"
: >"$TMPDIR/calls"
run runtime tests cross
check "second time: silent" "$output$(cat "$TMPDIR/calls")" ""

echo valgrind >"$TMPDIR/missing"
run runtime tests
check "a group not asked for" "$output$(cat "$TMPDIR/calls")" ""
: >"$TMPDIR/stale"
run cross
check "stale lists: status" "$status" 0
check "stale lists: update in between" "$(tr '\n' ' ' <"$TMPDIR/calls")" "install *update *install *"

echo ninja-build >"$TMPDIR/missing"
make apt-get <<EOF
#!/bin/sh
echo "E: no network"
exit 100
EOF
run
check "no network: status" "$status" 1
check "no network: apt's words" "$output" "*E: no network*"
make id <<EOF
#!/bin/sh
echo 1000
EOF
run
check "neither root nor sudo: status" "$status" 1
check "neither root nor sudo: the command" "$output" "*apt-get install --no-install-recommends ninja-build*"
[ "$failures" -eq 0 ]
