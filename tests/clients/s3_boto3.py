#!/usr/bin/env python3
"""boto3 against an S3 server: does it mean what the AWS SDK for Python takes it to mean?

    s3_boto3.py --endpoint http://127.0.0.1:9000 --access-key K --secret-key S [--server NAME] [--only TEXT]

The embedded S3 server must pass every check. `--server moto` names what moto is known to lack: the same checks against a server
that nobody here wrote show that the checks themselves are right.
"""

import argparse
import base64
import datetime
import hashlib
import http.client
import io
import sys
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
from awscrt import checksums as crc
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from checks import CONTROL_KEYS, ODD_KEYS, Suite, ending, equal, pattern, true

MIB = 1024 * 1024
PART = 5 * MIB
suite = Suite("boto3")


class World:
    """One server, one client, and a bucket for each check that asks for one."""

    def __init__(self, endpoint, access_key, secret_key, region):
        self.endpoint, self.access_key, self.secret_key, self.region = endpoint, access_key, secret_key, region
        self.s3 = self.client()
        # Nothing but what the check gives: no checksum of the client's own choice, none demanded of an answer.
        self.quiet = self.client(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        self.shared = self.bucket()

    def client(self, access_key=None, secret_key=None, **config):
        options = {"connect_timeout": 5, "read_timeout": 30, "retries": {"total_max_attempts": 1}, "max_pool_connections": 16}
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=access_key or self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, **options, **config),
        )

    def bucket(self, versioned=False):
        name = f"client-{uuid.uuid4().hex[:16]}"
        self.s3.create_bucket(Bucket=name)
        if versioned:
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def put(self, key, body=b"x", bucket=None, **more):
        return self.s3.put_object(Bucket=bucket or self.shared, Key=key, Body=body, **more)

    def body(self, key, bucket=None, **more):
        return self.s3.get_object(Bucket=bucket or self.shared, Key=key, **more)["Body"].read()

    def fill(self, bucket, keys):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.put(key, key.encode(), bucket), keys))

    def begin(self, key, bucket=None, **more):
        return self.s3.create_multipart_upload(Bucket=bucket or self.shared, Key=key, **more)["UploadId"]

    def part(self, key, upload, number, body, **more):
        answer = self.quiet.upload_part(Bucket=self.shared, Key=key, UploadId=upload, PartNumber=number, Body=body, **more)
        kept = {name: answer[name] for name in answer if name.startswith("Checksum") and name != "ChecksumType"}
        return {"PartNumber": number, "ETag": answer["ETag"], **kept}

    def complete(self, key, upload, parts, **more):
        return self.s3.complete_multipart_upload(Bucket=self.shared, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **more)

    def absent(self, key, bucket=None):
        refused(lambda: self.s3.head_object(Bucket=bucket or self.shared, Key=key), 404)


def refused(call, status, code=None):
    """The call must fail with this HTTP status (or one of several) and this error code (or one of several)."""
    statuses = status if isinstance(status, tuple) else (status,)
    codes = code if isinstance(code, tuple) else (code,)
    try:
        call()
    except ClientError as error:
        seen = error.response["ResponseMetadata"]["HTTPStatusCode"]
        true(seen in statuses, f"status {seen} ({error}), wanted {statuses}")
        if code:
            true(error.response["Error"]["Code"] in codes, f"code {error.response['Error']['Code']}, wanted {codes}")
        return error
    raise AssertionError(f"accepted, wanted status {statuses}")


def b64(value):
    return base64.b64encode(value).decode()


def md5(body):
    return hashlib.md5(body).hexdigest()


def digests(body):
    """Every checksum S3 knows of old, by the name of its request argument."""
    return {
        "ChecksumCRC32": b64(crc.crc32(body).to_bytes(4, "big")),
        "ChecksumCRC32C": b64(crc.crc32c(body).to_bytes(4, "big")),
        "ChecksumCRC64NVME": b64(crc.crc64nvme(body).to_bytes(8, "big")),
        "ChecksumSHA1": b64(hashlib.sha1(body).digest()),
        "ChecksumSHA256": b64(hashlib.sha256(body).digest()),
    }


def three_parts():
    return [pattern(PART, 1), pattern(PART, 2), pattern(MIB + 17, 3)]


# Buckets and who may enter


@suite.check("bucket: create, head, location, list, delete")
def buckets(world):
    name = world.bucket()
    world.s3.head_bucket(Bucket=name)
    true(name in [bucket["Name"] for bucket in world.s3.list_buckets()["Buckets"]], "the bucket is not listed")
    equal(world.s3.get_bucket_location(Bucket=name).get("LocationConstraint") or "us-east-1", world.region, "location")
    world.put("a", bucket=name)
    refused(lambda: world.s3.delete_bucket(Bucket=name), 409, "BucketNotEmpty")
    world.s3.delete_object(Bucket=name, Key="a")
    world.s3.delete_bucket(Bucket=name)
    refused(lambda: world.s3.head_bucket(Bucket=name), 404)


@suite.check("errors: missing bucket and missing key have their codes")
def missing(world):
    refused(lambda: world.s3.list_objects_v2(Bucket="client-no-such-bucket"), 404, "NoSuchBucket")
    refused(lambda: world.s3.get_object(Bucket="client-no-such-bucket", Key="a"), 404, "NoSuchBucket")
    refused(lambda: world.s3.put_object(Bucket="client-no-such-bucket", Key="a", Body=b""), 404, "NoSuchBucket")
    refused(lambda: world.s3.get_object(Bucket=world.shared, Key="no-such-key"), 404, "NoSuchKey")
    world.absent("no-such-key")
    equal(world.s3.delete_object(Bucket=world.shared, Key="no-such-key")["ResponseMetadata"]["HTTPStatusCode"], 204, "status")


