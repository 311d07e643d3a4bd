//! Connections: kept, replaced, closed.

use std::sync::Arc;
use std::time::Duration;

use brigade_http::{Body, Response, ResponseBody, Transport, TransportError};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore};

use crate::support::{answer, get, http, ok, plain, put, raw, read_head, request, soon, text, transport, wait_closed};

#[tokio::test]
async fn requests_one_after_another_share_a_connection() {
    let server = http(|seen| ok(format!("{} {}", seen.head.method, seen.head.uri))).await;
    let transport = plain();
    for n in 0..5 {
        assert_eq!(text(&transport, get(server.url(&format!("/{n}")))).await, format!("GET /{n}"));
        assert_eq!(text(&transport, put(server.url("/up"), vec![7; 100_000])).await, "PUT /up");
    }
    let head = soon(transport.send(request(Method::HEAD, server.url("/h"), Body::Empty))).await.unwrap();
    assert_eq!((head.status(), head.headers()["content-length"].to_str().unwrap()), (StatusCode::OK, "7"));
    drop(head);
    assert_eq!(text(&transport, get(server.url("/last"))).await, "GET /last");
    assert_eq!((server.accepted(), transport.connections_opened(), transport.in_flight()), (1, 1, 0));
}

#[tokio::test]
async fn requests_at_the_same_time_have_connections_of_their_own_and_are_counted() {
    let gate = Arc::new(Semaphore::new(0));
    let arrived = Arc::new(Semaphore::new(0));
    let (entry, exit) = (Arc::clone(&arrived), Arc::clone(&gate));
    let server = raw(move |mut socket| {
        let (entry, exit) = (Arc::clone(&entry), Arc::clone(&exit));
        async move {
            read_head(&mut socket).await;
            entry.add_permits(1);
            exit.acquire().await.unwrap().forget();
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            wait_closed(&mut socket).await;
        }
    })
    .await;
    let transport = plain();
    let sends: Vec<_> = (0..4)
        .map(|_| {
            let (transport, url) = (transport.clone(), server.url("/"));
            tokio::spawn(async move { transport.send(get(url)).await.map(|response| response.status()) })
        })
        .collect();
    soon(arrived.acquire_many(4)).await.unwrap().forget();
    assert_eq!((transport.in_flight(), transport.connections_opened()), (4, 4));
    gate.add_permits(4);
    for send in sends {
        assert_eq!(soon(send).await.unwrap().unwrap(), StatusCode::OK);
    }
    assert_eq!(transport.in_flight(), 0);
}

#[tokio::test]
async fn a_connection_that_the_server_will_close_is_not_used_again() {
    let server = raw(|mut socket| async move {
        answer(&mut socket, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    })
    .await;
    let transport = plain();
    for _ in 0..3 {
        assert_eq!(text(&transport, get(server.url("/"))).await, "ok");
    }
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn idle_connections_close_by_themselves() {
    let closed = Arc::new(Notify::new());
    let seen = Arc::clone(&closed);
    let server = raw(move |mut socket| {
        let seen = Arc::clone(&seen);
        async move {
            answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            wait_closed(&mut socket).await;
            seen.notify_one();
        }
    })
    .await;
    let transport = transport(|options| options.idle_timeout = Duration::from_millis(50));
    assert_eq!(text(&transport, get(server.url("/"))).await, "ok");
    soon(closed.notified()).await;
}

/// A server that sends the head and the beginning of a large body, and tells when its client is gone.
async fn endless(closed: Arc<Notify>) -> crate::support::Server {
    raw(move |mut socket| {
        let closed = Arc::clone(&closed);
        async move {
            answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nbeginning").await;
            wait_closed(&mut socket).await;
            closed.notify_one();
        }
    })
    .await
}

#[tokio::test]
async fn a_response_dropped_midway_closes_its_connection() {
    let closed = Arc::new(Notify::new());
    let server = endless(Arc::clone(&closed)).await;
    let transport = plain();
    let (_, _, mut body) = soon(transport.send(get(server.url("/")))).await.unwrap().into_parts();
    assert_eq!(soon(body.next_chunk()).await.unwrap().unwrap(), "beginning");
    assert_eq!(transport.in_flight(), 1);
    drop(body);
    assert_eq!(transport.in_flight(), 0);
    soon(closed.notified()).await;
}

#[tokio::test]
async fn a_send_that_is_cancelled_closes_its_connection() {
    let (arrived, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, gone) = (Arc::clone(&arrived), Arc::clone(&closed));
    let server = raw(move |mut socket| {
        let (seen, gone) = (Arc::clone(&seen), Arc::clone(&gone));
        async move {
            read_head(&mut socket).await;
            seen.notify_one();
            wait_closed(&mut socket).await;
            gone.notify_one();
        }
    })
    .await;
    let transport = plain();
    let sending = tokio::spawn({
        let (transport, url) = (transport.clone(), server.url("/"));
        async move { transport.send(get(url)).await.map(drop) }
    });
    soon(arrived.notified()).await;
    sending.abort();
    soon(closed.notified()).await;
    assert!(sending.await.unwrap_err().is_cancelled());
    assert_eq!(transport.in_flight(), 0);
}

#[tokio::test]
async fn an_upload_refused_early_does_not_leave_its_connection_in_the_pool() {
    let server = raw(|mut socket| async move {
        answer(&mut socket, "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
        // The rest of the upload is never read; the client has to give up by itself.
        std::future::pending::<()>().await;
    })
    .await;
    let transport = plain();
    for connections in 1..=2 {
        let response = soon(transport.send(put(server.url("/"), vec![0; 64 << 20]))).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(soon(response.into_bytes(10)).await.unwrap(), "no");
        assert_eq!(transport.connections_opened(), connections);
    }
}

#[tokio::test]
async fn dropping_the_response_stops_an_upload_that_still_goes_on() {
    const UPLOAD_BYTES: usize = 64 << 20;
    let dropped = Arc::new(Notify::new());
    let (counted, count) = tokio::sync::oneshot::channel();
    let (gone, counted) = (Arc::clone(&dropped), std::sync::Mutex::new(Some(counted)));
    let server = raw(move |mut socket| {
        let (gone, counted) = (Arc::clone(&gone), counted.lock().unwrap().take().unwrap());
        async move {
            answer(&mut socket, "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
            gone.notified().await;
            let mut piece = vec![0; 1 << 20];
            let mut arrived = 0;
            while let Ok(read @ 1..) = socket.read(&mut piece).await {
                arrived += read;
            }
            counted.send(arrived).unwrap();
        }
    })
    .await;
    let transport = plain();
    let response = soon(transport.send(put(server.url("/"), vec![0; UPLOAD_BYTES]))).await.unwrap();
    drop(response);
    dropped.notify_one();
    let arrived = soon(count).await.unwrap();
    assert!(arrived < UPLOAD_BYTES, "all {arrived} bytes were sent on");
}

#[test]
fn everything_can_be_shared_and_sent_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send>(_: &T) {}
    shared::<Transport>();
    shared::<Response>();
    shared::<ResponseBody>();
    shared::<TransportError>();
    let transport = plain();
    sent(&transport.send(get("http://127.0.0.1:1/")));
}
