//! Every pair of stores: copy, check equal, copy again for nothing; and what each of these costs in requests.
#![allow(clippy::unwrap_used)]

mod keys;
mod pairs;
mod requests;
mod server_side;
#[path = "../support/lab.rs"]
mod support;
