//! A bucket, and the inventory of it in another one.

use std::sync::Arc;

use brigade_core::{Algorithm, Entry, Key, KeyRange};
use brigade_inventory::s3::{Files, Inventory, Wanted};
use brigade_inventory::{Entries, Result};
use brigade_lab::sim::{Dialect, SimStore};
use brigade_lab::world::{Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Content, NewObject, World};
use brigade_store::{List, Pages};
use tempfile::TempDir;

use crate::inventory::{self, Row};

pub const BUCKET: &str = "data";
pub const INVENTORIES: &str = "inventories";
pub const MANIFEST: &str = "inv/data/daily/2026-11-25T01-00Z/manifest.json";

/// What is in a bucket: the key, what it holds and when it was written, in milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Held {
    pub key: String,
    pub size: u64,
    pub class: Option<&'static str>,
    pub checksum: Option<Algorithm>,
    pub written_ms: i64,
}

pub struct Stage {
    pub world: Arc<World>,
    pub directory: TempDir,
}

impl Stage {
    pub fn of(objects: &[Held]) -> Self {
        let world = World::new();
        world.ensure_bucket(BUCKET);
        world.ensure_bucket(INVENTORIES);
        for (number, held) in (0..).zip(objects) {
            let content = Content::pattern(number, held.size);
            let checksum = held.checksum.map(|algorithm| {
                let algorithm = if algorithm == Algorithm::Crc32c { ChecksumAlgorithm::Crc32c } else { ChecksumAlgorithm::Crc64Nvme };
                Checksum { algorithm, kind: ChecksumKind::FullObject, value: content.checksum(algorithm).unwrap().into() }
            });
            let attributes = Attributes { storage_class: held.class.map(Into::into), ..Attributes::default() };
            world
                .seed_object(BUCKET, &held.key, NewObject { content, checksum, attributes: attributes.into(), ..NewObject::default() })
                .unwrap();
            let written = jiff::Timestamp::from_millisecond(held.written_ms).unwrap();
            world.set_modified(BUCKET, &held.key, written).unwrap();
        }
        Self { world, directory: tempfile::tempdir().unwrap() }
    }

    /// The bucket below `prefix`.
    pub fn source(&self, prefix: &str) -> SimStore {
        SimStore::new(self.world.clone(), BUCKET, prefix, Dialect::S3)
    }

    /// What a listing of the bucket below `prefix` says.
    pub async fn listing(&self, prefix: &str, range: &KeyRange) -> Vec<Entry> {
        all(self.source(prefix).list(range)).await
    }

    /// Puts an inventory of `rows`, divided over some files, where inventories are.
    pub fn write_csv(&self, files: &[Vec<Row>]) {
        let files = files.iter().map(|rows| inventory::csv(BUCKET, rows)).collect();
        self.write(("CSV", inventory::SCHEMA), files);
    }

    /// Puts data files and their manifest where inventories are.
    pub fn write(&self, format: (&str, &str), files: Vec<Vec<u8>>) {
        let files: Vec<(String, Vec<u8>)> =
            (0..).zip(files).map(|(number, bytes)| (format!("inv/data/daily/data/{number}"), bytes)).collect();
        let text = inventory::manifest(BUCKET, format, 1_764_032_400_000, &files);
        for (key, bytes) in files {
            self.world.seed(INVENTORIES, key, bytes.as_slice()).unwrap();
        }
        self.world.seed(INVENTORIES, MANIFEST.replace(".json", ".checksum"), inventory::checksum(&text).as_bytes()).unwrap();
        self.world.seed(INVENTORIES, MANIFEST, text.as_bytes()).unwrap();
    }

    /// Reads the inventory for the location with this prefix.
    pub async fn read(&self, prefix: &str) -> Result<Inventory> {
        let files = Files {
            store: Arc::new(SimStore::new(self.world.clone(), INVENTORIES, "", Dialect::S3)),
            manifest: Key::from(MANIFEST),
            segments_left_out: 0,
            directory: self.directory.path().to_owned(),
        };
        let document = files.document(BUCKET).await?;
        files.read(&document, &Wanted { bucket: BUCKET.into(), prefix: prefix.as_bytes().to_vec() }).await
    }

    /// Why it is refused.
    pub async fn refused(&self) -> String {
        match self.read("").await {
            Ok(_) => panic!("the inventory was taken"),
            Err(error) => format!("{error}; {}", error.hint()),
        }
    }
}

pub async fn all(mut pages: Box<dyn Pages>) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        assert!(!page.is_empty());
        entries.extend(page);
    }
    entries
}

pub async fn entries(inventory: &Inventory, range: &KeyRange) -> Vec<Entry> {
    all(inventory.entries.list(range)).await
}
