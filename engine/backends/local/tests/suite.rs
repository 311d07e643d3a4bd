//! The conformance suite against stores that break one claim: each must be found out, by name.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum, Wanted};
use brigade_core::parts::Part;
use brigade_core::{Entry, Identity, Key, KeyRange};
use brigade_local::LocalStore;
use brigade_store::conformance::{Finding, Profile, Subject, run_only};
use brigade_store::{
    Complete, Delete, Deletion, Facts, Head, List, Pages, PartReceipt, PendingUpload, Piece, Probe, ProbeFor, Read, ReadRequest, Result,
    Rope, Upload, When, Write, WriteSpec, Written,
};

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    IgnoresPin,
    IgnoresRange,
    FlipsABitOnRead,
    ForgetsAKeyOfAPage,
    ListsBackwards,
    IgnoresBorders,
    TrimsKeys,
    EchoesTheSum,
    IgnoresConditions,
    DeletesAnything,
    ShowsUnfinishedUploads,
    ForgetsParts,
    ListsOnePageOfParts,
    TakesGoneForEmpty,
    KnowsOwnUploadsOnly,
    AbortsNothing,
    LeavesAProbe,
}

/// A store with a fault.
struct Broken {
    inner: LocalStore,
    fault: Fault,
    /// Ids of the uploads that this handle began.
    begun: Mutex<Vec<String>>,
}

impl Broken {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn spec(&self, spec: &WriteSpec) -> WriteSpec {
        let when = if self.has(Fault::IgnoresConditions) { When::Always } else { spec.when.clone() };
        WriteSpec { when, ..spec.clone() }
    }

    fn key(&self, key: &Key) -> Key {
        match key.as_str().filter(|_| self.has(Fault::TrimsKeys)) {
            Some(text) => Key::from(text.trim()),
            None => key.clone(),
        }
    }
}

struct BrokenPages(Box<dyn Pages>, Fault);

#[async_trait]
impl Pages for BrokenPages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        let mut page = self.0.next().await?;
        if let Some(entries) = &mut page {
            match self.1 {
                Fault::ForgetsAKeyOfAPage if entries.len() > 500 => drop(entries.remove(250)),
                Fault::ListsBackwards => entries.reverse(),
                _ => {}
            }
        }
        Ok(page)
    }
}

#[async_trait]
impl List for Broken {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        let range = if self.has(Fault::IgnoresBorders) { &KeyRange::all() } else { range };
        Box::new(BrokenPages(self.inner.list(range), self.fault))
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        self.inner.head(&self.key(key)).await
    }
}

#[async_trait]
impl Read for Broken {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        let key = self.key(request.key);
        let head = self.inner.head(&key).await;
        let mut request = ReadRequest { key: &key, ..request.clone() };
        if let Ok(head) = head.as_ref() {
            match self.fault {
                Fault::IgnoresPin => request.identity = &head.identity,
                Fault::IgnoresRange if request.part.is_some() => (request.part, request.size) = (None, head.size),
                _ => {}
            }
        }
        let mut piece = self.inner.read(&request).await?;
        if self.has(Fault::FlipsABitOnRead) && piece.bytes.size() > 0 {
            let mut bytes = piece.bytes.to_vec();
            bytes[0] ^= 1;
            piece.bytes = Rope::from(bytes);
        }
        Ok(piece)
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        self.inner.digests(entry).await
    }

    async fn tags(&self, key: &Key, identity: &Identity) -> Result<Vec<(String, String)>> {
        self.inner.tags(key, identity).await
    }
}

#[async_trait]
impl Write for Broken {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        let (key, spec) = (self.key(key), self.spec(spec));
        if !self.has(Fault::EchoesTheSum) {
            return self.inner.put(&key, bytes, sum, md5, &spec).await;
        }
        let written = self.inner.put(&key, bytes, &bytes.sum(Wanted::default()), md5, &spec).await?;
        Ok(Written { digests: sum.digests(), ..written })
    }

    async fn create(&self, key: &Key, size: u64, spec: &WriteSpec) -> Result<Upload> {
        if self.has(Fault::ShowsUnfinishedUploads) {
            self.inner.put(key, &Rope::empty(), &Rope::empty().sum(Wanted::default()), None, spec).await?;
        }
        self.inner.create(key, size, spec).await
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        self.inner.part(upload, part, bytes, sum).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        let listed = self.inner.parts(upload).await;
        let mut parts = if self.has(Fault::TakesGoneForEmpty) { listed.unwrap_or_default() } else { listed? };
        match self.fault {
            Fault::ForgetsParts => drop(parts.pop()),
            Fault::ListsOnePageOfParts => parts.truncate(1_000),
            Fault::KnowsOwnUploadsOnly if !self.begun.lock().expect("no test panics with it").contains(&upload.id) => parts.clear(),
            _ => {}
        }
        Ok(parts)
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        self.inner.complete(upload, &Complete { spec: &self.spec(complete.spec), ..complete.clone() }).await
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        if self.has(Fault::AbortsNothing) { Ok(()) } else { self.inner.abort(upload).await }
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        self.inner.pending().await
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        self.inner.retract(key, written).await
    }
}

