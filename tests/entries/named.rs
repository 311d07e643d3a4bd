//! `--files-from`: by whichever way the keys are found, the entries are the same ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use brigade_core::{Entry, Key, KeyRange};
use brigade_gcs::{GcsOptions, GcsStore};
use brigade_http::{Transport, TransportOptions};
use brigade_inventory::{Entries, Named, Way, way};
use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::{Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Content, NewObject, World};
use brigade_s3::{S3Options, S3Store, StaticCredentials};
use brigade_store::{Pages, Target};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::support::{BUCKET, Lab};

/// Random cases of each store; each has a bucket of its own.
const CASES: u64 = 12;

/// Names that a listing and a look may see differently: folders, markers, spaces, signs, other scripts.
const STEMS: [&str; 8] = ["a", "a/", "b//c", "b c+d%20", "dir/x", "dir/", "é", "z\u{1F600}"];

async fn s3(lab: &Lab, prefix: &str) -> Arc<dyn Target> {
    let keys = lab.s3.options();
    let credentials = StaticCredentials {
        access_key_id: keys.access_key.clone(),
        secret_access_key: keys.secret_key.clone().into(),
        session_token: None,
    };
    let options = S3Options {
        endpoint_url: Some(lab.s3.url()),
        region: Some("us-east-1".into()),
        credentials: Some(credentials),
        ..S3Options::new(BUCKET, prefix)
    };
    let transport = Transport::new(&TransportOptions::default()).unwrap();
    Arc::new(S3Store::connect(options, transport).await.unwrap())
}

fn gcs(lab: &Lab, prefix: &str) -> Arc<dyn Target> {
    let options = GcsOptions {
        endpoint_url: Some(lab.gcs.url()),
        anonymous: true,
        bucket: BUCKET.into(),
        prefix: prefix.into(),
        ..GcsOptions::default()
    };
    Arc::new(GcsStore::new(options, Transport::new(&TransportOptions::default()).unwrap()).unwrap())
}

/// An object of any form that a store may hold.
fn object(dice: &mut StdRng) -> NewObject {
    let content = Content::pattern(dice.random(), dice.random_range(0..5_000));
    let algorithm = *[ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme].choose(dice).unwrap();
    let checksum = dice.random_bool(0.5).then(|| {
        let value = content.checksum(algorithm).unwrap().into();
        Checksum { algorithm, kind: ChecksumKind::FullObject, value }
    });
    let attributes = Attributes {
        content_type: dice.random_bool(0.5).then(|| "text/x-test".into()),
        encryption: dice.random_bool(0.3).then(|| "aws:kms".into()),
        storage_class: dice.random_bool(0.5).then(|| "STANDARD_IA".into()),
        metadata: [("team".to_owned(), dice.random_range(0..3).to_string())].into(),
        ..Attributes::default()
    };
    NewObject { content, checksum, attributes: attributes.into(), ..NewObject::default() }
}

/// Fills a world, and names some of its keys and some that are not there.
fn fill(world: &World, prefix: &str, dice: &mut StdRng) -> Vec<Key> {
    let mut names = BTreeSet::new();
    for number in 0..dice.random_range(0..60) {
        let key = format!("{}{}", STEMS.choose(dice).unwrap(), number);
        if dice.random_bool(0.8) {
            world.seed_object(BUCKET, format!("{prefix}{key}"), object(dice)).unwrap();
        }
        if dice.random_bool(0.6) {
            names.insert(Key::from(key.as_str()));
        }
    }
    // The location itself, a name that is too long, and one that is no text.
    names.extend([Key::from(""), Key::new("x".repeat(1_025)), Key::new(b"\xff")]);
    names.into_iter().collect()
}

async fn all(mut pages: Box<dyn Pages>) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        assert!(!page.is_empty());
        entries.extend(page);
    }
    entries
}

async fn picked(store: &dyn Target, range: &KeyRange, names: &[Key]) -> Vec<Entry> {
    let mut entries = all(store.list(range)).await;
    entries.retain(|entry| names.binary_search(&entry.key).is_ok());
    entries
}

