//! The pure heart of the engine: keys, locations, digests, filters, comparison, planning, verdicts and the report.
//!
//! Everything here is synchronous and total: no input or output, no clock, no randomness. What time it is, what a
//! server said and what a file holds arrive as arguments, so each rule can be tested by itself and simulated.

pub mod action;
pub mod compare;
pub mod diff;
pub mod digest;
pub mod entry;
pub mod error;
pub mod event;
pub mod filter;
pub mod gate;
pub mod identity;
pub mod job;
pub mod key;
pub mod known;
pub mod limiter;
pub mod limits;
pub mod location;
pub mod metadata;
pub mod outcome;
pub mod parts;
pub mod recovery;
pub mod report;
pub mod schedule;
pub mod shard;
pub mod units;
pub mod verdict;

pub use action::{Action, CopyReason};
pub use digest::{Algorithm, Digests};
pub use entry::{Availability, Entry};
pub use error::ErrorKind;
pub use identity::Identity;
pub use key::{Key, KeyRules};
pub use known::{Change, Known};
pub use location::Location;
pub use metadata::Metadata;
pub use outcome::{Outcome, Proof};
pub use shard::{KeyRange, Shard};
