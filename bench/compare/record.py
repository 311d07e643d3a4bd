"""A record on disk: what ran where, the raw rows, a summary for people, charts. Losses are marked, never left out."""

import json
import os
import platform
import subprocess

import charts
import rows as table
from workloads import ALL, GIB

# The goals of Brigade itself: workload, field, the most that it may be, and in what unit.
GOALS = [
    ("small-s3-s3", "cpu_s", 0.5, 1, "CPU-s"),
    ("small-s3-s3", "rss_mib", 64, 1, "MiB"),
    ("small-s3-gcs", "cpu_s", 0.6, 1, "CPU-s"),
    ("huge-s3-s3", "cpu_s", 0.32, 4, "CPU-s a GiB"),
    ("huge-s3-s3", "rss_mib", 128, 1, "MiB"),
    ("huge-tls", "cpu_s", 0.5, 4, "CPU-s a GiB"),
    ("unchanged", "cpu_s", 2.0, 1, "CPU-s"),
    ("unchanged", "rss_mib", 64, 1, "MiB"),
]
RATE_GOALS = [("small-s3-s3", 12_000)]


def machine():
    facts = {"system": platform.platform(), "cpus": os.cpu_count()}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            facts["cpu"] = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "?")
        with open("/proc/meminfo", encoding="utf-8") as file:
            facts["memory_mib"] = int(file.readline().split()[1]) // 1024
    except OSError:
        pass
    return facts


def revision(root):
    done = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "?"


