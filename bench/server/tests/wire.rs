//! Claims about the bench server, made with a raw client: what it serves is consistent, and what is wrong it refuses.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bench_server::Server;
use bench_server::options::Options;
use clap::Parser as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    fn header(&self, name: &str) -> Option<String> {
        self.head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(known, _)| known.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.to_owned())
    }
}

/// One connection to a server of its own.
struct Client {
    stream: TcpStream,
    pending: Vec<u8>,
}

async fn connect(arguments: &[&str]) -> (Client, Client) {
    let options = Options::parse_from([&["bench-server"], arguments].concat());
    let server = Server::bind(&options).await.expect("ports are free");
    let addresses: Vec<SocketAddr> = server.addresses().expect("it listens").into_iter().map(|(_, address)| address).collect();
    tokio::spawn(server.run());
    let open = |address| async move { Client { stream: TcpStream::connect(address).await.expect("it accepts"), pending: Vec::new() } };
    (open(addresses[0]).await, open(addresses[1]).await)
}

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("it reads");
    }

    /// Reads one answer; `bodiless` for HEAD.
    async fn receive(&mut self, method: &str) -> Answer {
        let end = loop {
            if let Some(at) = self.pending.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await;
        };
        let head = String::from_utf8(self.pending.drain(..end).collect()).expect("text");
        let mut answer = Answer { status: head[9..12].parse().expect("a status"), head, body: Vec::new() };
        let length = if method == "HEAD" { 0 } else { answer.header("content-length").map_or(0, |text| text.parse().expect("a length")) };
        while self.pending.len() < length {
            self.fill().await;
        }
        answer.body = self.pending.drain(..length).collect();
        answer
    }

    async fn fill(&mut self) {
        let mut buffer = vec![0; 65_536];
        let count = self.stream.read(&mut buffer).await.expect("it answers");
        assert!(count > 0, "the server closed the connection");
        self.pending.extend_from_slice(&buffer[..count]);
    }

    async fn call(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        self.send(&[head.as_bytes(), body].concat()).await;
        self.receive(method).await
    }
}

fn elements(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.split(&open).skip(1).map(|rest| rest.split(&close).next().expect("closed").to_owned()).collect()
}

/// Every key below a prefix, page by page.
async fn all_keys(client: &mut Client, prefix: &str) -> Vec<String> {
    let (mut keys, mut token) = (Vec::new(), String::new());
    loop {
        let next = if token.is_empty() { String::new() } else { format!("&continuation-token={token}") };
        let page = client.call("GET", &format!("/b?list-type=2&max-keys=97&prefix={prefix}{next}"), "", b"").await.text();
        keys.extend(elements(&page, "Key"));
        match elements(&page, "NextContinuationToken").pop() {
            Some(next) => token = next,
            None => return keys,
        }
    }
}

#[tokio::test]
async fn listings_from_anywhere_equal_brute_force() {
    for layout in ["flat", "hashed", "deep", "mix"] {
        let spec = format!("b={layout},objects=2500,prefix=p/,bundles=1,bundle=1KiB");
        let (mut client, mut gcs) = connect(&["--bucket", &spec]).await;
        // Holes and additions, so that both layers of the bucket take part.
        for key in all_keys(&mut client, "").await.iter().step_by(7) {
            assert_eq!(client.call("DELETE", &format!("/b/{key}"), "", b"").await.status, 204);
        }
        for number in 0..40 {
            assert_eq!(client.call("PUT", &format!("/b/p/new/{number}"), "", b"x").await.status, 200);
            assert_eq!(client.call("PUT", &format!("/b/p/00000{number:05}x"), "", b"x").await.status, 200);
        }
        let all = all_keys(&mut client, "").await;
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]) && all.len() > 2_000, "{layout}");
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..60 {
            let chosen = &all[random.random_range(0..all.len())];
            let start = &chosen[..random.random_range(0..=chosen.len())];
            let page = client.call("GET", &format!("/b?list-type=2&max-keys=50&start-after={start}"), "", b"").await.text();
            let expected: Vec<&String> = all.iter().filter(|key| key.as_str() > start).take(50).collect();
            assert_eq!(elements(&page, "Key").iter().collect::<Vec<_>>(), expected, "{layout} after {start}");
            let below: Vec<&String> = all.iter().filter(|key| key.starts_with(start)).collect();
            assert_eq!(all_keys(&mut client, start).await.iter().collect::<Vec<_>>(), below, "{layout} below {start}");
            let target = format!("/storage/v1/b/b/o?maxResults=50&startOffset={start}&fields=items(name)");
            let page = gcs.call("GET", &target, "", b"").await.text();
            let expected: Vec<String> =
                all.iter().filter(|key| key.as_str() >= start).take(50).map(|key| format!("{{\"name\":\"{key}\"}}")).collect();
            assert!(page.contains(&format!("[{}]", expected.join(","))), "{layout} from {start}: {page}");
        }
        folded_equal_brute_force(&mut client, &all).await;
    }
}

