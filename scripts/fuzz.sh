#!/usr/bin/env bash
# Runs every fuzz target of fuzz/, one after the other.
#
#   scripts/fuzz.sh [SECONDS]    each for so many seconds; 60 where nothing is said
#
# Everything is run, also after a finding. The last line counts: `N passed, M failed`. An input that failed stands in
# fuzz/artifacts/TARGET/ and runs again with: cargo fuzz run TARGET FILE. What was learnt is kept in fuzz/corpus/ (not committed);
# fuzz/seeds/ is where it begins.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT" || exit 1

CARGO_FUZZ_VERSION=0.13.2

# Longest input in bytes: a page of a few objects. Longer ones cost speed and find nothing new.
INPUT_BYTES_MAX=2048
# Longest run of one input in seconds, with the address sanitizer on a busy machine: slower is a finding.
INPUT_SECONDS_MAX=25
# Most memory of one target in MiB: more is a finding.
MEMORY_MIB_MAX=2048

seconds=${1:-60}
case $seconds in
  "" | *[!0-9]* | 0) die "usage: scripts/fuzz.sh [SECONDS]" ;;
esac

need_debian c++ g++
if ! cargo fuzz --version >/dev/null 2>&1; then
  need_crate cargo-fuzz "$CARGO_FUZZ_VERSION"
  export PATH=$STRANGERS/bin:$PATH
fi

# The instrumentation and the sanitizer are unstable options of the compiler; with this the pinned stable one takes them,
# and no second toolchain is needed.
export RUSTC_BOOTSTRAP=1

say "building the targets (the first time takes some minutes)"
cargo fuzz build || die "the fuzz targets do not build"

passed=0
failed=0
for target in $(cargo fuzz list); do
  say "== $target: $seconds s"
  mkdir -p "fuzz/corpus/$target"
  if cargo fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -max_len="$INPUT_BYTES_MAX" -timeout="$INPUT_SECONDS_MAX" -rss_limit_mb="$MEMORY_MIB_MAX" \
    -verbosity=0 -print_final_stats=1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    say "== $target FAILED"
  fi
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
