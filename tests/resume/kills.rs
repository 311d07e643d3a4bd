//! p05: a migration that is killed at any instant, and given again until it ends by itself, loses nothing, mixes nothing, deletes
//! nothing early, and sends little twice.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use brigade_lab::fault::{Action, Op, Rule};

use crate::dice::Dice;
use crate::moving::{Cloud, MIB, Moving, Phase};
use crate::sent::Sent;
use crate::support::BUCKET;
use crate::wait;

/// Kills of each of the two migrations.
const KILLS: usize = 100;

/// Kills among them that have to hit the delete phase, or the loop does not show what it is for.
const KILLS_DELETING_MIN: usize = 10;

/// The longest that a run is left alone before a kill by the clock: half of a run of the sample.
const RUN_MS_MAX: u64 = 1_100;

/// A run that has not ended by then hangs.
const RUN_TIME_MAX: Duration = Duration::from_secs(60);

/// Sizes of the large objects, bytes: whole parts and a rest.
const LARGE: [u64; 4] = [20 * MIB + 1, 24 * MIB, 31 * MIB + 77, 40 * MIB];

/// So slow that a run takes seconds, and with a budget of so few parts that many come one after the other.
const SLOWLY: [&str; 6] = ["--bandwidth", "64M", "--memory", "32M", "--concurrency", "4"];

#[tokio::test(flavor = "multi_thread")]
async fn p05_a_migration_from_s3_to_s3_survives_every_kill() {
    kill_until_enough(Cloud::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_a_migration_from_s3_to_gcs_survives_every_kill() {
    kill_until_enough(Cloud::Gcs).await;
}

/// Nobody gives the same command again: the sweep finds what the kill left open, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn p12_uploads_of_a_run_that_was_killed_are_found_by_the_sweep() {
    for into in [Cloud::S3, Cloud::Gcs] {
        let mut moving = Moving::sample(into, 7, &LARGE[..1]).await;
        moving.target().faults().add(Rule::new(&[Op::CompleteUpload], Action::Stall));
        let child = moving.start(&[]);
        wait::until("the upload is about to be completed", || !moving.target().faults().struck().is_empty()).await;
        moving.kill(child).await.unwrap();
        moving.judge();
        assert_eq!(moving.target().uploads_under_way(BUCKET), 1, "the kill left an upload");
        let arrived = moving.target().snapshot(BUCKET);
        moving.lab.brigade(&["cleanup", moving.target_name()]).await.expect(0);
        assert_eq!(moving.target().uploads_under_way(BUCKET), 1, "what was begun lately may be another run's work");
        moving.lab.brigade(&["cleanup", moving.target_name(), "--older-than", "0s"]).await.expect(0);
        assert_eq!(moving.target().uploads_under_way(BUCKET), 0);
        assert_eq!(moving.target().snapshot(BUCKET), arrived, "the sweep touches no object");
    }
}

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Instants {
    /// So long after its start.
    Clock(Duration),
    /// When so many bodies have arrived.
    Arrivals(u64),
    /// When so many originals are being deleted.
    Deletes(u64),
}

impl Instants {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0..5 => Self::Clock(Duration::from_millis(dice.below(RUN_MS_MAX))),
            5..9 => Self::Arrivals(1 + dice.below(60)),
            _ => Self::Deletes(2 + dice.below(crate::moving::SMALL_OBJECTS)),
        }
    }
}

struct Kill {
    at: Instant,
    after: Duration,
    phase: Phase,
}

async fn kill_until_enough(into: Cloud) {
    let mut dice = Dice::thrown(&format!("S3 to {into:?}"));
    let (mut kills, mut deleting, mut migrations) = (0, 0, 0);
    while kills < KILLS {
        let killed = migrate_with_kills(into, kills, &mut dice).await;
        kills += killed.len();
        deleting += killed.iter().filter(|phase| **phase == Phase::Deleting).count();
        migrations += 1;
    }
    println!("S3 to {into:?}: {kills} kills of {migrations} migrations, {deleting} of them in the delete phase");
    assert!(deleting >= KILLS_DELETING_MIN, "only {deleting} of {kills} kills hit the delete phase");
}

/// One migration with kills until a run ends by itself; gives the phases that they hit.
async fn migrate_with_kills(into: Cloud, before: usize, dice: &mut Dice) -> Vec<Phase> {
    let mut moving = Moving::sample(into, dice.below(1 << 40), &LARGE).await;
    let mut sent = Sent::new(moving.target().requests());
    let mut kills: Vec<Kill> = Vec::new();
    loop {
        let enough = before + kills.len() >= KILLS;
        let instant = if enough { Instants::Clock(RUN_TIME_MAX) } else { Instants::draw(dice) };
        match run(&moving, kills.len(), instant, &mut sent).await {
            Ok(kill) => kills.push(kill),
            Err(code) => {
                assert_eq!(code, Some(0), "after {} kills a run ended so:\n{}", kills.len(), moving.said());
                break;
            }
        }
        moving.judge();
    }
    moving.ended().await;
    let prices = sent.prices(&kills.iter().map(|kill| kill.at).collect::<Vec<_>>());
    for (number, (kill, price)) in (before + 1..).zip(kills.iter().zip(&prices)) {
        println!(
            "kill {number:3}: after {:4} ms, {:8?}, {:9} bytes received so far, {:8} twice because of it, at most {:8}",
            kill.after.as_millis(),
            kill.phase,
            price.received_bytes,
            price.twice_bytes,
            price.bound_bytes
        );
        assert!(price.twice_bytes <= price.bound_bytes, "kill {number} cost more than was in flight or in the commit window");
    }
    kills.iter().map(|kill| kill.phase).collect()
}

/// One run until it is killed; the exit code where it came to its end first.
async fn run(moving: &Moving, number: usize, instant: Instants, sent: &mut Sent) -> Result<Kill, Option<i32>> {
    let (deletes, lists) = (moving.deletes(), moving.lists());
    let begun = Instant::now();
    let mut child = moving.start(&SLOWLY);
    let (mut bodies, mut deleted) = (0, 0);
    let last = if let Instants::Clock(time) = instant { begun + time } else { begun + RUN_TIME_MAX };
    wait::looking_until(last, || {
        bodies = sent.look(number);
        deleted = moving.deletes() - deletes;
        let enough = match instant {
            Instants::Clock(_) => false,
            Instants::Arrivals(count) => bodies >= count,
            Instants::Deletes(count) => deleted >= count,
        };
        let ended = child.try_wait().unwrap().is_some();
        if enough || ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await;
    assert!(begun.elapsed() < RUN_TIME_MAX, "a run hangs:\n{}", moving.said());
    let killed = moving.kill(child).await;
    bodies = sent.look(number);
    let at = killed.map_err(|ended| ended.code())?;
    // The probes list one page of the source and delete one key that is not there.
    let phase = match (deleted > 1, bodies > 0, moving.lists() - lists > 1) {
        (true, ..) => Phase::Deleting,
        (_, true, _) => Phase::Copying,
        (_, _, true) => Phase::Listing,
        _ => Phase::Starting,
    };
    Ok(Kill { at, after: at - begun, phase })
}
