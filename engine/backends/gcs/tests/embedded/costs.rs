//! What operations cost, counted by the server.

use super::*;
use brigade_store::{Delete, Deletion, Probe, ProbeFor};

/// The requests since the last look, by kind.
fn cost(lab: &Lab) -> Vec<(Op, u64)> {
    let counts = lab.server.requests().counts();
    lab.server.requests().reset();
    Op::ALL.into_iter().map(|op| (op, counts.of(op))).filter(|(_, count)| *count > 0).collect()
}

#[tokio::test]
async fn a_small_object_costs_one_put_and_one_get() {
    let lab = Lab::new().await;
    let written = lab.put("a/b", b"hello").await.expect("written");
    assert_eq!(cost(&lab), [(Op::Put, 1)]);
    let piece = lab.read("a/b", &written.identity.expect("named"), 5, None).await.expect("read");
    assert_eq!((piece.bytes.to_vec(), cost(&lab)), (b"hello".to_vec(), vec![(Op::Get, 1)]));
}

#[tokio::test]
async fn a_large_object_costs_a_create_its_parts_a_complete_and_a_move() {
    let lab = Lab::new().await;
    let (bytes, spec) = (large(), spec(When::IfAbsent));
    let (upload, receipts) = lab.send("a", &bytes, PART_BYTES, &spec).await.expect("sent");
    lab.complete(&upload, &receipts, &bytes, &spec).await.expect("completed");
    assert_eq!(cost(&lab), [(Op::CreateUpload, 1), (Op::PutPart, 3), (Op::CompleteUpload, 1), (Op::Move, 1)]);
    lab.holds("a", &bytes);
    assert_eq!(lab.keys(), ["a"]);
}

#[tokio::test]
async fn a_listing_costs_its_pages_and_brings_digests_and_metadata() {
    let lab = Lab::new().await;
    let new = brigade_lab::world::NewObject::of(b"x"[..].into());
    lab.world.populate(BUCKET, (0..2_500).map(|number| format!("{number:05}")), &new).expect("seeded");
    let entries = lab.list().await.expect("listed");
    assert_eq!((entries.len(), cost(&lab)), (2_500, vec![(Op::List, 3)]));
    assert!(entries.iter().all(|entry| entry.digests.crc32c.is_some() && entry.metadata.is_some() && entry.modified.is_some()));
}

#[tokio::test]
async fn a_hundred_deletes_cost_one_request() {
    let lab = Lab::new().await;
    let batch: Vec<Deletion> = (0..100)
        .map(|number| {
            let key = format!("odd/ &+%{number}");
            let identity = lab.seed(&key, "x");
            Deletion { key: Key::from(key.as_str()), identity }
        })
        .collect();
    assert_eq!(batch.len(), lab.store.facts().delete_batch_max);
    let results = lab.store.delete(&batch).await.expect("deleted");
    assert!(results.len() == 100 && results.iter().all(Result::is_ok));
    assert_eq!(lab.server.requests().counts().total(), 1);
    assert_eq!(lab.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_probe_sees_what_is_honoured_and_leaves_nothing() {
    let lab = Lab::new().await;
    lab.seed("kept", "x");
    for purpose in [ProbeFor::Read, ProbeFor::Write, ProbeFor::Delete] {
        let facts = lab.store.probe(purpose).await.expect("probed");
        assert_eq!(facts.missing_rights, Vec::<String>::new());
    }
    let facts = lab.store.facts();
    for fact in [facts.conditional_put, facts.conditional_complete, facts.conditional_delete, facts.checks_md5] {
        assert!(fact.is_yes(), "{facts:?}");
    }
    assert_eq!((lab.keys(), lab.world.uploads_under_way(BUCKET)), (vec!["kept".to_owned()], 0));
}
