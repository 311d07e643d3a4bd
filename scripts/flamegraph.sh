#!/usr/bin/env bash
# Where Brigade's CPU time goes: records a workload of bench/compare with perf and draws flamegraphs/NAME.svg.
#
#   scripts/flamegraph.sh small-s3-s3            -> flamegraphs/small-s3-s3.svg
#   scripts/flamegraph.sh huge-s3-s3 before      -> flamegraphs/huge-s3-s3-before.svg
#   scripts/compare.sh --list                    the workloads
#
# Brigade is built with frame pointers into target/flamegraph (a whole build the first time). BRIGADE_BIN names a binary to
# take instead; it is unwound by its debugging information then, which costs perf more (CALL_GRAPH=fp: it has frame pointers).
# FREQUENCY (default 997) samples are taken a second.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

INFERNO_VERSION=0.12.8
[ $# -ge 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
workload=$1
name=$workload${2:+-$2}
work=$ROOT/target/flamegraph/work
mkdir -p "$work" "$ROOT/flamegraphs" "$STRANGERS/bin"

have perf || die "there is no perf; on Debian: apt-get install linux-perf, on Ubuntu: apt-get install linux-tools-generic"
perf record -q -o "$work/try.data" -- true >/dev/null 2>&1 || die "perf may not record here; hint: sysctl kernel.perf_event_paranoid=1"
rm -f "$work/try.data"
[ -x "$STRANGERS/bin/inferno-flamegraph" ] || need_crate inferno "$INFERNO_VERSION"

if [ -n "${BRIGADE_BIN:-}" ]; then
  brigade=$BRIGADE_BIN graph=${CALL_GRAPH:-dwarf,65528}
else
  say "building brigade with frame pointers"
  (cd "$ROOT" && RUSTFLAGS="${RUSTFLAGS:-} -C force-frame-pointers=yes" CARGO_TARGET_DIR=$ROOT/target/flamegraph cargo build --quiet --release -p brigade)
  brigade=$ROOT/target/flamegraph/release/brigade graph=fp
fi
server=${BENCH_SERVER_BIN:-}
if [ -z "$server" ]; then
  (cd "$ROOT" && cargo build --quiet --release -p brigade-bench-server --features tls)
  server=${CARGO_TARGET_DIR:-$ROOT/target}/release/bench-server
fi

PYTHONDONTWRITEBYTECODE=1 python3 "$ROOT/bench/compare/main.py" --only "$workload" --pairs 1 --out "$work/record" \
  "--server-bin=$server" "--brigade-bin=$brigade" --wrap "perf record -q -F ${FREQUENCY:-997} --call-graph $graph -o $work/perf.data --"
say "folding"
perf script --no-inline -i "$work/perf.data" 2>/dev/null | "$STRANGERS/bin/inferno-collapse-perf" >"$work/folded"
"$STRANGERS/bin/inferno-flamegraph" --title "brigade, $name: CPU time of all threads" --hash --minwidth 0.2 <"$work/folded" >"$work/$name.svg"
mv "$work/$name.svg" "$ROOT/flamegraphs/$name.svg"
rm -f "$work/perf.data"
say "flamegraphs/$name.svg"
