//! One name, several addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use brigade_http::Kind;
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