@suite.check("signature: a wrong secret and an unknown key are refused")
def signatures(world):
    wrong = world.client(secret_key="not-the-secret")
    refused(lambda: wrong.list_objects_v2(Bucket=world.shared), 403, "SignatureDoesNotMatch")
    refused(lambda: wrong.put_object(Bucket=world.shared, Key="forged", Body=b"x"), 403, "SignatureDoesNotMatch")
    unknown = world.client(access_key="AKIDNOTKNOWNHERE")
    refused(lambda: unknown.list_objects_v2(Bucket=world.shared), 403, "InvalidAccessKeyId")
    world.absent("forged")


# One object


@suite.check("put, get, head: bytes, ETag, size, headers, metadata")
def put_get(world):
    body = pattern(70_001)
    headers = {
        "ContentType": "text/x-odd; charset=utf-8",
        "ContentEncoding": "gzip",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentLanguage": "de",
        "CacheControl": "max-age=60",
        "Metadata": {"colour": "blue", "mtime": "1700000000.123456789"},
    }
    expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    answer = world.put("one", body, Expires=expires, **headers)
    equal(answer["ETag"], f'"{md5(body)}"', "ETag")
    for seen in (world.s3.get_object(Bucket=world.shared, Key="one"), world.s3.head_object(Bucket=world.shared, Key="one")):
        equal(seen["ContentLength"], len(body), "size")
        equal(seen["ETag"], answer["ETag"], "ETag")
        equal(seen["ExpiresString"], "Wed, 02 Jan 2030 03:04:05 GMT", "Expires")
        equal({name: seen.get(name) for name in headers}, headers, "headers")
        age = datetime.datetime.now(datetime.timezone.utc) - seen["LastModified"]
        true(abs(age.total_seconds()) < 120, f"LastModified is {age} old")
    true(world.body("one") == body, "the body differs")


@suite.check("put, get: the empty object")
def empty(world):
    equal(world.put("empty", b"")["ETag"], f'"{md5(b"")}"', "ETag")
    equal(world.body("empty"), b"", "body")
    equal(world.s3.head_object(Bucket=world.shared, Key="empty")["ContentLength"], 0, "size")


@suite.check("put: overwriting replaces body, headers and metadata")
def overwrite(world):
    world.put("over", b"first", Metadata={"a": "1"}, ContentType="text/plain")
    world.put("over", b"second!", ContentType="text/css")
    seen = world.s3.get_object(Bucket=world.shared, Key="over")
    equal((seen["Body"].read(), seen["Metadata"], seen["ContentType"]), (b"second!", {}, "text/css"), "object")


@suite.check("ranged get: first, middle, open end, last bytes, beyond the end")
def ranges(world):
    body = pattern(10_000)
    etag = world.put("range", body)["ETag"]
    for header, start, end in (("0-0", 0, 1), ("100-199", 100, 200), ("9000-", 9000, 10_000), ("-7", 9993, 10_000), ("9999-20000", 9999, 10_000)):
        seen = world.s3.get_object(Bucket=world.shared, Key="range", Range=f"bytes={header}", IfMatch=etag)
        equal(seen["Body"].read(), body[start:end], header)
        equal(seen["ContentRange"], f"bytes {start}-{end - 1}/10000", "Content-Range")
        equal(seen["ResponseMetadata"]["HTTPStatusCode"], 206, "status")
    refused(lambda: world.s3.get_object(Bucket=world.shared, Key="range", Range="bytes=10000-"), 416, "InvalidRange")


@suite.check("get, head: If-Match and If-None-Match")
def conditional_get(world):
    etag = world.put("cond-get", b"body")["ETag"]
    for call in (world.s3.get_object, world.s3.head_object):
        call(Bucket=world.shared, Key="cond-get", IfMatch=etag)
        refused(lambda call=call: call(Bucket=world.shared, Key="cond-get", IfMatch='"0000"'), 412)
        refused(lambda call=call: call(Bucket=world.shared, Key="cond-get", IfNoneMatch=etag), 304)
        call(Bucket=world.shared, Key="cond-get", IfNoneMatch='"0000"')
    refused(lambda: world.s3.get_object(Bucket=world.shared, Key="cond-get", IfMatch='"0000"', Range="bytes=0-1"), 412)


@suite.check("put: If-None-Match * creates only, If-Match replaces only")
def conditional_put(world):
    etag = world.put("cond-put", b"1", IfNoneMatch="*")["ETag"]
    refused(lambda: world.put("cond-put", b"2", IfNoneMatch="*"), 412, "PreconditionFailed")
    equal(world.body("cond-put"), b"1", "body after a refused create")
    refused(lambda: world.put("cond-put", b"3", IfMatch='"0123456789abcdef0123456789abcdef"'), 412, "PreconditionFailed")
    equal(world.body("cond-put"), b"1", "body after a refused replace")
    world.put("cond-put", b"4", IfMatch=etag)
    equal(world.body("cond-put"), b"4", "body after a replace")
    refused(lambda: world.put("cond-put-none", b"5", IfMatch=etag), 404, "NoSuchKey")
    world.absent("cond-put-none")


@suite.check("delete: If-Match deletes that version only")
def conditional_delete(world):
    etag = world.put("cond-delete", b"1")["ETag"]
    refused(lambda: world.s3.delete_object(Bucket=world.shared, Key="cond-delete", IfMatch='"0123456789abcdef0123456789abcdef"'), 412, "PreconditionFailed")
    equal(world.body("cond-delete"), b"1", "body after a refused delete")
    world.put("cond-delete", b"2")
    refused(lambda: world.s3.delete_object(Bucket=world.shared, Key="cond-delete", IfMatch=etag), 412)
    etag = world.s3.head_object(Bucket=world.shared, Key="cond-delete")["ETag"]
    world.s3.delete_object(Bucket=world.shared, Key="cond-delete", IfMatch=etag)
    world.absent("cond-delete")
    # The probe for an endpoint that ignores conditions: 204 here would mean that it does.
    refused(lambda: world.s3.delete_object(Bucket=world.shared, Key="cond-delete", IfMatch=etag), (404, 412))


