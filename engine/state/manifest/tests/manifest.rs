//! What is promised of a manifest: every record comes back as it was, in order, from any key; and a file that was cut, changed
//! or forged is an error and never a record too few or too many.

use std::fs;
use std::path::{Path, PathBuf};

use brigade_core::identity::FileStamp;
use brigade_core::known::Original;
use brigade_core::{Algorithm, Digests, Identity, Key, Known, Proof};
use brigade_manifest::{Manifest, ManifestError, Meta, Reader, Vouched, WriteError, file_blake3, write};
use jiff::Timestamp;
use proptest::prelude::*;

/// An error that rows may end in.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("no more rows")]
struct NoMoreRows;

fn meta() -> Meta {
    Meta {
        source: "s3://a/x/".into(),
        target: "gs://b/é/".into(),
        run: "01JD0000000000000000000000".into(),
        created: "2026-11-20T03:00:00.5Z".parse().expect("a time"),
    }
}

fn known(key: impl AsRef<[u8]>, number: u64) -> Known {
    Known {
        key: Key::new(key),
        size: number,
        source: Identity::Generation(number),
        target: Identity::etag("d41d8cd98f00b204e9800998ecf8427e"),
        digests: Digests { crc32c: Some(7), crc64nvme: None, md5: Some([9; 16]) },
        proof: Some(Proof::Stored(Algorithm::Crc32c)),
        source_modified: None,
        known_at: Timestamp::UNIX_EPOCH,
        run: "01JD".into(),
        original: Original::Present,
    }
}

fn identities() -> impl Strategy<Value = Identity> {
    prop_oneof![
        ".{0,40}".prop_map(|etag| Identity::Etag(etag.into())),
        any::<u64>().prop_map(Identity::Generation),
        any::<(u64, u64, i64, i64)>().prop_map(|(inode, size, modified_ns, changed_ns)| Identity::File(FileStamp {
            inode,
            size,
            modified_ns,
            changed_ns
        })),
    ]
}

fn proofs() -> impl Strategy<Value = Option<Proof>> {
    prop_oneof![
        Just(None),
        Just(Some(Proof::Transport)),
        Just(Some(Proof::Stored(Algorithm::Md5))),
        Just(Some(Proof::Content(Algorithm::Crc64nvme)))
    ]
}

fn records() -> impl Strategy<Value = Known> {
    let times = (any::<Option<i64>>(), -1_000_000_000_000_000_i64..4_000_000_000_000_000);
    let digests = (any::<Option<u32>>(), any::<Option<u64>>(), any::<Option<[u8; 16]>>());
    (any::<u64>(), identities(), identities(), digests, proofs(), times, "[a-c]", any::<bool>()).prop_map(
        |(size, source, target, (crc32c, crc64nvme, md5), proof, (modified_ns, known_us), run, gone)| Known {
            key: Key::from(""),
            size,
            source,
            target,
            digests: Digests { crc32c, crc64nvme, md5 },
            proof,
            source_modified: modified_ns.map(|nanoseconds| Timestamp::from_nanosecond(nanoseconds.into()).expect("inside the range")),
            known_at: Timestamp::from_microsecond(known_us).expect("inside the range"),
            run: run.as_str().into(),
            original: if gone { Original::Deleted } else { Original::Present },
        },
    )
}

/// Sorted rows with any keys, the empty one and long ones included.
fn rows() -> impl Strategy<Value = Vec<Known>> {
    let keys = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        (0..3_usize, any::<u8>()).prop_map(|(tail, last)| [&vec![b'k'; 1_021 + tail][..], &[last]].concat()),
    ];
    prop::collection::btree_map(keys, records(), 0..40)
        .prop_map(|rows| rows.into_iter().map(|(key, record)| Known { key: Key::new(key), ..record }).collect())
}

fn stored(rows: &[Known]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("manifest-1.parquet");
    let written = write(&path, &meta(), rows.iter().cloned().map(Ok::<_, NoMoreRows>)).expect("a disk that works");
    assert_eq!(written.rows, u64::try_from(rows.len()).expect("few rows"));
    assert_eq!(written.bytes, fs::metadata(&path).expect("the file").len());
    assert_eq!(written.blake3, file_blake3(&path).expect("the file"));
    (directory, path)
}

fn all(path: &Path, after: Option<&Key>) -> Result<Vec<Known>, ManifestError> {
    Reader::open_after(path, after)?.collect()
}

