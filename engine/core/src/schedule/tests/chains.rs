//! Several jobs: chains, places, priorities, and what holds for any sequence of events.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{at, cron, zone};
use crate::schedule::{Because, Ending, JobPlan, Memory, Priority, Scheduler, Start, Timing, Waiting};

fn daily(job: &str, expression: &str, after: &[&str]) -> (String, JobPlan) {
    let timing = Timing::new(cron(expression, &zone("UTC")), job, Duration::ZERO);
    (job.to_owned(), JobPlan { timing: Some(timing), after: names(after), priority: Priority::Normal, group: None })
}

fn following(job: &str, after: &[&str]) -> (String, JobPlan) {
    (job.to_owned(), JobPlan { timing: None, after: names(after), priority: Priority::Normal, group: None })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn started(scheduler: &mut Scheduler, now: Timestamp) -> Vec<String> {
    scheduler.tick(now).starts.into_iter().map(|start| start.job).collect()
}

#[test]
fn a_second_copy_starts_when_the_first_is_clean_and_a_delete_after_both() {
    let plans =
        BTreeMap::from([daily("first", "0 3 * * *", &[]), following("second", &["first"]), following("third", &["first", "second"])]);
    let mut scheduler = Scheduler::new(plans, 4, Memory::default(), at("2026-11-20T00:00:00Z"));
    assert_eq!(started(&mut scheduler, at("2026-11-20T02:59:59Z")), [""; 0]);
    assert_eq!(started(&mut scheduler, at("2026-11-20T03:00:00Z")), ["first"]);
    scheduler.finished("first", Ending::Unclean);
    assert_eq!(started(&mut scheduler, at("2026-11-20T03:10:00Z")), [""; 0], "nothing follows what is not clean");
    assert_eq!(started(&mut scheduler, at("2026-11-21T03:00:00Z")), ["first"]);
    scheduler.finished("first", Ending::Clean);
    assert_eq!(started(&mut scheduler, at("2026-11-21T03:10:00Z")), ["second"]);
    assert_eq!(started(&mut scheduler, at("2026-11-21T03:11:00Z")), [""; 0], "the third waits for both");
    scheduler.finished("second", Ending::Clean);
    let step = scheduler.tick(at("2026-11-21T03:20:00Z"));
    assert_eq!(step.starts, [Start { job: "third".into(), because: Because::Followed }]);
    scheduler.finished("third", Ending::Clean);
    assert_eq!(started(&mut scheduler, at("2026-11-21T04:00:00Z")), [""; 0], "once for each");
    assert_eq!(started(&mut scheduler, at("2026-11-22T03:00:00Z")), ["first"]);
}

#[test]
fn a_scheduled_job_waits_for_the_one_before_it_that_is_due_at_the_same_time() {
    let plans = BTreeMap::from([daily("a-delete", "0 3 * * *", &["copy"]), daily("copy", "0 3 * * *", &[])]);
    let mut scheduler = Scheduler::new(plans, 2, Memory::default(), at("2026-11-20T00:00:00Z"));
    for day in 20..25 {
        let now = |time: &str| at(&format!("2026-11-{day}T{time}Z"));
        assert_eq!(started(&mut scheduler, now("03:00:00")), ["copy"]);
        let view = scheduler.view("a-delete", now("03:00:01")).unwrap();
        assert_eq!(view.waiting.map(|(_, _, waits)| waits), Some(Waiting::Upstream("copy".into())));
        scheduler.finished("copy", Ending::Clean);
        assert_eq!(started(&mut scheduler, now("03:30:00")), ["a-delete"]);
        scheduler.finished("a-delete", Ending::Clean);
    }
}

#[test]
fn places_go_by_priority_and_whoever_waits_long_enough_comes_first() {
    let mut plans: BTreeMap<_, _> = (0..3).map(|job| daily(&format!("often-{job}"), "* * * * *", &[])).collect();
    for plan in plans.values_mut() {
        plan.priority = Priority::High;
    }
    let (name, mut rare) = daily("rare", "0 * * * *", &[]);
    rare.priority = Priority::Low;
    plans.insert(name, rare);
    let mut now = at("2026-11-20T00:30:00Z");
    let mut scheduler = Scheduler::new(plans, 1, Memory::default(), now);
    let mut waited = Vec::new();
    for _ in 0..24 * 60 {
        now += SignedDuration::from_mins(1);
        let step = scheduler.tick(now);
        assert!(step.starts.len() <= 1);
        for start in step.starts {
            scheduler.finished(&start.job, Ending::Clean);
            if start.job == "rare" {
                waited.push(now);
            }
        }
    }
    assert!(waited.len() >= 7, "a low priority starts within a few hours: {waited:?}");
    assert!(waited[0] >= at("2026-11-20T02:00:00Z"), "but not before those of a high one: {waited:?}");
}

#[test]
fn asking_starts_a_paused_job_once_and_never_twice_at_once() {
    let mut scheduler = Scheduler::new(BTreeMap::from([daily("job", "0 3 * * *", &[])]), 1, Memory::default(), at("2026-11-20T00:00:00Z"));
    scheduler.pause("job");
    scheduler.run_now("job", at("2026-11-20T01:00:00Z"));
    let step = scheduler.tick(at("2026-11-20T01:00:00Z"));
    assert_eq!(step.starts, [Start { job: "job".into(), because: Because::Asked }]);
    scheduler.run_now("job", at("2026-11-20T01:01:00Z"));
    assert_eq!(started(&mut scheduler, at("2026-11-20T01:01:00Z")), [""; 0]);
    scheduler.finished("job", Ending::Clean);
    assert_eq!(started(&mut scheduler, at("2026-11-20T01:02:00Z")), ["job"], "what was asked for meanwhile follows");
    scheduler.finished("job", Ending::Clean);
    assert_eq!(started(&mut scheduler, at("2026-11-21T04:00:00Z")), [""; 0], "it is paused");
    scheduler.resume("job");
    assert_eq!(started(&mut scheduler, at("2026-11-21T05:00:00Z")), ["job"], "what was missed is caught up with once");
    scheduler.finished("job", Ending::Clean);
    assert_eq!(started(&mut scheduler, at("2026-11-21T05:01:00Z")), [""; 0]);
}

#[test]
fn another_set_of_jobs_waits_for_what_runs_and_keeps_what_has_fired() {
    let start = at("2026-11-20T00:00:00Z");
    let mut scheduler =
        Scheduler::new(BTreeMap::from([daily("a", "0 3 * * *", &[]), daily("b", "0 3 * * *", &[])]), 2, Memory::default(), start);
    assert_eq!(started(&mut scheduler, at("2026-11-20T03:00:00Z")), ["a", "b"]);
    scheduler.finished("b", Ending::Clean);
    scheduler.replace(BTreeMap::from([daily("b", "0 3 * * *", &[]), daily("c", "1 3 * * *", &[])]), 1, at("2026-11-20T03:00:30Z"));
    assert_eq!(started(&mut scheduler, at("2026-11-20T03:01:00Z")), [""; 0], "`a` still has the only place");
    scheduler.finished("a", Ending::Clean);
    assert_eq!(started(&mut scheduler, at("2026-11-20T03:02:00Z")), ["c"]);
    assert!(scheduler.view("a", start).is_none());
}

/// A step of a random sequence.
#[derive(Clone, Debug)]
enum Random {
    Pass(u16),
    ClockBack(u16),
    Finish(u8, bool),
    Pause(u8),
    Resume(u8),
    RunNow(u8),
    Restart,
}

fn random() -> impl Strategy<Value = Random> {
    prop_oneof![
        6 => (0_u16..600).prop_map(Random::Pass),
        1 => (0_u16..3000).prop_map(Random::ClockBack),
        6 => (any::<u8>(), any::<bool>()).prop_map(|(job, clean)| Random::Finish(job, clean)),
        1 => any::<u8>().prop_map(Random::Pause),
        1 => any::<u8>().prop_map(Random::Resume),
        1 => any::<u8>().prop_map(Random::RunNow),
        1 => Just(Random::Restart),
    ]
}

const JOBS: [&str; 4] = ["a", "b", "c", "d"];

fn random_plans() -> BTreeMap<String, JobPlan> {
    BTreeMap::from([
        daily("a", "*/10 * * * *", &[]),
        daily("b", "0 * * * *", &["a"]),
        following("c", &["a", "b"]),
        daily("d", "@daily", &[]),
    ])
}

proptest! {
    #[test]
    fn whatever_happens_no_job_runs_twice_at_once_and_no_occurrence_fires_twice(steps in prop::collection::vec(random(), 1..200)) {
        let mut now = at("2026-11-20T00:00:00Z");
        let mut scheduler = Scheduler::new(random_plans(), 2, Memory::default(), now);
        let mut running: Vec<String> = Vec::new();
        let mut last: BTreeMap<String, Ending> = BTreeMap::new();
        let mut fired = Vec::new();
        for step in steps {
            let job = |number: u8| JOBS[usize::from(number) % JOBS.len()];
            match step {
                Random::Pass(seconds) => now += SignedDuration::from_secs(i64::from(seconds)),
                Random::ClockBack(seconds) => now -= SignedDuration::from_secs(i64::from(seconds)),
                Random::Finish(number, is_clean) => {
                    if running.is_empty() { continue }
                    let job = running.remove(usize::from(number) % running.len());
                    let ending = if is_clean { Ending::Clean } else { Ending::Unclean };
                    scheduler.finished(&job, ending);
                    last.insert(job, ending);
                }
                Random::Pause(number) => scheduler.pause(job(number)),
                Random::Resume(number) => scheduler.resume(job(number)),
                Random::RunNow(number) => scheduler.run_now(job(number), now),
                Random::Restart => {
                    let memory = serde_json::to_string(&scheduler.memory()).unwrap();
                    scheduler = Scheduler::new(random_plans(), 2, serde_json::from_str(&memory).unwrap(), now);
                    running.clear();
                }
            }
            let step = scheduler.tick(now);
            prop_assert!(step.wake.is_none_or(|wake| wake > now));
            for Start { job, because } in step.starts {
                prop_assert!(!running.contains(&job), "{} runs twice", job);
                for upstream in &random_plans()[&job].after {
                    prop_assert!(!running.contains(upstream) && last.get(upstream) == Some(&Ending::Clean), "{} before {}", job, upstream);
                }
                if let Because::Due(occurrence) = because {
                    prop_assert!(!fired.contains(&(job.clone(), occurrence)), "{} fired {} twice", job, occurrence);
                    fired.push((job.clone(), occurrence));
                }
                running.push(job);
                prop_assert!(running.len() <= 2);
            }
        }
    }
}
