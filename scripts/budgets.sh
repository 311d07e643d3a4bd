#!/usr/bin/env bash
# Instruction budgets: pure work under callgrind, whose counts no other load on the machine can change.
#
#   scripts/budgets.sh          counts, and compares with bench/budgets.toml
#   scripts/budgets.sh --show   only counts
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

BUDGETS=bench/budgets.toml
BIN=${CARGO_TARGET_DIR:-$ROOT/target}/dist/brigade-budgets
# In hundredths: what compilers and C libraries may make of the same code.
TOLERANCE=10

budget_of() { awk -v name="$1" '$1 == name && $2 == "=" { print $3 }' "$BUDGETS"; }

# counted NAME: instructions within the measured function.
counted() {
  local out
  out=$(mktemp)
  valgrind --quiet --tool=callgrind --collect-atstart=no --toggle-collect='*brigade_budgets*measured*' \
    --callgrind-out-file="$out" "$BIN" "$1" >/dev/null || die "valgrind failed on $1"
  awk '/^(summary|totals):/ { sum = $2 } END { print sum + 0 }' "$out"
  rm -f "$out"
}

need_debian valgrind valgrind
cargo build --locked --quiet --profile dist -p brigade-budgets
failed=0
while read -r name units; do
  sum=$(counted "$name")
  [ "$sum" -gt 0 ] || die "nothing was counted of $name: the measured function was not found"
  each=$((sum / units))
  budget=$(budget_of "$name")
  [ -n "$budget" ] || die "$BUDGETS has no budget for $name"
  verdict=ok
  [ "$((each * 100))" -le "$((budget * (100 + TOLERANCE)))" ] || verdict="ABOVE its budget"
  [ "$((each * 100))" -ge "$((budget * (100 - TOLERANCE)))" ] || verdict="BELOW its budget: lower it in $BUDGETS"
  printf '%-16s %8d instructions each, budget %8d  %s\n' "$name" "$each" "$budget" "$verdict"
  [ "$verdict" = ok ] || failed=1
done < <("$BIN" --list)
[ "${1:-}" = --show ] || [ "$failed" = 0 ] || die "instruction budgets are not kept"
