//! The stall timeout: silence ends an attempt, slowness does not.

use std::time::Duration;

use brigade_http::{Kind, StallTimeout, Transport};
use brigade_store::Rope;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::support::{answer, get, put, raw, read_head, serve, soon, text, transport, wait_closed};

/// Long enough that a busy machine's pauses do not look like silence.
const STALL: Duration = Duration::from_millis(600);

fn impatient() -> Transport {
    transport(|options| options.stall_timeout = STALL)
}

#[tokio::test]
async fn a_head_that_never_comes_is_a_stall() {
    let server = raw(|mut socket| async move { wait_closed(&mut socket).await }).await;
    let transport = impatient();
    let began = Instant::now();
    let error = soon(transport.send(get(server.url("/k?X-Amz-Signature=secret")))).await.unwrap_err();
    assert_eq!((error.kind(), error.ambiguous(), transport.in_flight()), (Kind::Stalled, true, 0));
    assert_eq!(error.to_string(), format!("{} moved no byte for 600ms: no response", server.address));
    assert!(began.elapsed() >= STALL);
}

#[tokio::test]
async fn a_body_that_stops_is_a_stall_and_closes_its_connection() {
    let (closed, gone) = oneshot::channel();
    let closed = std::sync::Mutex::new(Some(closed));
    let server = raw(move |mut socket| {
        let closed = closed.lock().unwrap().take();
        async move {
            answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n01234").await;
            wait_closed(&mut socket).await;
            closed.unwrap().send(()).unwrap();
        }
    })
    .await;
    let transport = impatient();
    let response = soon(transport.send(get(server.url("/")))).await.unwrap();
    let error = soon(response.into_rope(100)).await.unwrap_err();
    assert_eq!((error.kind(), transport.in_flight()), (Kind::Stalled, 0));
    assert!(error.to_string().contains("5 bytes of the body had arrived"), "{error}");
    soon(gone).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_is_not_read_is_a_stall() {
    let server = raw(|mut socket| async move {
        read_head(&mut socket).await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = soon(impatient().send(put(server.url("/"), vec![0; 64 << 20]))).await.unwrap_err();
    assert_eq!((error.kind(), error.ambiguous()), (Kind::Stalled, true));
}

/// One timer serves all exchanges of a connection: what it was set to for the first must not cut the second one short.
#[tokio::test]
async fn a_kept_connection_waits_as_long_for_every_exchange() {
    let server = raw(|mut socket| async move {
        read_head(&mut socket).await;
        tokio::time::sleep(STALL / 2).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await.unwrap();
        wait_closed(&mut socket).await;
    })
    .await;
    let transport = impatient();
    assert_eq!(text(&transport, get(server.url("/"))).await, "done");
    let began = Instant::now();
    let error = soon(transport.send(get(server.url("/")))).await.unwrap_err();
    assert_eq!((error.kind(), transport.connections_opened()), (Kind::Stalled, 1));
    assert!(began.elapsed() >= STALL, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_body_that_moves_is_not_a_stall() {
    let server = raw(|mut socket| async move {
        answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n").await;
        for _ in 0..20 {
            tokio::time::sleep(STALL / 8).await;
            socket.write_all(b"x").await.unwrap();
        }
        wait_closed(&mut socket).await;
    })
    .await;
    let began = Instant::now();
    assert_eq!(text(&impatient(), get(server.url("/"))).await, "x".repeat(20));
    assert!(began.elapsed() > STALL * 2, "the body was too quick to show anything");
}

/// The server reads slowly for several times the stall timeout, out of a small receive buffer, so that the sending side has
/// to wait for it again and again. Then it takes the rest at once: what the kernel has buffered by then moves unseen.
#[tokio::test]
async fn a_slow_upload_that_moves_is_not_a_stall() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = serve(socket.listen(16).unwrap(), |mut socket| async move {
        let head = read_head(&mut socket).await;
        let size: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let began = Instant::now();
        let mut left = size;
        let mut piece = vec![0; 128 * 1024];
        while left > 0 {
            let wanted = left.min(piece.len());
            socket.read_exact(&mut piece[..wanted]).await.unwrap();
            left -= wanted;
            if began.elapsed() < STALL * 3 {
                tokio::time::sleep(STALL / 60).await;
            }
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await.unwrap();
        wait_closed(&mut socket).await;
    });
    let began = Instant::now();
    let body: Rope = std::iter::repeat_n(Bytes::from(vec![7; 1 << 20]), 48).collect();
    assert_eq!(text(&impatient(), put(server.url("/"), body)).await, "done");
    assert!(began.elapsed() > STALL * 2, "the upload was too quick to show anything");
}

#[tokio::test]
async fn a_caller_that_takes_its_time_is_not_a_stall() {
    let (go, gone) = oneshot::channel::<()>();
    let gone = std::sync::Mutex::new(Some(gone));
    let server = raw(move |mut socket| {
        let gone = gone.lock().unwrap().take();
        async move {
            answer(&mut socket, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234").await;
            gone.unwrap().await.unwrap();
            socket.write_all(b"56789").await.unwrap();
            wait_closed(&mut socket).await;
        }
    })
    .await;
    let (_, _, mut body) = soon(impatient().send(get(server.url("/")))).await.unwrap().into_parts();
    assert_eq!(soon(body.next_chunk()).await.unwrap().unwrap(), "01234");
    // The pause is the claim: nobody waits for a byte, so none is missing.
    tokio::time::sleep(STALL * 2).await;
    let rest = tokio::spawn(async move { body.next_chunk().await });
    go.send(()).unwrap();
    assert_eq!(soon(rest).await.unwrap().unwrap().unwrap(), "56789");
}

#[tokio::test]
async fn one_request_can_be_given_more_or_less_time() {
    let server = raw(|mut socket| async move {
        read_head(&mut socket).await;
        tokio::time::sleep(STALL * 2).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow").await.unwrap();
        wait_closed(&mut socket).await;
    })
    .await;
    let mut patient = get(server.url("/"));
    patient.extensions_mut().insert(StallTimeout(Duration::from_secs(60)));
    assert_eq!(text(&impatient(), patient).await, "slow");
    let mut hasty = get(server.url("/"));
    hasty.extensions_mut().insert(StallTimeout(Duration::from_millis(50)));
    assert_eq!(soon(impatient().send(hasty)).await.unwrap_err().kind(), Kind::Stalled);
}
