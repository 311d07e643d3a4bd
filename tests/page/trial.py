"""The first five minutes of somebody new, by the clock: what README.md says, typed at a person's pace, with a browser open.

    trial.py --brigade BINARY           types and reads as a person does, and writes docs/FIVE_MINUTES.md
    trial.py --brigade BINARY --check   the same without the pauses, on free ports; the page must have the same commands

Building Brigade is not part of it.
"""

import argparse
import datetime
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from browser import chromium, watched
from stage import until

ROOT = pathlib.Path(__file__).parent.parent.parent
TRANSCRIPT = ROOT / "docs" / "FIVE_MINUTES.md"
WITHIN_SECONDS = 300
MINUTE_SECONDS = 90  # in which a job of every minute has run
LETTERS_SECOND = 5  # sixty words a minute
READ_SECONDS = 8  # what came back
LINES_MAX = 18  # of one output in the transcript

INTRODUCTION = """\
# Five minutes

What somebody new does with the [README](../README.md) alone, on a machine with nothing but the program: a source, a copy of it elsewhere
every minute, a page that shows it, and an object that is added and arrives. Written by `scripts/page.sh --trial`, which types sixty words
a minute, reads each answer for {read} seconds, and looks at the page with Chromium; `scripts/test.sh` runs the same commands. The times
are those of the clock since the first letter. Building the program came before.

Recorded {date} with `{version}`: **{took}**.
"""


