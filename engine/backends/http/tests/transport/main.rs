//! The transport against servers in this process, on loopback: well-behaved ones, and ones that fail in every way that a
//! network can. Raw sockets where a test is about bytes, hyper where it is about HTTP.
#![allow(clippy::unwrap_used, clippy::as_conversions)]

mod addresses;
mod bodies;
mod failures;
mod proxies;
mod reuse;
mod stalls;
mod support;
mod tls;
