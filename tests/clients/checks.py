"""The little that the client scripts share: a list of named checks, run one by one, each printed, all counted.

A check is a function that raises when something is not as it must be. What a server is known to lack is named in `gaps`, with
the reason: such a check still runs, is reported as a gap, and fails when the gap has been closed, so that the list stays true.
"""

import contextlib
import sys
import time
import traceback


class Suite:
    """Checks in the order in which they were written."""

    def __init__(self, title):
        self.title = title
        self.checks = []

    def check(self, name):
        """Decorator: the function is the check called `name`."""

        def add(function):
            assert all(known != name for known, _ in self.checks), f"two checks are called {name!r}"
            self.checks.append((name, function))
            return function

        return add

    def run(self, world, gaps=None, only=None):
        """Runs all checks with `world` as their argument, prints each, and returns the exit code."""
        gaps = gaps or {}
        names = {name for name, _ in self.checks}
        unknown = sorted(set(gaps) - names)
        assert not unknown, f"gaps name no check: {unknown}"
        counts = {"ok": 0, "FAIL": 0, "gap": 0}
        started = time.monotonic()
        for name, function in self.checks:
            if only and only not in name:
                continue
            verdict, note = judge(function, world, gaps.get(name))
            counts[verdict] += 1
            print(f"{verdict:4} {self.title}: {name}{note}", flush=True)
        gap_note = f", {counts['gap']} known gaps of the server" if gaps else ""
        seconds = time.monotonic() - started
        print(f"{self.title}: {counts['ok']} passed, {counts['FAIL']} failed{gap_note} ({seconds:.1f} s)", flush=True)
        return 0 if counts["FAIL"] == 0 and counts["ok"] > 0 else 1


def judge(function, world, gap):
    """Runs one check: its verdict and what to print behind its name."""
    try:
        function(world)
    except Exception as error:  # whatever a client raises is a finding, not the end of the run
        if gap:
            return "gap", f": {gap}"
        frames = traceback.extract_tb(error.__traceback__)[1:2]  # the check itself: above it is this function, below it are helpers
        place = "".join(f" (line {frame.lineno}: {frame.line})" for frame in frames)
        return "FAIL", f"\n     {type(error).__name__}: {error}{place}"
    return ("FAIL", f"\n     the gap is closed, take it off the list: {gap}") if gap else ("ok", "")


def equal(seen, wanted, what="value"):
    """Raises unless both are equal; long values are cut in the message."""
    if seen != wanted:
        raise AssertionError(f"{what}: {cut(seen)}, wanted {cut(wanted)}")


def cut(value, characters=300):
    text = repr(value)
    return text if len(text) <= characters else f"{text[:characters]}... ({len(text)} characters)"


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def pattern(size, seed=1):
    """Bytes that differ from block to block, so that a part in the wrong place shows."""
    block = bytearray()
    state = seed * 2654435761 % 2**32
    for _ in range(min(size, 4096)):
        state = (state * 1103515245 + 12345) % 2**31
        block.append(state >> 16 & 0xFF)
    blocks = (size + 4095) // 4096
    body = bytearray(bytes(block[:4096]) * blocks)[:size]
    for index in range(0, size - 8, 4096):
        body[index : index + 8] = (index + seed).to_bytes(8, "big")
    return bytes(body)


# Keys that break a client, a proxy, a parser or a path library somewhere. Byte for byte, or the check fails.
ODD_KEYS = [
    "plain",
    "a//b",
    "a///c/",
    "/leading",
    "//leading-twice",
    "trailing/",
    "dot/./dot",
    "up/../up",
    "./start",
    "../start",
    ".hidden",
    "...",
    "with space",
    " leading space",
    "trailing space ",
    "plus+plus",
    "percent%percent",
    "percent%20encoded",
    "percent%2Fslash",
    "double%2520encoded",
    "and&and;semi",
    "hash#hash",
    "question?mark=1&x",
    "colon:colon@at",
    "equals=equals,comma",
    "quote'single",
    'quote"double',
    "less<greater>",
    "back\\slash",
    "brackets[1]{2}(3)",
    "star*tilde~caret^pipe|backtick`dollar$bang!",
    "tab\tinside",
    "\u00e9-nfc",
    "e\u0301-nfd",
    "emoji-😀",
    "한국어/日本語",
    "rtl-\u202eabc",
    "nbsp\u00a0zwsp\u200b",
    "bom\ufeff",
]

# Legal for S3, refused by GCS and not writable in XML 1.0: they need encoding-type=url in listings.
CONTROL_KEYS = ["new\nline", "carriage\rreturn", "crlf\r\nend", "bell\x07", "one\x01", "delete\x7f", "unit\x1fseparator"]


@contextlib.contextmanager
def ending(title):
    """Turns a mistake in the set-up into one line and exit code 2."""
    try:
        yield
    except Exception as error:
        print(f"{title}: cannot start: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
