//! The seam between the engine and every place where objects live.
//!
//! A store is seen through small traits: [`List`], [`Read`], [`Write`], [`Delete`]. A [`Source`] has no write and no delete
//! method, so a copy cannot harm it (p01); the right to delete originals is a separate handle, built after a clean run.
//! Conditions are arguments, provider limits are data ([`Facts`]), and what an endpoint really honours is probed.
//! No crate above this one may ask which provider it talks to.

pub mod body;
pub mod conformance;
pub mod copy;
pub mod error;
pub mod facts;
pub mod layers;
mod patience;
pub mod shares;
pub mod single;
pub mod traits;

pub use body::{Collector, Rope};
pub use copy::{CopyBy, CopyComplete, CopyFacts, Origin, ServerCopy};
pub use error::{Result, StoreError};
pub use facts::{Facts, Honoured, Listing, MtimeStyle, ProofSupport};
pub use patience::patiently;
pub use traits::{
    Complete, Delete, Deletion, Head, Layout, List, Pages, PartReceipt, PendingUpload, Piece, Probe, ProbeFor, Read, ReadRequest, Source,
    Target, Upload, When, Write, WriteSpec, Written,
};
