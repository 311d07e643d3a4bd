//! What earlier runs did is neither done again nor left lying: p05 and p12.

use std::collections::{BTreeMap, BTreeSet};

use brigade_core::compare::CompareMode;
use brigade_core::event::Side;
use brigade_core::known::Original;
use brigade_core::report::RunOutcome;
use brigade_core::{Change, Identity, Key, Known, Proof};
use brigade_lab::sim_state::Progress;

use super::Case;
use crate::book::Version;
use crate::engine::Ended;
use crate::play::Played;
use crate::scenario::{Directory, Mutation};
use crate::seam::Sent;
use crate::stage::Stage;
use crate::violation::Violation;

/// What the job's directory durably holds before a run.
pub(super) struct Left {
    /// Uploads by the store's id.
    uploads: BTreeMap<String, Begun>,
    /// Keys whose copy is known, with its two versions, where the target still holds that one.
    known: Vec<Known>,
}

struct Begun {
    key: Key,
    source: Identity,
    /// Parts that are noted, and that the store still holds.
    parts: BTreeSet<u32>,
    alive: bool,
}

impl Left {
    pub(super) fn of(durable: &Progress, stage: &Stage) -> Self {
        let target = stage.place(Side::Target);
        let uploads = durable.uploads.values().map(|noted| {
            let found = target.world.upload(target.bucket, &target.name(noted.upload.key.as_bytes()), &noted.upload.id);
            let held = found.as_ref().map(|upload| upload.parts.keys().copied().collect::<BTreeSet<u32>>()).unwrap_or_default();
            let parts = noted.parts.keys().copied().filter(|number| held.contains(number)).collect();
            let begun = Begun { key: noted.upload.key.clone(), source: noted.upload.source.clone(), parts, alive: found.is_ok() };
            (noted.upload.id.clone(), begun)
        });
        let uploads = uploads.collect();
        let mut known: BTreeMap<Key, Known> = stage.state.baseline().into_iter().map(|known| (known.key.clone(), known)).collect();
        for change in &durable.changes {
            match change {
                Change::Set(record) => drop(known.insert(record.key.clone(), record.clone())),
                Change::Gone(key) | Change::OriginalDeleted(key) => drop(known.remove(key)),
            }
        }
        let same = |known: &Known| target.peek(known.key.as_bytes()).is_some_and(|copy| target.identity(&copy) == known.target);
        Self { uploads, known: known.into_values().filter(same).collect() }
    }
}

/// Judges a run that ended done and that nothing disturbed.
pub(super) fn judge(case: &Case<'_>, played: &mut Played) -> Result<(), Violation> {
    let (Some([Ended { finished: Some(finished), .. }]), [engine]) = (case.ended, case.engines) else { return Ok(()) };
    if !case.turn.faults.is_empty() || finished.outcome != RunOutcome::Done {
        return Ok(());
    }
    let sent = engine.sent();
    nothing_lies_about(case, &sent)?;
    let expire = case.turn.during.iter().any(|(_, mutation)| *mutation == Mutation::ExpireUploads);
    if !case.turn.fresh && !expire {
        uploads_go_on(case, &sent, played)?;
    }
    if !case.turn.fresh && case.turn.directory == Directory::Kept && case.scenario.compare == CompareMode::Auto {
        copies_are_known(case, &sent)?;
    }
    Ok(())
}

/// p12: every upload that the engine knows of is completed or given up, but those that the filters hide.
fn nothing_lies_about(case: &Case<'_>, sent: &Sent) -> Result<(), Violation> {
    let target = case.stage.place(Side::Target);
    let begun = sent.begun.iter().map(|(key, id)| (id, key));
    let noted = case.before.left.uploads.iter().map(|(id, begun)| (id, &begun.key));
    for (id, key) in begun.chain(noted) {
        let alive = target.world.upload(target.bucket, &target.name(key.as_bytes()), id).is_ok();
        if alive && case.before.includes(key.as_bytes()) {
            return Err(Violation::of(12, key.as_bytes(), format!("upload {id} is left after a clean run")));
        }
    }
    Ok(())
}

/// p05: a part that was noted and held is not sent again, neither to its upload nor to another.
fn uploads_go_on(case: &Case<'_>, sent: &Sent, played: &mut Played) -> Result<(), Violation> {
    let book = case.stage.book.lock();
    let again: BTreeSet<&(String, u32)> = sent.parts.iter().collect();
    for (id, begun) in &case.before.left.uploads {
        let key = begun.key.as_bytes();
        if let Some(number) = begun.parts.iter().find(|number| again.contains(&(id.clone(), **number))) {
            return Err(Violation::of(5, key, format!("part {number} was noted and held, and was sent again")));
        }
        let only = case.before.left.uploads.values().filter(|other| other.key == begun.key).count() == 1;
        let unchanged = book.now.steady.get(key).is_some_and(|version| version.identity == begun.source) && !book.now.touched.contains(key);
        if !(begun.alive && only && unchanged && case.before.includes(key)) {
            continue;
        }
        if !case.misread() && sent.begun.iter().any(|(other, _)| *other == begun.key) {
            return Err(Violation::of(5, key, format!("upload {id} could have been gone on with, and another was begun")));
        }
        played.resumed += u64::try_from(begun.parts.len()).expect("a count fits in 64 bits");
    }
    Ok(())
}

/// p05: an object whose copy is durably known, both versions unchanged, is not sent again, unless it failed since.
fn copies_are_known(case: &Case<'_>, sent: &Sent) -> Result<(), Violation> {
    let book = case.stage.book.lock();
    let again: BTreeSet<&Key> = sent.puts.iter().chain(sent.begun.iter().map(|(key, _)| key)).collect();
    for known in &case.before.left.known {
        let key = known.key.as_bytes();
        let same = |version: &Version| version.identity == known.source && known.original == Original::Present;
        let unchanged = book.now.steady.get(key).is_some_and(same) && !book.now.touched.contains(key);
        let proven = known.proof.is_some_and(Proof::allows_delete);
        let suspect = case.before.quarantine.contains(&known.key);
        if unchanged && proven && !suspect && again.contains(&known.key) {
            return Err(Violation::of(5, key, "its copy was known and unchanged, and was sent again"));
        }
    }
    Ok(())
}
