//! A model of what several runs claim, in simulated time: never more than the pool, everybody served, floors and weights kept.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Longer than any sequence of claims in these tests takes.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// One worker of a run: what it claims, how long it holds it, and how long it has patience.
#[derive(Clone, Debug)]
struct Work {
    share: usize,
    units: u64,
    holds_ms: u64,
    patience_ms: Option<u64>,
    after_ms: u64,
}

fn works(shares: usize) -> impl Strategy<Value = Vec<Work>> {
    let patience = prop::option::weighted(0.2, 0..30_u64);
    let work = (0..shares, prop_oneof![3 => 1..20_u64, 1 => 1..300_u64], 0..20_u64, patience, 0..60_u64);
    let work = work.prop_map(|(share, units, holds_ms, patience_ms, after_ms)| Work { share, units, holds_ms, patience_ms, after_ms });
    prop::collection::vec(work, 1..120)
}

/// Everything of a pool is played in simulated time; what every share holds is counted here, not there.
async fn play(pool: &Pool, shares: Vec<Share>, works: Vec<Work>, units: u64) {
    let held = Rc::new(Cell::new(0));
    let local = tokio::task::LocalSet::new();
    for work in works {
        let (share, held, pool) = (shares[work.share].clone(), held.clone(), pool.clone());
        local.spawn_local(async move {
            sleep(MS * u32::try_from(work.after_ms).unwrap()).await;
            let claim = share.claim(work.units);
            let claim = match work.patience_ms {
                Some(ms) => timeout(MS * u32::try_from(ms).unwrap(), claim).await.ok(),
                None => Some(claim.await),
            };
            let Some(claim) = claim else { return };
            held.set(held.get() + claim.units);
            assert!(held.get() <= units && pool.held() <= units, "{} held of {units}", held.get());
            sleep(MS * u32::try_from(work.holds_ms).unwrap()).await;
            held.set(held.get() - claim.units);
        });
    }
    timeout(FOR_EVER, local).await.expect("everybody gets what it claims, in finite time");
    assert_eq!((held.get(), pool.held()), (0, 0), "everything is given back");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn p08_never_more_than_the_pool_is_held_and_everybody_has_a_turn(
        units in 1..200_u64,
        slots in 1..6_u64,
        weights in prop::collection::vec((1..5_u64, prop::option::weighted(0.3, 1..100_u64)), 1..6),
        works in works(5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pool = Pool::new(units, slots);
            let shares: Vec<Share> = weights.iter().map(|(weight, most)| pool.share(most.unwrap_or(u64::MAX), *weight)).collect();
            let works = works.into_iter().map(|work| Work { share: work.share % shares.len(), ..work }).collect();
            play(&pool, shares, works, units).await;
        });
    }

    #[test]
    fn a_pool_that_is_made_smaller_leaves_nobody_waiting(units in 2..200_u64, smaller in 1..200_u64, slots in 1..9_u64, works in works(3)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pool = Pool::new(units, 2);
            let shares = (0..3).map(|_| pool.share(u64::MAX, 1)).collect();
            let resized = pool.clone();
            let resize = async move {
                sleep(MS * 20).await;
                resized.resize(smaller, slots);
            };
            tokio::join!(play(&pool, shares, works, units.max(smaller)), resize);
        });
    }
}

/// Workers of a share that claim again and again, and what they were granted in all.
fn busy(local: &tokio::task::LocalSet, share: &Share, workers: usize, units: u64) -> Rc<Cell<u64>> {
    let granted = Rc::new(Cell::new(0));
    for _ in 0..workers {
        let (share, granted) = (share.clone(), granted.clone());
        local.spawn_local(async move {
            loop {
                let claim = share.claim(units).await;
                granted.set(granted.get() + claim.units);
                sleep(MS * 10).await;
            }
        });
    }
    granted
}

#[tokio::test(start_paused = true)]
async fn one_run_alone_has_everything_and_gives_way_at_once() {
    let pool = Pool::new(100, 4);
    let local = tokio::task::LocalSet::new();
    let (high, low) = (pool.share(u64::MAX, 4), pool.share(u64::MAX, 1));
    drop(low);
    busy(&local, &high, 50, 5);
    local.run_until(sleep(MS * 105)).await;
    // The floors of places that nobody has taken are lent too.
    assert_eq!(pool.held(), 100);
    let low = pool.share(u64::MAX, 1);
    let begun = Instant::now();
    let all = local.run_until(async { [low.claim(6).await, low.claim(6).await] }).await;
    assert_eq!(all.iter().map(|claim| claim.units).sum::<u64>(), low.floor());
    assert!(begun.elapsed() <= MS * 10, "a run waits for its floor as long as a claim was lent: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn beyond_the_floors_weights_decide_and_none_starves() {
    let pool = Pool::new(600, 3);
    let local = tokio::task::LocalSet::new();
    let shares = [4, 2, 1].map(|weight| pool.share(u64::MAX, weight));
    let granted: Vec<_> = shares.iter().map(|share| busy(&local, share, 200, 5)).collect();
    local.run_until(sleep(MS * 10_000)).await;
    let granted: Vec<u64> = granted.iter().map(|granted| granted.get()).collect();
    // Of 600 units the floor of each is 100, which is more than the weight of the lowest gives it; the others share 500.
    let whole: u64 = granted.iter().sum();
    for (share, of_hundred) in granted.iter().zip([53, 30, 17]) {
        assert!((share * 100 / whole).abs_diff(of_hundred) <= 6, "{granted:?}");
    }
    assert!(granted[2] * 6 >= whole, "the lowest has its floor: {granted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_large_claim_is_not_passed_over_by_small_ones() {
    let pool = Pool::new(100, 2);
    let local = tokio::task::LocalSet::new();
    let (small, large) = (pool.share(u64::MAX, 4), pool.share(u64::MAX, 1));
    busy(&local, &small, 100, 3);
    local.run_until(sleep(MS * 50)).await;
    for _ in 0..5 {
        let claim = local.run_until(timeout(MS * 200, large.claim(u64::MAX))).await.expect("in time");
        assert_eq!(claim.units, pool.claim_most());
    }
}

#[tokio::test(start_paused = true)]
async fn claims_of_one_share_come_in_order() {
    let pool = Pool::new(10, 1);
    let share = pool.share(u64::MAX, 1);
    let held = share.claim(8).await;
    let large = share.claim(9);
    tokio::pin!(large);
    assert!(timeout(MS, &mut large).await.is_err());
    assert!(share.try_claim(1).is_none(), "two are free, and somebody waits");
    drop(held);
    assert_eq!(timeout(MS, large).await.unwrap().units, 9);
    assert_eq!(share.try_claim(1).unwrap().units, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_granted_to_one_who_leaves_is_given_back() {
    let pool = Pool::new(10, 1);
    let share = pool.share(u64::MAX, 1);
    let held = share.claim(8).await;
    {
        let granted_meanwhile = share.claim(9);
        tokio::pin!(granted_meanwhile);
        assert!(timeout(MS, &mut granted_meanwhile).await.is_err());
        drop(held);
        assert_eq!(pool.held(), 9, "granted, and not looked at");
    }
    assert_eq!(pool.held(), 0);
}
