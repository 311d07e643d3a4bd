#!/usr/bin/env bash
# The gate: what must hold before a change lands. The quick checks come first, and the first that fails ends it.
#
#   scripts/check.sh           format, house rules, dependencies, lints, documentation, scripts/budgets.sh, then scripts/test.sh
#   scripts/check.sh --quick   without the last two
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

CARGO_DENY_VERSION=0.20.2
TIDY=$ROOT/target/tidy

# On a machine that is thrown away afterwards, incremental builds cost time and space for nothing.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

# step NAME COMMAND...: ends everything when it fails; says how long it took.
step() {
  local name=$1 begun=$SECONDS
  shift
  say "== $name"
  "$@" || die "$name failed"
  say "== $name: $((SECONDS - begun)) s"
}

scripts_parse() {
  local script
  for script in scripts/*.sh .ci/run; do bash -n "$script" || return 1; done
}

# Built by the compiler alone, in seconds and before anything else; `cargo test` runs the same file again.
tidy() {
  mkdir -p target
  CARGO_MANIFEST_DIR=$ROOT rustc --edition 2024 --test tests/tidy/main.rs -o "$TIDY" || return 1
  RUST_BACKTRACE=0 "$TIDY" --quiet
}

# Licences, banned crates, sources. Advisories are left out: their database is not on crates.io.
dependencies() {
  local version
  version=$(cargo deny --version 2>/dev/null || true)
  case $version in
    "cargo-deny 0."[2-9][0-9].*) ;;
    *) need_crate cargo-deny "$CARGO_DENY_VERSION" --no-default-features ;;
  esac
  PATH=$STRANGERS/bin:$PATH cargo deny --locked check --hide-inclusion-graph bans licenses sources
}

documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps --workspace; }

step "scripts parse" scripts_parse
step "format" cargo fmt --all --check
step "house rules" tidy
step "dependencies" dependencies
step "lints" cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
step "documentation" documentation
if [ "${1:-}" = --quick ]; then
  say "quick checks passed in $SECONDS s; the tests were not run"
  exit 0
fi
step "instruction budgets" scripts/budgets.sh
step "tests" scripts/test.sh
say "the gate is open after $SECONDS s"
