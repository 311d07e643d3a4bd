//! The command line as users and scripts meet it: help, refusals, summaries, reports, listings, and the pages made from it.
//!
//! Each snapshot under `snapshots/` is a text that somebody will read when something is wrong. It must say what failed, where,
//! why, and what to do. Renew them with `INSTA_UPDATE=always cargo test --test cli`, and read every changed line as a user would.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and a test crate has no outside")]

mod against;
mod config;
mod failures;
mod help;
mod jobs;
mod last;
mod listings;
mod nothing;
mod notified;
mod places;
mod ready;
mod reference;
mod refusals;
mod report;
mod serve;
#[path = "../support/served.rs"]
mod served;
mod story;
mod summaries;
#[path = "../support/lab.rs"]
mod support;
#[path = "../support/wait.rs"]
mod wait;
