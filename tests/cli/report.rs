//! The JSON report, and the events, as programs read them.

use serde_json::{Value, json};

use brigade_lab::fault::{Action, Op, Rule};

use crate::story::{Story, seed};
use crate::support::BUCKET;

/// What changes from run to run, taken out; everything else stays.
fn steady(mut report: Value) -> String {
    for name in ["run", "started", "finished", "version"] {
        assert!(report[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        report[name] = json!("...");
    }
    for name in ["memory_bytes", "in_flight_bytes", "requests_in_flight"] {
        assert!(report["peak"][name].as_u64().is_some(), "{name}");
        report["peak"][name] = json!("...");
    }
    if let Some(failures) = report["failures"].as_array_mut() {
        // They stand in the order in which they were decided.
        failures.sort_by_key(|failure| failure["key"].to_string());
    }
    serde_json::to_string_pretty(&report).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_the_shape_of_the_contract() {
    let story = Story::begin().await;
    seed(story.lab.s3.world());
    story.lab.s3.world().seed(BUCKET, "line\nfeed", "x").unwrap();
    story.lab.s3.world().faults().add(Rule::new(&[Op::Get], Action::ACCESS_DENIED).key("img/1.png"));
    let ran = story.lab.transfer(&["copy", "one:data", "g:data", "--json"]).await.expect(1);
    let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(printed, ran.report, "--json and --report are the same");
    assert!(!story.lab.path("report.json.partial").exists());
    insta::assert_snapshot!(steady(printed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_could_not_begin_has_a_report_too() {
    let story = Story::begin().await;
    let ran = story.lab.transfer(&["migrate", "one:nowhere", "g:data", "--json"]).await.expect(2);
    let mut report: Value = serde_json::from_str(&ran.stdout).unwrap();
    // Both ends are probed at once, and the other one is not waited for.
    report["requests"]["other"] = json!("...");
    insta::assert_snapshot!(steady(report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_reports_its_differences() {
    let story = Story::begin().await;
    seed(story.lab.s3.world());
    story.lab.gcs.world().seed(BUCKET, "extra", "x").unwrap();
    let ran = story.lab.transfer(&["check", "one:data", "g:data", "--json", "--exclude", "*.png"]).await.expect(1);
    insta::assert_snapshot!(steady(serde_json::from_str(&ran.stdout).unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_goes_into_a_pipe_without_replacing_it() {
    let story = Story::begin().await;
    let ran = story.lab.brigade(&["copy", "one:data", "g:data", "-q", "--report", "/dev/stdout"]).await.expect(0);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["schema"], "brigade.report/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_report_stays_until_the_new_one_is_whole() {
    let story = Story::begin().await;
    std::fs::write(story.lab.path("kept.json"), "old").unwrap();
    // Refused after the report's place was made.
    story.lab.brigade(&["copy", "one:data", "nowhere:data", "--report", "kept.json"]).await.expect(2);
    assert_eq!(std::fs::read_to_string(story.lab.path("kept.json")).unwrap(), "old");
    assert!(!story.lab.path("kept.json.partial").exists(), "nothing is left beside it");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_lines_of_json() {
    let story = Story::begin().await;
    seed(story.lab.s3.world());
    story.lab.gcs.world().seed(BUCKET, "extra", "x").unwrap();
    story.lab.s3.world().faults().add(Rule::new(&[Op::Get], Action::INTERNAL_ERROR).key("a.txt").once());
    story
        .lab
        .brigade(&[
            "sync",
            "one:data",
            "g:data",
            "--delete",
            "--max-delete-percent",
            "100",
            "--events",
            "events.jsonl",
            "--exclude",
            "*.png",
        ])
        .await
        .expect(0);
    let text = std::fs::read_to_string(story.lab.path("events.jsonl")).unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            assert!(event["at"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
            event["at"] = json!("...");
            if let Some(generation) = event.pointer_mut("/target/generation") {
                assert!(generation.is_u64(), "{line}");
                *generation = json!("...");
            }
            event
        })
        // How many are told of depends on how long the run takes.
        .filter(|event| event["event"] != "limited")
        .map(|event| event.to_string())
        .collect();
    // Objects end in any order.
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"));
}
