//! `--order-last`: a sentinel says that what it describes is there, so it is copied after everything else, or not at all.

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::Content;
use serde_json::Value;

use crate::support::{BUCKET, Lab, Ran};

const COPY: [&str; 5] = ["copy", "one:data/in", "g:data/out", "--order-last", "*.done"];

/// Keeps one object from being read.
const DENIED: Action = Action::Status { status: 403, code: "AccessDenied", retry_after_seconds: None };

fn seed(lab: &Lab, keys: &[&str]) {
    for key in keys {
        lab.s3.world().seed(BUCKET, *key, *key).unwrap();
    }
}

/// The copies in the order in which they were written.
fn written(lab: &Lab) -> Vec<String> {
    let mut objects = lab.gcs.world().objects(BUCKET);
    objects.sort_by_key(|(_, object)| object.generation);
    objects.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect()
}

/// Sentinels that are at the target.
fn sentinels(lab: &Lab) -> Vec<String> {
    written(lab).into_iter().filter(|key| key.ends_with(".done")).collect()
}

fn skipped(ran: &Ran, key: &str) -> String {
    let failures = ran.report["failures"].as_array().unwrap();
    let own = failures.iter().find(|failure| failure["key"] == key).unwrap_or_else(|| panic!("{key} is not in {}", ran.report));
    assert_eq!((&own["status"], &own["kind"]), (&Value::from("skipped"), &Value::from("cancelled")), "{own}");
    own["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_are_written_after_everything_else() {
    let lab = Lab::start().await;
    // Sentinels come first in the order of keys.
    seed(&lab, &["in/0.done", "in/a/0.done"]);
    let data: Vec<String> = (0..60).map(|number| format!("in/b/{number}")).collect();
    seed(&lab, &data.iter().map(String::as_str).collect::<Vec<_>>());
    lab.s3.world().seed(BUCKET, "in/large", Content::pattern(7, 20_000_000)).unwrap();
    let ran = lab.transfer(&COPY).await.expect(0);
    ran.balances();
    assert_eq!(ran.objects("copied"), 63);
    let order = written(&lab);
    let mut last = order[order.len() - 2..].to_vec();
    last.sort();
    assert_eq!(last, ["out/0.done", "out/a/0.done"], "{order:?}");
    let again = lab.transfer(&COPY).await.expect(0);
    assert_eq!((again.objects("kept"), again.objects("copied")), (63, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_anything_is_not_done_no_sentinel_is_touched_and_each_says_why() {
    let lab = Lab::start().await;
    seed(&lab, &["in/0.done", "in/a", "in/b"]);
    lab.s3.world().faults().add(Rule::new(&[Op::Get], DENIED).key("in/a"));
    let ran = lab.transfer(&[&COPY[..], &["--max-errors", "9"]].concat()).await.expect(1);
    ran.balances();
    assert_eq!((ran.objects("copied"), ran.objects("failed"), ran.objects("skipped")), (1, 1, 1));
    assert_eq!(skipped(&ran, "0.done"), "it goes last, and of the objects before it 1 failed or were skipped");
    assert_eq!(written(&lab), ["out/b"]);
    lab.s3.world().faults().clear();
    lab.transfer(&COPY).await.expect(0).balances();
    assert_eq!(written(&lab), ["out/b", "out/a", "out/0.done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_that_failed_before_is_not_tried_before_the_others() {
    let lab = Lab::start().await;
    seed(&lab, &["in/0.done", "in/a"]);
    lab.s3.world().faults().add(Rule::new(&[Op::Get], DENIED).key("in/0.done"));
    assert_eq!(lab.transfer(&COPY).await.expect(1).objects("failed"), 1);
    lab.s3.world().faults().clear();
    seed(&lab, &["in/b"]);
    lab.s3.world().faults().add(Rule::new(&[Op::Get], DENIED).key("in/b"));
    let ran = lab.transfer(&COPY).await.expect(1);
    ran.balances();
    skipped(&ran, "0.done");
    assert_eq!(sentinels(&lab), Vec::<String>::new());
    lab.s3.world().faults().clear();
    lab.transfer(&COPY).await.expect(0).balances();
    assert_eq!(sentinels(&lab), ["out/0.done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_sentinel_replaces_the_old_one_last_and_a_migration_moves_nothing_without_it() {
    let lab = Lab::start().await;
    seed(&lab, &["in/0.done", "in/a"]);
    lab.transfer(&COPY).await.expect(0);
    lab.s3.world().seed(BUCKET, "in/0.done", "another").unwrap();
    seed(&lab, &["in/b"]);
    lab.s3.world().faults().add(Rule::new(&[Op::Get], DENIED).key("in/b"));
    let mut migrate = COPY;
    migrate[0] = "migrate";
    let ran = lab.transfer(&migrate).await.expect(1);
    ran.balances();
    assert_eq!(lab.gcs.world().peek(BUCKET, "out/0.done").unwrap().body().to_bytes().unwrap(), "in/0.done", "the old one stays");
    assert_eq!((ran.objects("deleted_source"), lab.s3.world().keys(BUCKET).len()), (0, 3));
    lab.s3.world().faults().clear();
    let ran = lab.transfer(&migrate).await.expect(0);
    assert_eq!((ran.objects("deleted_source"), lab.s3.world().keys(BUCKET).len()), (3, 0));
    assert_eq!(written(&lab), ["out/a", "out/b", "out/0.done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_glob_is_refused_before_the_first_request() {
    let lab = Lab::start().await;
    let ran = lab.brigade(&["copy", "one:data/in", "g:data/out", "--order-last", "{a"]).await.expect(2);
    assert!(ran.stderr.contains("--order-last is not understood"), "{}", ran.stderr);
    assert_eq!(lab.s3.requests().counts().total() + lab.gcs.requests().counts().total(), 0);
}
