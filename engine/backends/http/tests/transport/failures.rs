//! Every way in which an exchange breaks, and what is said about it.

use std::error::Error as _;

use brigade_http::{Body, Kind, TransportError, TransportOptions};
use brigade_store::StoreError;
use brigade_store::error::Effect;
use tokio::io::AsyncReadExt;

use crate::support::{answer, get, listen, plain, put, raw, read_head, soon, text};

async fn body_error(response: &'static str, limit_bytes: u64) -> TransportError {
    let server = raw(move |mut socket| async move { answer(&mut socket, response).await }).await;
    let transport = plain();
    let response = soon(transport.send(get(server.url("/k?X-Amz-Signature=secret")))).await.unwrap();
    let error = soon(response.into_rope(limit_bytes)).await.unwrap_err();
    assert_eq!(transport.in_flight(), 0);
    assert_harmless(&error);
    error
}

/// p11: an error and everything below it can be printed.
fn assert_harmless(error: &TransportError) {
    let mut shown = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(inner) = source {
        shown += &format!("{inner} {inner:?}");
        source = inner.source();
    }
    assert!(!shown.contains("secret") && !shown.contains("Signature"), "{shown}");
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_truncated() {
    let error = body_error("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789", 1000).await;
    assert_eq!((error.kind(), error.ambiguous()), (Kind::Truncated, true));
    assert!(error.to_string().ends_with("ended the body early, after 10 bytes"), "{error}");
}

#[tokio::test]
async fn a_chunked_body_without_its_end_is_truncated() {
    for response in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        assert_eq!(body_error(response, 1000).await.kind(), Kind::Truncated);
    }
}

#[tokio::test]
async fn a_malformed_chunk_is_a_protocol_error() {
    let error = body_error("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n", 1000).await;
    assert_eq!(error.kind(), Kind::Protocol, "{error:?}");
}

#[tokio::test]
async fn a_body_longer_than_allowed_is_refused_announced_or_not() {
    let announced = body_error("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n012345", 5).await;
    let unannounced = body_error("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n012345\r\n0\r\n\r\n", 5).await;
    assert_eq!((announced.kind(), unannounced.kind()), (Kind::TooLong, Kind::TooLong));
}

#[tokio::test]
async fn a_body_of_exactly_the_allowed_length_is_taken() {
    let server = raw(|mut socket| async move { answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n01234").await }).await;
    let rope = soon(soon(plain().send(get(server.url("/")))).await.unwrap().into_rope(5)).await.unwrap();
    assert_eq!(rope.to_vec(), b"01234");
}

#[tokio::test]
async fn a_reset_before_the_answer_may_have_had_an_effect() {
    let server = raw(|mut socket| async move {
        read_head(&mut socket).await;
        socket.set_zero_linger().unwrap();
    })
    .await;
    let error = soon(plain().send(put(server.url("/k?X-Amz-Signature=secret"), vec![1; 10]))).await.unwrap_err();
    assert_eq!((error.kind(), error.ambiguous()), (Kind::Reset, true));
    assert_harmless(&error);
    let store = StoreError::from(error);
    assert_eq!((store.kind.name(), store.effect), ("network", Effect::Possible));
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_body_is_named() {
    let server = raw(|mut socket| async move {
        answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n01234").await;
        // The client says when it has read the beginning, so that the reset cannot overtake it.
        let _ = socket.read_u8().await;
        socket.set_zero_linger().unwrap();
    })
    .await;
    let transport = plain();
    // A second chunk of the request body is the signal.
    let (signal, waiting) = tokio::sync::oneshot::channel::<()>();
    let chunks = futures::stream::once(async move {
        waiting.await.unwrap();
        Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from_static(b"go")))
    });
    let request = http::Request::put(server.url("/")).body(http_body_util::StreamBody::new(chunks)).unwrap();
    let (_, _, mut body) = soon(transport.send_any(request)).await.unwrap().into_parts();
    assert_eq!(soon(body.next_chunk()).await.unwrap().unwrap(), "01234");
    signal.send(()).unwrap();
    let error = soon(body.next_chunk()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.ambiguous()), (Kind::Reset, true), "{error:?}");
    assert!(soon(body.next_chunk()).await.is_none());
}

#[tokio::test]
async fn a_refused_connection_certainly_had_no_effect() {
    let listener = listen().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = soon(plain().send(get(format!("http://{address}/k?X-Amz-Signature=secret")))).await.unwrap_err();
    assert_eq!((error.kind(), error.ambiguous()), (Kind::Connect, false));
    assert_eq!(error.to_string(), format!("cannot connect to {address}: connection refused"));
    assert_harmless(&error);
    assert_eq!(StoreError::from(error).effect, Effect::None);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_protocol_error() {
    let server = raw(|mut socket| async move { answer(&mut socket, "SSH-2.0-OpenSSH_9.9\r\n\r\n").await }).await;
    let error = soon(plain().send(get(server.url("/")))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol);
}

#[tokio::test]
async fn a_failed_exchange_does_not_spoil_the_next() {
    let served = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = raw(move |mut socket| {
        let first = served.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move {
            let response = if first {
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"
            };
            answer(&mut socket, response).await;
        }
    })
    .await;
    let transport = plain();
    let first = soon(transport.send(get(server.url("/")))).await.unwrap();
    assert_eq!(soon(first.into_bytes(100)).await.unwrap_err().kind(), Kind::Truncated);
    assert_eq!(text(&transport, get(server.url("/"))).await, "good");
}

#[tokio::test]
async fn a_request_without_a_host_is_refused_before_anything_is_opened() {
    let transport = plain();
    let request = http::Request::get("/relative").body(Body::Empty).unwrap();
    assert_eq!(soon(transport.send(request)).await.unwrap_err().kind(), Kind::Request);
    assert_eq!((transport.connections_opened(), transport.in_flight()), (0, 0));
}

#[test]
fn options_are_checked_before_the_first_request() {
    let missing = TransportOptions { extra_ca_bundle: Some("/nowhere/ca.pem".into()), ..TransportOptions::default() };
    let error = brigade_http::Transport::new(&missing).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("/nowhere/ca.pem cannot be read"), "{error}");
}
