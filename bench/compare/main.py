"""Compares Brigade with its peers on a synthetic server. `scripts/compare.sh` installs everything and calls this.

Runs are interleaved: in each round every tool runs once, and the order rotates, so that whatever disturbs the machine disturbs all.
"""

import argparse
import datetime
import os
import shlex
import sys
import tempfile

import record
import rows as table
import tools as known
from measure import measure
from server import Server
from workloads import ALL, WORKLOADS


def parse():
    parser = argparse.ArgumentParser(prog="scripts/compare.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="WORKLOAD", help="this workload; may be given more than once")
    parser.add_argument("--group", default="standard", choices=["standard", "scale", "all"], help="which workloads run without --only")
    parser.add_argument("--tools", default="", help="of these only, as brigade,rclone/best,s3sync")
    parser.add_argument("--pairs", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--out", default="", metavar="FOLDER", help="where the record goes (default bench/runs/DATE-MACHINE)")
    parser.add_argument("--machine", default="dev", help="how the record calls this machine")
    parser.add_argument("--remark", action="append", default=[], help="a sentence for the record, such as what disturbed it")
    parser.add_argument("--add", action="store_true", help="add to the record that is there, replacing the workloads that run")
    parser.add_argument("--wrap", default="", metavar="COMMAND", help="put before the tool's command, as `perf record -g -o FILE --`")
    parser.add_argument("--list", action="store_true", help="name the workloads and end")
    for name in ["server", *known.KINDS]:
        parser.add_argument(f"--{name}-bin", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def chosen_workloads(options):
    unknown = [name for name in options.only if name not in ALL]
    if unknown:
        sys.exit(f"error: there is no workload {', '.join(unknown)}; there are {', '.join(ALL)}")
    if options.only:
        return [ALL[name] for name in options.only]
    return [workload for workload in ALL.values() if options.group in ("all", workload.group)] if options.group != "standard" else WORKLOADS


def chosen_tools(options):
    """(tool, tuning) pairs for which there is a binary."""
    wanted = [word.partition("/")[::2] for word in options.tools.split(",") if word]
    found = []
    for name, kind in known.KINDS.items():
        binary = getattr(options, f"{name}_bin")
        for tuning in kind.tunings if binary else ():
            if not wanted or any(name == tool and (not only or only == tuning) for tool, only in wanted):
                found.append((kind(binary), tuning))
    if not found:
        sys.exit("error: no tool to run")
    return found


def one(options, workload, tool, tuning, pair, logs):
    """One run against a server of its own."""
    log = os.path.join(logs, f"{workload.name}-{pair}-{tool.name}-{tuning}.log")
    with tempfile.TemporaryDirectory(prefix="compare-", dir=os.environ.get("TMPDIR")) as scratch, open(log + ".server", "wb") as server_log:
        ca = os.path.join(scratch, "ca.pem")
        with Server(options.server_bin, workload, server_log, ca) as server:
            target = {"s3": server.first if workload.one_endpoint else server.second, "gcs": server.gcs}[workload.target_kind]
            ends = known.Ends(server.first, target, workload.target_kind, workload.one_endpoint, scratch)
            run = tool.run(tuning, workload, ends)
            trust = {"SSL_CERT_FILE": ca, "AWS_CA_BUNDLE": ca} if workload.tls else {}
            wrapped = known.Run(shlex.split(options.wrap) + run.argv, run.env | trust)
            load = round(os.getloadavg()[0], 2)
            cost = measure(wrapped, workload.limit_s, log)
            stats = server.stats()
            return table.row(workload, pair, tool.name, tuning, run, cost, stats, server.compare(), load)


def rounds(options, workload, tools, logs):
    able, made = [], []
    for tool, tuning in tools:
        try:
            tool.run(tuning, workload, known.Ends("", "", workload.target_kind, workload.one_endpoint, logs))
            able.append((tool, tuning))
        except known.Cannot as reason:
            made.append(table.cannot(workload, tool.name, tuning, str(reason)))
    hopeless = set()
    for pair in range(1, options.pairs + 1):
        turn = (pair - 1) % len(able)
        for tool, tuning in able[turn:] + able[:turn]:
            if (tool.name, tuning) in hopeless:
                continue
            row = one(options, workload, tool, tuning, pair, logs)
            made.append(row)
            # Who was not done in time once is not asked again.
            if row["timed_out"]:
                hopeless.add((tool.name, tuning))
            mark = "" if row["right"] and row["code"] == 0 else f"  FAILED (code {row['code']}, {row['missing']} missing, {row['different']} different)"
            print(
                f"{workload.name:17} {pair} {tool.name + '/' + tuning:19} {row['wall_s']:8.2f} s {row['cpu_s']:7.2f} CPU-s "
                f"{row['rss_mib']:7.1f} MiB {row['requests']:8} requests{mark}",
                flush=True,
            )
    order = {(tool.name, tuning): index for index, (tool, tuning) in enumerate(tools)}
    return sorted(made, key=lambda row: order[(row["tool"], row["tuning"])])


def main():
    options = parse()
    if options.list:
        for workload in ALL.values():
            print(f"{workload.name:17} {workload.group:9} {workload.title}")
        return
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    date = datetime.date.today().isoformat()
    folder = options.out or os.path.join(root, "bench", "runs", f"{date}-{options.machine}")
    logs = os.path.join(root, "target", "compare", "logs")
    os.makedirs(logs, exist_ok=True)
    workloads, tools = chosen_workloads(options), chosen_tools(options)
    made = []
    if options.add and os.path.exists(os.path.join(folder, "rows.csv")):
        again = {workload.name for workload in workloads}
        made = [row for row in table.read(os.path.join(folder, "rows.csv")) if row["workload"] not in again]
    machine = record.machine()
    facts = {
        "date": date, "name": options.machine, "remarks": options.remark, "pairs": options.pairs, "revision": record.revision(root),
        "machine": f"{machine.get('cpu', '?')}, {machine['cpus']} cores, {machine.get('memory_mib', 0) // 1024} GiB, {machine['system']}",
        "versions": {tool.name: tool.version() for tool, _ in tools},
        # Paths of this machine say nothing to a reader.
        "command": "scripts/compare.sh " + shlex.join(word for word in sys.argv[1:] if "-bin=" not in word),
    }
    for workload in workloads:
        made += rounds(options, workload, tools, logs)
        record.write(folder, made, facts)
    print(f"record: {os.path.relpath(folder)}")


if __name__ == "__main__":
    main()
