#!/usr/bin/env bash
# Clients that nobody here wrote, against the embedded servers: boto3, google-cloud-storage, rclone.
#
#   scripts/clients.sh               against `brigade lab`
#   scripts/clients.sh --strangers   against moto and gcp-storage-emulator: shows that the checks themselves are right
#
# $BRIGADE_BIN names the binary; without it the development build is made and used.
# The last line sums up: `clients: N passed, M failed`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

READY_SECONDS=30
LAB=$STRANGERS/lab
LOG=$STRANGERS/clients.log
lab_pid=
# The servers are on loopback: no proxy of this machine may come between.
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

stop_lab() {
  [ -z "$lab_pid" ] || end_process "$lab_pid" "lab --json"
  lab_pid=
}
trap stop_lab EXIT

# Starts `brigade lab --json` and waits for its one line; sets s3, gcs, access_key and secret_key.
start_lab() {
  local binary=${BRIGADE_BIN:-}
  if [ -z "$binary" ]; then
    (cd "$ROOT" && cargo build --locked --quiet --package brigade --bin brigade)
    binary=${CARGO_TARGET_DIR:-$ROOT/target}/debug/brigade
  fi
  rm -f "$LAB.json"
  "$binary" lab --json </dev/null >"$LAB.json" 2>"$LAB.log" &
  lab_pid=$!
  local line
  if ! line=$(await_line "$LAB.json" "$lab_pid" "$READY_SECONDS"); then
    tail -n 15 "$LAB.log" >&2
    die "the embedded servers did not start"
  fi
  s3=$(field "$line" s3) gcs=$(field "$line" gcs) access_key=$(field "$line" access_key) secret_key=$(field "$line" secret_key)
}

# field JSON NAME
field() { "$VENV/bin/python" -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$1" "$2"; }

# run_client SCRIPT ARGUMENT...: a failed check does not stop the others.
run_client() {
  local script=$1
  shift
  if ! "$VENV/bin/python" -B "$ROOT/tests/clients/$script" "$@" 2>&1 | tee -a "$LOG"; then failed=1; fi
}

mkdir -p "$STRANGERS"
need_venv
: >"$LOG"
failed=0
if [ "${1:-}" = --strangers ]; then
  "$ROOT/scripts/strangers.sh" start moto gcp-storage-emulator
  . "$STRANGERS/env"
  run_client s3_boto3.py --server moto --endpoint "$BRIGADE_TEST_MOTO"
  run_client gcs_google_cloud_storage.py --server gcp-storage-emulator --endpoint "$BRIGADE_TEST_GCP_EMULATOR"
  run_client rclone.py --server moto --rclone "$RCLONE" --s3 "$BRIGADE_TEST_MOTO"
  run_client rclone.py --server gcp-storage-emulator --rclone "$RCLONE" --gcs "$BRIGADE_TEST_GCP_EMULATOR"
  wanted=4
elif [ $# -eq 0 ]; then
  start_lab
  run_client s3_boto3.py --endpoint "$s3" --access-key "$access_key" --secret-key "$secret_key"
  run_client gcs_google_cloud_storage.py --endpoint "$gcs"
  run_client rclone.py --rclone "$VENV/bin/rclone" --s3 "$s3" --gcs "$gcs" --access-key "$access_key" --secret-key "$secret_key"
  wanted=4
else
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
  exit 2
fi

# Every suite must have come to its closing line: a script that died early is no success.
closings=$(grep -cE '^[a-z0-9 -]+: [0-9]+ passed, [0-9]+ failed' "$LOG" || true)
[ "$closings" = "$wanted" ] || { say "only $closings of $wanted suites came to their end"; failed=1; }
sed -nE 's/^[a-z0-9 -]+: ([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$LOG" \
  | awk '{ passed += $1; failed += $2 } END { printf "clients: %d passed, %d failed\n", passed, failed }'
exit "$failed"
