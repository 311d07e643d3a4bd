//! The simulated store passes the suite of every store, and fails as it is told to.

#![allow(clippy::unwrap_used)]

mod determinism;
mod scripted;

use super::*;
use crate::fault::{Action, Rule};
use crate::world::{Content, Limits, WorldOptions};
use brigade_core::KeyRange;
use brigade_core::digest::Wanted;
use brigade_core::parts::Part;
use brigade_store::conformance::{self, Profile, Subject};
use brigade_store::{Delete as _, Deletion, List as _, Piece, Read as _, ReadRequest, Rope, ServerCopy, When, Write as _, WriteSpec};

fn world() -> Arc<World> {
    let world = World::with(WorldOptions {
        limits: Limits { part_bytes_min: 1000, page_items_max: 100, ..Limits::default() },
        ..WorldOptions::default()
    });
    world.create_bucket("b").unwrap();
    world
}

async fn conforms(dialect: Dialect, profile: Profile) {
    let world = world();
    let handle = || Arc::new(SimStore::new(world.clone(), "b", "some/prefix/", dialect));
    let store = handle();
    store.world().seed("b", "outside", "x").unwrap();
    let copy: Option<Arc<dyn ServerCopy>> = Some(Arc::new(SimCopy::new(SimStore::clone(&store), SimStore::clone(&store))));
    let name = format!("sim {dialect:?}");
    let subject = Subject { name, target: store.clone(), later: handle(), delete: store.clone(), copy, profile };
    let summary = conformance::run(&subject).await;
    summary.assert();
    assert_eq!(summary.surprises().count(), 0);
    assert_eq!(store.world().keys("b"), [b"outside"], "the suite removes what it wrote");
}

#[tokio::test]
async fn conforms_as_s3() {
    conforms(Dialect::S3, Profile { prefix_bytes: 12, ..Profile::default() }).await;
}

#[tokio::test]
async fn conforms_as_gcs() {
    let lacks: &[_] = &[
        ("tags", "GCS has no object tags"),
        ("expires", "GCS keeps no Expires"),
        ("copy-in-parts", "objects of any size are rewritten whole"),
        ("copy-parts-pinned", "objects of any size are rewritten whole"),
    ];
    conforms(Dialect::Gcs, Profile { prefix_bytes: 12, ..Profile::lacking(lacks) }).await;
}

struct Lab {
    store: SimStore,
    identity: Identity,
}

/// One object `k` of 1,000,000 bytes.
fn lab() -> Lab {
    let store = SimStore::new(world(), "b", "", Dialect::S3);
    let object = store.world().seed("b", "k", Content::pattern(1, 1_000_000)).unwrap();
    Lab { identity: store.identity(&object), store }
}

impl Lab {
    fn fault(&self, op: Op, action: Action) {
        self.store.world().faults().add(Rule::new(&[op], action).once());
    }

    async fn read(&self, part: Option<Part>) -> Result<Piece> {
        let size = part.map_or(1_000_000, |part| part.size);
        let (key, identity) = (&Key::from("k"), &self.identity);
        self.store.read(&ReadRequest { key, part, size, identity, wanted: Wanted::default() }).await
    }

    async fn put(&self, key: &str) -> Result<()> {
        let bytes = Rope::from(b"hello world".to_vec());
        let spec = WriteSpec { metadata: Arc::default(), storage_class: None, when: When::IfAbsent };
        self.store.put(&Key::from(key), &bytes, &bytes.sum(Wanted::default()), None, &spec).await.map(|_| ())
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_a_read_is_an_error_of_its_kind_or_shows_in_the_sum() {
    let part = Part { number: 1, offset: 10, size: 100 };
    for (action, expected) in [
        (Action::SLOW_DOWN, ErrorKind::Throttled),
        (Action::INTERNAL_ERROR, ErrorKind::Unavailable),
        (Action::ACCESS_DENIED, ErrorKind::Denied),
        (Action::ResetBefore, ErrorKind::Network),
        (Action::ResetAfter, ErrorKind::Network),
        (Action::Truncate { after_bytes: 50 }, ErrorKind::Network),
        (Action::Stall, ErrorKind::Stalled),
        (Action::StallBody { after_bytes: 50 }, ErrorKind::Stalled),
        (Action::IgnoreRange, ErrorKind::Protocol),
        (Action::Vanish, ErrorKind::Vanished),
        (Action::OverwriteBefore("theirs".into()), ErrorKind::Changed),
    ] {
        let lab = lab();
        let name = format!("{action:?}");
        lab.fault(Op::Get, action);
        assert_eq!(lab.read(Some(part)).await.unwrap_err().kind, expected, "{name}");
        assert_eq!(lab.store.world().faults().struck().len(), 1, "{name}");
    }
    let lab = lab();
    let right = lab.read(None).await.unwrap().sum;
    lab.fault(Op::Get, Action::FlipBit { bit: 77 });
    assert_ne!(lab.read(None).await.unwrap().sum, right);
}

#[tokio::test]
async fn an_ignored_pin_is_noticed_by_the_identity_of_the_answer() {
    let lab = lab();
    lab.store.world().seed("b", "k", Content::pattern(2, 1_000_000)).unwrap();
    lab.fault(Op::Get, Action::IgnoreConditions);
    assert_eq!(lab.read(None).await.unwrap_err().kind, ErrorKind::Changed);
}

#[tokio::test]
async fn a_lost_acknowledgement_says_that_the_effect_is_possible() {
    let lab = lab();
    lab.fault(Op::Put, Action::ResetAfter);
    let lost = lab.put("new").await.unwrap_err();
    assert_eq!((lost.kind, lost.effect), (ErrorKind::Network, brigade_store::error::Effect::Possible));
    assert_eq!(lab.store.world().bytes("b", "new").unwrap(), "hello world");
    assert_eq!(lab.put("new").await.unwrap_err().kind, ErrorKind::Conflict);
    lab.fault(Op::Put, Action::FlipStored { bit: 0 });
    lab.put("spoiled").await.unwrap();
    assert_eq!(lab.store.world().bytes("b", "spoiled").unwrap(), "iello world");
}

#[tokio::test]
async fn a_listing_page_that_fails_can_be_asked_for_again() {
    let lab = lab();
    lab.store.world().populate("b", (0..150).map(|number| format!("l/{number:03}")), &Default::default()).unwrap();
    lab.store.world().faults().add(Rule::new(&[Op::List], Action::SLOW_DOWN).when(crate::fault::Occurrence::Nth(2)));
    let mut pages = lab.store.list(&KeyRange::all());
    let first = pages.next().await.unwrap().unwrap().len();
    assert_eq!(pages.next().await.unwrap_err().kind, ErrorKind::Throttled);
    let second = pages.next().await.unwrap().unwrap().len();
    assert_eq!((first, second), (100, 51));
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(lab.store.door().requests().counts().list(), 3);
}

#[tokio::test]
async fn a_delete_on_a_store_that_ignores_conditions_takes_the_newer_version() {
    let lab = lab();
    lab.store.world().seed("b", "k", "newer").unwrap();
    let stale = [Deletion { key: Key::from("k"), identity: lab.identity.clone() }];
    assert_eq!(lab.store.delete(&stale).await.unwrap().remove(0).unwrap_err().kind, ErrorKind::Conflict);
    lab.store.world().set_honours(Honours { conditional_delete: false, ..Honours::REAL });
    assert_eq!(lab.store.probe(ProbeFor::Delete).await.unwrap().conditional_delete, Honoured::No);
    lab.store.delete(&stale).await.unwrap().remove(0).unwrap();
    assert!(lab.store.world().keys("b").is_empty());
}
