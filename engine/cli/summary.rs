//! The report as a person reads it.

use std::collections::BTreeSet;
use std::fmt::Write;

use brigade_core::job::{Effect, Job, Mode};
use brigade_core::report::{FailureRecord, ReportHead, RunOutcome};
use brigade_pipeline::approval::{DeletePlan, WrittenPlan};
use brigade_pipeline::forecast::Forecast;
use brigade_pipeline::report::{Extras, SourceEntries};
use brigade_state::WrittenManifest;
use indicatif::{HumanBytes, HumanCount};

/// Failures shown on the terminal; the report file has all.
pub const FAILURES_SHOWN_MAX: usize = 20;

/// What the run leaves for later.
pub struct Kept<'a> {
    /// The manifest of a clean run.
    pub manifest: Option<&'a WrittenManifest>,
    /// A delete plan that was written.
    pub plan: Option<&'a WrittenPlan>,
    /// What was to happen to originals.
    pub deletes: &'a DeletePlan,
}

/// Writes the summary of a finished run.
pub fn summary(head: &ReportHead, extras: &Extras, job: &Job, kept: &Kept<'_>, failures: &[FailureRecord], failures_total: u64) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = fill(&mut text, head, extras, job, kept, failures, failures_total);
    text
}

fn fill(
    text: &mut String,
    head: &ReportHead,
    extras: &Extras,
    job: &Job,
    kept: &Kept<'_>,
    failures: &[FailureRecord],
    failures_total: u64,
) -> std::fmt::Result {
    let objects = &head.totals.objects;
    let verb = verb(head, job);
    writeln!(text, "{verb}: {} -> {}", head.source, head.target)?;
    writeln!(text, "  listed    {:>12} {:<7}  {:>12}", count(objects.listed), noun(objects.listed), bytes(head.totals.bytes.listed))?;
    if let Some(SourceEntries { from, file, created }) = &extras.source_entries {
        writeln!(text, "  note: the source was not listed; its objects are those of the {from} {file} of {created}")?;
    }
    if objects.listed == 0 && matches!(head.outcome, RunOutcome::Done | RunOutcome::Partial) {
        writeln!(text, "  note: the source holds no object that the filters let through; check its spelling if that is a surprise")?;
    }
    let (copied, unchanged) = match (job.mode, job.effect) {
        (Mode::Check, _) => ("", "equal"),
        (_, Effect::Dry) => ("to copy", "to keep"),
        (_, Effect::Real) => ("copied", "kept"),
    };
    if !copied.is_empty() {
        writeln!(text, "  {copied:<9} {:>12} {:<7}  {:>12}", count(objects.copied), noun(objects.copied), bytes(head.totals.bytes.copied))?;
    }
    if head.totals.bytes.server_side > 0 {
        writeln!(text, "  of these the provider copied {} by itself", bytes(head.totals.bytes.server_side))?;
    }
    writeln!(text, "  {unchanged:<9} {:>12} {}", count(objects.kept), noun(objects.kept))?;
    let failed = if job.mode == Mode::Check { "differ" } else { "failed" };
    for (name, number) in [("skipped", objects.skipped), (failed, objects.failed), ("unknown", objects.unknown)] {
        if number > 0 {
            writeln!(text, "  {name:<9} {:>12} {}", count(number), noun(number))?;
        }
    }
    deletes(text, head, job, extras, kept)?;
    if job.mode != Mode::Check && job.effect == Effect::Real && objects.copied > 0 {
        proofs(text, head, extras)?;
    }
    for (name, number) in &extras.dropped {
        writeln!(text, "  not carried: {name} of {} {} (the target cannot hold it)", count(*number), noun(*number))?;
    }
    if let Some(forecast) = &extras.forecast {
        let Forecast { get, put, part, other, deletes } = forecast;
        writeln!(text, "  the run would make {get} get, {put} put, {part} part and {other} other requests, and delete {deletes} objects")?;
    }
    if !extras.cannot_carry.is_empty() {
        writeln!(text, "  the target cannot hold: {} (the run names the objects that have them)", extras.cannot_carry.join(", "))?;
    }
    let requests = &head.totals.requests;
    let made = if job.effect == Effect::Dry { "requests of this plan" } else { "requests" };
    writeln!(
        text,
        "  {made}: {} list, {} head, {} get, {} put, {} part, {} delete, {} other; {} retried, {} throttled",
        requests.list,
        requests.head,
        requests.get,
        requests.put,
        requests.part,
        requests.delete,
        requests.other,
        requests.retried,
        requests.throttled
    )?;
    if let Some(manifest) = kept.manifest {
        writeln!(text, "  manifest: {} ({} {})", manifest.path.display(), count(manifest.rows), noun(manifest.rows))?;
    }
    if let (Some(plan), DeletePlan::Write(path)) = (kept.plan, kept.deletes) {
        let path = path.display();
        writeln!(text, "  delete plan: {path} ({} {}, blake3 {})", count(plan.objects), noun(plan.objects), plan.blake3)?;
        writeln!(text, "  once it is reviewed, delete exactly these: give the same command with --approved {path} instead of --plan-out")?;
    }
    list_failures(text, failures, failures_total)
}