/// A range whose borders are names, or open.
fn range(names: &[Key], dice: &mut StdRng) -> KeyRange {
    let mut border = || names.choose(dice).filter(|name| !name.is_empty() && name.len() < 100 && name.as_str().is_some()).cloned();
    let (one, other) = (border(), border());
    if one <= other { KeyRange { after: one, through: other } } else { KeyRange { after: other, through: one } }
}

#[tokio::test(flavor = "multi_thread")]
async fn p09_a_look_finds_exactly_the_entries_that_a_listing_has() {
    for seed in 0..CASES {
        let mut dice = StdRng::seed_from_u64(seed);
        let lab = Lab::start().await;
        let prefix = *["", "p/", "p/q/"].choose(&mut dice).unwrap();
        for (store, world) in [(s3(&lab, prefix).await, lab.s3.world()), (gcs(&lab, prefix), lab.gcs.world())] {
            let names = fill(world, prefix, &mut dice);
            let named = Named::new(store.clone(), &names, prefix.as_bytes());
            for range in [KeyRange::all(), range(&names, &mut dice)] {
                assert_eq!(all(named.list(&range)).await, picked(&*store, &range, &names).await, "seed {seed}, {range:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p09_an_object_that_may_not_be_looked_at_is_found_by_the_listing() {
    let lab = Lab::start().await;
    for key in ["dir/a", "dir/b", "dir/c"] {
        lab.s3.world().seed(BUCKET, key, key).unwrap();
    }
    lab.s3
        .world()
        .faults()
        .add(Rule::new(&[Op::Head], Action::Status { status: 403, code: "AccessDenied", retry_after_seconds: None }).key("dir/b"));
    let names = ["dir/b", "dir/c", "dir/d"].map(Key::from);
    let store = s3(&lab, "").await;
    let named = Named::new(store.clone(), &names, b"");
    assert_eq!(all(named.list(&KeyRange::all())).await, picked(&*store, &KeyRange::all(), &names).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn few_names_in_a_large_bucket_are_looked_up_and_many_are_picked_from_its_listing() {
    let lab = Lab::start().await;
    let keys = (0..3_000).map(|number| format!("k{number:05}"));
    lab.s3.world().populate(BUCKET, keys, &NewObject::of("x".into())).unwrap();
    let every = |step: usize| -> Vec<Key> { (0..3_000).step_by(step).map(|number| Key::from(format!("k{number:05}").as_str())).collect() };
    let store = s3(&lab, "").await;
    assert_eq!(way(&*store, &every(1_000)).await, Way::Look, "three names");
    assert_eq!(way(&*store, &every(100)).await, Way::Look, "ten names in a page");
    assert_eq!(way(&*store, &every(30)).await, Way::List, "thirty names in a page");
    assert_eq!(way(&*s3(&lab, "empty/").await, &every(30)).await, Way::List, "one page tells that nothing is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_few_named_keys_makes_no_listing_and_reports_as_one_that_does() {
    let lab = Lab::start().await;
    let keys = (0..3_000).map(|number| format!("k{number:05}"));
    lab.s3.world().populate(BUCKET, keys, &NewObject::of("x".into())).unwrap();
    lab.s3_other.world().seed(BUCKET, "k00002", "x").unwrap();
    lab.s3_other.world().seed(BUCKET, "only-in-the-target", "y").unwrap();
    let few = lab.path("few").display().to_string();
    std::fs::write(&few, "k00001\nk00002\nmissing\nonly-in-the-target\n").unwrap();
    let ran = lab.transfer(&["sync", "one:data", "two:data", "--delete", "--files-from", &few, "-v"]).await.expect(0);
    ran.balances();
    let objects = |name| ran.objects(name);
    assert_eq!((objects("listed"), objects("copied"), objects("kept"), objects("deleted_target")), (2, 1, 1, 1), "{}", ran.report);
    assert_eq!(ran.report["requests"]["list"], 0, "{}", ran.report);
    assert!(ran.stderr.contains("looked up one by one"), "{}", ran.stderr);
    let listed = lab.brigade(&["ls", "one:data", "--files-from", &few]).await.expect(0);
    assert_eq!(listed.stdout.lines().count(), 2, "{}", listed.stdout);
}
