//! Servers, requests and waits that the tests share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use brigade_http::{Body, Resolve, Resolving, Transport, TransportOptions};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Past this a test has failed; nothing waits for it to pass.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs a step that must end by itself.
pub(crate) async fn soon<F: Future>(step: F) -> F::Output {
    tokio::time::timeout(DEADLINE, step).await.expect("the step ends before the deadline")
}

/// A server that is gone when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Gives every accepted socket to `handler`.
pub(crate) fn serve<H, F>(listener: TcpListener, handler: H) -> Server
where
    H: Fn(TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(handler(socket));
        }
    });
    Server { address, accepted, task }
}

pub(crate) async fn raw<H, F>(handler: H) -> Server
where
    H: Fn(TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    serve(listen().await, handler)
}

/// What a well-behaved server saw of one request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: http::request::Parts,
    pub(crate) body: Bytes,
}

/// Speaks HTTP on any stream: reads the whole request, then answers as `answer` says.
pub(crate) async fn speak<S, A>(stream: S, answer: A)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Seen) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(answer(Seen { head, body }))
        }
    });
    // A client that goes away is not this server's failure.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

pub(crate) async fn http<A>(answer: A) -> Server
where
    A: Fn(Seen) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
{
    raw(move |socket| speak(socket, answer.clone())).await
}

pub(crate) fn ok(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::new(Full::new(body.into()))
}

/// Reads a request head from a raw socket, up to and with its empty line.
pub(crate) async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Answers one request with these bytes and leaves the socket open.
pub(crate) async fn answer(socket: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    read_head(socket).await;
    socket.write_all(bytes.as_ref()).await.unwrap();
}

/// Reads until the other side closes, in whatever manner.
pub(crate) async fn wait_closed(socket: &mut TcpStream) {
    let mut sink = [0; 4096];
    while matches!(socket.read(&mut sink).await, Ok(read) if read > 0) {}
}

pub(crate) fn transport(adjust: impl FnOnce(&mut TransportOptions)) -> Transport {
    let mut options = TransportOptions::default();
    adjust(&mut options);
    Transport::new(&options).unwrap()
}

pub(crate) fn plain() -> Transport {
    transport(|_| {})
}

pub(crate) fn get(url: impl AsRef<str>) -> Request<Body> {
    request(Method::GET, url, Body::Empty)
}

pub(crate) fn put(url: impl AsRef<str>, body: impl Into<Body>) -> Request<Body> {
    request(Method::PUT, url, body.into())
}

pub(crate) fn request(method: Method, url: impl AsRef<str>, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(url.as_ref()).body(body).unwrap()
}

/// Sends and reads a small text.
pub(crate) async fn text(transport: &Transport, request: Request<Body>) -> String {
    let response = soon(transport.send(request)).await.unwrap();
    let bytes = soon(response.into_bytes(1 << 20)).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A resolver that knows one answer.
#[derive(Clone, Debug)]
pub(crate) struct Fixed(pub(crate) Vec<SocketAddr>);

impl Resolve for Fixed {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        let addresses = self.0.clone();
        Box::pin(async move { Ok::<_, io::Error>(addresses) })
    }
}