/// A line for each failure, then each hint once: a thousand failures of one kind need one remedy.
fn list_failures(text: &mut String, failures: &[FailureRecord], total: u64) -> std::fmt::Result {
    let mut by_key: Vec<&FailureRecord> = failures.iter().collect();
    by_key.sort_by(|one, other| one.key.cmp(&other.key));
    for failure in by_key {
        writeln!(text, "  {}: {} ({}): {}", status(failure), failure.key, failure.kind, failure.message)?;
    }
    let shown = u64::try_from(failures.len()).unwrap_or(u64::MAX);
    if total > shown {
        writeln!(text, "  ... and {} more: --report FILE has them all", count(total - shown))?;
    }
    let hints: BTreeSet<(&str, &str)> = failures.iter().map(|failure| (failure.kind.as_str(), failure.hint.as_str())).collect();
    for (kind, hint) in hints {
        writeln!(text, "  hint ({kind}): {hint}")?;
    }
    Ok(())
}

fn verb(head: &ReportHead, job: &Job) -> String {
    let name = if job.effect == Effect::Dry { format!("plan ({})", head.command) } else { head.command.clone() };
    match head.outcome {
        RunOutcome::Done => format!("{name} done"),
        RunOutcome::Partial if job.mode == Mode::Check => format!("{name} found differences"),
        RunOutcome::Partial => format!("{name} finished, not everything was done"),
        RunOutcome::Refused => format!("{name} refused"),
        RunOutcome::Interrupted => format!("{name} interrupted; give the same command again to resume"),
        RunOutcome::Failed => format!("{name} failed"),
    }
}

fn deletes(text: &mut String, head: &ReportHead, job: &Job, extras: &Extras, kept: &Kept<'_>) -> std::fmt::Result {
    let objects = &head.totals.objects;
    match job.effect {
        Effect::Dry if objects.deleted_target > 0 => {
            writeln!(text, "  to delete {:>12} {} of the target", count(objects.deleted_target), noun(objects.deleted_target))?
        }
        Effect::Dry if job.mode == Mode::Migrate => {
            writeln!(text, "  to delete {:>12} originals, each after its proof", count(objects.copied + objects.kept))?;
        }
        _ => {}
    }
    if job.effect == Effect::Real && job.mode == Mode::Migrate {
        let rule = match head.outcome {
            RunOutcome::Done | RunOutcome::Partial if objects.deleted_source > 0 => {
                extras.delete_rule.unwrap_or("each one conditional on the version that was proven")
            }
            _ if kept.plan.is_some() => "they stay until the plan is approved",
            RunOutcome::Done => "there was none",
            RunOutcome::Refused => "a guard refused",
            _ if objects.deleted_source > 0 => "the rest is left",
            _ => "originals go only after a run without a failure",
        };
        writeln!(text, "  deleted   {:>12} originals ({rule})", count(objects.deleted_source))?;
    }
    if job.effect == Effect::Real && job.delete_extra {
        writeln!(text, "  deleted   {:>12} {} of the target", count(objects.deleted_target), noun(objects.deleted_target))?;
    }
    Ok(())
}

fn proofs(text: &mut String, head: &ReportHead, extras: &Extras) -> std::fmt::Result {
    let proof = &head.totals.proof;
    writeln!(
        text,
        "  proven    {:>12} by a digest that the target computed, {} by reading back, {} by transport only",
        count(proof.stored),
        count(proof.content),
        count(proof.transport)
    )?;
    writeln!(
        text,
        "  at source {:>12} compared with a digest that the source stores, {} stored nothing usable",
        count(extras.source_proven),
        count(head.totals.objects.copied.saturating_sub(extras.source_proven))
    )
}

fn status(failure: &FailureRecord) -> &'static str {
    use brigade_core::report::FailureStatus as Status;
    match failure.status {
        Status::Failed => "failed",
        Status::Skipped => "skipped",
        Status::Differs => "differs",
    }
}

fn noun(number: u64) -> &'static str {
    if number == 1 { "object" } else { "objects" }
}

fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

fn bytes(number: u64) -> String {
    HumanBytes(number).to_string()
}
