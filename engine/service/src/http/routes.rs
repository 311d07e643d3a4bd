//! From a request to an answer.

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::body::Answer;
use super::findings::Wanted;
use super::{Site, json, page};
use crate::board::Unwell;
use crate::daemon::{Command, Wish};
use crate::limits::COMMAND_TIME;
use crate::metrics;

/// What a browser may do with anything from here: load scripts, styles and data of this server, and nothing else. No text can become
/// markup or a script, not even by a mistake of the page ("Trusted Types", W3C).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                                       base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The text format of Prometheus, version 0.0.4.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a request.
pub(super) async fn answer(request: Request<Incoming>, site: &Site) -> Response<Answer> {
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => look(&request, site).await,
        Method::POST => wish(&request, site).await,
        _ => not_allowed("GET, HEAD, POST"),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whoever only looks.
async fn look(request: &Request<Incoming>, site: &Site) -> Response<Answer> {
    let path = request.uri().path();
    if let Some((kind, text)) = page::at(path) {
        return whole(StatusCode::OK, kind, text);
    }
    let board = site.wall.read();
    let now = site.clock.now();
    match parts(path).as_slice() {
        ["healthz"] => probe(board.health(Instant::now())),
        ["readyz"] => probe(board.readiness(Instant::now())),
        ["metrics"] => whole(StatusCode::OK, METRICS, metrics::render(&board, now)),
        ["api", "events"] => events(request, site),
        ["api", "jobs"] => value(&json::jobs(site, &board, now).await),
        ["api", "notifications"] => value(&json::notifications(&board, now)),
        ["api", "jobs", name] => match json::job(site, name, now).await {
            Some(job) => value(&job),
            None => not_found(),
        },
        ["api", "runs", run, "summary"] => found(json::summary(&board, run, &site.state_dir).await),
        ["api", "runs", run, "failures"] => {
            let wanted = Wanted::parse(request.uri().query().unwrap_or_default());
            found(json::failures(&board, run, &site.state_dir, wanted).await)
        }
        ["api", "runs", run] => match json::run(&board, run, &site.state_dir).await {
            Ok(Some(report)) => whole(StatusCode::OK, JSON, report),
            Ok(None) => not_found(),
            Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error),
        },
        _ => not_found(),
    }
}

/// Whoever wants something.
async fn wish(request: &Request<Incoming>, site: &Site) -> Response<Answer> {
    let parts = parts(request.uri().path());
    let ["api", "jobs", job, wish] = parts.as_slice() else { return not_found() };
    let wish = match *wish {
        "pause" => Wish::Pause,
        "resume" => Wish::Resume,
        "run" => Wish::Run,
        _ => return not_found(),
    };
    let Some(token) = &site.token else {
        return refusal(StatusCode::FORBIDDEN, "no `token` is configured in [serve], so nobody may change anything");
    };
    if !token.admits(request.headers().get(AUTHORIZATION)) {
        return refusal(StatusCode::FORBIDDEN, "this takes the token of [serve], as `Authorization: Bearer TOKEN`");
    }
    let (sender, receiver) = oneshot::channel();
    let asked = async {
        site.commands.send(Command { job: (*job).to_owned(), wish, answer: sender }).await.ok()?;
        receiver.await.ok()
    };
    match tokio::time::timeout(COMMAND_TIME, asked).await {
        Ok(Some(true)) => value(&json!({"job": job, "done": true})),
        Ok(Some(false)) => not_found(),
        Ok(None) | Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping, or too busy to answer"),
    }
}

fn events(request: &Request<Incoming>, site: &Site) -> Response<Answer> {
    if request.method() == Method::HEAD {
        return whole(StatusCode::OK, "text/event-stream", Bytes::new());
    }
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    match site.wall.events.follow(last) {
        Some(events) => reply(StatusCode::OK, "text/event-stream", Answer::Events(events)),
        None => refusal(StatusCode::SERVICE_UNAVAILABLE, "too many follow the events already"),
    }
}

/// The parts of a path. Names of jobs and runs are plain letters, digits and signs, so nothing is decoded.
fn parts(path: &str) -> Vec<&str> {
    path.strip_prefix('/').unwrap_or(path).split('/').collect()
}

fn probe(state: Result<(), Unwell>) -> Response<Answer> {
    match state {
        Ok(()) => whole(StatusCode::OK, TEXT, "ok\n"),
        Err(unwell) => whole(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{}\n", unwell.words())),
    }
}

fn found(answer: Result<Option<serde_json::Value>, String>) -> Response<Answer> {
    match answer {
        Ok(Some(found)) => value(&found),
        Ok(None) => not_found(),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

fn value(value: &serde_json::Value) -> Response<Answer> {
    whole(StatusCode::OK, JSON, value.to_string())
}

fn refusal(status: StatusCode, error: &str) -> Response<Answer> {
    whole(status, JSON, json!({"error": error}).to_string())
}

fn not_found() -> Response<Answer> {
    refusal(StatusCode::NOT_FOUND, "there is nothing here")
}

fn not_allowed(methods: &'static str) -> Response<Answer> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "this method does nothing here");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn whole(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<Answer> {
    reply(status, content_type, Answer::Whole(Some(text.into())))
}

fn reply(status: StatusCode, content_type: &'static str, answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
