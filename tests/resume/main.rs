//! What outlives a run, on the real binary: kills at any instant, a journal that is lost or damaged, interrupts, guards that
//! remember, and what is known from one run to the next.
//!
//! The embedded servers run in this process and count what came. Nothing here takes the engine's word for what it did.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a broken set-up should panic, figures are shown with --nocapture, and a test crate has no outside"
)]

mod damage;
mod dice;
mod full_disk;
mod guards;
mod held;
mod kills;
mod local;
mod moving;
mod parts;
mod plans;
mod quarantine;
mod sent;
#[path = "../support/served.rs"]
mod served;
mod serving;
#[allow(dead_code, reason = "the judgement of the promises; this crate uses its part of it")]
#[path = "../promises/setting.rs"]
mod setting;
mod signals;
#[path = "../support/lab.rs"]
mod support;
mod together;
#[path = "../support/wait.rs"]
mod wait;
