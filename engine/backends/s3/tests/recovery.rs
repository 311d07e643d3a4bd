//! What a refusal teaches: another region, new credentials, another clock; each by both engines, against a scripted server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use brigade_core::{ErrorKind, Key, KeyRange};
use brigade_http::{Transport, TransportOptions};
use brigade_lab::s3::{S3Options as LabOptions, S3Server};
use brigade_lab::server::Server;
use brigade_lab::world::World;
use brigade_s3::{Engine, S3Options, S3Store, StaticCredentials};
use brigade_store::{List, Probe, ProbeFor};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use parking_lot::Mutex;

const ENGINES: [Engine; 2] = [Engine::Lean, Engine::Sdk];

const EMPTY_PAGE: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

fn given(id: &str, secret: &str) -> StaticCredentials {
    StaticCredentials { access_key_id: id.to_owned(), secret_access_key: secret.into(), session_token: None }
}

async fn connect(url: &str, engine: Engine, change: impl FnOnce(&mut S3Options)) -> S3Store {
    let mut options = S3Options {
        endpoint_url: Some(url.to_owned()),
        region: Some("us-east-1".to_owned()),
        credentials: Some(given("LABACCESSKEY", "lab-secret-key")),
        engine,
        ..S3Options::new("bucket", "")
    };
    change(&mut options);
    let transport = Transport::new(&TransportOptions::default()).expect("default options are good");
    S3Store::connect(options, transport).await.expect("the options are good")
}

type Answer = Response<Full<bytes::Bytes>>;

