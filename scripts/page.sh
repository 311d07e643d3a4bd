#!/usr/bin/env bash
# The status page in a real browser, without a window: Debian's Chromium, driven by playwright from PyPI.
#
#   scripts/page.sh                 tests it against the real service; the last line sums up: `page: N passed, M failed`
#   scripts/page.sh --screenshots   takes the pictures of docs/screenshots anew
#   scripts/page.sh --trial         the five minutes of docs/FIVE_MINUTES.md, by the clock; writes the transcript anew
#
# $BRIGADE_BIN names the binary; without it the development build is made and used.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }

# Text needs fonts: one for the page, and one that has the letters of other writings, which keys may hold.
need_fonts() {
  local wanted=()
  fc-list 2>/dev/null | grep -q 'Inter' || wanted+=(fonts-inter)
  fc-list 2>/dev/null | grep -q 'DejaVuSansMono' || wanted+=(fonts-dejavu-core)
  [ ${#wanted[@]} = 0 ] || install_debian "${wanted[@]}"
}

cd "$ROOT"
[ $# -le 1 ] || usage
case ${1:-} in
  "") script=page.py ;;
  --screenshots) script=screenshots.py ;;
  --trial) script=trial.py ;;
  *) usage ;;
esac

need_debian chromium chromium
need_fonts
if [ "$script" = screenshots.py ]; then
  need_debian pngquant pngquant
  need_debian faketime faketime
fi
need_venv
binary=${BRIGADE_BIN:-}
if [ -z "$binary" ]; then
  cargo build --locked --quiet --package brigade --bin brigade
  binary=${CARGO_TARGET_DIR:-$ROOT/target}/debug/brigade
fi
# Everything is on loopback: no proxy of this machine may come between.
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
"$VENV/bin/python" -B "tests/page/$script" --brigade "$binary"
