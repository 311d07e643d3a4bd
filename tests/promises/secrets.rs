//! p11: no secret reaches a log, an error, an event or a file, however much is asked to be said and whatever goes wrong.

use std::path::Path;

use brigade_lab::fault::{Action, Occurrence, Op, Rule};

use crate::setting::{Pair, SAMPLE, SMALL, Setting};
use crate::support::Lab;

/// A session token as the environment gives it.
const SESSION_TOKEN: &str = "TokenThatNobodyMaySee0123456789abcdef";

/// A secret key that the server does not know.
const WRONG_SECRET: &str = "WrongSecretThatNobodyMaySee0123456789";

/// Fails with the place of the first secret that is found.
#[track_caller]
fn keeps_secrets(place: &str, bytes: &[u8], secrets: &[&str]) {
    for secret in secrets {
        if let Some(at) = bytes.windows(secret.len()).position(|window| window == secret.as_bytes()) {
            let around = &bytes[at.saturating_sub(300)..(at + secret.len() + 50).min(bytes.len())];
            panic!("{place} says the secret: ...{}...", String::from_utf8_lossy(around));
        }
    }
}

/// Everything that the run wrote; the configuration is the test's own.
#[track_caller]
fn files_keep_secrets(directory: &Path, secrets: &[&str]) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_keep_secrets(&path, secrets);
        } else if path.file_name().is_none_or(|name| name != "brigade.toml") {
            keeps_secrets(&path.display().to_string(), &std::fs::read(&path).unwrap(), secrets);
        }
    }
}

struct Case<'a> {
    pair: Pair,
    engine: &'a str,
    format: &'a str,
    secret: Option<&'a str>,
    code: i32,
}

async fn run(case: Case<'_>) {
    let setting = Setting::sample(case.pair).await;
    for world in [setting.source(), setting.target()] {
        world.faults().add(Rule::new(&[Op::Get, Op::Put, Op::PutPart], Action::SLOW_DOWN).glob(SAMPLE).when(Occurrence::FirstPerKey(1)));
        world.faults().add(Rule::new(&[Op::CompleteUpload], Action::ResetAfter).glob(SAMPLE).once());
    }
    setting.in_source_fault(Rule::new(&[Op::Get], Action::ACCESS_DENIED).key(SMALL));
    let known = setting.lab.s3.options().secret_key.clone();
    let secret = case.secret.unwrap_or(&known);
    let path = |name: &str| setting.lab.path(name).display().to_string();
    let [source, target] = setting.places();
    let (report, events) = (path("report.json"), path("events.jsonl"));
    let arguments = [
        "copy",
        source,
        target,
        "-vvv",
        "--log-format",
        case.format,
        "--report",
        &report,
        "--events",
        &events,
        "--part-size",
        "5M",
        "--json",
        "--s3-engine",
        case.engine,
    ];
    let output = setting
        .lab
        .command(&arguments)
        .env("LAB_AWS_SECRET_ACCESS_KEY", secret)
        .env("LAB_AWS_SESSION_TOKEN", SESSION_TOKEN)
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(case.code), "{}", &stderr[stderr.len().saturating_sub(3_000)..]);
    assert!(output.stderr.len() > 2_000, "-vvv says much: {} bytes", output.stderr.len());
    let secrets = [secret, SESSION_TOKEN];
    keeps_secrets("standard output", &output.stdout, &secrets);
    keeps_secrets("standard error", &output.stderr, &secrets);
    files_keep_secrets(setting.lab.directory.path(), &secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_the_most_talkative_run_says_no_secret() {
    for (pair, engine, format) in [(Pair::S3ToS3, "lean", "json"), (Pair::S3ToGcs, "lean", "text"), (Pair::GcsToS3, "lean", "json")] {
        run(Case { pair, engine, format, secret: None, code: 1 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_the_sdk_engine_says_no_secret() {
    run(Case { pair: Pair::S3ToS3, engine: "sdk", format: "json", secret: None, code: 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_a_refused_secret_is_not_said() {
    for engine in ["lean", "sdk"] {
        run(Case { pair: Pair::S3ToS3, engine, format: "text", secret: Some(WRONG_SECRET), code: 2 }).await;
    }
}

/// Runs something that must fail, and looks for the secret everywhere.
async fn fails_without_a_word(lab: &Lab, arguments: &[&str], environment: &[(&str, &str)], secret: &str) {
    let mut command = lab.command(&[arguments, &["-vvv", "--attempts", "2"]].concat());
    let output = command.envs(environment.iter().copied()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    keeps_secrets("standard output", &output.stdout, &[secret]);
    keeps_secrets("standard error", &output.stderr, &[secret]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_the_password_of_a_proxy_or_an_endpoint_is_not_said() {
    const PASSWORD: &str = "PasswordThatNobodyMaySee0123456789";
    let lab = Lab::start().await;
    // Nobody listens on the discard port.
    let proxy = format!("http://user:{PASSWORD}@127.0.0.1:9");
    let elsewhere = ["ls", "one:data", "--endpoint-url", "http://storage.example:80"];
    fails_without_a_word(&lab, &elsewhere, &[("HTTP_PROXY", &proxy), ("http_proxy", &proxy)], PASSWORD).await;
    for store in ["one:data", "g:data"] {
        let url = format!("http://user:{PASSWORD}@127.0.0.1:9");
        fails_without_a_word(&lab, &["ls", store, "--endpoint-url", &url], &[], PASSWORD).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_a_key_file_that_is_not_understood_is_not_said() {
    const KEY: &str = "PrivateKeyThatNobodyMaySee0123456789";
    let lab = Lab::start().await;
    let whole = format!(
        r#"{{"type": "service_account", "client_email": "a@b.example", "private_key_id": "x", "project_id": "p",
        "token_uri": "http://127.0.0.1:9/token", "private_key": "-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n"}}"#
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json").display().to_string();
    for text in [whole.as_str(), &whole[..whole.len() - 30], KEY, &format!("\"{KEY}\"")] {
        std::fs::write(&path, text).unwrap();
        // The key is asked for before anything is sent to Google.
        fails_without_a_word(&lab, &["ls", "gs://data"], &[("GOOGLE_APPLICATION_CREDENTIALS", &path)], KEY).await;
    }
}
