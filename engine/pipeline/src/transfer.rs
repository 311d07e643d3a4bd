//! The third stage: every action is carried out, small objects and large ones in lanes of their own.
//!
//! Workers of the small lane move whole objects; workers of the large lane move one object each, its parts in parallel. So
//! one 5 TiB object never starves a million small ones, nor the reverse. The byte budget spans both.

mod etag;
pub(crate) mod large;
mod server_side;
mod small;

use std::sync::Arc;

use async_channel::{Receiver, Sender};
use brigade_core::compare::{Comparison, SameBy, settle};
use brigade_core::diff::{DiffRules, decided};
use brigade_core::job::{Effect, Mode};
use brigade_core::outcome::{Copied, Done, Failure, Pair, Planned};
use brigade_core::parts::{PartPlan, plan};
use brigade_core::{Action, Algorithm, Digests, Entry, ErrorKind, Identity, Known, Outcome, Proof};
use brigade_store::{Head, Result, StoreError, When, WriteSpec};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::carry::{Carried, carry};
use crate::check;
use crate::ctx::Ctx;
use crate::limits::{ACTIONS_WAITING_MAX, CORRUPT_TRIES_MAX, LARGE_OBJECTS_MAX};
use crate::record::Recorder;

/// How the report calls an ETag that is another than that of the original.
const ETAG: &str = "etag";

/// Where actions go: what needs requests to the workers, everything else becomes its outcome at once. Workers live as long as
/// somebody holds the lanes. Cheap to clone.
#[derive(Clone)]
pub struct Lanes {
    // In boxes: a queue moves what it holds several times.
    small: Sender<Box<Action>>,
    large: Sender<Box<Action>>,
    cx: Arc<Ctx>,
}

/// The workers are gone, which only a panic of one can bring about.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

impl Lanes {
    /// Starts the workers of both lanes.
    pub fn start(rules: &Arc<DiffRules>, recorder: &Arc<Recorder>, cx: &Arc<Ctx>) -> (Self, JoinSet<()>) {
        let (small, small_lane) = async_channel::bounded(ACTIONS_WAITING_MAX);
        let (large, large_lane) = async_channel::bounded(ACTIONS_WAITING_MAX);
        let mut workers = JoinSet::new();
        let lanes = [(small_lane, cx.job.concurrency.max(1)), (large_lane, cx.job.concurrency.clamp(1, LARGE_OBJECTS_MAX))];
        for (lane, count) in lanes {
            for _ in 0..count {
                workers.spawn(work(lane.clone(), rules.clone(), recorder.clone(), cx.clone()).in_current_span());
            }
        }
        (Self { small, large, cx: cx.clone() }, workers)
    }

    /// The outcome of a key that both sides have alike, where that needs no request.
    pub fn keep(&self, source: &Entry, target: &Entry, same: Option<SameBy>) -> Option<Outcome> {
        let cx = &*self.cx;
        if cx.job.mode == Mode::Check {
            return None;
        }
        cx.retried.take(&source.key, &source.identity).or_else(|| Some(keep(source, target, same, cx)))
    }

    /// Hands an action to a worker; one that needs none is added to `decided`. Every action becomes exactly one outcome (p09).
    pub async fn take(&self, action: Action, decided: &mut Vec<Outcome>) -> std::result::Result<(), Gone> {
        if let Some(outcome) = retried(&action, &self.cx) {
            decided.push(outcome);
            return Ok(());
        }
        match lane_of(&action, &self.cx) {
            Lane::Now => decided.push(without_bytes(action, &self.cx)),
            Lane::Small | Lane::Large if action.source().is_some_and(|source| self.cx.goes_last(&source.key)) => {
                decided.extend(self.cx.last.put(action));
            }
            _ => return self.send(Box::new(action)).await,
        }
        Ok(())
    }

    /// Hands an action that needs requests to a worker, whether it goes last or not.
    pub(crate) async fn send(&self, action: Box<Action>) -> std::result::Result<(), Gone> {
        let lane = if matches!(lane_of(&action, &self.cx), Lane::Large) { &self.large } else { &self.small };
        lane.send(action).await.map_err(|_| Gone)
    }
}

/// What became of the key when it was tried before the listings began.
fn retried(action: &Action, cx: &Ctx) -> Option<Outcome> {
    match action {
        Action::Copy { source, .. } | Action::Keep { source, .. } | Action::Ask { source, .. } | Action::Refuse { source, .. } => {
            cx.retried.take(&source.key, &source.identity)
        }
        Action::Leave { .. } | Action::Remove { .. } => None,
    }
}

