//! Days of the outbox in no time, against receivers of every kind.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn begin() -> Timestamp {
    "2026-11-20T00:00:00Z".parse().expect("a time")
}

fn notification(id: &str, job: &str, time: Timestamp) -> Notification {
    let (event, message) = ("breach".to_owned(), "too old".to_owned());
    Notification { id: id.to_owned(), event, job: job.to_owned(), message, time, run: None }
}

fn outbox(ids: &[(&str, &str)]) -> Outbox {
    let mut outbox = Outbox::default();
    for (id, job) in ids {
        assert_eq!(outbox.add(notification(id, job, begin()), begin()), None);
    }
    outbox
}

/// Tries what is due, at its time, until the receiver has answered so often; gives back when, and what.
fn try_all(outbox: &mut Outbox, mut now: Timestamp, answers: impl IntoIterator<Item = Answer>) -> Vec<(Timestamp, String, Fate)> {
    let mut tried = Vec::new();
    for answer in answers {
        let Some(rest) = outbox.rest(now) else { break };
        now += span(rest);
        let one = outbox.begin(now).expect("it is due");
        tried.push((now, one.id, outbox.settle(answer, now).expect("it was under way")));
    }
    tried
}

fn ids(tried: &[(Timestamp, String, Fate)]) -> Vec<&str> {
    tried.iter().map(|(_, id, _)| id.as_str()).collect()
}

#[test]
fn one_is_under_way_at_a_time_and_those_of_one_job_keep_their_order() {
    let mut outbox = outbox(&[("a1", "a"), ("a2", "a"), ("b1", "b")]);
    assert_eq!(outbox.begin(begin()).map(|one| one.id), Some("a1".to_owned()));
    assert_eq!((outbox.begin(begin()), outbox.rest(begin())), (None, None), "one is under way");
    assert!(matches!(outbox.settle(Answer::later("busy"), begin()), Some(Fate::Again { attempts: 1, .. })));
    let tried = try_all(&mut outbox, begin(), vec![Answer::Taken; 3]);
    assert_eq!(ids(&tried), ["b1", "a1", "a2"], "another job does not wait, and a2 does");
    assert_eq!((outbox.pending().count(), outbox.rest(begin())), (0, None));
}

#[test]
fn pauses_double_up_to_an_hour_and_differ_from_one_to_the_next() {
    let mut whole = PAUSE_FIRST;
    for attempts in 1..=20 {
        let own: Vec<Duration> = (0..50).map(|id| pause(&format!("id-{id}"), attempts)).collect();
        assert!(own.iter().all(|pause| *pause <= whole && *pause >= whole * 3 / 4), "{attempts}: {own:?}");
        assert!(own.iter().collect::<BTreeSet<_>>().len() > 40, "{attempts}: they would all come back together");
        whole = (whole * 2).min(PAUSE_MAX);
    }
}

#[test]
fn a_receiver_that_says_when_to_come_back_is_not_asked_before_and_an_hour_is_the_most() {
    let mut outbox = outbox(&[("a", "a")]);
    let wait = |seconds| Answer::Later { why: "busy".to_owned(), wait: Some(Duration::from_secs(seconds)) };
    let tried = try_all(&mut outbox, begin(), [wait(90), wait(u64::MAX), Answer::Taken]);
    let seconds: Vec<i64> = tried.iter().map(|(at, ..)| begin().duration_until(*at).as_secs()).collect();
    assert_eq!(seconds, [0, 90, 3_690]);
}

#[test]
fn one_that_fails_for_a_day_is_given_up_and_one_that_was_never_tried_is_not() {
    let mut waiting = outbox(&[("a", "a")]);
    let tried = try_all(&mut waiting, begin(), vec![Answer::later("down"); 200]);
    let (at, _, fate) = tried.last().expect("tried");
    assert!(matches!(fate, Fate::GivenUp { attempts, .. } if *attempts < ATTEMPTS_MAX), "{fate:?}");
    let age = begin().duration_until(*at);
    assert!(age > span(AGE_MAX) && age <= span(AGE_MAX + PAUSE_MAX), "{age}");
    assert_eq!(waiting.pending().count(), 0);

    let week = begin() + SignedDuration::from_hours(7 * 24);
    let mut rested = outbox(&[("a", "a")]);
    assert!(matches!(try_all(&mut rested, week, [Answer::Taken])[0].2, Fate::Delivered(_)), "however old it is");
}

