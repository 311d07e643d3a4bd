//! The server over real connections, spoken to in raw HTTP: what a friendly client library would smooth over is what matters here.

#![allow(clippy::unwrap_used)]

mod locks;
mod scripted;

use super::*;
use crate::fault::{Action, Occurrence, Op, Rule};
use crate::world::{Checksum, ChecksumAlgorithm, Content, Honours, Limits, checksum_of};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// Long enough for any answer on loopback; reached only by a test that fails.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

struct Lab {
    server: S3Server,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    /// What arrived before the end, or before the connection broke.
    body: Vec<u8>,
    whole: bool,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn element(&self, name: &str) -> Option<String> {
        xml::Element::parse(&self.body).unwrap().value(name).map(str::to_owned)
    }
}

impl Lab {
    async fn start() -> Self {
        let world = World::new();
        world.set_limits(Limits { part_bytes_min: 5, ..Limits::default() });
        world.create_bucket("bucket").unwrap();
        let options = S3Options { anonymous: Anonymous::Allowed, ..S3Options::default() };
        let server = S3Server::start(world, options).await.unwrap();
        Self { server, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    fn world(&self) -> &World {
        self.server.world()
    }

    fn fault(&self, op: Op, action: Action) {
        self.world().faults().add(Rule::new(&[op], action).once());
    }

    /// `None` when the connection broke before an answer.
    async fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Reply> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.server.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(Bytes::copy_from_slice(body))).unwrap();
        let response = tokio::time::timeout(ANSWER_TIME_MAX, self.client.request(request)).await.unwrap();
        let (parts, mut incoming) = response.ok()?.into_parts();
        let (mut body, mut whole) = (Vec::new(), true);
        while let Some(frame) = tokio::time::timeout(ANSWER_TIME_MAX, incoming.frame()).await.unwrap() {
            match frame {
                Ok(frame) => body.extend_from_slice(frame.data_ref().unwrap()),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        Some(Reply { status: parts.status, headers: parts.headers, body, whole })
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"").await
    }
}

#[tokio::test]
async fn p14_keys_arrive_byte_for_byte() {
    let lab = Lab::start().await;
    let long = "x".repeat(1024);
    let keys = [
        "a//b",
        "/lead",
        "//",
        "a/../b",
        "./x",
        "..",
        ".",
        "dir/",
        "sp ace",
        "pl+us",
        "%2F",
        "per%",
        "q?x&y=#",
        "\u{1}\u{7f}",
        "nl\n",
        "cr\r",
        "e\u{301}",
        "\u{e9}",
        "\u{1f600}",
        "'\"<>",
        &long,
    ];
    for key in keys {
        let path = format!("/bucket/{}", percent_encoding::percent_encode(key.as_bytes(), percent_encoding::NON_ALPHANUMERIC));
        assert_eq!(lab.send("PUT", &path, &[], key.as_bytes()).await.status, 200, "{key:?}");
        assert_eq!(lab.get(&path).await.body, key.as_bytes(), "{key:?}");
    }
    let mut expected: Vec<Vec<u8>> = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
    expected.sort();
    assert_eq!(lab.world().keys("bucket"), expected);

    let list = lab.get("/bucket?list-type=2&encoding-type=url").await;
    let root = xml::Element::parse(&list.body).unwrap();
    let decode = |name: &str| percent_encoding::percent_decode_str(&name.replace('+', " ")).collect::<Vec<u8>>();
    let listed: Vec<Vec<u8>> = root.all("Contents").map(|entry| decode(entry.value("Key").unwrap())).collect();
    assert_eq!(listed, expected);

    let named = xml::Xml::document("Delete", |xml| keys.iter().for_each(|key| xml.nest("Object", |xml| xml.text("Key", key))));
    let crc = checksum_of(ChecksumAlgorithm::Crc32c, named.as_bytes());
    let deleted = lab.send("POST", "/bucket?delete", &[("x-amz-checksum-crc32c", &crc)], named.as_bytes()).await;
    assert_eq!(deleted.status, 200);
    assert!(lab.world().keys("bucket").is_empty(), "{:?}", lab.world().keys("bucket"));

    let too_long = format!("/bucket/{}", "x".repeat(1025));
    assert_eq!(lab.send("PUT", &too_long, &[], b"").await.element("Code").unwrap(), "KeyTooLongError");
}

#[tokio::test]
async fn without_a_signature_nothing_is_served() {
    let server = S3Server::start(World::new(), S3Options::default()).await.unwrap();
    let lab = Lab { server, client: Client::builder(TokioExecutor::new()).build_http() };
    let denied = lab.get("/bucket?list-type=2").await;
    assert_eq!((denied.status.as_u16(), denied.element("Code").unwrap()), (403, "AccessDenied".to_owned()));
    let forged = [
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=LABACCESSKEY/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000",
        ),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-date", "20260101T000000Z"),
    ];
    assert_eq!(lab.send("GET", "/bucket?list-type=2", &forged, b"").await.status, 403);
}

