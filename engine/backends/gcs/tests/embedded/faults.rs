//! What goes wrong on the way, and that no wrong byte is ever taken for a right one.

use super::*;
use async_trait::async_trait;
use brigade_core::ErrorKind;
use brigade_lab::world::{Holds, NewObject};
use brigade_store::error::Effect;
use brigade_store::{Delete, Deletion, Honoured, Probe, ProbeFor};
use http::HeaderValue;
use parking_lot::Mutex;

#[tokio::test]
async fn p07_a_changed_object_is_never_read_even_where_conditions_are_ignored() {
    let lab = Lab::new().await;
    let old = lab.seed("a", "old bytes");
    lab.seed("a", "new bytes");
    assert_eq!(lab.read("a", &old, 9, None).await.expect_err("pinned").kind, ErrorKind::Changed);
    lab.always(&[Op::Get], Action::IgnoreConditions);
    let part = Some(Part { number: 1, offset: 2, size: 3 });
    for part in [None, part] {
        let size = part.map_or(9, |part| part.size);
        assert_eq!(lab.read("a", &old, size, part).await.expect_err("noticed").kind, ErrorKind::Changed);
    }
    assert!(!lab.world.faults().struck().is_empty());
    lab.world.vanish(BUCKET, "a");
    assert_eq!(lab.read("a", &old, 9, None).await.expect_err("gone").kind, ErrorKind::Vanished);
}

#[tokio::test]
async fn p07_an_ignored_range_is_noticed() {
    let lab = Lab::new().await;
    let identity = lab.seed("a", "0123456789");
    lab.fault(&[Op::Get], Action::IgnoreRange);
    let part = Some(Part { number: 2, offset: 5, size: 5 });
    assert_eq!(lab.read("a", &identity, 5, part).await.expect_err("ignored").kind, ErrorKind::Protocol);
    assert_eq!(lab.read("a", &identity, 5, part).await.expect("honoured").bytes.to_vec(), b"56789");
}

#[tokio::test]
async fn p02_bytes_flipped_or_cut_on_the_way_are_told() {
    let lab = Lab::new().await;
    let identity = lab.seed("a", "0123456789");
    lab.fault(&[Op::Get], Action::FlipBit { bit: 13 });
    let piece = lab.read("a", &identity, 10, None).await.expect("it has the right length");
    assert_ne!(piece.head.digests.crc32c, Some(piece.sum.crc32c), "the digest that came along tells");
    lab.fault(&[Op::Get], Action::Truncate { after_bytes: 4 });
    assert_eq!(lab.read("a", &identity, 10, None).await.expect_err("cut").kind, ErrorKind::Network);
}

#[tokio::test]
async fn answers_of_a_busy_or_broken_server_keep_their_meaning() {
    let lab = Lab::new().await;
    let identity = lab.seed("a", "x");
    let slow = Action::Status { status: 429, code: "rateLimitExceeded", retry_after_seconds: Some(7) };
    lab.fault(&[Op::Get], slow);
    let error = lab.read("a", &identity, 1, None).await.expect_err("throttled");
    assert_eq!((error.kind, error.retry_after), (ErrorKind::Throttled, Some(std::time::Duration::from_secs(7))));
    lab.fault(&[Op::Get], Action::INTERNAL_ERROR);
    assert_eq!(lab.read("a", &identity, 1, None).await.expect_err("broken").kind, ErrorKind::Unavailable);
    lab.fault(&[Op::Get], Action::ACCESS_DENIED);
    assert_eq!(lab.read("a", &identity, 1, None).await.expect_err("denied").kind, ErrorKind::Denied);
    lab.fault(&[Op::Put], Action::ResetAfter);
    assert_eq!(lab.put("b", b"x").await.expect_err("no answer").effect, Effect::Possible);
}

#[tokio::test]
async fn p03_a_listing_page_that_fails_is_asked_for_again() {
    let lab = Lab::new().await;
    let new = NewObject::of(b"x"[..].into());
    lab.world.populate(BUCKET, (0..1_500).map(|number| format!("{number:05}")), &new).expect("seeded");
    let mut pages = lab.store.list(&KeyRange::all());
    assert_eq!(pages.next().await.expect("a page").expect("entries").len(), 1_000);
    lab.fault(&[Op::List], Action::Truncate { after_bytes: 100 });
    assert_eq!(pages.next().await.expect_err("cut").kind, ErrorKind::Network);
    lab.fault(&[Op::List], Action::INTERNAL_ERROR);
    assert_eq!(pages.next().await.expect_err("broken").kind, ErrorKind::Unavailable);
    assert_eq!(pages.next().await.expect("the same page").expect("entries").len(), 500);
    assert!(pages.next().await.expect("the end").is_none());
}

#[tokio::test]
async fn a_lost_acknowledgement_is_made_up_for() {
    for lost in [Op::CompleteUpload, Op::Move] {
        let lab = Lab::new().await;
        let (bytes, spec) = (large(), spec(When::IfAbsent));
        let (upload, receipts) = lab.send("a", &bytes, PART_BYTES, &spec).await.expect("sent");
        lab.fault(&[lost], Action::ResetAfter);
        let error = lab.complete(&upload, &receipts, &bytes, &spec).await.expect_err("no answer");
        assert_eq!((error.kind, error.effect), (ErrorKind::Network, Effect::Possible), "{lost:?}");
        let written = lab.complete(&upload, &receipts, &bytes, &spec).await.expect("it is done, or goes on");
        let present = lab.world.peek(BUCKET, "a").expect("visible").generation;
        assert_eq!(written.identity, Some(Identity::Generation(present)), "{lost:?}");
        lab.holds("a", &bytes);
        assert_eq!(lab.keys(), ["a"], "{lost:?}");
    }
}

