//! What a run writes down while it goes on.
//!
//! The ledger holds what must outlive a stage but not fit in memory: failures, and the deletes that wait for a clean run.
//! It is a file, so that a run over a hundred million keys needs no more memory than one over a hundred.

pub mod ledger;
mod writer;

pub use ledger::{Ledger, LedgerError, Table, Waiting};