/// A server that answers by a script and keeps the `authorization` and `x-amz-date` of each request.
struct Scripted {
    server: Server,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Scripted {
    async fn start(script: impl Fn(usize, &Request<Incoming>) -> Answer + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let script = Arc::new(script);
        let kept = seen.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let header = |name: &str| request.headers().get(name).map_or(String::new(), |value| value.to_str().expect("text").to_owned());
            let number = {
                let mut kept = kept.lock();
                kept.push((header("authorization"), header("x-amz-date")));
                kept.len()
            };
            let answer = script(number, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        Self { server: Server::start(0, service).await.expect("a free port"), seen }
    }

    fn count(&self) -> usize {
        self.seen.lock().len()
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::from(body.to_owned())).expect("a response")
}

fn refusal(status: u16, headers: &[(&str, &str)], code: &str) -> Answer {
    answer(status, headers, &format!("<Error><Code>{code}</Code><Message>no</Message></Error>"))
}

async fn list(store: &S3Store) -> Result<usize, ErrorKind> {
    let page = store.list(&KeyRange::all()).next().await.map_err(|error| error.kind)?;
    Ok(page.map_or(0, |page| page.len()))
}

#[tokio::test]
async fn the_right_region_is_learned_from_a_real_dialect_once() {
    for engine in ENGINES {
        let world = World::new();
        world.seed("bucket", "a", b"x").expect("seeded");
        let server =
            S3Server::start(world, LabOptions { region: "eu-west-1".to_owned(), ..LabOptions::default() }).await.expect("a free port");
        let store = connect(&server.url(), engine, |_| {}).await;
        assert_eq!(list(&store).await, Ok(1), "{engine:?}");
        assert_eq!(store.region(), "eu-west-1");
        store.head(&Key::from("a")).await.expect("asked in the right region at once");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_redirect_is_followed_by_region_and_only_once() {
    for engine in ENGINES {
        let server = Scripted::start(|_, request| {
            let signed_for = request.headers()["authorization"].to_str().expect("text").to_owned();
            if signed_for.contains("/ap-south-1/") {
                return answer(200, &[], EMPTY_PAGE);
            }
            refusal(301, &[("x-amz-bucket-region", "ap-south-1")], "PermanentRedirect")
        })
        .await;
        let store = connect(&server.server.url(), engine, |_| {}).await;
        assert_eq!((list(&store).await, server.count()), (Ok(0), 2), "{engine:?}");
        assert_eq!((list(&store).await, server.count()), (Ok(0), 3), "{engine:?}: the region is remembered");

        let circle = Scripted::start(|number, _| {
            let region = if number % 2 == 0 { "us-east-1" } else { "eu-west-1" };
            refusal(307, &[("x-amz-bucket-region", region)], "TemporaryRedirect")
        })
        .await;
        let store = connect(&circle.server.url(), engine, |_| {}).await;
        assert_eq!((list(&store).await, circle.count()), (Err(ErrorKind::Invalid), 2), "{engine:?}");
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    for engine in ENGINES {
        let server = Scripted::start(|number, _| match number {
            1 => refusal(400, &[], "ExpiredToken"),
            _ => answer(200, &[], EMPTY_PAGE),
        })
        .await;
        let store = connect(&server.server.url(), engine, |_| {}).await;
        assert_eq!((list(&store).await, server.count()), (Ok(0), 2), "{engine:?}");

        let never = Scripted::start(|_, _| refusal(403, &[], "InvalidToken")).await;
        let store = connect(&never.server.url(), engine, |_| {}).await;
        assert_eq!((list(&store).await, never.count()), (Err(ErrorKind::Credentials), 2), "{engine:?}");
    }
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_servers() {
    for engine in ENGINES {
        let ahead = SystemTime::now() + Duration::from_secs(7 * 86_400);
        let day = jiff::Timestamp::try_from(ahead).expect("a moment").strftime("%Y%m%d").to_string();
        let date = httpdate::fmt_http_date(ahead);
        let server = Scripted::start(move |_, request| {
            if request.headers()["x-amz-date"].to_str().expect("text").starts_with(&day) {
                return answer(200, &[("date", &date)], EMPTY_PAGE);
            }
            refusal(403, &[("date", &date)], "RequestTimeTooSkewed")
        })
        .await;
        let store = connect(&server.server.url(), engine, |_| {}).await;
        assert_eq!(list(&store).await, Err(ErrorKind::ClockSkew), "{engine:?}");
        assert_eq!((list(&store).await, server.count()), (Ok(0), 2), "{engine:?}");
    }
}

#[tokio::test]
async fn anonymous_requests_are_not_signed() {
    for engine in ENGINES {
        let server = Scripted::start(|_, _| answer(200, &[], EMPTY_PAGE)).await;
        let anonymous = |options: &mut S3Options| (options.anonymous, options.credentials) = (true, None);
        let store = connect(&server.server.url(), engine, anonymous).await;
        assert_eq!(list(&store).await, Ok(0), "{engine:?}");
        assert_eq!(server.seen.lock().as_slice(), [(String::new(), String::new())], "{engine:?}");
    }
}

#[tokio::test]
async fn p03_a_listing_that_breaks_its_promises_is_an_error() {
    let entry = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size><ETag>e</ETag></Contents>");
    let page = |inner: String| format!("<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>");
    let again = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    let broken = [
        page(entry("p/b") + &entry("p/a")),
        page(entry("p/a") + &entry("p/a")),
        page(entry("elsewhere")),
        again.to_owned(),
        "<Error><Code>Odd</Code></Error>".to_owned(),
        String::new(),
        page(entry("p/a")).replace("</ListBucketResult>", ""),
    ];
    for body in broken {
        for engine in ENGINES {
            let sent = body.clone();
            let server = Scripted::start(move |_, _| answer(200, &[], &sent)).await;
            let store = connect(&server.server.url(), engine, |options| options.prefix = "p/".to_owned()).await;
            let seen = list(&store).await;
            assert!(seen.is_err(), "{engine:?} {body}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_probe_tells_a_missing_bucket_from_a_missing_right_and_from_bad_credentials() {
    for engine in ENGINES {
        let server = S3Server::start(World::new(), LabOptions::default()).await.expect("a free port");
        let store = connect(&server.url(), engine, |_| {}).await;
        let error = store.probe(ProbeFor::Read).await.expect_err("there is no bucket");
        assert_eq!(error.kind, ErrorKind::BucketMissing, "{engine:?}: {error}");
        server.world().ensure_bucket("bucket");
        store.probe(ProbeFor::Read).await.expect("there is one now");
        let wrong = connect(&server.url(), engine, |options| options.credentials = Some(given("LABACCESSKEY", "guess"))).await;
        let error = wrong.probe(ProbeFor::Read).await.expect_err("the secret is wrong");
        assert_eq!(error.kind, ErrorKind::Credentials, "{engine:?}: {error}");
        assert!(!format!("{error:?}").contains("guess"));
        server.stop().await;

        let denying = Scripted::start(|_, _| refusal(403, &[], "AccessDenied")).await;
        let store = connect(&denying.server.url(), engine, |_| {}).await;
        let facts = store.probe(ProbeFor::Read).await.expect("a missing right is a finding");
        assert_eq!(facts.missing_rights, ["s3:ListBucket"], "{engine:?}");
    }
}
