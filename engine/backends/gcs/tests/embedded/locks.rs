//! Held and retained objects, and buckets that keep versions.

use super::*;
use brigade_core::ErrorKind;
use brigade_lab::world::{Conditions, Holds, ListQuery, Versioning, Which};
use brigade_store::{Delete, Deletion, Honoured, Probe, ProbeFor};

#[tokio::test]
async fn a_delete_that_a_hold_refuses_says_which() {
    let lab = Lab::new().await;
    let until = "2300-01-02T03:04:05Z".parse().expect("a moment");
    let holds = [
        ("temporary", Holds { temporary: true, ..Holds::default() }, "Temporary hold"),
        ("event", Holds { event_based: true, ..Holds::default() }, "Event-Based hold"),
        ("retained", Holds { retain_until: Some(until), ..Holds::default() }, "until 2300-01-02T03:04:05Z"),
    ];
    let mut batch = Vec::new();
    for (key, holds, _) in holds {
        let identity = lab.seed(key, "bytes");
        let hold = |object: &mut brigade_lab::world::Object| object.holds = holds;
        lab.world.update(BUCKET, key.as_bytes(), Which::Current, &Conditions::NONE, hold).expect("it is there");
        batch.push(Deletion { key: Key::from(key), identity });
    }
    // All in one batch request, then each alone.
    let mut results = lab.store.delete(&batch).await.expect("answered");
    for deletion in &batch {
        results.extend(lab.store.delete(std::slice::from_ref(deletion)).await.expect("answered"));
    }
    assert_eq!(results.len(), 6);
    for (result, (key, _, says)) in results.into_iter().zip(holds.into_iter().cycle()) {
        let error = result.expect_err("it is held");
        assert_eq!(error.kind, ErrorKind::Locked, "{key}");
        assert!(error.message.contains(says), "{error}");
        assert!(lab.world.peek(BUCKET, key).is_ok(), "{key}");
    }
}

#[tokio::test]
async fn a_versioned_bucket_says_that_versions_stay_and_they_do() {
    let lab = Lab::new().await;
    for (versioning, versioned, says) in
        [(Versioning::Off, Honoured::No, "versioning: off"), (Versioning::Enabled, Honoured::Yes, "stay as older versions")]
    {
        lab.world.set_versioning(BUCKET, versioning).expect("the bucket is there");
        for purpose in [ProbeFor::Write, ProbeFor::Delete] {
            let facts = lab.store.probe(purpose).await.expect("it answers");
            assert_eq!(facts.versioned, versioned, "{versioning:?}");
            assert!(facts.notes.iter().any(|note| note.contains(says)), "{:?}", facts.notes);
        }
    }
    let identity = lab.seed("k", "bytes");
    lab.store.delete(&[Deletion { key: Key::from("k"), identity }]).await.expect("answered").remove(0).expect("deleted");
    let query = ListQuery { max: 9, prefix: b"k".to_vec(), ..ListQuery::default() };
    let left = lab.world.list_versions(BUCKET, &query, None).expect("the bucket is there").versions;
    assert!(left.iter().any(|version| !version.object.is_marker()), "{left:?}");
}

#[tokio::test]
async fn who_may_not_read_the_buckets_settings_loses_nothing_else() {
    let lab = Lab::new().await;
    lab.always(&[Op::Bucket], Action::ACCESS_DENIED);
    for purpose in [ProbeFor::Write, ProbeFor::Delete] {
        let facts = lab.store.probe(purpose).await.expect("the right is not needed");
        assert_eq!((facts.versioned, facts.missing_rights), (Honoured::Unknown, Vec::new()));
    }
    assert!(!lab.world.faults().struck().is_empty());
}
