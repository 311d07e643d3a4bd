//! Runs that come to nothing: without credentials, or to a place that is not there. Each is the last run of its job, wherever one
//! looks, and its reason is told once.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::served::Served;
use crate::support::{Lab, binary};
use crate::wait::until;

/// A place without credentials: AWS asks nobody for any, and there is no endpoint where it would.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let store = "[stores.far]\nkind = \"s3\"\nendpoint_url = \"http://127.0.0.1:9\"\nregion = \"us-east-1\"\n";
        let jobs = "[jobs.daily]\nsource = \"far:data/in\"\ntarget = \"/tmp/brigade-that-is-never-made\"\nrecovery_point = \"2h\"\n\
                    [jobs.second]\nsource = \"far:data/in\"\ntarget = \"/tmp/brigade-that-is-never-made-either\"\nafter = \"daily\"\n";
        std::fs::write(place.path("brigade.toml"), format!("[serve]\ntoken = \"${{BRIGADE_TOKEN}}\"\n{store}{jobs}")).unwrap();
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.0.path(), arguments)
    }

    fn brigade(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("BRIGADE_CONFIG", home.join("brigade.toml"))
        .env("BRIGADE_STATE_DIR", home.join("state"))
        .env("BRIGADE_TOKEN", crate::served::TOKEN)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(std::process::Stdio::null());
    command
}

fn said(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn a_run_without_credentials_is_the_last_run_wherever_one_looks() {
    let place = Place::new();
    let (_, error) = said(&place.brigade(&["run", "daily"]));
    assert_eq!(error.matches("no credentials").count(), 1, "told once: {error}");
    assert!(!error.contains("WARN"), "{error}");

    let (table, _) = said(&place.brigade(&["status"]));
    assert!(table.contains("\ndaily: the last run ended `failed`: ") && table.contains("no credentials"), "{table}");
    let status: Value = serde_json::from_str(&said(&place.brigade(&["status", "--json"])).0).unwrap();
    let last = &status["jobs"][0]["last"];
    assert_eq!((last["outcome"].as_str(), status["jobs"][0]["level"].as_str()), (Some("failed"), Some("breached")));
    assert!(last["reason"].as_str().is_some_and(|reason| reason.contains("no credentials")), "{last}");

    let lines = said(&place.brigade(&["history", "daily", "--json"])).0;
    let record: Value = serde_json::from_str(lines.trim()).unwrap_or_else(|error| panic!("{error}: {lines}"));
    assert_eq!(
        (record["run"].clone(), record["outcome"].clone(), record["command"].clone()),
        (last["run"].clone(), "failed".into(), "copy".into())
    );
    assert_eq!((&record["reason"], record["objects"]["listed"].as_u64()), (&last["reason"], Some(0)));
    let person = said(&place.brigade(&["history"])).0;
    assert!(
        person.contains("copy failed  far:data/in -> /tmp/brigade-that-is-never-made: ") && person.contains("no credentials"),
        "{person}"
    );
    let report = place.brigade(&["report", last["run"].as_str().unwrap()]);
    assert!(report.status.code() == Some(2) && said(&report).1.contains("no credentials"), "{report:?}");

    let (_, refused) = said(&place.brigade(&["run", "second"]));
    assert!(refused.contains("its last run ended `failed`"), "{refused}");
    let others = said(&place.brigade(&["history", "second"])).0;
    assert!(others.contains("no run has ended yet"), "one that was not let begin is no run: {others}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_source_is_not_there_says_so_as_its_last_run() {
    let lab = Lab::start().await;
    let place = Place::new();
    let text = format!(
        "[stores.near]\nkind = \"s3\"\nendpoint_url = \"{}\"\nregion = \"us-east-1\"\ncredentials_env = \"LAB\"\n\
         [jobs.daily]\nsource = \"near:missing/in\"\ntarget = {:?}\n",
        lab.s3.url(),
        place.path("out")
    );
    std::fs::write(place.path("brigade.toml"), text).unwrap();
    let options = lab.s3.options();
    let keys = [("LAB_AWS_ACCESS_KEY_ID", &options.access_key), ("LAB_AWS_SECRET_ACCESS_KEY", &options.secret_key)];
    let (_, error) = said(&place.command(&["run", "daily"]).envs(keys).output().unwrap());
    let status: Value = serde_json::from_str(&said(&place.brigade(&["status", "--json"])).0).unwrap();
    let last = &status["jobs"][0]["last"];
    let reason = last["reason"].as_str().unwrap_or_else(|| panic!("{last}"));
    assert!(last["outcome"] == "failed" && reason.contains("missing") && error.contains("missing"), "{last} {error}");
    let history: Value = serde_json::from_str(said(&place.brigade(&["history", "daily", "--json"])).0.trim()).unwrap();
    assert_eq!((&history["run"], &history["outcome"]), (&last["run"], &"failed".into()), "{history}");
}

#[test]
fn a_library_warns_only_where_somebody_asks_for_more() {
    let place = Place::new();
    std::fs::create_dir(place.path(".aws")).unwrap();
    std::fs::write(place.path(".aws/config"), "[default]\ncredential_process = /bin/false\n").unwrap();
    let (_, plain) = said(&place.brigade(&["run", "daily"]));
    assert_eq!((plain.matches("external process exited").count(), plain.contains("WARN")), (1, false), "{plain}");
    let (_, wordy) = said(&place.brigade(&["run", "daily", "-v"]));
    assert!(wordy.contains("WARN aws_config"), "{wordy}");
}

#[test]
fn a_dry_run_that_comes_to_nothing_leaves_nothing() {
    let place = Place::new();
    assert_eq!(place.brigade(&["run", "daily", "--dry-run"]).status.code(), Some(2));
    assert!(!place.path("state/named").exists());
}

#[tokio::test]
async fn serve_tells_the_reason_once_for_each_run_and_shows_it() {
    let place = Place::new();
    let log = place.path("log");
    let served = Served::begin(place.command(&["serve", "--listen", "127.0.0.1:0"]).stderr(std::fs::File::create(&log).unwrap()));
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
    let job = || serde_json::from_str::<Value>(&served.send("GET", "/api/jobs/daily").1).unwrap();
    until("the run has ended", || job()["last"]["outcome"] == "failed").await;
    until("it is shown", || job()["runs"][0]["outcome"] == "failed").await;
    let job = job();
    assert!(job["last"]["reason"].as_str().is_some_and(|reason| reason.contains("no credentials")), "{job}");
    assert_eq!(job["runs"][0]["run"], job["last"]["run"]);
    let run = job["last"]["run"].as_str().unwrap();
    let report: Value = serde_json::from_str(&served.send("GET", &format!("/api/runs/{run}")).1).unwrap();
    assert_eq!(
        (&report["outcome"], &report["reason"], report["objects"]["listed"].as_u64()),
        (&"failed".into(), &job["last"]["reason"], Some(0))
    );
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("no credentials").count(), 1, "{log}");
    assert!(!log.contains("aws_"), "{log}");
}
