//! Rewrites that take several calls, and what goes wrong in the middle of them.

use std::num::NonZeroU64;
use std::time::Duration;

use brigade_core::ErrorKind;
use brigade_lab::fault::Occurrence;
use brigade_lab::world::Content;
use brigade_store::{Origin, ServerCopy};

use super::*;

const MIB: u64 = 1 << 20;

/// A server that rewrites one MiB with each call.
async fn slow() -> Lab {
    let world = World::new();
    world.ensure_bucket(BUCKET);
    let options_of_server = GcsServerOptions { rewrite_bytes_per_call: NonZeroU64::new(MIB), ..GcsServerOptions::default() };
    let server = GcsServer::start(world.clone(), options_of_server).await.expect("a free port");
    let store = GcsStore::new(options(&server, ""), transport()).expect("good options");
    Lab { world, server, store }
}

/// Copies five MiB from `a` to `b`.
async fn copy(lab: &Lab, generation: u64) -> Result<Written> {
    let (key, identity) = (Key::from("a"), Identity::Generation(generation));
    let origin = Origin { key: &key, identity: &identity, size: 5 * MIB, digests: Default::default() };
    let spec = WriteSpec { metadata: Arc::new(Metadata::default()), storage_class: None, when: When::IfAbsent };
    lab.store.copier(&lab.store).copy(&origin, &Key::from("b"), &spec).await
}

#[tokio::test]
async fn a_rewrite_goes_on_until_it_is_done_also_past_a_busy_server() {
    let lab = slow().await;
    let object = lab.world.seed(BUCKET, "a", Content::pattern(1, 5 * MIB)).expect("seeded");
    lab.world.faults().add(Rule::new(&[Op::Copy], Action::SLOW_DOWN).when(Occurrence::Nth(3)));
    let written = copy(&lab, object.generation).await.expect("a copy");
    assert_eq!(written.digests.crc32c, Some(object.crc32c()));
    assert_eq!(lab.world.requests().counts().of(Op::Copy), 6, "five calls, and the one that was refused");
    assert_eq!(lab.world.bytes(BUCKET, "b").expect("there"), lab.world.bytes(BUCKET, "a").expect("there"));
    lab.server.stop().await;
}

#[tokio::test]
async fn p10_a_target_that_somebody_writes_between_two_calls_is_left() {
    let lab = slow().await;
    let object = lab.world.seed(BUCKET, "a", Content::pattern(1, 5 * MIB)).expect("seeded");
    // The door knows a rewrite by the name of its target.
    lab.world.faults().add(Rule::new(&[Op::Copy], Action::OverwriteBefore(Content::from("other"))).when(Occurrence::Nth(3)));
    let error = copy(&lab, object.generation).await.expect_err("the key is taken");
    assert_eq!((lab.world.faults().struck().len(), error.kind), (1, ErrorKind::Conflict), "{error}");
    lab.holds("b", b"other");
    lab.server.stop().await;
}

#[tokio::test]
async fn p07_a_source_that_changes_between_two_calls_is_no_copy() {
    let lab = slow().await;
    let object = lab.world.seed(BUCKET, "a", Content::pattern(1, 5 * MIB)).expect("seeded");
    lab.world.faults().add(Rule::new(&[Op::Copy], Action::Delay(Duration::from_millis(500))).when(Occurrence::Nth(3)));
    let changing = async {
        while lab.world.requests().counts().of(Op::Copy) < 3 {
            tokio::task::yield_now().await;
        }
        lab.world.seed(BUCKET, "a", Content::pattern(2, 5 * MIB)).expect("seeded");
    };
    let (copied, ()) = tokio::join!(copy(&lab, object.generation), changing);
    let error = copied.expect_err("another version");
    assert_eq!(error.kind, ErrorKind::Changed, "{error}");
    assert_eq!(lab.keys(), ["a"]);
    lab.server.stop().await;
}
