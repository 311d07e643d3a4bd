//! Runs whose entries come from elsewhere than from listing both ends: they come to what listing would have come to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod inventory;
mod named;
mod recorded;
#[path = "../support/inventory.rs"]
mod rows;
#[path = "../support/lab.rs"]
mod support;
