//! Days of the loop in no time: a scripted runner, a clock that follows tokio's paused one, and a real state directory.

mod notified;
mod stage;

use std::time::Duration;

use brigade_core::recovery::Level;
use brigade_core::report::RunOutcome;
use brigade_core::schedule::Because;
use jiff::SignedDuration;

use super::Wish;
use crate::limits::{LOOK_EVERY, STOP_TIME};
use crate::service::{ServeError, Signal};
use stage::{HOUR, MINUTE, Stage, job};

#[tokio::test(start_paused = true)]
async fn a_job_starts_when_it_is_due_and_at_no_other_time() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    let running = stage.start().await;
    running.pass(HOUR * 5 + MINUTE).await;
    assert_eq!(stage.runner.starts("a"), (1..=5).map(|hour| HOUR * hour).collect::<Vec<_>>());
    assert!(stage.runner.reasons("a").iter().all(|because| matches!(because, Because::Due(_))));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_run_is_never_met_by_another_and_what_it_missed_runs_once() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    stage.runner.takes("a", HOUR * 3 + MINUTE * 30);
    let running = stage.start().await;
    running.pass(HOUR * 12).await;
    // From 1:00 to 4:30; the latest that was missed runs at once, to 8:00; then that of 8:00 itself.
    assert_eq!(stage.runner.starts("a"), [HOUR, HOUR * 4 + MINUTE * 30, HOUR * 8, HOUR * 11 + MINUTE * 30]);
    assert_eq!(stage.runner.at_once_max("a"), 1);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn as_many_run_at_once_as_may_and_the_important_ones_first() {
    let jobs = [
        job("a-low", "every = \"6h\"\npriority = \"low\""),
        job("b", "every = \"6h\""),
        job("c-high", "every = \"6h\"\npriority = \"high\""),
    ];
    let stage = Stage::new(&format!("[serve]\njobs_at_once = 1\n{}", jobs.concat()));
    for job in ["a-low", "b", "c-high"] {
        stage.runner.takes(job, MINUTE * 10);
    }
    let running = stage.start().await;
    running.pass(HOUR * 7).await;
    assert_eq!(stage.runner.order(), ["c-high", "b", "a-low"]);
    assert_eq!(stage.runner.most_at_once(), 1);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_tenant_with_limits_run_one_after_the_other_and_hold_up_nobody() {
    let tenant = "[stores.s]\nkind = \"s3\"\nprofile = \"x\"\n[tenants.team]\nstores = [\"s\"]\nroots = [\"s:data\"]\n\
                  [tenants.team.limits]\nbandwidth = \"1M\"\n";
    let own = |name: &str| {
        let places = format!("source = \"s:data/from/{name}\"\ntarget = \"s:data/to/{name}\"");
        format!("[jobs.{name}]\n{places}\ntenant = \"team\"\nevery = \"6h\"\n")
    };
    let stage = Stage::new(&[tenant.to_owned(), own("a"), own("b"), job("z", "every = \"6h\"")].concat());
    for job in ["a", "b", "z"] {
        stage.runner.takes(job, MINUTE * 10);
    }
    let running = stage.start().await;
    running.pass(HOUR * 7).await;
    assert_eq!(stage.runner.order(), ["a", "z", "b"]);
    assert_eq!((stage.runner.starts("b"), stage.runner.most_at_once()), (vec![HOUR * 6 + MINUTE * 10], 2));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn fifty_jobs_share_the_places_and_none_starves() {
    let name = |number: u32| format!("job-{number}");
    let priorities = ["low", "normal", "high"];
    let jobs: String = (0..50)
        .zip(priorities.into_iter().cycle())
        .map(|(number, priority)| job(&name(number), &format!("every = \"1h\"\npriority = \"{priority}\"")))
        .collect();
    let stage = Stage::new(&format!("[serve]\njobs_at_once = 5\n{jobs}"));
    for number in 0..50 {
        stage.runner.takes(&name(number), MINUTE * 5);
    }
    let running = stage.start().await;
    running.pass(HOUR * 5).await;
    for number in 0..50 {
        assert_eq!((stage.runner.starts(&name(number)).len() >= 3, stage.runner.at_once_max(&name(number))), (true, 1), "{number}");
    }
    assert_eq!(stage.runner.most_at_once(), 5);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_goes_on_only_behind_a_clean_run() {
    let stage = Stage::new(&[job("first", "every = \"1h\""), job("second", "after = [\"first\"]")].concat());
    stage.runner.ends("first", RunOutcome::Partial);
    let running = stage.start().await;
    running.pass(HOUR * 2 + MINUTE).await;
    assert_eq!((stage.runner.starts("first").len(), stage.runner.starts("second").len()), (2, 0));
    stage.runner.ends("first", RunOutcome::Done);
    running.pass(HOUR).await;
    assert_eq!(stage.runner.reasons("second"), [Because::Followed]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_goes_on_where_it_was_and_catches_up_once() {
    let stage = Stage::new(&[job("long", "every = \"6h\""), job("daily", "schedule = \"30 3 * * *\"")].concat());
    stage.runner.takes("long", HOUR);
    let running = stage.start().await;
    running.pass(HOUR * 6 + MINUTE).await;
    assert_eq!(stage.runner.starts("long").len(), 1, "it is in the middle of its run");
    running.kill().await;
    stage.clock.leap(SignedDuration::from_hours(7 * 24));
    let running = stage.start().await;
    running.pass(MINUTE).await;
    assert_eq!(stage.runner.starts("daily").len(), 2, "the one before the kill, and one for the week");
    assert!(matches!(stage.runner.reasons("long").as_slice(), [Because::Due(_), Because::Interrupted | Because::Due(_)]));
    running.pass(HOUR * 2).await;
    assert_eq!((stage.runner.starts("long").len(), stage.runner.at_once_max("long")), (2, 1));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_runs_finish_and_the_next_process_resumes_them() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    stage.runner.takes("a", MINUTE * 30);
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    running.end().await;
    assert_eq!(stage.runner.outcomes("a"), [RunOutcome::Interrupted]);
    let running = stage.start().await;
    running.pass(MINUTE).await;
    assert!(matches!(stage.runner.reasons("a").as_slice(), [Because::Due(_), Because::Interrupted]));
    running.pass(MINUTE * 30).await;
    assert_eq!(stage.runner.outcomes("a"), [RunOutcome::Interrupted, RunOutcome::Done]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_stop_is_cut_off_in_time() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    stage.runner.takes("a", HOUR * 100);
    stage.runner.is_deaf("a");
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    let begun = tokio::time::Instant::now();
    running.end().await;
    assert!(begun.elapsed() >= STOP_TIME && begun.elapsed() < STOP_TIME + LOOK_EVERY, "{:?}", begun.elapsed());
    assert_eq!(stage.runner.outcomes("a"), [], "it was cut off");
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_ends_at_once() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    stage.runner.takes("a", HOUR * 100);
    stage.runner.is_deaf("a");
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    let begun = tokio::time::Instant::now();
    running.signal(Signal::Stop).await;
    running.end().await;
    assert!(begun.elapsed() < LOOK_EVERY, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_is_a_failed_one_and_the_loop_goes_on() {
    let stage = Stage::new(&[job("bad", "every = \"1h\""), job("good", "every = \"1h\"")].concat());
    stage.runner.panics("bad");
    let running = stage.start().await;
    running.pass(HOUR * 2 + MINUTE).await;
    assert_eq!((stage.runner.starts("bad").len(), stage.runner.outcomes("good").len()), (2, 2));
    let board = running.wall.read();
    assert_eq!((board.jobs["bad"].ended, board.jobs["good"].ended), ([0, 0, 0, 0, 2], [2, 0, 0, 0, 0]));
    assert_eq!(running.told("bad", "failed"), 2);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn wishes_are_kept_over_a_kill() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    let running = stage.start().await;
    assert!(running.wish("a", Wish::Pause).await);
    assert!(!running.wish("none", Wish::Run).await, "there is no such job");
    running.kill().await;
    let running = stage.start().await;
    running.pass(HOUR * 3).await;
    assert_eq!(stage.runner.starts("a").len(), 0, "it rests");
    assert!(running.wish("a", Wish::Run).await);
    running.pass(MINUTE).await;
    assert_eq!(stage.runner.reasons("a").len(), 1, "asked for, it runs all the same");
    assert!(running.wish("a", Wish::Resume).await);
    running.pass(HOUR).await;
    assert_eq!(stage.runner.starts("a").len(), 2);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_pauses_rests_until_either_says_otherwise() {
    let paused = job("a", "every = \"1h\"\npaused = true");
    let stage = Stage::new(&paused);
    let running = stage.start().await;
    running.pass(HOUR * 2).await;
    assert_eq!(stage.runner.starts("a").len(), 0);
    assert!(running.wish("a", Wish::Resume).await);
    running.signal(Signal::Reload).await;
    running.pass(MINUTE * 10).await;
    assert_eq!(stage.runner.starts("a").len(), 1, "it catches up once, and a reading that says the same changes nothing");
    stage.configure(&job("a", "every = \"1h\""));
    running.signal(Signal::Reload).await;
    running.pass(MINUTE).await;
    stage.configure(&paused);
    running.signal(Signal::Reload).await;
    running.pass(HOUR * 3).await;
    assert_eq!(stage.runner.starts("a").len(), 1, "one that pauses it anew counts");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_configuration_is_told_and_the_one_before_goes_on() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    let running = stage.start().await;
    stage.configure("[jobs.a]\nevry = \"1h\"\n");
    running.signal(Signal::Reload).await;
    running.pass(HOUR + MINUTE).await;
    assert_eq!(stage.runner.starts("a").len(), 1);
    assert!(running.wall.read().not_loaded.as_ref().is_some_and(|error| error.contains("evry")));
    stage.configure(&[job("a", "every = \"2h\""), job("b", "every = \"1h\"")].concat());
    running.signal(Signal::Reload).await;
    running.pass(HOUR * 4).await;
    assert_eq!((stage.runner.starts("a").len(), stage.runner.starts("b").len()), (3, 4));
    assert!(running.wall.read().not_loaded.is_none());
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_configuration_drops_ends_its_run_and_is_forgotten() {
    let stage = Stage::new(&[job("a", "every = \"1h\""), job("b", "every = \"1h\"")].concat());
    stage.runner.takes("a", MINUTE * 30);
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    stage.configure(&job("b", "every = \"1h\""));
    running.signal(Signal::Reload).await;
    running.pass(MINUTE).await;
    assert!(running.wall.read().jobs.contains_key("a"), "it is shown while it runs");
    running.pass(HOUR).await;
    assert_eq!(stage.runner.outcomes("a"), [RunOutcome::Done]);
    assert!(!running.wall.read().jobs.contains_key("a"));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn ages_grow_while_nothing_runs_and_a_breach_is_told_once() {
    let stage = Stage::new(&job("a", "every = \"1h\"\nrecovery_point = \"3h\""));
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    assert_eq!((running.told("a", "first_success"), running.told("a", "breach")), (1, 0));
    assert!(running.wish("a", Wish::Pause).await);
    running.pass(HOUR * 2 + MINUTE * 50).await;
    assert_eq!(running.told("a", "breach"), 0);
    running.pass(MINUTE * 20).await;
    let (board, now) = (running.wall.read(), stage.now());
    let standing = board.jobs["a"].standing(now).expect("it has an objective");
    assert_eq!(standing.level, Level::Breached);
    assert_eq!(running.told("a", "breach"), 1, "told within a look, though nothing ran");
    running.kill().await;
    let running = stage.start().await;
    running.pass(HOUR).await;
    assert_eq!(running.told("a", "breach"), 0, "the next process does not tell it again");
    assert!(running.wish("a", Wish::Run).await);
    running.pass(MINUTE * 2).await;
    assert_eq!((running.told("a", "recovered"), running.told("a", "first_success")), (1, 0));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_proven_copy_is_a_breach_and_told_when_its_time_is_over() {
    let stage = Stage::new(&job("a", "every = \"1h\"\nrecovery_point = \"3h\""));
    stage.runner.ends("a", RunOutcome::Refused);
    let running = stage.start().await;
    running.pass(HOUR * 2 + MINUTE).await;
    let standing = running.wall.read().jobs["a"].standing(stage.now()).expect("it has an objective");
    assert_eq!((standing.level, running.told("a", "breach"), running.told("a", "refused")), (Level::Breached, 0, 2));
    running.pass(HOUR * 2).await;
    assert_eq!(running.told("a", "breach"), 1);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_leaps_back_repeats_nothing() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    let running = stage.start().await;
    running.pass(HOUR * 3 + MINUTE).await;
    stage.clock.leap(SignedDuration::from_hours(-2));
    running.pass(HOUR * 2).await;
    assert_eq!(stage.runner.starts("a").len(), 3, "what has fired stays fired");
    running.pass(HOUR).await;
    assert_eq!(stage.runner.starts("a").len(), 4);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_second_service_of_a_state_directory_is_refused_with_the_process_that_has_it() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    let running = stage.start().await;
    let Err(ServeError::State(error)) = stage.open_service().await else { panic!("two services on one state directory") };
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_memory_is_set_aside_and_nothing_is_repeated() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    let running = stage.start().await;
    running.pass(HOUR + MINUTE).await;
    running.kill().await;
    std::fs::write(stage.state().join("serve/memory.json"), "{\"schema\":").expect("written");
    let running = stage.start().await;
    running.pass(MINUTE * 30).await;
    assert_eq!(stage.runner.starts("a").len(), 1);
    assert!(stage.state().join("serve/memory.damaged").exists());
    running.pass(MINUTE * 40).await;
    assert_eq!(stage.runner.starts("a").len(), 2);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_state_directory_that_cannot_be_written_makes_the_service_unready_and_stops_no_run() {
    let stage = Stage::new(&job("a", "every = \"1h\""));
    let running = stage.start().await;
    running.pass(MINUTE).await;
    assert!(running.wall.read().readiness(tokio::time::Instant::now()).is_ok());
    // A directory where the new file would be: also for whoever may write anywhere.
    std::fs::create_dir(stage.state().join("serve/memory.partial")).expect("made");
    running.pass(HOUR + Duration::from_secs(70)).await;
    assert!(running.wall.read().readiness(tokio::time::Instant::now()).is_err());
    assert_eq!(stage.runner.starts("a").len(), 1);
    std::fs::remove_dir(stage.state().join("serve/memory.partial")).expect("gone");
    running.pass(MINUTE * 2).await;
    assert!(running.wall.read().readiness(tokio::time::Instant::now()).is_ok());
    running.end().await;
}
