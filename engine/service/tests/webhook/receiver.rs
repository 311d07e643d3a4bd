//! A receiver of notifications on loopback, as somebody would write it who has only read the documentation, and a service that
//! notifies it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use brigade_config::Config;
use brigade_core::report::RunOutcome;
use brigade_service::{Ended, HttpOptions, Notifier, Order, Runner, Service, Setup, Signal, SystemClock, Token};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

/// The key of the signatures here.
pub(crate) const SECRET: &str = "a secret of this test only";

const TOKEN: &str = "0123456789abcdef";

/// How long something that must happen may take: more than a hang and two pauses.
const WITHIN: Duration = Duration::from_secs(40);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let looked = async {
        while !is_so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(WITHIN, looked).await.is_ok(), "{what}: not in time");
}

/// What the receiver says.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    /// A status, and header lines, each with its end.
    Says(u16, &'static str),
    /// Nothing, and it keeps the connection.
    Hangs,
}

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) at: Instant,
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Letter {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The signature as RFC 2104 defines it, computed here from nothing but the hash.
    pub(crate) fn signature(&self, secret: &str) -> String {
        let mut block = [0_u8; 64];
        block[..secret.len()].copy_from_slice(secret.as_bytes());
        let message = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
        let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
        format!("v1,{}", BASE64.encode(outer))
    }
}

#[derive(Default)]
struct Inside {
    letters: Mutex<Vec<Letter>>,
    replies: Mutex<VecDeque<Reply>>,
}

/// The receiver. It ends when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
    _server: AbortOnDropHandle<()>,
}

impl Receiver {
    /// Answers so, and then always with 204.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), replies).await
    }

    pub(crate) async fn at(address: SocketAddr, replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind(address).await.expect("free");
        let address = listener.local_addr().expect("it listens");
        let inside = Arc::new(Inside { letters: Mutex::default(), replies: Mutex::new(replies.into_iter().collect()) });
        let own = inside.clone();
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(take(stream, own.clone()));
            }
        });
        Self { address, inside, _server: AbortOnDropHandle::new(server) }
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.inside.letters.lock().clone()
    }

    /// All, when there are so many.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Letter> {
        until(&format!("{count} notifications arrive"), async || self.letters().len() >= count).await;
        self.letters()
    }
}

async fn take(mut stream: TcpStream, inside: Arc<Inside>) {
    let mut bytes = Vec::new();
    let letter = loop {
        if let Some(letter) = parse(&bytes) {
            break letter;
        }
        if stream.read_buf(&mut bytes).await.is_ok_and(|count| count == 0) {
            return;
        }
    };
    inside.letters.lock().push(letter);
    let reply = inside.replies.lock().pop_front().unwrap_or(Reply::Says(204, ""));
    match reply {
        Reply::Says(status, headers) => {
            let answer = format!("HTTP/1.1 {status} Words\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("somebody reads");
        }
        // Until the other side goes.
        Reply::Hangs => while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {},
    }
}

/// A whole request.
fn parse(bytes: &[u8]) -> Option<Letter> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let path = lines.next()?.strip_prefix("POST ")?.split(' ').next()?.to_owned();
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<String, String> = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    (body.len() == length).then(|| Letter { at: Instant::now(), path, headers, body: body.to_owned() })
}

/// Runs that end as a test says.
pub(crate) struct Ends {
    how: Mutex<(RunOutcome, Option<String>)>,
}

#[async_trait]
impl Runner for Ends {
    async fn run(&self, _: Order) -> Ended {
        let (outcome, message) = self.how.lock().clone();
        Ended { outcome, message }
    }
}

/// A service with one job, `daily`.
pub(crate) struct Notifying {
    address: SocketAddr,
    runner: Arc<Ends>,
    signals: mpsc::Sender<Signal>,
    task: JoinHandle<()>,
}

impl Notifying {
    /// Notifies `$HOOK` with `$SECRET`, by default of everything.
    pub(crate) async fn start(state: &Path, hook: &str, keys: &str) -> Self {
        let text = format!(
            "[notifications]\nurl = \"${{HOOK}}\"\nsecret = \"${{SECRET}}\"\n{keys}\n[jobs.daily]\nsource = \"s3://from/a\"\ntarget = \"gs://to/a\"\n"
        );
        let config = Config::parse(&text).expect("understood");
        let (again, hook) = (config.clone(), hook.to_owned());
        let runner = Arc::new(Ends { how: Mutex::new((RunOutcome::Failed, Some("denied".to_owned()))) });
        let setup = Setup {
            config,
            load: Box::new(move || Ok(again.clone())),
            variable: Box::new(move |name| match name {
                "HOOK" => Some(hook.clone()),
                "SECRET" => Some(SECRET.to_owned()),
                _ => None,
            }),
            state_dir: state.to_owned(),
            clock: Arc::new(SystemClock),
            runner: runner.clone(),
            notifier: Notifier::default(),
            http: HttpOptions { listen: "127.0.0.1:0".parse().expect("an address"), token: Token::new(TOKEN).ok() },
        };
        let service = Service::open(setup).await.expect("it opens");
        let address = service.address().expect("it listens");
        let (signals, receiver) = mpsc::channel(1);
        Self { address, runner, signals, task: tokio::spawn(service.run(receiver)) }
    }

    /// Runs the job, which ends so, and waits until it has.
    pub(crate) async fn run(&self, outcome: RunOutcome, message: &str) {
        *self.runner.how.lock() = (outcome, Some(message.to_owned()));
        let ended = async || self.text("GET", "/api/jobs/daily").await.matches("\"event\":\"ended\"").count();
        let before = ended().await;
        assert!(self.text("POST", "/api/jobs/daily/run").await.contains("200 OK"));
        until("the run ends", async || ended().await > before).await;
    }

    /// How the notifications stand.
    pub(crate) async fn notifications(&self) -> Value {
        let answer = self.text("GET", "/api/notifications").await;
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    }

    pub(crate) async fn text(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn end(self) {
        self.signals.send(Signal::Stop).await.expect("it lives");
        tokio::time::timeout(WITHIN, self.task).await.expect("in time").expect("without a panic");
    }
}
