"""Takes the pictures of docs/screenshots: the four main views, on a desktop and a phone, in light and dark.

    screenshots.py --brigade BINARY

The jobs, their runs, their failures and what they copy are real, on the embedded servers. A month of history cannot be waited for, so
earlier runs are given a clock that stands in the past and goes fast (faketime); the run that is shown as it goes has the true one.
"""

import argparse
import pathlib
import random
import subprocess
import sys

from browser import DESKTOP, PHONE, chromium, watched
from stage import Lab, Service, closing_all, until

PICTURES = pathlib.Path(__file__).parent.parent.parent / "docs" / "screenshots"
BYTES_MAX = 1_500_000  # of all pictures: the repository is cloned by many
SEED = 4
RUNS = 24

JOBS = """
[classes.critical]
recovery_point = "3h"
priority = "high"

[jobs.registry-offsite]
source = "primary:registry/blobs"
target = "offsite:offsite/registry"
class = "critical"
every = "1h"
bandwidth = "16M"

[jobs.registry-vault]
source = "primary:registry/blobs"
target = "offsite:vault/registry"
after = "registry-offsite"
recovery_point = "72h"
priority = "low"

[jobs.backups-nightly]
source = "primary:registry/backups"
target = "offsite:offsite/backups"
schedule = "0 3 * * *"
time_zone = "Europe/Berlin"
recovery_point = "36h"

[jobs.exports]
source = "primary:registry/exports"
target = "offsite:offsite/exports"
every = "6h"
recovery_point = "12h"
immutable = true

[jobs.wal-archive]
source = "primary:registry/wal"
target = "offsite:offsite/wal"
every = "15m"
recovery_point = "1h"
paused = true
"""

# Each job: hours between its runs, and hours since the last one.
PAST = {
    "registry-offsite": (1, 0.6),
    "registry-vault": (6, 2.2),
    "backups-nightly": (24, 9.4),
    "exports": (6, 3.1),
    "wal-archive": (0.25, 5.3),
}

# What nobody should name an export, and somebody does.
UNFIT = [f"exports/2026/q{quarter}/{name}\n.csv" for quarter in (1, 2, 3) for name in ("orders", "refunds", "<b>vip</b> customers", "stock\r")]


class Stage:
    """A service with a past."""

    def __init__(self, service):
        self.service = service
        self.random = random.Random(SEED)
        self.number = 0

    def write(self, prefix, sizes):
        """Puts objects into the source, as somebody who owns it would."""
        pool = self.service.directory / "pool"
        for size in sizes:
            self.number += 1
            name = f"{prefix}/{self.random.getrandbits(64):016x}.{'layer' if prefix == 'blobs' else 'dump'}"
            self.put(pool / name, self.random.randbytes(size))
        self.send(pool)

    def put(self, path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def send(self, pool):
        code, said = self.service.brigade("copy", str(pool), "primary:registry", "--quiet")
        assert code == 0, said

    def ran(self, job, hours_ago, rate):
        """Has a job run at another time: so many hours ago, by a clock that goes `rate` times as fast."""
        clock = ["faketime", "-f", f"-{hours_ago * 3600:.0f}s x{rate}", self.service.binary, "run", job, "--quiet"]
        environment = {**self.service.environment(), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        done = subprocess.run(clock, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode in (0, 1, 3), done.stdout + done.stderr

    def past(self):
        """Everything that happened before the pictures."""
        self.write("blobs", [4096] * 300)
        self.write("backups", [65536] * 20)
        self.write("wal", [16384] * 40)
        pool = self.service.directory / "pool"
        for number in range(60):
            self.put(pool / f"exports/2026/q4/part-{number:04}.csv", b"id,amount\n")
        self.send(pool)
        for job, (apart, last) in PAST.items():
            for turn in reversed(range(RUNS)):
                prefix = {"backups-nightly": "backups", "wal-archive": "wal", "exports": None}.get(job, "blobs")
                if prefix and turn % 4 == 0:
                    self.write(prefix, [self.random.randrange(1_000, 60_000) for _ in range(self.random.randrange(2, 30))])
                if job == "exports" and turn == 1:
                    self.spoil(pool)
                self.ran(job, last + turn * apart, self.random.randrange(60, 240) * (3 if turn % 6 == 2 else 1))

    def spoil(self, pool):
        """Exports that cannot be copied: names that the target refuses, and some that were written twice."""
        for name in UNFIT:
            self.put(pool / name, b"id,amount\n")
        for number in range(7):
            self.put(pool / f"exports/2026/q4/part-{number:04}.csv", b"id,amount,currency\n")
        self.send(pool)


def take(seen, name):
    """Takes a picture of all of the page, with as few colours as one can see."""
    path = PICTURES / f"{name}.png"
    seen.page.screenshot(path=path, full_page=True, animations="disabled")
    subprocess.run(["pngquant", "--force", "--speed", "1", "--quality", "70-95", "--output", path, path], check=True)


def in_every_look(browser, url, place, ready, name):
    for device, size, scale in (("desktop", DESKTOP, 1), ("phone", PHONE, 2)):
        for scheme in ("light", "dark"):
            with watched(browser, url, place, size=size, scheme=scheme, scale=scale) as seen:
                ready(seen)
                take(seen, f"{name}-{device}-{scheme}")


def pictures(browser, stage):
    service = stage.service
    stage.write("blobs", [stage.random.randrange(200_000, 2_000_000) for _ in range(700)])
    service.ask("registry-offsite", "run")
    written = lambda: (service.job("registry-offsite")["running"] or {"bytes": {"written": 0}})["bytes"]["written"]
    until("it has been running for a while", lambda: written() > 120_000_000)
    live = lambda seen: (seen.page.wait_for_selector(".live .plot, .brief .spark"), seen.page.wait_for_selector(".link.good"))
    in_every_look(browser, service.url, "job/registry-offsite", live, "running")
    in_every_look(browser, service.url, "", live, "overview")
    until("it has ended", lambda: not service.job("registry-offsite")["running"], seconds=120)
    until("the second copy has ended", lambda: not service.job("registry-vault")["running"], seconds=120)
    run = service.job("registry-offsite")["last"]["run"]
    there = lambda seen: (seen.page.wait_for_selector(".shares, .kind"), seen.page.wait_for_selector(".link.good"))
    in_every_look(browser, service.url, f"job/registry-offsite/{run}", there, "run")
    in_every_look(browser, service.url, "job/exports", there, "failures")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brigade", required=True)
    given = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with closing_all() as things, chromium() as browser:
        lab = Lab(given.brigade)
        things.append(lab)
        stage = Stage(Service(given.brigade, lab, JOBS))
        things.append(stage.service)
        stage.past()
        stage.service.start()
        pictures(browser, stage)
    taken = sum(path.stat().st_size for path in PICTURES.glob("*.png"))
    print(f"{len(list(PICTURES.glob('*.png')))} pictures, {taken:,} bytes")
    return 0 if taken <= BYTES_MAX else f"they take more than {BYTES_MAX:,} bytes"


if __name__ == "__main__":
    sys.exit(main())
