//! Listings: a page of 1,000 objects as S3 and as GCS write it, with the fields that they really send.

use std::hint::black_box;

use brigade_bench_work::{PAGE_KEYS, s3_page};
use criterion::{Criterion, Throughput};

/// Reads a full page of each.
pub(crate) fn pages(criterion: &mut Criterion) {
    let (s3, gcs) = (s3_page(), gcs_page());
    let mut group = criterion.benchmark_group("listing");
    group.throughput(Throughput::ElementsAndBytes { elements: PAGE_KEYS, bytes: bytes_of(&s3) });
    group.bench_function("S3 page of 1,000 keys", |bencher| {
        bencher.iter(|| brigade_s3_xml::parse_list_page(black_box(s3.as_bytes())).map(|page| page.objects.len()));
    });
    group.throughput(Throughput::ElementsAndBytes { elements: PAGE_KEYS, bytes: bytes_of(&gcs) });
    group.bench_function("GCS page of 1,000 keys", |bencher| {
        bencher.iter(|| brigade_gcs::parse_list_page(black_box(gcs.as_bytes()), b"registry/").map(|page| page.entries.len()));
    });
    group.finish();
}

fn bytes_of(page: &str) -> u64 {
    u64::try_from(page.len()).expect("a page fits in 64 bits")
}

fn gcs_page() -> String {
    let items: Vec<String> = (0..PAGE_KEYS)
        .map(|number| {
            format!(
                "{{\"name\":\"registry/docker/v2/blobs/sha256/{number:08}/data+file.bin\",\"generation\":\"17000000{number:08}\",\
                 \"size\":\"{number}\",\"crc32c\":\"mnG7TA==\",\"md5Hash\":\"XUFAKrxLKna5cZ2REBfFkg==\",\
                 \"timeCreated\":\"2026-11-20T03:00:00.123Z\",\"updated\":\"2026-11-20T03:00:00.123Z\",\"storageClass\":\"STANDARD\",\
                 \"contentType\":\"application/octet-stream\",\"metadata\":{{\"mtime\":\"1700000000.5\"}}}}"
            )
        })
        .collect();
    format!("{{\"kind\":\"storage#objects\",\"nextPageToken\":\"CjFyZWdpc3RyeS8=\",\"items\":[{}]}}", items.join(","))
}
