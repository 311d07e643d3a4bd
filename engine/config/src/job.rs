//! `[jobs.NAME]`: a command with its locations and options, and when it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use brigade_core::filter::FilterOptions;
use brigade_core::location::{Location, Overlap, Place, overlap};
use brigade_core::schedule::{Priority, Schedule};
use brigade_core::units::parse_size;
use jiff::Timestamp;

use crate::keys::Key;
use crate::limits::JOBS_MAX;
use crate::place::{BadPlace, resolve};
use crate::problem::{Found, did_you_mean};
use crate::read::{Section, Value};
use crate::{Config, schedules, service};

/// One `[jobs.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Where objects come from.
    pub source: Location,
    /// Where they go.
    pub target: Location,
    /// The command.
    pub mode: Mode,
    /// When, if by itself.
    pub schedule: Option<Schedule>,
    /// The most by which a start is put off.
    pub jitter: Duration,
    /// The oldest that the copy may be, as the job itself says.
    pub recovery_point: Option<Duration>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// What kind of data it copies.
    pub class: Option<String>,
    /// Jobs that must have ended clean before.
    pub after: Vec<String>,
    /// Who starts first, as the job itself says.
    pub priority: Option<Priority>,
    /// Its schedule rests.
    pub paused: bool,
    /// The gate.
    pub ready_when: Option<ReadyWhen>,
    /// Options of the command, as they are given to it.
    options: Vec<(&'static str, Option<String>)>,
    /// Objects younger than this are left alone.
    pub held_back: Duration,
    pub(crate) line: usize,
}

/// `mode`, with `delete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `brigade copy`.
    Copy,
    /// `brigade sync`.
    Sync,
    /// `brigade sync --delete`.
    SyncDelete,
    /// `brigade migrate`.
    Migrate,
}

impl Mode {
    /// The name of its command.
    pub fn command(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Sync | Self::SyncDelete => "sync",
            Self::Migrate => "migrate",
        }
    }
}

/// `[jobs.NAME.ready_when]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyWhen {
    /// This key exists.
    pub marker: Option<String>,
    /// The youngest object is at least so old.
    pub min_age: Option<Duration>,
    /// Two listings in a row, so far apart, are the same.
    pub unchanged_across: Option<Duration>,
}

/// How far apart two listings are that must be the same: more than a writer takes from one object of a set to the next.
const LISTINGS_APART: Duration = Duration::from_secs(60);

impl ReadyWhen {
    fn read(gate: &Section<'_>, found: &mut Found) -> Self {
        let is_unchanged = gate.switch("unchanged_across_listings").unwrap_or(false);
        let apart = gate.duration("listings_apart");
        if apart.is_some() && !is_unchanged {
            let what = format!("`listings_apart` in {} goes with unchanged_across_listings = true only", gate.shown());
            found.at(gate.line_of("listings_apart"), what);
        }
        let unchanged_across = is_unchanged.then(|| apart.unwrap_or(LISTINGS_APART));
        let gate_opens = Self { marker: gate.owned("marker"), min_age: gate.duration("min_age"), unchanged_across };
        if gate_opens == (Self { marker: None, min_age: None, unchanged_across: None }) {
            found.at(gate.line, format!("{} asks for nothing", gate.shown()));
        }
        gate_opens
    }
}

impl Job {
    /// Reads a job; none where it has no two places, which is noted.
    pub(crate) fn read(name: &str, section: &Section<'_>, ready_when: Option<&Section<'_>>, found: &mut Found) -> Option<Self> {
        let location = |key: &str, found: &mut Found| section.must(key, found).and_then(|text| Location::parse(&text).ok());
        let (source, target) = (location("source", found), location("target", found));
        let mode = mode(section, found);
        let schedule = schedules::read(section, found);
        let jitter = section.duration("jitter").unwrap_or_default();
        schedules::check_jitter(section, schedule.as_ref(), jitter, found);
        contradictions(section, found);
        globs(section, found);
        let ready_when = ready_when.map(|gate| ReadyWhen::read(gate, found));
        let (Some(source), Some(target)) = (source, target) else {
            found.unread(name);
            return None;
        };
        Some(Self {
            source,
            target,
            mode,
            schedule,
            jitter,
            recovery_point: section.duration("recovery_point"),
            tenant: section.owned("tenant"),
            class: section.owned("class"),
            after: section.texts("after"),
            priority: service::priority(section),
            paused: section.switch("paused").unwrap_or(false),
            ready_when,
            options: section.given().filter(|(key, _)| !key.option.is_empty()).flat_map(|(key, value)| arguments(key, value)).collect(),
            held_back: section.duration("min_age").unwrap_or_default(),
            line: section.line,
        })
    }

