//! Planning: the merge-join of two listings, filters, parts, and digests of parts that become the digest of the whole.

use std::hint::black_box;

use brigade_core::compare::{CompareMode, CompareRules, DigestSource, Purpose};
use brigade_core::diff::{DiffRules, Existing, Extra, Next, Sorted, Trust, both, next, only_source, only_target};
use brigade_core::digest::{Rolling, Sum, Wanted};
use brigade_core::filter::{Case, Filter};
use brigade_core::limits::{
    GIB, MIB, PART_BYTES_DEFAULT, PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX, S3_OBJECT_BYTES_MAX, TIB,
};
use brigade_core::parts::{PartLimits, PartPlan, plan, ranges};
use brigade_core::{Action, Entry, Identity, Key, KeyRules};
use criterion::{BatchSize, Criterion, Throughput};

/// Keys of each listing that is joined.
const JOINED_KEYS: u64 = 100_000;

/// Rules of the filter.
const FILTER_RULES: u64 = 20;

/// Keys that are put to the filter.
const FILTERED_KEYS: u64 = 10_000;

/// Part digests that are combined into one.
const COMBINED_PARTS: u64 = 1_000;

/// Two listings of one size, one key in a hundred missing on either side and one in a hundred changed.
pub(crate) fn diff(criterion: &mut Criterion) {
    let rules = DiffRules {
        compare: CompareRules {
            mode: CompareMode::Auto,
            purpose: Purpose::Plan,
            source: DigestSource::Stored,
            target: DigestSource::Stored,
        },
        extra: Extra::Delete,
        existing: Existing::Replace,
        target_keys: KeyRules::Gcs,
        target_prefix: b"backup/".to_vec(),
    };
    let side = |missing: u64, changed: u64| -> Vec<Entry> {
        let numbers = (0..JOINED_KEYS).filter(|number| number % 100 != missing);
        numbers.map(|number| entry(number, if number % 100 == changed { 2 } else { 1 })).collect()
    };
    let (source, target) = (side(1, 3), side(2, 100));
    let mut group = criterion.benchmark_group("diff");
    group.throughput(Throughput::Elements(JOINED_KEYS)).sample_size(20);
    group.bench_function("merge-join of 100,000 keys", |bencher| {
        bencher.iter_batched(|| (source.clone(), target.clone()), |(source, target)| join(source, target, &rules), BatchSize::LargeInput);
    });
    group.finish();
}

fn entry(number: u64, size: u64) -> Entry {
    let key = Key::new(format!("registry/docker/v2/blobs/{:03}/{number:08}/data", number / 1_000));
    Entry::new(key, size, Identity::etag("fba9dede5f27731c9771645a39863328"))
}

/// The join as the pipeline does it, order checks included. Gives the number of keys that are not simply kept.
fn join(source: Vec<Entry>, target: Vec<Entry>, rules: &DiffRules) -> usize {
    let (mut source, mut target) = (source.into_iter().peekable(), target.into_iter().peekable());
    let (mut source_order, mut target_order) = (Sorted::default(), Sorted::default());
    let mut busy = 0;
    loop {
        let action = match next(source.peek().map(|entry| &entry.key), target.peek().map(|entry| &entry.key)) {
            Next::End => return busy,
            Next::Source => only_source(take(&mut source, &mut source_order), rules),
            Next::Target => only_target(take(&mut target, &mut target_order), rules),
            Next::Both => both(take(&mut source, &mut source_order), take(&mut target, &mut target_order), None, Trust::Usual, rules),
        };
        busy += usize::from(!matches!(black_box(action), Action::Keep { .. }));
    }
}

fn take(side: &mut impl Iterator<Item = Entry>, order: &mut Sorted) -> Entry {
    let entry = side.next().expect("it was peeked");
    order.check(&entry.key).expect("it was made in order");
    entry
}

/// A list of rules as people write it, over keys of which most come to its end.
pub(crate) fn filter(criterion: &mut Criterion) {
    const RULES: &str = "# what is never backed up\n- *.tmp\n- *.part\n- *~\n- *.bak\n- .DS_Store\n- **/cache/**\n- /scratch/**\n- node_modules/\n\
        - {{.*\\.v[0-9]+\\.bak}}\n- /logs/2019-*/**\n- /logs/202[0-3]-*/**\n# what is\n+ *.{jpg,jpeg,png,gif,webp}\n+ *.parquet\n+ /media/**\n\
        + /registry/docker/**\n+ /exports/*/latest/**\n- /exports/**\n+ *.{json,csv}\n+ /data/**\n- *\n";
    let filter = Filter::from_rules("rules", RULES.as_bytes(), Case::Exact).expect("the rules are right");
    let keys: Vec<String> = (0..FILTERED_KEYS)
        .map(|number| match number % 5 {
            0 => format!("media/2026/11/{number:06}.jpg"),
            1 => format!("registry/docker/v2/blobs/sha256/{number:06}/data"),
            2 => format!("logs/2021-{:02}/host-{number:06}.log", number % 12),
            3 => format!("exports/daily/{number:06}/part-00000.parquet"),
            _ => format!("home/user/.config/app/{number:06}/settings.ini"),
        })
        .collect();
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(FILTERED_KEYS));
    group.bench_function("20 rules over 10,000 keys", |bencher| {
        bencher.iter(|| keys.iter().filter(|key| filter.includes(black_box(key.as_bytes()), 1, None)).count());
    });
    group.throughput(Throughput::Elements(FILTER_RULES));
    group.bench_function("compile 20 rules", |bencher| {
        bencher.iter(|| Filter::from_rules("rules", black_box(RULES.as_bytes()), Case::Exact));
    });
    group.finish();
}

/// The plan for an object of each size, and the ranges of the largest upload.
pub(crate) fn parts(criterion: &mut Criterion) {
    let limits = PartLimits {
        part_bytes_min: PART_BYTES_MIN,
        part_bytes_max: PART_BYTES_MAX,
        parts_max: PARTS_MAX,
        put_bytes_max: PUT_BYTES_MAX,
        object_bytes_max: S3_OBJECT_BYTES_MAX,
    };
    let sizes = [0, 4 * 1024, 8 * MIB, 300 * MIB, 80 * GIB, 5 * TIB, 48 * TIB];
    let mut group = criterion.benchmark_group("parts");
    group.throughput(Throughput::Elements(7));
    group.bench_function("plan 7 objects", |bencher| {
        bencher.iter(|| sizes.iter().filter(|size| plan(black_box(**size), PART_BYTES_DEFAULT, &limits) == Ok(PartPlan::Whole)).count());
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
        let sum = Sum { crc32c: 0x1234_5678, crc64nvme: wanted.crc64nvme.then_some(0x1234_5678_9abc_def0), size: PART_BYTES_DEFAULT };
        group.throughput(Throughput::Elements(COMBINED_PARTS));
        group.bench_function(format!("combine {name} of 1,000 parts"), |bencher| {
            bencher.iter(|| (0..COMBINED_PARTS).fold(Sum::EMPTY, |whole, _| whole.then(black_box(sum))));
        });
    }
    group.finish();
}
