//! Entries from elsewhere: what a run takes for the listing of a location, where listing it would cost more than it tells.
//!
//! A run knows its ends by the seams of the store alone, so these entries stand behind [`brigade_store::List`]: an
//! [`Elsewhere`] reads, writes and probes as the store that it wraps, and lists from [`Entries`]. Nothing above it changes.
//!
//! Such a listing may be old, or only a part. It never says what is *not* there, and every read is pinned to the identity that
//! it names; see `docs/decisions/0014-entries-from-elsewhere.md`.

mod elsewhere;
mod error;
mod limits;
mod manifest;
mod named;
mod paged;
pub mod s3;
mod sorted;

pub use elsewhere::{Elsewhere, Entries};
pub use error::{InventoryError, Result};
pub use manifest::Originals;
pub use named::{Named, Way, way};
pub use sorted::Sorted;
