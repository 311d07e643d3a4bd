//! The lab: two clouds in memory, with everything that goes wrong in real ones.
//!
//! [`world`] holds buckets, objects and uploads and behaves as the providers document it. [`fault`] scripts what goes wrong and
//! [`door`] makes every request meet it and be counted. [`s3`] and [`gcs`] speak the two dialects over one world, and [`sim`] is
//! the same world as a store of the engine, without a network between. Used by tests, by
//! `brigade demo` and by `brigade lab`; the engine itself never depends on it. Nothing here is made to face a network: servers
//! bind to loopback and keep everything in memory.

pub mod door;
pub mod fault;
pub mod gcs;
pub mod s3;
pub mod server;
pub mod sim;
pub mod sim_state;
pub mod world;
