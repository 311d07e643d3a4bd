#!/usr/bin/env python3
"""google-cloud-storage against a GCS server: does it mean what Google's own client takes it to mean?

    gcs_google_cloud_storage.py --endpoint http://127.0.0.1:4443 [--server NAME] [--only TEXT]

Where the client library has no word for something (status queries of an upload, the XML API), the request is written by hand as
Google's pages of the JSON and XML API describe it. The embedded GCS server must pass every check. `--server
gcp-storage-emulator` names what that emulator is known to lack.
"""

import argparse
import base64
import datetime
import gzip
import hashlib
import io
import json
import os
import sys
import tempfile
import urllib.parse
import uuid
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor

import requests
from awscrt import checksums as crc
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.cloud.storage.constants import NEARLINE_STORAGE_CLASS

from checks import ODD_KEYS, Suite, ending, equal, pattern, true

KIB = 1024
MIB = 1024 * KIB
CHUNK = 256 * KIB  # resumable uploads move in multiples of this
PART = 5 * MIB
suite = Suite("google-cloud-storage")


class World:
    """One server, one client, and a bucket for each check that asks for one."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        # Attempts are ours to count: a refusal must be seen, not retried into a timeout.
        self.client = storage.Client(project="client-checks", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint})
        self.http = requests.Session()
        self.http.trust_env = False
        self.shared = self.bucket()

    def bucket(self, versioned=False):
        bucket = self.client.bucket(f"client-{uuid.uuid4().hex[:16]}")
        bucket.versioning_enabled = versioned
        return self.client.create_bucket(bucket)

    def put(self, name, body=b"x", bucket=None, **more):
        blob = (bucket or self.shared).blob(name)
        blob.upload_from_string(body, content_type="application/octet-stream", retry=None, **more)
        return blob

    def body(self, name, bucket=None):
        return (bucket or self.shared).blob(name).download_as_bytes(retry=None)

    def fill(self, bucket, names):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: self.put(name, name.encode(), bucket), names))

    def names(self, bucket, **more):
        return [blob.name for blob in self.client.list_blobs(bucket, **more)]

    def absent(self, name, bucket=None):
        refused(lambda: (bucket or self.shared).blob(name).reload(retry=None), 404)

    def json(self, method, path, **more):
        """A request of the JSON API by hand; `path` comes percent-encoded."""
        return self.http.request(method, f"{self.endpoint}/{path}", timeout=30, allow_redirects=False, **more)

    def xml(self, method, name, bucket=None, query="", **more):
        """A request of the XML API by hand."""
        path = urllib.parse.quote(name, safe="/~")
        return self.http.request(method, f"{self.endpoint}/{(bucket or self.shared).name}/{path}{query}", timeout=30, **more)

    def begin(self, name, size=None, metadata=None, query=""):
        """Opens a resumable upload by hand: its session address."""
        headers = {"X-Upload-Content-Type": "text/plain"}
        if size is not None:
            headers["X-Upload-Content-Length"] = str(size)
        path = f"upload/storage/v1/b/{self.shared.name}/o?uploadType=resumable&name={urllib.parse.quote(name, safe='')}{query}"
        answer = self.json("POST", path, headers=headers, json=metadata or {})
        status(answer, 200)
        return answer.headers["Location"]

    def send(self, session, body, content_range):
        return self.http.put(session, data=body, headers={"Content-Range": content_range}, timeout=30, allow_redirects=False)


def status(answer, *wanted):
    """The answer, if it has one of these statuses. Its body is left unread, for whoever wants it as it came."""
    if answer.status_code not in wanted:
        raise AssertionError(f"status {answer.status_code} ({answer.text[:200]!r}), wanted {wanted}")
    return answer


def refused(call, *statuses):
    """The call must fail with one of these HTTP statuses."""
    try:
        call()
    except exceptions.GoogleAPICallError as error:
        true(error.code in statuses, f"status {error.code} ({error}), wanted {statuses}")
        return
    except Exception as error:  # media errors come as other classes, some with an answer, some without
        code = getattr(getattr(error, "response", None), "status_code", None)
        true(code in statuses, f"{type(error).__name__}: status {code} ({error}), wanted {statuses}")
        return
    raise AssertionError(f"accepted, wanted status {statuses}")


def b64(value):
    return base64.b64encode(value).decode()


def crc32c(body):
    return b64(crc.crc32c(body).to_bytes(4, "big"))


def md5(body):
    return b64(hashlib.md5(body).digest())


# Buckets and whole objects


@suite.check("bucket: create, get, list, delete")
def buckets(world):
    bucket = world.bucket()
    equal(world.client.get_bucket(bucket.name).name, bucket.name, "name")
    true(bucket.name in [known.name for known in world.client.list_buckets()], "the bucket is not listed")
    refused(lambda: world.client.create_bucket(bucket.name, retry=None), 409)
    world.put("a", bucket=bucket)
    refused(lambda: bucket.delete(retry=None), 409)
    bucket.blob("a").delete()
    bucket.delete()
    refused(lambda: world.client.get_bucket(bucket.name, retry=None), 404)


@suite.check("errors: missing bucket, missing object")
def missing(world):
    refused(lambda: list(world.client.list_blobs("client-no-such-bucket", retry=None)), 404)
    world.absent("no-such-object")
    refused(lambda: world.body("no-such-object"), 404)
    refused(lambda: world.shared.blob("no-such-object").delete(retry=None), 404)


@suite.check("upload in one request: bytes, resource, digests")
def upload(world):
    body = pattern(70_001)
    blob = world.put("one", body)
    blob.reload()
    equal((blob.size, blob.crc32c, blob.md5_hash), (len(body), crc32c(body), md5(body)), "size and digests")
    equal((blob.metageneration, blob.storage_class, blob.content_type), (1, "STANDARD", "application/octet-stream"), "resource")
    true(blob.generation > 0 and blob.etag and blob.id, "no generation, etag or id")
    age = datetime.datetime.now(datetime.timezone.utc) - blob.updated
    true(abs(age.total_seconds()) < 120, f"updated is {age} old")
    true(world.body("one") == body, "the body differs")
    equal(world.put("empty", b"").crc32c, "AAAAAA==", "checksum of nothing")
    equal(world.body("empty"), b"", "the empty body")


@suite.check("upload: headers and metadata come back")
def headers(world):
    blob = world.shared.blob("headers")
    wanted = {
        "cache_control": "max-age=60",
        "content_disposition": 'attachment; filename="a b.txt"',
        "content_language": "de",
        "metadata": {"colour": "blue", "size-name": "Größe"},
    }
    for name, value in wanted.items():
        setattr(blob, name, value)
    blob.custom_time = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
    blob.upload_from_string(b"x", content_type="text/x-odd")
    seen = world.shared.get_blob("headers")
    equal({name: getattr(seen, name) for name in wanted}, wanted, "resource")
    equal((seen.content_type, seen.custom_time), ("text/x-odd", blob.custom_time), "type and custom time")


@suite.check("upload of the media alone: name and type from the request")
def media(world):
    path = f"upload/storage/v1/b/{world.shared.name}/o?uploadType=media&name=media%2Fa%20b"
    resource = status(world.json("POST", path, data=b"media", headers={"Content-Type": "text/plain"}), 200).json()
    equal((resource["name"], resource["contentType"], resource["size"]), ("media/a b", "text/plain", "5"), "resource")
    equal((resource["crc32c"], resource["md5Hash"], resource["kind"]), (crc32c(b"media"), md5(b"media"), "storage#object"), "digests")
    true(isinstance(resource["generation"], str) and isinstance(resource["metageneration"], str), "generations must be strings")


@suite.check("ranged download: first, middle, open end, last bytes, beyond the end")
def ranges(world):
    body = pattern(10_000)
    world.put("range", body)
    blob = world.shared.blob("range")
    for start, end in ((0, 0), (100, 199), (9000, None), (9999, 20_000)):
        equal(blob.download_as_bytes(start=start, end=end), body[start : None if end is None else end + 1], f"{start}-{end}")
    equal(blob.download_as_bytes(start=-7), body[-7:], "the last 7")
    refused(lambda: blob.download_as_bytes(start=10_000, retry=None), 416)
    path = f"storage/v1/b/{world.shared.name}/o/range?alt=media"
    answer = status(world.json("GET", path, headers={"Range": "bytes=5-9"}), 206)
    equal((answer.content, answer.headers["Content-Range"]), (body[5:10], "bytes 5-9/10000"), "a range by hand")


@suite.check("download: x-goog-hash, x-goog-generation and x-goog-stored-* headers")
def download_headers(world):
    blob = world.put("hashed", b"hashed")
    answer = status(world.json("GET", f"storage/v1/b/{world.shared.name}/o/hashed?alt=media"), 200)
    true(f"crc32c={crc32c(b'hashed')}" in answer.headers["x-goog-hash"], "no crc32c in x-goog-hash")
    equal(answer.headers["x-goog-generation"], str(blob.generation), "generation")
    equal(answer.headers["x-goog-stored-content-length"], "6", "stored length")


@suite.check("gzip content: stored bytes come back as stored")
def stored_gzip(world):
    body = gzip.compress(pattern(5000), mtime=0)
    blob = world.shared.blob("gzip")
    blob.content_encoding = "gzip"
    blob.upload_from_string(body, content_type="text/plain")
    true(blob.download_as_bytes(raw_download=True) == body, "the stored bytes differ")
    answer = status(world.json("GET", f"storage/v1/b/{world.shared.name}/o/gzip?alt=media", headers={"Accept-Encoding": "gzip"}, stream=True), 200)
    equal(answer.headers["x-goog-stored-content-encoding"], "gzip", "stored encoding")
    true(answer.raw.read(decode_content=False) == body, "the bytes on the wire differ")


# Checksums


@suite.check("checksums: right ones are accepted, wrong ones leave nothing")
def checksums(world):
    for name, right, wrong in (("crc32c", crc32c(b"body"), crc32c(b"other")), ("md5Hash", md5(b"body"), md5(b"other"))):
        status(multipart_related(world, f"right-{name}", b"body", {name: right}), 200)
        status(multipart_related(world, f"wrong-{name}", b"body", {name: wrong}), 400)
        world.absent(f"wrong-{name}")
    for checksum in ("crc32c", "md5"):
        world.put(f"auto-{checksum}", b"body", checksum=checksum)


def multipart_related(world, name, body, resource):
    head = json.dumps({"name": name, **resource}).encode()
    parts = b"--edge\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n--edge\r\nContent-Type: text/plain\r\n\r\n%s\r\n--edge--\r\n"
    path = f"upload/storage/v1/b/{world.shared.name}/o?uploadType=multipart"
    return world.json("POST", path, data=parts % (head, body), headers={"Content-Type": 'multipart/related; boundary="edge"'})


@suite.check("checksums: a wrong one on a resumable upload leaves nothing")
def checksum_resumable(world):
    body = pattern(CHUNK + 5)
    status(world.send(world.begin("res-wrong", metadata={"crc32c": crc32c(b"other")}), body, f"bytes 0-{len(body) - 1}/{len(body)}"), 400)
    world.absent("res-wrong")
    answer = world.send(world.begin("res-right", metadata={"crc32c": crc32c(body)}), body, f"bytes 0-{len(body) - 1}/{len(body)}")
    equal(status(answer, 200).json()["crc32c"], crc32c(body), "crc32c")


@suite.check("checksums: a refused overwrite keeps the old object")
def checksum_overwrite(world):
    generation = world.put("kept", b"old").generation
    status(multipart_related(world, "kept", b"new", {"crc32c": crc32c(b"other")}), 400)
    equal((world.body("kept"), world.shared.get_blob("kept").generation), (b"old", generation), "object")


# Resumable uploads


@suite.check("resumable upload by the library, in chunks")
def resumable(world):
    body = pattern(4 * CHUNK + 123)
    blob = world.shared.blob("resumable", chunk_size=CHUNK)
    blob.upload_from_file(io.BytesIO(body), size=len(body), content_type="text/plain", checksum="crc32c")
    blob.reload()
    equal((blob.size, blob.crc32c, blob.md5_hash, blob.content_type), (len(body), crc32c(body), md5(body), "text/plain"), "resource")
    true(world.body("resumable") == body, "the body differs")


@suite.check("resumable upload of unknown size, written as a stream")
def resumable_stream(world):
    body = pattern(2 * CHUNK + 7)
    with world.shared.blob("stream", chunk_size=CHUNK).open("wb") as stream:
        stream.write(body[:1000])
        stream.write(body[1000:])
    true(world.body("stream") == body, "the body differs")


@suite.check("resumable upload: status query, bytes sent twice, end")
def resumable_resume(world):
    body = pattern(2 * CHUNK + 99)
    total = len(body)
    session = world.begin("resume", total)
    equal(status(world.send(session, b"", f"bytes */{total}"), 308).headers.get("Range"), None, "Range before the first byte")
    equal(status(world.send(session, body[:CHUNK], f"bytes 0-{CHUNK - 1}/{total}"), 308).headers["Range"], f"bytes=0-{CHUNK - 1}", "Range")
    equal(status(world.send(session, b"", f"bytes */{total}"), 308).headers["Range"], f"bytes=0-{CHUNK - 1}", "Range of a query")
    world.absent("resume")
    again = status(world.send(session, body[: 2 * CHUNK], f"bytes 0-{2 * CHUNK - 1}/{total}"), 308)
    equal(again.headers["Range"], f"bytes=0-{2 * CHUNK - 1}", "Range after bytes sent twice")
    resource = status(world.send(session, body[2 * CHUNK :], f"bytes {2 * CHUNK}-{total - 1}/{total}"), 200, 201).json()
    equal((resource["size"], resource["crc32c"]), (str(total), crc32c(body)), "resource")
    true(world.body("resume") == body, "the body differs")
    status(world.send(session, b"", f"bytes */{total}"), 200, 201)


@suite.check("resumable upload: cancelled, nothing is left")
def resumable_cancel(world):
    session = world.begin("cancelled", 2 * CHUNK)
    status(world.send(session, pattern(CHUNK), f"bytes 0-{CHUNK - 1}/{2 * CHUNK}"), 308)
    status(world.http.delete(session, timeout=30), 499)
    status(world.send(session, b"", f"bytes */{2 * CHUNK}"), 404, 410, 499)
    world.absent("cancelled")


@suite.check("resumable upload: ifGenerationMatch holds")
def resumable_conditional(world):
    blob = world.put("res-cond", b"old")
    body = pattern(CHUNK)

    def refused_at_begin_or_end():
        path = f"upload/storage/v1/b/{world.shared.name}/o?uploadType=resumable&name=res-cond&ifGenerationMatch=0"
        answer = world.json("POST", path, json={})
        if answer.status_code == 200:
            answer = world.send(answer.headers["Location"], body, f"bytes 0-{len(body) - 1}/{len(body)}")
        status(answer, 412)

    refused_at_begin_or_end()
    equal(world.body("res-cond"), b"old", "body")
    session = world.begin("res-cond", len(body), query=f"&ifGenerationMatch={blob.generation}")
    status(world.send(session, body, f"bytes 0-{len(body) - 1}/{len(body)}"), 200)
    true(world.body("res-cond") == body, "the body differs")


# Listings


@suite.check("list: pages, byte order, resources")
def list_pages(world):
    bucket = world.bucket()
    names = [f"k/{number:03}" for number in range(25)] + ["K", "a", "z", "é", "\U0001f600", "\uffef"]
    world.fill(bucket, names)
    pages = [list(page) for page in world.client.list_blobs(bucket, page_size=10).pages]
    equal([len(page) for page in pages], [10, 10, 10, 1], "page sizes")
    blobs = [blob for page in pages for blob in page]
    equal([blob.name for blob in blobs], sorted(names, key=lambda name: name.encode()), "names in UTF-8 byte order")
    for blob in blobs:
        body = blob.name.encode()
        equal((blob.size, blob.crc32c, blob.md5_hash), (len(body), crc32c(body), md5(body)), blob.name)
        true(blob.generation and blob.updated, f"{blob.name} has no generation or time")


@suite.check("list: prefix, startOffset, endOffset, maxResults")
def list_ranges(world):
    bucket = world.bucket()
    world.fill(bucket, ["a", "b/1", "b/2", "b/3", "b0", "c"])
    equal(world.names(bucket, prefix="b/"), ["b/1", "b/2", "b/3"], "prefix")
    equal(world.names(bucket, prefix="b"), ["b/1", "b/2", "b/3", "b0"], "prefix without a border")
    equal(world.names(bucket, start_offset="b/2"), ["b/2", "b/3", "b0", "c"], "start is inclusive")
    equal(world.names(bucket, end_offset="b/2"), ["a", "b/1"], "end is exclusive")
    equal(world.names(bucket, start_offset="b/11", end_offset="b1"), ["b/2", "b/3", "b0"], "a range")
    equal(world.names(bucket, prefix="b/", start_offset="b/3"), ["b/3"], "prefix and start")
    equal(world.names(bucket, max_results=2), ["a", "b/1"], "maxResults")
    equal(world.names(bucket, prefix="nothing/"), [], "nothing")


@suite.check("list: delimiter, prefixes, pages across them")
def list_delimiter(world):
    bucket = world.bucket()
    world.fill(bucket, ["a/1", "a/2", "b", "c/1", "c/d/1", "e", "f//1", "g/"])
    for page_size in (None, 1):
        listing = world.client.list_blobs(bucket, delimiter="/", page_size=page_size)
        equal(([blob.name for blob in listing], sorted(listing.prefixes)), (["b", "e"], ["a/", "c/", "f/", "g/"]), f"in pages of {page_size}")
    listing = world.client.list_blobs(bucket, delimiter="/", prefix="c/")
    equal(([blob.name for blob in listing], sorted(listing.prefixes)), (["c/1"], ["c/d/"]), "below c/")


@suite.check("list: only the fields that were asked for")
def list_fields(world):
    bucket = world.bucket()
    world.fill(bucket, ["a", "b"])
    answer = status(world.json("GET", f"storage/v1/b/{bucket.name}/o?fields=items(name,size),nextPageToken&maxResults=1"), 200).json()
    equal(answer["items"], [{"name": "a", "size": "1"}], "items")
    true(set(answer) == {"items", "nextPageToken"}, f"fields: {sorted(answer)}")


@suite.check("list: a page holds 1,000 objects at most")
def list_thousand(world):
    bucket = world.bucket()
    names = [f"{number:04}" for number in range(1002)]
    world.fill(bucket, names)
    pages = [[blob.name for blob in page] for page in world.client.list_blobs(bucket, page_size=5000).pages]
    equal([len(page) for page in pages], [1000, 2], "page sizes")
    equal(sum(pages, []), names, "names")


@suite.check("odd names: upload, list, get, rewrite, delete, byte for byte")
def odd_names(world):
    bucket = world.bucket()
    world.fill(bucket, ODD_KEYS)
    equal(world.names(bucket, page_size=7), sorted(ODD_KEYS, key=lambda name: name.encode()), "listing")
    for name in ODD_KEYS:
        equal(world.body(name, bucket), name.encode(), f"body of {name!r}")
        equal(bucket.get_blob(name).size, len(name.encode()), f"size of {name!r}")
    target = world.bucket()
    for name in ODD_KEYS:
        rewrite(target.blob(name), bucket.blob(name))
        equal(world.body(name, target), name.encode(), f"rewrite of {name!r}")
        target.blob(name).delete()
    equal(world.names(target), [], "left")


@suite.check("names that GCS refuses: newlines, `.`, `..`, too long, ACME challenges")
def refused_names(world):
    for name in ("new\nline", "carriage\rreturn", ".", "..", "n" * 1025, ".well-known/acme-challenge/x"):
        path = f"upload/storage/v1/b/{world.shared.name}/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
        status(world.json("POST", path, data=b"x"), 400)
    for name in ("n" * 1024, "é" * 512, "..."):
        equal(world.put(name, b"fits").size, 4, "size")
        equal(world.body(name), b"fits", "body")


# Preconditions


@suite.check("preconditions: upload creates only, replaces only")
def conditional_upload(world):
    first = world.put("cond", b"1", if_generation_match=0)
    refused(lambda: world.put("cond", b"2", if_generation_match=0), 412)
    refused(lambda: world.put("cond", b"3", if_generation_match=first.generation + 1), 412)
    equal(world.body("cond"), b"1", "body after refusals")
    second = world.put("cond", b"4", if_generation_match=first.generation)
    true(second.generation > first.generation, "generations must grow")
    equal(world.body("cond"), b"4", "body")


@suite.check("preconditions: download, metadata, not-match")
def conditional_get(world):
    blob = world.put("cond-get", b"body")
    equal(blob.download_as_bytes(if_generation_match=blob.generation), b"body", "body")
    wrong = blob.generation + 1
    refused(lambda: world.shared.blob("cond-get").download_as_bytes(if_generation_match=wrong, retry=None), 412)
    refused(lambda: world.shared.blob("cond-get").reload(if_generation_match=wrong, retry=None), 412)
    refused(lambda: world.shared.blob("cond-get").reload(if_generation_not_match=blob.generation, retry=None), 304)
    refused(lambda: world.shared.blob("cond-get").reload(if_metageneration_match=7, retry=None), 412)


@suite.check("preconditions: delete takes that generation only")
def conditional_delete(world):
    old = world.put("cond-delete", b"1").generation
    new = world.put("cond-delete", b"2").generation
    refused(lambda: world.shared.blob("cond-delete").delete(if_generation_match=old, retry=None), 412)
    equal(world.body("cond-delete"), b"2", "body after a refused delete")
    refused(lambda: world.shared.blob("cond-delete", generation=old).delete(retry=None), 404)
    world.shared.blob("cond-delete").delete(if_generation_match=new)
    world.absent("cond-delete")


# Metadata


@suite.check("patch: metadata is merged, fields change, metageneration grows")
def patch(world):
    blob = world.put("patch", b"x")
    blob.metadata = {"a": "1", "b": "2"}
    blob.content_type = "text/css"
    blob.patch()
    blob.metadata = {"b": None, "c": "3"}
    blob.patch(if_metageneration_match=2)
    seen = world.shared.get_blob("patch")
    equal((seen.metadata, seen.content_type, seen.metageneration), ({"a": "1", "c": "3"}, "text/css", 3), "resource")
    equal((seen.generation, world.body("patch")), (blob.generation, b"x"), "generation and body")
    refused(lambda: seen.patch(if_metageneration_match=1, retry=None), 412)


@suite.check("holds: an object under hold is neither deleted nor replaced")
def holds(world):
    blob = world.put("hold", b"x")
    blob.temporary_hold = True
    blob.patch()
    refused(lambda: world.shared.blob("hold").delete(retry=None), 403)
    refused(lambda: world.put("hold", b"y"), 403)
    blob.temporary_hold = False
    blob.patch()
    blob.delete()
    world.absent("hold")


# On the server's side


@suite.check("compose: order, crc32c, no MD5, component count, conditions")
def compose(world):
    bodies = [pattern(1000 + number, number) for number in range(3)]
    sources = [world.put(f"compose/{number}", body) for number, body in enumerate(bodies)]
    whole = world.shared.blob("composed")
    whole.content_type = "text/plain"
    whole.compose(sources, if_generation_match=0)
    seen = world.shared.get_blob("composed")
    body = b"".join(bodies)
    equal((seen.size, seen.crc32c, seen.content_type, seen.component_count), (len(body), crc32c(body), "text/plain", 3), "resource")
    equal(seen.md5_hash, None, "MD5 of a composite object")
    true(world.body("composed") == body, "the body differs")
    refused(lambda: world.shared.blob("composed").compose(sources, if_generation_match=0, retry=None), 412)
    equal(len(world.names(world.shared, prefix="compose/")), 3, "sources left")


@suite.check("compose: source generations, missing sources, 33 sources")
def compose_errors(world):
    source = world.put("compose-errors", b"x")
    whole = world.shared.blob("composed-errors")
    refused(lambda: whole.compose([source], if_source_generation_match=[source.generation + 1], retry=None), 404, 412)
    refused(lambda: whole.compose([world.shared.blob("no-such-source")], retry=None), 404)
    refused(lambda: whole.compose([source] * 33, retry=None), 400)
    world.absent("composed-errors")
    whole.compose([source] * 32, if_source_generation_match=[source.generation] * 32)
    equal(world.body("composed-errors"), b"x" * 32, "body")


def rewrite(target, source, **conditions):
    token, turns = None, 0
    while True:
        token, done, total = target.rewrite(source, token=token, retry=None, **conditions)
        turns += 1
        true(turns < 100, "a rewrite that never ends")
        if token is None:
            equal(done, total, "bytes rewritten")
            return target


@suite.check("rewrite: bytes, metadata, conditions on both ends")
def rewrites(world):
    body = pattern(3 * MIB + 5)
    source = world.put("rewrite", body)
    source.metadata = {"a": "1"}
    source.content_type = "text/plain"
    source.patch()
    other = world.bucket()
    rewrite(other.blob("rewritten"), world.shared.blob("rewrite"), if_generation_match=0, if_source_generation_match=source.generation)
    seen = other.get_blob("rewritten")
    equal((seen.crc32c, seen.metadata, seen.content_type), (crc32c(body), {"a": "1"}, "text/plain"), "resource")
    true(world.body("rewritten", other) == body, "the body differs")
    plain = world.shared.blob("rewrite")
    refused(lambda: rewrite(other.blob("rewritten"), plain, if_generation_match=0), 412)
    refused(lambda: rewrite(other.blob("other"), plain, if_source_generation_match=source.generation + 1), 412)
    refused(lambda: rewrite(other.blob("other"), world.shared.blob("no-such-source")), 404)
    world.absent("other", other)


@suite.check("rewrite: a body of `null` or none means the resource as it is")
def rewrite_null(world):
    world.put("rewrite-null", b"body")
    path = f"storage/v1/b/{world.shared.name}/o/rewrite-null/rewriteTo/b/{world.shared.name}/o/rewritten-null"
    for body in (b"", b"null\n", b"{}"):  # Google's client for Go sends the second
        status(world.json("POST", path, data=body, headers={"Content-Type": "application/json"}), 200)
        equal(world.shared.get_blob("rewritten-null").content_type, "application/octet-stream", f"content type after {body!r}")


@suite.check("rewrite in several calls, each with a token")
def rewrite_calls(world):
    body = pattern(3 * MIB)
    world.put("rewrite-calls", body)
    path = f"storage/v1/b/{world.shared.name}/o/rewrite-calls/rewriteTo/b/{world.shared.name}/o/rewritten-calls?maxBytesRewrittenPerCall={MIB}"
    token, turns = "", 0
    while turns < 10:
        answer = status(world.json("POST", path + token, json={"storageClass": "NEARLINE"}), 200).json()
        turns += 1
        if answer["done"]:
            break
        true(int(answer["totalBytesRewritten"]) <= turns * MIB, f"rewrote {answer['totalBytesRewritten']} bytes in {turns} calls")
        token = "&rewriteToken=" + urllib.parse.quote(answer["rewriteToken"], safe="")
    equal((answer["objectSize"], answer["resource"]["storageClass"]), (str(len(body)), "NEARLINE"), "answer")
    true(world.body("rewritten-calls") == body, "the body differs")


@suite.check("storage class: set at upload, changed by the library")
def storage_class(world):
    blob = world.put("class", b"x")
    blob.update_storage_class(NEARLINE_STORAGE_CLASS)
    equal((world.shared.get_blob("class").storage_class, world.body("class")), ("NEARLINE", b"x"), "class and body")


@suite.check("copy by the library")
def copies(world):
    other = world.bucket()
    blob = world.shared.copy_blob(world.put("copy", b"body"), other, "copied", if_generation_match=0)
    equal((blob.name, world.body("copied", other)), ("copied", b"body"), "copy")
    refused(lambda: world.shared.copy_blob(blob, other, "copied", if_generation_match=0, retry=None), 404, 412)


@suite.check("move: one step, conditions on both ends")
def move(world):
    blob = world.put("move", b"body")
    world.put("taken", b"taken")
    refused(lambda: world.shared.move_blob(blob, "taken", if_generation_match=0, retry=None), 412)
    refused(lambda: world.shared.move_blob(blob, "moved", if_source_generation_match=blob.generation + 1, retry=None), 412)
    equal((world.body("move"), world.body("taken")), (b"body", b"taken"), "bodies after refusals")
    moved = world.shared.move_blob(blob, "moved", if_generation_match=0, if_source_generation_match=blob.generation)
    equal((moved.name, moved.crc32c, world.body("moved")), ("moved", crc32c(b"body"), b"body"), "moved")
    world.absent("move")


@suite.check("batch: deletes and patches in one request")
def batch(world):
    bucket = world.bucket()
    world.fill(bucket, [f"b/{number} +%" for number in range(20)] + ["kept"])
    with world.client.batch():
        for number in range(20):
            bucket.delete_blob(f"b/{number} +%")
        kept = bucket.blob("kept")
        kept.metadata = {"a": "1"}
        kept.patch()
    equal(world.names(bucket), ["kept"], "left")
    equal(bucket.get_blob("kept").metadata, {"a": "1"}, "metadata")
    generation = bucket.get_blob("kept").generation
    with world.client.batch(raise_exception=False) as calls:
        bucket.delete_blob("missing")
        bucket.delete_blob("kept", if_generation_match=generation + 1)
    equal([answer.status_code for answer in calls._responses], [404, 412], "statuses")
    equal(world.body("kept", bucket), b"kept", "body after a refused delete")


@suite.check("versions: overwritten and deleted generations stay")
def versions(world):
    bucket = world.bucket(versioned=True)
    first, second = (world.put("v", body, bucket).generation for body in (b"1", b"22"))
    equal(bucket.blob("v", generation=first).download_as_bytes(), b"1", "the first generation")
    bucket.blob("v").delete()
    world.absent("v", bucket)
    equal(world.names(bucket), [], "plain listing")
    seen = [(blob.generation, blob.size, blob.time_deleted is not None) for blob in world.client.list_blobs(bucket, versions=True)]
    equal(seen, [(first, 1, True), (second, 2, True)], "generations")
    bucket.blob("v", generation=first).delete()
    equal([blob.generation for blob in world.client.list_blobs(bucket, versions=True)], [second], "left")


# The XML API


@suite.check("XML: put, get, head, range, generation conditions")
def xml_object(world):
    body = pattern(5000)
    answer = status(world.xml("PUT", "xml/a b", data=body, headers={"x-goog-if-generation-match": "0", "x-goog-meta-colour": "blue"}), 200)
    generation = answer.headers["x-goog-generation"]
    status(world.xml("PUT", "xml/a b", data=b"no", headers={"x-goog-if-generation-match": "0"}), 412)
    answer = status(world.xml("GET", "xml/a b", headers={"Range": "bytes=10-19"}), 206)
    equal((answer.content, answer.headers["Content-Range"]), (body[10:20], "bytes 10-19/5000"), "range")
    answer = status(world.xml("HEAD", "xml/a b", headers={"x-goog-if-generation-match": generation}), 200)
    equal((answer.headers["Content-Length"], answer.headers["x-goog-meta-colour"]), ("5000", "blue"), "head")
    true(f"crc32c={crc32c(body)}" in answer.headers["x-goog-hash"], "no crc32c in x-goog-hash")
    status(world.xml("GET", "xml/a b", headers={"x-goog-if-generation-match": "1"}), 412)
    equal(world.shared.get_blob("xml/a b").crc32c, crc32c(body), "the same object through JSON")
    status(world.xml("GET", "xml/none"), 404)


@suite.check("XML: x-goog-hash right and wrong, Content-MD5 wrong")
def xml_hash(world):
    right = {"x-goog-hash": f"crc32c={crc32c(b'body')},md5={md5(b'body')}"}
    status(world.xml("PUT", "xml-right", data=b"body", headers=right), 200)
    wrongs = ({"x-goog-hash": f"crc32c={crc32c(b'no')}"}, {"x-goog-hash": f"md5={md5(b'no')}"}, {"Content-MD5": md5(b"no")})
    for wrong in wrongs:
        status(world.xml("PUT", "xml-wrong", data=b"body", headers=wrong), 400)
        world.absent("xml-wrong")


@suite.check("XML: multipart upload by hand, part checksums, abort")
def xml_multipart(world):
    bodies = [pattern(PART, 1), pattern(PART, 2), pattern(77, 3)]
    begun = status(world.xml("POST", "xml-mpu", query="?uploads", headers={"Content-Type": "text/plain", "x-goog-meta-a": "b"}), 200)
    upload = xml.fromstring(begun.content).findtext("{*}UploadId")
    done = "".join(xml_part(world, upload, number, body) for number, body in enumerate(bodies, 1))
    wrong = {"x-goog-hash": f"crc32c={crc32c(b'no')}"}
    status(world.xml("PUT", "xml-mpu", query=f"?partNumber=4&uploadId={upload}", data=b"body", headers=wrong), 400)
    listed = xml.fromstring(status(world.xml("GET", "xml-mpu", query=f"?uploadId={upload}"), 200).content)
    equal([int(size.text) for size in listed.iterfind("{*}Part/{*}Size")], [len(body) for body in bodies], "sizes of parts")
    world.absent("xml-mpu")
    body = b"".join(bodies)
    answer = status(world.xml("POST", "xml-mpu", query=f"?uploadId={upload}", data=f"<CompleteMultipartUpload>{done}</CompleteMultipartUpload>"), 200)
    true(f"crc32c={crc32c(body)}" in answer.headers["x-goog-hash"], "no crc32c of the whole in the answer to Complete")
    seen = world.shared.get_blob("xml-mpu")
    equal((seen.size, seen.crc32c, seen.md5_hash, seen.content_type, seen.metadata), (len(body), crc32c(body), None, "text/plain", {"a": "b"}), "resource")
    true(world.body("xml-mpu") == body, "the body differs")
    begun = status(world.xml("POST", "xml-abort", query="?uploads"), 200)
    upload = xml.fromstring(begun.content).findtext("{*}UploadId")
    status(world.xml("DELETE", "xml-abort", query=f"?uploadId={upload}"), 204)
    status(world.xml("GET", "xml-abort", query=f"?uploadId={upload}"), 404)


def xml_part(world, upload, number, body):
    """Sends one part; gives its line for Complete."""
    sent = {"x-goog-hash": f"crc32c={crc32c(body)}"}
    answer = status(world.xml("PUT", "xml-mpu", query=f"?partNumber={number}&uploadId={upload}", data=body, headers=sent), 200)
    return f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['ETag']}</ETag></Part>"


@suite.check("the library's transfer manager: upload and download in parallel chunks")
def transfers(world):
    body = pattern(2 * PART + 12_345)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "body")
        with open(path, "wb") as file:
            file.write(body)
        blob = world.shared.blob("managed")
        options = {"chunk_size": PART, "max_workers": 3, "worker_type": transfer_manager.THREAD}
        transfer_manager.upload_chunks_concurrently(path, blob, **options)
        blob.reload()
        equal((blob.size, blob.crc32c), (len(body), crc32c(body)), "resource")
        transfer_manager.download_chunks_concurrently(blob, path + ".back", **options)
        with open(path + ".back", "rb") as file:
            true(file.read() == body, "the body differs")


# Seen with gcp-storage-emulator 2026.7.19. A check that begins to pass there fails here, until its line is gone.
GAPS = {
    "gcp-storage-emulator": {
        "upload in one request: bytes, resource, digests": "starts with metageneration 2",
        "ranged download: first, middle, open end, last bytes, beyond the end": "does not know the last bytes",
        "download: x-goog-hash, x-goog-generation and x-goog-stored-* headers": "sends no generation",
        "gzip content: stored bytes come back as stored": "sends no x-goog-stored-content-encoding",
        "resumable upload: status query, bytes sent twice, end": "claims to hold a byte before the first",
        "resumable upload: cancelled, nothing is left": "cannot cancel (501)",
        "resumable upload: ifGenerationMatch holds": "ignores generation conditions",
        "list: pages, byte order, resources": "has no pages",
        "list: prefix, startOffset, endOffset, maxResults": "ignores the offsets",
        "list: only the fields that were asked for": "ignores fields",
        "list: a page holds 1,000 objects at most": "has no pages",
        "odd names: upload, list, get, rewrite, delete, byte for byte": "drops the connection on some names",
        "names that GCS refuses: newlines, `.`, `..`, too long, ACME challenges": "takes any name",
        "preconditions: upload creates only, replaces only": "ignores generation conditions",
        "preconditions: download, metadata, not-match": "gives no generation after an upload without metadata",
        "preconditions: delete takes that generation only": "ignores generation conditions",
        "patch: metadata is merged, fields change, metageneration grows": "replaces metadata",
        "holds: an object under hold is neither deleted nor replaced": "ignores holds",
        "compose: order, crc32c, no MD5, component count, conditions": "keeps no component count",
        "compose: source generations, missing sources, 33 sources": "ignores generation conditions",
        "rewrite: bytes, metadata, conditions on both ends": "ignores generation conditions",
        "rewrite in several calls, each with a token": "ignores the storage class",
        "storage class: set at upload, changed by the library": "ignores the storage class",
        "copy by the library": "ignores generation conditions",
        "move: one step, conditions on both ends": "has no move (501)",
        "batch: deletes and patches in one request": "ignores generation conditions",
        "versions: overwritten and deleted generations stay": "has no versions",
        "XML: put, get, head, range, generation conditions": "sends no generation",
        "XML: x-goog-hash right and wrong, Content-MD5 wrong": "believes every digest",
        "XML: multipart upload by hand, part checksums, abort": "has no XML multipart upload (501)",
        "the library's transfer manager: upload and download in parallel chunks": "has no XML multipart upload (501)",
    },
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--access-key", help="not used: the server takes anyone")
    parser.add_argument("--secret-key", help="not used")
    parser.add_argument("--server", choices=["embedded", *GAPS], default="embedded")
    parser.add_argument("--only", help="run the checks whose name holds this text")
    options = parser.parse_args()
    with ending("google-cloud-storage"):
        world = World(options.endpoint.rstrip("/"))
    return suite.run(world, GAPS.get(options.server), options.only)


if __name__ == "__main__":
    sys.exit(main())
