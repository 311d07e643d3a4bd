//! What a plan says of the run that would follow: its requests, and what the target could never carry.
//!
//! Requests are counted as the transfer makes them without a failure; probes and listing pages, which the plan makes as
//! well, are not counted again.

use brigade_core::Outcome;
use brigade_core::job::{Job, Mode};
use brigade_core::outcome::{Done, Planned};
use brigade_core::parts::{PartPlan, plan};
use brigade_store::Facts;
use serde::Serialize;

/// Requests of the run that a plan is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// Reads from the source.
    pub get: u64,
    /// Whole objects written.
    pub put: u64,
    /// Parts written.
    pub part: u64,
    /// Uploads begun and completed.
    pub other: u64,
    /// Objects that would be deleted, at either end.
    pub deletes: u64,
}

impl Forecast {
    /// Adds what one planned outcome would take.
    pub fn add(&mut self, outcome: &Outcome, job: &Job, target: &Facts) {
        let Done::Planned { what, .. } = &outcome.result else { return };
        let of_source = *what != Planned::DeleteTarget;
        self.deletes += u64::from(!of_source || job.mode == Mode::Migrate);
        if *what != Planned::Copy {
            return;
        }
        match plan(outcome.size, job.part_bytes, &target.parts) {
            Ok(PartPlan::Parts { count, .. }) => {
                self.get += u64::from(count);
                self.part += u64::from(count);
                self.other += 2;
            }
            // What is too large for the target is refused by the run, after no request.
            Err(_) => {}
            Ok(PartPlan::Whole) => {
                self.get += 1;
                self.put += 1;
            }
        }
    }
}

/// What objects of this source may have and this target cannot hold, by name; whether any object has it shows when it is read.
pub fn cannot_carry(source: &Facts, target: &Facts) -> Vec<&'static str> {
    let mut names = Vec::new();
    if source.keeps_metadata && !target.keeps_metadata {
        names.push("headers and user metadata");
    } else {
        if source.keeps_expires && !target.keeps_expires {
            names.push("expires");
        }
        if source.metadata_bytes_max > target.metadata_bytes_max {
            names.push("user metadata above its limit");
        }
    }
    if source.tags_max > target.tags_max {
        names.push("tags");
    }
    names
}
