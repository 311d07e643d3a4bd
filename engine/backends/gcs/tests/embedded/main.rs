//! The GCS store against the embedded server: what operations cost, and what happens when things go wrong on the way.

mod copies;
mod costs;
mod faults;
mod joined;
mod locations;
mod locks;

use std::sync::Arc;

use brigade_core::digest::{Sum, Wanted};
use brigade_core::parts::{Part, ranges};
use brigade_core::{Entry, Identity, Key, KeyRange, Metadata};
use brigade_gcs::{GcsOptions, GcsStore, TokenSource};
use brigade_http::{Transport, TransportOptions};
use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::gcs::{GcsServer, GcsServerOptions};
use brigade_lab::world::World;
use brigade_store::{Complete, List, PartReceipt, Piece, Read, ReadRequest, Result, Rope, Upload, When, Write, WriteSpec, Written};
use bytes::Bytes;

/// A server with one bucket, and a store for it.
struct Lab {
    world: Arc<World>,
    server: GcsServer,
    store: GcsStore,
}

const BUCKET: &str = "bucket";

impl Lab {
    async fn new() -> Self {
        Self::at("").await
    }

    async fn at(prefix: &str) -> Self {
        let world = World::new();
        world.ensure_bucket(BUCKET);
        let server = GcsServer::start(world.clone(), GcsServerOptions::default()).await.expect("a free port");
        let store = GcsStore::new(options(&server, prefix), transport()).expect("good options");
        Self { world, server, store }
    }

    fn fault(&self, ops: &[Op], action: Action) {
        self.world.faults().add(Rule::new(ops, action).once());
    }

    fn always(&self, ops: &[Op], action: Action) {
        self.world.faults().add(Rule::new(ops, action));
    }

    fn seed(&self, key: &str, content: &str) -> Identity {
        Identity::Generation(self.world.seed(BUCKET, key, content).expect("seeded").generation)
    }

    fn keys(&self) -> Vec<String> {
        self.world.keys(BUCKET).into_iter().map(|key| String::from_utf8(key).expect("text")).collect()
    }

    fn holds(&self, key: &str, bytes: &[u8]) {
        assert!(self.world.bytes(BUCKET, key).expect("the object is there") == bytes, "{key} holds other bytes");
    }

    async fn read(&self, key: &str, identity: &Identity, size: u64, part: Option<Part>) -> Result<Piece> {
        let key = Key::from(key);
        self.store.read(&ReadRequest { key: &key, part, size, identity, wanted: Wanted::default() }).await
    }

    async fn put(&self, key: &str, bytes: &[u8]) -> Result<Written> {
        let rope = rope(bytes);
        self.store.put(&Key::from(key), &rope, &sum(&rope), None, &spec(When::IfAbsent)).await
    }

    /// Begins an upload and sends all parts.
    async fn send(&self, key: &str, bytes: &[u8], part_bytes: u64, spec: &WriteSpec) -> Result<(Upload, Vec<PartReceipt>)> {
        let upload = self.store.create(&Key::from(key), length(bytes), spec).await?;
        let mut receipts = Vec::new();
        for part in ranges(length(bytes), part_bytes) {
            let (from, to) = (usize::try_from(part.offset), usize::try_from(part.offset + part.size));
            let rope = rope(&bytes[from.expect("small")..to.expect("small")]);
            receipts.push(self.store.part(&upload, part, &rope, &sum(&rope)).await?);
        }
        Ok((upload, receipts))
    }

    async fn complete(&self, upload: &Upload, receipts: &[PartReceipt], bytes: &[u8], spec: &WriteSpec) -> Result<Written> {
        self.store.complete(upload, &Complete { parts: receipts, sum: sum(&rope(bytes)), spec }).await
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        let mut pages = self.store.list(&KeyRange::all());
        let mut entries = Vec::new();
        while let Some(page) = pages.next().await? {
            entries.extend(page);
        }
        Ok(entries)
    }
}

fn options(server: &GcsServer, prefix: &str) -> GcsOptions {
    GcsOptions { endpoint_url: Some(server.url()), bucket: BUCKET.into(), prefix: prefix.into(), ..GcsOptions::default() }
}

fn transport() -> Transport {
    Transport::new(&TransportOptions::default()).expect("default options are good")
}

fn with_tokens(server: &GcsServer, tokens: Arc<dyn TokenSource>) -> GcsStore {
    GcsStore::with_tokens(options(server, ""), transport(), tokens).expect("good options")
}

fn rope(bytes: &[u8]) -> Rope {
    Bytes::copy_from_slice(bytes).into()
}

fn sum(rope: &Rope) -> Sum {
    rope.sum(Wanted::default())
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("fits")
}

fn spec(when: When) -> WriteSpec {
    WriteSpec { metadata: Arc::default(), storage_class: None, when }
}

fn carrying(metadata: Metadata) -> WriteSpec {
    WriteSpec { metadata: Arc::new(metadata), storage_class: Some("NEARLINE".into()), when: When::IfAbsent }
}

/// Bytes in which no part equals another.
fn noise(size: usize) -> Vec<u8> {
    (0_u64..).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).take(size).collect()
}

/// The smallest part that is not the last.
const PART_BYTES: u64 = brigade_core::limits::PART_BYTES_MIN;

/// Three parts, the last one short.
fn large() -> Vec<u8> {
    noise(usize::try_from(2 * PART_BYTES + 1_000).expect("fits"))
}
