"""A service and the embedded servers for the tests of the page: the real binary, on loopback, in a directory that goes away."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

TOKEN = "0123456789abcdef"
WITHIN_SECONDS = 40  # what must happen happens in this time, also on a busy machine
LOOK_SECONDS = 0.05

# Everything is on loopback: no proxy of this machine may come between.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def until(what, condition, seconds=WITHIN_SECONDS):
    """Asks `condition` until it gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(LOOK_SECONDS)


class Lab:
    """`brigade lab`: an S3 and a GCS server in memory, with the buckets `registry`, `offsite` and `vault`."""

    def __init__(self, binary):
        buckets = [word for name in ("registry", "offsite", "vault") for word in ("--bucket", name)]
        command = [binary, "lab", "--json", "--s3-port", "0", "--gcs-port", "0", *buckets]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.said = json.loads(self.process.stdout.readline())

    def stores(self):
        """Both servers as stores of a configuration."""
        return (
            f'[stores.primary]\nkind = "s3"\nendpoint_url = "{self.said["s3"]}"\n'
            f'[stores.offsite]\nkind = "gcs"\nendpoint_url = "{self.said["gcs"]}"\nanonymous = true\n'
        )

    def environment(self):
        said = self.said
        return {"AWS_ACCESS_KEY_ID": said["access_key"], "AWS_SECRET_ACCESS_KEY": said["secret_key"], "AWS_REGION": said["region"]}

    def close(self):
        end(self.process)


class Service:
    """`brigade serve` over a configuration, with a directory of its own."""

    def __init__(self, binary, lab, jobs, token=TOKEN):
        self.binary = binary
        self.lab = lab
        self.token = token
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="brigade-page-"))
        self.process = None
        self.listen = "127.0.0.1:0"
        self.configure(jobs)

    def configure(self, jobs):
        """Writes the configuration; `{place}` in it is the directory of this service."""
        serve = '[serve]\ntoken = "${BRIGADE_TOKEN}"\n' if self.token else ""
        text = serve + self.lab.stores() + jobs.replace("{place}", str(self.directory))
        (self.directory / "brigade.toml").write_text(text)

    def environment(self):
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"BRIGADE_CONFIG": str(self.directory / "brigade.toml"), "BRIGADE_STATE_DIR": str(self.directory / "state")}
        return {**kept, **self.lab.environment(), **own, "BRIGADE_TOKEN": self.token or ""}

    def start(self):
        """Starts it and waits until it is ready. After a stop it listens where it did before."""
        log = (self.directory / "serve.log").open("a")
        command = [self.binary, "serve", "--listen", self.listen]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, env=self.environment()
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://([^/]+)/", line)
        assert found, f"it does not serve: {line}{(self.directory / 'serve.log').read_text()}"
        self.listen = found.group(1)
        self.url = f"http://{self.listen}/"
        until("it is ready", lambda: self.status("readyz") == 200)
        return self

    def brigade(self, *words):
        """Runs another command with the same configuration and state; its exit code and its output."""
        done = subprocess.run([self.binary, *words], capture_output=True, text=True, env=self.environment(), stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def status(self, path):
        try:
            with OPENER.open(self.url + path, timeout=WITHIN_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def get(self, path):
        with OPENER.open(self.url + path, timeout=WITHIN_SECONDS) as answer:
            return json.load(answer)

    def job(self, name):
        return self.get(f"api/jobs/{name}")

    def ask(self, name, wish):
        headers = {"authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"{self.url}api/jobs/{name}/{wish}", method="POST", headers=headers)
        OPENER.open(request, timeout=WITHIN_SECONDS).close()

    def run(self, name):
        """Has a job run, waits until that run has ended, and returns how."""
        before = self.job(name)["last"]
        self.ask(name, "run")
        return until(f"{name} has run", lambda: (last := self.job(name)["last"]) != before and last)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process:
            end(self.process)
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def end(process):
    """Asks a process to end, and insists after a while."""
    process.terminate()
    try:
        process.wait(timeout=WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


@contextlib.contextmanager
def closing_all():
    """A list whose members are closed in the end, the last first."""
    things = []
    try:
        yield things
    finally:
        for thing in reversed(things):
            thing.close()
