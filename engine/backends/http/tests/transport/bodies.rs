//! What goes over the wire: lengths, bytes, request targets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use brigade_http::uri::{absolute, encode_path};
use brigade_http::{Body, Kind};
use brigade_store::Rope;
use brigade_store::layers::pacing::{Pacer, paced};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Request};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use parking_lot::Mutex;

use crate::support::{Seen, Server, answer, get, http, ok, plain, put, raw, read_head, request, soon, text};

/// A server that keeps what it saw.
async fn recording() -> (Server, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = http(move |request| {
        log.lock().push(request);
        ok("")
    })
    .await;
    (server, seen)
}

fn length(headers: &HeaderMap) -> Option<&str> {
    headers.get("content-length").map(|value| value.to_str().unwrap())
}

/// Bytes without a period that a lost or doubled chunk could hide behind.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    })
    .take(size)
    .collect()
}

#[tokio::test]
async fn a_rope_arrives_byte_for_byte_with_its_exact_length() {
    let (server, seen) = recording().await;
    let bytes = Bytes::from(noise(8 * 1024 * 1024 + 17));
    let rope: Rope = bytes.chunks(70_001).map(|chunk| bytes.slice_ref(chunk)).collect();
    let body = Body::from(rope);
    let transport = plain();
    // The same body twice: an attempt is repeated from memory.
    for _ in 0..2 {
        text(&transport, put(server.url("/"), body.clone())).await;
    }
    let seen = seen.lock();
    assert_eq!(seen.len(), 2);
    for request in seen.iter() {
        assert_eq!(length(&request.head.headers), Some("8388625"));
        assert!(!request.head.headers.contains_key("transfer-encoding"));
        assert!(request.body == bytes, "the bytes differ");
    }
}

#[tokio::test]
async fn an_empty_upload_says_that_it_is_empty_and_a_get_says_nothing() {
    let (server, seen) = recording().await;
    let transport = plain();
    for method in [Method::PUT, Method::POST, Method::GET, Method::DELETE] {
        text(&transport, request(method, server.url("/"), Body::Empty)).await;
    }
    let lengths: Vec<_> = seen.lock().iter().map(|request| length(&request.head.headers).map(str::to_owned)).collect();
    assert_eq!(lengths, [Some("0".to_owned()), Some("0".to_owned()), None, None]);
}

#[tokio::test]
async fn a_wrong_length_of_the_caller_is_corrected_and_its_host_is_kept() {
    let (server, seen) = recording().await;
    let mut upload = put(server.url("/"), vec![1; 10]);
    upload.headers_mut().insert("content-length", "99".parse().unwrap());
    upload.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
    upload.headers_mut().insert("host", "bucket.s3.example".parse().unwrap());
    text(&plain(), upload).await;
    let seen = seen.lock();
    let headers = &seen[0].head.headers;
    assert_eq!((length(headers), headers["host"].to_str().unwrap(), seen[0].body.len()), (Some("10"), "bucket.s3.example", 10));
}

#[tokio::test]
async fn streamed_bodies_keep_their_length_where_they_have_one() {
    let (server, seen) = recording().await;
    let transport = plain();
    let known = Request::put(server.url("/known")).body(Full::new(Bytes::from_static(b"hello"))).unwrap();
    soon(transport.send_any(known)).await.unwrap();
    let chunks = stream::iter(["one", "two"]).map(|chunk| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(chunk.as_bytes()))));
    let unknown = Request::put(server.url("/unknown")).body(StreamBody::new(chunks)).unwrap();
    soon(transport.send_any(unknown)).await.unwrap();
    let seen = seen.lock();
    assert_eq!((length(&seen[0].head.headers), &seen[0].body[..]), (Some("5"), &b"hello"[..]));
    assert_eq!((length(&seen[1].head.headers), &seen[1].body[..]), (None, &b"onetwo"[..]));
}

