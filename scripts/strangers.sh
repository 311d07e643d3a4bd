#!/usr/bin/env bash
# Servers that nobody here wrote, for the conformance suite.
#
#   scripts/strangers.sh install [NAME...]   what is not there yet; does nothing the second time
#   scripts/strangers.sh start   [NAME...]   on loopback, on free ports; waits until each answers
#   scripts/strangers.sh status  [NAME...]
#   scripts/strangers.sh stop    [NAME...]   and removes their data
#
# NAME: moto, gcp-storage-emulator (both from PyPI, in seconds), garage, s3s-fs (from crates.io, in minutes).
# Without NAME: moto and gcp-storage-emulator to install and start, all to stop and to show.
# After `start`, target/strangers/env holds BRIGADE_TEST_* and RCLONE for a shell to source.
#
# The keys in here open nothing but servers on loopback that hold test data.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ALL="moto gcp-storage-emulator garage s3s-fs"
QUICK="moto gcp-storage-emulator"
GARAGE_VERSION=2.5.0
S3S_FS_VERSION=0.14.1
READY_SECONDS=60
STARTS_MAX=3
REGION=us-east-1
GARAGE_KEY=GK0123456789abcdef01234567
GARAGE_SECRET=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }

install_one() {
  case $1 in
    moto | gcp-storage-emulator) need_venv ;;
    garage) need_cc; need_crate garage "$GARAGE_VERSION" --no-default-features --features lmdb,bundled-libs ;;
    s3s-fs) need_crate s3s-fs "$S3S_FS_VERSION" --features binary ;;
  esac
}

# garage compiles lmdb and sqlite from C.
need_cc() { have cc || install_debian gcc libc6-dev; }

# launch NAME PORT PORT2 PORT3: starts it in the background; the process id goes to NAME.pid.
# Each command line names the data folder, so that is_ours can tell it from a stranger with the same number.
launch() {
  local name=$1 port=$2 data=$STRANGERS/$1.data
  rm -rf "$data"
  mkdir -p "$data"
  case $name in
    moto) spawn "$name" "$VENV/bin/python" "$VENV/bin/moto_server" -H 127.0.0.1 -p "$port" ;;
    gcp-storage-emulator)
      spawn "$name" "$VENV/bin/python" "$VENV/bin/gcp-storage-emulator" --data-dir "$data" start --host 127.0.0.1 --port "$port" --in-memory --quiet ;;
    s3s-fs) spawn "$name" "$STRANGERS/bin/s3s-fs" --host 127.0.0.1 --port "$port" --access-key strangers --secret-key strangers-secret "$data" ;;
    garage)
      garage_config "$data" "$port" "$3" "$4" >"$data/garage.toml"
      GARAGE_DEFAULT_ACCESS_KEY=$GARAGE_KEY GARAGE_DEFAULT_SECRET_KEY=$GARAGE_SECRET GARAGE_DEFAULT_BUCKET=strangers \
        spawn "$name" "$STRANGERS/bin/garage" -c "$data/garage.toml" server --single-node --default-bucket ;;
  esac
}

# spawn NAME COMMAND...: in a session of its own, so that Ctrl-C in this terminal does not reach it.
spawn() {
  local name=$1
  shift
  setsid "$@" </dev/null >"$STRANGERS/$name.log" 2>&1 &
  echo $! >"$STRANGERS/$name.pid"
}

garage_config() {
  cat <<TOML
metadata_dir = "$1/meta"
data_dir = "$1/data"
db_engine = "lmdb"
replication_factor = 1
metadata_fsync = false
data_fsync = false
rpc_bind_addr = "127.0.0.1:$3"
rpc_public_addr = "127.0.0.1:$3"
rpc_secret = "$GARAGE_SECRET"

[s3_api]
s3_region = "$REGION"
api_bind_addr = "127.0.0.1:$2"

[admin]
api_bind_addr = "127.0.0.1:$4"
TOML
}

# What the command line of a running NAME holds.
mark_of() {
  case $1 in
    moto) echo "moto_server -H 127.0.0.1" ;;
    *) echo "$STRANGERS/$1.data" ;;
  esac
}

