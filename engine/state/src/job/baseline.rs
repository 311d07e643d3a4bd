//! A manifest as a baseline: pages of records, each read on a thread for blocking work while the one before it is in use.
//!
//! No thread outlives its page. A thread that waited for its reader would keep tokio's paused clock from moving, and a simulation
//! with it; and what is no longer read ends by itself when it is dropped.

use async_trait::async_trait;
use brigade_core::shard::Marks;
use brigade_core::{Key, Known};
use brigade_manifest::{Manifest, Reader};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::StateError;
use crate::journal::{Baseline, KnownPages};

/// Records of one page. A reader has two, of some 400 bytes a record, and each shard that is listed has a reader; a page is worth
/// more than its way to another thread (some microseconds).
const PAGE_RECORDS: usize = 250;

/// A page, and the reader for the next one.
type Page = (Box<Reader>, Result<Vec<Known>, StateError>);

#[async_trait]
impl Baseline for Manifest {
    fn read(&self, after: Option<&Key>) -> Box<dyn KnownPages> {
        Box::new(Pages::Idle(Box::new(Manifest::read(self, after))))
    }

    fn marks(&self) -> Marks {
        let keys = Manifest::marks(self);
        let parts = u64::try_from(keys.len() + 1).unwrap_or(u64::MAX);
        Marks { keys_each: self.rows().div_ceil(parts), keys }
    }
}

/// Pages that are being read.
enum Pages {
    /// Nothing is under way.
    Idle(Box<Reader>),
    /// The next page is being read.
    Ahead(JoinHandle<Page>),
    /// The end, or an error.
    Ended,
}

fn read_page(mut reader: Box<Reader>) -> Page {
    let page = reader.by_ref().take(PAGE_RECORDS).collect::<Result<Vec<_>, _>>().map_err(StateError::from);
    (reader, page)
}

#[async_trait]
impl KnownPages for Pages {
    async fn next(&mut self) -> Result<Option<Vec<Known>>, StateError> {
        if let Self::Idle(_) = self
            && let Self::Idle(reader) = std::mem::replace(self, Self::Ended)
        {
            *self = Self::Ahead(spawn_blocking(move || read_page(reader)));
        }
        // The handle stays in its place while it is waited for: whoever stops waiting can ask again.
        let Self::Ahead(ahead) = self else { return Ok(None) };
        let read = ahead.await;
        *self = Self::Ended;
        let (reader, page) = read.map_err(|_| StateError::Closed)?;
        let page = page?;
        if page.len() == PAGE_RECORDS {
            *self = Self::Ahead(spawn_blocking(move || read_page(reader)));
        }
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}
