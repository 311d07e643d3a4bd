//! Through a proxy: a tunnel for https, absolute targets for http.

use std::sync::Arc;

use brigade_http::{Kind, ProxyOptions, TransportOptions};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use crate::support::{Fixed, Server, get, http, ok, plain, put, raw, soon, text, transport, wait_closed};
use crate::tls::Authority;

/// Heads that a proxy was given.
type Heads = Arc<Mutex<Vec<String>>>;

async fn head_of<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Answers CONNECT with a tunnel to `target`, whatever name was asked for, and anything else by itself.
async fn relay<S: AsyncRead + AsyncWrite + Unpin>(mut client: S, target: std::net::SocketAddr, heads: Heads) {
    loop {
        let head = head_of(&mut client).await;
        let tunnel = head.starts_with("CONNECT ");
        heads.lock().push(head);
        if tunnel {
            let mut server = TcpStream::connect(target).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nproxied").await.unwrap();
    }
}

async fn proxy(target: &Server) -> (Server, Heads) {
    let heads = Heads::default();
    let (log, target) = (Arc::clone(&heads), target.address);
    (raw(move |socket| relay(socket, target, Arc::clone(&log))).await, heads)
}

fn via(url: String) -> ProxyOptions {
    ProxyOptions { all: Some(url), ..ProxyOptions::default() }
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_stays_end_to_end() {
    let authority = Authority::new();
    let server = authority.server("store.example").await;
    let (proxy, heads) = proxy(&server).await;
    let transport = transport(|options| {
        options.extra_ca_bundle = Some(authority.bundle.path().to_owned());
        options.proxy = via(format!("http://user:p%40ss@{}", proxy.address));
    });
    for _ in 0..2 {
        assert_eq!(text(&transport, put("https://store.example/k?sig=secret", b"through".to_vec())).await, "through");
    }
    let heads = heads.lock();
    assert_eq!(heads.len(), 1, "the tunnel is kept: {heads:?}");
    let head = heads[0].to_ascii_lowercase();
    assert!(head.starts_with("connect store.example:443 http/1.1\r\n") && head.contains("host: store.example:443\r\n"), "{head}");
    assert!(heads[0].contains("Basic dXNlcjpwQHNz"), "{head}");
    assert!(!head.contains("secret"), "what is inside of the tunnel is not the proxy's: {head}");
}

#[tokio::test]
async fn an_https_proxy_is_spoken_to_in_tls() {
    let authority = Authority::new();
    let server = authority.server("store.example").await;
    let heads = Heads::default();
    let (log, target, acceptor) = (Arc::clone(&heads), server.address, authority.acceptor("proxy.example"));
    let proxy = raw(move |socket| {
        let (log, acceptor) = (Arc::clone(&log), acceptor.clone());
        async move { relay(acceptor.accept(socket).await.unwrap(), target, log).await }
    })
    .await;
    let transport = transport(|options| {
        options.extra_ca_bundle = Some(authority.bundle.path().to_owned());
        options.resolver = Arc::new(Fixed(vec![proxy.address]));
        options.proxy = via("https://proxy.example:8443".into());
    });
    assert_eq!(text(&transport, put("https://store.example/", b"twice wrapped".to_vec())).await, "twice wrapped");
    assert!(heads.lock()[0].starts_with("CONNECT store.example:443 "));
}

#[tokio::test]
async fn http_is_forwarded_with_an_absolute_target_byte_for_byte() {
    let server = http(|_| ok("direct")).await;
    let (proxy, heads) = proxy(&server).await;
    let transport = transport(|options| {
        options.proxy = ProxyOptions { http: Some(format!("http://user:word@{}", proxy.address)), ..ProxyOptions::default() };
    });
    for path in ["/a/../b?x=%2F", "//c"] {
        assert_eq!(text(&transport, get(format!("http://store.example:81{path}"))).await, "proxied");
    }
    let heads = heads.lock();
    assert!(heads[0].starts_with("GET http://store.example:81/a/../b?x=%2F HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("GET http://store.example:81//c HTTP/1.1\r\n"), "{}", heads[1]);
    assert!(heads.iter().all(|head| head.contains("Basic dXNlcjp3b3Jk") && head.contains("host: store.example:81\r\n")));
    assert_eq!((proxy.accepted(), server.accepted()), (1, 0));
}

#[tokio::test]
async fn loopback_and_exempt_names_go_direct() {
    let server = http(|seen| ok(seen.head.uri.to_string())).await;
    let (proxy, _) = proxy(&server).await;
    let transport = transport(|options| {
        options.resolver = Arc::new(Fixed(vec![server.address]));
        options.proxy = ProxyOptions { no: Some(".internal.example".into()), ..via(format!("http://{}", proxy.address)) };
    });
    assert_eq!(text(&transport, get(server.url("/loopback"))).await, "/loopback");
    assert_eq!(text(&transport, get("http://store.internal.example/exempt")).await, "/exempt");
    assert_eq!(proxy.accepted(), 0);
}

#[tokio::test]
async fn a_refusing_proxy_is_named_and_its_password_is_not() {
    for (status, told) in [("407 Proxy Authentication Required", "wants other credentials"), ("403 Forbidden", "refused a tunnel")] {
        let proxy = raw(move |mut socket| async move {
            head_of(&mut socket).await;
            socket.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.unwrap();
            wait_closed(&mut socket).await;
        })
        .await;
        let transport = transport(|options| options.proxy = via(format!("http://user:hunter2@{}", proxy.address)));
        let error = soon(transport.send(get("https://store.example/"))).await.unwrap_err();
        assert_eq!((error.kind(), error.ambiguous()), (Kind::Proxy, false));
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(told) && !shown.contains("hunter2") && shown.contains(&proxy.address.to_string()), "{shown}");
    }
}

#[tokio::test]
async fn a_proxy_out_of_reach_is_the_proxys_failure() {
    let gone = raw(|_| async {}).await.address;
    let listener = crate::support::listen().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_ne!(gone, address);
    let transport = transport(|options| options.proxy = via(format!("http://{address}")));
    let error = soon(transport.send(get("http://store.example/"))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Proxy);
    assert!(error.to_string().contains(&format!("cannot connect to {address}")), "{error}");
}

#[tokio::test]
async fn variables_are_enough_to_use_a_proxy() {
    let server = http(|_| ok("direct")).await;
    let (proxy, _) = proxy(&server).await;
    let url = format!("http://{}", proxy.address);
    let options = TransportOptions::from_variables(|name| (name == "ALL_PROXY").then(|| url.clone().into()));
    let transport = brigade_http::Transport::new(&options).unwrap();
    assert_eq!(text(&transport, get("http://store.example/")).await, "proxied");
    assert_eq!(text(&plain(), get(server.url("/"))).await, "direct");
}
