//! What a manifest is good for beside the next run: an auditor's question, and stores whose identities cannot be compared.

use brigade_lab::world::{Checksum, ChecksumAlgorithm, ChecksumKind, Content, NewObject, World};

use crate::support::{BUCKET, Lab, Ran};

const PART: &str = "5M";

/// A large original with an MD5 for an ETag, and a small one, copied to the other S3 and to GCS, with a manifest of each.
async fn copied() -> Lab {
    let lab = Lab::start().await;
    lab.s3.world().seed(BUCKET, "large", Content::pattern(1, 12 << 20)).unwrap();
    lab.s3.world().seed(BUCKET, "small", Content::from("small")).unwrap();
    for (target, manifest) in [("two:data", "two.parquet"), ("g:data", "g.parquet")] {
        let out = lab.path(manifest).display().to_string();
        lab.transfer(&["copy", "one:data", target, "--part-size", PART, "--manifest-out", &out]).await.expect(0);
    }
    lab
}

async fn against(lab: &Lab, target: &str, manifest: &str) -> Ran {
    lab.transfer(&["check", "one:data", target, "--against", &lab.path(manifest).display().to_string()]).await
}

/// Somebody writes other bytes of the same size, and the clock of the store says that it was long ago.
fn tamper(lab: &Lab, world: &World) {
    let content = Content::from("SMALL");
    let value = content.checksum(ChecksumAlgorithm::Crc64Nvme).unwrap().into();
    let checksum = Some(Checksum { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject, value });
    world.seed_object(BUCKET, "small", NewObject { content, checksum, ..NewObject::default() }).unwrap();
    lab.world_time(world, "small", "2001-01-01T00:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_what_a_run_proved_is_called_equal_as_long_as_neither_side_changes() {
    let lab = copied().await;
    for target in ["two:data", "g:data"] {
        lab.transfer(&["check", "one:data", target]).await.expect(0);
    }
    // Without what the run left known nothing says so: one side has an MD5, the other a CRC and the ETag of its parts.
    let ran = lab.transfer(&["check", "one:data", "two:data", "--fresh"]).await.expect(1);
    assert_eq!(ran.failures(), [("large".into(), "unproven".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_against_a_manifest_says_whether_both_sides_are_as_they_were() {
    let lab = copied().await;
    against(&lab, "two:data", "two.parquet").await.expect(0);
    against(&lab, "g:data", "g.parquet").await.expect(0);
    tamper(&lab, lab.gcs.world());
    let ran = against(&lab, "g:data", "g.parquet").await.expect(1);
    assert_eq!(ran.failures(), [("small".into(), "content".into())]);
    lab.gcs.world().seed(BUCKET, "new", Content::from("x")).unwrap();
    lab.s3.world().seed(BUCKET, "new", Content::from("x")).unwrap();
    let ran = against(&lab, "g:data", "g.parquet").await.expect(1);
    assert!(ran.failures().contains(&("new".into(), "unproven".into())), "{:?}", ran.failures());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_somebody_replaced_is_copied_again_although_sizes_agree_and_it_is_newer() {
    let lab = Lab::start().await;
    // SSE-KMS: the ETag is no MD5, so S3 and GCS have nothing in common to compare by.
    let attributes = brigade_lab::world::Attributes { encryption: Some("aws:kms".into()), ..Default::default() };
    let original = NewObject { content: Content::from("small"), attributes: attributes.into(), ..NewObject::default() };
    lab.s3.world().seed_object(BUCKET, "small", original).unwrap();
    lab.transfer(&["copy", "one:data", "g:data"]).await.expect(0);
    lab.gcs.world().seed(BUCKET, "small", Content::from("SMALL")).unwrap();
    let ran = lab.transfer(&["copy", "one:data", "g:data"]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("kept")), (1, 0));
    assert_eq!(crate::support::contents(lab.gcs.world()), [(b"small".to_vec(), b"small".to_vec())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_damaged_or_no_manifest_is_refused() {
    let lab = copied().await;
    let path = lab.path("g.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let ran = against(&lab, "g:data", "g.parquet").await.expect(2);
    assert!(ran.stderr.contains("g.parquet") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    std::fs::write(&path, "key,size\n").unwrap();
    against(&lab, "g:data", "g.parquet").await.expect(2);
    against(&lab, "g:data", "missing.parquet").await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn compare_manifest_keeps_what_is_known_and_copies_the_rest() {
    let lab = copied().await;
    let known = lab.transfer(&["copy", "one:data", "g:data", "--compare", "manifest"]).await.expect(0);
    assert_eq!((known.objects("copied"), known.objects("kept")), (0, 2));
    let unknown = lab.transfer(&["copy", "one:data", "g:data", "--compare", "manifest", "--fresh"]).await.expect(0);
    assert_eq!((unknown.objects("copied"), unknown.objects("kept")), (2, 0));
}
