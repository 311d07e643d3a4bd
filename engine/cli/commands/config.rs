//! `config check` and `config show`.

use std::path::Path;
use std::process::ExitCode;

use brigade_config::{Secret, Verdict};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::args::{ConfigArgs, ConfigCommand, Global};
use crate::commands::run::read_ledger;
use crate::config::Config;
use crate::error::{COULD_NOT_RUN, CliError};
use crate::say;

/// Checks or shows the configuration.
pub fn run(command: &ConfigCommand, global: &Global) -> Result<ExitCode, CliError> {
    let config = Config::load(global.config.as_deref())?;
    let path = config.path()?;
    match command {
        ConfigCommand::Check(args) => check(&config, path, args, global),
        ConfigCommand::Show(_) => {
            if global.json {
                let jobs: Vec<_> =
                    config.file().jobs.keys().map(|name| json!({"job": name, "command": config.file().arguments(name)})).collect();
                say!(
                    "{}",
                    json!({"schema": "brigade.config/1", "file": path, "stores": config.file().stores.keys().collect::<Vec<_>>(), "jobs": jobs})
                );
            } else {
                say!("{}", config.file().shown().trim_end());
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What the file does not show by itself: variables that are not set, and objectives that cannot be met.
fn check(config: &Config, path: &Path, args: &ConfigArgs, global: &Global) -> Result<ExitCode, CliError> {
    let file = config.file();
    let mut problems: Vec<String> = unset(config);
    let mut sums = Vec::new();
    let measured = |name: &str| -> Option<SignedDuration> {
        let job = file.jobs.get(name)?;
        let state = config.state_dir(job, args.state_dir.as_deref()).ok()?;
        read_ledger(&state, name, job).longest_run()
    };
    for name in file.jobs.keys() {
        match file.verdict(name, &measured, Timestamp::now()) {
            Verdict::Feasible(feasible) => sums.push(format!("job {name}: {}", feasible.arithmetic)),
            Verdict::Infeasible(infeasible) => {
                problems
                    .push(format!("[jobs.{name}] cannot meet its recovery point even when every run is clean: {}", infeasible.arithmetic));
            }
            Verdict::NoSchedule => sums.push(format!("job {name}: nothing starts it by itself, so its recovery point depends on who does")),
            Verdict::NoObjective => sums.push(format!("job {name}: no recovery point")),
        }
    }
    if global.json {
        say!("{}", json!({"schema": "brigade.config-check/1", "file": path, "problems": problems, "notes": sums}));
    }
    if !problems.is_empty() {
        if global.json {
            return Ok(ExitCode::from(COULD_NOT_RUN));
        }
        let cause =
            if let [one] = problems.as_slice() { one.clone() } else { format!("{} problems\n  {}", problems.len(), problems.join("\n  ")) };
        return Err(CliError::new(format!("the configuration {} cannot be used as it is", path.display()), cause));
    }
    if !global.json && !global.quiet {
        say!("{}: no problem (stores: {}, jobs: {}, tenants: {})", path.display(), file.stores.len(), file.jobs.len(), file.tenants.len());
        sums.iter().for_each(|line| say!("{line}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Variables that secrets and stores name and that are not set.
fn unset(config: &Config) -> Vec<String> {
    let file = config.file();
    let told = file.notifications.as_ref();
    let secrets = [
        ("`token` in [serve]", file.serve.token.as_ref()),
        ("`url` in [notifications]", told.map(|told| &told.url)),
        ("`secret` in [notifications]", told.and_then(|told| told.secret.as_ref())),
    ];
    let named = secrets
        .into_iter()
        .filter_map(|(place, secret)| Some((place.to_owned(), secret?)))
        .flat_map(|(place, secret): (String, &Secret)| secret.variables().map(|name| (place.clone(), name.to_owned())).collect::<Vec<_>>());
    let stores = file.stores.iter().filter_map(|(name, store)| {
        let variable = format!("{}_AWS_ACCESS_KEY_ID", store.credentials_env.as_ref()?);
        Some((format!("`credentials_env` in [stores.{name}]"), variable))
    });
    let is_unset = |(_, name): &(String, String)| std::env::var_os(name).is_none_or(|value| value.is_empty());
    named.chain(stores).filter(is_unset).map(|(place, name)| format!("{place} names the variable {name}, which is not set")).collect()
}
