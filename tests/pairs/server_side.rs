//! Copies inside one provider: no byte passes the engine, and everything arrives as if it had.

use std::sync::Arc;

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Content, Honours, Limits, NewObject, Object, ObjectPart, World,
};

use crate::support::{BUCKET, Lab, Ran, contents};

const MIB: u64 = 1 << 20;

/// The bucket beside [`BUCKET`].
const COPIES: &str = "copies";

fn attributes() -> Attributes {
    Attributes {
        content_type: Some("text/x-test".into()),
        content_encoding: Some("gzip".into()),
        cache_control: Some("no-store".into()),
        metadata: [("team".to_owned(), "a".to_owned())].into(),
        tags: [("class".to_owned(), "gold".to_owned())].into(),
        storage_class: Some("STANDARD_IA".into()),
        ..Attributes::default()
    }
}

/// An object with a checksum of the whole.
fn with(algorithm: ChecksumAlgorithm, content: Content) -> NewObject {
    let value = content.checksum(algorithm).unwrap().into();
    NewObject { checksum: Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value }), ..NewObject::of(content) }
}

/// An object that was put together from parts of 5 MiB, without a checksum.
fn of_parts(seed: u64, size: u64) -> NewObject {
    let bytes = Content::pattern(seed, size).body().to_bytes().unwrap();
    let contents: Vec<Content> = bytes.chunks(5 << 20).map(|part| Content::from(bytes.slice_ref(part))).collect();
    let parts: Vec<ObjectPart> =
        (1..).zip(&contents).map(|(number, part)| ObjectPart { number, size: part.size(), checksum: None }).collect();
    NewObject { parts: Some(parts.into()), ..NewObject::of(Content::concat(&contents.iter().collect::<Vec<_>>())) }
}

/// Objects of every kind, all with headers, metadata, tags and a class of their own.
fn seed(world: &World) {
    world.ensure_bucket(COPIES);
    let objects = [
        ("crc32c", with(ChecksumAlgorithm::Crc32c, Content::pattern(1, 70_000))),
        ("crc64nvme", with(ChecksumAlgorithm::Crc64Nvme, Content::pattern(2, 70_000))),
        ("empty", NewObject::of(Content::from(""))),
        ("folder/a b+%20#?&é", NewObject::of(Content::pattern(3, 1_000))),
        ("large", NewObject::of(Content::pattern(4, 17 * MIB + 13))),
        ("parts", of_parts(5, 11 * MIB + 7)),
    ];
    for (key, new) in objects {
        world.seed_object(BUCKET, key, NewObject { attributes: Arc::new(attributes()), ..new }).unwrap();
    }
}

fn copies(world: &World, bucket: &str) -> Vec<(Vec<u8>, Arc<Object>)> {
    world.objects(bucket)
}

/// The bucket holds exactly what [`BUCKET`] does.
#[track_caller]
fn equal(world: &World, bucket: &str) {
    let got: Vec<_> = copies(world, bucket).into_iter().map(|(key, object)| (key, object.body().to_bytes().unwrap().to_vec())).collect();
    assert!(got == contents(world), "the bytes arrived");
}

/// What somebody said of an object: the unknown type is as good as none.
fn told(object: &Object) -> Attributes {
    let told = Attributes::clone(&object.attributes);
    Attributes { content_type: told.content_type.filter(|kind| kind != "application/octet-stream"), ..told }
}

