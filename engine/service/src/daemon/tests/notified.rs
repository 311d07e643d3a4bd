//! Who is notified of what, how often, and what a receiver in trouble does to the loop.

use std::time::Duration;

use brigade_core::report::RunOutcome;
use jiff::SignedDuration;

use super::super::Wish;
use super::stage::{HOUR, MINUTE, Reply, Stage, job};
use crate::limits::{ATTEMPT_TIME, LOOK_EVERY};
use crate::service::Signal;
use crate::webhook::Answer;

const HOOK: &str = "[notifications]\nurl = \"${HOOK}\"\n";

fn stage(keys: &str) -> Stage {
    Stage::new(&format!("{HOOK}{}", job("a", keys)))
}

#[tokio::test(start_paused = true)]
async fn a_breach_is_notified_once_until_the_copy_has_recovered_and_by_no_later_process_again() {
    let stage = stage("every = \"1h\"\nrecovery_point = \"3h\"");
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    assert_eq!(stage.mailbox.events(), ["first_success"]);
    assert!(running.wish("a", Wish::Pause).await);
    running.pass(HOUR * 5).await;
    assert_eq!(stage.mailbox.events(), ["first_success", "breach"]);
    running.kill().await;
    let running = stage.start().await;
    running.pass(HOUR * 5).await;
    assert_eq!(stage.mailbox.events().len(), 2, "it is known to be told");
    assert!(running.wish("a", Wish::Run).await);
    running.pass(MINUTE * 2).await;
    assert_eq!(stage.mailbox.events(), ["first_success", "breach", "recovered"]);
    running.pass(HOUR * 4).await;
    assert_eq!(stage.mailbox.events(), ["first_success", "breach", "recovered", "breach"], "and a new one is told");
    let letters = stage.mailbox.letters();
    assert!(letters.iter().all(|letter| letter.body["job"] == "a" && letter.body["run"].is_null()), "{letters:?}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_streak_of_failures_is_notified_once_of_each_kind_until_a_clean_run_ends_it() {
    let stage = stage("every = \"1h\"");
    stage.runner.ends("a", RunOutcome::Failed);
    let running = stage.start().await;
    running.pass(HOUR * 3 + MINUTE).await;
    assert_eq!((stage.mailbox.events(), running.told("a", "failed")), (vec!["failed".to_owned()], 3));
    let first = &stage.mailbox.letters()[0];
    assert_eq!(first.body["id"], first.id);
    assert!(first.body["run"].as_str().is_some_and(|run| run.len() == 26), "{first:?}");
    stage.runner.ends("a", RunOutcome::Refused);
    running.pass(HOUR * 2).await;
    assert_eq!(stage.mailbox.events(), ["failed", "refused"], "another kind is news");
    running.kill().await;
    let running = stage.start().await;
    stage.runner.ends("a", RunOutcome::Partial);
    running.pass(HOUR * 2).await;
    assert_eq!(stage.mailbox.events().len(), 2, "the streak outlives the process");
    stage.runner.ends("a", RunOutcome::Done);
    running.pass(HOUR).await;
    stage.runner.ends("a", RunOutcome::Partial);
    running.pass(HOUR * 2).await;
    assert_eq!(stage.mailbox.events(), ["failed", "refused", "first_success", "failed"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn only_what_is_wanted_is_notified_and_a_reading_of_the_configuration_counts() {
    let failing = job("a", "every = \"1h\"");
    let stage = Stage::new(&format!("{HOOK}events = [\"refused\"]\n{failing}"));
    stage.runner.ends("a", RunOutcome::Failed);
    let running = stage.start().await;
    running.pass(HOUR * 2 + MINUTE).await;
    assert_eq!((stage.mailbox.events(), running.told("a", "failed")), (Vec::<String>::new(), 2));
    stage.configure(&format!("{HOOK}{failing}"));
    running.signal(Signal::Reload).await;
    running.pass(HOUR).await;
    assert_eq!(stage.mailbox.events(), ["failed"]);
    stage.configure(&format!("[notifications]\nurl = \"${{NOT_SET}}\"\n{failing}"));
    running.signal(Signal::Reload).await;
    running.pass(MINUTE).await;
    let refused = running.wall.read().not_loaded.clone().expect("it is refused");
    assert!(refused.contains("`url` of [notifications]") && refused.contains("NOT_SET"), "{refused}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_or_panics_holds_up_no_run_and_gets_the_same_one_again() {
    let stage = stage("every = \"1m\"");
    stage.mailbox.answers([Reply::Nothing, Reply::Panics, Reply::Says(Answer::later("busy"))]);
    let running = stage.start().await;
    running.pass(MINUTE * 10 + Duration::from_secs(5)).await;
    assert_eq!(stage.runner.starts("a").len(), 10, "runs begin when they are due");
    let letters = stage.mailbox.letters();
    assert_eq!(letters.len(), 4, "{letters:?}");
    assert!(letters.iter().all(|letter| letter.id == letters[0].id && letter.body == letters[0].body), "{letters:?}");
    let pauses: Vec<u64> = letters.windows(2).map(|two| (two[1].at - two[0].at).as_millis().try_into().expect("short")).collect();
    let whole = [ATTEMPT_TIME.as_secs() + 2, 4, 8].map(|seconds| seconds * 1_000);
    assert!(pauses.iter().zip(whole).all(|(pause, whole)| *pause > whole / 2 && *pause <= whole + 10), "{pauses:?}");
    let board = running.wall.read();
    let counts = board.deliveries.counts;
    assert_eq!((counts.delivered, counts.given_up, counts.failed_attempts, board.deliveries.pending.len()), (1, 0, 3, 0));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_taken_outlives_a_kill_and_is_sent_under_its_id() {
    let stage = stage("every = \"1h\"");
    stage.mailbox.always(Reply::Says(Answer::later("no connection")));
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    running.kill().await;
    let before = stage.mailbox.letters();
    stage.clock.leap(SignedDuration::from_hours(24 * 7));
    stage.mailbox.always(Reply::Says(Answer::Taken));
    let running = stage.start().await;
    running.pass(LOOK_EVERY).await;
    let (letters, board) = (stage.mailbox.letters(), running.wall.read());
    assert_eq!((letters.len(), &letters[before.len()].id), (before.len() + 1, &before[0].id), "tried however old it is");
    assert_eq!((board.deliveries.counts.delivered, board.deliveries.pending.len()), (1, 0));
    running.end().await;
    let running = stage.start().await;
    running.pass(MINUTE).await;
    assert_eq!(stage.mailbox.letters().len(), letters.len(), "what was taken is not sent again");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_given_up_is_told_here_and_counted() {
    let stage = stage("every = \"1h\"");
    stage.mailbox.always(Reply::Says(Answer::Never { why: "the receiver answered 410 Gone".to_owned() }));
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    assert_eq!((stage.mailbox.letters().len(), running.told("a", "not_delivered")), (1, 1));
    let board = running.wall.read();
    let settled = &board.deliveries.settled[0];
    assert_eq!((board.deliveries.counts.given_up, settled.reason.as_deref()), (1, Some("the receiver answered 410 Gone")));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_receiver_nothing_is_kept_for_one() {
    let stage = stage("every = \"1h\"");
    stage.mailbox.always(Reply::Nothing);
    let running = stage.start().await;
    running.pass(HOUR + Duration::from_secs(5)).await;
    assert_eq!(running.wall.read().deliveries.pending.len(), 1);
    stage.configure(&job("a", "every = \"1h\""));
    running.signal(Signal::Reload).await;
    running.pass(HOUR).await;
    let board = running.wall.read();
    assert_eq!((board.deliveries.is_configured, board.deliveries.counts.dropped, board.deliveries.pending.len()), (false, 1, 0));
    assert_eq!(stage.mailbox.letters().len(), 1, "the attempt was cut off");
    running.end().await;
}
