"""What is measured: each workload says which buckets the server makes, how it behaves, and what must be true afterwards.

A workload never says how a tool does it (tools.py), and its sizes are fixed: a record from another day is comparable.
"""

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    # The server's `--bucket` specifications; the first is the source, the second the target.
    source: str
    target: str
    objects: int
    # Bytes that have to be moved; 0 where nothing has.
    bytes: int
    # Objects that have to be written.
    written: int
    # "s3" or "gcs".
    target_kind: str = "s3"
    # Source and target on one port: a copy inside the server is possible.
    one_endpoint: bool = False
    shaping: tuple = ()
    # Both ends speak TLS.
    tls: bool = False
    # Both sides are listed and compared, and nothing is done or written down: for tools that can say what they would do.
    planned: bool = False
    # Workloads of the group "scale" run only when they are named.
    group: str = "standard"
    # A run that takes longer is ended and recorded as such, in seconds.
    limit_s: int = 600

    @property
    def moves(self):
        return self.written > 0


def small(name, title, **more):
    return Workload(
        name, title, "source=flat,objects=10000,size=4KiB,prefix=objects/", "target", 10_000, 10_000 * 4096, 10_000, **more
    )


def unchanged(name, title, layout, objects, **more):
    source = f"source={layout},objects={objects},size=4KiB,prefix=objects/"
    return Workload(name, title, source, "target=copy-of:source", objects, 0, 0, **more)


THROTTLED = ("--throttle-writes", "3500", "--throttle-reads", "5500")

WORKLOADS = [
    small("small-s3-s3", "10,000 x 4 KiB, S3 to S3"),
    small("small-s3-gcs", "10,000 x 4 KiB, S3 to GCS", target_kind="gcs"),
    Workload("huge-s3-s3", "4 x 1 GiB, S3 to S3", "source=flat,objects=4,size=1GiB", "target", 4, 4 * GIB, 4),
    Workload("huge-tls", "4 x 1 GiB, S3 to S3, TLS at both ends", "source=flat,objects=4,size=1GiB", "target", 4, 4 * GIB, 4, tls=True),
    Workload("huge-s3-gcs", "4 x 1 GiB, S3 to GCS", "source=flat,objects=4,size=1GiB", "target", 4, 4 * GIB, 4, target_kind="gcs"),
    Workload(
        "registry", "a registry: 6,000 objects (blobs, links, manifests) and 2 bundles of 1 GiB", "source=mix,objects=6002,bundles=2",
        "target", 6_002, 0, 6_002,
    ),
    unchanged("unchanged", "1,000,000 keys, nothing changed", "flat", 1_000_000),
    Workload(
        "changed", "1,000,000 keys, 1 % changed", "source=flat,objects=1000000,size=4KiB,prefix=objects/",
        "target=copy-of:source,changed=1%", 1_000_000, 0, 10_000,
    ),
    Workload(
        "deep", "10,000 x 4 KiB in a deep tree, S3 to S3", "source=deep,objects=10000,size=4KiB,prefix=objects/", "target",
        10_000, 10_000 * 4096, 10_000,
    ),
    unchanged("flat-50ms", "200,000 keys under one prefix, nothing changed, 50 ms a request", "hashed", 200_000, shaping=("--latency", "50ms")),
    unchanged("deep-50ms", "200,000 keys in a deep tree, nothing changed, 50 ms a request", "deep", 200_000, shaping=("--latency", "50ms")),
    small("small-30ms", "10,000 x 4 KiB, S3 to S3, 30 ms a request", shaping=("--latency", "30ms")),
    small("small-150ms", "10,000 x 4 KiB, S3 to S3, 150 ms a request", shaping=("--latency", "150ms")),
    Workload(
        "throttled", "100,000 x 4 KiB, S3 to S3, 3,500 writes and 5,500 reads a second", "source=flat,objects=100000,size=4KiB,prefix=objects/",
        "target", 100_000, 100_000 * 4096, 100_000, shaping=THROTTLED,
    ),
    small("server-side", "10,000 x 4 KiB inside one S3 endpoint", one_endpoint=True),
    Workload(
        "server-side-huge", "4 x 1 GiB inside one S3 endpoint", "source=flat,objects=4,size=1GiB", "target", 4, 4 * GIB, 4,
        one_endpoint=True,
    ),
]

SCALE = [unchanged(f"keys-1e{power}", f"10^{power} keys, nothing changed", "flat", 10**power, group="scale") for power in (4, 5, 6, 7)]
SCALE += [
    unchanged("list-1m-50ms", "1,000,000 keys under one prefix, nothing changed, 50 ms a request", "flat", 1_000_000, group="scale",
              shaping=("--latency", "50ms")),
    unchanged("plan-1m-50ms", "1,000,000 keys under one prefix, listed and compared only, 50 ms a request", "flat", 1_000_000, group="scale",
              shaping=("--latency", "50ms"), planned=True),
    Workload("one-64g", "1 x 64 GiB, S3 to S3", "source=flat,objects=1,size=64GiB", "target", 1, 64 * GIB, 1, group="scale"),
    Workload("many-1g", "64 x 1 GiB, S3 to S3", "source=flat,objects=64,size=1GiB", "target", 64, 64 * GIB, 64, group="scale"),
    small("small-50ms", "10,000 x 4 KiB, S3 to S3, 50 ms a request", shaping=("--latency", "50ms"), group="scale"),
]

ALL = {workload.name: workload for workload in WORKLOADS + SCALE}
