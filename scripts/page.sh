#!/usr/bin/env bash
# The status page in a real browser, without a window: Debian's Chromium, driven by playwright from PyPI.
#
#   scripts/page.sh                 tests it against the real service, and that the commands of docs/FIVE_MINUTES.md still do what
#                                   stands there; the last lines sum up: `page: N passed, M failed` and `trial: N passed, M failed`
#   scripts/page.sh --screenshots   takes the pictures of docs/screenshots anew
#   scripts/page.sh --trial         those five minutes by the clock, on the ports of the README; writes the transcript anew
#
# $BRIGADE_BIN names the binary; without it the development build is made and used.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }

# Text needs fonts: one for the page, and one that has the letters of other writings, which keys may hold.
need_fonts() {
  local wanted=() fonts
  fonts=$(fc-list 2>/dev/null || true)
  [[ $fonts == *Inter* ]] || wanted+=(fonts-inter)
  [[ $fonts == *DejaVuSansMono* ]] || wanted+=(fonts-dejavu-core)
  [ ${#wanted[@]} = 0 ] || install_debian "${wanted[@]}"
}

# run SCRIPT ARGUMENT...
run() {
  local script=$1
  shift
  "$VENV/bin/python" -B "tests/page/$script" --brigade "$binary" "$@"
}

# The trial waits for whole minutes most of its time, so it runs beside the tests.
check() {
  local log=$STRANGERS/trial.log failed=0 trial
  mkdir -p "$STRANGERS"
  run trial.py --check >"$log" 2>&1 &
  trial=$!
  run page.py || failed=1
  wait "$trial" || { echo "trial: 0 passed, 1 failed" >>"$log"; failed=1; }
  cat "$log"
  return "$failed"
}

cd "$ROOT"
[ $# -le 1 ] || usage
case ${1:-} in
  "") action=check ;;
  --screenshots) action="run screenshots.py" ;;
  --trial) action="run trial.py" ;;
  *) usage ;;
esac

need_debian chromium chromium
need_fonts
if [ "${1:-}" = --screenshots ]; then
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
$action
