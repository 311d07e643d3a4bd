//! The pure work that is measured: by criterion on the clock, by the budgets in instructions. One definition for both, so that a
//! budget speaks of the same thing as a benchmark.

use std::hint::black_box;

use brigade_core::compare::{CompareMode, CompareRules, DigestSource, Purpose};
use brigade_core::diff::{DiffRules, Existing, Extra, Next, Sorted, Trust, Weighed, act, next, only_source, only_target, weigh};
use brigade_core::digest::Sum;
use brigade_core::limits::{PART_BYTES_DEFAULT, PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX, S3_OBJECT_BYTES_MAX};
use brigade_core::parts::PartLimits;
use brigade_core::{Action, Entry, Identity, Key, KeyRules};

/// Objects of one listing page: the most that both clouds give.
pub const PAGE_KEYS: u64 = 1_000;

/// Rules as people write them.
pub const RULES: &str = "# what is never backed up\n- *.tmp\n- *.part\n- *~\n- *.bak\n- .DS_Store\n- **/cache/**\n- /scratch/**\n- node_modules/\n\
    - {{.*\\.v[0-9]+\\.bak}}\n- /logs/2019-*/**\n- /logs/202[0-3]-*/**\n# what is\n+ *.{jpg,jpeg,png,gif,webp}\n+ *.parquet\n+ /media/**\n\
    + /registry/docker/**\n+ /exports/*/latest/**\n- /exports/**\n+ *.{json,csv}\n+ /data/**\n- *\n";

/// How many rules [`RULES`] holds.
pub const RULES_COUNT: u64 = 20;

/// S3's limits of parts.
pub const PARTS: PartLimits = PartLimits {
    part_bytes_min: PART_BYTES_MIN,
    part_bytes_max: PART_BYTES_MAX,
    parts_max: PARTS_MAX,
    put_bytes_max: PUT_BYTES_MAX,
    object_bytes_max: S3_OBJECT_BYTES_MAX,
};

/// The rules of a sync from S3 to GCS.
pub fn diff_rules() -> DiffRules {
    DiffRules {
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
    }
}

/// Two listings of so many keys, one key in a hundred missing on either side and one in a hundred changed.
pub fn listings(keys: u64) -> (Vec<Entry>, Vec<Entry>) {
    let side = |missing: u64, changed: u64| -> Vec<Entry> {
        let numbers = (0..keys).filter(|number| number % 100 != missing);
        numbers.map(|number| entry(number, if number % 100 == changed { 2 } else { 1 })).collect()
    };
    (side(1, 3), side(2, 100))
}

fn entry(number: u64, size: u64) -> Entry {
    let key = Key::new(format!("registry/docker/v2/blobs/{:03}/{number:08}/data", number / 1_000));
    Entry::new(key, size, Identity::etag("fba9dede5f27731c9771645a39863328"))
}

/// The join as the pipeline does it, order checks included. Gives the number of keys that are not simply kept.
pub fn join(source: Vec<Entry>, target: Vec<Entry>, rules: &DiffRules) -> usize {
    Sorted::default().check(&source).expect("it was made in order");
    Sorted::default().check(&target).expect("it was made in order");
    let (mut source, mut target) = (source.into_iter(), target.into_iter());
    let mut busy = 0;
    loop {
        let (ours, theirs) = (source.as_slice().first(), target.as_slice().first());
        let action = match (next(ours.map(|entry| &entry.key), theirs.map(|entry| &entry.key)), ours, theirs) {
            (Next::Both, Some(ours), Some(theirs)) => match black_box(weigh(ours, theirs, None, Trust::Usual, rules)) {
                Weighed::Keep(_) => {
                    drop((source.next(), target.next()));
                    continue;
                }
                weighed => act(weighed, took(&mut source), took(&mut target), None, rules),
            },
            (Next::Source, ..) => only_source(took(&mut source), rules),
            (Next::Target, ..) => only_target(took(&mut target), rules),
            _ => return busy,
        };
        busy += usize::from(!matches!(black_box(action), Action::Keep { .. }));
    }
}

fn took(side: &mut impl Iterator<Item = Entry>) -> Entry {
    side.next().expect("it was looked at")
}

/// Keys of which most come to the end of [`RULES`].
pub fn filtered_keys(count: u64) -> Vec<String> {
    (0..count)
        .map(|number| match number % 5 {
            0 => format!("media/2026/11/{number:06}.jpg"),
            1 => format!("registry/docker/v2/blobs/sha256/{number:06}/data"),
            2 => format!("logs/2021-{:02}/host-{number:06}.log", number % 12),
            3 => format!("exports/daily/{number:06}/part-00000.parquet"),
            _ => format!("home/user/.config/app/{number:06}/settings.ini"),
        })
        .collect()
}

/// The digest of a whole from those of so many parts.
pub fn combined(parts: u64, part: Sum) -> Sum {
    (0..parts).fold(Sum::EMPTY, |whole, _| whole.then(black_box(part)))
}

/// The digest of one part.
pub fn part_sum(crc64nvme: Option<u64>) -> Sum {
    Sum { crc32c: 0x1234_5678, crc64nvme, size: PART_BYTES_DEFAULT }
}

/// A full page of ListObjectsV2 as S3 writes it.
pub fn s3_page() -> String {
    let contents: String = (0..PAGE_KEYS)
        .map(|number| {
            format!(
                "<Contents><Key>registry/docker/v2/blobs/sha256/{number:08}/data+file%2B.bin</Key>\
                 <LastModified>2026-10-12T17:50:30.000Z</LastModified><ETag>&quot;fba9dede5f27731c9771645a{number:08}&quot;</ETag>\
                 <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>{number}</Size>\
                 <StorageClass>STANDARD</StorageClass></Contents>"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bucket</Name>\
         <Prefix>registry/</Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>\
         <IsTruncated>true</IsTruncated><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>\
         {contents}</ListBucketResult>"
    )
}
