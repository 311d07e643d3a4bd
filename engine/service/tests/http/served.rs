//! A service on loopback with a runner that does nothing, and a small client.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use brigade_config::Config;
use brigade_core::event::Event;
use brigade_core::outcome::{Done, Failure, Outcome};
use brigade_core::report::RunOutcome;
use brigade_core::{ErrorKind, Key};
use brigade_service::{Ended, HttpOptions, Notifier, Order, Runner, Service, Setup, Signal, SystemClock, Token};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The token of the services here.
pub(crate) const TOKEN: &str = "0123456789abcdef";

/// A key that would do harm as markup.
pub(crate) const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}\"\n";

/// How long something that must happen may take.
const WITHIN: Duration = Duration::from_secs(20);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Asks again until the answer is the one that must come.
pub(crate) async fn until<T, F: Future<Output = T>>(ask: impl Fn() -> F, is_it: impl Fn(&T) -> bool) -> T {
    let asked = async {
        loop {
            let answer = ask().await;
            if is_it(&answer) {
                return answer;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(WITHIN, asked).await.expect("it happens in time")
}

/// A runner that notes what it runs, shows one failure, and ends when it may.
pub(crate) struct Quick {
    runs: Mutex<Vec<(String, String)>>,
    held: watch::Sender<bool>,
}

impl Quick {
    /// Jobs and runs, in their order.
    pub(crate) fn runs(&self) -> Vec<(String, String)> {
        self.runs.lock().clone()
    }

    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }
}

#[async_trait]
impl Runner for Quick {
    async fn run(&self, order: Order) -> Ended {
        let failure = Failure { kind: ErrorKind::Denied, message: "no <b>right</b>".into() };
        order.observer.observe(&Event::Decided(&Outcome { key: Key::from(HOSTILE), size: 1, result: Done::Failed(failure) }));
        self.runs.lock().push((order.job.clone(), order.run.clone()));
        let mut held = self.held.subscribe();
        tokio::select! {
            _ = held.wait_for(|held| !held) => {}
            () = order.stop.cancelled() => {}
        }
        Ended { outcome: RunOutcome::Done, message: None }
    }
}

/// A service that is served.
pub(crate) struct Served {
    directory: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) runner: Arc<Quick>,
    signals: mpsc::Sender<Signal>,
    task: JoinHandle<()>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl Served {
    pub(crate) async fn start(configuration: &str, token: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let runner = Arc::new(Quick { runs: Mutex::default(), held: watch::channel(false).0 });
        let config = Config::parse(configuration).expect("understood");
        let again = config.clone();
        let service = Service::open(Setup {
            config,
            load: Box::new(move || Ok(again.clone())),
            variable: Box::new(|_| None),
            state_dir: directory.path().to_owned(),
            clock: Arc::new(SystemClock),
            runner: runner.clone(),
            notifier: Notifier::default(),
            http: HttpOptions {
                listen: "127.0.0.1:0".parse().expect("an address"),
                token: token.map(|token| Token::new(token).expect("long enough")),
            },
        });
        let service = service.await.expect("it opens");
        let address = service.address().expect("it listens");
        let (signals, receiver) = mpsc::channel(1);
        let task = tokio::spawn(service.run(receiver));
        let served = Self { directory, address, runner, signals, task };
        until(|| served.get("/readyz"), |answer| answer.status == StatusCode::OK).await;
        served
    }

    pub(crate) fn state(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, token: Option<&str>) -> Answer {
        self.try_send(method, path, token).await.expect("an answer")
    }

    /// None where there was no place for the connection.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Answer> {
        self.try_send(Method::GET, path, None).await
    }

    async fn try_send(&self, method: Method, path: &str, token: Option<&str>) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("host", "brigade");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = connect(self.address, request.body(Empty::new()).expect("a request")).await?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Some(Answer { status: head.status, headers: head.headers, text })
    }

    /// Follows the events after one of them.
    pub(crate) async fn follow(&self, after: Option<&str>) -> Reader {
        let mut request = Request::builder().uri("/api/events").header("host", "brigade");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = connect(self.address, request.body(Empty::new()).expect("a request")).await.expect("an answer");
        assert_eq!(response.headers().get("content-type").map(|value| value.as_bytes()), Some(b"text/event-stream".as_slice()));
        Reader { body: response.into_body(), text: String::new() }
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn end(self) {
        self.signals.send(Signal::Stop).await.expect("it lives");
        tokio::time::timeout(WITHIN, self.task).await.expect("in time").expect("without a panic");
    }
}

async fn connect(address: SocketAddr, request: Request<Empty<Bytes>>) -> Option<http::Response<Incoming>> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    sender.send_request(request).await.ok()
}

/// Somebody who follows the events.
pub(crate) struct Reader {
    body: Incoming,
    text: String,
}

impl Reader {
    /// Everything through the event that has these words.
    pub(crate) async fn read_until(&mut self, words: &str) -> String {
        let read = async {
            while !self.text.split("\n\n").any(|event| event.contains(words)) || !self.text.ends_with("\n\n") {
                let frame = self.body.frame().await.expect("more").expect("whole");
                self.text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
            }
        };
        tokio::time::timeout(WITHIN, read).await.expect("in time");
        self.text.clone()
    }

    /// Until the server ends it.
    pub(crate) async fn read_to_end(&mut self) {
        let read = async { while self.body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
        tokio::time::timeout(WITHIN, read).await.expect("in time");
    }
}
