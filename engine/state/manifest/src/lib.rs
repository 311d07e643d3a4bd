//! The manifest: what the target was proven to hold when a run ended, as one Parquet file.
//!
//! Its schema is `brigade.manifest/1`, described in `docs/formats/manifest.md`: flat, sorted by key, readable by DuckDB and pandas.
//! Both directions work in row groups of bounded size, so a manifest of any length is written and read in constant memory.
//!
//! A Parquet parser may panic or allocate without measure when it is fed damaged bytes. Nothing of a file is therefore parsed
//! before the whole of it was compared with a BLAKE3 digest: one that the caller knows ([`Vouched::Blake3`]), or the file's own
//! seal ([`Vouched::Seal`]). The seal tells damage, not forgery: whoever can write the file can seal it again.

mod columns;
mod error;
mod limits;
mod read;
mod schema;
mod seal;
mod text;
mod write;

pub use columns::Column;
pub use error::{ManifestError, WriteError};
pub use read::{Manifest, Reader};
pub use schema::{Meta, SCHEMA};
pub use seal::{Vouched, file_blake3};
pub use write::{Written, write};