#[test]
fn where_the_clock_stands_still_the_number_of_attempts_is_the_bound() {
    let mut outbox = outbox(&[("a", "a")]);
    let mut attempts = 0;
    loop {
        // A clock that leaps back by a day after each attempt: what is due lies further ahead than any pause.
        let now = begin() - SignedDuration::from_hours(24) * attempts;
        let one = outbox.begin(now).expect("a clock that was put back holds nothing up");
        attempts += 1;
        match outbox.settle(Answer::later("down"), now) {
            Some(Fate::Again { .. }) => assert_eq!(one.id, "a"),
            Some(Fate::GivenUp { attempts: told, .. }) => break assert_eq!((told, attempts), (ATTEMPTS_MAX, 64)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refusal_for_good_ends_it_and_the_next_of_the_job_follows() {
    let mut outbox = outbox(&[("a1", "a"), ("a2", "a")]);
    let tried = try_all(&mut outbox, begin(), [Answer::Never { why: "gone".to_owned() }, Answer::Taken]);
    assert!(matches!(&tried[0].2, Fate::GivenUp { attempts: 1, why, .. } if why == "gone"));
    assert_eq!(ids(&tried), ["a1", "a2"]);
}

#[test]
fn where_too_many_wait_the_oldest_makes_room_unless_it_is_under_way() {
    let mut outbox = Outbox::default();
    for number in 0..NOTIFICATIONS_PENDING_MAX {
        assert_eq!(outbox.add(notification(&format!("{number}"), "a", begin()), begin()), None);
    }
    assert_eq!(outbox.add(notification("new", "a", begin()), begin()).map(|one| one.id), Some("0".to_owned()));
    assert_eq!(outbox.begin(begin()).map(|one| one.id), Some("1".to_owned()));
    assert_eq!(outbox.add(notification("newer", "a", begin()), begin()).map(|one| one.id), Some("2".to_owned()));
    assert!(matches!(outbox.settle(Answer::Taken, begin()), Some(Fate::Delivered(one)) if one.id == "1"));
    assert_eq!(outbox.pending().count(), NOTIFICATIONS_PENDING_MAX - 1);
}

#[test]
fn what_waits_outlives_the_process_and_the_attempt_under_way_does_not() {
    let mut outbox = outbox(&[("a", "a"), ("b", "b")]);
    try_all(&mut outbox, begin(), [Answer::later("busy")]);
    assert!(outbox.begin(begin()).is_some());
    let text = serde_json::to_string(&outbox).expect("JSON");
    let mut next: Outbox = serde_json::from_str(&text).expect("the same");
    assert_eq!(next.pending().collect::<Vec<_>>(), outbox.pending().collect::<Vec<_>>());
    assert_eq!(next.begin(begin()).map(|one| one.id), Some("b".to_owned()), "it is tried again, under its id");
    assert_eq!(next.settle(Answer::Taken, begin()).map(|fate| matches!(fate, Fate::Delivered(_))), Some(true));
    assert_eq!(next.settle(Answer::Taken, begin()), None, "nothing is under way");
}

/// What happens to an outbox.
#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Pass(i64),
    Begin,
    Settle(Answer),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let later =
        (prop::option::of(0_u64..10_000)).prop_map(|wait| Answer::Later { why: "busy".to_owned(), wait: wait.map(Duration::from_secs) });
    let answer = prop_oneof![Just(Answer::Taken), later, Just(Answer::Never { why: "gone".to_owned() })];
    prop_oneof![
        3 => (0_u8..4).prop_map(Step::Add),
        2 => (-5_000_i64..20_000).prop_map(Step::Pass),
        4 => Just(Step::Begin),
        4 => answer.prop_map(Step::Settle),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn none_is_forgotten_none_is_told_twice_and_each_job_is_told_in_order(steps in prop::collection::vec(step(), 1..400)) {
        let (mut outbox, mut now, mut under_way) = (Outbox::default(), begin(), None);
        let (mut added, mut ended) = (Vec::new(), BTreeSet::new());
        let mut delivered: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Add(job) => {
                    let id = added.len().to_string();
                    added.push(id.clone());
                    let dropped = outbox.add(notification(&id, &job.to_string(), now), now);
                    prop_assert!(dropped.is_none_or(|one| ended.insert(one.id)));
                }
                Step::Pass(seconds) => now += SignedDuration::from_secs(seconds),
                Step::Begin => {
                    let rest = outbox.rest(now);
                    let begun = outbox.begin(now);
                    prop_assert_eq!(begun.is_some(), rest == Some(Duration::ZERO));
                    under_way = begun.map(|one| one.id).or(under_way);
                }
                Step::Settle(answer) => match outbox.settle(answer, now) {
                    Some(Fate::Again { notification, attempts, pause, .. }) => {
                        prop_assert_eq!(under_way.take(), Some(notification.id));
                        prop_assert!(attempts < ATTEMPTS_MAX && pause <= PAUSE_MAX);
                    }
                    Some(Fate::Delivered(one)) => {
                        prop_assert_eq!(under_way.take(), Some(one.id.clone()));
                        delivered.entry(one.job).or_default().push(one.id.parse().expect("a number"));
                        prop_assert!(ended.insert(one.id));
                    }
                    Some(Fate::GivenUp { notification, .. }) => {
                        prop_assert_eq!(under_way.take(), Some(notification.id.clone()));
                        prop_assert!(ended.insert(notification.id));
                    }
                    None => prop_assert_eq!(under_way.take(), None),
                },
                Step::Restart => {
                    under_way = None;
                    outbox = serde_json::from_str(&serde_json::to_string(&outbox).expect("JSON")).expect("the same");
                }
            }
            prop_assert!(outbox.rest(now).is_none_or(|rest| rest <= PAUSE_MAX));
        }
        let waiting: BTreeSet<String> = outbox.pending().map(|one| one.notification.id.clone()).collect();
        prop_assert!(waiting.is_disjoint(&ended));
        prop_assert_eq!(waiting.len() + ended.len(), added.len());
        prop_assert!(delivered.values().all(|ids| ids.is_sorted()), "{:?}", delivered);
    }
}