#[tokio::test]
async fn a_chunked_body_is_never_stored_with_its_framing() {
    let lab = Lab::start().await;
    let framed = [("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ("content-encoding", "aws-chunked")];
    assert_eq!(lab.send("PUT", "/bucket/k", &framed, b"1\r\nx\r\n0\r\n\r\n").await.status, 501);
    assert!(lab.world().keys("bucket").is_empty());
}

#[tokio::test]
async fn a_wrong_digest_is_refused_and_nothing_is_stored() {
    let lab = Lab::start().await;
    for (name, value) in [
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-checksum-crc32c", "AAAAAA=="),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ] {
        let refused = lab.send("PUT", "/bucket/k", &[(name, value)], b"hello world").await;
        assert_eq!((refused.status.as_u16(), refused.element("Code").unwrap()), (400, "BadDigest".to_owned()), "{name}");
    }
    assert!(lab.world().keys("bucket").is_empty());
    let right = lab.send("PUT", "/bucket/k", &[("x-amz-checksum-crc32c", "yZRlqg==")], b"hello world").await;
    assert_eq!(right.header("x-amz-checksum-crc32c"), Some("yZRlqg=="));
    lab.send("PUT", "/bucket/default", &[], b"hello world").await;
    let head = lab.send("HEAD", "/bucket/default", &[("x-amz-checksum-mode", "ENABLED")], b"").await;
    assert_eq!(head.header("x-amz-checksum-crc64nvme"), Some("jSnVw/bqjr4="));
    assert_eq!(head.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
}

#[tokio::test]
async fn conditions_of_writes_reads_and_deletes_hold() {
    let lab = Lab::start().await;
    let absent = [("if-none-match", "*")];
    let etag = lab.send("PUT", "/bucket/k", &absent, b"1").await.header("etag").unwrap().to_owned();
    assert_eq!(lab.send("PUT", "/bucket/k", &absent, b"2").await.status, 412);
    assert_eq!(lab.send("PUT", "/bucket/k", &[("if-match", "\"0\"")], b"2").await.status, 412);
    assert_eq!(lab.send("GET", "/bucket/k", &[("if-match", "\"0\"")], b"").await.status, 412);
    assert_eq!(lab.send("GET", "/bucket/k", &[("if-none-match", &etag)], b"").await.status, 304);
    assert_eq!(lab.send("DELETE", "/bucket/k", &[("if-match", "\"0\"")], b"").await.status, 412);
    assert_eq!(lab.send("DELETE", "/bucket/absent", &[("if-match", "\"0\"")], b"").await.status, 404);
    assert_eq!(lab.send("DELETE", "/bucket/absent", &[], b"").await.status, 204);
    assert_eq!(lab.world().bytes("bucket", "k").unwrap(), "1");
    assert_eq!(lab.send("DELETE", "/bucket/k", &[("if-match", &etag)], b"").await.status, 204);
    assert!(lab.world().keys("bucket").is_empty());
}

async fn delete_batch(lab: &Lab, body: &str) -> Reply {
    let md5 = {
        use base64::Engine as _;
        use md5::Digest as _;
        base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(body))
    };
    lab.send("POST", "/bucket?delete", &[("content-md5", &md5)], body.as_bytes()).await
}

#[tokio::test]
async fn a_batch_delete_judges_every_key_by_itself() {
    let lab = Lab::start().await;
    for key in ["good", "changed", "denied", "plain"] {
        lab.world().seed("bucket", key, key).unwrap();
    }
    lab.world().faults().add(Rule::new(&[Op::DeleteEntry], Action::ACCESS_DENIED).key("denied"));
    let etag = lab.world().peek("bucket", "good").unwrap().etag;
    let body = format!(
        "<Delete><Quiet>true</Quiet><Object><Key>good</Key><ETag>\"{etag}\"</ETag></Object><Object><Key>changed</Key><ETag>{etag}</ETag></Object>\
         <Object><Key>denied</Key></Object><Object><Key>gone</Key><ETag>{etag}</ETag></Object><Object><Key>plain</Key></Object></Delete>"
    );
    let reply = delete_batch(&lab, &body).await;
    let root = xml::Element::parse(&reply.body).unwrap();
    let errors: Vec<_> = root.all("Error").map(|error| (error.value("Key").unwrap(), error.value("Code").unwrap())).collect();
    assert_eq!(errors, [("changed", "PreconditionFailed"), ("denied", "AccessDenied"), ("gone", "NoSuchKey")]);
    assert_eq!(root.all("Deleted").count(), 0, "quiet");
    assert_eq!(lab.world().keys("bucket"), [b"changed".to_vec(), b"denied".to_vec()]);
    assert_eq!(lab.server.requests().counts().delete(), 1);
    let unguarded = lab.send("POST", "/bucket?delete", &[], body.as_bytes()).await;
    assert_eq!(unguarded.status, 400);
}

async fn multipart(lab: &Lab, create: &[(&str, &str)], complete: &[(&str, &str)], parts: &[&str]) -> (String, Reply) {
    let created = lab.send("POST", "/bucket/m?uploads", create, b"").await;
    let id = created.element("UploadId").unwrap();
    let mut body = String::from("<CompleteMultipartUpload>");
    for (number, text) in (1..).zip(parts) {
        let crc = checksum_of(ChecksumAlgorithm::Crc32c, text.as_bytes());
        let headers: &[(&str, &str)] = if create.is_empty() { &[] } else { &[("x-amz-checksum-crc32c", &crc)] };
        let part = lab.send("PUT", &format!("/bucket/m?partNumber={number}&uploadId={id}"), headers, text.as_bytes()).await;
        let etag = part.header("etag").unwrap();
        body += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><ChecksumCRC32C>{crc}</ChecksumCRC32C></Part>");
    }
    body += "</CompleteMultipartUpload>";
    let reply = lab.send("POST", &format!("/bucket/m?uploadId={id}"), complete, body.as_bytes()).await;
    (id, reply)
}

const FULL_CRC32C: [(&str, &str); 2] = [("x-amz-checksum-algorithm", "CRC32C"), ("x-amz-checksum-type", "FULL_OBJECT")];

#[tokio::test]
async fn a_multipart_object_is_published_only_whole_and_as_announced() {
    let lab = Lab::start().await;
    let wrong = [("x-amz-checksum-crc32c", "AAAAAA=="), ("x-amz-checksum-type", "FULL_OBJECT")];
    let (_, refused) = multipart(&lab, &FULL_CRC32C, &wrong, &["hello ", "world"]).await;
    assert_eq!(refused.element("Code").unwrap(), "BadDigest");
    let (_, refused) = multipart(&lab, &FULL_CRC32C, &[("x-amz-mp-object-size", "12")], &["hello ", "world"]).await;
    assert_eq!(refused.element("Code").unwrap(), "InvalidRequest");
    let (_, refused) = multipart(&lab, &FULL_CRC32C, &[], &["tiny", "world"]).await;
    assert_eq!(refused.element("Code").unwrap(), "EntityTooSmall");
    assert!(lab.world().keys("bucket").is_empty());
    assert_eq!(lab.world().uploads_under_way("bucket"), 3);

    let right = [("x-amz-checksum-crc32c", "yZRlqg=="), ("x-amz-mp-object-size", "11"), ("if-none-match", "*")];
    let (_, done) = multipart(&lab, &FULL_CRC32C, &right, &["hello ", "world"]).await;
    assert_eq!((done.status.as_u16(), done.element("ChecksumCRC32C").unwrap()), (200, "yZRlqg==".to_owned()));
    let (id, lost) = multipart(&lab, &FULL_CRC32C, &right, &["hello ", "world"]).await;
    assert_eq!(lost.status, 412);
    assert_eq!(lab.send("DELETE", &format!("/bucket/m?uploadId={id}"), &[], b"").await.status, 204);
    assert_eq!(lab.send("DELETE", &format!("/bucket/m?uploadId={id}"), &[], b"").await.status, 404);
}

#[tokio::test]
async fn a_range_shows_no_checksum_unless_it_is_exactly_a_part() {
    let lab = Lab::start().await;
    multipart(&lab, &FULL_CRC32C, &[], &["hello ", "world"]).await;
    let shown = |range: &'static str| {
        let lab = &lab;
        async move {
            let reply = lab.send("GET", "/bucket/m", &[("range", range), ("x-amz-checksum-mode", "ENABLED")], b"").await;
            assert_eq!(reply.status, 206);
            reply.header("x-amz-checksum-crc32c").map(str::to_owned)
        }
    };
    assert_eq!(shown("bytes=0-3").await, None);
    assert_eq!(shown("bytes=0-10").await, None);
    assert_eq!(shown("bytes=6-10").await, Some(checksum_of(ChecksumAlgorithm::Crc32c, b"world")));
    let part = lab.send("HEAD", "/bucket/m?partNumber=2", &[("x-amz-checksum-mode", "ENABLED")], b"").await;
    assert_eq!((part.header("content-length"), part.header("x-amz-mp-parts-count")), (Some("5"), Some("2")));
    let whole = lab.send("GET", "/bucket/m", &[("x-amz-checksum-mode", "ENABLED")], b"").await;
    assert_eq!(whole.header("x-amz-checksum-crc32c"), Some("yZRlqg=="));
}

#[tokio::test]
async fn listings_page_and_show_what_a_client_compares_by() {
    let lab = Lab::start().await;
    for key in ["a/1", "a/2", "b", "c/1"] {
        lab.send("PUT", &format!("/bucket/{key}"), &[("x-amz-checksum-crc32c", "yZRlqg==")], b"hello world").await;
    }
    let (mut token, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = lab.get(&format!("/bucket?list-type=2&delimiter=%2F&max-keys=1{token}")).await;
        let root = xml::Element::parse(&page.body).unwrap();
        seen.extend(root.all("Contents").map(|entry| entry.value("Key").unwrap().to_owned()));
        seen.extend(root.all("CommonPrefixes").map(|prefix| prefix.value("Prefix").unwrap().to_owned()));
        pages += 1;
        let Some(next) = root.value("NextContinuationToken") else { break };
        assert!(!next.contains("a/"), "the token is opaque");
        token = format!("&continuation-token={next}");
    }
    assert_eq!((seen, pages), (vec!["a/".to_owned(), "b".to_owned(), "c/".to_owned()], 3));
    let entry = lab.get("/bucket?list-type=2&start-after=a%2F2&max-keys=1").await.text();
    for expected in
        ["<Key>b</Key>", "<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>", "<ChecksumType>FULL_OBJECT</ChecksumType>", "<Size>11</Size>"]
    {
        assert!(entry.contains(expected), "{expected} in {entry}");
    }
    assert_eq!(lab.get("/bucket?list-type=2&continuation-token=zzz").await.status, 400);
    assert_eq!(lab.server.requests().counts().list(), 5);
}

#[tokio::test]
async fn a_fault_before_the_effect_leaves_no_trace() {
    let lab = Lab::start().await;
    lab.fault(Op::Put, Action::SLOW_DOWN);
    let busy = lab.send("PUT", "/bucket/k", &[], &vec![7; 3_000_000]).await;
    assert_eq!((busy.status.as_u16(), busy.element("Code").unwrap()), (503, "SlowDown".to_owned()));
    lab.world().faults().clear();
    lab.fault(Op::Put, Action::ResetBefore);
    assert!(lab.try_send("PUT", "/bucket/k", &[], b"x").await.is_none());
    assert!(lab.world().keys("bucket").is_empty());
    assert_eq!(lab.server.requests().counts().put(), 2);
}

#[tokio::test]
async fn a_fault_after_the_effect_loses_only_the_acknowledgement() {
    let lab = Lab::start().await;
    lab.fault(Op::Put, Action::ResetAfter);
    assert!(lab.try_send("PUT", "/bucket/k", &[], b"x").await.is_none());
    assert_eq!(lab.world().bytes("bucket", "k").unwrap(), "x");
    assert_eq!(lab.world().faults().struck().len(), 1);
}

#[tokio::test]
async fn bodies_are_cut_and_spoiled_under_right_headers() {
    let lab = Lab::start().await;
    let object = lab.world().seed("bucket", "k", Content::pattern(1, 1_000_000)).unwrap();
    let good = object.body().to_bytes().unwrap();
    lab.fault(Op::Get, Action::Truncate { after_bytes: 400_000 });
    let cut = lab.get("/bucket/k").await;
    assert_eq!((cut.header("content-length"), cut.whole), (Some("1000000"), false));
    assert!(cut.body.len() <= 400_000 && good.starts_with(&cut.body));
    lab.world().faults().clear();
    lab.fault(Op::Get, Action::FlipBit { bit: 8 * 500_000 });
    let spoiled = lab.get("/bucket/k").await;
    assert_eq!(spoiled.header("etag"), Some(&*format!("\"{}\"", object.etag)));
    let different: Vec<usize> = (0..good.len()).filter(|at| good[*at] != spoiled.body[*at]).collect();
    assert_eq!(different, [500_000]);
    assert_eq!(lab.get("/bucket/k").await.body, good);
}

#[tokio::test]
async fn a_stalled_body_sends_its_beginning_and_then_nothing() {
    let lab = Lab::start().await;
    lab.world().seed("bucket", "k", Content::pattern(1, 1_000_000)).unwrap();
    lab.fault(Op::Get, Action::StallBody { after_bytes: 10_000 });
    let request = http::Request::get(format!("{}/bucket/k", lab.server.url())).body(Full::default()).unwrap();
    let mut body = lab.client.request(request).await.unwrap().into_body();
    let mut arrived = 0;
    while arrived < 10_000 {
        arrived += body.frame().await.unwrap().unwrap().data_ref().unwrap().len();
    }
    assert_eq!(arrived, 10_000);
    assert!(tokio::time::timeout(Duration::from_millis(50), body.frame()).await.is_err());
    lab.server.stop().await;
}

#[tokio::test]
async fn corruption_in_storage_keeps_the_right_etag() {
    let lab = Lab::start().await;
    lab.fault(Op::Put, Action::FlipStored { bit: 0 });
    let put = lab.send("PUT", "/bucket/k", &[("x-amz-checksum-crc32c", "yZRlqg==")], b"hello world").await;
    assert_eq!(put.status, 200);
    let get = lab.send("GET", "/bucket/k", &[("x-amz-checksum-mode", "ENABLED")], b"").await;
    assert_eq!((get.text().as_str(), get.header("x-amz-checksum-crc32c")), ("iello world", Some("yZRlqg==")));
}

#[tokio::test]
async fn strangers_are_imitated() {
    let lab = Lab::start().await;
    lab.world().seed("bucket", "k", "0123456789").unwrap();
    lab.fault(Op::Get, Action::IgnoreRange);
    let ignored = lab.send("GET", "/bucket/k", &[("range", "bytes=2-3")], b"").await;
    assert_eq!((ignored.status.as_u16(), ignored.body.len()), (200, 10));
    lab.fault(Op::Get, Action::IgnoreConditions);
    assert_eq!(lab.send("GET", "/bucket/k", &[("range", "bytes=2-3"), ("if-match", "\"0\"")], b"").await.status, 206);
    lab.world().faults().clear();
    lab.world().set_honours(Honours { range: false, conditional_get: false, conditional_delete: false, checksums: false, ..Honours::REAL });
    assert_eq!(lab.send("GET", "/bucket/k", &[("range", "bytes=2-3"), ("if-match", "\"0\"")], b"").await.status, 200);
    assert_eq!(lab.send("DELETE", "/bucket/k", &[("if-match", "\"0\"")], b"").await.status, 204);
    assert_eq!(lab.send("PUT", "/bucket/k", &[("x-amz-checksum-crc32c", "AAAAAA==")], b"hello").await.status, 200);
    let kept: Checksum = *lab.world().peek("bucket", "k").unwrap().checksum.clone().unwrap();
    assert_eq!(&*kept.value, "AAAAAA==");
}

#[tokio::test]
async fn an_error_may_come_with_200() {
    let lab = Lab::start().await;
    lab.world().seed("bucket", "k", "x").unwrap();
    lab.fault(Op::Copy, Action::ErrorIn200);
    lab.fault(Op::CompleteUpload, Action::ErrorIn200);
    let copy = lab.send("PUT", "/bucket/copy", &[("x-amz-copy-source", "/bucket/k")], b"").await;
    assert_eq!((copy.status.as_u16(), copy.element("Code").unwrap()), (200, "InternalError".to_owned()));
    let (_, complete) = multipart(&lab, &[], &[], &["hello ", "world"]).await;
    assert_eq!((complete.status.as_u16(), complete.element("Code").unwrap()), (200, "InternalError".to_owned()));
    assert_eq!(lab.world().keys("bucket"), [b"k"]);
}

#[tokio::test]
async fn others_interfere_before_and_after() {
    let lab = Lab::start().await;
    lab.world().seed("bucket", "k", "mine").unwrap();
    lab.fault(Op::Get, Action::OverwriteBefore("theirs".into()));
    assert_eq!(lab.get("/bucket/k").await.text(), "theirs");
    lab.world().faults().clear();
    lab.fault(Op::Get, Action::OverwriteAfter("later".into()));
    assert_eq!(lab.get("/bucket/k").await.text(), "theirs");
    assert_eq!(lab.get("/bucket/k").await.text(), "later");
    lab.world().faults().clear();
    lab.fault(Op::Delete, Action::Vanish);
    assert_eq!(lab.send("DELETE", "/bucket/k", &[("if-match", "*")], b"").await.status, 404);
}

#[tokio::test]
async fn archived_and_held_objects_say_so() {
    let lab = Lab::start().await;
    lab.send("PUT", "/bucket/cold", &[("x-amz-storage-class", "GLACIER")], b"x").await;
    assert_eq!(lab.get("/bucket/cold").await.element("Code").unwrap(), "InvalidObjectState");
    assert_eq!(lab.send("HEAD", "/bucket/cold", &[], b"").await.header("x-amz-storage-class"), Some("GLACIER"));
    lab.send("PUT", "/bucket/held", &[("x-amz-object-lock-legal-hold", "ON")], b"x").await;
    assert_eq!(lab.send("DELETE", "/bucket/held", &[], b"").await.status, 403);
}

#[tokio::test]
async fn bytes_are_counted_both_ways() {
    let lab = Lab::start().await;
    lab.send("PUT", "/bucket/k", &[], &[1; 1000]).await;
    lab.send("GET", "/bucket/k", &[("range", "bytes=0-99")], b"").await;
    let counts = lab.server.requests().counts();
    assert_eq!((counts.received_bytes, counts.sent_bytes, counts.total()), (1000, 100, 2));
    assert_eq!((counts.put(), counts.get(), counts.head(), counts.other()), (1, 1, 0, 0));
    lab.server.requests().reset();
    assert_eq!(lab.server.requests().counts().total(), 0);
    assert_eq!(lab.world().requests().counts().total(), 2);
}

#[tokio::test]
async fn discarded_bytes_are_an_error_and_never_an_answer() {
    let world = World::with(crate::world::WorldOptions { retention: crate::world::Retention::Discard, ..Default::default() });
    world.create_bucket("bucket").unwrap();
    let server = S3Server::start(world, S3Options { anonymous: Anonymous::Allowed, ..S3Options::default() }).await.unwrap();
    let lab = Lab { server, client: Client::builder(TokioExecutor::new()).build_http() };
    lab.send("PUT", "/bucket/k", &[], b"hello world").await;
    assert_eq!(lab.send("HEAD", "/bucket/k", &[], b"").await.header("content-length"), Some("11"));
    assert_eq!(lab.get("/bucket/k").await.status, 500);
    lab.world().faults().add(Rule::new(&[Op::Head], Action::ACCESS_DENIED).when(Occurrence::Every));
    assert_eq!(lab.send("HEAD", "/bucket/k", &[], b"").await.status, 403);
}