    /// Whether it has an option of its own that cannot be shown to keep to a limit.
    pub(crate) fn exceeds(&self, option: &str, limit: &str) -> bool {
        let own = self.options.iter().find(|(own, _)| *own == option).and_then(|(_, value)| value.as_deref());
        let is_within = |own: &str| match option {
            "--memory" => parse_size(own).ok().zip(parse_size(limit).ok()).is_some_and(|(own, limit)| own <= limit),
            _ => own.parse::<f64>().ok().zip(limit.parse::<f64>().ok()).is_some_and(|(own, limit)| own <= limit),
        };
        own.is_some_and(|own| !is_within(own))
    }

    /// Whether it deletes what its target has and its source lacks.
    pub fn deletes_from_target(&self) -> bool {
        self.mode == Mode::SyncDelete
    }

    /// A fingerprint of which keys take part: two runs with the same one show the same of the source.
    pub fn selection(&self) -> String {
        const SELECTING: [&str; 13] = [
            "--include",
            "--exclude",
            "--filter",
            "--include-from",
            "--exclude-from",
            "--filter-from",
            "--files-from",
            "--min-size",
            "--max-size",
            "--min-age",
            "--max-age",
            "--ignore-case",
            "--ignore-existing",
        ];
        let selecting = self.options.iter().filter(|(option, _)| SELECTING.contains(option));
        let words: Vec<String> = selecting.map(|(option, value)| format!("{option}={}", value.as_deref().unwrap_or_default())).collect();
        format!("{} {} {}", self.source, self.target, words.join(" "))
    }
}

fn mode(section: &Section<'_>, found: &mut Found) -> Mode {
    let deletes = section.switch("delete").unwrap_or(false);
    let mode = match section.text("mode") {
        Some("sync") if deletes => return Mode::SyncDelete,
        Some("sync") => Mode::Sync,
        Some("migrate") => Mode::Migrate,
        _ => Mode::Copy,
    };
    if deletes {
        let what = format!("`delete` in {} goes with mode = \"sync\" only", section.shown());
        found.at(section.line_of("delete"), what);
    }
    mode
}

/// Keys that cannot stand together, or alone.
fn contradictions(section: &Section<'_>, found: &mut Found) {
    let is_on = |key: &str| section.switch(key) == Some(true);
    if is_on("ignore_existing") && is_on("immutable") {
        found.at(section.line_of("immutable"), format!("`ignore_existing` and `immutable` in {} contradict each other", section.shown()));
    }
    if is_on("delete_excluded") && !is_on("delete") {
        found.at(section.line_of("delete_excluded"), format!("`delete_excluded` in {} goes with delete = true only", section.shown()));
    }
}

/// Globs are compiled once, so that a bad one is not found at three in the morning.
fn globs(section: &Section<'_>, found: &mut Found) {
    for key in ["include", "exclude", "filter", "order_last"] {
        let globs = section.texts(key);
        let options = match key {
            "filter" => FilterOptions { filter: globs, ..FilterOptions::default() },
            _ => FilterOptions { include: globs, ..FilterOptions::default() },
        };
        if let Err(error) = options.build(Timestamp::UNIX_EPOCH) {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            found.at(section.line_of(key), format!("`{key}` in {} is not understood: {error}{cause}", section.shown()));
        }
    }
}

/// A key as the command line has it.
fn arguments(key: &'static Key, value: &Value) -> Vec<(&'static str, Option<String>)> {
    match value {
        Value::Switch(true) => vec![(key.option, None)],
        Value::Switch(false) => Vec::new(),
        Value::Text(text) => vec![(key.option, Some(text.clone()))],
        Value::Texts(texts) => texts.iter().map(|text| (key.option, Some(text.clone()))).collect(),
        Value::Pairs(pairs) => pairs.iter().map(|(name, value)| (key.option, Some(format!("{name}={value}")))).collect(),
    }
}

