//! The shrunken-listing guard, judged by a model of its own: what the engine must remember of originals, and what it may.

use brigade_core::event::Side;
use brigade_core::outcome::Done;
use brigade_pipeline::limits::SHRUNKEN_KNOWN_MIN;

use super::Case;
use crate::book::Now;
use crate::engine::Ended;
use crate::scenario::Directory;
use crate::violation::Violation;

/// A source that lists far fewer originals than are known is no ground for deletes.
pub(super) fn guard(case: &Case<'_>, now: &Now) -> Result<(), Violation> {
    if case.turn.directory != Directory::Kept || case.turn.fresh {
        return Ok(());
    }
    let book = case.stage.book.lock();
    let surely: Vec<&Vec<u8>> = book.known.surely.iter().filter(|key| case.before.includes(key)).collect();
    let perhaps = book.known.perhaps.iter().filter(|key| case.before.includes(key)).count();
    let missing = surely.iter().filter(|key| !now.present.contains(**key)).count();
    let count = |number: usize| u32::try_from(number).expect("few");
    let percent = 100.0 * f64::from(count(missing)) / f64::from(count(perhaps.max(1)));
    if u64::from(count(surely.len())) >= SHRUNKEN_KNOWN_MIN && percent > case.turn.percent_max {
        let message = format!("something was deleted although the source lists {missing} of {perhaps} known originals no more");
        return Err(Violation::whole(3, message));
    }
    Ok(())
}

/// What this run leaves known.
pub(super) fn learn(case: &Case<'_>) {
    let mut book = case.stage.book.lock();
    if case.turn.directory == Directory::Lost {
        book.known = Default::default();
    }
    if case.turn.directory != Directory::Kept || case.turn.fresh {
        book.known.surely.clear();
    }
    let decided = case.engines[0].seen.told().decided;
    let held = decided.iter().filter(|outcome| matches!(outcome.result, Done::Copied(_) | Done::Kept { .. }));
    let proven = |done: &Done| match done {
        Done::Copied(copied) => copied.target.is_some(),
        Done::Kept { news, .. } => news.is_some(),
        _ => false,
    };
    let ended = case.ended.map(|ended| &ended[0]);
    let clean = match ended {
        Some(Ended { finished: Some(finished), kept: true }) => finished.ending == brigade_core::known::Ending::Clean,
        _ => false,
    };
    let listed: Vec<_> = held.map(|outcome| (outcome.key.as_bytes().to_vec(), proven(&outcome.result))).collect();
    if clean && case.engines.len() == 1 {
        let includes = |key: &Vec<u8>| case.before.includes(key);
        let before: Vec<Vec<u8>> = book.known.surely.iter().filter(|key| includes(key)).cloned().collect();
        book.known.surely.retain(|key| !includes(key));
        book.known.perhaps.retain(|key| !includes(key));
        for (key, proven) in &listed {
            if *proven || before.contains(key) {
                book.known.surely.insert(key.clone());
            }
        }
    }
    book.known.perhaps.extend(listed.into_iter().map(|(key, _)| key));
    let gone: Vec<Vec<u8>> = book.now.originals_gone.iter().map(|gone| gone.key.clone()).collect();
    // One that somebody else removed right before the engine did was its to remove, and is not missed either.
    let is_gone = |key: &Vec<u8>| case.stage.place(Side::Source).peek(key).is_none();
    let doomed = case.engines.iter().flat_map(|engine| engine.doomed()).map(|key| key.as_bytes().to_vec()).filter(is_gone);
    for key in gone.into_iter().chain(doomed) {
        book.known.surely.remove(&key);
    }
}
