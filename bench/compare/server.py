"""Starts a bench server for one run, and asks it afterwards what it saw. A fresh one for each run has a fresh target."""

import json
import subprocess
import time
import urllib.request

READY_S = 120
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Server:
    def __init__(self, binary, workload, log, ca):
        # Source, target, GCS; and a plain port for questions.
        ports = "s3+tls=0,s3+tls=0,gcs+tls=0,s3=0" if workload.tls else "s3=0,s3=0,gcs=0,s3=0"
        argv = [binary, "--ports", ports, "--bucket", workload.source, "--bucket", workload.target, *workload.shaping]
        argv += ["--tls-ca", ca] if workload.tls else []
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
        urls, deadline = [], time.monotonic() + READY_S
        while time.monotonic() < deadline:
            line = self.process.stdout.readline().split()
            if not line:
                raise RuntimeError("the bench server ended before it was ready")
            if line == ["ready"]:
                break
            urls.append(line[1])
        self.first, self.second, self.gcs, self.control = urls

    def ask(self, question):
        with OPENER.open(f"{self.control}{question}", timeout=120) as answer:
            return json.load(answer)

    def stats(self):
        return self.ask("/_stats")

    def compare(self):
        return self.ask("/_compare?source=source&target=target")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
