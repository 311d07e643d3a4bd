//! p09: every listed key is decided exactly once, also where a run is cut short by a signal.

use std::collections::BTreeMap;

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::{Attributes, Content, NewObject};
use std::time::Duration;

use crate::setting::{PART_SIZE, Pair, Setting, for_pairs, show};
use crate::support::{BUCKET, Ran};

#[path = "../support/wait.rs"]
mod wait;

for_pairs! {
    p09_every_listed_key_is_in_the_events_once_with_its_outcome(S3ToGcs) = outcomes;
    p09_an_interrupted_run_leaves_a_report_and_the_next_does_the_rest(S3ToS3, S3ToGcs) = interrupted;
}

async fn outcomes(pair: Pair) {
    let mut setting = Setting::many(pair, 30).await;
    for number in 0..10 {
        setting.in_target(&format!("k{number:03}.bin"), Content::pattern(number, 100 + number));
    }
    setting.original("line\nfeed", "no name of the target");
    let content = Content::pattern(7, 300);
    setting.version("cold.bin", &content);
    let attributes = Attributes { storage_class: Some("GLACIER".into()), ..Attributes::default() };
    setting.source().seed_object(BUCKET, "cold.bin", NewObject { attributes: attributes.into(), ..NewObject::of(content) }).unwrap();
    setting.in_target("extra.bin", "only in the target");
    setting.in_source_fault(Rule::new(&[Op::Get], Action::ACCESS_DENIED).glob("k02?.bin"));
    let ran = setting.run("sync", &["--delete"]).await.expect(1);
    let mut decided: BTreeMap<String, String> = BTreeMap::new();
    for event in setting.events() {
        if let Some(key) = event["key"].as_str() {
            let before = decided.insert(key.to_owned(), event["event"].as_str().unwrap().to_owned());
            assert_eq!(before, None, "`{key}` once");
        }
    }
    assert_eq!(decided.remove("extra.bin").as_deref(), Some("to_delete"));
    let listed: Vec<String> = setting.source().keys(BUCKET).iter().map(|key| show(key)).collect();
    assert_eq!(decided.keys().cloned().collect::<Vec<_>>(), listed, "every key of the source and no other");
    let count = |name: &str| u64::try_from(decided.values().filter(|outcome| *outcome == name).count()).unwrap();
    assert_eq!([count("copied"), count("kept"), count("failed"), count("skipped")], [10, 10, 10, 2]);
    assert_eq!(["copied", "kept", "failed", "skipped"].map(|name| ran.objects(name)), [10, 10, 10, 2]);
    assert_eq!(ran.objects("deleted_target"), 0, "something failed");
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for (_, kind) in ran.failures() {
        *kinds.entry(kind).or_default() += 1;
    }
    assert_eq!(kinds, [("archived", 1), ("denied", 10), ("unfit", 1)].map(|(kind, count)| (kind.to_owned(), count)).into());
}

const OBJECTS: u64 = 40;

async fn interrupted(pair: Pair) {
    let setting = Setting::many(pair, OBJECTS).await;
    setting.in_source_fault(Rule::new(&[Op::Get], Action::Delay(Duration::from_millis(80))));
    let (report, events) = (setting.lab.path("report.json"), setting.lab.path("events.jsonl"));
    let [source, target] = setting.places();
    let (report_name, events_name) = (report.display().to_string(), events.display().to_string());
    let arguments =
        ["migrate", source, target, "--part-size", PART_SIZE, "--concurrency", "2", "--report", &report_name, "--events", &events_name];
    let mut command = setting.lab.command(&arguments);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let id = child.id().unwrap().to_string();
    wait::until("some objects have arrived", || setting.target().keys(BUCKET).iter().filter(|key| key.ends_with(b".bin")).count() >= 4)
        .await;
    assert!(std::process::Command::new("sh").args(["-c", "kill -INT \"$0\"", &id]).status().unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let read = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    let first = Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        report: read,
        memory_bytes: 0,
    };
    let first = first.expect(130);
    setting.judge(&first);
    assert_eq!(first.report["outcome"], "interrupted");
    assert!(first.objects("copied") >= 4 && first.objects("copied") < OBJECTS, "{}", first.report);
    assert_eq!((first.objects("deleted_source"), first.objects("failed")), (0, 0), "{}", first.report);
    setting.originals_are_there();

    setting.source().faults().clear();
    let second = setting.run("migrate", &[]).await.expect(0);
    assert_eq!(second.objects("kept"), first.objects("copied"), "what had arrived is not copied again");
    assert_eq!((second.objects("listed"), second.objects("deleted_source")), (OBJECTS, OBJECTS));
    setting.arrived();
    assert!(setting.source().keys(BUCKET).is_empty());
}
