//! The engine in a world that a seed decides: paused time, faults at every seam, crashes at every step, and a model that judges
//! every run by the promises.
//!
//! `docs/SIMULATION.md` says what is simulated and how a failing seed is repeated.

#![allow(unreachable_pub, reason = "a test crate has no outside")]

mod book;
mod bugs;
mod dice;
mod engine;
mod generate;
mod judge;
mod latency;
mod listing;
mod planted;
mod play;
mod promises;
mod scenario;
mod seam;
mod seeds;
mod shrink;
mod stage;
mod steps;
mod violation;