def write(folder, rows, facts):
    os.makedirs(folder, exist_ok=True)
    table.write(os.path.join(folder, "rows.csv"), rows)
    with open(os.path.join(folder, "facts.json"), "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=2)
        file.write("\n")
    found = table.summaries(rows)
    for workload, tools in found.items():
        for field, unit in (("wall_s", "seconds"), ("cpu_s", "CPU seconds of the client"), ("rss_mib", "MiB at the peak")):
            chart = charts.bars(ALL[workload].title, unit, [bar(who, summary, field) for who, summary in tools.items()])
            with open(os.path.join(folder, f"{workload}-{field.split('_')[0]}.svg"), "w", encoding="utf-8") as file:
                file.write(chart)
    scale(folder, found)
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
        file.write(text(found, facts))


def scale(folder, found):
    """How cost grows with the number of keys, where all of these workloads ran."""
    sizes = [(power, found.get(f"keys-1e{power}", {}).get(("brigade", "default"))) for power in (4, 5, 6, 7)]
    sizes = [(power, summary) for power, summary in sizes if summary and summary.good]
    if len(sizes) < 2:
        return
    for field, unit in (("cpu_s", "CPU seconds"), ("rss_mib", "MiB at the peak")):
        points = [(f"10^{power} keys", summary.median(field)) for power, summary in sizes]
        with open(os.path.join(folder, f"scale-{field.split('_')[0]}.svg"), "w", encoding="utf-8") as file:
            file.write(charts.lines("brigade, nothing changed", unit, points))


def bar(who, summary, field):
    label = name(who)
    if summary.cannot:
        return label, None, f"cannot: {summary.cannot}"
    if not summary.good:
        return label, None, why_failed(summary)
    return label, summary.median(field), f"({summary.failed} failed)" if summary.failed else ""


def name(who):
    return who[0] if who[0] == "brigade" else f"{who[0]}, {who[1]}"


def why_failed(summary):
    row = summary.rows[0]
    if str(row["timed_out"]) == "1":
        return f"not done after {float(row['wall_s']):.0f} s"
    if str(row["right"]) != "1":
        return f"ended with code {row['code']}, target wrong: {row['missing']} missing, {row['different']} different"
    return f"ended with code {row['code']}"


def text(found, facts):
    out = [f"# {facts['date']}, {facts['name']}", ""]
    out += facts["remarks"] + [""] if facts["remarks"] else []
    out += [
        "Every tool ran alone, one after the other, in rounds; a figure is the median of its runs that ended right, and `min..max` are theirs.",
        "CPU and memory are those of the client process and its children. The server has the same cores: its own CPU is in `rows.csv`.",
        "After each run the server compared source and target by the CRC-32C that it had computed of every body; a run whose target was wrong is a failure.",
        "",
        f"- Machine: {facts['machine']}",
        f"- Versions: {'; '.join(facts['versions'].values())}",
        f"- Brigade at {facts['revision']}; rounds: {facts['pairs']}; command: `{facts['command']}`",
        "",
    ]
    out += goals(found)
    for workload, tools in found.items():
        out += section(workload, tools)
    return "\n".join(out) + "\n"


def goals(found):
    lines = []
    for workload, field, most, units, unit in GOALS:
        summary = found.get(workload, {}).get(("brigade", "default"))
        if summary and summary.good:
            value = summary.median(field) / units
            verdict = "holds" if value <= most else f"**missed**, {value / most:.2f} times the goal"
            lines.append(f"| {ALL[workload].title} | at most {most:g} {unit} | {value:.3g} {unit} | {verdict} |")
    for workload, least in RATE_GOALS:
        summary = found.get(workload, {}).get(("brigade", "default"))
        if summary and summary.good:
            value = ALL[workload].written / summary.median("wall_s")
            verdict = "holds" if value >= least else f"**missed**, {value / least:.2f} times the goal"
            lines.append(f"| {ALL[workload].title} | at least {least:,} objects/s | {value:,.0f} objects/s | {verdict} |")
    return ["## Goals", "", "| work | goal | measured | |", "| --- | --- | --- | --- |", *lines, ""] if lines else []


def section(name_of_workload, tools):
    workload = ALL[name_of_workload]
    out = [f"## {workload.title}", "", "| tool | wall s | CPU s | min..max | MiB | requests | refused | rate | CPU to Brigade |"]
    out.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    own = tools.get(("brigade", "default"))
    for who, summary in tools.items():
        if summary.cannot or not summary.good:
            out.append(f"| {name(who)} | {'cannot: ' + summary.cannot if summary.cannot else why_failed(summary)} | | | | | | | |")
            continue
        cpu, wall = summary.median("cpu_s"), summary.median("wall_s")
        low, high = summary.spread("cpu_s")
        ratio = cpu / own.median("cpu_s") if own and own.good else None
        shown = "" if ratio is None or who[0] == "brigade" else f"{ratio:.1f}x" + (" **loss**" if ratio < 1 else "")
        slower = own and own.good and who[0] != "brigade" and wall < own.median("wall_s")
        failed = f" ({summary.failed} of {len(summary.rows)} failed)" if summary.failed else ""
        refused = summary.median("refused_writes") + summary.median("refused_reads")
        out.append(
            f"| {name(who)}{failed} | {wall:.2f}{' **faster**' if slower else ''} | {cpu:.2f} | {low:.2f}..{high:.2f} | {summary.median('rss_mib'):.0f} "
            f"| {summary.median('requests'):,.0f} | {refused:,.0f} | {rate(workload, summary)} | {shown} |"
        )
    out += [""] + late(tools) + [f"![CPU]({name_of_workload}-cpu.svg) ![time]({name_of_workload}-wall.svg)", ""]
    return out


def rate(workload, summary):
    wall = summary.median("wall_s")
    if workload.bytes >= GIB:
        return f"{workload.bytes / wall / (1 << 20):,.0f} MiB/s"
    count = workload.written if workload.moves and workload.name != "changed" else workload.objects
    return f"{count / wall:,.0f} {'objects' if workload.moves and workload.name != 'changed' else 'keys'}/s"


def late(tools):
    """What a throttled client did once it could know the rate."""
    lines = []
    for who, summary in tools.items():
        share, accepted = summary.median("refused_late_share") if summary.good else None, summary.median("accepted_per_s") if summary.good else None
        refused = summary.median("refused_writes") if summary.good else None
        if share is not None and refused:
            lines.append(f"- {name(who)}: {accepted:,.0f} writes/s accepted and {share:.1%} of its writes refused, after the first ten seconds")
    return lines + [""] if lines else []
