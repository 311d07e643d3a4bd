//! Endpoints without multipart uploads of the XML API: parts are objects, joined by compose.

use super::*;
use brigade_core::ErrorKind;

/// A server that knows no XML multipart upload.
async fn lab(prefix: &str) -> Lab {
    let lab = Lab::at(prefix).await;
    lab.always(&[Op::CreateUpload], Action::Status { status: 501, code: "NotImplemented", retry_after_seconds: None });
    lab
}

fn everything() -> Metadata {
    Metadata {
        content_type: Some("text/x; charset=utf-8".into()),
        content_language: Some("de".into()),
        cache_control: Some("no-transform".into()),
        user: [("plain".to_owned(), "v".to_owned()), ("odd".to_owned(), " \u{e9}\t".to_owned())].into(),
        ..Metadata::default()
    }
}

#[tokio::test]
async fn more_parts_than_one_compose_takes_become_one_object() {
    let lab = lab("p/").await;
    let (bytes, spec) = (noise(70 * 10 + 3), carrying(everything()));
    let (upload, receipts) = lab.send("a//b", &bytes, 10, &spec).await.expect("sent");
    assert_eq!(receipts.len(), 71);
    assert_eq!(lab.store.parts(&upload).await.expect("parts").len(), 71);
    assert!(lab.list().await.expect("listed").is_empty(), "nothing is visible before completion");
    let written = lab.complete(&upload, &receipts, &bytes, &spec).await.expect("completed");
    lab.holds("p/a//b", &bytes);
    assert_eq!(lab.keys(), ["p/a//b"], "nothing is left");
    assert_eq!(lab.server.requests().counts().of(Op::Compose), 4, "three inner nodes and the whole");
    let entries = lab.list().await.expect("listed");
    assert_eq!(Some(&entries[0].identity), written.identity.as_ref());
    assert_eq!(entries[0].metadata.as_deref(), Some(&everything()));
    assert_eq!(entries[0].storage_class.as_deref(), Some("NEARLINE"));
    assert_eq!(written.digests.crc32c, Some(sum(&rope(&bytes)).crc32c));
}

#[tokio::test]
async fn every_lost_answer_of_a_completion_is_made_up_for() {
    for lost in [Op::Compose, Op::Move] {
        let lab = lab("").await;
        let (bytes, spec) = (noise(400), spec(When::Always));
        let (upload, receipts) = lab.send("a", &bytes, 10, &spec).await.expect("sent");
        lab.fault(&[lost], Action::ResetAfter);
        lab.complete(&upload, &receipts, &bytes, &spec).await.expect_err("no answer");
        lab.complete(&upload, &receipts, &bytes, &spec).await.expect("the second attempt");
        lab.holds("a", &bytes);
        assert_eq!(lab.keys(), ["a"], "{lost:?}");
    }
}

#[tokio::test]
async fn p02_a_part_that_somebody_replaced_is_never_published() {
    let lab = lab("").await;
    let (bytes, spec) = (noise(100), spec(When::Always));
    let (upload, receipts) = lab.send("a", &bytes, 50, &spec).await.expect("sent");
    let part = lab.keys().into_iter().find(|key| key.contains("part-")).expect("a part");
    lab.seed(&part, "fifty other bytes of which nobody knows who sent..");
    let error = lab.complete(&upload, &receipts, &bytes, &spec).await.expect_err("other bytes");
    assert_eq!(error.kind, ErrorKind::UploadGone, "{error}");
    assert!(lab.list().await.expect("listed").is_empty());
    lab.store.abort(&upload).await.expect("given up");
    assert_eq!(lab.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn metadata_that_no_header_can_carry_are_set_before_the_object_is_seen() {
    let lab = Lab::new().await;
    let (bytes, spec) = (noise(100), carrying(everything()));
    let (upload, receipts) = lab.send("a", &bytes, 100, &spec).await.expect("sent");
    lab.complete(&upload, &receipts, &bytes, &spec).await.expect("completed");
    let counts = lab.server.requests().counts();
    assert_eq!((counts.of(Op::CompleteUpload), counts.of(Op::Patch), counts.of(Op::Move)), (1, 1, 1));
    let entries = lab.list().await.expect("listed");
    assert_eq!(entries[0].metadata.as_deref(), Some(&everything()));
    assert_eq!(entries[0].storage_class.as_deref(), Some("NEARLINE"));
}