#[tokio::test]
async fn p02_what_differs_from_what_was_read_is_never_published() {
    let lab = Lab::new().await;
    let spec = spec(When::Always);
    let (read, mut arrived) = (large(), large());
    arrived[7] ^= 1;
    let (upload, receipts) = lab.send("a", &arrived, PART_BYTES, &spec).await.expect("sent");
    // Every further attempt finds the same.
    for _ in 0..2 {
        let error = lab.complete(&upload, &receipts, &read, &spec).await.expect_err("other bytes");
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
        assert!(lab.list().await.expect("listed").is_empty());
    }
    lab.store.abort(&upload).await.expect("given up");
    assert_eq!((lab.keys(), lab.world.uploads_under_way(BUCKET)), (Vec::new(), 0));
}

#[tokio::test]
async fn an_error_in_a_good_answer_is_an_error() {
    let lab = Lab::new().await;
    let (bytes, spec) = (noise(100), spec(When::IfAbsent));
    let (upload, receipts) = lab.send("a", &bytes, 100, &spec).await.expect("sent");
    lab.fault(&[Op::CompleteUpload], Action::ErrorIn200);
    let error = lab.complete(&upload, &receipts, &bytes, &spec).await.expect_err("an error");
    assert_eq!((error.kind, error.effect), (ErrorKind::Unavailable, Effect::Possible));
    lab.complete(&upload, &receipts, &bytes, &spec).await.expect("the second attempt");
    lab.holds("a", &bytes);
}

#[tokio::test]
async fn p13_a_delete_hits_only_what_was_meant_and_a_held_object_stays() {
    let lab = Lab::new().await;
    let holds = Holds { temporary: true, ..Holds::default() };
    let held = lab.world.seed_object(BUCKET, "held", NewObject { holds, ..NewObject::of(b"x"[..].into()) }).expect("seeded");
    let stale = lab.seed("stale", "old");
    lab.seed("stale", "new");
    let good = lab.seed("good", "x");
    let deletion = |key: &str, identity: &Identity| Deletion { key: Key::from(key), identity: identity.clone() };
    let held = Identity::Generation(held.generation);
    // The first of the inner calls meets a busy server and is sent again.
    lab.fault(&[Op::Delete, Op::DeleteEntry], Action::INTERNAL_ERROR);
    let batch = [deletion("good", &good), deletion("held", &held), deletion("stale", &stale), deletion("none", &good)];
    let results = lab.store.delete(&batch).await.expect("answered");
    let kinds: Vec<_> = results.iter().map(|result| result.as_ref().err().map(|error| error.kind)).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Locked), Some(ErrorKind::Conflict), Some(ErrorKind::NotFound)]);
    assert!(!lab.world.faults().struck().is_empty());
    assert_eq!(lab.keys(), ["held", "stale"]);
}

#[tokio::test]
async fn rights_and_buckets_that_are_missing_are_named() {
    let lab = Lab::new().await;
    lab.always(&[Op::List], Action::ACCESS_DENIED);
    lab.always(&[Op::Put], Action::ACCESS_DENIED);
    let facts = lab.store.probe(ProbeFor::Write).await.expect("a lack is no failure");
    assert_eq!(facts.missing_rights, ["storage.objects.list", "storage.objects.create"]);
    assert_eq!(facts.conditional_put, Honoured::Unknown);
    lab.world.faults().clear();
    lab.world.delete_bucket(BUCKET).expect("it is empty");
    assert_eq!(lab.store.probe(ProbeFor::Read).await.expect_err("no bucket").kind, ErrorKind::BucketMissing);
    let created = lab.store.create(&Key::from("a"), 1, &spec(When::Always)).await;
    assert_eq!(created.expect_err("no bucket").kind, ErrorKind::BucketMissing);
}

/// Hands out tokens in order; one that was refused is followed by the next.
struct Tokens(Mutex<Vec<&'static str>>);

#[async_trait]
impl TokenSource for Tokens {
    async fn authorization(&self) -> Result<Option<HeaderValue>> {
        Ok(self.0.lock().last().map(|token| HeaderValue::try_from(format!("Bearer {token}")).expect("text")))
    }

    async fn refused(&self, value: &HeaderValue) {
        let mut tokens = self.0.lock();
        if tokens.len() > 1 && tokens.last().is_some_and(|token| format!("Bearer {token}").as_bytes() == value.as_bytes()) {
            tokens.pop();
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_once_in_the_middle_of_a_run() {
    let lab = Lab::new().await;
    lab.seed("a", "x");
    lab.server.set_bearer_tokens(Some(vec!["first".into()]));
    let store = with_tokens(&lab.server, Arc::new(Tokens(Mutex::new(vec!["second", "first"]))));
    let key = Key::from("a");
    store.head(&key).await.expect("the first is good");
    lab.server.set_bearer_tokens(Some(vec!["second".into()]));
    store.head(&key).await.expect("the second is taken");
    lab.server.set_bearer_tokens(Some(vec!["third".into()]));
    let before = lab.server.requests().counts().total();
    let error = store.head(&key).await.expect_err("none is good");
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(!error.message.contains("second"));
    assert!(lab.server.requests().counts().total() <= before + 2, "no third attempt");
}

#[tokio::test]
async fn p12_a_probe_gives_up_the_upload_that_it_began_also_on_a_busy_server() {
    let lab = Lab::new().await;
    lab.fault(&[Op::AbortUpload], Action::SLOW_DOWN);
    lab.store.probe(ProbeFor::Write).await.expect("it passes");
    assert_eq!(lab.world.faults().struck().len(), 1);
    assert_eq!(lab.world.uploads_under_way(BUCKET), 0);
}
