"""How each tool does a workload, at its defaults and at its best tuning, and which workloads it cannot do.

The best tunings were found in the tools' own documentation and tried on these workloads; each flag says why it is there.
Tools never verify less at their best tuning than they say: what switches a proof off is marked `unverified`.
"""

import os
import subprocess
from dataclasses import dataclass

KEY, SECRET, REGION = "bench", "bench-secret", "us-east-1"


@dataclass(frozen=True)
class Ends:
    """Where a run reads and writes."""

    source: str
    target: str
    target_kind: str
    one_endpoint: bool
    scratch: str


@dataclass(frozen=True)
class Run:
    argv: list
    env: dict


class Cannot(Exception):
    """The tool has no way to do this workload; the message says why."""


def environment(**more):
    """A small environment of our own: nothing of the caller's configuration changes what a tool does."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    aws = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    return kept | aws | {"AWS_EC2_METADATA_DISABLED": "true"} | more


class Tool:
    name = ""
    tunings = ("default",)

    def __init__(self, binary):
        self.binary = binary

    def version(self):
        done = subprocess.run([self.binary, *self.version_arguments], capture_output=True, text=True, check=True, env=environment())
        line = (done.stdout or done.stderr).strip().splitlines()[0]
        return line if line.startswith(self.name) else f"{self.name} {line}"

    version_arguments = ("--version",)

    def run(self, tuning, workload, ends):
        raise NotImplementedError


class Brigade(Tool):
    """All proofs on, the journal on, a fresh state: nothing is remembered from an earlier run."""

    name = "brigade"

    def run(self, tuning, workload, ends):
        scheme = {"s3": "s3", "gcs": "gs"}[ends.target_kind]
        command = "plan" if workload.planned else "sync"
        argv = [self.binary, command, "s3://source", f"{scheme}://target", "--source-endpoint-url", ends.source]
        argv += ["--target-endpoint-url", ends.target, "--state-dir", os.path.join(ends.scratch, "state"), "--progress", "never"]
        if ends.target_kind == "gcs":
            argv.append("--target-anonymous")
        return Run(argv, environment(HOME=ends.scratch))


class Rclone(Tool):
    """Two remotes, so that it copies through itself; one where the workload is inside one endpoint."""

    name = "rclone"
    tunings = ("default", "best", "unverified")
    version_arguments = ("version",)

    # From its documentation of the s3 backend, "Reducing costs", and of the global flags.
    BEST = [
        "--transfers", "64",  # more at once cost more CPU here, fewer are slower
        "--checkers", "64",
        "--fast-list",  # one listing instead of one for each directory
        "--s3-no-check-bucket",  # no HEAD of the bucket
        "--buffer-size", "0",  # no read-ahead of 16 MiB for each transfer
        "--use-mmap",  # gives memory back
        "--update", "--use-server-modtime",  # its own times cost a HEAD for each object on both sides
        "--s3-upload-concurrency", "16",
        "--s3-chunk-size", "8Mi",
    ]
    # Sizes alone decide, and nothing is looked at after it was written.
    UNVERIFIED = ["--size-only", "--s3-no-head", "--s3-no-head-object", "--s3-disable-checksum", "--ignore-checksum"]

    def run(self, tuning, workload, ends):
        s3 = {"TYPE": "s3", "PROVIDER": "Other", "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "REGION": REGION, "FORCE_PATH_STYLE": "true"}
        remotes = {"SOURCE": s3 | {"ENDPOINT": ends.source}}
        target = "source:target" if ends.one_endpoint else "target:target"
        if ends.target_kind == "gcs":
            # Uniform access: it would set an access list on each object otherwise, which most buckets refuse.
            remotes["TARGET"] = {"TYPE": "gcs", "ANONYMOUS": "true", "ENDPOINT": f"{ends.target}/storage/v1/", "BUCKET_POLICY_ONLY": "true"}
        elif not ends.one_endpoint:
            remotes["TARGET"] = s3 | {"ENDPOINT": ends.target}
        env = {f"RCLONE_CONFIG_{remote}_{key}": value for remote, keys in remotes.items() for key, value in keys.items()}
        argv = [self.binary, "--config", "/dev/null", "sync", "source:source", target]
        if tuning != "default":
            argv += self.BEST
        if tuning == "unverified":
            argv += self.UNVERIFIED
        return Run(argv, environment(HOME=ends.scratch, **env))


class S3sync(Tool):
    """Its documentation, section "Performance": workers, no tags, no payload signing over a trusted line."""

    name = "s3sync"
    tunings = ("default", "best", "unverified")

    BEST = [
        "--worker-size", "64",
        "--max-parallel-uploads", "16",
        "--disable-tagging",  # saves a request for each object; there are no tags here
        "--disable-payload-signing",  # saves a SHA-256 of each body
    ]
    UNVERIFIED = ["--disable-content-md5-header", "--disable-etag-verify", "--disable-multipart-verify"]

    def run(self, tuning, workload, ends):
        if ends.target_kind != "s3":
            raise Cannot("it speaks S3 only")
        argv = [self.binary, "s3://source", "s3://target", "--show-no-progress"]
        for side, endpoint in (("source", ends.source), ("target", ends.target)):
            argv += [f"--{side}-endpoint-url", endpoint, f"--{side}-force-path-style", f"--{side}-region", REGION]
            argv += [f"--{side}-access-key", KEY, f"--{side}-secret-access-key", SECRET]
        if tuning != "default":
            argv += self.BEST
        if tuning == "unverified":
            argv += self.UNVERIFIED
        if ends.one_endpoint and tuning != "default":
            argv.append("--server-side-copy")
        return Run(argv, environment(HOME=ends.scratch))


class S5cmd(Tool):
    name = "s5cmd"
    tunings = ("default", "best")
    version_arguments = ("version",)

    def run(self, tuning, workload, ends):
        if not ends.one_endpoint:
            raise Cannot("it copies between buckets of one endpoint only")
        argv = [self.binary, "--endpoint-url", ends.source]
        # Its default of 256 workers opens a connection for nearly every request; 64 keep theirs.
        argv += ["--numworkers", "64"] if tuning == "best" else []
        # Into an empty target a plain copy does what its sync does, with less work.
        how = ["cp"] if tuning == "best" and workload.target == "target" else ["sync"]
        argv += ["--log", "error", *how, "s3://source/*", "s3://target/"]
        return Run(argv, environment(HOME=ends.scratch))


class Aws(Tool):
    name = "aws"
    tunings = ("default", "best")

    def run(self, tuning, workload, ends):
        if not ends.one_endpoint:
            raise Cannot("it copies between buckets of one endpoint only")
        config = os.path.join(ends.scratch, "aws-config")
        with open(config, "w", encoding="utf-8") as file:
            # "AWS CLI S3 Configuration": more than 10 at once, and a queue that feeds them.
            tuned = "s3 =\n  max_concurrent_requests = 64\n  max_queue_size = 10000\n" if tuning == "best" else ""
            file.write(f"[default]\n{tuned}")
        # Into an empty target a plain copy does what its sync does, with less work.
        how = ["cp", "--recursive"] if tuning == "best" and workload.target == "target" else ["sync"]
        argv = [self.binary, "--endpoint-url", ends.source, "s3", *how, "s3://source", "s3://target", "--only-show-errors"]
        return Run(argv, environment(HOME=ends.scratch, AWS_CONFIG_FILE=config))


KINDS = {tool.name: tool for tool in (Brigade, Rclone, S3sync, S5cmd, Aws)}