#[async_trait]
impl Delete for Broken {
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        let mut batch = batch.to_vec();
        if self.has(Fault::DeletesAnything) {
            for deletion in &mut batch {
                if let Ok(head) = self.inner.head(&deletion.key).await {
                    deletion.identity = head.identity;
                }
            }
        }
        self.inner.delete(&batch).await
    }
}

#[async_trait]
impl Probe for Broken {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        if self.has(Fault::LeavesAProbe) {
            let key = Key::from(format!("probe {}", uuid::Uuid::new_v4()).as_str());
            let spec = WriteSpec { metadata: Arc::default(), storage_class: None, when: When::Always };
            self.inner.create(&key, 1, &spec).await?;
        }
        self.inner.probe(purpose).await
    }
}

fn subject(root: &tempfile::TempDir, fault: Fault, profile: Profile) -> Subject {
    let handle = || Arc::new(Broken { inner: LocalStore::new(root.path()).expect("starts"), fault, begun: Mutex::default() });
    let store = handle();
    Subject { name: format!("{fault:?}"), target: store.clone(), later: handle(), delete: store, copy: None, profile }
}

/// Checks the claims on a store with the fault: all must fail. On the sound store all must hold.
async fn must_fail(fault: Fault, claims: &[&str]) {
    let root = tempfile::tempdir().expect("a directory");
    let failed = run_only(&subject(&root, fault, Profile::default()), claims).await;
    let failed: Vec<&str> = failed.failures().map(|(claim, _)| claim).collect();
    assert_eq!(failed, claims, "{fault:?}");
    run_only(&subject(&root, Fault::None, Profile::default()), claims).await.assert();
}

#[tokio::test]
async fn broken_reads_are_found() {
    must_fail(Fault::IgnoresPin, &["read-pinned-to-old-version"]).await;
    must_fail(Fault::IgnoresRange, &["ranged-reads"]).await;
    must_fail(Fault::FlipsABitOnRead, &["put-and-read-back", "ranged-reads"]).await;
}

#[tokio::test]
async fn broken_listings_are_found() {
    must_fail(Fault::ForgetsAKeyOfAPage, &["many-keys"]).await;
    must_fail(Fault::ListsBackwards, &["list-order", "list-borders"]).await;
    must_fail(Fault::IgnoresBorders, &["list-neighbours", "list-borders"]).await;
}

#[tokio::test]
async fn renamed_keys_and_echoed_sums_are_found() {
    must_fail(Fault::TrimsKeys, &["odd-keys-url", "odd-keys-newlines"]).await;
    must_fail(Fault::EchoesTheSum, &["wrong-sum-put"]).await;
}

#[tokio::test]
async fn ignored_conditions_are_found() {
    let conditions = ["put-if-absent", "put-if-absent-race", "put-if-matches", "complete-if-absent", "complete-if-matches"];
    must_fail(Fault::IgnoresConditions, &conditions).await;
    must_fail(Fault::DeletesAnything, &["delete-stale", "delete-batch"]).await;
}

#[tokio::test]
async fn broken_uploads_and_probes_are_found() {
    must_fail(Fault::ShowsUnfinishedUploads, &["upload-in-parts", "upload-abort"]).await;
    must_fail(Fault::ForgetsParts, &["upload-parts-listed", "upload-continued", "upload-part-again-listed", "upload-many-parts"]).await;
    must_fail(Fault::ListsOnePageOfParts, &["upload-many-parts"]).await;
    must_fail(Fault::TakesGoneForEmpty, &["upload-gone"]).await;
    must_fail(Fault::KnowsOwnUploadsOnly, &["upload-continued"]).await;
    must_fail(Fault::AbortsNothing, &["upload-abort", "upload-pending"]).await;
    must_fail(Fault::LeavesAProbe, &["probe-leaves-nothing"]).await;
}

#[tokio::test]
async fn nothing_is_skipped_in_silence() {
    let root = tempfile::tempdir().expect("a directory");
    let unnamed = run_only(&subject(&root, Fault::None, Profile::default()), &["tags"]).await;
    assert_eq!(unnamed.failures().count(), 1, "a lack that the profile does not name is a failure");

    let needless = Profile::lacking(&[("head", "not so"), ("tags", "a file has none"), ("no-such-claim", "?")]);
    let summary = run_only(&subject(&root, Fault::None, needless), &["head", "tags"]).await;
    assert_eq!(summary.surprises().collect::<Vec<_>>(), ["head"]);
    assert_eq!(summary.failures().map(|(claim, _)| claim).collect::<Vec<_>>(), ["no-such-claim"]);
    assert!(summary.findings.iter().any(|(claim, finding)| *claim == "tags" && matches!(finding, Finding::Lacks { .. })));
}
