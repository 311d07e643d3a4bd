//! Planning: the merge-join of two listings, filters, parts, and digests of parts that become the digest of the whole.

use std::hint::black_box;

use brigade_bench_work::{PARTS, RULES, RULES_COUNT, combined, diff_rules, filtered_keys, join, listings, part_sum};
use brigade_core::digest::{Rolling, Wanted};
use brigade_core::filter::{Case, Filter};
use brigade_core::limits::{GIB, MIB, PART_BYTES_DEFAULT, PARTS_MAX, TIB};
use brigade_core::parts::{PartPlan, plan, ranges};
use criterion::{BatchSize, Criterion, Throughput};

/// Keys of each listing that is joined.
const JOINED_KEYS: u64 = 100_000;

/// Keys that are put to the filter.
const FILTERED_KEYS: u64 = 10_000;

/// Part digests that are combined into one.
const COMBINED_PARTS: u64 = 1_000;

/// Two listings of one size, one key in a hundred missing on either side and one in a hundred changed.
pub(crate) fn diff(criterion: &mut Criterion) {
    let (rules, (source, target)) = (diff_rules(), listings(JOINED_KEYS));
    let mut group = criterion.benchmark_group("diff");
    group.throughput(Throughput::Elements(JOINED_KEYS)).sample_size(20);
    group.bench_function("merge-join of 100,000 keys", |bencher| {
        bencher.iter_batched(|| (source.clone(), target.clone()), |(source, target)| join(source, target, &rules), BatchSize::LargeInput);
    });
    group.finish();
}

/// A list of rules as people write it, over keys of which most come to its end.
pub(crate) fn filter(criterion: &mut Criterion) {
    let filter = Filter::from_rules("rules", RULES.as_bytes(), Case::Exact).expect("the rules are right");
    let keys = filtered_keys(FILTERED_KEYS);
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(FILTERED_KEYS));
    group.bench_function("20 rules over 10,000 keys", |bencher| {
        bencher.iter(|| keys.iter().filter(|key| filter.includes(black_box(key.as_bytes()), 1, None)).count());
    });
    group.throughput(Throughput::Elements(RULES_COUNT));
    group.bench_function("compile 20 rules", |bencher| {
        bencher.iter(|| Filter::from_rules("rules", black_box(RULES.as_bytes()), Case::Exact));
    });
    group.finish();
}

/// The plan for an object of each size, and the ranges of the largest upload.
pub(crate) fn parts(criterion: &mut Criterion) {
    let sizes = [0, 4 * 1024, 8 * MIB, 300 * MIB, 80 * GIB, 5 * TIB, 48 * TIB];
    let mut group = criterion.benchmark_group("parts");
    group.throughput(Throughput::Elements(7));
    group.bench_function("plan 7 objects", |bencher| {
        bencher.iter(|| sizes.iter().filter(|size| plan(black_box(**size), PART_BYTES_DEFAULT, &PARTS) == Ok(PartPlan::Whole)).count());
    });
    group.throughput(Throughput::Elements(PARTS_MAX.into()));
    group.bench_function("ranges of 10,000 parts", |bencher| {
        let size = PART_BYTES_DEFAULT * u64::from(PARTS_MAX);
        bencher.iter(|| ranges(black_box(size), PART_BYTES_DEFAULT).map(|part| part.size).sum::<u64>());
    });
    group.finish();
}

/// A part's checksum as it passes, and the checksum of the whole from those of its parts.
pub(crate) fn digests(criterion: &mut Criterion) {
    let part: Vec<u8> = (0..PART_BYTES_DEFAULT).map(|at| u8::try_from(at % 251).expect("below 251")).collect();
    let mut group = criterion.benchmark_group("digest");
    for (name, wanted) in [("crc32c", Wanted { crc64nvme: false }), ("crc32c and crc64nvme", Wanted { crc64nvme: true })] {
        group.throughput(Throughput::Bytes(PART_BYTES_DEFAULT));
        group.bench_function(format!("{name} of an 8 MiB part in 64 KiB chunks"), |bencher| {
            bencher.iter(|| {
                let mut rolling = Rolling::new(wanted);
                black_box(&part).chunks(64 * 1024).for_each(|chunk| rolling.update(chunk));
                rolling.finish()
            });
        });
        let sum = part_sum(wanted.crc64nvme.then_some(0x1234_5678_9abc_def0));
        group.throughput(Throughput::Elements(COMBINED_PARTS));
        group.bench_function(format!("combine {name} of 1,000 parts"), |bencher| {
            bencher.iter(|| combined(COMBINED_PARTS, sum));
        });
    }
    group.finish();
}
