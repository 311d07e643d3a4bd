//! One name, several addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use brigade_http::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Fixed, get, http, listen, ok, serve, soon, speak, text, transport};

/// Two servers at one port of two loopback addresses.
async fn pair() -> [crate::support::Server; 2] {
    let first = listen().await;
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(SocketAddr::from(([127, 0, 0, 2], port))).await.unwrap();
    [serve(first, |socket| speak(socket, |_| ok("one"))), serve(second, |socket| speak(socket, |_| ok("two")))]
}

#[tokio::test]
async fn new_connections_go_round_all_addresses() {
    let servers = pair().await;
    let resolver = Fixed(servers.iter().map(|server| server.address).collect());
    let transport = transport(|options| options.resolver = Arc::new(resolver));
    // Held open, so that each needs a connection of its own.
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(soon(transport.send(get("http://bucket.example/"))).await.unwrap());
        // A response whose body is read gives its connection back; these are not read yet.
        assert_eq!(transport.in_flight(), u64::try_from(held.len()).unwrap());
    }
    assert_eq!(servers.map(|server| server.accepted()), [3, 3]);
}

#[tokio::test]
async fn a_dead_address_costs_only_the_fall_to_the_next() {
    let dead = listen().await;
    let dead_address = dead.local_addr().unwrap();
    drop(dead);
    let server = http(|_| ok("alive")).await;
    let resolver = Fixed(vec![dead_address, server.address]);
    let transport = transport(|options| {
        options.resolver = Arc::new(resolver);
        options.idle_per_host_max = 0;
    });
    for _ in 0..4 {
        assert_eq!(text(&transport, get("http://bucket.example/")).await, "alive");
    }
    assert_eq!((server.accepted(), transport.connections_opened()), (4, 4));
}

#[tokio::test]
async fn when_every_address_is_dead_the_error_says_so() {
    let (first, second) = (listen().await, listen().await);
    let addresses = vec![first.local_addr().unwrap(), second.local_addr().unwrap()];
    drop((first, second));
    let transport = transport(|options| options.resolver = Arc::new(Fixed(addresses)));
    let error = soon(transport.send(get("http://bucket.example/"))).await.unwrap_err();
    assert_eq!((error.kind(), error.ambiguous()), (Kind::Connect, false));
    let told = error.to_string();
    assert!(told.starts_with("cannot connect to bucket.example:80: connection refused at 127.0.0.1:"), "{told}");
}

#[tokio::test]
async fn a_name_that_resolves_to_nothing_is_a_dns_error() {
    let transport = transport(|options| options.resolver = Arc::new(Fixed(Vec::new())));
    let error = soon(transport.send(get("http://bucket.example/"))).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Dns, "the name bucket.example does not resolve"));
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_server_that_accepts_and_never_shakes_hands_is_a_timeout() {
    let server = crate::support::raw(|mut socket| async move { crate::support::wait_closed(&mut socket).await }).await;
    let transport = transport(|options| options.connect_timeout = Duration::from_millis(200));
    let error = soon(transport.send(get(format!("https://{}/", server.address)))).await.unwrap_err();
    assert_eq!((error.kind(), error.ambiguous()), (Kind::Tls, false));
    assert!(error.to_string().contains("took longer than 200ms"), "{error}");
}

/// Bytes of one answer of the servers below: enough to say something of a connection's pace.
const LARGE_BYTES: usize = 2 << 20;

/// Answers every request with a large body, in two halves, the second of which comes after a pause.
async fn halves(mut socket: tokio::net::TcpStream, pause: Duration) {
    let half = vec![b'x'; LARGE_BYTES / 2];
    let mut head = [0; 4096];
    while matches!(socket.read(&mut head).await, Ok(read) if read > 0) {
        let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE_BYTES}\r\n\r\n");
        let sent = async {
            socket.write_all(said.as_bytes()).await?;
            socket.write_all(&half).await?;
            tokio::time::sleep(pause).await;
            socket.write_all(&half).await
        };
        if sent.await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_far_slower_than_its_peers_is_replaced_by_one_to_another_address() {
    let first = listen().await;
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(SocketAddr::from(([127, 0, 0, 2], port))).await.unwrap();
    // Quick enough to be measured, slow enough to be a pace and not a start.
    let quick = serve(first, |socket| halves(socket, Duration::from_millis(25)));
    let slow = serve(second, |socket| halves(socket, Duration::from_millis(500)));
    let resolver = Fixed(vec![quick.address, quick.address, slow.address, quick.address]);
    let transport = transport(|options| options.resolver = Arc::new(resolver));
    let fetch = || async {
        let response = transport.send(get("http://bucket.example/")).await.unwrap();
        response.into_rope(1 << 30).await.unwrap().size()
    };
    // Four at once need all four connections every time; one of them is slow.
    let rounds = async {
        let mut rounds = 0;
        while transport.connections_opened() < 5 {
            let fetched = tokio::join!(fetch(), fetch(), fetch(), fetch());
            let large = u64::try_from(LARGE_BYTES).unwrap();
            assert_eq!(fetched, (large, large, large, large));
            rounds += 1;
        }
        rounds
    };
    let rounds = soon(rounds).await;
    assert!(rounds > 5, "not before enough is known, and three transfers were slow: {rounds}");
    assert_eq!((quick.accepted(), slow.accepted()), (4, 1), "the new one is not to the slow address");
}
