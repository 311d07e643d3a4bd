# Shared by the scripts of this folder; sourced, never run.
# Every wait here has a deadline and ends at once when what it waits for has died.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
STRANGERS=$ROOT/target/strangers

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: runs it as root, through sudo where that needs no password.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo && sudo -n true 2>/dev/null; then sudo "$@"
  else die "this needs root: $*"
  fi
}

# install_debian PACKAGE...
install_debian() {
  have apt-get || die "this is no Debian: install $* and run again"
  say "installing $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null || say "apt-get update failed, trying with the lists at hand"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null || die "cannot install $*"
}

# need_debian COMMAND PACKAGE: installs PACKAGE when there is no COMMAND.
need_debian() { have "$1" || install_debian "$2"; }

# need_venv: .venv/ with what scripts/requirements.txt names. Does nothing when that is already there.
need_venv() {
  local wanted=$ROOT/scripts/requirements.txt stamp=$VENV/.installed
  cmp -s "$wanted" "$stamp" 2>/dev/null && "$VENV/bin/python" -c '' 2>/dev/null && return 0
  need_debian python3 python3
  if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$VENV"
    if ! python3 -m venv "$VENV" >/dev/null 2>&1; then
      install_debian python3-venv
      rm -rf "$VENV"
      python3 -m venv "$VENV" || die "python3 cannot make a virtual environment"
    fi
  fi
  say "installing the Python servers and clients into .venv"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 -r "$wanted" || die "pip could not install scripts/requirements.txt"
  cp "$wanted" "$stamp"
}

# need_crate CRATE VERSION ARGUMENT...: builds a binary of crates.io into target/strangers/bin, once.
need_crate() {
  local crate=$1 version=$2 stamp=$STRANGERS/bin/.$1-$2
  shift 2
  [ -x "$STRANGERS/bin/$crate" ] && [ -e "$stamp" ] && return 0
  say "building $crate $version (once; this takes some minutes)"
  # A target directory of its own, removed afterwards: the project's is not disturbed and no space is kept.
  CARGO_TARGET_DIR=$STRANGERS/build cargo install --quiet --root "$STRANGERS" --force --locked --version "$version" "$@" "$crate" >&2 || die "cannot build $crate $version"
  rm -rf "$STRANGERS/build"
  touch "$stamp"
}

# free_ports N: N distinct ports of loopback that nobody listens on. The window until they are used is small but
# there; start_stranger tries again with other ports when a server dies at once.
free_ports() {
  python3 - "$1" <<'PY'
import socket, sys
held = []
for _ in range(int(sys.argv[1])):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    held.append(s)
print(" ".join(str(s.getsockname()[1]) for s in held))
PY
}

# await_http URL PID SECONDS: until URL gives any HTTP answer. Fails when PID is gone or the time is over.
await_http() {
  python3 - "$@" <<'PY'
import os, sys, time, urllib.error, urllib.request
url, pid, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
deadline = time.monotonic() + seconds
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
while True:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                raise ProcessLookupError
    except (ProcessLookupError, FileNotFoundError):
        sys.exit("it ended before it answered")
    try:
        opener.open(url, timeout=2)
        sys.exit(0)
    except urllib.error.HTTPError:
        sys.exit(0)
    except OSError as error:
        last = error
    if time.monotonic() > deadline:
        sys.exit(f"no answer from {url} in {seconds:.0f} s: {last}")
    time.sleep(0.05)
PY
}

# await_line FILE PID SECONDS: until FILE holds a whole line; prints it. Fails when PID is gone or the time is over.
await_line() {
  local file=$1 pid=$2 turns=$(($3 * 20))
  while ! [ "$(head -n 1 "$file" 2>/dev/null | wc -l)" = 1 ]; do
    turns=$((turns - 1))
    [ "$turns" -gt 0 ] || { say "no line in $file within $3 s"; return 1; }
    [ -n "$({ tr -d '\0' <"/proc/$pid/cmdline"; } 2>/dev/null)" ] || { say "it ended before it printed a line"; return 1; }
    sleep 0.05
  done
  head -n 1 "$file"
}

# is_ours PID MARK: is PID alive and does its command line hold MARK? Guards against a number that was given out again.
is_ours() {
  [ -n "${1:-}" ] && [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$2"
}

# end_process PID MARK: asks it to end, waits at most 10 seconds, then insists.
end_process() {
  local pid=$1 mark=$2 turns=0
  is_ours "$pid" "$mark" || return 0
  kill "$pid" 2>/dev/null
  while is_ours "$pid" "$mark"; do
    turns=$((turns + 1))
    [ "$turns" -lt 100 ] || { kill -9 "$pid" 2>/dev/null; break; }
    sleep 0.1
  done
}
