//! Google Cloud Storage: the JSON API for listings, metadata, small writes, compose, move and delete, the XML API for reads and
//! for parallel uploads of large objects.
//!
//! A store is a bucket and a key prefix. Every read and every delete names the generation that was listed; every write names
//! its condition. Large objects gather under a staging name, are compared with their CRC-32C there, and only then become
//! visible, by a conditional `objects.move`: the XML API's own completion honours no condition. Where an endpoint lacks the XML
//! multipart upload or the move, parts become staging objects and are joined by `compose`.
//!
//! Keys that have the exact form of this engine's staging names (`.brigade-staging/<32 hexadecimal digits>/...`, at any depth)
//! are never listed as data; `pending` finds those directly below the location. No other key is ever hidden, renamed or
//! decoded, and no request asks the server to transform content.

mod batch;
mod client;
mod copy;
mod delete;
mod errors;
mod limits;
mod list;
mod names;
mod objects;
mod options;
mod pending;
mod probe;
mod read;
mod resource;
mod store;
mod token;
mod upload;
mod write;
mod xml;

pub use batch::{BatchAnswer, parse_batch};
pub use copy::GcsCopier;
pub use errors::{ErrorBody, parse_error};
pub use list::{ListPage, parse_list_page};
pub use options::GcsOptions;
pub use store::GcsStore;
pub use token::{Anonymous, TokenSource};
pub use xml::{XmlPart, XmlParts, XmlUpload, XmlUploads, parse_complete, parse_initiate, parse_parts, parse_uploads};
