//! Small objects: one request that carries metadata, digests, condition and bytes.
//!
//! The store compares the CRC-32C (and the MD5, where the source gave one) with what arrived before anything becomes visible,
//! and its answer names the generation and the digests of what it holds.

use brigade_core::Key;
use brigade_core::digest::Sum;
use brigade_store::{Result, Rope, WriteSpec, Written};

use crate::objects::{Stored, demanded};
use crate::resource::NewResource;
use crate::store::GcsStore;

pub(crate) async fn put(store: &GcsStore, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
    let name = store.names().writable(key)?;
    let resource = NewResource::carrying(&spec.metadata, spec.storage_class.as_deref()).named(&name).proving(sum.crc32c, md5);
    let stored = store.insert(&resource, bytes, demanded(&spec.when)?).await?;
    Ok(written(store, &stored))
}

/// What the seam is told of a write.
pub(crate) fn written(store: &GcsStore, stored: &Stored) -> Written {
    Written { identity: Some(stored.identity()), digests: store.own(stored.head.digests) }
}
