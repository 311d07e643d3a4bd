"""The rows of a record: one for each run, raw, in the order in which they were made."""

import csv
import statistics
from collections import defaultdict

OPERATIONS = ("list", "head", "get", "put", "create", "part", "complete", "abort", "copy", "part_copy", "delete", "delete_batch", "other")
FIELDS = (
    ["workload", "pair", "tool", "tuning", "wall_s", "user_s", "system_s", "cpu_s", "rss_mib", "code", "timed_out", "right"]
    + ["equal", "different", "missing", "extra", "requests", *OPERATIONS, "refused_reads", "refused_writes", "refused_late_share"]
    + ["accepted_per_s", "received_bytes", "sent_bytes", "connections", "server_cpu_s", "load_before", "cannot", "command"]
)
# Seconds after which a client should know a server's rate.
LEARNED_S = 10


def row(workload, pair, tool, tuning, run, cost, stats, comparison, load):
    operations = stats["operations"]
    # Right means: the server itself says that the target holds exactly what the source holds.
    right = comparison["different"] == 0 and comparison["missing"] == 0 and comparison["equal"] == workload.objects
    return {
        "workload": workload.name, "pair": pair, "tool": tool, "tuning": tuning,
        "wall_s": round(cost.wall_s, 3), "user_s": round(cost.user_s, 3), "system_s": round(cost.system_s, 3),
        "cpu_s": round(cost.user_s + cost.system_s, 3), "rss_mib": round(cost.rss_kib / 1024, 1), "code": cost.code,
        "timed_out": int(cost.timed_out), "right": int(right),
        **{name: comparison[name] for name in ("equal", "different", "missing", "extra")},
        "requests": stats["requests"], **{name: operations[name] for name in OPERATIONS},
        "refused_reads": stats["refused"]["reads"], "refused_writes": stats["refused"]["writes"], **late(stats["writes_by_second"]),
        "received_bytes": stats["received_bytes"], "sent_bytes": stats["sent_bytes"], "connections": stats["connections"]["open_max"],
        "server_cpu_s": round(stats["cpu_seconds"], 3), "load_before": load, "cannot": "", "command": command(tool, run),
    }


def command(tool, run):
    """Without the places of this machine."""
    words = [tool, *run.argv[1:]]
    return " ".join(word.replace(run.env["HOME"], "$SCRATCH") for word in words)


def late(history):
    """After a client had time to learn the rate: which share of its writes was refused, and how many a second were accepted."""
    accepted, refused = history["accepted"], history["refused"]
    active = [index for index, count in enumerate(accepted) if count]
    if not active or active[-1] - active[0] <= LEARNED_S + 1:
        return {"refused_late_share": "", "accepted_per_s": ""}
    # The last second is a part of one.
    window = slice(active[0] + LEARNED_S, active[-1])
    good, bad = sum(accepted[window]), sum(refused[window])
    return {"refused_late_share": round(bad / max(1, good + bad), 4), "accepted_per_s": round(good / max(1, len(accepted[window])), 1)}


def cannot(workload, tool, tuning, reason):
    return dict.fromkeys(FIELDS, "") | {"workload": workload.name, "tool": tool, "tuning": tuning, "cannot": reason}


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, restval="")
        writer.writeheader()
        writer.writerows(rows)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Summary:
    """The runs of one tool at one tuning on one workload. Failures count: a median is of all runs that ended right."""

    def __init__(self, rows):
        self.rows = rows
        self.good = [row for row in rows if row["right"] in (1, "1") and str(row["code"]) == "0"]
        self.cannot = rows[0]["cannot"]

    @property
    def failed(self):
        return len(self.rows) - len(self.good)

    def median(self, field):
        values = [float(row[field]) for row in self.good if row[field] != ""]
        return statistics.median(values) if values else None

    def spread(self, field):
        values = [float(row[field]) for row in self.good]
        return (min(values), max(values)) if values else None


def summaries(rows):
    """By workload, then by (tool, tuning), in the order of the rows."""
    found = defaultdict(lambda: defaultdict(list))
    for one in rows:
        found[one["workload"]][(one["tool"], one["tuning"])].append(one)
    return {workload: {who: Summary(runs) for who, runs in tools.items()} for workload, tools in found.items()}
