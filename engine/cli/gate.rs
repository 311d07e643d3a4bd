//! `ready_when`: looks at the source of a configured job before anything is written, and holds the run to what was seen.
//!
//! The gate is judged by `brigade_core::gate`. Between the look and the run somebody may begin to write the next set of objects; so what
//! is younger than all that was seen is left to the next run, by the same rule as `--min-age`. Nothing here writes, not even a state directory.

use std::sync::Arc;

use brigade_config::Job;
use brigade_core::event::Silent;
use brigade_core::filter::Filter;
use brigade_core::gate::{Gate, Look, Part, Shut};
use brigade_core::report::RunOutcome;
use brigade_core::{ErrorKind, Key, KeyRange};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use crate::args::{Command, MigrateArgs, SyncArgs, TransferArgs};
use crate::error::CliError;
use crate::open::{Opened, Opener};
use crate::setting::Setting;
use crate::{job, places};

/// Lets a job's command begin, or says why its source is not ready.
pub async fn pass(command: &mut Command, job: &Job, setting: &Setting<'_>) -> Result<(), CliError> {
    let Some(ready) = &job.ready_when else { return Ok(()) };
    let (Command::Copy(args) | Command::Sync(SyncArgs { transfer: args, .. }) | Command::Migrate(MigrateArgs { transfer: args, .. })) =
        command
    else {
        return Ok(());
    };
    let gate = Gate { marker: ready.marker.as_deref().map(Key::from), min_age: ready.min_age.map(span) };
    let mut opener = Opener::new(setting.config()?, args.sides.requests.clone(), Arc::new(Silent))?;
    let source = places::open_source(args, &mut opener).await?;
    let begun = Timestamp::now();
    let watch = Watch { source, gate, filter: job::filter(&args.filter, begun)? };
    let newest = match (&watch.gate, ready.unchanged_across) {
        (Gate { marker: Some(marker), min_age: None }, None) => watch.marker(marker).await?.max(Some(before(begun))),
        (_, None) => watch.look(begun).await?.youngest(),
        (_, Some(apart)) => {
            let first = watch.look(begun).await?;
            pause(apart, setting).await?;
            let second = watch.look(Timestamp::now()).await?;
            if !second.is_same(&first) {
                return Err(watch.shut(&Shut::Changing));
            }
            second.youngest()
        }
    };
    hold_back(args, newest.unwrap_or(before(begun)))
}

/// The last moment before the second of this one: times of objects are told in whole seconds, and one of the same second may be later.
fn before(now: Timestamp) -> Timestamp {
    now.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor))
        .map_or(now, |second| second - SignedDuration::from_millis(1))
}

/// The source, and what must hold of it.
struct Watch {
    source: Opened,
    gate: Gate,
    filter: Filter,
}

impl Watch {
    /// Looks at the marker alone; says when it was written.
    async fn marker(&self, marker: &Key) -> Result<Option<Timestamp>, CliError> {
        match self.source.reading.head(marker).await {
            Ok(head) => Ok(head.modified),
            Err(error) if error.kind == ErrorKind::NotFound => Err(self.shut(&Shut::NoMarker(marker.clone()))),
            Err(error) => Err(CliError::store(format!("cannot look at the marker in {}", self.source.shown), &error)),
        }
    }

    /// Looks at everything; an error says why the gate is shut.
    async fn look(&self, begun: Timestamp) -> Result<Look, CliError> {
        let mut look = Look::begin(&self.gate);
        let mut pages = self.source.reading.list(&KeyRange::all());
        let failed = |error| CliError::store(format!("cannot list {}", self.source.shown), &error);
        while let Some(page) = pages.next().await.map_err(failed)? {
            for entry in &page {
                let part = if self.filter.includes_key(entry.key.as_bytes()) { Part::Some } else { Part::None };
                look.see(entry, part);
            }
        }
        self.gate.judge(&look, begun).map_err(|shut| self.shut(&shut))?;
        Ok(look)
    }

    fn shut(&self, shut: &Shut) -> CliError {
        CliError::new(format!("{} is not ready, so nothing was copied", self.source.shown), shut)
            .hint("the next run looks again; `ready_when` of the job says what must hold")
            .ended(RunOutcome::Refused)
    }
}

/// Waits between two looks, and not beyond a stop.
async fn pause(apart: std::time::Duration, setting: &Setting<'_>) -> Result<(), CliError> {
    let waited = tokio::time::sleep(apart);
    let Some(ordered) = &setting.ordered else {
        // Nothing is under way yet, so a signal ends the process at once.
        waited.await;
        return Ok(());
    };
    tokio::select! {
        () = waited => Ok(()),
        () = ordered.stop.cancelled() => Err(CliError::plain("it was told to stop before its source was known to be ready").ended(RunOutcome::Interrupted)),
    }
}

/// Leaves what is younger than this to the next run, and what the job itself holds back.
fn hold_back(args: &mut TransferArgs, newest: Timestamp) -> Result<(), CliError> {
    let own = job::age("--min-age", args.filter.min_age.as_deref())?.and_then(|age| age.instant(newest));
    args.filter.min_age = Some(own.map_or(newest, |own| own.min(newest)).to_string());
    Ok(())
}

fn span(age: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX)
}
