#!/usr/bin/env bash
# Plays the engine in simulated worlds; docs/SIMULATION.md says what that means.
#
#   scripts/sim.sh N [FROM]   N seeds, from FROM (0) on
#   scripts/sim.sh seed S     one seed, with its scenario; where it fails, the least that shows it
#   scripts/sim.sh bugs       the planted bugs, and how each is caught
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  sed -n '4,6s/^# *//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

simulate() { cargo test --quiet --test sim -- --nocapture "$@"; }

case ${1:-} in
  bugs) simulate every_planted_bug_is_caught ;;
  seed)
    [[ ${2:-} =~ ^[0-9]+$ ]] || usage
    BRIGADE_SIM_SEED=$2 simulate one_seed
    ;;
  *)
    [[ ${1:-} =~ ^[0-9]+$ && ${2:-0} =~ ^[0-9]+$ ]] || usage
    BRIGADE_SIM_SEEDS=$1 BRIGADE_SIM_FROM=${2:-0} simulate every_promise_holds_under_every_seed
    ;;
esac
