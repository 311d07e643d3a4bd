//! Writes the report: the sums, then every failure straight from the journal, so that millions of failures need no memory.

use std::collections::BTreeMap;
use std::io::{self, Write};

use brigade_core::report::{FailureRecord, ReportHead};
use brigade_state::{Journal, StateError};
use serde::Serialize;

use crate::approval::WrittenPlan;
use crate::forecast::Forecast;
use crate::limits::REPORT_ROWS_MAX;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The failures cannot be read back.
    #[error("the failures cannot be read back")]
    Journal(#[from] StateError),
    /// The file cannot be written.
    #[error("the report cannot be written")]
    Io(#[from] io::Error),
}

/// What a report says beside the contract's fields.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Extras {
    /// Copied objects of which the read bytes were compared with what the source stores.
    pub source_proven: u64,
    /// What the target could not carry, by name, with the number of objects.
    pub dropped: BTreeMap<String, u64>,
    /// Set where originals were deleted by a fresh look instead of a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_rule: Option<&'static str>,
    /// `migrate --plan-out`: the delete plan that was written instead of deleting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_plan: Option<WrittenPlan>,
    /// `plan`: the requests of the run that is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// `plan`: what objects may have that the target cannot hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cannot_carry: Vec<&'static str>,
    /// What took the place of listing the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_entries: Option<SourceEntries>,
    /// Why the run stopped or refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where the source's entries came from: the run speaks of the source as this file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceEntries {
    /// `inventory` or `manifest`.
    pub from: &'static str,
    /// The file, as it was given.
    pub file: String,
    /// When it was begun, RFC 3339.
    pub created: String,
}

/// Writes the whole report as one JSON object.
pub async fn write(output: &mut (dyn Write + Send), head: &ReportHead, extras: &Extras, journal: &dyn Journal) -> Result<(), ReportError> {
    let head = json(head)?;
    let extras = json(extras)?;
    // Both are objects: the braces between them go, the list of failures comes last.
    write!(output, "{}", &head[..head.len() - 1])?;
    if extras.len() > 2 {
        write!(output, ",{}", &extras[1..extras.len() - 1])?;
    }
    write!(output, ",\"failures\":[")?;
    let mut after = 0;
    let mut separator = "";
    loop {
        let rows = journal.failures(after, REPORT_ROWS_MAX).await?;
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        for (_, failure) in rows {
            write!(output, "{separator}\n{}", json(&failure)?)?;
            separator = ",";
        }
    }
    writeln!(output, "]}}")?;
    output.flush()?;
    Ok(())
}

/// The first failures, for the terminal.
pub async fn first_failures(journal: &dyn Journal, limit: usize) -> Result<Vec<FailureRecord>, StateError> {
    Ok(journal.failures(0, limit).await?.into_iter().map(|(_, failure)| failure).collect())
}

fn json<T: Serialize>(value: &T) -> io::Result<String> {
    serde_json::to_string(value).map_err(io::Error::other)
}
