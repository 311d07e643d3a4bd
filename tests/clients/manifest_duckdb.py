#!/usr/bin/env python3
"""DuckDB against a manifest: can a stranger read what a run leaves behind, byte for byte?

    cargo run -p brigade-manifest --example sample -- PATH
    manifest_duckdb.py PATH

What stands in the file is decided by that example, so the two are changed together. Nothing here goes over a network.
"""

import argparse
import sys

import duckdb

from checks import Suite, equal

ROWS = 100_000
RUN = "01JD0000000000000000000000"
ODD_KEY = b"\x00odd \xff\xfe\n\"'/../\xc3\xa9"
CREATED_US = 1_795_143_600_000_000

suite = Suite("manifest by duckdb")


class World:
    """A database in memory with the manifest as a view."""

    def __init__(self, path):
        self.path = path
        self.database = duckdb.connect(":memory:")
        # A view takes no parameters; quotes in a path are doubled, as SQL wants it.
        self.database.execute("CREATE VIEW manifest AS SELECT * FROM read_parquet('{}')".format(path.replace("'", "''")))

    def rows(self, sql, *parameters):
        return self.database.execute(sql, parameters).fetchall()


@suite.check("the columns have the documented types")
def types(world):
    columns = [row[:2] for row in world.rows("DESCRIBE manifest")]
    text = {name: "VARCHAR" for name in ("source", "target", "crc32c", "crc64nvme", "md5", "proof", "run", "original")}
    times = {"source_modified": "TIMESTAMPTZ_NS", "known_at": "TIMESTAMP WITH TIME ZONE"}
    order = "key size source target crc32c crc64nvme md5 proof source_modified known_at run original".split()
    types = {"key": "BLOB", "size": "UBIGINT", **text, **times}
    equal(columns, [(name, types[name]) for name in order])


@suite.check("the file says what it is")
def description(world):
    entries = dict(world.rows("SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)", world.path))
    wanted = {"schema": "brigade.manifest/1", "source": "s3://a/x/", "target": "gs://b/x/", "run": RUN}
    wanted |= {"created": "2026-11-20T03:00:00Z", "rows": str(ROWS)}
    equal({name.removeprefix("brigade."): value for name, value in entries.items()}, wanted)


@suite.check("every row is there once, in key order")
def rows_in_order(world):
    equal(world.rows("SELECT count(*), count(DISTINCT key) FROM manifest"), [(ROWS, ROWS)])
    keys = [key for (key,) in world.rows("SELECT key FROM manifest")]
    equal(keys == sorted(keys), True, "sorted by bytes")


@suite.check("the smallest and the greatest key and size")
def extremes(world):
    equal(world.rows("SELECT min(key), max(key), min(size), max(size) FROM manifest"), [(ODD_KEY, b"blobs/00099999.bin", 1, 2**64 - 1)])


@suite.check("a key of odd bytes and everything that is rare")
def odd_row(world):
    row = world.rows(
        "SELECT size, source, target, crc32c, crc64nvme, md5, proof, source_modified, original FROM manifest WHERE key = ?", ODD_KEY
    )
    target = "file:7:18446744073709551615:-1:2"
    equal(row, [(2**64 - 1, "etag:" + "0" * 32, target, None, "rosUhgp5mIg=", None, None, None, "deleted")])


@suite.check("the usual row")
def usual_row(world):
    row = world.rows(
        "SELECT size, source, target, crc32c, crc64nvme, md5, proof, run, original FROM manifest WHERE key = ?", b"blobs/00000255.bin"
    )
    source = "etag:" + "0" * 30 + "ff"
    equal(row, [(255, source, "generation:1700000000000255", "4waSgw==", None, "ab" * 16, "stored:crc32c", RUN, "present")])


@suite.check("times keep their nanoseconds and their microseconds")
def times(world):
    row = world.rows("SELECT epoch_ns(source_modified), epoch_us(known_at) FROM manifest WHERE key = ?", b"blobs/00000001.bin")
    equal(row, [(CREATED_US * 1_000 + 123_456_789, CREATED_US)])


@suite.check("proofs and nulls are counted")
def proofs(world):
    rows = world.rows("SELECT proof, count(*) FROM manifest GROUP BY proof ORDER BY proof NULLS LAST")
    equal(rows, [("content:md5", 1), ("stored:crc32c", ROWS - 2), (None, 1)])


@suite.check("a join with another list finds what differs in size")
def join(world):
    world.database.execute(
        "CREATE TABLE listing AS SELECT encode(format('blobs/{:08d}.bin', number)) AS key,"
        " number + (number % 1000 = 7)::BIGINT AS size FROM range(1, ?) AS numbers(number)",
        [ROWS],
    )
    rows = world.rows("SELECT count(*), min(manifest.size) FROM manifest JOIN listing USING (key) WHERE manifest.size <> listing.size")
    equal(rows, [(ROWS // 1000, 7)])


@suite.check("row groups are small, compressed, and say which keys they hold")
def row_groups(world):
    groups = world.rows(
        "SELECT row_group_num_rows, compression, stats_min_value IS NOT NULL, stats_max_value IS NOT NULL"
        " FROM parquet_metadata(?) WHERE path_in_schema = 'key'",
        world.path,
    )
    equal([group for group in groups if group[0] > 65_536 or group[1:] != ("ZSTD", True, True)], [])
    equal(len(groups) > 1, True, "more than one group")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", help="a manifest that the example has written")
    sys.exit(suite.run(World(parser.parse_args().path)))
