//! What stands before every call: tokens, faults and counts.

use super::{BUCKET, Lab};
use crate::fault::{Action, Occurrence, Op, Rule};
use crate::gcs::GcsServerOptions;
use crate::world::Content;
use http::Method;
use serde_json::{Value, json};

fn of(name: &str) -> String {
    format!("/storage/v1/b/{BUCKET}/o/{name}")
}

#[tokio::test]
async fn tokens_are_asked_for_and_can_expire() {
    let lab = Lab::with(GcsServerOptions { bearer_tokens: Some(vec!["one".to_owned()]), ..GcsServerOptions::default() }).await;
    lab.seed("a", "x");
    let refused = lab.get(&of("a")).await.is(401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    assert_eq!(refused.reason(), "authError");
    lab.send(Method::GET, &format!("/{BUCKET}/a"), &[("authorization", "Bearer two")], "").await.is(401);
    let one = [("authorization", "Bearer one")];
    lab.send(Method::GET, &of("a"), &one, "").await.is(200);
    let start = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name=r");
    let session = lab.send(Method::POST, &start, &one, "").await.is(200).header("location").unwrap().to_owned();
    lab.send(Method::PUT, &session, &[], "the address is a capability").await.is(200);
    lab.server.set_bearer_tokens(Some(vec!["two".to_owned()]));
    lab.send(Method::GET, &of("a"), &one, "").await.is(401);
    lab.server.set_bearer_tokens(None);
    lab.get(&of("a")).await.is(200);
}

#[tokio::test]
async fn refusals_speak_the_dialect_of_the_call() {
    let lab = Lab::start().await;
    lab.seed("a", "x");
    let rule = |action| Rule::new(&[Op::Head, Op::Get, Op::Put], action).when(Occurrence::First(2));
    lab.world.faults().add(rule(Action::TOO_MANY_REQUESTS));
    assert_eq!(lab.get(&of("a")).await.is(429).reason(), "rateLimitExceeded");
    assert_eq!(lab.get(&format!("/{BUCKET}/a")).await.is(429).element("Code"), Some("SlowDown"));
    lab.world.faults().clear();
    lab.world.faults().add(rule(Action::ACCESS_DENIED));
    assert_eq!(lab.insert("b", "", "x").await.is(403).reason(), "forbidden");
    lab.send(Method::PUT, &format!("/{BUCKET}/b"), &[], vec![0; 3_000_000]).await.is(403);
    assert!(lab.is_absent("b"));
    lab.world.faults().clear();
    let later = Action::Status { status: 503, code: "SlowDown", retry_after_seconds: Some(7) };
    lab.world.faults().add(Rule::new(&[], later));
    assert_eq!(lab.get(&of("a")).await.is(503).header("retry-after"), Some("7"));
}

#[tokio::test]
async fn connections_are_cut_before_or_after_the_effect() {
    let lab = Lab::start().await;
    lab.world.faults().add(Rule::new(&[Op::Put], Action::ResetBefore).key("before"));
    lab.world.faults().add(Rule::new(&[Op::Put], Action::ResetAfter).key("after"));
    for (name, absent) in [("before", true), ("after", false)] {
        let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}");
        assert!(lab.try_send(Method::POST, &path, &[], "x").await.is_err());
        assert_eq!(lab.is_absent(name), absent);
    }
}

#[tokio::test]
async fn bytes_are_cut_and_flipped_on_the_way() {
    let lab = Lab::start().await;
    lab.seed("a", "0123456789");
    let media = format!("{}?alt=media", of("a"));
    let right = lab.get(&media).await;
    lab.world.faults().add(Rule::new(&[Op::Get], Action::FlipBit { bit: 0 }).once());
    let flipped = lab.get(&media).await.is(200);
    assert_eq!((flipped.text(), flipped.header("x-goog-hash")), ("1123456789", right.header("x-goog-hash")));
    lab.world.faults().add(Rule::new(&[Op::Get], Action::Truncate { after_bytes: 4 }).once());
    let cut = lab.get(&media).await.is(200);
    assert_eq!((cut.body.len(), cut.header("content-length")), (0, Some("10")), "the client fails to read the body");
    lab.world.faults().add(Rule::new(&[Op::Get], Action::IgnoreRange).once());
    assert_eq!(lab.send(Method::GET, &media, &[("range", "bytes=0-0")], "").await.is(200).text(), "0123456789");
    lab.world.faults().add(Rule::new(&[Op::Get], Action::IgnoreConditions).once());
    lab.get(&format!("{media}&ifGenerationMatch=1")).await.is(200);
    assert_eq!(lab.world.faults().struck().len(), 4);
}

#[tokio::test]
async fn what_is_stored_may_be_spoiled_under_right_digests() {
    let lab = Lab::start().await;
    lab.world.faults().add(Rule::new(&[Op::Put, Op::Compose, Op::Copy, Op::Move], Action::FlipStored { bit: 0 }));
    let right = lab.insert("a", "", "0123").await.is(200).json();
    assert_eq!(
        (lab.bytes("a"), right["crc32c"].as_str()),
        ("1123".into(), Some(crate::world::checksum_of(crate::world::ChecksumAlgorithm::Crc32c, b"0123")).as_deref())
    );
    lab.post(&of("b/compose"), json!({"sourceObjects": [{"name": "a"}]})).await.is(200);
    assert_eq!(lab.bytes("b"), "0123", "flipped twice");
    lab.post(&of("b/rewriteTo/b/bucket/o/c"), Value::Null).await.is(200);
    assert_eq!(lab.bytes("c"), "1123");
    lab.post(&of("c/moveTo/o/d"), Value::Null).await.is(200);
    assert_eq!(lab.bytes("d"), "0123");
}

