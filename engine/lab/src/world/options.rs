//! How a world is made and what it honours: everything a test switches to imitate another store.

use super::clock::{LabClock, SystemClock};
use super::content::Retention;
use std::sync::Arc;

/// What the world's servers truly do with what they are asked. Everything by default; less imitates strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Honours {
    /// Conditions of a PUT or an insert.
    pub conditional_put: bool,
    /// Conditions of CompleteMultipartUpload.
    pub conditional_complete: bool,
    /// Conditions of a delete; where they are ignored the object is deleted.
    pub conditional_delete: bool,
    /// Conditions on the source or target of a server-side copy.
    pub conditional_copy: bool,
    /// `If-Match` and generation conditions of a read.
    pub conditional_get: bool,
    /// `Range` of a read; where it is ignored the answer is 200 with everything.
    pub range: bool,
    /// Announced checksums are compared with the content; where they are not, they are stored as announced.
    pub checksums: bool,
    /// `Content-MD5` is compared with the content.
    pub content_md5: bool,
    /// ETags are given in listings.
    pub listed_etags: bool,
    /// Conditions of the GCS XML interface's complete; the real one ignores them.
    pub xml_conditional_complete: bool,
    /// `objects.move` of GCS exists.
    pub object_move: bool,
}

impl Honours {
    /// As the real clouds do.
    pub const REAL: Self = Self {
        conditional_put: true,
        conditional_complete: true,
        conditional_delete: true,
        conditional_copy: true,
        conditional_get: true,
        range: true,
        checksums: true,
        content_md5: true,
        listed_etags: true,
        xml_conditional_complete: false,
        object_move: true,
    };
}

impl Default for Honours {
    fn default() -> Self {
        Self::REAL
    }
}

/// Limits that tests lower to keep bodies small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Every part but the last has at least so many bytes.
    pub part_bytes_min: u64,
    /// The largest object of one CopyObject has so many bytes.
    pub copy_bytes_max: u64,
    /// A listing page has at most so many items.
    pub page_items_max: usize,
}

impl Default for Limits {
    /// Those of Amazon S3 and Google Cloud Storage.
    fn default() -> Self {
        Self { part_bytes_min: 5 * 1024 * 1024, copy_bytes_max: 5 * 1024 * 1024 * 1024, page_items_max: 1000 }
    }
}

/// How a world is made.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The time.
    pub clock: Arc<dyn LabClock>,
    /// Whether bodies written through servers are kept.
    pub retention: Retention,
    /// Capabilities.
    pub honours: Honours,
    /// Limits.
    pub limits: Limits,
    /// Seed of faults that strike by chance.
    pub fault_seed: u64,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), retention: Retention::Keep, honours: Honours::REAL, limits: Limits::default(), fault_seed: 0 }
    }
}