# variables NAME URL: lines for target/strangers/env.
variables() {
  case $1 in
    moto) printf 'BRIGADE_TEST_MOTO=%s\n' "$2" ;;
    gcp-storage-emulator) printf 'BRIGADE_TEST_GCP_EMULATOR=%s\n' "$2" ;;
    garage)
      printf 'BRIGADE_TEST_GARAGE=%s\nBRIGADE_TEST_GARAGE_ACCESS_KEY=%s\nBRIGADE_TEST_GARAGE_SECRET_KEY=%s\nBRIGADE_TEST_GARAGE_REGION=%s\n' \
        "$2" "$GARAGE_KEY" "$GARAGE_SECRET" "$REGION" ;;
    s3s-fs)
      printf 'BRIGADE_TEST_S3SFS=%s\nBRIGADE_TEST_S3SFS_ACCESS_KEY=strangers\nBRIGADE_TEST_S3SFS_SECRET_KEY=strangers-secret\n' "$2" ;;
  esac
}

pid_of() { cat "$STRANGERS/$1.pid" 2>/dev/null || true; }
running() { is_ours "$(pid_of "$1")" "$(mark_of "$1")"; }

# A probe that is cheap and answered without credentials (an error answer is an answer).
probe_of() {
  case $1 in
    moto) echo "$2/moto-api/data.json" ;;
    *) echo "$2/" ;;
  esac
}

start_one() {
  local name=$1 turn ports port2 port3 port
  if running "$name"; then return 0; fi
  for turn in $(seq "$STARTS_MAX"); do
    read -r port port2 port3 <<<"$(free_ports 3)"
    launch "$name" "$port" "$port2" "$port3"
    if await_http "$(probe_of "$name" "http://127.0.0.1:$port")" "$(pid_of "$name")" "$READY_SECONDS"; then
      variables "$name" "http://127.0.0.1:$port" >"$STRANGERS/$name.env"
      say "$name answers on http://127.0.0.1:$port"
      return 0
    fi
    say "start $turn of $name failed; the end of $STRANGERS/$name.log:"
    tail -n 15 "$STRANGERS/$name.log" >&2
    stop_one "$name"
  done
  die "$name does not start"
}

stop_one() {
  end_process "$(pid_of "$1")" "$(mark_of "$1")"
  rm -rf "$STRANGERS/$1.pid" "$STRANGERS/$1.env" "$STRANGERS/$1.data"
}

status_one() {
  if running "$1"; then
    printf '%-22s running, process %s, %s\n' "$1" "$(pid_of "$1")" "$(sed -n '1s/^[^=]*=//p' "$STRANGERS/$1.env")"
  else
    printf '%-22s not running\n' "$1"
  fi
}

# One file out of the parts of all that run, replaced as a whole: whoever sources it never sees half of it.
write_env() {
  local name
  {
    for name in $ALL; do
      if [ -e "$STRANGERS/$name.env" ] && running "$name"; then cat "$STRANGERS/$name.env"; fi
    done
    if [ -x "$VENV/bin/rclone" ]; then printf 'RCLONE=%q\n' "$VENV/bin/rclone"; fi
  } | sed 's/^/export /' >"$STRANGERS/env.new"
  mv "$STRANGERS/env.new" "$STRANGERS/env"
}

[ $# -gt 0 ] || usage
command=$1
shift
for name in "$@"; do
  case " $ALL " in *" $name "*) ;; *) say "error: no such server: $name (there are: $ALL)"; exit 2 ;; esac
done
mkdir -p "$STRANGERS/bin"
case $command in
  install) for name in ${*:-$QUICK}; do install_one "$name"; done ;;
  start)
    for name in ${*:-$QUICK}; do install_one "$name"; done
    for name in ${*:-$QUICK}; do start_one "$name"; done
    write_env
    ;;
  stop)
    for name in ${*:-$ALL}; do stop_one "$name"; done
    write_env
    ;;
  status) for name in ${*:-$ALL}; do status_one "$name"; done ;;
  *) usage ;;
esac