async fn folded_equal_brute_force(client: &mut Client, all: &[String]) {
    let mut expected = BTreeSet::new();
    for key in all {
        expected.insert(match key["p/".len()..].find('/') {
            Some(at) => key[..="p/".len() + at].to_owned(),
            None => key.clone(),
        });
    }
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.call("GET", &format!("/b?list-type=2&max-keys=13&prefix=p/&delimiter=/{token}"), "", b"").await.text();
        let prefixes = elements(&page, "CommonPrefixes").into_iter().map(|text| elements(&text, "Prefix").remove(0));
        found.extend(elements(&page, "Key").into_iter().chain(prefixes));
        match elements(&page, "NextContinuationToken").pop() {
            Some(next) => token = format!("&continuation-token={next}"),
            None => break,
        }
    }
    found.sort();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_range_is_a_piece_of_the_whole_and_the_digests_are_right() {
    let (mut client, mut gcs) = connect(&["--bucket", "b=flat,objects=3,size=3MiB"]).await;
    let whole = client.call("GET", "/b/0000000001", "x-amz-checksum-mode: ENABLED\r\n", b"").await;
    assert_eq!((whole.status, whole.body.len()), (200, 3 << 20));
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &whole.body);
    let crc = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, u32::try_from(crc).expect("32 bits").to_be_bytes());
    assert_eq!(whole.header("x-amz-checksum-crc32c"), Some(crc.clone()));
    let md5: String = <md5::Md5 as md5::Digest>::digest(&whole.body).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(whole.header("etag"), Some(format!("\"{md5}\"")));
    for (first, last) in [(0, 0), (1_048_570, 1_048_580), (5, 3_000_000), (3_145_727, 9_999_999)] {
        let end = last.min(whole.body.len() - 1);
        let range = format!("Range: bytes={first}-{last}\r\n");
        for (client, target) in [(&mut client, "/b/0000000001"), (&mut gcs, "/storage/v1/b/b/o/0000000001?alt=media")] {
            let piece = client.call("GET", target, &range, b"").await;
            assert_eq!((piece.status, &piece.body[..]), (206, &whole.body[first..=end]), "{target} {range}");
            assert_eq!(piece.header("content-range"), Some(format!("bytes {first}-{end}/{}", whole.body.len())));
        }
    }
    assert_eq!(client.call("GET", "/b/0000000001", "Range: bytes=3145728-\r\n", b"").await.status, 416);
    assert_eq!(client.call("HEAD", "/b/0000000009", "", b"").await.status, 404);
    let head = gcs.call("GET", "/storage/v1/b/b/o/0000000001", "", b"").await.text();
    assert!(head.contains(&format!("\"crc32c\":\"{crc}\"")), "{head}");
}

