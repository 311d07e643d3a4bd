//! Parts as objects, joined by compose: the way for endpoints without multipart uploads of the XML API.
//!
//! A marker object says that the upload is open; without it, the upload is gone. Every part is a staging object, compared by
//! the store with its CRC-32C like any small object. Up to 32 objects are joined at a time, in a tree, each by its generation.

use brigade_core::digest::{Sum, Wanted};
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Key};
use brigade_store::{Complete, PartReceipt, Result, Rope, StoreError};
use futures::{StreamExt, TryStreamExt};

use super::{Target, gone};
use crate::limits::{COMPOSE_SOURCES_MAX, COMPOSES_AT_ONCE};
use crate::names::{Staged, staged_node, staged_part, staged_part_number};
use crate::objects::{Source, Stored, as_text_name};
use crate::resource::NewResource;
use crate::store::GcsStore;

/// An object that goes into the next level of the tree.
#[derive(Clone, Debug)]
struct Node {
    name: String,
    generation: u64,
}

pub(super) async fn begin(store: &GcsStore, key: &Key, dir: &str) -> Result<()> {
    let empty = Rope::empty();
    let name = store.names().staged(Staged::Marker, dir, key);
    store.insert_own(&name, &empty, &empty.sum(Wanted::default()), Some(0)).await.map(drop)
}

/// The upload is open as long as its marker is there.
async fn is_open(store: &GcsStore, target: &Target<'_>) -> Result<()> {
    match store.stored(&store.names().staged(Staged::Marker, target.dir, target.key)).await {
        Err(error) if error.kind == ErrorKind::NotFound => Err(gone()),
        other => other.map(drop),
    }
}

pub(super) async fn part(store: &GcsStore, target: &Target<'_>, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
    is_open(store, target).await?;
    let name = format!("{}{}", store.names().prefix(), staged_part(target.dir, part.number));
    let stored = store.insert_own(name.as_bytes(), bytes, sum, None).await?;
    if stored.head.digests.crc32c.is_some_and(|crc32c| crc32c != sum.crc32c) {
        let message = format!("part {} arrived with another CRC-32C than it was sent with", part.number);
        return Err(StoreError::new(ErrorKind::Corrupt, message));
    }
    Ok(receipt(store, part.number, &stored))
}

fn receipt(store: &GcsStore, number: u32, stored: &Stored) -> PartReceipt {
    PartReceipt { number, size: stored.head.size, tag: stored.generation.to_string(), digests: store.own(stored.head.digests) }
}

pub(super) async fn parts(store: &GcsStore, target: &Target<'_>) -> Result<Vec<PartReceipt>> {
    is_open(store, target).await?;
    let dir = format!("{}{}", store.names().prefix(), target.dir);
    let found = store.all_below(&dir).await?;
    let mut receipts: Vec<PartReceipt> =
        found.iter().filter_map(|(name, stored)| Some(receipt(store, staged_part_number(name.strip_prefix(&dir)?)?, stored))).collect();
    receipts.sort_by_key(|receipt| receipt.number);
    Ok(receipts)
}

/// Joins the parts under the staging name, with all metadata. Done again it gives the same object again.
pub(super) async fn complete(store: &GcsStore, target: &Target<'_>, name: &[u8], complete: &Complete<'_>) -> Result<Stored> {
    is_open(store, target).await?;
    let result = join(store, target, name, complete).await;
    // No condition is set on the staging name: what does not hold is the generation of a part.
    result.map_err(|error| if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Conflict) { gone() } else { error })
}

async fn join(store: &GcsStore, target: &Target<'_>, name: &[u8], complete: &Complete<'_>) -> Result<Stored> {
    let prefix = store.names().prefix();
    let mut nodes = Vec::with_capacity(complete.parts.len());
    for part in complete.parts {
        let generation = part.tag.parse().map_err(|_| StoreError::new(ErrorKind::UploadGone, "a part's receipt is none of this store"))?;
        nodes.push(Node { name: format!("{prefix}{}", staged_part(target.dir, part.number)), generation });
    }
    let mut level = 0;
    while nodes.len() > COMPOSE_SOURCES_MAX {
        level += 1;
        let chunks = nodes.chunks(COMPOSE_SOURCES_MAX).enumerate();
        let joined = chunks.map(|(index, chunk)| {
            let node = format!("{prefix}{}", staged_node(target.dir, level, index));
            async move {
                let stored = store.compose(&sources(chunk), node.as_bytes(), &NewResource::default(), None).await?;
                Ok::<_, StoreError>(Node { name: node, generation: stored.generation })
            }
        });
        nodes = futures::stream::iter(joined.collect::<Vec<_>>()).buffered(COMPOSES_AT_ONCE).try_collect().await?;
    }
    let spec = complete.spec;
    let resource = NewResource::carrying(&spec.metadata, spec.storage_class.as_deref()).named(as_text_name(name)?);
    store.compose(&sources(&nodes), name, &resource, None).await
}

fn sources(nodes: &[Node]) -> Vec<Source<'_>> {
    nodes.iter().map(|node| Source::new(&node.name, node.generation)).collect()
}
