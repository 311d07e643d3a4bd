"""Runs one command and says what it and its children cost: `wait4` adds up whatever was waited for below it."""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    wall_s: float
    user_s: float
    system_s: float
    # The largest of the process and its children, in KiB.
    rss_kib: int
    # Exit code; negative for a signal.
    code: int
    timed_out: bool


def measure(run, limit_s, log_path):
    """Standard output and standard error go to a file, which costs every tool the same."""
    with open(log_path, "wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(run.argv, env=run.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        timed_out = threading.Event()

        def end():
            timed_out.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit_s, end)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss, process.returncode, timed_out.is_set())
