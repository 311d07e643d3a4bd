//! Claims about faults of listings and uploads, as the engine's seams show them, and about the accounts that a script ends with.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::fault::Occurrence;
use crate::world::{Holds, ListQuery, Which};
use brigade_store::Upload;

fn spec() -> WriteSpec {
    WriteSpec { metadata: Arc::default(), storage_class: None, when: When::Always }
}

impl Lab {
    async fn list(&self) -> Vec<(String, u64)> {
        let mut pages = self.store.list(&KeyRange::all());
        let mut entries = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            entries.extend(page.into_iter().map(|entry| (entry.key.to_string(), entry.size)));
        }
        entries
    }

    async fn part(&self, upload: &Upload, number: u32, byte: u8) -> Result<()> {
        let bytes = Rope::from(vec![byte; 1000]);
        let part = Part { number, offset: 0, size: 1000 };
        self.store.part(upload, part, &bytes, &bytes.sum(Wanted::default())).await.map(|_| ())
    }
}

#[tokio::test]
async fn a_stale_listing_lacks_the_newest_key_and_shows_older_versions_but_reads_do_not() {
    for dialect in [Dialect::S3, Dialect::Gcs] {
        let lab = Lab { store: SimStore::new(world(), "b", "", dialect), ..lab() };
        let (world, entries) = (lab.store.world(), |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
            pairs.iter().map(|(key, size)| ((*key).to_owned(), *size)).collect()
        });
        world.seed("b", "deleted", "xxx").unwrap();
        world.seed("b", "overwritten", "x").unwrap();
        world.seed("b", "overwritten", "xx").unwrap();
        world.vanish("b", "deleted");
        world.seed("b", "new", "x").unwrap();
        let right = entries(&[("new", 1), ("overwritten", 2)]);
        for (behind, expected) in [
            (1, entries(&[("overwritten", 2)])),
            (2, entries(&[("deleted", 3), ("overwritten", 2)])),
            (3, entries(&[("deleted", 3), ("overwritten", 1)])),
        ] {
            world.faults().clear();
            lab.fault(Op::List, Action::StaleList { behind });
            assert_eq!(lab.list().await, expected, "behind by {behind}");
            assert_eq!(lab.list().await, right, "the fault strikes once");
        }
        assert_eq!(lab.store.head(&Key::from("new")).await.unwrap().size, 1);
    }
}

#[tokio::test]
async fn an_upload_that_expires_is_gone_at_the_next_call() {
    for op in [Op::PutPart, Op::ListParts, Op::CompleteUpload] {
        let lab = lab();
        let key = Key::from("up");
        let upload = lab.store.create(&key, 1000, &spec()).await.unwrap();
        lab.part(&upload, 1, 1).await.unwrap();
        lab.store.world().faults().add(Rule::new(&[op], Action::ExpireUpload).key("up").when(Occurrence::Nth(1)));
        let receipts = lab.store.parts(&upload).await;
        let gone = match op {
            Op::ListParts => receipts.map(drop),
            Op::PutPart => lab.part(&upload, 2, 2).await,
            _ => {
                let sum = Rope::from(vec![1; 1000]).sum(Wanted::default());
                let spec = spec();
                let complete = brigade_store::Complete { parts: &receipts.unwrap(), sum, spec: &spec };
                lab.store.complete(&upload, &complete).await.map(|_| ())
            }
        };
        assert_eq!(gone.unwrap_err().kind, ErrorKind::UploadGone, "{op:?}");
        assert_eq!(lab.store.world().uploads_under_way("b"), 0);
        assert_eq!(lab.store.head(&key).await.unwrap_err().kind, ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn the_accounts_tell_what_was_sent_twice() {
    let lab = lab();
    let counters = lab.store.world().requests();
    counters.start_log();
    let upload = lab.store.create(&Key::from("up"), 2000, &spec()).await.unwrap();
    lab.part(&upload, 1, 1).await.unwrap();
    lab.fault(Op::PutPart, Action::ResetAfter);
    lab.part(&upload, 2, 2).await.unwrap_err();
    lab.part(&upload, 2, 2).await.unwrap();
    lab.put("whole").await.unwrap();
    lab.put("whole").await.unwrap_err();
    let arrivals = counters.arrivals();
    let part = |number| Some((upload.id.clone(), number));
    let parts: Vec<_> = arrivals.iter().map(|arrival| (arrival.op, arrival.part.clone(), arrival.bytes)).collect();
    let put = (Op::Put, None, 11);
    assert_eq!(parts, [(Op::PutPart, part(1), 1000), (Op::PutPart, part(2), 1000), (Op::PutPart, part(2), 1000), put.clone(), put]);
    assert_eq!(arrivals[1].md5, arrivals[2].md5);
    let traffic = counters.traffic("b");
    assert_eq!((traffic.whole_bytes, traffic.distinct_bytes, traffic.repeated_bytes(), traffic.broken_bytes), (3022, 2011, 1011, 0));
    assert_eq!(counters.traffic("another").whole_bytes, 0);
    counters.reset();
    assert_eq!(counters.arrivals(), []);
}

#[tokio::test]
async fn a_refused_delete_says_what_holds_and_a_versioned_bucket_refuses_none() {
    let until = jiff::Timestamp::from_second(4_000_000_000).unwrap();
    for (holds, says) in [
        (Holds { legal: true, ..Holds::default() }, "a legal hold"),
        (Holds { temporary: true, ..Holds::default() }, "a temporary hold"),
        (Holds { event_based: true, ..Holds::default() }, "an event-based hold"),
        (Holds { retain_until: Some(until), ..Holds::default() }, "a retention until 2096-10-02T07:06:40Z"),
    ] {
        let lab = lab();
        let world = lab.store.world();
        world.update("b", b"k", Which::Current, &Conditions::NONE, |object| object.holds = holds).unwrap();
        let deletion = [Deletion { key: Key::from("k"), identity: lab.identity.clone() }];
        assert_eq!(lab.store.probe(ProbeFor::Delete).await.unwrap().versioned, Honoured::No);
        let refused = lab.store.delete(&deletion).await.unwrap().remove(0).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Locked);
        assert!(refused.message.contains(says), "{}", refused.message);
        world.set_versioning("b", Versioning::Enabled).unwrap();
        assert_eq!(lab.store.probe(ProbeFor::Delete).await.unwrap().versioned, Honoured::Yes);
        lab.store.delete(&deletion).await.unwrap().remove(0).unwrap();
        let left = world.list_versions("b", &ListQuery { max: 9, ..ListQuery::default() }, None).unwrap();
        assert_eq!(left.versions.len(), 2, "a marker and the version that stays");
    }
}
