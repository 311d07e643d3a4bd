#!/usr/bin/env bash
# Every test of the project, with what it needs: installs and starts moto and a GCS emulator on loopback (from PyPI, into .venv/),
# then runs the Rust tests, boto3, rclone and google-cloud-storage against the embedded servers, DuckDB over a manifest, promtool over
# the metrics and the alert rules, the filters against rclone, and the status page in Chromium.
#
#   scripts/test.sh
#
# Everything is run, also after a failure. The last line counts: `total: N passed, M failed`.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT" || exit 1

# What the Rust tests have built: built alone, the same binary has its dependencies compiled once more with fewer features.
BUILT=${CARGO_TARGET_DIR:-$ROOT/target}/debug
STARTED=
LOG=$STRANGERS/test.log
PASSED=0
FAILED=0
BROKEN=0

# Only what this run started is stopped: a developer's own servers stay.
stop_strangers() { [ -z "$STARTED" ] || scripts/strangers.sh stop $STARTED; }
trap stop_strangers EXIT
trap 'exit 130' INT TERM

# step NAME COMMAND...: runs it, keeps its output in $LOG for counting, remembers a failure.
step() {
  local name=$1
  shift
  say "== $name"
  if ! "$@" 2>&1 | tee "$LOG"; then
    BROKEN=$((BROKEN + 1))
    say "== $name FAILED"
  fi
}

# count PASSED FAILED
count() {
  PASSED=$((PASSED + ${1:-0}))
  FAILED=$((FAILED + ${2:-0}))
}

# The numbers of `N passed` and `N failed` in lines that match PATTERN, summed.
count_lines() {
  local lines
  lines=$(sed 's/\x1b\[[0-9;]*m//g' "$LOG" | grep -E "$1")
  count "$(sum_of "$lines" passed)" "$(($(sum_of "$lines" failed) + $(sum_of "$lines" 'timed out')))"
}

sum_of() { printf '%s\n' "$1" | grep -oE "[0-9]+ $2" | awk '{ sum += $1 } END { print sum + 0 }'; }

rust_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    step "Rust tests" cargo nextest run --locked --workspace --no-fail-fast --color never
    count_lines '^ *Summary \['
    # nextest does not run the examples in doc comments.
    step "examples in the documentation" cargo test --locked --workspace --doc
    count_lines '^test result:'
  else
    step "Rust tests" cargo test --locked --workspace --no-fail-fast
    count_lines '^test result:'
  fi
}

# A manifest as the engine writes it, read by a program that nobody here wrote.
manifest_reader() {
  local manifest=$STRANGERS/sample.parquet
  "$BUILT/examples/sample" "$manifest" || return 1
  "$VENV/bin/python" -B tests/clients/manifest_duckdb.py "$manifest"
}

mkdir -p "$STRANGERS"
for name in moto gcp-storage-emulator; do
  scripts/strangers.sh status "$name" | grep -q running,  || STARTED="$STARTED $name"
done
scripts/strangers.sh start moto gcp-storage-emulator || exit 1
. "$STRANGERS/env"
# Servers are on loopback: no proxy of this machine may come between.
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

rust_tests
step "clients of strangers against the embedded servers" env BRIGADE_BIN="$BUILT/brigade" scripts/clients.sh
count_lines '^clients: '
step "DuckDB over a manifest" manifest_reader
count_lines '^manifest by duckdb: [0-9]+ passed'
step "rules and metrics against promtool" env BRIGADE_BIN="$BUILT/brigade" scripts/alerts.sh
count_lines '^alerts: '
step "filters against rclone" "$VENV/bin/python" -B tests/filter/compare_with_rclone.py
count_lines '^[0-9]+ passed, [0-9]+ failed'
step "the status page in a browser" env BRIGADE_BIN="$BUILT/brigade" scripts/page.sh
count_lines '^(page|trial): '

echo "total: $PASSED passed, $FAILED failed"
[ "$BROKEN" = 0 ] && [ "$FAILED" = 0 ] && [ "$PASSED" -gt 0 ]