#[tokio::test]
async fn what_does_not_match_its_digest_or_its_condition_is_refused_and_leaves_nothing() {
    let (mut s3, mut gcs) = connect(&["--bucket", "b"]).await;
    let right = "x-amz-checksum-crc32c: yZRlqg==\r\nContent-MD5: XrY7u+Ae7tCTyyK7j1rNww==\r\n";
    for wrong in ["x-amz-checksum-crc32c: yZRlqQ==\r\n", "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n", "x-amz-checksum-crc32: AAAAAA==\r\n"]
    {
        let answer = s3.call("PUT", "/b/k", wrong, b"hello world").await;
        assert_eq!((answer.status, answer.text().contains("BadDigest")), (400, true), "{wrong}");
    }
    assert_eq!(gcs.call("PUT", "/b/k", "x-goog-hash: crc32c=yZRlqQ==\r\n", b"hello world").await.status, 400);
    assert_eq!(s3.call("PUT", "/b/k", "If-Match: \"x\"\r\n", b"hello world").await.status, 404);
    assert_eq!(s3.call("HEAD", "/b/k", "", b"").await.status, 404);
    let stored = s3.call("PUT", "/b/k", right, b"hello world").await;
    assert_eq!((stored.status, stored.header("etag").as_deref()), (200, Some("\"5eb63bbbe01eeed093cb22bb8f5acdc3\"")));
    assert_eq!(s3.call("PUT", "/b/k", "If-None-Match: *\r\n", b"").await.status, 412);
    assert_eq!(s3.call("DELETE", "/b/k", "If-Match: \"x\"\r\n", b"").await.status, 412);
    let resource = "{\"name\":\"k\"}";
    let related = format!("--q\r\nContent-Type: application/json\r\n\r\n{resource}\r\n--q\r\nContent-Type: a/b\r\n\r\nhi\r\n--q--");
    let kind = "Content-Type: multipart/related; boundary=q\r\n";
    let answer = gcs.call("POST", "/upload/storage/v1/b/b/o?uploadType=multipart&ifGenerationMatch=0", kind, related.as_bytes()).await;
    assert_eq!((answer.status, answer.text().contains("conditionNotMet")), (412, true));
    let wrong = related.replace(resource, "{\"name\":\"n\",\"crc32c\":\"yZRlqg==\"}");
    assert_eq!(gcs.call("POST", "/upload/storage/v1/b/b/o?uploadType=multipart", kind, wrong.as_bytes()).await.status, 400);
    assert_eq!(gcs.call("GET", "/storage/v1/b/b/o/n", "", b"").await.status, 404);
    assert_eq!(gcs.call("POST", "/upload/storage/v1/b/b/o?uploadType=multipart", kind, related.as_bytes()).await.status, 200);
    let head = s3.call("HEAD", "/b/k", "", b"").await;
    assert_eq!(head.header("content-length").as_deref(), Some("2"));
}

#[tokio::test]
async fn parts_sum_up_to_the_whole_and_a_wrong_sum_is_refused() {
    let (mut s3, _) = connect(&["--bucket", "b=flat,objects=1,size=12MiB", "--bucket", "t"]).await;
    let whole = s3.call("GET", "/b/0000000000", "x-amz-checksum-mode: ENABLED\r\n", b"").await;
    let crc = whole.header("x-amz-checksum-crc32c").expect("a checksum");
    let id = elements(&s3.call("POST", "/t/k?uploads", "", b"").await.text(), "UploadId").remove(0);
    let (mut document, middle) = (String::new(), 6 << 20);
    for (number, part) in [(1, &whole.body[..middle]), (2, &whole.body[middle..])] {
        let stored = s3.call("PUT", &format!("/t/k?partNumber={number}&uploadId={id}"), "", part).await;
        let etag = stored.header("etag").expect("a tag");
        document.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    let document = format!("<CompleteMultipartUpload>{document}</CompleteMultipartUpload>");
    let target = format!("/t/k?uploadId={id}");
    assert_eq!(s3.call("POST", &target, "x-amz-checksum-crc32c: AAAAAA==\r\n", document.as_bytes()).await.status, 400);
    assert_eq!(s3.call("POST", &target, "x-amz-mp-object-size: 1\r\n", document.as_bytes()).await.status, 400);
    assert_eq!(s3.call("HEAD", "/t/k", "", b"").await.status, 404);
    let done = s3.call("POST", &target, &format!("x-amz-checksum-crc32c: {crc}\r\n"), document.as_bytes()).await;
    assert_eq!((done.status, elements(&done.text(), "ChecksumCRC32C")), (200, vec![crc]));
    assert_eq!(s3.call("POST", &target, "", document.as_bytes()).await.status, 404);
}

#[tokio::test]
async fn chunks_of_a_resumable_upload_are_digested_whichever_method_brings_them() {
    let (mut s3, mut gcs) = connect(&["--bucket", "b=flat,objects=1,size=1MiB", "--bucket", "t"]).await;
    let whole = s3.call("GET", "/b/0000000000", "x-amz-checksum-mode: ENABLED\r\n", b"").await;
    let crc = whole.header("x-amz-checksum-crc32c").expect("a checksum");
    let (size, middle) = (whole.body.len(), 256 << 10);
    for method in ["PUT", "POST"] {
        let begun = gcs.call("POST", &format!("/upload/storage/v1/b/t/o?uploadType=resumable&name={method}"), "", b"{}").await;
        let location = begun.header("location").expect("where the chunks go");
        let path = location.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..])).expect("a path").to_owned();
        let first = format!("Content-Range: bytes 0-{}/*\r\n", middle - 1);
        assert_eq!(gcs.call(method, &path, &first, &whole.body[..middle]).await.status, 308);
        let last = format!("Content-Range: bytes {middle}-{}/{size}\r\n", size - 1);
        let done = gcs.call(method, &path, &last, &whole.body[middle..]).await;
        assert!(done.status == 200 && done.text().contains(&crc), "{method}: {}", done.text());
    }
}