@suite.check("storage class is kept and listed")
def storage_class(world):
    bucket = world.bucket()
    world.put("ia", b"x", bucket, StorageClass="STANDARD_IA")
    equal(world.s3.head_object(Bucket=bucket, Key="ia").get("StorageClass"), "STANDARD_IA", "HEAD")
    equal(world.s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"], "STANDARD_IA", "listing")


# Listings


@suite.check("list v2: pages, byte order, entries")
def list_pages(world):
    bucket = world.bucket()
    keys = [f"k/{number:03}" for number in range(25)] + ["K", "a", "z", "é", "\U0001f600", "\uffef"]
    world.fill(bucket, keys)
    pages = list(world.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 10}))
    equal([page["KeyCount"] for page in pages], [10, 10, 10, 1], "page sizes")
    equal([page["IsTruncated"] for page in pages], [True, True, True, False], "IsTruncated")
    seen = [entry["Key"] for page in pages for entry in page["Contents"]]
    equal(seen, sorted(keys, key=lambda key: key.encode()), "keys in UTF-8 byte order")
    for entry in pages[0]["Contents"]:
        body = entry["Key"].encode()
        equal((entry["Size"], entry["ETag"], entry["StorageClass"]), (len(body), f'"{md5(body)}"', "STANDARD"), entry["Key"])


@suite.check("list v2: prefix, start-after, max-keys")
def list_prefix(world):
    bucket = world.bucket()
    world.fill(bucket, ["a", "b/1", "b/2", "b/3", "b0", "c"])

    def keys(**more):
        return [entry["Key"] for entry in world.s3.list_objects_v2(Bucket=bucket, **more).get("Contents", [])]

    equal(keys(Prefix="b/"), ["b/1", "b/2", "b/3"], "prefix")
    equal(keys(Prefix="b"), ["b/1", "b/2", "b/3", "b0"], "prefix without a border")
    equal(keys(StartAfter="b/2"), ["b/3", "b0", "c"], "start after a key")
    equal(keys(StartAfter="b/11"), ["b/2", "b/3", "b0", "c"], "start after a key that is not there")
    equal(keys(Prefix="b/", StartAfter="b/1"), ["b/2", "b/3"], "prefix and start after")
    equal(keys(Prefix="b/", MaxKeys=2), ["b/1", "b/2"], "max keys")
    equal(keys(Prefix="nothing/"), [], "nothing")


@suite.check("list v2: delimiter, common prefixes, pages across them")
def list_delimiter(world):
    bucket = world.bucket()
    world.fill(bucket, ["a/1", "a/2", "b", "c/1", "c/d/1", "e", "f//1", "g/"])
    answer = world.s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    equal([entry["Key"] for entry in answer["Contents"]], ["b", "e"], "keys")
    equal([entry["Prefix"] for entry in answer["CommonPrefixes"]], ["a/", "c/", "f/", "g/"], "prefixes")
    equal(answer["KeyCount"], 6, "KeyCount")
    answer = world.s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="c/")
    equal(([e["Key"] for e in answer["Contents"]], [e["Prefix"] for e in answer["CommonPrefixes"]]), (["c/1"], ["c/d/"]), "below c/")
    keys, prefixes = [], []
    for page in world.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}):
        keys += [entry["Key"] for entry in page.get("Contents", [])]
        prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
    equal((keys, prefixes), (["b", "e"], ["a/", "c/", "f/", "g/"]), "in pages of one")


@suite.check("list v1: marker and delimiter")
def list_v1(world):
    bucket = world.bucket()
    world.fill(bucket, ["a/1", "b", "c", "d/1", "e"])
    pages = list(world.s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}))
    equal([entry["Key"] for page in pages for entry in page["Contents"]], ["a/1", "b", "c", "d/1", "e"], "keys")
    equal([e["Key"] for e in world.s3.list_objects(Bucket=bucket, Marker="c")["Contents"]], ["d/1", "e"], "after the marker")
    equal([e["Prefix"] for e in world.s3.list_objects(Bucket=bucket, Delimiter="/")["CommonPrefixes"]], ["a/", "d/"], "prefixes")


@suite.check("list v2: a page holds 1,000 keys at most; batch delete takes 1,000")
def list_thousand(world):
    bucket = world.bucket()
    keys = [f"{number:04}" for number in range(1003)]
    world.fill(bucket, keys)
    answer = world.s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    equal((len(answer["Contents"]), answer["IsTruncated"]), (1000, True), "first page")
    rest = world.s3.list_objects_v2(Bucket=bucket, ContinuationToken=answer["NextContinuationToken"])
    equal(([entry["Key"] for entry in rest["Contents"]], rest["IsTruncated"]), (keys[1000:], False), "second page")
    refused(lambda: delete_batch(world, bucket, keys[:1001]), 400, "MalformedXML")
    answer = delete_batch(world, bucket, keys[:1000])
    equal(sorted(entry["Key"] for entry in answer["Deleted"]), keys[:1000], "deleted")
    equal([entry["Key"] for entry in world.s3.list_objects_v2(Bucket=bucket)["Contents"]], keys[1000:], "left")


def delete_batch(world, bucket, keys, quiet=False):
    objects = [key if isinstance(key, dict) else {"Key": key} for key in keys]
    return world.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": quiet})


@suite.check("batch delete: quiet, missing keys, keys that need escaping")
def batch_delete(world):
    bucket = world.bucket()
    world.fill(bucket, ["a", "b", "<&>\"'", "crlf\r\nend"])
    answer = delete_batch(world, bucket, ["a", "missing"])
    equal(sorted(entry["Key"] for entry in answer["Deleted"]), ["a", "missing"], "deleted")
    answer = delete_batch(world, bucket, ["b", "<&>\"'", "crlf\r\nend"], quiet=True)
    equal((answer.get("Deleted", []), answer.get("Errors", [])), ([], []), "a quiet answer")
    equal(world.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "left")