enum Lane {
    Now,
    Small,
    Large,
}

fn lane_of(action: &Action, cx: &Ctx) -> Lane {
    let needs_bytes = match action {
        Action::Copy { .. } => cx.job.effect == Effect::Real && cx.job.mode != Mode::Check,
        Action::Ask { .. } => true,
        Action::Keep { .. } => cx.job.mode == Mode::Check,
        Action::Leave { .. } | Action::Remove { .. } | Action::Refuse { .. } => false,
    };
    let size = match action {
        Action::Copy { source, .. } | Action::Ask { source, .. } | Action::Keep { source, .. } => source.size,
        _ => 0,
    };
    match needs_bytes {
        false => Lane::Now,
        true if size <= cx.job.part_bytes => Lane::Small,
        true => Lane::Large,
    }
}

/// The outcome of an action that needs no request.
fn without_bytes(action: Action, cx: &Ctx) -> Outcome {
    let dry = cx.job.effect == Effect::Dry;
    let check = cx.job.mode == Mode::Check;
    match action {
        Action::Copy { source, replaces, reason } if check => check::difference(&source, replaces.is_some(), reason),
        Action::Copy { source, reason, .. } => outcome(&source, Done::Planned { what: Planned::Copy, why: reason.name() }),
        Action::Keep { source, target, same } => keep(&source, &target, same, cx),
        Action::Leave { target } if check => check::only_in_target(&target, cx),
        Action::Leave { target } => outcome(&target, Done::Left),
        Action::Remove { target } if dry => outcome(&target, Done::Planned { what: Planned::DeleteTarget, why: "not in the source" }),
        Action::Remove { target } => {
            let identity = target.identity.clone();
            outcome(&target, Done::Doomed { target: identity })
        }
        Action::Refuse { source, kind, message } => {
            let failure = Failure { kind, message };
            let skipped = matches!(kind, ErrorKind::Unfit | ErrorKind::Archived);
            outcome(&source, if skipped { Done::Skipped(failure) } else { Done::Failed(failure) })
        }
        Action::Ask { source, .. } => outcome(&source, Done::Unknown),
    }
}

/// The outcome of a key that the target has already. How it was found out is news, unless an earlier run left it known.
fn keep(source: &Entry, target: &Entry, same: Option<SameBy>, cx: &Ctx) -> Outcome {
    if cx.job.effect == Effect::Dry {
        return outcome(source, Done::Planned { what: Planned::Keep, why: "the same" });
    }
    let proof = same.and_then(SameBy::proof);
    if cx.job.mode == Mode::Migrate && !proof.is_some_and(Proof::allows_delete) {
        let message = "its copy was not compared by content, so the original stays".to_owned();
        return outcome(source, Done::Skipped(Failure { kind: ErrorKind::Unproven, message }));
    }
    let news = match same {
        None | Some(SameBy::Known(_)) => None,
        Some(_) => Some(Box::new(Pair {
            target: target.identity.clone(),
            size: target.size,
            digests: target.digests.or(source.digests),
            source_modified: source.modified,
        })),
    };
    outcome(source, Done::Kept { source: source.identity.clone(), proof, news })
}

fn outcome(entry: &Entry, result: Done) -> Outcome {
    Outcome { key: entry.key.clone(), size: entry.size, result }
}

async fn work(lane: Receiver<Box<Action>>, rules: Arc<DiffRules>, recorder: Arc<Recorder>, cx: Arc<Ctx>) {
    while let Ok(action) = lane.recv().await {
        let outcome = match cx.stop.is_cancelled() {
            true => unknown(&action),
            false => Box::pin(carry_out(*action, &rules, &cx)).await,
        };
        recorder.record(&[outcome]).await;
    }
}

/// The run ended before this key was decided.
pub(crate) fn unknown(action: &Action) -> Outcome {
    match action {
        Action::Copy { source, .. } | Action::Keep { source, .. } | Action::Ask { source, .. } | Action::Refuse { source, .. } => {
            outcome(source, Done::Unknown)
        }
        Action::Leave { target } | Action::Remove { target } => outcome(target, Done::Left),
    }
}

