//! Manifests: a million rows written and read, as a no-op sync of a large bucket does. Unlike `pure` this touches the disk, and a
//! write ends with its sync.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use brigade_core::known::Original;
use brigade_core::{Algorithm, Digests, Identity, Key, Known, Proof};
use brigade_manifest::{Manifest, Meta, Vouched};
use criterion::{Criterion, Throughput};
use jiff::Timestamp;

/// Rows of each measurement.
const ROWS: u64 = 1_000_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let directory = tempfile::tempdir().expect("a directory for a benchmark");
    let path = directory.path().join("manifest-1.parquet");
    let rows: Vec<Known> = records().collect();
    let mut group = criterion.benchmark_group("manifest");
    group.throughput(Throughput::Elements(ROWS)).sample_size(10);
    group.bench_function("write 1,000,000 rows", |bencher| bencher.iter(|| write(&path, &rows)));
    group.bench_function("verify a file of 1,000,000 rows", |bencher| bencher.iter(|| open(&path)));
    let manifest = open(&path);
    group.bench_function("read 1,000,000 rows", |bencher| bencher.iter(|| manifest.read(None).filter(Result::is_ok).count()));
    group.finish();
    criterion.final_summary();
}

fn write(path: &Path, rows: &[Known]) -> u64 {
    let meta = Meta { source: "s3://a/".into(), target: "gs://b/".into(), run: "1".into(), created: Timestamp::UNIX_EPOCH };
    let rows = rows.iter().cloned().map(Ok::<_, Infallible>);
    brigade_manifest::write(path, &meta, rows).expect("a disk that works").rows
}

fn open(path: &Path) -> Manifest {
    Manifest::open(path, Vouched::Seal).expect("a file that was just written")
}

/// Keys as a registry has them, and digests that do not compress.
fn records() -> impl Iterator<Item = Known> {
    let run: Arc<str> = "01JD0000000000000000000000".into();
    (0..ROWS).map(move |number| {
        let random = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let md5 = random.to_be_bytes();
        Known {
            key: Key::from(format!("registry/docker/v2/blobs/sha256/{number:08x}/data").as_str()),
            size: number % 100_003,
            source: Identity::etag(&format!("{random:032x}")),
            target: Identity::Generation(1_700_000_000_000_000 + number * 7_919 % 1_000_003),
            digests: Digests { crc32c: Some(u32::from_be_bytes([md5[3], md5[5], md5[7], md5[11]])), crc64nvme: None, md5: Some(md5) },
            proof: Some(Proof::Stored(Algorithm::Crc32c)),
            source_modified: Some(Timestamp::UNIX_EPOCH),
            known_at: Timestamp::UNIX_EPOCH,
            run: run.clone(),
            original: Original::Present,
        }
    })
}
