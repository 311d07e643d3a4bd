//! What things cost, counted by the embedded servers.

use brigade_lab::door::Counts;
use brigade_lab::world::{Checksum, ChecksumAlgorithm, ChecksumKind, Content, NewObject};

use crate::support::{BUCKET, Lab};

const MIB: u64 = 1 << 20;

/// What the same command costs over an empty source: reaching and probing both ends, and one listing page of each.
async fn overhead(command: &str) -> (Counts, Counts) {
    let lab = Lab::start().await;
    lab.transfer(&[command, "one:data", "two:data"]).await.expect(0);
    (lab.s3.requests().counts(), lab.s3_other.requests().counts())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_object_costs_one_get_and_one_put_and_no_head() {
    let (source_before, target_before) = overhead("copy").await;
    let lab = Lab::start().await;
    for number in 0..500_u64 {
        lab.s3.world().seed(BUCKET, format!("k{number}"), Content::pattern(number, number * 11)).unwrap();
    }
    lab.transfer(&["copy", "one:data", "two:data"]).await.expect(0);
    let (source, target) = (lab.s3.requests().counts(), lab.s3_other.requests().counts());
    assert_eq!(source.get() - source_before.get(), 500);
    assert_eq!(source.total() - source_before.total(), 500, "{source:?}");
    assert_eq!(target.put() - target_before.put(), 500);
    assert_eq!(target.total() - target_before.total(), 500, "{target:?}");
    assert_eq!((source.head(), target.head()), (source_before.head(), target_before.head()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_costs_one_get_and_one_part_each_plus_create_and_complete() {
    let (source_before, target_before) = overhead("copy").await;
    let lab = Lab::start().await;
    // One PUT by somebody who kept no checksum: its ETag is its MD5, and comes with each range.
    lab.s3.world().seed(BUCKET, "large", Content::pattern(1, 60 * MIB)).unwrap();
    let ran = lab.transfer(&["copy", "one:data", "two:data"]).await.expect(0);
    assert_eq!(ran.report["source_proven"], 1, "what was read was compared with the MD5 that the source stores");
    let (source, target) = (lab.s3.requests().counts(), lab.s3_other.requests().counts());
    assert_eq!(source.get() - source_before.get(), 8);
    assert_eq!(source.total() - source_before.total(), 8, "{source:?}");
    assert_eq!(target.part() - target_before.part(), 8);
    assert_eq!(target.create() - target_before.create(), 1);
    assert_eq!(target.complete() - target_before.complete(), 1);
    assert_eq!(target.total() - target_before.total(), 10, "{target:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_objects_kept_checksum_costs_one_head() {
    let (source_before, _) = overhead("copy").await;
    let lab = Lab::start().await;
    let content = Content::pattern(1, 100 * MIB);
    let value = content.checksum(ChecksumAlgorithm::Crc64Nvme).unwrap().into();
    let checksum = Some(Checksum { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject, value });
    lab.s3.world().seed_object(BUCKET, "large", NewObject { content, checksum, ..NewObject::default() }).unwrap();
    let ran = lab.transfer(&["copy", "one:data", "two:data"]).await.expect(0);
    let source = lab.s3.requests().counts();
    assert_eq!((source.get() - source_before.get(), source.head() - source_before.head()), (13, 1), "{source:?}");
    assert_eq!(source.total() - source_before.total(), 14, "{source:?}");
    assert_eq!(ran.report["source_proven"], 1, "what was read was compared with what the source stores");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_op_sync_costs_listing_pages_only() {
    let (source_before, target_before) = overhead("sync").await;
    let lab = Lab::start().await;
    for world in [lab.s3.world(), lab.s3_other.world()] {
        let keys = (0..3_500).map(|number| format!("k{number:05}"));
        world.populate(BUCKET, keys, &NewObject::of("the same".into())).unwrap();
    }
    let ran = lab.transfer(&["sync", "one:data", "two:data"]).await.expect(0);
    assert_eq!(ran.objects("kept"), 3_500);
    let (source, target) = (lab.s3.requests().counts(), lab.s3_other.requests().counts());
    assert_eq!((source.list() - source_before.list(), source.total() - source_before.total()), (3, 3), "{source:?}");
    assert_eq!((target.list() - target_before.list(), target.total() - target_before.total()), (3, 3), "{target:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_ten_thousand_originals_costs_ten_calls() {
    let (source_before, _) = overhead("migrate").await;
    let lab = Lab::start().await;
    for world in [lab.s3.world(), lab.s3_other.world()] {
        let keys = (0..10_000).map(|number| format!("k{number:05}"));
        world.populate(BUCKET, keys, &NewObject::of("the same".into())).unwrap();
    }
    // Originals are older than their copies: of the same age, it would be asked whether both are one place.
    for key in lab.s3.world().keys(BUCKET) {
        lab.s3.world().set_modified(BUCKET, key, "2020-01-01T00:00:00Z".parse().unwrap()).unwrap();
    }
    let ran = lab.transfer(&["migrate", "one:data", "two:data"]).await.expect(0);
    assert_eq!(ran.objects("deleted_source"), 10_000);
    assert!(lab.s3.world().keys(BUCKET).is_empty());
    let source = lab.s3.requests().counts();
    assert_eq!(source.delete() - source_before.delete(), 10, "{source:?}");
    // Ten pages are long enough to be listed in several places at once, which costs a few pages more.
    let pages = source.list() - source_before.list();
    assert!((9..=9 + 8).contains(&pages), "nine more listing pages, and a few: {source:?}");
    assert_eq!(source.total() - source_before.total(), 10 + pages, "ten calls and listing pages: {source:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_forecasts_the_requests_of_its_run_and_names_what_cannot_travel() {
    let (source_before, target_before) = overhead("copy").await;
    let lab = Lab::start().await;
    for (number, size) in (0..).zip([0, 100, 8 * MIB, 8 * MIB + 1, 30 * MIB]) {
        lab.s3.world().seed(BUCKET, format!("k{number}"), Content::pattern(number, size)).unwrap();
    }
    let plan = lab.transfer(&["plan", "one:data", "two:data"]).await.expect(0);
    let forecast = &plan.report["forecast"];
    assert!(plan.report["cannot_carry"].is_null(), "S3 holds what S3 has: {}", plan.report);
    let (reads, writes) = (lab.s3.requests().counts().total(), lab.s3_other.requests().counts().total());
    lab.transfer(&["copy", "one:data", "two:data"]).await.expect(0);
    let made = |counts: &Counts, before: &Counts| counts.total() - before.total();
    let (source, target) = (lab.s3.requests().counts(), lab.s3_other.requests().counts());
    let number = |name: &str| forecast[name].as_u64().unwrap();
    assert_eq!(made(&source, &source_before) - reads, number("get"), "{forecast}");
    assert_eq!(made(&target, &target_before) - writes, number("put") + number("part") + number("other"), "{forecast}");
    let across = lab.transfer(&["plan", "one:data", "h:data", "--mode", "migrate"]).await.expect(0);
    assert_eq!(across.report["cannot_carry"], serde_json::json!(["expires", "tags"]));
    assert_eq!(across.report["forecast"]["deletes"], 5);
}
