//! Resumable uploads.

use super::{BUCKET, Got, Lab};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const QUANTUM: usize = 256 * 1024;

async fn start(lab: &Lab, query: &str, resource: Value) -> String {
    let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name=a{query}");
    let started = lab.send(Method::POST, &path, &[("x-upload-content-type", "text/x")], resource.to_string()).await.is(200);
    started.header("location").unwrap().to_owned()
}

async fn put(lab: &Lab, session: &str, range: &str, body: Bytes) -> Got {
    lab.send(Method::PUT, session, &[("content-range", range)], body).await
}

fn pattern(len: usize) -> Bytes {
    (0..=250_u8).cycle().take(len).collect()
}

#[tokio::test]
async fn chunks_are_taken_in_order_and_the_state_can_be_asked_for() {
    let lab = Lab::start().await;
    let whole = pattern(2 * QUANTUM + 7);
    let total = whole.len();
    let session = start(&lab, "", json!({"metadata": {"k": "v"}})).await;
    let nothing = put(&lab, &session, &format!("bytes */{total}"), Bytes::new()).await.is(308);
    assert_eq!(nothing.header("range"), None);
    let first = put(&lab, &session, &format!("bytes 0-{}/{total}", QUANTUM - 1), whole.slice(..QUANTUM)).await.is(308);
    let last = format!("bytes=0-{}", QUANTUM - 1);
    assert_eq!(first.header("range"), Some(last.as_str()));
    assert_eq!(put(&lab, &session, "bytes */*", Bytes::new()).await.is(308).header("range"), Some(last.as_str()));
    assert!(lab.is_absent("a"));
    // A gap is refused, and bytes that are there already are skipped.
    put(&lab, &session, &format!("bytes {}-{}/{total}", 2 * QUANTUM, total - 1), whole.slice(2 * QUANTUM..)).await.is(503);
    let done = put(&lab, &session, &format!("bytes 0-{}/{total}", total - 1), whole.clone()).await.is(200).json();
    assert_eq!((&done["size"], &done["contentType"]), (&json!(total.to_string()), &json!("text/x")));
    assert_eq!(done["metadata"], json!({"k": "v"}));
    assert_eq!(lab.bytes("a"), whole);
    let again = put(&lab, &session, &format!("bytes */{total}"), Bytes::new()).await.is(200).json();
    assert_eq!(again["generation"], done["generation"]);
}

#[tokio::test]
async fn chunks_in_between_are_multiples_of_256_kib() {
    let lab = Lab::start().await;
    let session = start(&lab, "", json!({})).await;
    put(&lab, &session, "bytes 0-99/1000", pattern(100)).await.is(400);
    put(&lab, &session, "bytes 0-99/*", pattern(100)).await.is(400);
    put(&lab, &session, "bytes 0-99/50", pattern(100)).await.is(400);
    put(&lab, &session, "bytes 0-9/10", pattern(11)).await.is(400);
    put(&lab, &session, "nonsense", pattern(10)).await.is(400);
    let asked = put(&lab, &session, "bytes */*", Bytes::new()).await.is(308);
    assert_eq!(asked.header("range"), None);
    let go = lab.send(Method::PUT, &session, &[("content-range", "bytes */*"), ("x-guploader-no-308", "yes")], "").await.is(200);
    assert_eq!(go.header("x-http-status-code-override"), Some("308"));
    lab.send(Method::PUT, &session, &[], pattern(10)).await.is(200);
    assert_eq!(lab.bytes("a"), pattern(10));
}

#[tokio::test]
async fn an_empty_object_and_an_unknown_size() {
    let lab = Lab::start().await;
    let session = start(&lab, "", json!({})).await;
    put(&lab, &session, "bytes */0", Bytes::new()).await.is(200);
    assert_eq!(lab.bytes("a"), "");
    let session = start(&lab, "", json!({})).await;
    put(&lab, &session, &format!("bytes 0-{}/*", QUANTUM - 1), pattern(QUANTUM)).await.is(308);
    put(&lab, &session, &format!("bytes */{QUANTUM}"), Bytes::new()).await.is(200);
    assert_eq!(lab.bytes("a").len(), QUANTUM);
    let older = session_at(&lab, "/resumable/upload").await;
    put(&lab, &older.replace("/upload/", "/resumable/upload/"), "bytes 0-2/3", pattern(3)).await.is(200);
    assert_eq!(lab.bytes("a"), pattern(3));
}

/// A session started at the address that older clients use.
async fn session_at(lab: &Lab, prefix: &str) -> String {
    let path = format!("{prefix}/storage/v1/b/{BUCKET}/o?uploadType=resumable");
    let started = lab.post(&path, json!({"name": "a"})).await.is(200);
    started.header("location").unwrap().to_owned()
}

#[tokio::test]
async fn digests_and_conditions_hold_at_the_end() {
    let lab = Lab::start().await;
    for wrong in [json!({"crc32c": "AAAAAA=="}), json!({"md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="})] {
        let session = start(&lab, "", wrong).await;
        put(&lab, &session, "bytes 0-9/10", pattern(10)).await.is(400);
        put(&lab, &session, "bytes */10", Bytes::new()).await.is(400);
    }
    let session = start(&lab, "", json!({})).await;
    lab.send(Method::PUT, &session, &[("x-goog-hash", "crc32c=AAAAAA==")], pattern(10)).await.is(400);
    assert!(lab.is_absent("a"));
    let session = start(&lab, "&ifGenerationMatch=0", json!({})).await;
    lab.seed("a", "faster");
    put(&lab, &session, "bytes 0-9/10", pattern(10)).await.is(412);
    assert_eq!(lab.bytes("a"), "faster");
}

#[tokio::test]
async fn a_broken_chunk_leaves_whole_quanta_and_can_be_resumed() {
    let lab = Lab::start().await;
    let whole = pattern(3 * QUANTUM);
    let session = start(&lab, "", json!({})).await;
    let path = session.strip_prefix(&lab.server.url()).unwrap();
    let (last, total) = (whole.len() - 1, whole.len());
    let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {total}\r\ncontent-range: bytes 0-{last}/{total}\r\n\r\n");
    let mut stream = TcpStream::connect(lab.server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&whole[..2 * QUANTUM + 100]).await.unwrap();
    drop(stream);
    let kept = format!("bytes=0-{}", 2 * QUANTUM - 1);
    let arrived = async {
        while put(&lab, &session, "bytes */*", Bytes::new()).await.is(308).header("range") != Some(kept.as_str()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrived).await.expect("what was sent arrives, but for the broken quantum");
    put(&lab, &session, &format!("bytes {}-{last}/{total}", 2 * QUANTUM), whole.slice(2 * QUANTUM..)).await.is(200);
    assert_eq!(lab.bytes("a"), whole);
}

#[tokio::test]
async fn a_cancelled_session_is_gone() {
    let lab = Lab::start().await;
    let session = start(&lab, "", json!({})).await;
    put(&lab, &session, &format!("bytes 0-{}/*", QUANTUM - 1), pattern(QUANTUM)).await.is(308);
    lab.delete(&session).await.is(499);
    put(&lab, &session, "bytes */*", Bytes::new()).await.is(499);
    assert!(lab.is_absent("a"));
    let unknown = session.replace("upload_id=", "upload_id=0");
    put(&lab, &unknown, "bytes */*", Bytes::new()).await.is(404);
    let other = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=other&name=a");
    lab.post(&other, json!({})).await.is(400);
    lab.post("/upload/storage/v1/b/none/o?uploadType=resumable&name=a", json!({})).await.is(404);
}
