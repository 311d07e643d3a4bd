//! What happens while a run goes on. One event drives log, progress, counters and the `--events` file.

use serde::Serialize;

use crate::limiter::ClassState;
use crate::verdict::Operation;
use crate::{ErrorKind, Outcome};

/// Which end of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Where objects come from.
    Source,
    /// Where they go.
    Target,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// How one attempt of one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which end.
    pub side: Side,
    /// What it wanted.
    pub operation: Operation,
    /// From 1.
    pub number: u32,
    /// Body bytes received.
    pub read_bytes: u64,
    /// Body bytes sent.
    pub written_bytes: u64,
    /// How it failed; `None` where it did not.
    pub error: Option<ErrorKind>,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An attempt of a request begins.
    Began(Side),
    /// It ended.
    Ended(Attempt),
    /// A page of a listing arrived with this many entries that no other page had.
    Listed(Side, usize),
    /// Bytes of an object have been written and acknowledged.
    Progress(u64),
    /// A key is decided.
    Decided(&'a Outcome),
    /// A whole listing has ended.
    ListingEnded(Side),
    /// This many originals or objects of the target have been deleted.
    Deleted(Side, u64),
    /// The limits of an endpoint are others now, for the reason that it gives; told once a second at most.
    Limited(Side, ClassState),
    /// A phase begins.
    Phase(Phase),
}

/// The phases of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reaching and probing both ends.
    Probing,
    /// Listing, comparing and copying.
    Copying,
    /// Deleting after a clean run.
    Deleting,
    /// Writing the report.
    Reporting,
}

/// Takes events. It must be quick and must not block: it is called from the data path.
pub trait Observer: Send + Sync {
    /// Takes one event.
    fn observe(&self, event: &Event<'_>);
}

/// Takes events and does nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _event: &Event<'_>) {}
}
