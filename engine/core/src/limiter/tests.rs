//! What the controller does to servers: claims about goodput and refusals, on minutes of simulated time.

mod servers;
mod world;

use std::time::Duration;

use super::*;
use servers::{Capped, Constant, Moody, Queueing, Thrashing, Windowed};
use world::{Lane, World};

/// More than any limit lets run.
const WORKERS: usize = 600;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn world(at_once: AtOnce) -> World {
    World::new(Controller::new(Settings { at_once, ..Settings::default() }))
}

fn level(world: &World, class: Class) -> usize {
    world.controller.state(world.now)[class.index()].at_once
}

/// Tighter than what is promised: above 90 % of the cap, with under 3 % refused.
#[track_caller]
fn holds(lane: &Lane, seconds: std::ops::Range<usize>, cap: f64, what: &str) {
    let (good, refused) = lane.between(seconds);
    assert!(good > cap * 0.95, "{what}: only {good:.0} of {cap} a second");
    assert!(refused < 0.015, "{what}: {:.2} % refused", refused * 100.0);
}

#[test]
fn a_cap_of_3500_a_second_is_used_above_90_percent_with_under_3_percent_refused() {
    for at_once in [AtOnce::Auto, AtOnce::Fixed(1_000)] {
        for latency in [2, 50] {
            for burst in [0.01, 0.1, 1.0] {
                let mut world = world(at_once).with(Class::Write, WORKERS, Capped::new(3_500.0, ms(latency), burst));
                world.run(60);
                let what = format!("{at_once:?}, {latency} ms, {burst} s saved");
                holds(&world.lanes[0], 10..60, 3_500.0, &what);
                holds(&world.lanes[0], 10..30, 3_500.0, &what);
            }
            let server = Windowed { per_second: 3_500, latency: ms(latency), second: 0, count: 0 };
            let mut world = world(at_once).with(Class::Write, WORKERS, server);
            world.run(60);
            holds(&world.lanes[0], 10..60, 3_500.0, &format!("{at_once:?}, {latency} ms, by the second"));
        }
    }
}

#[test]
fn caps_of_every_size_are_learned() {
    for cap in [20.0, 100.0, 5_500.0, 20_000.0] {
        let mut world = world(AtOnce::Fixed(1_000)).with(Class::Read, 1_000, Capped::new(cap, ms(20), 0.1));
        world.run(60);
        holds(&world.lanes[0], 10..60, cap, "a cap of its own");
    }
}

#[test]
fn throttling_that_comes_and_goes_is_followed_both_ways() {
    let server = Capped::new(3_500.0, ms(20), 0.1).then(Duration::from_secs(30), 500.0).then(Duration::from_secs(60), 3_500.0);
    let mut world = world(AtOnce::Auto).with(Class::Write, WORKERS, server);
    world.run(120);
    let lane = &world.lanes[0];
    holds(lane, 10..30, 3_500.0, "before");
    holds(lane, 35..60, 500.0, "less");
    holds(lane, 85..120, 3_500.0, "after");
}

#[test]
fn a_server_that_refuses_a_few_for_no_reason_is_not_slowed_down_for_it() {
    let mut world = world(AtOnce::Fixed(64)).with(Class::Read, WORKERS, Moody { latency: ms(20), every: 150, count: 0 });
    world.run(30);
    let (good, _) = world.lanes[0].between(10..30);
    assert!(good > 3_000.0, "{good}");
}

#[test]
fn a_server_that_refuses_many_by_chance_is_slowed_down_for_it_only_until_that_has_changed_nothing() {
    let mut world = world(AtOnce::Fixed(64)).with(Class::Read, WORKERS, Moody { latency: ms(20), every: 7, count: 0 });
    world.run(30);
    let (good, refused) = world.lanes[0].between(10..30);
    assert!(refused > 0.14, "{refused}");
    assert!(good > 1_500.0, "{good} a second");
}

#[test]
fn constant_latency_is_climbed_to_the_most_within_three_seconds() {
    let mut world = world(AtOnce::Auto).with(Class::Read, WORKERS, Constant(ms(50)));
    world.run(3);
    assert_eq!(level(&world, Class::Read), 256);
    world.run(7);
    let (good, _) = world.lanes[0].between(4..10);
    assert!(good > 256.0 / 0.050 * 0.95, "{good} a second");
    assert_eq!(world.controller.state(world.now)[Class::Read.index()].reason, Reason::Most);
}