fn bytes(ran: &Ran, name: &str) -> u64 {
    ran.report["bytes"][name].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_copies_by_itself_what_one_endpoint_holds() {
    let lab = Lab::start().await;
    let world = lab.s3.world();
    seed(world);
    let ran = lab.transfer(&["copy", "one:data", "one:copies"]).await.expect(0);
    assert_eq!((ran.objects("copied"), bytes(&ran, "server_side")), (6, bytes(&ran, "copied")), "{}", ran.report);
    assert_eq!((bytes(&ran, "read"), bytes(&ran, "written")), (0, 0), "{}", ran.report);
    assert_eq!((ran.report["proof"]["stored"].as_u64(), ran.report["source_proven"].as_u64()), (Some(6), Some(6)), "{}", ran.report);
    let counts = lab.s3.requests().counts();
    assert_eq!(counts.get(), 0, "nothing was read: {counts:?}");
    assert!(counts.received_bytes < 64 * 1024, "only probes and documents were sent: {counts:?}");
    equal(world, COPIES);
    assert_eq!(world.uploads_under_way(COPIES), 0);
    // Its composite ETag is all that is known of this object, so its copy lies in the same parts.
    assert_eq!(world.peek(COPIES, "parts").unwrap().etag, world.peek(BUCKET, "parts").unwrap().etag);

    let again = lab.transfer(&["copy", "one:data", "one:copies"]).await.expect(0);
    assert_eq!((again.objects("copied"), again.objects("kept")), (0, 6), "{}", again.report);
    lab.transfer(&["check", "one:data", "one:copies", "--content"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_carried_is_the_same_whichever_way_the_bytes_go() {
    let lab = Lab::start().await;
    let world = lab.s3.world();
    seed(world);
    world.ensure_bucket("streamed");
    for more in [&[][..], &["--metadata", "none"], &["--set-metadata", "team=b", "--storage-class", "GLACIER_IR"]] {
        for (bucket, way) in [("one:copies", "always"), ("one:streamed", "never")] {
            let arguments = [&["copy", "one:data", bucket, "--server-side", way, "--compare", "manifest", "--fresh"], more].concat();
            let ran = lab.transfer(&arguments).await.expect(0);
            assert_eq!(bytes(&ran, "read") == 0, way == "always", "{}", ran.report);
        }
        let (inside, streamed) = (copies(world, COPIES), copies(world, "streamed"));
        assert_eq!(inside.len(), 6);
        for ((key, inside), (_, streamed)) in inside.iter().zip(&streamed) {
            assert_eq!(inside.attributes, streamed.attributes, "{}", String::from_utf8_lossy(key));
        }
        for bucket in [COPIES, "streamed"] {
            for key in world.keys(bucket) {
                world.vanish(bucket, key);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_to_be_read_back_are_streamed() {
    let lab = Lab::start().await;
    seed(lab.s3.world());
    let ran = lab.transfer(&["copy", "one:data", "one:copies", "--verify", "content"]).await.expect(0);
    assert_eq!((bytes(&ran, "server_side"), ran.report["proof"]["content"].as_u64()), (0, Some(6)), "{}", ran.report);
    equal(lab.s3.world(), COPIES);
}

/// Whatever says that there is no road, nothing fails: everything is streamed, and the endpoint is not asked again for each object.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_refuses_to_copy_is_asked_once_and_streamed_past() {
    for (action, kind) in [
        (Action::ACCESS_DENIED, "denied"),
        (Action::Status { status: 501, code: "NotImplemented", retry_after_seconds: None }, "unsupported"),
    ] {
        let lab = Lab::start().await;
        let world = lab.s3.world();
        seed(world);
        world.faults().add(Rule::new(&[Op::Copy, Op::CopyPart], action).bucket(COPIES));
        let always = lab.transfer(&["copy", "one:data", "one:copies", "--server-side", "always"]).await.expect(1);
        assert_eq!(always.objects("failed"), 6);
        assert!(always.failures().iter().all(|(_, found)| found == kind), "{:?}", always.failures());
        let before = lab.s3.requests().counts();
        let ran = lab.transfer(&["copy", "one:data", "one:copies"]).await.expect(0);
        assert_eq!((ran.objects("copied"), bytes(&ran, "server_side")), (6, 0), "{}", ran.report);
        let counts = lab.s3.requests().counts();
        assert_eq!(counts.of(Op::Copy) - before.of(Op::Copy), 1, "it is asked once: {counts:?}");
        assert_eq!(counts.of(Op::CopyPart) - before.of(Op::CopyPart), 1, "and once for parts: {counts:?}");
        equal(world, COPIES);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_an_endpoint_that_ignores_conditions_of_copies_copies_nothing() {
    let lab = Lab::start().await;
    let world = lab.s3.world();
    seed(world);
    world.set_honours(Honours { conditional_copy: false, ..Honours::REAL });
    let always = lab.transfer(&["copy", "one:data", "one:copies", "--server-side", "always"]).await.expect(1);
    assert!(always.failures().iter().all(|(_, kind)| kind == "unsupported"), "{:?}", always.failures());
    assert!(world.keys(COPIES).is_empty(), "what the experiments made is gone");
    let ran = lab.transfer(&["copy", "one:data", "one:copies"]).await.expect(0);
    assert_eq!((ran.objects("copied"), bytes(&ran, "server_side")), (6, 0), "{}", ran.report);
    equal(world, COPIES);
    assert_eq!(world.uploads_under_way(COPIES), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_an_original_that_changes_before_it_is_copied_arrives_in_its_new_version() {
    let lab = Lab::start().await;
    let world = lab.s3.world();
    seed(world);
    let newer = Content::pattern(99, 70_001);
    for key in ["crc32c", "parts"] {
        let rule = Rule::new(&[Op::Head], Action::OverwriteAfter(newer.clone())).bucket(BUCKET).key(key).once();
        world.faults().add(rule);
    }
    let ran = lab.transfer(&["copy", "one:data", "one:copies"]).await.expect(0);
    assert_eq!(world.faults().struck().len(), 2, "both changed");
    assert_eq!((bytes(&ran, "read"), ran.objects("copied")), (0, 6), "{}", ran.report);
    equal(world, COPIES);
}

#[tokio::test(flavor = "multi_thread")]
async fn p13_a_migration_by_the_provider_deletes_what_it_proved() {
    let lab = Lab::start().await;
    let world = lab.s3.world();
    seed(world);
    let originals = contents(world);
    let ran = lab.transfer(&["migrate", "one:data", "one:copies"]).await.expect(0);
    assert_eq!((ran.objects("deleted_source"), bytes(&ran, "read")), (6, 0), "{}", ran.report);
    assert!(world.keys(BUCKET).is_empty());
    let arrived: Vec<_> = copies(world, COPIES).into_iter().map(|(key, copy)| (key, copy.body().to_bytes().unwrap().to_vec())).collect();
    assert!(arrived == originals);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_or_an_error_in_a_good_one_is_no_failure() {
    for action in [Action::ResetAfter, Action::ErrorIn200] {
        let lab = Lab::start().await;
        let world = lab.s3.world();
        seed(world);
        world
            .faults()
            .add(Rule::new(&[Op::Copy, Op::CopyPart], action).bucket(COPIES).when(brigade_lab::fault::Occurrence::FirstPerKey(1)));
        let ran = lab.transfer(&["copy", "one:data", "one:copies"]).await.expect(0);
        assert!(world.faults().struck().len() >= 6, "every copy met it once");
        assert_eq!((bytes(&ran, "read"), ran.objects("copied")), (0, 6), "{}", ran.report);
        equal(world, COPIES);
    }
}

/// A smaller limit than that of S3 shows as a refusal of the one object.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_too_large_for_the_endpoint_is_streamed() {
    let lab = Lab::start().await;
    let world = lab.s3.world();
    world.ensure_bucket(COPIES);
    world.seed(BUCKET, "large", Content::pattern(4, 17 * MIB + 13)).unwrap();
    world.set_limits(Limits { copy_bytes_max: 16 * MIB, ..world.limits() });
    let ran = lab.transfer(&["copy", "one:data", "one:copies"]).await.expect(0);
    assert_eq!((bytes(&ran, "written"), bytes(&ran, "server_side")), (17 * MIB + 13, 0), "{}", ran.report);
    equal(world, COPIES);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_under_another_name_is_copied_by_the_provider_too() {
    let lab = Lab::start().await;
    let world = lab.s3.world();
    seed(world);
    let ran = lab.transfer(&["copy", "one:data/folder/a b+%20#?&é", "one:copies/renamed"]).await.expect(0);
    assert_eq!((bytes(&ran, "server_side"), bytes(&ran, "read")), (1_000, 0), "{}", ran.report);
    assert_eq!(world.keys(COPIES), [b"renamed".to_vec()]);
    assert_eq!(world.bytes(COPIES, "renamed").unwrap(), world.bytes(BUCKET, "folder/a b+%20#?&é").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn gcs_rewrites_what_one_endpoint_holds() {
    let lab = Lab::start().await;
    let world = lab.gcs.world();
    world.ensure_bucket(COPIES);
    world.ensure_bucket("streamed");
    for (number, size) in (0..).zip([0, 1_000, 17 * MIB + 13]) {
        let given = Attributes { tags: Default::default(), storage_class: Some("NEARLINE".into()), ..attributes() };
        let new = NewObject { attributes: Arc::new(given), ..NewObject::of(Content::pattern(number, size)) };
        world.seed_object(BUCKET, format!("k{number}"), new).unwrap();
        // A read tells whole seconds, a listing more.
        lab.world_time(world, &format!("k{number}"), "2020-02-29T12:00:00Z");
    }
    for more in [&[][..], &["--metadata", "none"]] {
        let ran = lab.transfer(&[&["copy", "g:data", "g:copies"], more].concat()).await.expect(0);
        assert_eq!((bytes(&ran, "server_side"), bytes(&ran, "read"), bytes(&ran, "written")), (17 * MIB + 1_013, 0, 0), "{}", ran.report);
        assert_eq!(ran.report["proof"]["stored"], 3, "{}", ran.report);
        equal(world, COPIES);
        lab.transfer(&[&["copy", "g:data", "g:streamed", "--server-side", "never"], more].concat()).await.expect(0);
        for ((key, inside), (_, streamed)) in copies(world, COPIES).iter().zip(&copies(world, "streamed")) {
            assert_eq!(told(inside), told(streamed), "{}", String::from_utf8_lossy(key));
        }
        for bucket in [COPIES, "streamed"] {
            for key in world.keys(bucket) {
                world.vanish(bucket, key);
            }
        }
    }
    world.set_honours(Honours { conditional_copy: false, ..Honours::REAL });
    let ran = lab.transfer(&["copy", "g:data", "g:copies", "--fresh"]).await.expect(0);
    assert_eq!((bytes(&ran, "server_side"), ran.objects("copied")), (0, 3), "{}", ran.report);
    equal(world, COPIES);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_endpoints_have_no_road_between_them() {
    let lab = Lab::start().await;
    seed(lab.s3.world());
    let refused = lab.transfer(&["copy", "one:data", "two:data", "--server-side", "always"]).await.expect(2);
    assert!(refused.stderr.contains("hint:"), "{}", refused.stderr);
    assert_eq!(lab.s3.requests().counts().total(), 0, "it is refused before the first request");
}

/// Whichever way the bytes go: the copy is cut as its original is.
#[tokio::test(flavor = "multi_thread")]
async fn etags_are_preserved_where_they_can_be_and_counted_where_not() {
    for target in ["two:data", "one:copies"] {
        let lab = Lab::start().await;
        let world = lab.s3.world();
        seed(world);
        let composite_of = |algorithm, size| {
            let parts = of_parts(7, size);
            NewObject { checksum: with(algorithm, Content::pattern(7, size)).checksum, ..parts }
        };
        world.seed_object(BUCKET, "parts crc32c", composite_of(ChecksumAlgorithm::Crc32c, 10 * MIB)).unwrap();
        world.seed_object(BUCKET, "parts crc64nvme", composite_of(ChecksumAlgorithm::Crc64Nvme, 10 * MIB + 1)).unwrap();
        // An ETag that is no digest of anything cannot be had again.
        let managed = Attributes { encryption: Some("aws:kms".into()), ..Attributes::default() };
        world
            .seed_object(
                BUCKET,
                "z",
                NewObject { attributes: Arc::new(managed), ..with(ChecksumAlgorithm::Crc32c, Content::pattern(8, 10)) },
            )
            .unwrap();
        let ran = lab.transfer(&["copy", "one:data", target, "--preserve-etag"]).await.expect(0);
        assert_eq!((ran.objects("copied"), ran.report["dropped"]["etag"].as_u64()), (9, Some(1)), "{}", ran.report);
        let (copied, bucket) = if target == "two:data" { (lab.s3_other.world(), BUCKET) } else { (world, COPIES) };
        for (key, object) in world.objects(BUCKET) {
            let copy = copied.peek(bucket, &key).unwrap();
            assert_eq!(copy.body().to_bytes().unwrap(), object.body().to_bytes().unwrap());
            assert_eq!(copy.etag == object.etag, key != b"z", "{}", String::from_utf8_lossy(&key));
        }
        assert_eq!(ran.report["source_proven"], 9, "{}", ran.report);
    }
}
