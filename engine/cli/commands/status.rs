//! `status`: the jobs of a state directory, what ran last and what is under way. It takes no lock and changes nothing.

mod jobs;

use std::process::ExitCode;

use brigade_core::report::Totals;
use brigade_state::survey::{Surveyed, survey};
use indicatif::{HumanBytes, HumanCount};
use serde_json::json;

use crate::args::{Global, StatusArgs};
use crate::config::Config;
use crate::error::CliError;
use crate::say;
use crate::state::{state_dir, with_cause};

/// Shows every configured job; where none is configured, every pair of places that the state directory knows.
pub fn run(args: &StatusArgs, global: &Global) -> Result<ExitCode, CliError> {
    let config = Config::load(global.config.as_deref())?;
    if !config.file().jobs.is_empty() {
        return jobs::run(&config, args.state_dir.as_deref(), global);
    }
    let directory = state_dir(args.state_dir.as_deref())?;
    let jobs = survey(&directory)
        .map_err(|error| CliError::plain(with_cause(&error)).hint("name the directory that the runs were given with --state-dir"))?;
    if jobs.is_empty() && !global.json {
        say!("no job has run with the state in {}", directory.display());
    }
    for job in &jobs {
        if global.json { say!("{}", machine(job)) } else { say!("{}", person(job)) }
    }
    Ok(ExitCode::SUCCESS)
}

fn machine(job: &Surveyed) -> String {
    let now = job.current.as_ref().map(|run| {
        json!({"run": run.start.run, "command": run.start.command, "started": run.start.started, "outcome": run.outcome, "finished": run.finished,
               "through": run.through, "objects": run.totals.objects, "bytes": run.totals.bytes, "proof": run.totals.proof})
    });
    json!({"job": job.id, "source": job.source, "target": job.target, "under_way": job.holder.is_some(), "holder": job.holder,
           "current": now, "last": job.last, "quarantined": job.quarantined, "open_uploads": job.open_uploads, "trouble": job.trouble})
    .to_string()
}

fn person(job: &Surveyed) -> String {
    let mut lines = vec![format!("{} -> {}", job.source, job.target)];
    match (&job.holder, &job.current) {
        (Some(holder), Some(run)) => {
            lines.push(format!("  under way: {} ({holder})", run.start.command));
            lines.push(format!("  so far:    {}", sums(&run.totals)));
            if let Some(through) = &run.through {
                lines.push(format!("  compared:  through {through}"));
            }
        }
        (Some(holder), None) => lines.push(format!("  under way: {holder}")),
        (None, Some(run)) if run.outcome.is_none() => {
            lines.push(format!(
                "  {} of {} ended without a word; give the same command again to resume",
                run.start.command, run.start.started
            ));
            lines.push(format!("  so far:    {}", sums(&run.totals)));
        }
        (None, _) => {}
    }
    match &job.last {
        Some(last) => {
            lines.push(format!("  last:      {} {}, finished {}", last.command, last.outcome, last.finished));
            if let Some(manifest) = &last.manifest {
                lines.push(format!("  manifest:  {} ({} objects)", manifest.file, HumanCount(manifest.rows)));
            }
        }
        None => lines.push("  last:      no run has ended yet".into()),
    }
    if job.quarantined + job.open_uploads > 0 {
        lines.push(format!("  waiting:   {} keys that failed, {} open uploads", HumanCount(job.quarantined), HumanCount(job.open_uploads)));
    }
    lines.extend(job.trouble.iter().map(|trouble| format!("  trouble:   {trouble}")));
    lines.join("\n")
}

fn sums(totals: &Totals) -> String {
    let objects = &totals.objects;
    format!(
        "{} listed, {} copied ({}), {} kept, {} failed",
        HumanCount(objects.listed),
        HumanCount(objects.copied),
        HumanBytes(totals.bytes.copied),
        HumanCount(objects.kept),
        HumanCount(objects.failed)
    )
}