#[tokio::test]
async fn a_streamed_body_that_fails_is_the_callers_failure() {
    let (server, _) = recording().await;
    let chunks = stream::iter([Ok(Frame::data(Bytes::from_static(b"one"))), Err(std::io::Error::other("disk"))]);
    let upload = Request::put(server.url("/")).body(StreamBody::new(chunks)).unwrap();
    let error = soon(plain().send_any(upload)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Body);
}

#[tokio::test]
async fn a_response_is_the_same_as_rope_bytes_and_stream() {
    let bytes = Bytes::from(noise(3_000_000));
    let content = bytes.clone();
    let server = http(move |_| ok(content.clone())).await;
    let transport = plain();
    let rope = soon(soon(transport.send(get(server.url("/")))).await.unwrap().into_rope(3_000_000)).await.unwrap();
    assert!(rope.to_vec() == bytes && rope.size() == 3_000_000);
    assert!(soon(soon(transport.send(get(server.url("/")))).await.unwrap().into_bytes(3_000_000)).await.unwrap() == bytes);
    let response = soon(transport.send(get(server.url("/")))).await.unwrap();
    let streamed: Vec<Bytes> = soon(response.stream().try_collect()).await.unwrap();
    assert!(streamed.concat() == bytes);
    assert_eq!(transport.connections_opened(), 1);
}

#[tokio::test]
async fn a_small_rope_is_one_chunk_of_its_own() {
    let server = raw(|mut socket| async move {
        answer(&mut socket, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n").await;
    })
    .await;
    let rope = soon(soon(plain().send(get(server.url("/")))).await.unwrap().into_rope(100)).await.unwrap();
    assert_eq!((rope.chunks().len(), rope.to_vec()), (1, b"abcde".to_vec()));
}

#[tokio::test]
async fn p14_request_targets_go_out_verbatim() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&lines);
    let server = raw(move |mut socket| {
        let log = Arc::clone(&log);
        async move {
            loop {
                let head = read_head(&mut socket).await;
                log.lock().push(head.lines().next().unwrap().to_owned());
                tokio::io::AsyncWriteExt::write_all(&mut socket, b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        }
    })
    .await;
    let transport = plain();
    let keys: [&[u8]; 13] = [
        b"a/../b",
        b"..",
        b".",
        b"./x",
        b"a//b",
        b"/lead",
        b"//",
        b"trail/",
        b"100%",
        b"a+b c",
        b"line\nfeed\r",
        b"\xff\xfe",
        b"q?x#y&z=~",
    ];
    let authority: Authority = server.address.to_string().parse().unwrap();
    for key in keys {
        let uri = absolute(Scheme::HTTP, authority.clone(), &format!("/{}?partNumber=1", encode_path(key))).unwrap();
        soon(transport.send(Request::get(uri).body(Body::Empty).unwrap())).await.unwrap();
    }
    let expected: Vec<String> = keys.iter().map(|key| format!("GET /{}?partNumber=1 HTTP/1.1", encode_path(key))).collect();
    assert_eq!(*lines.lock(), expected);
    assert!(
        expected.contains(&"GET /a/../b?partNumber=1 HTTP/1.1".to_owned())
            && expected.contains(&"GET ///?partNumber=1 HTTP/1.1".to_owned())
    );
}

#[tokio::test]
async fn bodies_of_a_paced_attempt_take_the_time_that_their_rate_says_both_ways() {
    const BYTES: usize = 1 << 20;
    let server = http(|seen| ok(seen.body)).await;
    let transport = plain();
    let sent = Bytes::from(vec![b'x'; BYTES]);
    let pacer = Arc::new(Pacer::new(Some(4 << 20)));
    let begun = Instant::now();
    let exchange = async {
        let response = transport.send(put(server.url("/"), sent.clone())).await.unwrap();
        let sending = begun.elapsed();
        (sending, response.into_rope(1 << 30).await.unwrap().to_vec())
    };
    let (sending, received) = soon(paced(pacer, exchange)).await;
    let took = begun.elapsed();
    assert_eq!(received, sent);
    // A quarter of a second each, of which the last piece is not waited for.
    assert!(sending > Duration::from_millis(200) && took - sending > Duration::from_millis(150), "{sending:?} of {took:?}");
}
