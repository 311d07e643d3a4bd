//! Delete plans in a run: writing one from what waits, and holding what waits to one that was approved.
//!
//! A plan is compared as a whole before the first delete: one object that is not as the plan says ends the run with nothing
//! deleted. Objects that are gone already are what was wanted, so an approved run that was interrupted is simply given again.

use std::path::Path;

use brigade_core::ErrorKind;
use brigade_core::event::Side;
use brigade_state::journal::{Table, Waiting};
use futures::Stream;

use crate::approval::{Approved, PlanError, PlanHead, PlanReader, PlanWriter, SCHEMA, WrittenPlan};
use crate::ctx::{Ctx, Fatal};
use crate::limits::APPROVED_ROWS_MAX;

/// Writes everything that waits among the originals into a plan.
pub(crate) async fn write(path: &Path, cx: &Ctx) -> Result<WrittenPlan, Fatal> {
    let failed = |error: PlanError| unusable(path, ErrorKind::Disk, &error);
    let (source, target) = cx.shown.clone();
    let head = PlanHead { schema: SCHEMA.into(), run: cx.run.to_string(), source, target, created: cx.now.to_string() };
    let mut writer = PlanWriter::create(path, &head).map_err(failed)?;
    let mut after = 0;
    loop {
        let batch = cx.journal.batch(Table::Originals, after, APPROVED_ROWS_MAX).await.map_err(|error| Fatal::state(&error))?;
        let Some(last) = batch.last() else { break };
        after = last.row;
        for waiting in &batch {
            writer.add(waiting).map_err(failed)?;
        }
    }
    writer.finish().map_err(failed)
}

/// How many originals of an approved plan wait to be deleted. Refuses where any that is still there is not as the plan says.
pub(crate) async fn count(path: &Path, cx: &Ctx) -> Result<u64, Fatal> {
    let mut reader = open(path)?;
    let (mut waits, mut other, mut example) = (0_u64, 0_u64, None);
    loop {
        let batch = reader.batch(APPROVED_ROWS_MAX).map_err(|error| unusable(path, ErrorKind::Conflict, &error))?;
        if batch.is_empty() {
            break;
        }
        for (approved, found) in matched(&batch, cx).await? {
            if found.is_some() {
                waits += 1;
            } else if !is_gone(approved, cx).await? {
                other += 1;
                example.get_or_insert_with(|| approved.key.clone());
            }
        }
    }
    match example {
        None => Ok(waits),
        Some(key) => Err(Fatal {
            kind: ErrorKind::Conflict,
            what: "the approved plan does not fit any more".into(),
            message: format!(
                "{other} objects that it lists are another version now, were not proven by this run, or are hidden by its filters (`{key}` is one); nothing was deleted. \
                 Write a new plan with --plan-out and have that approved"
            ),
        }),
    }
}

/// What waits and is approved, in batches.
pub(crate) fn batches<'a>(path: &Path, cx: &'a Ctx) -> Result<impl Stream<Item = Vec<Waiting>> + use<'a>, Fatal> {
    let reader = open(path)?;
    let limit = cx.source_facts.delete_batch_max.clamp(1, APPROVED_ROWS_MAX);
    Ok(futures::stream::unfold(reader, move |mut reader| async move {
        if cx.stop.is_cancelled() {
            return None;
        }
        let batch = reader.batch(limit).map_err(|error| Fatal {
            kind: ErrorKind::Disk,
            what: "cannot read the approved plan".into(),
            message: error.to_string(),
        });
        let found = match batch {
            Ok(batch) if batch.is_empty() => return None,
            Ok(batch) => matched(&batch, cx).await.map(|found| found.into_iter().filter_map(|(_, waiting)| waiting).collect()),
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => Some((found, reader)),
            Err(error) => {
                cx.give_up(error);
                None
            }
        }
    }))
}

/// Each approved original with what waits for it, where that is the same version.
async fn matched<'b>(batch: &'b [Approved], cx: &Ctx) -> Result<Vec<(&'b Approved, Option<Waiting>)>, Fatal> {
    let keys: Vec<_> = batch.iter().map(|approved| approved.key.clone()).collect();
    let found = cx.journal.find(Table::Originals, &keys).await.map_err(|error| Fatal::state(&error))?;
    let same = |approved: &Approved, waiting: Option<Waiting>| waiting.filter(|waiting| waiting.identity == approved.identity);
    Ok(batch.iter().zip(found).map(|(approved, waiting)| (approved, same(approved, waiting))).collect())
}

async fn is_gone(approved: &Approved, cx: &Ctx) -> Result<bool, Fatal> {
    match cx.source.head(&approved.key).await {
        Ok(_) => Ok(false),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Fatal::new(format!("cannot look at an approved object in {}", Ctx::side_name(Side::Source)), &error)),
    }
}

fn open(path: &Path) -> Result<PlanReader, Fatal> {
    PlanReader::open(path).map_err(|error| unusable(path, ErrorKind::Conflict, &error))
}

fn unusable(path: &Path, kind: ErrorKind, error: &PlanError) -> Fatal {
    Fatal { kind, what: format!("the delete plan {} cannot be used", path.display()), message: error.to_string() }
}