#[tokio::test]
async fn bodies_come_in_every_framing_and_requests_may_be_sent_ahead() {
    let (mut s3, _) = connect(&["--bucket", "b"]).await;
    let aws =
        "5;chunk-signature=a\r\nhello\r\n6;chunk-signature=b\r\n world\r\n0;chunk-signature=c\r\nx-amz-checksum-crc32c:yZRlqg==\r\n\r\n";
    let head = "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\nx-amz-trailer: x-amz-checksum-crc32c\r\nContent-Encoding: aws-chunked\r\n";
    let stored = s3.call("PUT", "/b/aws", head, aws.as_bytes()).await;
    assert_eq!(stored.header("etag").as_deref(), Some("\"5eb63bbbe01eeed093cb22bb8f5acdc3\""));
    let wrong = aws.replace("yZRlqg==", "yZRlqQ==");
    assert_eq!(s3.call("PUT", "/b/aws2", head, wrong.as_bytes()).await.status, 400);
    let nested = format!("{:x}\r\n{aws}\r\n0\r\n\r\n", aws.len());
    s3.send(format!("PUT /b/both HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{head}\r\n{nested}").as_bytes()).await;
    assert_eq!(s3.receive("PUT").await.header("etag").as_deref(), Some("\"5eb63bbbe01eeed093cb22bb8f5acdc3\""));
    s3.send(b"PUT /b/wait HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    assert_eq!(s3.receive("PUT").await.status, 100);
    s3.send(b"hiGET /b?list-type=2 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b/both HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(s3.receive("PUT").await.status, 200);
    assert_eq!(elements(&s3.receive("GET").await.text(), "Key"), ["aws", "both", "wait"]);
    assert_eq!(s3.receive("HEAD").await.header("content-length").as_deref(), Some("11"));
}

#[tokio::test]
async fn a_copied_target_differs_by_as_much_as_was_asked() {
    let buckets = ["--bucket", "a=flat,objects=20000", "--bucket", "same=copy-of:a", "--bucket", "b=copy-of:a,changed=1%"];
    let (mut s3, _) = connect(&buckets).await;
    let mut sizes_and_tags = Vec::new();
    for bucket in ["a", "same", "b"] {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = s3.call("GET", &format!("/{bucket}?list-type=2{token}"), "", b"").await.text();
            found.extend(elements(&page, "ETag").into_iter().zip(elements(&page, "Size")));
            match elements(&page, "NextContinuationToken").pop() {
                Some(next) => token = format!("&continuation-token={next}"),
                None => break,
            }
        }
        sizes_and_tags.push(found);
    }
    assert_eq!(sizes_and_tags[0], sizes_and_tags[1]);
    let changed = sizes_and_tags[0].iter().zip(&sizes_and_tags[2]).filter(|(one, other)| one.0 != other.0 && one.1 != other.1).count();
    let different = sizes_and_tags[0].iter().zip(&sizes_and_tags[2]).filter(|(one, other)| one != other).count();
    assert!(changed == different && (120..=280).contains(&changed), "{changed} {different}");
    assert_eq!(s3.call("PUT", "/b/0000000000", "", b"other").await.status, 200);
    assert_eq!(s3.call("PUT", "/same/zzz", "", b"more").await.status, 200);
    assert_eq!(s3.call("DELETE", "/same/0000000001", "", b"").await.status, 204);
    let said = s3.call("GET", "/_compare?source=a&target=same", "", b"").await.text();
    assert!(said.contains("\"different\":0") && said.contains("\"missing\":1") && said.contains("\"extra\":1"), "{said}");
    let said = s3.call("GET", "/_compare?source=a&target=b", "", b"").await.text();
    assert!(said.contains(&format!("\"different\":{}", changed + 1)), "{said}");
}

#[tokio::test]
async fn writes_beyond_the_rate_are_refused_and_counted() {
    let (mut s3, mut gcs) = connect(&["--bucket", "b", "--throttle-writes", "20"]).await;
    let mut refused = 0;
    for _ in 0..50 {
        refused += u32::from(s3.call("PUT", "/b/k", "", b"x").await.status == 503);
        refused += u32::from(gcs.call("POST", "/upload/storage/v1/b/b/o?uploadType=media&name=g", "", b"x").await.status == 429);
    }
    assert!(refused > 0);
    let stats = s3.call("GET", "/_stats", "", b"").await.text();
    assert!(stats.contains(&format!("\"refused\":{{\"reads\":0,\"writes\":{refused}}}")), "{stats}");
}
