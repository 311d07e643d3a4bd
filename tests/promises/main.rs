//! The promises under fault: each test is named after the promise that it guards, and runs the real binary.
//!
//! Every fault is scripted in the embedded servers' worlds, or in a wire between them and the engine. What must hold under all of
//! them is judged in one place (`setting`): no wrong byte counts as a copy, and no original is gone without one.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a broken set-up should panic, and a test crate has no outside")]

mod books;
mod changing;
mod check;
mod corrupt;
mod failing;
mod guards;
mod listing;
mod places;
mod secrets;
mod setting;
#[path = "../support/lab.rs"]
mod support;
mod weak;
mod wire;
