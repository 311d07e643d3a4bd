//! What those who wait see, under a clock that stands still until everybody waits.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{advance, timeout};

use super::*;
use crate::shares::Pool;

const LONG: Duration = Duration::from_secs(60);

fn fixed(limit: usize) -> Limiter {
    Limiter::new(Limits::at_once(AtOnce::Fixed(limit)))
}

/// How long so many tasks take that send `each` requests of `latency` and `bytes`.
async fn lasts(limiter: &Arc<Limiter>, classes: &[Class], each: usize, latency: Duration, bytes: u64) -> Duration {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for class in classes.iter().copied() {
        let limiter = limiter.clone();
        tasks.spawn(async move {
            for _ in 0..each {
                let permit = limiter.acquire(class, bytes).await;
                tokio::time::sleep(latency).await;
                permit.end(End::Good(bytes));
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no task panics");
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn no_more_than_allowed_run_at_once() {
    let limiter = fixed(2);
    let one = limiter.acquire(Class::Read, 0).await;
    let _two = limiter.acquire(Class::Write, 0).await;
    assert!(timeout(LONG, limiter.acquire(Class::Read, 0)).await.is_err());
    drop(one);
    assert!(timeout(LONG, limiter.acquire(Class::List, 0)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_given_limit_is_used_whole_by_littles_law() {
    let limiter = Arc::new(fixed(64));
    let took = lasts(&limiter, &[Class::Read; 128], 100, Duration::from_millis(50), 4_096).await;
    assert_eq!(took.as_millis(), 12_800 / 64 * 50);
}

fn waits(limiter: &Arc<Limiter>, class: Class, bytes: u64) -> tokio::task::JoinHandle<()> {
    let limiter = limiter.clone();
    tokio::spawn(async move { drop(limiter.acquire(class, bytes).await) })
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_takes_no_turn_from_another() {
    let limiter = Arc::new(fixed(1));
    for (holds, gives_up, stays) in Class::ALL.iter().flat_map(|one| Class::ALL.map(|two| (*one, two, *one))) {
        let held = limiter.acquire(holds, 0).await;
        let (gives_up, stays) = (waits(&limiter, gives_up, 0), waits(&limiter, stays, 0));
        tokio::task::yield_now().await;
        drop(held);
        // It is given up at the moment at which its turn has come.
        gives_up.abort();
        timeout(LONG, stays).await.expect("its turn comes").expect("it does not panic");
    }
    assert!(limiter.try_acquire(Class::Other, 0).is_some(), "nothing runs and nobody waits");
}

#[tokio::test(start_paused = true)]
async fn who_has_to_watch_the_clock_passes_its_turn_on() {
    let limits = Limits { bandwidth: Timetable::constant(Some(1 << 20)), ..Limits::at_once(AtOnce::Fixed(1)) };
    let limiter = Arc::new(Limiter::new(limits));
    let held = limiter.acquire(Class::Read, 8 << 20).await;
    let (write, list) = (waits(&limiter, Class::Write, 1), waits(&limiter, Class::List, 0));
    tokio::task::yield_now().await;
    drop(held);
    timeout(Duration::from_millis(10), list).await.expect("it waits for no bytes").expect("it does not panic");
    timeout(LONG, write).await.expect("its turn comes").expect("it does not panic");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_watching_the_clock_leaves_it_to_another() {
    let limiter = Arc::new(Limiter::new(Limits { requests_per_second: Some(1.0), ..Limits::at_once(AtOnce::Fixed(8)) }));
    drop(limiter.acquire(Class::Read, 0).await);
    let (first, second) = (waits(&limiter, Class::Read, 0), waits(&limiter, Class::Read, 0));
    tokio::task::yield_now().await;
    first.abort();
    timeout(Duration::from_secs(2), second).await.expect("its turn comes").expect("it does not panic");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_answer_cuts_and_quiet_gives_back() {
    let limiter = fixed(8);
    let level = || limiter.state()[Class::Write.index()].at_once;
    let refused = limiter.acquire(Class::Write, 0).await;
    advance(Duration::from_millis(1)).await;
    assert!(refused.end(End::Refused).is_some_and(|news| news.to_string().contains("throttled")));
    assert_eq!(level(), 4);
    assert_eq!(limiter.state()[Class::Read.index()].at_once, 8, "reads were not refused");
    for _ in 0..4 {
        advance(Duration::from_millis(1_001)).await;
        limiter.acquire(Class::Write, 0).await.end(End::Good(0));
    }
    assert_eq!(level(), 8);
}

#[tokio::test(start_paused = true)]
async fn requests_keep_to_their_rate() {
    for (rate, tasks, each, lasted_ms) in [(10.0, 1, 21, 2_000), (3_500.0, 100, 70, 2_000)] {
        let limits = Limits { requests_per_second: Some(rate), ..Limits::at_once(AtOnce::Fixed(200)) };
        let limiter = Arc::new(Limiter::new(limits));
        let took = lasts(&limiter, &vec![Class::Read; tasks], each, Duration::ZERO, 0).await.as_millis();
        assert!((lasted_ms - 15..=lasted_ms + 5).contains(&took), "{took} ms at {rate} a second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_given_rate_is_shared_by_classes_in_turn() {
    let limits = Limits { requests_per_second: Some(100.0), ..Limits::at_once(AtOnce::Fixed(8)) };
    let limiter = Arc::new(Limiter::new(limits));
    let alone = async |class| lasts(&limiter, &[class], 100, Duration::ZERO, 0).await.as_millis();
    let (lists, reads, writes) = tokio::join!(alone(Class::List), alone(Class::Read), alone(Class::Write));
    for took in [lists, reads, writes] {
        assert!((2_930..=3_010).contains(&took), "{lists}, {reads} and {writes} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_keep_to_their_rate_and_requests_without_a_body_pass() {
    let limits = Limits { bandwidth: Timetable::constant(Some(1 << 20)), ..Limits::at_once(AtOnce::Fixed(8)) };
    let limiter = Arc::new(Limiter::new(limits));
    let took = lasts(&limiter, &[Class::Read, Class::Write], 8, Duration::ZERO, 256 << 10).await.as_millis();
    assert!((3_735..=3_755).contains(&took), "{took} ms");
    let large = limiter.acquire(Class::Read, 8 << 20).await;
    assert!(limiter.try_acquire(Class::List, 0).is_some());
    assert!(timeout(Duration::from_millis(7_900), limiter.acquire(Class::Read, 1)).await.is_err());
    assert!(timeout(Duration::from_millis(300), limiter.acquire(Class::Read, 1)).await.is_ok());
    drop(large);
}

#[tokio::test(start_paused = true)]
async fn a_class_without_room_does_not_hold_up_another() {
    let limiter = Limiter::new(Limits::at_once(AtOnce::Auto));
    let mut reads = Vec::new();
    while let Some(permit) = limiter.try_acquire(Class::Read, 0) {
        reads.push(permit);
    }
    assert_eq!(reads.len(), limiter.state()[Class::Read.index()].at_once);
    assert!(timeout(LONG, limiter.acquire(Class::Read, 0)).await.is_err());
    assert!(timeout(LONG, limiter.acquire(Class::Write, 0)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn several_runs_have_no_more_requests_at_once_than_are_theirs_together() {
    let pool = Pool::new(8, 3);
    let limiters = [4, 2, 1].map(|weight| Arc::new(fixed(64).among(pool.share(u64::MAX, weight))));
    let mut tasks = JoinSet::new();
    for limiter in limiters.iter().flat_map(|limiter| vec![limiter.clone(); 100]) {
        let pool = pool.clone();
        tasks.spawn(async move {
            let permit = limiter.acquire(Class::Read, 0).await;
            assert!(pool.held() <= 8, "{}", pool.held());
            tokio::time::sleep(Duration::from_millis(50)).await;
            permit.end(End::Good(0));
        });
    }
    let begun = Instant::now();
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no task panics");
    }
    // At the end one run is left, and the floors of the other two, a place each, are kept for them.
    let took = begun.elapsed().as_millis();
    assert!((300_u128.div_ceil(8) * 50..=300_u128.div_ceil(6) * 50).contains(&took), "{took} ms");
    assert_eq!(pool.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_keeps_none_from_others() {
    let pool = Pool::new(2, 2);
    let (one, other) = (fixed(8).among(pool.share(u64::MAX, 1)), fixed(8).among(pool.share(u64::MAX, 1)));
    let held = [one.acquire(Class::Read, 0).await, one.acquire(Class::Write, 0).await];
    assert!(timeout(LONG, other.acquire(Class::Read, 0)).await.is_err(), "given up while it waits");
    assert!(other.try_acquire(Class::Read, 0).is_none());
    drop(held);
    let all = [other.acquire(Class::Read, 0).await, one.acquire(Class::Read, 0).await];
    assert_eq!((pool.held(), all.len()), (2, 2));
    drop(all);
    assert_eq!(pool.held(), 0);
}