impl Config {
    /// The command that a job is: its words, as a shell would hand them over. `None` where there is no such job.
    pub fn arguments(&self, name: &str) -> Option<Vec<String>> {
        let job = self.jobs.get(name)?;
        let places =
            [&job.source, &job.target].map(|location| if job.tenant.is_some() { as_folder(location) } else { location.to_string() });
        let mut words: Vec<String> = std::iter::once(job.mode.command().to_owned()).chain(places).collect();
        // What the class and the tenant say holds where the job says nothing.
        let verify = self.class_of(job).and_then(|class| class.verify.clone()).map(|verify| ("--verify", verify));
        let tenant = job.tenant.as_ref().and_then(|tenant| self.tenants.get(tenant));
        let limits = tenant.into_iter().flat_map(|tenant| tenant.limits.options.iter().cloned());
        let is_left = |option: &str| job.options.iter().all(|(given, _)| *given != option);
        let besides = verify.into_iter().chain(limits).filter(|(option, _)| is_left(option)).map(|(option, value)| (option, Some(value)));
        for (option, value) in job.options.iter().cloned().chain(besides) {
            // `--option=VALUE`, so that a value which begins with a dash is no option.
            words.push(value.map_or_else(|| option.to_owned(), |value| format!("{option}={value}")));
        }
        Some(words)
    }

    /// The class of a job.
    pub(crate) fn class_of(&self, job: &Job) -> Option<&service::Class> {
        job.class.as_ref().and_then(|class| self.classes.get(class))
    }

    /// The oldest that the copy of a job may be.
    pub fn recovery_point(&self, job: &Job) -> Option<Duration> {
        job.recovery_point.or_else(|| self.class_of(job)?.recovery_point)
    }

    /// Who starts first.
    pub fn priority(&self, job: &Job) -> Priority {
        job.priority.or_else(|| self.class_of(job)?.priority).unwrap_or_default()
    }

    /// The places of a job, where they lead anywhere.
    pub(crate) fn places(&self, job: &Job) -> Option<(Place, Place)> {
        Some((resolve(self, &job.source).ok()?, resolve(self, &job.target).ok()?))
    }

    pub(crate) fn check_jobs(&self, found: &mut Found) {
        if self.jobs.len() > JOBS_MAX {
            found.at(0, format!("there are {} jobs, more than {JOBS_MAX}", self.jobs.len()));
        }
        for (name, job) in &self.jobs {
            for (key, location) in [("source", &job.source), ("target", &job.target)] {
                self.check_location(&format!("`{key}` in [jobs.{name}]"), job.line, location, found);
            }
            if let Some(class) = job.class.as_deref().filter(|class| !self.classes.contains_key(*class)) {
                let hint = did_you_mean(class, self.classes.keys().map(String::as_str));
                found.push(job.line, format!("[jobs.{name}] is of the class `{class}`, which there is not"), hint);
            }
            if let Some((source, target)) = self.places(job)
                && overlap(&source, &target) != Overlap::None
            {
                found.at(job.line, format!("source and target of [jobs.{name}] share keys: {} and {}", job.source, job.target));
            }
        }
        self.check_targets(found);
    }

    /// A location that leads somewhere.
    pub(crate) fn check_location(&self, what: &str, line: usize, location: &Location, found: &mut Found) {
        match resolve(self, location) {
            Ok(_) => {}
            Err(BadPlace::NoStore(store)) => {
                let hint = did_you_mean(&store, self.stores.keys().map(String::as_str));
                found.push(line, format!("{what} is in the store `{store}`, which there is not"), hint);
            }
            Err(error) => found.at(line, format!("{what}: {error}")),
        }
    }

    /// Two jobs with the same places would share a state, and one that deletes would delete what another one copied.
    fn check_targets(&self, found: &mut Found) {
        let placed: BTreeMap<&String, (&Job, Place, Place)> =
            self.jobs.iter().filter_map(|(name, job)| self.places(job).map(|(source, target)| (name, (job, source, target)))).collect();
        for (name, (job, source, target)) in &placed {
            for (other_name, (other, other_source, other_target)) in &placed {
                if name == other_name {
                    continue;
                }
                let line = job.line.max(other.line);
                if name < other_name && (source, target) == (other_source, other_target) {
                    found.at(line, format!("[jobs.{name}] and [jobs.{other_name}] have the same source and target"));
                } else if job.deletes_from_target() && overlap(target, other_target) != Overlap::None {
                    found.at(line, format!("[jobs.{name}] would delete what [jobs.{other_name}] copies: their targets share keys"));
                }
            }
        }
    }
}

/// A location that means the keys below it, never one object of its name.
fn as_folder(location: &Location) -> String {
    let text = location.to_string();
    let is_bucket = !text.split_once(':').is_some_and(|(_, path)| path.contains('/'));
    if text.ends_with('/') || is_bucket { text } else { format!("{text}/") }
}