@suite.check("batch delete: a wrong ETag keeps its object, the others go")
def batch_delete_conditional(world):
    bucket = world.bucket()
    right = world.put("right", b"1", bucket)["ETag"]
    world.put("wrong", b"2", bucket)
    answer = delete_batch(world, bucket, [{"Key": "right", "ETag": right}, {"Key": "wrong", "ETag": right}])
    equal([entry["Key"] for entry in answer.get("Deleted", [])], ["right"], "deleted")
    equal([(entry["Key"], entry["Code"]) for entry in answer.get("Errors", [])], [("wrong", "PreconditionFailed")], "errors")
    equal(world.body("wrong", bucket), b"2", "the object whose ETag was wrong")


# Keys


@suite.check("odd keys: put, list, get, head, copy, delete, byte for byte")
def odd_keys(world):
    bucket = world.bucket()
    world.fill(bucket, ODD_KEYS)
    seen = [e["Key"] for page in world.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7}) for e in page["Contents"]]
    equal(seen, sorted(ODD_KEYS, key=lambda key: key.encode()), "listing")
    for key in ODD_KEYS:
        equal(world.body(key, bucket), key.encode(), f"body of {key!r}")
        equal(world.s3.head_object(Bucket=bucket, Key=key)["ContentLength"], len(key.encode()), f"size of {key!r}")
    target = world.bucket()
    for key in ODD_KEYS:
        world.s3.copy_object(Bucket=target, Key=key, CopySource={"Bucket": bucket, "Key": key})
        equal(world.body(key, target), key.encode(), f"copy of {key!r}")
    answer = delete_batch(world, bucket, ODD_KEYS)
    equal(sorted(entry["Key"] for entry in answer["Deleted"]), sorted(ODD_KEYS), "batch delete")
    for key in ODD_KEYS:
        world.s3.delete_object(Bucket=target, Key=key)
    equal([world.s3.list_objects_v2(Bucket=name)["KeyCount"] for name in (bucket, target)], [0, 0], "left")


