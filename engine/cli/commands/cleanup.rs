//! `cleanup`: unfinished uploads and leftover staging objects are found and given up.
//!
//! A store cannot tell whose an unfinished upload is, so age decides: what was begun lately may be another run's work.

use std::process::ExitCode;
use std::sync::Arc;

use brigade_core::event::{Side, Silent};
use brigade_store::PendingUpload;
use jiff::Timestamp;
use serde_json::json;

use crate::args::{CleanupArgs, Global};
use crate::commands;
use crate::config::Config;
use crate::error::CliError;
use crate::open::{Opener, Reach};
use crate::say;

/// Finds and aborts.
pub async fn run(args: &CleanupArgs, global: &Global) -> Result<ExitCode, CliError> {
    let location = commands::location(&args.location)?;
    let mut opener = Opener::new(Config::load(global.config.as_deref())?, args.side.requests.clone(), Arc::new(Silent))?;
    let opened = opener.open(&location, &Reach::one(&args.side), Side::Target).await?;
    let pending = opened.store.pending().await;
    let pending = pending.map_err(|error| CliError::store(format!("cannot list the unfinished uploads of {}", opened.shown), &error))?;
    let now = Timestamp::now();
    let (mut given_up, mut left, mut failed) = (0_u64, 0_u64, 0_u64);
    for upload in pending {
        if !is_old(&upload, now, args) {
            left += 1;
            tell(global, "left", &upload, "begun lately");
            continue;
        }
        if args.dry_run {
            tell(global, "would abort", &upload, "");
            given_up += 1;
            continue;
        }
        match opened.store.abort(&upload.upload).await {
            Ok(()) => {
                given_up += 1;
                tell(global, "aborted", &upload, "");
            }
            Err(error) => {
                failed += 1;
                tell(global, "failed", &upload, &error.message);
            }
        }
    }
    if !global.quiet && !global.json {
        let verb = if args.dry_run { "would be aborted" } else { "aborted" };
        say!("{}: {given_up} {verb}, {left} left, {failed} failed", opened.shown);
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// An upload without a start time is as old as need be only when no age is asked for.
fn is_old(upload: &PendingUpload, now: Timestamp, args: &CleanupArgs) -> bool {
    match upload.started {
        Some(started) => now.duration_since(started).unsigned_abs() >= args.older_than && now >= started,
        None => args.older_than.is_zero(),
    }
}

fn tell(global: &Global, what: &str, upload: &PendingUpload, why: &str) {
    let started = upload.started.map(|time| time.to_string());
    if global.json {
        say!("{}", json!({"key": upload.upload.key, "upload": upload.upload.id, "started": started, "result": what, "message": why}));
    } else if !global.quiet {
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        say!("{what}: {} begun {}{why}", upload.upload.key, started.as_deref().unwrap_or("at an unknown time"));
    }
}
