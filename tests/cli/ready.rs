//! Completion gates: a source that is not whole is not copied, and what comes to it while it is copied waits for the next run.

use std::ops::ControlFlow;
use std::process::Stdio;
use std::time::{Duration, Instant};

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::Content;
use serde_json::Value;

use crate::served::{Served, TOKEN};
use crate::support::{BUCKET, Lab, Ran};
use crate::wait::{looking_until, until};

/// The configuration of the lab with a job behind a gate.
fn gated(lab: &Lab, gate: &str, keys: &str) -> String {
    let path = lab.path("gated.toml");
    let s3 =
        format!("[stores.one]\nkind = \"s3\"\nendpoint_url = \"{}\"\nregion = \"us-east-1\"\ncredentials_env = \"LAB\"\n", lab.s3.url());
    let gcs = format!("[stores.g]\nkind = \"gcs\"\nendpoint_url = \"{}\"\nanonymous = true\n", lab.gcs.url());
    let job = format!("[jobs.set]\nsource = \"one:data/in\"\ntarget = \"g:data/out\"\n{keys}[jobs.set.ready_when]\n{gate}");
    std::fs::write(&path, format!("{s3}{gcs}{job}")).unwrap();
    path.display().to_string()
}

/// Runs a command with that configuration.
async fn brigade(lab: &Lab, config: &str, arguments: &[&str]) -> Ran {
    Ran::of(&command(lab, config, arguments).output().await.unwrap())
}

fn command(lab: &Lab, config: &str, arguments: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::from(lab.bare(arguments));
    command.args(["--config", config]).kill_on_drop(true);
    command
}

fn seed(lab: &Lab, key: &str, time: &str) {
    lab.s3.world().seed(BUCKET, key, key).unwrap();
    lab.world_time(lab.s3.world(), key, time);
}

fn copied(lab: &Lab) -> Vec<String> {
    lab.gcs.world().keys(BUCKET).into_iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
}

