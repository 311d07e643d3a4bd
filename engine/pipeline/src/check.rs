//! `check`: the same path, with the transfer replaced by a comparison. It changes nothing.

use brigade_core::compare::{Comparison, DifferBy, SameBy};
use brigade_core::diff::DiffRules;
use brigade_core::job::MetadataPolicy;
use brigade_core::outcome::{DifferenceKind, Done};
use brigade_core::{Action, Algorithm, CopyReason, Entry, Metadata, Outcome, Proof};
use brigade_store::{Head, List, Result};
use std::sync::Arc;

use crate::carry::carry;
use crate::ctx::Ctx;
use crate::transfer::ask;
use crate::verify::content;

/// A key that only the target has.
pub(crate) fn only_in_target(target: &Entry, cx: &Ctx) -> Outcome {
    match cx.job.one_way {
        true => of(target, Done::Left),
        false => differs(target, DifferenceKind::MissingInSource, "the source has no such key"),
    }
}

/// A key whose difference the listings show.
pub(crate) fn difference(source: &Entry, in_target: bool, reason: CopyReason) -> Outcome {
    match (in_target, reason) {
        (false, _) | (_, CopyReason::Missing) => differs(source, DifferenceKind::MissingInTarget, "the target has no such key"),
        (true, CopyReason::Different(by)) => differs(source, by.into(), describe(by)),
    }
}

fn describe(by: DifferBy) -> &'static str {
    match by {
        DifferBy::Size => "the sizes differ",
        DifferBy::Digest(_) => "the digests of the contents differ",
        DifferBy::Newer => "the source was written after the target",
        DifferBy::Changed => "one of them is another version than when they were last the same",
        DifferBy::Unproven => "source and target hold no digest that can be compared",
    }
}

/// Compares a key that both sides have, by as much as the job asks for.
pub(crate) async fn pair(action: Action, rules: &DiffRules, cx: &Ctx) -> Outcome {
    let (source, target, known) = match action {
        Action::Keep { source, target, same } => (source, target, Known::Decided(same)),
        Action::Ask { source, target, known } => (source, target, Known::Open(known)),
        other => return of_unpaired(other),
    };
    match compared(&source, &target, known, rules, cx).await {
        Ok(done) => of(&source, done),
        Err(error) => of(&source, Done::Failed(cx.failure("cannot compare", error))),
    }
}

/// How far the join got with a pair.
enum Known {
    /// The listings, or what earlier runs left, decided it.
    Decided(Option<SameBy>),
    /// Digests must be asked for.
    Open(Option<Box<brigade_core::Known>>),
}

/// Only pairs come here; anything else would be a defect, and is reported as undecided instead of equal.
fn of_unpaired(action: Action) -> Outcome {
    Outcome { key: action.key().clone(), size: 0, result: Done::Unknown }
}

async fn compared(source: &Entry, target: &Entry, known: Known, rules: &DiffRules, cx: &Ctx) -> Result<Done> {
    let proof = if cx.job.content {
        if !same_content(source, target, cx).await? {
            return Ok(difference_of(DifferenceKind::Content, "the bytes differ"));
        }
        Some(Proof::Content(Algorithm::Crc32c))
    } else {
        match known {
            Known::Decided(same) => same.and_then(SameBy::proof),
            Known::Open(known) => match ask(source, target, known.as_deref(), rules, cx).await? {
                Comparison::Different(by) => return Ok(difference_of(by.into(), describe(by))),
                Comparison::Same(same) => same.proof(),
                Comparison::Ask => None,
            },
        }
    };
    let fields = metadata_differences(source, target, cx).await?;
    if !fields.is_empty() {
        return Ok(difference_of(DifferenceKind::Metadata, &format!("these differ: {}", fields.join(", "))));
    }
    Ok(Done::Kept { source: source.identity.clone(), proof, news: None })
}

async fn same_content(source: &Entry, target: &Entry, cx: &Ctx) -> Result<bool> {
    let ours = content(cx, &*cx.source, &source.key, &source.identity, source.size).await?;
    let theirs = content(cx, &*cx.target, &target.key, &target.identity, target.size).await?;
    Ok(ours.size == theirs.size && ours.crc32c == theirs.crc32c)
}

/// Compares what the target should carry, by its abilities, with what it does carry.
async fn metadata_differences(source: &Entry, target: &Entry, cx: &Ctx) -> Result<Vec<&'static str>> {
    let comparable = cx.source_facts.keeps_metadata && cx.target_facts.keeps_metadata;
    if !comparable || cx.job.metadata == MetadataPolicy::None {
        return Ok(Vec::new());
    }
    let (ours, theirs) = tokio::try_join!(metadata(&*cx.source, source), metadata(&*cx.target, target))?;
    let head = Head {
        size: source.size,
        identity: source.identity.clone(),
        modified: source.modified,
        digests: source.digests,
        metadata: ours,
        tags: 0,
        storage_class: source.storage_class.clone(),
        availability: source.availability,
    };
    let carried = carry(&head, Vec::new(), &cx.job, &cx.source_facts, &cx.target_facts);
    Ok(carried.metadata.differences(&theirs))
}

async fn metadata(store: &(impl List + ?Sized), entry: &Entry) -> Result<Arc<Metadata>> {
    match &entry.metadata {
        Some(metadata) => Ok(metadata.clone()),
        None => Ok(store.head(&entry.key).await?.metadata),
    }
}

fn difference_of(kind: DifferenceKind, message: &str) -> Done {
    Done::Differs { kind, message: message.to_owned() }
}

fn differs(entry: &Entry, kind: DifferenceKind, message: &str) -> Outcome {
    of(entry, difference_of(kind, message))
}

fn of(entry: &Entry, result: Done) -> Outcome {
    Outcome { key: entry.key.clone(), size: entry.size, result }
}