pub(crate) async fn carry_out(action: Action, rules: &DiffRules, cx: &Arc<Ctx>) -> Outcome {
    if cx.job.mode == Mode::Check {
        return Box::pin(check::pair(action, rules, cx)).await;
    }
    let action = match action {
        Action::Ask { source, target, known } => match ask(&source, &target, known.as_deref(), rules, cx).await {
            Ok(comparison) => decided(comparison, source, target, rules),
            Err(error) => return outcome(&source, Done::Failed(cx.failure("cannot compare", error))),
        },
        action => action,
    };
    match action {
        Action::Copy { source, replaces, .. } if cx.job.effect == Effect::Real => {
            let result = copy(&source, replaces, cx).await;
            outcome(&source, result)
        }
        action => without_bytes(action, cx),
    }
}

/// Gets the digests that the listings did not give.
pub(crate) async fn ask(source: &Entry, target: &Entry, known: Option<&Known>, rules: &DiffRules, cx: &Ctx) -> Result<Comparison> {
    let (source_digests, target_digests) = tokio::try_join!(cx.source.digests(source), cx.target.digests(target))?;
    let digests = (source_digests.or(source.digests), target_digests.or(target.digests));
    Ok(settle((source, target), known, digests, &rules.of(cx.suspects.trust(&source.key))))
}

/// Copies one object. A source that changed meanwhile is looked at once more; bytes that were corrupted are fetched once more.
pub(crate) async fn copy(listed: &Entry, mut replaces: Option<Identity>, cx: &Arc<Ctx>) -> Done {
    let mut entry = listed.clone();
    let mut looked_again = false;
    let mut corrupt_tries = 1;
    loop {
        let error = match attempt(&entry, replaces.as_ref(), cx).await {
            Ok(copied) => return Done::Copied(copied),
            Err(error) => error,
        };
        match error.kind {
            ErrorKind::Changed | ErrorKind::Vanished if !looked_again => {
                looked_again = true;
                match cx.source.head(&entry.key).await {
                    Ok(head) if !cx.job.filter.includes_size_and_age(head.size, head.modified) => {
                        let message =
                            "it changed after it was listed, and its size or age is now one that the filters leave out".to_owned();
                        return Done::Failed(Failure { kind: ErrorKind::Changed, message });
                    }
                    Ok(head) => entry = entry_of(entry, head),
                    Err(missing) if missing.kind == ErrorKind::NotFound => {
                        let message = "it was listed, and was gone when it was to be read".to_owned();
                        return Done::Failed(Failure { kind: ErrorKind::Vanished, message });
                    }
                    Err(error) => return Done::Failed(cx.failure("cannot look at a changed object", error)),
                }
            }
            // An unproven copy of the provider was removed: the next try goes through this machine.
            ErrorKind::Corrupt | ErrorKind::Unproven if corrupt_tries < CORRUPT_TRIES_MAX => {
                corrupt_tries += 1;
                // A wrong copy that was removed may have taken the place of what was there before.
                if cx.target.head(&entry.key).await.is_err_and(|error| error.kind == ErrorKind::NotFound) {
                    replaces = None;
                }
            }
            ErrorKind::Cancelled if cx.stop.is_cancelled() => return Done::Unknown,
            ErrorKind::Unfit | ErrorKind::Archived => return Done::Skipped(cx.failure("cannot copy", error)),
            _ => return Done::Failed(cx.failure("cannot copy", error)),
        }
    }
}

/// The entry as a fresh look shows it.
fn entry_of(entry: Entry, head: Head) -> Entry {
    Entry {
        size: head.size,
        modified: head.modified,
        identity: head.identity,
        digests: head.digests,
        checksum_kept: checksum_kept(&head.digests),
        storage_class: head.storage_class,
        availability: head.availability,
        metadata: Some(head.metadata),
        ..entry
    }
}

/// Which checksum the store keeps of a version, by what a look at it shows. It decides which one is computed as bytes arrive, so
/// that of another version would leave the bytes unproven.
pub(crate) fn checksum_kept(shown: &Digests) -> Option<Algorithm> {
    match (shown.crc64nvme, shown.crc32c) {
        (Some(_), _) => Some(Algorithm::Crc64nvme),
        (None, Some(_)) => Some(Algorithm::Crc32c),
        (None, None) => None,
    }
}

