#!/bin/sh
# Runs a Windows program under Wine: wine.sh PROGRAM.exe [ARGUMENTS]. Exit status: the program's; 127 without Wine.
# A Wine folder of its own in $GF_WINE_FOLDER (default: below TMPDIR): the user's is not touched. Wine would fill it with 700 MB of
# copies; a console program wants the system's libraries alone, so those are linked where Debian's Wine lies.
set -eu
wine=$(command -v wine64 || command -v wine || true)
[ -n "$wine" ] || [ ! -x /usr/lib/wine/wine64 ] || wine=/usr/lib/wine/wine64  # Debian's wine64 without its wrapper
if [ -z "$wine" ]; then
  echo "wine.sh: Wine is not installed (Debian: wine64)" >&2
  exit 127
fi
if [ "${1:-}" = --version ]; then exec "$wine" --version; fi
export WINEPREFIX="${GF_WINE_FOLDER:-${TMPDIR:-/tmp}/ghostflow-wine-$(id -u)}"
export WINEDEBUG="${WINEDEBUG:--all}"
export LC_ALL=C.UTF-8  # file names and arguments are UTF-8
export WINEDLLOVERRIDES="${WINEDLLOVERRIDES:-mscoree,mshtml=}"  # no question whether to install .NET or a browser
if [ ! -e "$WINEPREFIX" ]; then
  for libraries in /usr/lib/*/wine/x86_64-windows /usr/lib/wine/x86_64-windows; do
    [ -e "$libraries/kernel32.dll" ] || continue
    made="$WINEPREFIX.$$"
    mkdir -p "$made/drive_c/windows/system32" "$made/dosdevices"
    ln -s "$libraries"/* "$made/drive_c/windows/system32/"
    ln -s ../drive_c "$made/dosdevices/c:"
    ln -s / "$made/dosdevices/z:"
    echo disable >"$made/.update-timestamp"
    mv -T "$made" "$WINEPREFIX" 2>/dev/null || rm -rf "$made"  # another one may have been faster
    break
  done
fi
exec "$wine" "$@"
