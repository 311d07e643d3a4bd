//! `doctor`: what an endpoint really honours, seen, not assumed.

use std::process::ExitCode;
use std::sync::Arc;

use brigade_core::event::{Side, Silent};
use brigade_store::{Facts, Honoured, ProbeFor, ProofSupport};
use serde_json::json;

use crate::args::{DoctorArgs, Global};
use crate::commands;
use crate::config::Config;
use crate::error::{COULD_NOT_RUN, CliError};
use crate::open::{Opened, Opener, Reach};
use crate::say;

/// Looks at each location.
pub async fn run(args: &DoctorArgs, global: &Global) -> Result<ExitCode, CliError> {
    let mut opener = Opener::new(Config::load(global.config.as_deref())?, args.side.requests.clone(), Arc::new(Silent))?;
    let mut healthy = true;
    for text in &args.locations {
        let location = commands::location(text)?;
        let examined = match opener.open(&location, &Reach::one(&args.side), Side::Source).await {
            Ok(opened) => examine(&opened, args).await,
            Err(error) => Err(error),
        };
        match examined {
            Ok(facts) => {
                healthy &= facts.missing_rights.is_empty();
                show(text, &facts, args, global);
            }
            Err(error) => {
                healthy = false;
                if global.json {
                    say!("{}", json!({"location": text, "ok": false, "error": error.sentence(), "hint": error.todo()}));
                } else {
                    say!("{text}: NOT usable");
                    say!("  {}", error.to_string().replace('\n', "\n  "));
                }
            }
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(COULD_NOT_RUN) })
}

async fn examine(opened: &Opened, args: &DoctorArgs) -> Result<Facts, CliError> {
    let failed = |error| CliError::store(format!("cannot use {}", opened.shown), &error);
    let mut facts = opened.store.probe(ProbeFor::Read).await.map_err(failed)?;
    if args.read_only {
        return Ok(facts);
    }
    for purpose in [ProbeFor::Write, ProbeFor::Delete] {
        let more = opened.store.probe(purpose).await.map_err(failed)?;
        let mut missing = std::mem::take(&mut facts.missing_rights);
        let mut notes = std::mem::take(&mut facts.notes);
        facts = more;
        missing.append(&mut facts.missing_rights);
        for note in facts.notes.drain(..) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        missing.sort();
        missing.dedup();
        facts.missing_rights = missing;
        facts.notes = notes;
    }
    Ok(facts)
}

fn show(location: &str, facts: &Facts, args: &DoctorArgs, global: &Global) {
    if global.json {
        let line = json!({
            "location": location,
            "ok": facts.missing_rights.is_empty(),
            "conditional_put": word(facts.conditional_put),
            "conditional_complete": word(facts.conditional_complete),
            "conditional_delete": word(facts.conditional_delete),
            "checks_md5": word(facts.checks_md5),
            "put_proof": proof(facts.put_proof),
            "upload_proof": proof(facts.upload_proof),
            "missing_rights": facts.missing_rights,
            "notes": facts.notes,
        });
        say!("{line}");
        return;
    }
    say!("{location}: reached");
    if !args.read_only {
        say!("  writes only where nothing else is    {}", word(facts.conditional_put));
        say!("  completes only where nothing else is {}", word(facts.conditional_complete));
        say!("  deletes only the version named       {}", word(facts.conditional_delete));
        say!("  refuses a wrong Content-MD5          {}", word(facts.checks_md5));
        say!("  proves a small object by             {}", proof(facts.put_proof));
        say!("  proves a large object by             {}", proof(facts.upload_proof));
    }
    for note in &facts.notes {
        say!("  note: {note}");
    }
    if facts.missing_rights.is_empty() {
        say!("  rights: sufficient");
    } else {
        say!("  rights MISSING: {}", facts.missing_rights.join(", "));
    }
}

fn word(honoured: Honoured) -> &'static str {
    match honoured {
        Honoured::Yes => "yes",
        Honoured::No => "no",
        Honoured::Unknown => "unknown",
    }
}

fn proof(support: ProofSupport) -> &'static str {
    match support {
        ProofSupport::Crc32c => "crc32c",
        ProofSupport::Md5 => "md5",
        ProofSupport::None => "reading it back",
    }
}