class Terminal:
    """Commands in a directory, as in a shell whose variables stay."""

    def __init__(self, binary, pace):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="brigade-trial-"))
        path = f"{pathlib.Path(binary).resolve().parent}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(self.directory), "NO_PROXY": "127.0.0.1,localhost"}
        self.pace = pace
        self.begun = time.monotonic()
        self.running = []
        self.steps = []

    def elapsed(self):
        return int(time.monotonic() - self.begun)

    def types(self, command):
        if self.pace:
            time.sleep(len(command) / LETTERS_SECOND)

    def reads(self):
        if self.pace:
            time.sleep(READ_SECONDS)

    def note(self, words, command, output):
        self.steps.append((self.elapsed(), words, command, output))

    def run(self, words, command, expected, typed=None):
        """Runs a command that ends; `typed` is what stands in the transcript where it is another one."""
        self.types(typed or command)
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.directory, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0 and expected in output, f"{command}: {done.returncode}\n{output}"
        self.note(words, typed or command, output)
        self.reads()
        return output

    def start(self, words, command, expected, typed=None):
        """Starts a command that goes on, and waits until it says something."""
        self.types(typed or command)
        log = self.directory / f"terminal-{len(self.running)}"
        with log.open("w") as file:
            process = subprocess.Popen(command.split(), cwd=self.directory, env=self.environment, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        self.running.append(process)
        until(f"{command} says `{expected}`", lambda: expected in log.read_text() or process.poll() is not None)
        assert process.poll() is None, f"{command} ended: {log.read_text()}"
        self.note(words, typed or command, log.read_text())
        self.reads()
        return log.read_text()

    def close(self):
        for process in reversed(self.running):
            process.terminate()
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def trial(terminal, browser, ports):
    """The story. Each command stands in the README or in the output of the one before."""
    lab_options, listen = "", ""
    if ports == "free":
        lab_options = f" --s3-port {free_port()} --gcs-port {free_port()}"
        listen = f" --listen 127.0.0.1:{free_port()}"
    said = terminal.start("In one terminal, two clouds to try things against.", f"brigade lab{lab_options}", "buckets:", "brigade lab")
    exports = [line for line in said.splitlines() if line.startswith("export ")]
    for word in " ".join(exports).replace("export ", "").split():
        name, value = word.split("=", 1)
        terminal.environment[name] = value
    terminal.types("".join(exports) if terminal.pace else "")
    terminal.note("In another, the variables that it printed.", "\n".join(exports), "")
    terminal.run("Something to keep safe.", "mkdir registry && for n in 1 2 3 4 5; do head -c 100000 /dev/urandom > registry/blob-$n; done", "")
    terminal.run("", "brigade copy ./registry s3://sample/registry", "copied               5 objects")
    terminal.run(
        "A first configuration: every minute, and never older than five.",
        "brigade init --source s3://sample/registry --target gs://sample/offsite --schedule '* * * * *' --recovery-point 5m",
        "wrote brigade.toml",
    )
    doctor = "brigade doctor source:sample/registry target:sample/offsite"
    terminal.run("Do the rights suffice, and what do both ends honour?", doctor, "rights: sufficient")
    words = "In a third terminal with the same variables, the process that runs it."
    said = terminal.start(words, f"brigade serve{listen}", "shows them", "brigade serve")
    url = re.search(r"http://[^/]+/", said).group()
    with watched(browser, url) as seen:
        terminal.note(f"The page is open at {'`http://127.0.0.1:9464/`' if not listen else 'its address'}.", "", seen.page.evaluate(READ))
        seen.wait("() => document.querySelector('article .pill.good')?.textContent.includes('ok')", timeout_seconds=MINUTE_SECONDS)
        terminal.note("The minute is over, the first run has ended, and the page says so without being asked.", "", seen.page.evaluate(READ))
        before = seen.page.get_attribute("article .last a", "href")
        terminal.run("An object is added at the source.", "echo hello > registry/blob-6 && brigade copy ./registry s3://sample/registry", "copied               1 object ")
        offsite = "brigade ls gs://sample/offsite"
        seen.wait("before => document.querySelector('article .last a').getAttribute('href') !== before", before, timeout_seconds=MINUTE_SECONDS)
        until("it is offsite", lambda: "blob-6" in listing(terminal, offsite), seconds=MINUTE_SECONDS)
        terminal.note("The next minute's run is on the page.", "", seen.page.evaluate(READ))
        terminal.run("And the object is offsite.", offsite, "blob-6")
    terminal.run("The same in the terminal.", "brigade status", "ok")


# What somebody who looks at the overview reads: its headline, and of each job a line for each of its columns.
READ = """() => [document.querySelector("h1"), ...document.querySelectorAll("article > div")]
  .map((part) => part.innerText.split(/\\s+/).filter((word) => !/^[●▲■○▶Ⅱ]$/.test(word)).join(" ")).join("\\n")"""


def listing(terminal, command):
    return subprocess.run(["bash", "-c", command], cwd=terminal.directory, env=terminal.environment, capture_output=True, text=True).stdout


def clock(seconds):
    return f"{seconds // 60}:{seconds % 60:02}"


def shortened(output):
    """An output as the transcript has it: without colours, and without its middle where it is long."""
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", output).replace("\u00a0", " ").strip("\n").splitlines()]
    lines = [line for line, before in zip(lines, [None, *lines]) if line or before]
    if len(lines) <= LINES_MAX:
        return lines
    half = LINES_MAX // 2
    return [*lines[:half], f"[{len(lines) - 2 * half} lines]", *lines[-half:]]


def written(terminal, version, took):
    today = datetime.date.today().isoformat()
    parts = [INTRODUCTION.format(read=READ_SECONDS, date=today, version=version, took=f"{clock(took)} minutes")]
    for at, words, command, output in terminal.steps:
        if words:
            parts.append(f"**{clock(at)}** {words}\n")
        block = [f"$ {line}" for line in command.splitlines()] + (shortened(output) if output else [])
        parts.append("```text\n" + "\n".join(block).replace(str(terminal.directory), "~") + "\n```\n")
    parts.append("What comes next: [the page and the process](OPERATIONS.md#a-process-that-runs-them), [every key of the file](CONFIG.md).\n")
    return "\n".join(parts)


def commands(text):
    return [line for line in text.splitlines() if line.startswith("$ ") and not line.startswith("$ export ")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brigade", required=True)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    version = subprocess.run([given.brigade, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    with chromium() as browser:
        terminal = Terminal(given.brigade, pace=not given.check)
        try:
            trial(terminal, browser, "free" if given.check else "default")
            took = terminal.elapsed()
        finally:
            terminal.close()
    assert took < WITHIN_SECONDS, f"it took {took} s"
    text = written(terminal, version, took)
    if given.check:
        assert commands(text) == commands(TRANSCRIPT.read_text()), "the transcript has other commands: scripts/page.sh --trial writes it anew"
    else:
        TRANSCRIPT.write_text(text)
    print(f"trial: 1 passed, 0 failed ({took} s)")


if __name__ == "__main__":
    sys.exit(main())