const LONG_AGO: &str = "2020-01-01T00:00:00Z";
const AHEAD: &str = "2100-01-01T00:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn without_its_marker_nothing_is_written_and_the_job_says_why() {
    let lab = Lab::start().await;
    let config = gated(&lab, "marker = \"set/DONE\"\n", "exclude = \"DONE\"\n");
    seed(&lab, "in/set/a", LONG_AGO);
    seed(&lab, "in/DONE", LONG_AGO);
    let dry = brigade(&lab, &config, &["run", "set", "--dry-run"]).await;
    assert!(dry.code == 2 && !lab.path("state").exists(), "{}", dry.stderr);
    let ran = brigade(&lab, &config, &["run", "set"]).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("one:data/in is not ready, so nothing was copied: its marker `set/DONE` does not exist"), "{}", ran.stderr);
    assert_eq!((copied(&lab), lab.gcs.requests().counts().total()), (Vec::new(), 0));
    assert!(!lab.path("state/jobs").exists(), "nor is a state of its places made");
    let status = brigade(&lab, &config, &["status", "--json"]).await;
    let job = serde_json::from_str::<Value>(&status.stdout).unwrap()["jobs"][0].clone();
    assert_eq!((&job["last"]["outcome"], &job["proven_through"]), (&"refused".into(), &Value::Null), "{job}");
    let history = brigade(&lab, &config, &["history", "set"]).await.stdout;
    assert!(history.contains("copy refused  one:data/in -> g:data/out: one:data/in is not ready"), "{history}");

    seed(&lab, "in/set/DONE", LONG_AGO);
    let ran = brigade(&lab, &config, &["run", "set"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(copied(&lab), ["out/set/a"], "a marker that the filters hide opens the gate, and stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_behind_the_gate_waits_for_the_next_run() {
    let lab = Lab::start().await;
    let config = gated(&lab, "marker = \"DONE\"\n", "");
    for key in ["in/a", "in/DONE"] {
        seed(&lab, key, LONG_AGO);
    }
    seed(&lab, "in/next", AHEAD);
    let ran = brigade(&lab, &config, &["run", "set"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(copied(&lab), ["out/DONE", "out/a"]);
    lab.world_time(lab.s3.world(), "in/next", LONG_AGO);
    assert_eq!(brigade(&lab, &config, &["run", "set"]).await.code, 0);
    assert_eq!(copied(&lab), ["out/DONE", "out/a", "out/next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_written_while_the_set_is_copied_is_not_mixed_into_it() {
    let lab = Lab::start().await;
    let config = gated(&lab, "marker = \"DONE\"\n", "");
    for key in ["in/a", "in/b", "in/DONE"] {
        seed(&lab, key, LONG_AGO);
    }
    let newer = Content::pattern(7, 4);
    lab.s3.world().faults().add(Rule::new(&[Op::Get], Action::OverwriteBefore(newer)).key("in/a").once());
    let ran = brigade(&lab, &config, &["run", "set"]).await;
    assert!(ran.code == 1 && ran.stdout.contains("it changed after it was listed"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(copied(&lab), ["out/DONE", "out/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_youngest_object_decides_and_one_that_takes_no_part_does_not() {
    let lab = Lab::start().await;
    seed(&lab, "in/a", LONG_AGO);
    seed(&lab, "in/x.log", AHEAD);
    lab.s3.world().seed(BUCKET, "in/new", "new").unwrap();
    let gate = "min_age = \"1h\"\n";
    let config = gated(&lab, gate, "exclude = \"*.log\"\n");
    let ran = brigade(&lab, &config, &["run", "set"]).await;
    assert!(ran.code == 2 && ran.stderr.contains("its youngest object is ") && copied(&lab).is_empty(), "{}", ran.stderr);
    lab.world_time(lab.s3.world(), "in/new", LONG_AGO);
    let ran = brigade(&lab, &config, &["run", "set"]).await;
    assert_eq!((ran.code, copied(&lab)), (0, vec!["out/a".to_owned(), "out/new".to_owned()]), "{}", ran.stderr);
    let config = gated(&lab, gate, "");
    assert_eq!(brigade(&lab, &config, &["run", "set"]).await.code, 2, "without the filter it takes part");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_one_object_has_an_age_too() {
    let lab = Lab::start().await;
    lab.s3.world().seed(BUCKET, "in", "one").unwrap();
    let config = gated(&lab, "min_age = \"1h\"\n", "");
    let ran = brigade(&lab, &config, &["run", "set"]).await;
    assert!(ran.code == 2 && ran.stderr.contains("its youngest object is ") && copied(&lab).is_empty(), "{}{}", ran.stdout, ran.stderr);
    lab.world_time(lab.s3.world(), "in", LONG_AGO);
    assert_eq!(brigade(&lab, &config, &["run", "set"]).await.code, 0);
    assert_eq!(copied(&lab), ["out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_the_second_listing_and_the_next_process_begins_anew() {
    let lab = Lab::start().await;
    seed(&lab, "in/a", LONG_AGO);
    let config = gated(&lab, "unchanged_across_listings = true\nlistings_apart = \"1h\"\n", "every = \"1000h\"\n");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("[serve]\ntoken = \"${{BRIGADE_TOKEN}}\"\n{text}")).unwrap();
    let start = || {
        let mut command = command(&lab, &config, &["serve", "--listen", "127.0.0.1:0"]);
        Served::begin(command.as_std_mut().env("BRIGADE_TOKEN", TOKEN).stderr(Stdio::null()))
    };
    let mut served = start();
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    assert_eq!(served.send("POST", "/api/jobs/set/run").0, 200);
    until("the first listing", || lab.s3.requests().counts().list() > 1).await;
    served.signal("TERM");
    assert_eq!(served.ends().await, 0);
    assert!(copied(&lab).is_empty() && !lab.path("state/named/set.json").exists(), "a run that was stopped at the gate was none");
    let served = start();
    until("it is at the gate again", || !served.job("set")["running"].is_null()).await;
    assert_eq!(served.job("set")["running"]["because"], "interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_between_two_listings_is_not_copied() {
    let lab = Lab::start().await;
    seed(&lab, "in/a", LONG_AGO);
    let apart = Duration::from_secs(2);
    let config = gated(&lab, &format!("unchanged_across_listings = true\nlistings_apart = \"{}ms\"\n", apart.as_millis()), "");
    let lists = || lab.s3.requests().counts().list();
    let running = tokio::spawn(command(&lab, &config, &["run", "set"]).output());
    // One page tells whether the source is one object, and one is the whole listing.
    until("the first listing", || lists() > 1).await;
    // Its answer is on its way; the second listing begins two seconds after it.
    looking_until(Instant::now() + apart / 4, || ControlFlow::Continue(())).await;
    lab.s3.world().seed(BUCKET, "in/b", "late").unwrap();
    let output = running.await.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("it changed between two listings"), "{said}");
    assert!(copied(&lab).is_empty());
    let ran = brigade(&lab, &config, &["run", "set"]).await;
    assert_eq!((ran.code, copied(&lab)), (0, vec!["out/a".to_owned(), "out/b".to_owned()]), "{}", ran.stderr);
}
