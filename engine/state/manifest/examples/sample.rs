//! Writes a manifest for other programs to read: `cargo run -p brigade-manifest --example sample -- PATH [ROWS]`.
//!
//! What stands in it is checked by `tests/clients/manifest_duckdb.py`, so the two are changed together.

use std::convert::Infallible;
use std::error::Error;

use brigade_core::identity::FileStamp;
use brigade_core::known::Original;
use brigade_core::{Algorithm, Digests, Identity, Key, Known, Proof};
use brigade_manifest::Meta;
use jiff::Timestamp;

/// Rows where nothing else is asked for: more than one row group.
const ROWS_DEFAULT: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or("usage: sample PATH [ROWS]")?;
    let rows = match arguments.next() {
        Some(rows) => rows.to_str().ok_or("ROWS is a number")?.parse()?,
        None => ROWS_DEFAULT,
    };
    let created: Timestamp = "2026-11-20T03:00:00Z".parse()?;
    let meta = Meta { source: "s3://a/x/".into(), target: "gs://b/x/".into(), run: "01JD0000000000000000000000".into(), created };
    brigade_manifest::write(path.as_ref(), &meta, (0..rows).map(|number| Ok::<_, Infallible>(record(number, created))))?;
    Ok(())
}

/// Row 0 has an odd key and all that is rare; the others follow a rule.
fn record(number: u64, created: Timestamp) -> Known {
    let usual = Known {
        key: Key::from(format!("blobs/{number:08}.bin").as_str()),
        size: number,
        source: Identity::etag(&format!("{number:032x}")),
        target: Identity::Generation(1_700_000_000_000_000 + number),
        digests: Digests { crc32c: Some(0xe306_9283), crc64nvme: None, md5: Some([0xab; 16]) },
        proof: Some(Proof::Stored(Algorithm::Crc32c)),
        source_modified: Some(created),
        known_at: created,
        run: "01JD0000000000000000000000".into(),
        original: Original::Present,
    };
    match number {
        0 => Known {
            key: Key::new(b"\x00odd \xff\xfe\n\"'/../\xc3\xa9"),
            size: u64::MAX,
            target: Identity::File(FileStamp { inode: 7, size: u64::MAX, modified_ns: -1, changed_ns: 2 }),
            digests: Digests { crc64nvme: Some(0xae8b_1486_0a79_9888), ..Digests::default() },
            proof: None,
            source_modified: None,
            original: Original::Deleted,
            ..usual
        },
        1 => Known { source_modified: created.checked_add(jiff::SignedDuration::from_nanos(123_456_789)).ok(), ..usual },
        2 => Known { proof: Some(Proof::Content(Algorithm::Md5)), ..usual },
        _ => usual,
    }
}