fn is_damaged<T>(result: Result<T, ManifestError>) -> bool {
    matches!(result, Err(ManifestError::Damaged { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn p14_every_record_comes_back_as_it_was(rows in rows()) {
        let (_directory, path) = stored(&rows);
        prop_assert_eq!(all(&path, None).expect("whole"), rows);
    }

    #[test]
    fn reading_after_a_key_gives_exactly_the_greater_ones(rows in rows(), after in prop::collection::vec(any::<u8>(), 0..4)) {
        let (_directory, path) = stored(&rows);
        let keys = rows.iter().map(|row| row.key.clone()).chain([Key::new(after)]);
        for after in keys {
            let expected: Vec<_> = rows.iter().filter(|row| row.key > after).cloned().collect();
            prop_assert_eq!(all(&path, Some(&after)).expect("whole"), expected);
        }
    }

    #[test]
    fn p06_a_file_cut_anywhere_is_an_error(rows in rows(), cut in any::<prop::sample::Index>()) {
        let (_directory, path) = stored(&rows);
        let bytes = fs::read(&path).expect("the file");
        fs::write(&path, &bytes[..cut.index(bytes.len())]).expect("a disk that works");
        prop_assert!(is_damaged(all(&path, None)));
    }

    #[test]
    fn p06_any_flipped_byte_is_an_error(rows in rows(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let (_directory, path) = stored(&rows);
        let blake3 = file_blake3(&path).expect("the file");
        let mut bytes = fs::read(&path).expect("the file");
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(&path, &bytes).expect("a disk that works");
        prop_assert!(is_damaged(all(&path, None)));
        prop_assert!(is_damaged(Manifest::open(&path, Vouched::Blake3(&blake3))));
    }
}

#[test]
fn many_row_groups_are_read_from_any_key_and_by_many_at_once() {
    // Keys so long that a group is full by its bytes, with a shared beginning longer than the statistics hold.
    let key = |number: u64| format!("{}{number:06}", "x".repeat(900));
    let rows: Vec<_> = (0..20_000).map(|number| known(key(number), number)).collect();
    let (_directory, path) = stored(&rows);
    let manifest = Manifest::open(&path, Vouched::Seal).expect("whole");
    assert_eq!((manifest.rows(), manifest.meta()), (20_000, &meta()));
    std::thread::scope(|scope| {
        for start in [0_u64, 1, 6_000, 13_337, 19_998, 19_999] {
            let (manifest, rows) = (&manifest, &rows);
            scope.spawn(move || {
                let read: Vec<_> = manifest.read(Some(&Key::from(key(start).as_str()))).collect::<Result<_, _>>().expect("no damage");
                assert!(read == rows[usize::try_from(start).expect("few rows") + 1..], "after {start}");
            });
        }
    });
}

#[test]
fn marks_ascend_and_divide_the_rows_into_the_groups_of_the_file() {
    let key = |number: u64| format!("{}{number:06}", "x".repeat(100));
    let rows: Vec<_> = (0..100_000).map(|number| known(key(number), number)).collect();
    let (_directory, path) = stored(&rows);
    let manifest = Manifest::open(&path, Vouched::Seal).expect("whole");
    let marks = manifest.marks();
    assert!(marks.len() >= 2, "{} marks", marks.len());
    assert!(marks.is_sorted_by(|one, other| one < other));
    let borders: Vec<usize> = marks.iter().map(|mark| rows.partition_point(|row| row.key <= *mark)).collect();
    let groups: Vec<usize> = [0].iter().chain(&borders).zip(borders.iter().chain(&[rows.len()])).map(|(from, to)| to - from).collect();
    assert!(groups.iter().all(|rows| *rows <= groups[0]) && groups[0] > 0, "{groups:?}");
    let (_directory, path) = stored(&rows[..10]);
    assert!(Manifest::open(&path, Vouched::Seal).expect("whole").marks().is_empty());
}

#[test]
fn rows_out_of_order_or_twice_are_refused_and_leave_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.parquet");
    for keys in [["b", "a"], ["a", "a"]] {
        let rows = keys.map(|key| Ok::<_, NoMoreRows>(known(key, 1)));
        assert!(matches!(write(&path, &meta(), rows), Err(WriteError::Manifest(ManifestError::Order { .. }))));
    }
    let failing = [Ok(known("a", 1)), Err(NoMoreRows)];
    assert!(matches!(write(&path, &meta(), failing), Err(WriteError::Rows(NoMoreRows))));
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0);
}

#[test]
fn an_older_file_stays_until_the_new_one_is_whole() {
    let (_directory, path) = stored(&[known("a", 1)]);
    let failing = [Ok(known("b", 1)), Err(NoMoreRows)];
    assert!(write(&path, &meta(), failing).is_err());
    assert_eq!(all(&path, None).expect("whole"), [known("a", 1)]);
}

#[test]
fn a_file_that_another_digest_vouches_for_is_refused() {
    let (_directory, path) = stored(&[known("a", 1)]);
    let other = blake3::hash(b"another file").to_hex();
    assert!(matches!(Manifest::open(&path, Vouched::Blake3(&other)), Err(ManifestError::Damaged { .. })));
}

#[test]
fn forged_content_under_a_fresh_seal_is_an_error_and_no_panic() {
    let rows: Vec<_> = (0..50).map(|number| known(format!("k{number:03}"), number)).collect();
    let (_directory, path) = stored(&rows);
    let bytes = fs::read(&path).expect("the file");
    // Only the data pages are forged: the footer of a forger is another matter, and so is its memory.
    for at in 44..300 {
        let mut forged = bytes.clone();
        forged[at] ^= 0x55;
        let seal = blake3::hash(&forged[44..]);
        forged[12..44].copy_from_slice(seal.as_bytes());
        fs::write(&path, &forged).expect("a disk that works");
        // Some bytes can be forged into another valid record; whatever comes, it ends.
        let read = Reader::open(&path).map(|reader| reader.take(100).count());
        assert!(read.is_ok_and(|count| count <= 51), "byte {at}");
    }
}

#[test]
fn a_parquet_file_of_another_shape_is_foreign() {
    let (_directory, path) = stored(&[]);
    let bytes = fs::read(&path).expect("the file");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("brigade.manifest/1"));
    let at = bytes.windows(18).position(|window| window == b"brigade.manifest/1").expect("the schema's name");
    let mut other = bytes;
    other[at + 17] = b'2';
    let seal = blake3::hash(&other[44..]);
    other[12..44].copy_from_slice(seal.as_bytes());
    fs::write(&path, &other).expect("a disk that works");
    assert!(matches!(Reader::open(&path), Err(ManifestError::Foreign { .. })));
    assert!(matches!(Manifest::open(Path::new("/nonexistent"), Vouched::Seal), Err(ManifestError::Io { .. })));
}
