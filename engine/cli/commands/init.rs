//! `init`: a first configuration, the rights that it takes, and what to do next. It never replaces a file.

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use brigade_config::init::{Answers, End, Role, bucket, draft, policy};
use brigade_core::location::Location;

use crate::args::{Global, InitArgs, parse_endpoint};
use crate::commands;
use crate::error::CliError;
use crate::say;

/// Writes the file and says what it takes.
pub fn run(args: &InitArgs, global: &Global) -> Result<ExitCode, CliError> {
    let shown = args.output.display();
    let exists = || {
        CliError::plain(format!("{shown} exists, and is left as it is"))
            .hint("name another file with --output, or add a [jobs.NAME] to it by hand")
    };
    if args.output.exists() {
        return Err(exists());
    }
    let answers = answers(args)?;
    let text = draft(&answers);
    brigade_config::Config::parse(&text).map_err(|problems| CliError::new("what was given makes no configuration", problems))?;
    let written = OpenOptions::new().write(true).create_new(true).open(&args.output).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(),
        _ => CliError::new(format!("cannot write {shown}"), error).hint("name a file that can be written with --output"),
    })?;
    if !global.quiet {
        say!("wrote {shown}\n");
        rights(&answers);
        next(args, &answers);
    }
    Ok(ExitCode::SUCCESS)
}

fn answers(args: &InitArgs) -> Result<Answers, CliError> {
    let source = place("--source", "where objects come from", args.source.as_deref())?;
    let target = place("--target", "where they go", args.target.as_deref())?;
    for url in [&args.source_endpoint_url, &args.target_endpoint_url].into_iter().flatten() {
        parse_endpoint(url).map_err(|todo| CliError::plain(format!("`{url}` is no endpoint")).hint(todo))?;
    }
    Ok(Answers {
        name: args.name.clone(),
        source: End { location: source, endpoint_url: args.source_endpoint_url.clone(), anonymous: args.source_anonymous },
        target: End { location: target, endpoint_url: args.target_endpoint_url.clone(), anonymous: args.target_anonymous },
        schedule: args.schedule.clone(),
        recovery_point: args.recovery_point.clone(),
    })
}

/// A location that was given, or is asked for where somebody can answer.
fn place(option: &str, what: &str, given: Option<&str>) -> Result<Location, CliError> {
    let text = match given {
        Some(text) => text.to_owned(),
        None if io::stdin().is_terminal() => {
            eprint!("{what} (s3://bucket/prefix, gs://bucket/prefix or /path): ");
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map_err(|error| CliError::new("cannot read the answer", error))?;
            line.trim().to_owned()
        }
        None => return Err(CliError::plain(format!("{option} is missing")).hint(format!("say {what} with {option} LOCATION"))),
    };
    match commands::location(&text)? {
        Location::Named { .. } => {
            Err(CliError::plain(format!("`{text}` names a store, and there is none yet")).hint("write s3://, gs:// or a path"))
        }
        Location::Local(path) => {
            let full = std::path::absolute(&path).map_err(|error| CliError::new(format!("cannot find {path}"), error))?;
            Ok(Location::Local(full.to_string_lossy().into_owned()))
        }
        location => Ok(location),
    }
}

/// The rights of each role at each end that has any.
fn rights(answers: &Answers) {
    for (end, roles) in [(&answers.source, &[Role::Reader][..]), (&answers.target, &[Role::Writer, Role::Deleter])] {
        let Some((provider, path)) = bucket(&end.location).filter(|_| !end.anonymous) else { continue };
        for role in roles {
            let only = if *role == Role::Deleter { ", only if the job deletes (delete = true)" } else { "" };
            say!("rights of the {} of {}{only}:\n\n{}", role.word(), end.location, policy(provider, *role, path));
        }
    }
}

fn next(args: &InitArgs, answers: &Answers) {
    let config = if args.output.as_os_str() == "brigade.toml" { String::new() } else { format!(" --config {}", args.output.display()) };
    let place = |store: &str, end: &End| match bucket(&end.location) {
        Some((_, path)) => format!("{store}:{path}"),
        None => end.location.to_string(),
    };
    say!("next:");
    say!("  brigade doctor {} {}{config}", place("source", &answers.source), place("target", &answers.target));
    say!("  brigade run {}{config}", answers.name);
    say!("  brigade serve{config}    # every job when it is due; http://127.0.0.1:9464/ shows them");
}
