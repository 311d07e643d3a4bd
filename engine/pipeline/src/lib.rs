//! One straight path from a shard to outcomes.
//!
//! Listing, diff, transfer, verification and recording are stages joined by bounded channels; deleting comes after all of
//! them and needs a token that only a clean run yields. The engine sees stores through the seams of `brigade-store` and
//! never knows which provider it talks to.

pub mod approval;
mod approved;
pub mod carry;
pub mod check;
pub mod counters;
pub mod cpu;
pub mod ctx;
pub mod delete;
pub mod diff;
pub mod forecast;
pub mod guards;
pub mod last;
pub mod limits;
pub mod list;
pub mod memory;
pub mod past;
pub mod queue;
pub mod record;
pub mod report;
pub mod retry;
pub mod road;
pub mod run;
pub mod shard;
pub mod transfer;
pub mod twins;
pub mod verify;

pub use counters::Counters;
pub use ctx::{Ctx, Fatal};
pub use run::{Ends, Finished, Run, run};