#[tokio::test]
async fn others_interfere_just_before_and_just_after() {
    let lab = Lab::start().await;
    lab.seed("a", "x");
    lab.world.faults().add(Rule::new(&[Op::Delete], Action::Vanish).once());
    lab.delete(&of("a")).await.is(404);
    let generation = lab.seed("a", "x");
    lab.world.faults().add(Rule::new(&[Op::Delete], Action::OverwriteBefore(Content::from("newer"))).once());
    lab.delete(&format!("{}?ifGenerationMatch={generation}", of("a"))).await.is(412);
    assert_eq!(lab.bytes("a"), "newer");
    lab.world.faults().add(Rule::new(&[Op::Head], Action::OverwriteAfter(Content::from("newest"))).once());
    lab.get(&of("a")).await.is(200);
    assert_eq!(lab.bytes("a"), "newest");
}

#[tokio::test]
async fn a_200_may_hold_an_error_and_no_effect() {
    let lab = Lab::start().await;
    lab.seed("a", "x");
    lab.world.faults().add(Rule::new(&[Op::Copy, Op::Compose, Op::Move, Op::CompleteUpload], Action::ErrorIn200));
    for (path, body) in [
        ("b/compose", json!({"sourceObjects": [{"name": "a"}]})),
        ("a/moveTo/o/b", Value::Null),
        ("a/copyTo/b/bucket/o/b", Value::Null),
        ("a/rewriteTo/b/bucket/o/b", Value::Null),
    ] {
        assert_eq!(lab.post(&of(path), body).await.is(200).json()["error"]["code"], 500);
    }
    let created = lab.send(Method::POST, &format!("/{BUCKET}/b?uploads"), &[], "").await.is(200);
    let path = format!("/{BUCKET}/b?uploadId={}", created.element("UploadId").unwrap());
    assert_eq!(lab.send(Method::POST, &path, &[], "").await.is(200).element("Code"), Some("InternalError"));
    assert!(lab.is_absent("b"));
}

#[tokio::test]
async fn requests_and_bytes_are_counted() {
    let lab = Lab::start().await;
    lab.insert("a", "", "12345").await.is(200);
    lab.get(&format!("{}?alt=media", of("a"))).await.is(200);
    lab.get(&format!("/storage/v1/b/{BUCKET}/o")).await.is(200);
    lab.get("/nonsense/storage").await.is(404);
    let counts = lab.server.requests().counts();
    assert_eq!((counts.put(), counts.get(), counts.list(), counts.head()), (1, 2, 1, 0));
    assert_eq!(counts.received_bytes, 5);
    assert!(counts.sent_bytes > 5);
    assert_eq!(lab.world.requests().counts(), counts);
}

#[tokio::test]
async fn a_stopped_server_answers_nobody() {
    let lab = Lab::start().await;
    lab.get(&of("a")).await.is(404);
    let Lab { server, client, .. } = lab;
    let url = server.url();
    server.stop().await;
    assert!(client.get(url.parse().unwrap()).await.is_err());
}

#[tokio::test]
async fn bodies_of_writes_are_written_down_by_object_upload_and_part() {
    let lab = Lab::start().await;
    let counters = lab.server.requests();
    counters.start_log();
    lab.insert("media", "", "body").await.is(200);
    lab.insert_with("", json!({"name": "named inside"}), "body").await.is(200);
    lab.send(Method::PUT, &format!("/{BUCKET}/xml"), &[], "other").await.is(200);
    let created = lab.send(Method::POST, &format!("/{BUCKET}/parts?uploads"), &[], "").await.is(200);
    let id = created.element("UploadId").unwrap();
    lab.send(Method::PUT, &format!("/{BUCKET}/parts?partNumber=7&uploadId={id}"), &[], "a part").await.is(200);
    let seen: Vec<_> = counters.arrivals().into_iter().map(|one| (String::from_utf8(one.key).unwrap(), one.part, one.bytes)).collect();
    let whole = |key: &str, bytes| (key.to_owned(), None, bytes);
    let part = ("parts".to_owned(), Some((id.to_owned(), 7)), 6);
    assert_eq!(seen, [whole("media", 4), whole("named inside", 4), whole("xml", 5), part]);
    assert_eq!(counters.traffic(BUCKET).repeated_bytes(), 4);
}

#[tokio::test]
async fn a_stale_page_is_that_of_before() {
    let lab = Lab::start().await;
    lab.seed("old", "x");
    lab.seed("new", "x");
    lab.world.faults().add(Rule::new(&[Op::List], Action::StaleList { behind: 1 }).once());
    let listing = format!("/storage/v1/b/{BUCKET}/o");
    let names = |listed: Value| -> Vec<Value> { listed["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect() };
    assert_eq!(names(lab.get(&listing).await.is(200).json()), ["old"]);
    assert_eq!(names(lab.get(&listing).await.is(200).json()), ["new", "old"]);
}
