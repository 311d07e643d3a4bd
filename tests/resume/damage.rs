//! p06: whatever happens to the state directory between two runs, the next run needs more time at most.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::moving::{Cloud, MIB, Moving};
use crate::wait;

/// Kills of one migration, each followed by damage.
const KILLS: u64 = 8;

/// Longest wait before a kill, milliseconds.
const RUN_MS_MAX: u64 = 1_200;

/// A migration takes seconds, of which some parts arrive in each.
const SLOWLY: [&str; 6] = ["--bandwidth", "48M", "--memory", "32M", "--concurrency", "4"];

const LARGE: [u64; 2] = [26 * MIB, 31 * MIB + 5];

#[tokio::test(flavor = "multi_thread")]
async fn p06_a_state_directory_that_is_removed_after_each_kill_costs_only_time() {
    for into in [Cloud::S3, Cloud::Gcs] {
        let mut dice = Dice::thrown(&format!("the state is removed, S3 to {into:?}"));
        let mut moving = Moving::sample(into, dice.below(1 << 40), &LARGE).await;
        for _ in 0..KILLS {
            if run_and_kill(&mut moving, &mut dice).await.is_some() {
                break;
            }
            std::fs::remove_dir_all(moving.lab.path("state")).unwrap_or_default();
        }
        to_the_end(&mut moving).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p06_damage_to_any_file_of_the_state_after_each_kill_costs_only_time() {
    for (into, known) in [(Cloud::S3, Known::Nothing), (Cloud::Gcs, Known::Nothing), (Cloud::S3, Known::Everything)] {
        let mut dice = Dice::thrown(&format!("the state is damaged, S3 to {into:?}, {known:?}"));
        let mut moving = Moving::sample(into, dice.below(1 << 40), &LARGE).await;
        if known == Known::Everything {
            moving.lab.transfer(&["copy", "one:data", moving.target_name(), "--part-size", "5M"]).await.expect(0);
        }
        for _ in 0..KILLS {
            if run_and_kill(&mut moving, &mut dice).await.is_some() {
                break;
            }
            spoil(&moving, &mut dice);
        }
        to_the_end(&mut moving).await;
    }
}

/// What a clean run left before the first kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Everything,
}

/// A run that is killed at a random instant; its exit code where it ended before.
async fn run_and_kill(moving: &mut Moving, dice: &mut Dice) -> Option<i32> {
    let last = Instant::now() + Duration::from_millis(dice.below(RUN_MS_MAX));
    let child = moving.start(&SLOWLY);
    wait::looking_until(last, || std::ops::ControlFlow::Continue(())).await;
    let killed = moving.kill(child).await;
    moving.judge();
    match killed {
        Ok(_) => None,
        Err(ended) => {
            assert_eq!(ended.code(), Some(0), "{}", moving.said());
            ended.code()
        }
    }
}

async fn to_the_end(moving: &mut Moving) {
    let ended = moving.start(&[]).wait().await.unwrap();
    assert_eq!(ended.code(), Some(0), "{}", moving.said());
    moving.ended().await;
}

/// Cuts a random file of the state, or flips some of its bytes.
fn spoil(moving: &Moving, dice: &mut Dice) {
    let files = files_of(&moving.lab.path("state"));
    for _ in 0..=dice.below(2) {
        if files.is_empty() {
            return;
        }
        let file = &files[usize::try_from(dice.below(u64::try_from(files.len()).unwrap())).unwrap()];
        let mut bytes = std::fs::read(file).unwrap();
        let length = u64::try_from(bytes.len()).unwrap();
        if dice.below(3) == 0 {
            bytes.truncate(usize::try_from(dice.below(length + 1)).unwrap());
        } else {
            for _ in 0..=dice.below(8) {
                let at = usize::try_from(dice.below(length)).unwrap();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= u8::try_from(1 + dice.below(255)).unwrap();
                }
            }
        }
        println!("damaged {} of {length} bytes", file.file_name().unwrap().display());
        std::fs::write(file, bytes).unwrap();
    }
}

/// Every file below a directory, sorted, so that a seed does the same again.
fn files_of(directory: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.append(&mut files_of(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
