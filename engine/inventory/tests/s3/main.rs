//! Inventories of S3 against the listings of the buckets that they describe, over simulated stores.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and a test crate has no outside")]

#[path = "../../../../tests/support/inventory.rs"]
mod inventory;
mod parquet;
mod refusals;
mod same;
mod stage;
