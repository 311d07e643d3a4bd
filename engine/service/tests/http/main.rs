//! The server over loopback: what it shows, what it refuses, and what it bears.

mod served;

use std::time::Duration;

use brigade_core::Key;
use http::{Method, StatusCode};
use served::{Served, TOKEN, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const JOBS: &str = "[jobs.a]\nsource = \"s3://from/a\"\ntarget = \"gs://to/a\"\nevery = \"1h\"\nrecovery_point = \"2h\"\n\
                    [jobs.b]\nsource = \"s3://from/b\"\ntarget = \"gs://to/b\"\n";

#[tokio::test]
async fn probes_pages_and_unknown_paths_are_answered() {
    let served = Served::start(JOBS, None).await;
    for path in ["/healthz", "/readyz"] {
        let answer = until(|| served.get(path), |answer| answer.status == StatusCode::OK).await;
        assert_eq!(answer.text, "ok\n", "{path}");
    }
    let metrics = served.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(metrics.text.contains("brigade_job_breached{job=\"a\"} 1\n"), "{}", metrics.text);
    let jobs = served.get("/api/jobs").await.json();
    assert_eq!((jobs["schema"].as_str(), jobs["jobs"][0]["job"].as_str()), (Some("brigade.jobs/1"), Some("a")));
    assert_eq!((jobs["jobs"][0]["level"].as_str(), jobs["jobs"][1]["level"].as_str()), (Some("breached"), None));
    assert_eq!((jobs["may_change"].as_bool(), jobs["jobs"][0]["runs"].as_array().map(Vec::len)), (Some(false), Some(0)));
    let job = served.get("/api/jobs/b").await.json();
    assert_eq!((job["schema"].as_str(), job["target"].as_str()), (Some("brigade.job/1"), Some("gs://to/b")));
    for (path, kind) in
        [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/page/dom.js", "text/javascript")]
    {
        let answer = served.get(path).await;
        assert!(answer.status == StatusCode::OK && answer.header("content-type").starts_with(kind) && !answer.text.is_empty(), "{path}");
    }
    for path in ["/api/jobs/none", "/api/runs/none", "/api/runs/..%2F..", "/api/jobs/a/b", "/api", "/api/jobs/", "//", "/metrics/x"] {
        assert_eq!(served.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(served.send(Method::DELETE, "/api/jobs/a", None).await.status, StatusCode::METHOD_NOT_ALLOWED);
    served.end().await;
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_trust_nothing() {
    let served = Served::start(JOBS, None).await;
    for path in ["/", "/page.js", "/healthz", "/metrics", "/api/jobs", "/api/none"] {
        let answer = served.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!((answer.header("x-content-type-options"), answer.header("cache-control")), ("nosniff", "no-store"), "{path}");
    }
    served.end().await;
}

#[tokio::test]
async fn without_a_configured_token_nobody_may_change_anything() {
    let served = Served::start(JOBS, None).await;
    for given in [None, Some(TOKEN), Some("")] {
        let answer = served.send(Method::POST, "/api/jobs/a/run", given).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{given:?}");
    }
    assert_eq!(served.runner.runs().len(), 0);
    served.end().await;
}

#[tokio::test]
async fn whoever_has_the_token_may_pause_resume_and_start() {
    let served = Served::start(JOBS, Some(TOKEN)).await;
    for given in [None, Some("0123456789abcdeX"), Some("")] {
        assert_eq!(served.send(Method::POST, "/api/jobs/a/pause", given).await.status, StatusCode::FORBIDDEN, "{given:?}");
    }
    let paused = || async { served.get("/api/jobs/a").await.json()["paused"].as_bool() };
    assert_eq!(paused().await, Some(false));
    assert_eq!(served.get("/api/jobs/a").await.json()["may_change"], true);
    assert_eq!(served.send(Method::POST, "/api/jobs/a/pause", Some(TOKEN)).await.status, StatusCode::OK);
    until(paused, |paused| *paused == Some(true)).await;
    assert_eq!(served.send(Method::POST, "/api/jobs/a/resume", Some(TOKEN)).await.status, StatusCode::OK);
    until(paused, |paused| *paused == Some(false)).await;
    assert_eq!(served.send(Method::POST, "/api/jobs/none/run", Some(TOKEN)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.send(Method::POST, "/api/jobs/a/burn", Some(TOKEN)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/api/jobs/a/run").await.status, StatusCode::NOT_FOUND, "looking starts nothing");
    assert_eq!(served.send(Method::POST, "/api/jobs/b/run", Some(TOKEN)).await.status, StatusCode::OK);
    until(|| async { served.runner.runs() }, |runs| runs.len() == 1).await;
    assert_eq!(served.runner.runs()[0].0, "b");
    served.end().await;
}

#[tokio::test]
async fn a_run_under_way_is_shown_with_hostile_keys_as_strings() {
    let served = Served::start(JOBS, Some(TOKEN)).await;
    served.runner.hold();
    assert_eq!(served.send(Method::POST, "/api/jobs/b/run", Some(TOKEN)).await.status, StatusCode::OK);
    until(|| async { served.runner.runs() }, |runs| runs.len() == 1).await;
    let run = served.runner.runs()[0].1.clone();
    let path = format!("/api/runs/{run}");
    let answer = until(|| served.get(&path), |answer| answer.status == StatusCode::OK).await;
    let shown = answer.json();
    assert_eq!((shown["job"].as_str(), shown["progress"]["objects"]["failed"].as_u64()), (Some("b"), Some(1)));
    assert_eq!(shown["failed"][0]["key"].as_str(), Some(Key::from(served::HOSTILE).to_string().as_str()));
    assert_eq!(answer.header("content-type"), "application/json");
    let summary = served.get(&format!("{path}/summary")).await.json();
    assert_eq!((summary["job"].as_str(), summary["progress"]["run"].as_str()), (Some("b"), Some(run.as_str())));
    assert_eq!(summary["progress"]["moved"][0], serde_json::json!([0, 0]));
    let group = &summary["failures"][0];
    assert_eq!((group["status"].as_str(), group["kind"].as_str(), group["objects"].as_u64()), (Some("failed"), Some("denied"), Some(1)));
    assert_eq!(group["first"][0]["key"], shown["failed"][0]["key"]);
    let metrics = served.get("/metrics").await.text;
    assert!(!metrics.contains("onerror") && metrics.contains("brigade_job_objects_total{job=\"b\",result=\"failed\"} 1\n"), "{metrics}");
    served.runner.release();
    until(|| served.get("/api/jobs/b"), |answer| answer.json()["running"].is_null()).await;
    let gone = served.get(&path).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "this runner keeps no reports");
    served.end().await;
}

#[tokio::test]
async fn a_kept_report_is_shown_as_it_stands() {
    let served = Served::start(JOBS, None).await;
    let directory = served.state().join("jobs/ab/reports");
    std::fs::create_dir_all(&directory).expect("made");
    std::fs::write(directory.join("01RUN.json"), "{\"schema\":\"brigade.report/1\"}").expect("written");
    assert_eq!(served.get("/api/runs/01RUN").await.text, "{\"schema\":\"brigade.report/1\"}");
    std::fs::write(directory.join("01LONG.json"), vec![b' '; 8 * 1024 * 1024 + 1]).expect("written");
    let long = served.get("/api/runs/01LONG").await;
    assert_eq!((long.status, long.text.contains("brigade report")), (StatusCode::INTERNAL_SERVER_ERROR, true));
    served.end().await;
}

#[tokio::test]
async fn failures_of_a_kept_report_are_counted_by_kind_and_sent_in_slices() {
    let served = Served::start(JOBS, None).await;
    let directory = served.state().join("jobs/ab/reports");
    std::fs::create_dir_all(&directory).expect("made");
    let line = |number| format!("{{\"key\":\"k{number}\",\"status\":\"failed\",\"kind\":\"denied\",\"message\":\"no\",\"hint\":\"ask\"}}");
    let lines: Vec<String> = (0..250).map(line).collect();
    let text = format!("{{\"schema\":\"brigade.report/1\",\"failures\":[\n{}]}}\n", lines.join(",\n"));
    std::fs::write(directory.join("01RUN.json"), text).expect("written");
    let summary = served.get("/api/runs/01RUN/summary").await.json();
    assert_eq!((summary["report"]["schema"].as_str(), summary["failures"][0]["objects"].as_u64()), (Some("brigade.report/1"), Some(250)));
    let slice = |from| format!("/api/runs/01RUN/failures?status=failed&kind=denied&from={from}");
    for (from, first, many) in [(0, "k0", 100), (200, "k200", 50)] {
        let answer = served.get(&slice(from)).await.json();
        assert_eq!(answer["failures"][0]["key"].as_str(), Some(first));
        assert_eq!(answer["failures"].as_array().map(Vec::len), Some(many));
    }
    for path in ["/api/runs/01NONE/summary", "/api/runs/01NONE/failures", "/api/runs/..%2F01RUN/summary", "/api/runs/01RUN/else"] {
        assert_eq!(served.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    std::fs::write(directory.join("01RUN.json"), "{\"schema\"").expect("written");
    assert_eq!(served.get("/api/runs/01RUN/summary").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    served.end().await;
}

#[tokio::test]
async fn events_come_as_they_happen_and_a_reader_that_returns_misses_none() {
    let served = Served::start(JOBS, Some(TOKEN)).await;
    let mut reader = served.follow(None).await;
    assert_eq!(served.send(Method::POST, "/api/jobs/b/run", Some(TOKEN)).await.status, StatusCode::OK);
    let text = reader.read_until("event: ended").await;
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).filter(|name| *name != "progress").collect();
    assert_eq!(names, ["asked", "started", "ended"]);
    let second = text.lines().filter_map(|line| line.strip_prefix("id: ")).nth(1).expect("a number").to_owned();
    drop(reader);
    let mut again = served.follow(Some(&second)).await;
    let text = again.read_until("event: ended").await;
    assert!(!text.contains("event: asked") && !text.contains("event: started"), "{text}");
    served.end().await;
}

#[tokio::test]
async fn a_stop_ends_those_who_follow_and_frees_the_address() {
    let served = Served::start(JOBS, None).await;
    let address = served.address;
    let mut reader = served.follow(None).await;
    served.end().await;
    reader.read_to_end().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_others_are_served() {
    let served = Served::start(JOBS, None).await;
    for head in [format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(20_000)), many_headers(), "garbage\r\n\r\n".to_owned()] {
        let mut stream = TcpStream::connect(served.address).await.expect("a connection");
        // The server may close before it has read everything.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // Connections that say nothing take places, and give them back when they leave.
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(served.address).await.expect("a connection"));
    }
    let mut refused = TcpStream::connect(served.address).await.expect("the backlog takes it");
    let mut nothing = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), refused.read_to_end(&mut nothing)).await;
    assert!(closed.is_ok() && nothing.is_empty(), "there is no place for it");
    drop(silent);
    until(|| served.try_get("/healthz"), |answer| answer.as_ref().is_some_and(|answer| answer.status == StatusCode::OK)).await;
    served.end().await;
}

fn many_headers() -> String {
    let headers: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n")
}