async fn attempt(entry: &Entry, replaces: Option<&Identity>, cx: &Arc<Ctx>) -> Result<Copied> {
    // In a box, and none where there is nothing to be asked: a small object that is streamed would carry its state along.
    let copied = match server_side::is_in_question(cx) {
        true => Box::pin(server_side::copy(entry, replaces, cx)).await?,
        false => None,
    };
    let mut copied = match copied {
        Some(copied) => copied,
        None => stream(entry, replaces, cx).await?,
    };
    if cx.job.preserve_etag && copied.target.as_ref() != Some(&entry.identity) {
        copied.dropped.push(ETAG.into());
    }
    Ok(copied)
}

/// Copies an object through this machine.
async fn stream(entry: &Entry, replaces: Option<&Identity>, cx: &Arc<Ctx>) -> Result<Copied> {
    let kept = if cx.job.preserve_etag { Box::pin(etag::cut(entry, cx)).await? } else { None };
    let planned = kept.map_or_else(|| plan(entry.size, cx.job.part_bytes, &cx.target_facts.parts), Ok);
    match planned.map_err(|error| StoreError::new(ErrorKind::Unfit, error.to_string()))? {
        PartPlan::Whole => small::copy(entry, replaces, cx).await,
        PartPlan::Parts { part_bytes, count } => {
            if part_bytes > cx.job.memory_bytes {
                let message = format!("it needs parts of {part_bytes} bytes, more than --memory allows");
                return Err(StoreError::new(ErrorKind::Unfit, message));
            }
            // Its state is many times that of a small object's copy, which would carry it along.
            Box::pin(large::copy(entry, replaces, part_bytes, count, cx)).await
        }
    }
}

/// The condition of a write: only what was listed may be replaced, as far as the endpoint honours conditions.
fn when(replaces: Option<&Identity>, honoured: brigade_store::Honoured) -> When {
    match (honoured.is_yes(), replaces) {
        (false, _) => When::Always,
        (true, None) => When::IfAbsent,
        (true, Some(identity)) => When::IfMatches(identity.clone()),
    }
}

/// The object's facts as they came with its first bytes, the listing's metadata taken where the answer had none.
fn completed(head: &Head, entry: &Entry) -> Head {
    let mut head = head.clone();
    if let Some(metadata) = &entry.metadata {
        head.metadata = metadata.clone();
    }
    head.storage_class = head.storage_class.or_else(|| entry.storage_class.clone());
    head.modified = head.modified.or(entry.modified);
    head
}

/// What is written beside the bytes, under a condition that the endpoint honours so far, and what cannot be, by name.
async fn spec(
    head: &Head,
    entry: &Entry,
    replaces: Option<&Identity>,
    honoured: brigade_store::Honoured,
    cx: &Ctx,
) -> Result<(WriteSpec, Vec<String>)> {
    let mut without = Vec::new();
    let tags = tags(head, entry, cx, &mut without).await?;
    let Carried { metadata, storage_class, mut dropped } = carry(head, tags, &cx.job, &cx.source_facts, &cx.target_facts);
    dropped.append(&mut without);
    Ok((WriteSpec { metadata, storage_class, when: when(replaces, honoured) }, dropped))
}

/// The tags, asked for only where the source says that there are any and the target can hold some.
async fn tags(head: &Head, entry: &Entry, cx: &Ctx, dropped: &mut Vec<String>) -> Result<Vec<(String, String)>> {
    if head.tags == 0 || cx.job.metadata == brigade_core::job::MetadataPolicy::None {
        return Ok(Vec::new());
    }
    if cx.target_facts.tags_max == 0 {
        dropped.push("tags".into());
        return Ok(Vec::new());
    }
    cx.source.tags(&entry.key, &entry.identity).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_core::{Availability, Key};

    #[test]
    fn p02_a_version_that_was_looked_at_again_is_proven_by_its_own_checksum() {
        let mut listed = Entry::new(Key::from("k"), 1, Identity::etag("old"));
        listed.checksum_kept = Some(Algorithm::Crc32c);
        let looked = |digests| {
            let head = Head {
                size: 2,
                identity: Identity::etag("new"),
                modified: None,
                digests,
                metadata: Arc::default(),
                tags: 0,
                storage_class: None,
                availability: Availability::Ready,
            };
            entry_of(listed.clone(), head).checksum_kept
        };
        assert_eq!(looked(Digests { md5: Some([0; 16]), ..Digests::default() }), None);
        assert_eq!(looked(Digests { crc64nvme: Some(1), ..Digests::default() }), Some(Algorithm::Crc64nvme));
        assert_eq!(looked(Digests::of_crc32c(1)), Some(Algorithm::Crc32c));
    }
}