@suite.check("control characters in keys: put, list, get, delete, byte for byte")
def control_keys(world):
    bucket = world.bucket()
    world.fill(bucket, CONTROL_KEYS)
    seen = [entry["Key"] for entry in world.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    equal(seen, sorted(CONTROL_KEYS), "listing")
    for key in CONTROL_KEYS:
        equal(world.body(key, bucket), key.encode(), f"body of {key!r}")
        world.s3.delete_object(Bucket=bucket, Key=key)
    equal(world.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "left")


@suite.check("a key of 1,024 bytes is kept, one of 1,025 is refused")
def long_key(world):
    for key in ("k" * 1024, "é" * 512):
        world.put(key, b"long")
        equal(world.body(key), b"long", "body")
    refused(lambda: world.put("k" * 1025), 400, "KeyTooLongError")


# Checksums of single objects


@suite.check("checksums on put: kept, given back on demand only")
def checksums_right(world):
    body = pattern(12_345)
    for name, value in digests(body).items():
        key = f"sum-{name}"
        equal(world.quiet.put_object(Bucket=world.shared, Key=key, Body=body, **{name: value}).get(name), value, f"answer to put of {name}")
        seen = world.quiet.head_object(Bucket=world.shared, Key=key, ChecksumMode="ENABLED")
        equal((seen.get(name), seen.get("ChecksumType")), (value, "FULL_OBJECT"), name)
        seen = world.quiet.get_object(Bucket=world.shared, Key=key, ChecksumMode="ENABLED")
        equal((seen.get(name), seen["Body"].read() == body), (value, True), name)
        equal(world.quiet.head_object(Bucket=world.shared, Key=key).get(name), None, f"{name} without being asked for")


@suite.check("checksums on put: a wrong one is refused and nothing becomes visible")
def checksums_wrong(world):
    wrong = digests(b"something else")
    for name, value in wrong.items():
        refused(lambda name=name, value=value: world.quiet.put_object(Bucket=world.shared, Key="bad-sum", Body=b"body", **{name: value}), 400, "BadDigest")
        world.absent("bad-sum")


@suite.check("checksums on put: Content-MD5 right, wrong, malformed")
def content_md5(world):
    body = b"the body"
    world.quiet.put_object(Bucket=world.shared, Key="md5", Body=body, ContentMD5=b64(hashlib.md5(body).digest()))
    refused(lambda: world.quiet.put_object(Bucket=world.shared, Key="bad-md5", Body=body, ContentMD5=b64(hashlib.md5(b"no").digest())), 400, "BadDigest")
    refused(lambda: world.quiet.put_object(Bucket=world.shared, Key="bad-md5", Body=body, ContentMD5="bm90LWFuLW1kNQ=="), 400, "InvalidDigest")
    world.absent("bad-md5")


@suite.check("checksums: an overwrite that is refused keeps the old object")
def refused_overwrite(world):
    world.put("kept", b"old")
    refused(lambda: world.quiet.put_object(Bucket=world.shared, Key="kept", Body=b"new", ChecksumCRC32C=digests(b"other")["ChecksumCRC32C"]), 400)
    equal(world.body("kept"), b"old", "body")


@suite.check("checksums: a client that sends none finds CRC64NVME")
def checksum_default(world):
    body = pattern(4321)
    world.quiet.put_object(Bucket=world.shared, Key="no-sum", Body=body)
    seen = world.quiet.head_object(Bucket=world.shared, Key="no-sum", ChecksumMode="ENABLED")
    equal((seen.get("ChecksumCRC64NVME"), seen.get("ChecksumType")), (digests(body)["ChecksumCRC64NVME"], "FULL_OBJECT"), "checksum")


@suite.check("checksums: the listing names algorithm and type")
def checksum_listed(world):
    bucket = world.bucket()
    world.quiet.put_object(Bucket=bucket, Key="a", Body=b"x", ChecksumCRC32C=digests(b"x")["ChecksumCRC32C"])
    entry = world.s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    equal((entry.get("ChecksumAlgorithm"), entry.get("ChecksumType")), (["CRC32C"], "FULL_OBJECT"), "entry")


@suite.check("checksums: a ranged get carries no checksum of the whole")
def checksum_range(world):
    body = pattern(9999)
    world.quiet.put_object(Bucket=world.shared, Key="range-sum", Body=body, ChecksumCRC32C=digests(body)["ChecksumCRC32C"])
    seen = world.quiet.get_object(Bucket=world.shared, Key="range-sum", Range="bytes=1-10", ChecksumMode="ENABLED")
    equal(([name for name in seen if name.startswith("ChecksumCRC")], seen["Body"].read()), ([], body[1:11]), "checksums of a range")


@suite.check("aws-chunked with a trailing checksum: right, wrong")
def trailing_checksum(world):
    body = pattern(150_000)
    right = digests(body)["ChecksumCRC32C"]
    equal(chunked_put(world, "chunked", body, right), 200, "status")
    true(world.body("chunked") == body, "the body differs")
    seen = world.quiet.head_object(Bucket=world.shared, Key="chunked", ChecksumMode="ENABLED")
    equal((seen.get("ChecksumCRC32C"), seen.get("ContentEncoding")), (right, None), "checksum and encoding")
    equal(chunked_put(world, "chunked-bad", body, digests(b"")["ChecksumCRC32C"]), 400, "status of a wrong trailer")
    world.absent("chunked-bad")


def chunked_put(world, key, body, checksum):
    """What the SDKs send over TLS: unsigned chunks and a checksum behind them. Gives the status."""
    wire = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 65536]), body[at : at + 65536]) for at in range(0, len(body), 65536))
    wire += b"0\r\nx-amz-checksum-crc32c:" + checksum.encode() + b"\r\n\r\n"
    headers = {
        "content-encoding": "aws-chunked",
        "content-length": str(len(wire)),
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(body)),
        "x-amz-trailer": "x-amz-checksum-crc32c",
    }
    request = AWSRequest("PUT", f"{world.endpoint}/{world.shared}/{key}", headers=headers)
    request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    S3SigV4Auth(Credentials(world.access_key, world.secret_key), "s3", world.region).add_auth(request)
    address = urllib.parse.urlsplit(world.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request("PUT", f"/{world.shared}/{key}", body=wire, headers=dict(request.headers.items()))
        return connection.getresponse().status
    finally:
        connection.close()


# Uploads in parts


@suite.check("multipart: three parts, ETag of parts, get by part number, list parts")
def multipart(world):
    bodies = three_parts()
    upload = world.begin("mpu", ContentType="text/plain", Metadata={"a": "b"})
    parts = [world.part("mpu", upload, number, body) for number, body in enumerate(bodies, 1)]
    equal([part["ETag"] for part in parts], [f'"{md5(body)}"' for body in bodies], "ETags of parts")
    listed = list(world.s3.get_paginator("list_parts").paginate(Bucket=world.shared, Key="mpu", UploadId=upload, PaginationConfig={"PageSize": 2}))
    seen = [(part["PartNumber"], part["Size"], part["ETag"]) for page in listed for part in page["Parts"]]
    equal(seen, [(number, len(body), f'"{md5(body)}"') for number, body in enumerate(bodies, 1)], "list parts")
    world.absent("mpu")
    answer = world.complete("mpu", upload, parts)
    etag = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()
    equal(answer["ETag"], f'"{etag}-3"', "ETag")
    seen = world.s3.get_object(Bucket=world.shared, Key="mpu")
    equal((seen["ETag"], seen["ContentType"], seen["Metadata"]), (answer["ETag"], "text/plain", {"a": "b"}), "headers")
    true(seen["Body"].read() == b"".join(bodies), "the body differs")


@suite.check("multipart: get and head by part number")
def part_number(world):
    bodies = three_parts()
    upload = world.begin("mpu-number")
    world.complete("mpu-number", upload, [world.part("mpu-number", upload, number, body) for number, body in enumerate(bodies, 1)])
    seen = world.s3.head_object(Bucket=world.shared, Key="mpu-number", PartNumber=3)
    equal((seen["PartsCount"], seen["ContentLength"]), (3, len(bodies[2])), "head of part 3")
    seen = world.s3.get_object(Bucket=world.shared, Key="mpu-number", PartNumber=2)
    true(seen["Body"].read() == bodies[1], "part 2 differs")


def whole_object(world, name, algorithm):
    """An upload whose parts and whole bear one linear checksum: right, then wrong at Complete, then wrong in size."""
    bodies, key = three_parts(), f"mpu-{algorithm}"
    whole = digests(b"".join(bodies))[name]
    size = sum(map(len, bodies))

    def upload_parts():
        upload = world.begin(key, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
        return upload, [world.part(key, upload, number, body, **{name: digests(body)[name]}) for number, body in enumerate(bodies, 1)]

    upload, parts = upload_parts()
    wrong = digests(b"wrong")[name]
    refused(lambda: world.complete(key, upload, parts, ChecksumType="FULL_OBJECT", MpuObjectSize=size, **{name: wrong}), 400, "BadDigest")
    world.absent(key)
    upload, parts = upload_parts()
    refused(lambda: world.complete(key, upload, parts, ChecksumType="FULL_OBJECT", MpuObjectSize=size - 1, **{name: whole}), 400, "InvalidRequest")
    world.absent(key)
    upload, parts = upload_parts()
    answer = world.complete(key, upload, parts, ChecksumType="FULL_OBJECT", MpuObjectSize=size, **{name: whole})
    equal((answer.get(name), answer.get("ChecksumType")), (whole, "FULL_OBJECT"), "answer to complete")
    seen = world.quiet.head_object(Bucket=world.shared, Key=key, ChecksumMode="ENABLED")
    equal((seen.get(name), seen.get("ChecksumType"), seen["ContentLength"]), (whole, "FULL_OBJECT", size), "head")


@suite.check("multipart: full-object CRC32C, right and wrong, and the size at Complete")
def multipart_crc32c(world):
    whole_object(world, "ChecksumCRC32C", "CRC32C")


@suite.check("multipart: full-object CRC64NVME, right and wrong, and the size at Complete")
def multipart_crc64nvme(world):
    whole_object(world, "ChecksumCRC64NVME", "CRC64NVME")


@suite.check("multipart: composite SHA256 of parts")
def multipart_composite(world):
    bodies = three_parts()
    upload = world.begin("mpu-sha", ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE")
    parts = [world.part("mpu-sha", upload, number, body, ChecksumSHA256=digests(body)["ChecksumSHA256"]) for number, body in enumerate(bodies, 1)]
    composite = b64(hashlib.sha256(b"".join(hashlib.sha256(body).digest() for body in bodies)).digest()) + "-3"
    equal(world.complete("mpu-sha", upload, parts).get("ChecksumSHA256"), composite, "answer to complete")
    seen = world.quiet.head_object(Bucket=world.shared, Key="mpu-sha", ChecksumMode="ENABLED")
    equal((seen.get("ChecksumSHA256"), seen.get("ChecksumType")), (composite, "COMPOSITE"), "head")
    attributes = world.s3.get_object_attributes(Bucket=world.shared, Key="mpu-sha", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"])
    equal(attributes["ObjectSize"], sum(map(len, bodies)), "ObjectSize")
    equal(attributes["ObjectParts"]["TotalPartsCount"], 3, "TotalPartsCount")
    seen = [(part["PartNumber"], part["Size"], part["ChecksumSHA256"]) for part in attributes["ObjectParts"]["Parts"]]
    equal(seen, [(number, len(body), digests(body)["ChecksumSHA256"]) for number, body in enumerate(bodies, 1)], "parts")


@suite.check("multipart: a part with a wrong checksum or MD5 is refused")
def multipart_bad_part(world):
    upload = world.begin("mpu-bad", ChecksumAlgorithm="CRC32C", ChecksumType="FULL_OBJECT")
    refused(lambda: world.part("mpu-bad", upload, 1, b"body", ChecksumCRC32C=digests(b"other")["ChecksumCRC32C"]), 400, "BadDigest")
    refused(lambda: world.part("mpu-bad", upload, 1, b"body", ContentMD5=b64(hashlib.md5(b"other").digest())), 400, "BadDigest")
    equal(world.s3.list_parts(Bucket=world.shared, Key="mpu-bad", UploadId=upload).get("Parts", []), [], "parts")
    world.s3.abort_multipart_upload(Bucket=world.shared, Key="mpu-bad", UploadId=upload)


@suite.check("multipart: small parts, wrong ETags, wrong order, unknown upload")
def multipart_errors(world):
    upload = world.begin("mpu-errors")
    parts = [world.part("mpu-errors", upload, 1, b"tiny"), world.part("mpu-errors", upload, 2, b"last")]
    refused(lambda: world.complete("mpu-errors", upload, parts), 400, "EntityTooSmall")
    parts = [world.part("mpu-errors", upload, number, pattern(PART, number)) for number in (1, 2)]
    refused(lambda: world.complete("mpu-errors", upload, parts[::-1]), 400, "InvalidPartOrder")
    refused(lambda: world.complete("mpu-errors", upload, [parts[0], {"PartNumber": 2, "ETag": '"00000000000000000000000000000000"'}]), 400, "InvalidPart")
    refused(lambda: world.complete("mpu-errors", upload, [*parts, {"PartNumber": 3, "ETag": parts[1]["ETag"]}]), 400, "InvalidPart")
    world.absent("mpu-errors")
    world.complete("mpu-errors", upload, parts)
    equal(world.s3.head_object(Bucket=world.shared, Key="mpu-errors")["ContentLength"], 2 * PART, "size")
    refused(lambda: world.part("mpu-errors", "no-such-upload", 1, b"x"), 404, "NoSuchUpload")


@suite.check("multipart: a part sent twice counts once, the last one")
def multipart_again(world):
    upload = world.begin("mpu-again")
    world.part("mpu-again", upload, 1, b"first")
    part = world.part("mpu-again", upload, 1, b"second")
    world.complete("mpu-again", upload, [part])
    equal(world.body("mpu-again"), b"second", "body")


@suite.check("multipart: list uploads, abort")
def multipart_abort(world):
    bucket = world.bucket()
    uploads = {(key, world.begin(key, bucket)) for key in ("a", "b/1", "b/1", "b/2")}
    pages = world.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    equal({(upload["Key"], upload["UploadId"]) for page in pages for upload in page["Uploads"]}, uploads, "uploads")
    equal(len(world.s3.list_multipart_uploads(Bucket=bucket, Prefix="b/")["Uploads"]), 3, "uploads below b/")
    for key, upload in uploads:
        world.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        refused(lambda key=key, upload=upload: world.s3.list_parts(Bucket=bucket, Key=key, UploadId=upload), 404, "NoSuchUpload")
    equal(world.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [], "left")


@suite.check("multipart: Complete with If-None-Match * and If-Match")
def multipart_conditional(world):
    def complete(**condition):
        upload = world.begin("mpu-cond")
        return world.complete("mpu-cond", upload, [world.part("mpu-cond", upload, 1, uuid.uuid4().bytes)], **condition)

    etag = complete(IfNoneMatch="*")["ETag"]
    refused(lambda: complete(IfNoneMatch="*"), 412, "PreconditionFailed")
    refused(lambda: complete(IfMatch='"0123456789abcdef0123456789abcdef"'), 412, "PreconditionFailed")
    equal(world.s3.head_object(Bucket=world.shared, Key="mpu-cond")["ETag"], etag, "ETag after refusals")
    true(complete(IfMatch=etag)["ETag"] != etag, "nothing was replaced")


@suite.check("multipart: parts copied from an object by range")
def part_copy(world):
    body = pattern(PART * 2 + 99)
    etag = world.put("copy-source", body)["ETag"]
    source = {"Bucket": world.shared, "Key": "copy-source"}
    upload = world.begin("mpu-copy")
    common = {"Bucket": world.shared, "Key": "mpu-copy", "UploadId": upload, "CopySource": source}
    refused(lambda: world.s3.upload_part_copy(**common, PartNumber=1, CopySourceRange="bytes=0-9", CopySourceIfMatch='"0000"'), 412)
    ranges = [(0, PART), (PART, len(body))]
    parts = []
    for number, (start, end) in enumerate(ranges, 1):
        answer = world.s3.upload_part_copy(**common, PartNumber=number, CopySourceRange=f"bytes={start}-{end - 1}", CopySourceIfMatch=etag)
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    world.complete("mpu-copy", upload, parts)
    true(world.body("mpu-copy") == body, "the body differs")


@suite.check("boto3's transfer manager: upload and download in parallel parts")
def transfer_manager(world):
    body = pattern(3 * PART + 12_345)
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
    world.s3.upload_fileobj(io.BytesIO(body), world.shared, "managed", Config=config)
    seen = io.BytesIO()
    world.s3.download_fileobj(world.shared, "managed", seen, Config=config)
    true(seen.getvalue() == body, "the body differs")
    world.s3.copy({"Bucket": world.shared, "Key": "managed"}, world.shared, "managed-copy", Config=config)
    true(world.body("managed-copy") == body, "the copy differs")


# Copies, tags, versions


@suite.check("copy: metadata kept or replaced, conditions on the source")
def copies(world):
    etag = world.put("copy", b"body", Metadata={"a": "1"}, ContentType="text/plain")["ETag"]
    source = {"Bucket": world.shared, "Key": "copy"}
    answer = world.s3.copy_object(Bucket=world.shared, Key="copy-kept", CopySource=source, CopySourceIfMatch=etag)
    equal(answer["CopyObjectResult"]["ETag"], etag, "ETag")
    seen = world.s3.get_object(Bucket=world.shared, Key="copy-kept")
    equal((seen["Body"].read(), seen["Metadata"], seen["ContentType"]), (b"body", {"a": "1"}, "text/plain"), "kept")
    world.s3.copy_object(Bucket=world.shared, Key="copy-new", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/css")
    seen = world.s3.head_object(Bucket=world.shared, Key="copy-new")
    equal((seen["Metadata"], seen["ContentType"]), ({"b": "2"}, "text/css"), "replaced")
    refused(lambda: world.s3.copy_object(Bucket=world.shared, Key="copy-no", CopySource=source, CopySourceIfMatch='"0000"'), 412, "PreconditionFailed")
    refused(lambda: world.s3.copy_object(Bucket=world.shared, Key="copy-no", CopySource={"Bucket": world.shared, "Key": "missing"}), 404, "NoSuchKey")
    world.absent("copy-no")


@suite.check("copy: conditions on the target")
def copy_conditional(world):
    world.put("copy-from", b"new")
    etag = world.put("copy-to", b"old")["ETag"]
    source = {"Bucket": world.shared, "Key": "copy-from"}
    refused(lambda: world.s3.copy_object(Bucket=world.shared, Key="copy-to", CopySource=source, IfNoneMatch="*"), 412, "PreconditionFailed")
    equal(world.body("copy-to"), b"old", "body after a refused copy")
    world.s3.copy_object(Bucket=world.shared, Key="copy-to", CopySource=source, IfMatch=etag)
    equal(world.body("copy-to"), b"new", "body after a copy")


@suite.check("tags: with put, read, replaced, removed, counted by get")
def tags(world):
    def seen():
        return {tag["Key"]: tag["Value"] for tag in world.s3.get_object_tagging(Bucket=world.shared, Key="tags")["TagSet"]}

    world.put("tags", b"x", Tagging="team=a%20b&stage=prod%2B")
    equal(seen(), {"team": "a b", "stage": "prod+"}, "tags from put")
    equal(world.s3.get_object(Bucket=world.shared, Key="tags").get("TagCount"), 2, "count")
    world.s3.copy_object(Bucket=world.shared, Key="tags-copy", CopySource={"Bucket": world.shared, "Key": "tags"})
    equal(len(world.s3.get_object_tagging(Bucket=world.shared, Key="tags-copy")["TagSet"]), 2, "tags of a copy")
    world.s3.put_object_tagging(Bucket=world.shared, Key="tags", Tagging={"TagSet": [{"Key": "only", "Value": "one"}]})
    equal(seen(), {"only": "one"}, "replaced tags")
    world.s3.delete_object_tagging(Bucket=world.shared, Key="tags")
    equal(seen(), {}, "removed tags")
    equal(world.s3.get_object(Bucket=world.shared, Key="tags").get("TagCount"), None, "count without tags")


@suite.check("versions: get by version, delete marker, list, delete by version")
def versions(world):
    bucket = world.bucket(versioned=True)
    equal(world.s3.get_bucket_versioning(Bucket=bucket)["Status"], "Enabled", "status")
    first, second = (world.put("v", body, bucket)["VersionId"] for body in (b"1", b"22"))
    equal((world.body("v", bucket), world.body("v", bucket, VersionId=first)), (b"22", b"1"), "bodies")
    marker = world.s3.delete_object(Bucket=bucket, Key="v")
    true(marker["DeleteMarker"], "no delete marker")
    refused(lambda: world.s3.get_object(Bucket=bucket, Key="v"), 404, "NoSuchKey")
    equal(world.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "plain listing")
    listed = world.s3.list_object_versions(Bucket=bucket)
    equal([(entry["VersionId"], entry["IsLatest"], entry["Size"]) for entry in listed["Versions"]], [(second, False, 2), (first, False, 1)], "versions")
    equal([(entry["VersionId"], entry["IsLatest"]) for entry in listed["DeleteMarkers"]], [(marker["VersionId"], True)], "markers")
    world.s3.delete_object(Bucket=bucket, Key="v", VersionId=marker["VersionId"])
    equal(world.body("v", bucket), b"22", "body after the marker went")
    world.s3.delete_object(Bucket=bucket, Key="v", VersionId=second)
    equal(world.body("v", bucket), b"1", "body after the second version went")


@suite.check("versions: a conditional delete looks at the current version")
def versions_conditional(world):
    bucket = world.bucket(versioned=True)
    first = world.put("v", b"1", bucket)["ETag"]
    second = world.put("v", b"22", bucket)["ETag"]
    refused(lambda: world.s3.delete_object(Bucket=bucket, Key="v", IfMatch=first), 412)
    equal(world.body("v", bucket), b"22", "body after a refused delete")
    world.s3.delete_object(Bucket=bucket, Key="v", IfMatch=second)
    world.absent("v", bucket)


# Seen with moto 5.2.5 and garage 2.5.0. A check that begins to pass there fails here, until its line is gone.
GAPS = {
    "moto": {
        "signature: a wrong secret and an unknown key are refused": "checks no signatures",
        "list v2: a page holds 1,000 keys at most; batch delete takes 1,000": "gives as many keys as are asked for",
        "batch delete: quiet, missing keys, keys that need escaping": "refuses a newline in a key",
        "batch delete: a wrong ETag keeps its object, the others go": "ignores the ETag of an entry",
        "control characters in keys: put, list, get, delete, byte for byte": "refuses a newline in a key",
        "a key of 1,024 bytes is kept, one of 1,025 is refused": "counts no bytes",
        "checksums on put: kept, given back on demand only": "answers to put carry no checksum",
        "checksums on put: a wrong one is refused and nothing becomes visible": "believes every checksum",
        "checksums on put: Content-MD5 right, wrong, malformed": "believes every Content-MD5",
        "checksums: an overwrite that is refused keeps the old object": "believes every checksum",
        "checksums: a client that sends none finds CRC64NVME": "computes none of its own",
        "checksums: the listing names algorithm and type": "lists neither",
        "aws-chunked with a trailing checksum: right, wrong": "forgets the trailer",
        "multipart: get and head by part number": "ignores partNumber on get",
        "multipart: full-object CRC32C, right and wrong, and the size at Complete": "believes every checksum and size",
        "multipart: full-object CRC64NVME, right and wrong, and the size at Complete": "believes every checksum and size",
        "multipart: composite SHA256 of parts": "the answer to complete carries no checksum",
        "multipart: a part with a wrong checksum or MD5 is refused": "believes every checksum",
        "multipart: small parts, wrong ETags, wrong order, unknown upload": "takes parts in any order",
        "multipart: Complete with If-None-Match * and If-Match": "ignores If-Match at Complete",
        "multipart: parts copied from an object by range": "ignores conditions on the source",
        "copy: metadata kept or replaced, conditions on the source": "ignores conditions on the source",
        "copy: conditions on the target": "ignores them",
    },
    "garage": {
        "signature: a wrong secret and an unknown key are refused": "calls both AccessDenied",
        "put: If-None-Match * creates only, If-Match replaces only": "ignores both and overwrites",
        "delete: If-Match deletes that version only": "ignores it and deletes",
        "storage class is kept and listed": "has one storage class",
        "list v2: a page holds 1,000 keys at most; batch delete takes 1,000": "takes batches of any length",
        "batch delete: a wrong ETag keeps its object, the others go": "ignores it and deletes",
        "odd keys: put, list, get, head, copy, delete, byte for byte": "drops slashes at the start of a key",
        "a key of 1,024 bytes is kept, one of 1,025 is refused": "the lmdb engine holds shorter keys only",
        "checksums on put: a wrong one is refused and nothing becomes visible": "refuses, but calls it InvalidDigest",
        "checksums on put: Content-MD5 right, wrong, malformed": "calls a malformed one BadDigest",
        "checksums: a client that sends none finds CRC64NVME": "computes none of its own",
        "checksums: the listing names algorithm and type": "lists neither",
        "multipart: full-object CRC32C, right and wrong, and the size at Complete": "refuses a wrong one, but calls it InvalidDigest",
        "multipart: full-object CRC64NVME, right and wrong, and the size at Complete": "refuses a wrong one, but calls it InvalidDigest",
        "multipart: composite SHA256 of parts": "GetObjectAttributes fails with 500",
        "multipart: a part with a wrong checksum or MD5 is refused": "refuses, but calls it InvalidDigest",
        "multipart: small parts, wrong ETags, wrong order, unknown upload": "takes small parts",
        "multipart: Complete with If-None-Match * and If-Match": "ignores both and overwrites",
        "copy: conditions on the target": "ignores them",
        "tags: with put, read, replaced, removed, counted by get": "has no tags",
        "versions: get by version, delete marker, list, delete by version": "has no versions",
        "versions: a conditional delete looks at the current version": "has no versions",
    },
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--access-key", default="test")
    parser.add_argument("--secret-key", default="test")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--server", choices=["embedded", *GAPS], default="embedded")
    parser.add_argument("--only", help="run the checks whose name holds this text")
    options = parser.parse_args()
    with ending("boto3"):
        world = World(options.endpoint.rstrip("/"), options.access_key, options.secret_key, options.region)
    return suite.run(world, GAPS.get(options.server), options.only)


if __name__ == "__main__":
    sys.exit(main())