#[test]
fn the_first_answer_says_how_many_a_distant_endpoint_needs() {
    for (latency, begins) in [(ms(1), 32), (ms(20), 64), (ms(50), 128), (ms(400), 128)] {
        let mut world = world(AtOnce::Auto).with(Class::Read, 1, Constant(latency));
        world.run(1);
        assert_eq!(level(&world, Class::Read), begins, "{latency:?}");
    }
}

#[test]
fn what_is_dear_begins_low_and_grows_only_where_that_brings_much() {
    let at_once = AtOnce::From { start: 4, most: 128 };
    let mut far = world(at_once).with(Class::Write, WORKERS, Constant(ms(50)));
    far.run(1);
    assert!(far.lanes[0].seconds[0].running_most < 128, "it does not begin at the most");
    far.run(9);
    assert_eq!(level(&far, Class::Write), 128, "each one more brings as much as the others");
    // Five hands: doubling from four to eight brings a quarter more.
    let mut near = world(at_once).with(Class::Write, WORKERS, Queueing::new(5, ms(10), ms(0)));
    near.run(60);
    let most = near.lanes[0].seconds.iter().map(|second| second.running_most).max();
    assert!(most <= Some(8) && level(&near, Class::Write) <= 6, "{most:?} at once");
}

#[test]
fn a_given_limit_is_used_whole_from_the_start_and_never_exceeded() {
    let mut world = world(AtOnce::Fixed(64)).with(Class::Read, WORKERS, Constant(ms(50)));
    world.run(10);
    let (good, _) = world.lanes[0].between(0..10);
    assert!(good > 64.0 / 0.050 * 0.98, "{good} a second");
    assert_eq!(world.lanes[0].seconds.iter().map(|second| second.running_most).max(), Some(64));
}

#[test]
fn classes_share_a_given_limit() {
    let mut world = world(AtOnce::Fixed(10)).with(Class::Read, 50, Constant(ms(7))).with(Class::Write, 50, Constant(ms(5)));
    world.run(5);
    for at in 0..5 {
        let most: usize = world.lanes.iter().map(|lane| lane.seconds[at].running_most).sum();
        assert!((10..=20).contains(&most), "{most}");
    }
    let (reads, _) = world.lanes[0].between(0..5);
    let (writes, _) = world.lanes[1].between(0..5);
    let at_once = reads * 0.007 + writes * 0.005;
    assert!((9.0..=10.1).contains(&at_once), "{at_once}");
}

#[test]
fn where_requests_only_queue_the_limit_stays_low() {
    let mut world = world(AtOnce::Auto).with(Class::Read, WORKERS, Queueing::new(16, ms(10), ms(1)));
    world.run(60);
    let (good, _) = world.lanes[0].between(5..60);
    assert!(good > 1_600.0 * 0.95, "{good} a second");
    let most = world.lanes[0].seconds[10..].iter().map(|second| second.running_most).max();
    assert!(most <= Some(64), "{most:?} at once");
}

#[test]
fn where_more_at_once_is_less_it_falls_to_where_goodput_was_best() {
    let mut world = world(AtOnce::Auto).with(Class::Write, WORKERS, Thrashing { latency: ms(10), holds: 20, here: 0 });
    world.run(60);
    let (good, _) = world.lanes[0].between(20..60);
    assert!(good > 2_000.0 * 0.85, "{good} a second with {} at once", level(&world, Class::Write));
}

#[test]
fn refused_writes_do_not_slow_reads() {
    let mut world =
        world(AtOnce::Auto).with(Class::Read, WORKERS, Constant(ms(20))).with(Class::Write, WORKERS, Capped::new(200.0, ms(20), 0.1));
    world.run(20);
    holds(&world.lanes[1], 10..20, 200.0, "writes");
    let (reads, _) = world.lanes[0].between(10..20);
    let states = world.controller.state(world.now);
    assert_eq!(states[Class::Read.index()].per_second, None);
    assert!(states[Class::Write.index()].per_second.is_some());
    assert!(reads > 240.0 / 0.020, "{reads} a second");
}

