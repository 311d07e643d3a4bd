#!/usr/bin/env bash
# What Prometheus itself says of brigade: its own lint over a real scrape of `/metrics`, and the rules of config/prometheus against
# recorded series. promtool comes from Debian's package `prometheus`, which is unpacked into target/strangers and never installed,
# so that no server is started.
#
#   scripts/alerts.sh
#
# $BRIGADE_BIN names the binary; without it the development build is made and used. $PROMTOOL names another promtool.
# The last line sums up: `alerts: N passed, M failed`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

READY_SECONDS=30
PLACE=$STRANGERS/alerts
served_pid=
# The service is on loopback: no proxy of this machine may come between.
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
export BRIGADE_TOKEN=alerts-of-loopback-only

stop_service() {
  [ -z "$served_pid" ] || end_process "$served_pid" "serve --config $PLACE"
  served_pid=
}
trap stop_service EXIT

# Sets PROMTOOL.
need_promtool() {
  PROMTOOL=${PROMTOOL:-$(command -v promtool || true)}
  [ -z "$PROMTOOL" ] || return 0
  PROMTOOL=$STRANGERS/prometheus/usr/bin/promtool
  [ ! -x "$PROMTOOL" ] || return 0
  have apt-get || die "this is no Debian: install promtool, or name one with PROMTOOL, and run again"
  say "unpacking promtool into target/strangers"
  rm -rf "$STRANGERS/prometheus"
  mkdir -p "$STRANGERS/prometheus"
  (as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null) || say "apt-get update failed, trying with the lists at hand"
  (cd "$STRANGERS/prometheus" && apt-get -o APT::Sandbox::User=root download -qq prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb) || die "cannot get promtool"
}

# A service with jobs of every kind: one that was run, one that came to nothing, one that never ran. Sets `address`.
start_service() {
  local binary=${BRIGADE_BIN:-} line
  if [ -z "$binary" ]; then
    (cd "$ROOT" && cargo build --locked --quiet --package brigade --bin brigade)
    binary=${CARGO_TARGET_DIR:-$ROOT/target}/debug/brigade
  fi
  rm -rf "$PLACE"
  mkdir -p "$PLACE/in"
  echo a >"$PLACE/in/a"
  cat >"$PLACE/brigade.toml" <<TOML
[serve]
token = "\${BRIGADE_TOKEN}"
[stores.disk]
kind = "local"
root = "$PLACE"
[tenants.team]
stores = ["disk"]
roots = ["disk:in", "disk:out"]
[tenants.team.labels]
cost_center = "a \"b\" \\\\ c"
[jobs.run]
tenant = "team"
source = "disk:in"
target = "disk:out"
recovery_point = "1h"
[jobs.nothing]
source = "$PLACE/missing"
target = "$PLACE/nowhere"
[jobs.never]
source = "$PLACE/other"
target = "$PLACE/later"
every = "1000h"
recovery_point = "2000h"
TOML
  "$binary" serve --config "$PLACE/brigade.toml" --state-dir "$PLACE/state" --listen 127.0.0.1:0 </dev/null >"$PLACE/said" 2>"$PLACE/log" &
  served_pid=$!
  if ! line=$(await_line "$PLACE/said" "$served_pid" "$READY_SECONDS"); then
    tail -n 15 "$PLACE/log" >&2
    die "the service did not start"
  fi
  address=$(printf '%s' "$line" | sed -nE 's|.*(http://[0-9.:]+)/ .*|\1|p')
}

# scrape: runs two jobs, waits until both have ended, prints the metrics.
scrape() {
  python3 - "$address" "$READY_SECONDS" <<'PY'
import os, sys, time, urllib.request
address, deadline = sys.argv[1], time.monotonic() + float(sys.argv[2])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
token = {"authorization": "Bearer " + os.environ["BRIGADE_TOKEN"]}
for job in ("run", "nothing"):
    opener.open(urllib.request.Request(f"{address}/api/jobs/{job}/run", method="POST", headers=token), timeout=5)
while True:
    page = opener.open(f"{address}/metrics", timeout=5).read().decode()
    if 'brigade_job_runs_total{job="run",outcome="done"} 1' in page and 'brigade_job_runs_total{job="nothing",outcome="failed"} 1' in page:
        sys.exit(sys.stdout.write(page) and 0)
    if time.monotonic() > deadline:
        sys.exit("the jobs did not run in time:\n" + page)
    time.sleep(0.05)
PY
}

# claim COUNT NAME COMMAND...: COUNT things that hold together, or do not.
claim() {
  local count=$1 name=$2
  shift 2
  if "$@" >"$PLACE/verdict" 2>&1; then
    passed=$((passed + count))
  else
    failed=$((failed + count))
    say "failed: $name"
    cat "$PLACE/verdict" >&2
  fi
}

lint() { "$PROMTOOL" check metrics <"$PLACE/metrics"; }

passed=0
failed=0
RULES=$ROOT/config/prometheus
mkdir -p "$STRANGERS"
need_promtool
start_service
scrape >"$PLACE/metrics"
claim 1 "the lint of a scrape" lint
claim 1 "the form of the rules" "$PROMTOOL" check rules "$RULES/alerts.yml"
claim 1 "the example of a configuration" "$PROMTOOL" check config "$RULES/prometheus.yml"
claim "$(grep -c 'alertname:' "$RULES/alerts_test.yml")" "the rules against recorded series" "$PROMTOOL" test rules "$RULES/alerts_test.yml"
echo "alerts: $passed passed, $failed failed"
[ "$failed" = 0 ]
