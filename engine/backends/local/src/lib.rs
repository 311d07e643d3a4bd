//! Files below a root directory, seen as objects.
//!
//! A key is a path relative to the root, byte for byte; a listing has the order of an object store. Links are never followed
//! and no key leads out of the root (`root`). Nothing is visible before it is whole, written out and read back (`publish`).
//! A version of a file is its inode, size and times (`stamp`). Everything that blocks runs on the disk lane (`lane`).
//!
//! What a file cannot carry is said in [`Facts`]: headers, user metadata and tags are not kept; the modification time is. Keys
//! with empty, `.` or `..` segments, and keys that need a directory where a file is, are unfit. Symbolic links, devices,
//! sockets and pipes are passed over with a warning. Directories are no objects: empty ones are not listed, and stay.
//!
//! This crate is for Linux: other systems have no rename that spares an existing file in this form.

mod error;
mod lane;
mod ledger;
mod limits;
mod partial;
mod probe;
mod publish;
mod read;
mod remove;
mod root;
mod stamp;
mod upload;
mod walk;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum};
use brigade_core::parts::Part;
use brigade_core::{Entry, ErrorKind, Identity, Key, KeyRange};
use brigade_store::{
    Complete, Delete, Deletion, Facts, Head, List, Pages, PartReceipt, PendingUpload, Piece, Probe, ProbeFor, Read, ReadRequest, Result,
    Rope, StoreError, Upload, Write, WriteSpec, Written,
};
use parking_lot::Mutex;

use crate::lane::{Lane, Wanted, unwanted};
use crate::root::Root;
use crate::walk::Walk;

/// A directory as a store. Cheap to clone; all clones share one disk lane.
#[derive(Clone)]
pub struct LocalStore {
    root: Arc<Root>,
    lane: Arc<Lane>,
    facts: Arc<Mutex<Facts>>,
    /// A plan was made for a root that does not exist yet: it lists as empty.
    planned: Arc<AtomicBool>,
}

impl LocalStore {
    /// A store of the files below `root`, which need not exist yet: listing a missing root is an error
    /// (`ErrorKind::BucketMissing`), and a probe for writing makes it. Fails where no thread can be started.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self> {
        let root = std::path::absolute(root.into())
            .map_err(|error| StoreError::new(ErrorKind::Invalid, format!("the root directory has no absolute path: {error}")))?;
        Ok(Self {
            root: Arc::new(Root::new(root)),
            lane: Arc::new(Lane::start()?),
            facts: Arc::new(Mutex::new(probe::facts())),
            planned: Arc::default(),
        })
    }

    /// The root, as an absolute path with its links as they were given.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Runs a job on the disk lane with the root at hand.
    async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Root, Wanted<'_>) -> Result<T> + Send + 'static,
    {
        let root = Arc::clone(&self.root);
        self.lane.run(move |wanted| job(&root, wanted)).await
    }
}

/// The listing of a root that a write would make.
struct NoPages;

#[async_trait]
impl Pages for NoPages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        Ok(None)
    }
}

struct LocalPages {
    lane: Arc<Lane>,
    walk: Arc<Mutex<Walk>>,
}

#[async_trait]
impl Pages for LocalPages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        let walk = Arc::clone(&self.walk);
        self.lane.run(move |wanted| walk.lock().fill(wanted)).await?;
        let page = self.walk.lock().take();
        Ok((!page.is_empty()).then_some(page))
    }
}

#[async_trait]
impl List for LocalStore {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        if self.planned.load(Ordering::Relaxed) {
            return Box::new(NoPages);
        }
        let walk = Walk::new(Arc::clone(&self.root), range.clone());
        Box::new(LocalPages { lane: Arc::clone(&self.lane), walk: Arc::new(Mutex::new(walk)) })
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        let key = key.clone();
        self.run(move |root, _| read::head(root, &key)).await
    }
}

#[async_trait]
impl Read for LocalStore {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        let ReadRequest { key, part, size, identity, wanted } = request;
        let request = read::Request { key: (*key).clone(), part: *part, size: *size, identity: (*identity).clone(), checksums: *wanted };
        self.run(move |root, wanted| read::read(root, &request, wanted)).await
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        let (key, identity) = (entry.key.clone(), entry.identity.clone());
        self.run(move |root, wanted| read::digests(root, &key, &identity, wanted)).await
    }

    /// A file has none.
    async fn tags(&self, _key: &Key, _identity: &Identity) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Write for LocalStore {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, _md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        let (key, bytes, sum, spec) = (key.clone(), bytes.clone(), *sum, spec.clone());
        self.run(move |root, wanted| write::put(root, &key, &bytes, &sum, &spec, wanted)).await
    }

    async fn create(&self, key: &Key, size: u64, _spec: &WriteSpec) -> Result<Upload> {
        let key = key.clone();
        self.run(move |root, _| upload::create(root, &key, size)).await
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        let (upload, bytes, sum) = (upload.clone(), bytes.clone(), *sum);
        self.run(move |root, wanted| upload::part(root, &upload, part, &bytes, &sum, wanted)).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        let upload = upload.clone();
        self.run(move |root, _| upload::parts(root, &upload)).await
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        let (upload, parts, sum, spec) = (upload.clone(), complete.parts.to_vec(), complete.sum, complete.spec.clone());
        self.run(move |root, wanted| upload::complete(root, &upload, &parts, &sum, &spec, wanted)).await
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        let upload = upload.clone();
        self.run(move |root, _| upload::abort(root, &upload)).await
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        self.run(upload::pending).await
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        let (key, written) = (key.clone(), written.clone());
        self.run(move |root, _| remove::remove(root, &key, &written)).await
    }
}

#[async_trait]
impl Delete for LocalStore {
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        let batch = batch.to_vec();
        self.run(move |root, wanted| {
            // A missing root is an error of the whole call: then nothing is known of any file.
            root.open()?;
            let one =
                |deletion: &Deletion| if wanted() { Ok(remove::remove(root, &deletion.key, &deletion.identity)) } else { Err(unwanted()) };
            batch.iter().map(one).collect()
        })
        .await
    }
}

#[async_trait]
impl Probe for LocalStore {
    fn facts(&self) -> Facts {
        self.facts.lock().clone()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        let seen = match self.run(move |root, _| probe::probe(root, purpose)).await {
            Err(error) if error.kind == ErrorKind::BucketMissing && purpose == ProbeFor::Plan => {
                self.planned.store(true, Ordering::Relaxed);
                return Ok(self.facts());
            }
            seen => seen?,
        };
        self.planned.store(false, Ordering::Relaxed);
        let mut facts = self.facts.lock();
        // Only a probe for writing tries renames; what it found stays known.
        let tried = if purpose == ProbeFor::Write { &seen } else { &*facts };
        let (conditional_put, conditional_complete) = (tried.conditional_put, tried.conditional_complete);
        *facts = Facts { conditional_put, conditional_complete, ..seen };
        Ok(facts.clone())
    }
}