#[test]
fn an_endpoint_that_refuses_everything_for_a_while_is_asked_little_and_comes_back() {
    let server = Capped::new(2_000.0, ms(20), 0.1).then(Duration::from_secs(10), 0.0).then(Duration::from_secs(20), 2_000.0);
    let mut world = world(AtOnce::Auto).with(Class::Write, WORKERS, server);
    world.run(60);
    let lane = &world.lanes[0];
    let asked: u32 = lane.seconds[13..20].iter().map(|second| second.refused).sum();
    assert!(asked < 200, "{asked} requests were refused");
    let (good, _) = lane.between(40..60);
    assert!(good > 1_800.0, "{good}");
}

#[test]
fn a_ramp_is_where_rates_begin_and_no_ceiling_for_a_server_that_refuses_nothing() {
    let settings = Settings { ramp: Some(Ramp::GOOGLE), ..Settings::default() };
    let mut world = World::new(Controller::new(settings)).with(Class::Write, WORKERS, Constant(ms(30)));
    world.run(90);
    let good = |at: usize| world.lanes[0].seconds[at].good;
    assert!((950..=1_010).contains(&good(15)), "{}", good(15));
    assert!((1_450..=1_600).contains(&good(40)), "{}", good(40));
    assert!(good(85) > 8_000, "{}", good(85));
}

#[test]
fn a_given_rate_is_kept_across_classes() {
    let settings = Settings { requests_per_second: Some(500.0), ..Settings::default() };
    let mut world =
        World::new(Controller::new(settings)).with(Class::Read, 100, Constant(ms(20))).with(Class::Write, 100, Constant(ms(30)));
    world.run(20);
    let (reads, _) = world.lanes[0].between(1..19);
    let (writes, _) = world.lanes[1].between(1..19);
    assert!((495.0..=500.5).contains(&(reads + writes)), "{reads} + {writes}");
}

#[test]
fn bytes_keep_to_their_rate_and_requests_without_a_body_pass() {
    let mut controller = Controller::new(Settings::default());
    controller.set_bytes_per_second(Some(1 << 20));
    assert_eq!(controller.admit(Class::Read, 8 << 20, Duration::ZERO), Admission::Started);
    assert_eq!(controller.admit(Class::List, 0, Duration::ZERO), Admission::Started);
    assert_eq!(controller.admit(Class::Write, 1, ms(1_000)), Admission::After(ms(7_000)));
    controller.set_bytes_per_second(None);
    assert_eq!(controller.admit(Class::Write, 1, ms(1_000)), Admission::Started);
}

#[test]
fn news_is_told_once_a_second_and_says_why() {
    let mut controller = Controller::new(Settings { at_once: AtOnce::Fixed(64), ..Settings::default() });
    for _ in 0..64 {
        assert_eq!(controller.admit(Class::Write, 0, ms(0)), Admission::Started);
    }
    let mut end = |end: End, at: u64| controller.ended(Class::Write, end, ms(at), ms(at)).map(|news| news.to_string());
    assert_eq!(end(End::Good(1), 5).as_deref(), Some("64 writes at once (as given)"), "where it begins is told");
    assert_eq!(end(End::Good(1), 6), None);
    for refused in 0..20 {
        assert_eq!(end(End::Refused, 100 + refused * 40), None, "it was told less than a second ago");
    }
    let news = end(End::Refused, 1_200).expect("it is news");
    assert!(news.ends_with(" a second (throttled 0.0 s ago)"), "{news}");
    assert_eq!(end(End::Good(1), 2_100), None);
    let news = end(End::Good(1), 2_300).expect("it is news");
    assert!(news.ends_with(" a second (recovering after a throttle)"), "{news}");
}

#[test]
fn a_share_is_never_more_than_what_was_given_and_never_more_than_the_share() {
    for given in [AtOnce::Auto, AtOnce::From { start: 8, most: 64 }, AtOnce::Fixed(20)] {
        for most in [1, 8, 20, 64, 100_000] {
            let share = given.within(most);
            assert_eq!(share.most(), given.most().min(most), "{given:?} within {most}");
            assert_eq!(share == given, given.most() <= most, "what fits is left as it is");
        }
    }
}
