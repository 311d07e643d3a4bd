//! Whatever can be noted comes back as it was, in the order that is promised.

use std::collections::BTreeMap;

use brigade_core::identity::FileStamp;
use brigade_core::known::Batch;
use brigade_core::outcome::Pair;
use proptest::prelude::*;

use super::*;

/// Few of them, so that keys meet; an empty one, NUL and bytes that are no UTF-8 among them.
fn keys() -> impl Strategy<Value = Key> {
    let known = proptest::sample::select(vec![&b""[..], b"a", b"a\0", b"\xff", b"a/b"]);
    prop_oneof![known.prop_map(Key::new), any::<Vec<u8>>().prop_map(Key::new)]
}

fn identities() -> impl Strategy<Value = Identity> {
    prop_oneof![
        any::<String>().prop_map(|etag| Identity::Etag(etag.into())),
        any::<u64>().prop_map(Identity::Generation),
        any::<(u64, u64, i64, i64)>().prop_map(|(inode, size, modified_ns, changed_ns)| Identity::File(FileStamp {
            inode,
            size,
            modified_ns,
            changed_ns
        })),
    ]
}

fn digests() -> impl Strategy<Value = Digests> {
    any::<(Option<u32>, Option<u64>, Option<[u8; 16]>)>().prop_map(|(crc32c, crc64nvme, md5)| Digests { crc32c, crc64nvme, md5 })
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    proptest::sample::select(Algorithm::ALL.to_vec())
}

fn times() -> impl Strategy<Value = jiff::Timestamp> {
    (-4_000_000_000_i64..4_000_000_000, 0..1_000_000_000_i32).prop_map(|(second, ns)| jiff::Timestamp::new(second, ns).unwrap())
}

fn records() -> impl Strategy<Value = Known> {
    let proofs = prop_oneof![
        Just(None),
        Just(Some(Proof::Transport)),
        algorithms().prop_map(|algorithm| Some(Proof::Stored(algorithm))),
        algorithms().prop_map(|algorithm| Some(Proof::Content(algorithm))),
    ];
    let places = (keys(), any::<u64>(), identities(), identities());
    let times = (proptest::option::of(times()), times());
    (places, digests(), proofs, times, any::<String>(), any::<bool>()).prop_map(|(places, digests, proof, times, run, deleted)| {
        let (key, size, source, target) = places;
        let original = if deleted { Original::Deleted } else { Original::Present };
        Known { key, size, source, target, digests, proof, source_modified: times.0, known_at: times.1, run: run.into(), original }
    })
}

fn some_changes() -> impl Strategy<Value = Change> {
    prop_oneof![3 => records().prop_map(Change::Set), 1 => keys().prop_map(Change::Gone), 1 => keys().prop_map(Change::OriginalDeleted)]
}

/// Their keys meet those of others, and of each other.
fn some_batches() -> impl Strategy<Value = Batch> {
    (any::<String>(), times(), proptest::collection::vec(records(), 0..6)).prop_map(|(run, known_at, records)| {
        let mut batch = Batch::new(run.into(), known_at);
        let sorted: BTreeMap<Key, Known> = records.into_iter().map(|known| (known.key.clone(), known)).collect();
        for (key, known) in sorted {
            let pair = Pair { target: known.target, size: known.size, digests: known.digests, source_modified: known.source_modified };
            batch.push(&key, &known.source, known.proof, &pair);
        }
        batch
    })
}

fn changes_of(note: Note) -> Vec<Change> {
    match note {
        Note::Change(change) => vec![change],
        Note::Batch(batch) => batch.into_iter().map(|known| Change::Set(known.unwrap())).collect(),
        _ => Vec::new(),
    }
}

fn some_uploads() -> impl Strategy<Value = OpenUpload> {
    (keys(), any::<(String, Option<String>, String)>(), identities(), any::<(u64, u64)>()).prop_map(
        |(key, (id, staging, spec), source, (size, part_bytes))| OpenUpload { number: 0, key, id, staging, source, size, part_bytes, spec },
    )
}

fn some_parts() -> impl Strategy<Value = SentPart> {
    let sums = any::<(u32, Option<u64>, u64)>().prop_map(|(crc32c, crc64nvme, size)| Sum { crc32c, crc64nvme, size });
    (any::<(u32, u64, u64)>(), any::<String>(), digests(), sums, proptest::option::of(algorithms())).prop_map(
        |((number, offset, size), tag, stored, sum, proven)| SentPart { part: Part { number, offset, size }, tag, stored, sum, proven },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_noted_comes_back(
        changes in proptest::collection::vec(some_changes(), 0..20),
        batches in proptest::collection::vec((0..20_usize, some_batches()), 0..4),
        begun in some_uploads(),
        parts in proptest::collection::vec(some_parts(), 0..6),
    ) {
        let mut notes: Vec<Note> = changes.into_iter().map(Note::Change).collect();
        for (at, batch) in batches {
            notes.insert(at.min(notes.len()), Note::Batch(batch));
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.sqlite");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let number = runtime.block_on(async {
            let journal = open(&path, "a");
            for note in &notes {
                journal.note(note.clone()).await.unwrap();
            }
            let number = journal.next_upload();
            journal.note(Note::UploadBegun(OpenUpload { number, ..begun.clone() })).await.unwrap();
            for part in &parts {
                journal.note(Note::PartSent { upload: number, part: part.clone() }).await.unwrap();
            }
            journal.close().await;
            number
        });
        let mut sorted: Vec<Change> = notes.into_iter().flat_map(changes_of).collect();
        sorted.sort_by(|one, other| one.key().cmp(other.key()));
        prop_assert_eq!(all_changes(&path).unwrap(), sorted);
        let last_of_each: BTreeMap<u32, SentPart> = parts.into_iter().map(|part| (part.part.number, part)).collect();
        let (uploads, parts) = runtime.block_on(async {
            let journal = open(&path, "b");
            let found = (journal.uploads(9).await.unwrap(), journal.parts(number).await.unwrap());
            journal.close().await;
            found
        });
        prop_assert_eq!(uploads, [OpenUpload { number, ..begun }]);
        prop_assert_eq!(parts, last_of_each.into_values().collect::<Vec<_>>());
    }
}
