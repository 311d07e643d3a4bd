//! The store itself: what it knows of its endpoint, and the seams that it fills.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::compare::DigestSource;
use brigade_core::digest::{Digests, Sum};
use brigade_core::limits::{GCS_METADATA_BYTES_MAX, GCS_OBJECT_BYTES_MAX, PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX};
use brigade_core::metadata::ClassNames;
use brigade_core::parts::{Part, PartLimits};
use brigade_core::{Entry, Identity, Key, KeyRange, KeyRules};
use brigade_http::Transport;
use brigade_store::{
    Complete, Delete, Deletion, Facts, Head, Honoured, List, Listing, MtimeStyle, Pages, PartReceipt, PendingUpload, Piece, Probe,
    ProbeFor, ProofSupport, Read, ReadRequest, Result, Rope, Upload, Write, WriteSpec, Written,
};
use parking_lot::RwLock;

use crate::client::Client;
use crate::limits::BATCH_CALLS_MAX;
use crate::list::GcsPages;
use crate::names::Names;
use crate::options::{GcsOptions, Identification};
use crate::token::{Anonymous, GoogleTokens, TokenSource};

/// A bucket and a key prefix at one endpoint. Cloning shares everything.
#[derive(Clone)]
pub struct GcsStore {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    names: Names,
    learned: RwLock<Learned>,
}

/// What is known of the endpoint: from documentation at first, then from probes and from what it answered.
#[derive(Clone, Debug)]
pub(crate) struct Learned {
    pub(crate) facts: Facts,
    /// Multipart uploads of the XML API.
    pub(crate) xml_uploads: Honoured,
    /// `objects.move`.
    pub(crate) moves: Honoured,
    /// Batch requests.
    pub(crate) batches: Honoured,
    /// Digests in answers to writes are the server's own, not our header said back.
    pub(crate) own_digests: Honoured,
}

impl GcsStore {
    /// Resolves the options. Makes no request and reads no credentials yet.
    pub fn new(options: GcsOptions, transport: Transport) -> Result<Self> {
        let identification = options.identification(&options.endpoint()?)?;
        let tokens: Arc<dyn TokenSource> = match identification {
            Identification::Anonymous => Arc::new(Anonymous),
            Identification::File(file) => Arc::new(GoogleTokens::new(Some(file))),
            Identification::Default => Arc::new(GoogleTokens::new(None)),
        };
        Self::with_tokens(options, transport, tokens)
    }

    /// The same with tokens from elsewhere.
    pub fn with_tokens(options: GcsOptions, transport: Transport, tokens: Arc<dyn TokenSource>) -> Result<Self> {
        let endpoint = options.endpoint()?;
        let learned = Learned::of(if endpoint.is_google() { Honoured::Yes } else { Honoured::Unknown });
        let client = Client::new(transport, endpoint, tokens, options.user_project.as_deref())?;
        let names = Names::new(options.bucket, options.prefix);
        Ok(Self { inner: Arc::new(Inner { client, names, learned: RwLock::new(learned) }) })
    }

    /// One spelling for everything that reaches the same buckets: `gcs google`, or `gcs host:port`.
    pub fn endpoint_id(&self) -> String {
        self.client().endpoint().id()
    }

    /// The location for people.
    pub fn describe(&self) -> String {
        let place = format!("gs://{}/{}", self.names().bucket(), self.names().prefix());
        if self.is_google() { place } else { format!("{place} at {}", self.client().endpoint().authority) }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn names(&self) -> &Names {
        &self.inner.names
    }

    /// Whether this is Google itself, also through a private endpoint.
    pub fn is_google(&self) -> bool {
        self.client().endpoint().is_google()
    }

    /// What is known now.
    pub(crate) fn learned(&self) -> Learned {
        self.inner.learned.read().clone()
    }

    /// Remembers something.
    pub(crate) fn learn(&self, what: impl FnOnce(&mut Learned)) {
        what(&mut self.inner.learned.write());
    }

    /// Digests in the answer to a write, as far as they are the server's own.
    pub(crate) fn own(&self, digests: Digests) -> Digests {
        if self.inner.learned.read().own_digests.is_yes() { digests } else { Digests::default() }
    }
}

impl Learned {
    /// `documented` is yes for Google itself, whose documentation says what it computes and checks.
    fn of(documented: Honoured) -> Self {
        let facts = Facts {
            keys: KeyRules::Gcs,
            parts: PartLimits {
                part_bytes_min: PART_BYTES_MIN,
                part_bytes_max: PART_BYTES_MAX,
                parts_max: PARTS_MAX,
                put_bytes_max: PUT_BYTES_MAX,
                object_bytes_max: GCS_OBJECT_BYTES_MAX,
            },
            listing: Listing::Ranged,
            delete_batch_max: BATCH_CALLS_MAX,
            digests: DigestSource::Stored,
            put_proof: if documented.is_yes() { ProofSupport::Crc32c } else { ProofSupport::None },
            upload_proof: ProofSupport::Crc32c,
            checks_md5: documented,
            conditional_put: Honoured::Unknown,
            conditional_complete: Honoured::Unknown,
            conditional_delete: Honoured::Unknown,
            versioned: Honoured::Unknown,
            metadata_bytes_max: GCS_METADATA_BYTES_MAX,
            tags_max: 0,
            keeps_expires: false,
            classes: ClassNames::Gcs,
            keeps_metadata: true,
            mtime: MtimeStyle::Rfc3339,
            missing_rights: Vec::new(),
            notes: Vec::new(),
        };
        Self { facts, xml_uploads: Honoured::Unknown, moves: Honoured::Unknown, batches: Honoured::Unknown, own_digests: documented }
    }
}

#[async_trait]
impl List for GcsStore {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        Box::new(GcsPages::new(self.clone(), range.clone()))
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        self.head_of(&self.names().full(key)).await
    }
}

#[async_trait]
impl Read for GcsStore {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        crate::read::read(self, request).await
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        crate::read::digests(self, entry).await
    }

    async fn tags(&self, _key: &Key, _identity: &Identity) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Write for GcsStore {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        crate::write::put(self, key, bytes, sum, md5, spec).await
    }

    async fn create(&self, key: &Key, _size: u64, spec: &WriteSpec) -> Result<Upload> {
        crate::upload::create(self, key, spec).await
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        crate::upload::part(self, upload, part, bytes, sum).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        crate::upload::parts(self, upload).await
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        crate::upload::complete(self, upload, complete).await
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        crate::upload::abort(self, upload).await
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        crate::pending::pending(self).await
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        crate::delete::retract(self, key, written).await
    }
}

#[async_trait]
impl Delete for GcsStore {
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        crate::delete::delete(self, batch).await
    }
}

#[async_trait]
impl Probe for GcsStore {
    fn facts(&self) -> Facts {
        self.learned().facts
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        crate::probe::probe(self, purpose).await
    }
}

impl std::fmt::Debug for GcsStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GcsStore").field("location", &self.describe()).finish_non_exhaustive()
    }
}
