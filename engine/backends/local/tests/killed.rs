//! A process that is killed inside the writing of a part: what it leaves lists only parts that are whole.
//!
//! The test starts itself again as the writer, kills it without warning wherever it is, and compares every listed part with the
//! bytes of the partial file. The writer sends the same parts over and over with other bytes, so that most kills tear one that
//! had been whole before.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use brigade_core::Key;
use brigade_core::digest::{Sum, Wanted};
use brigade_core::parts::{Part, ranges};
use brigade_local::LocalStore;
use brigade_store::{Complete, Read as _, ReadRequest, Rope, Upload, When, Write as _, WriteSpec};

/// The only test of this file. Where these variables are set, it is the writer.
const TEST: &str = "whatever_the_moment_of_a_kill_only_whole_parts_are_listed";

/// Where the writer finds the root and the id of the upload.
const ROOT: &str = "BRIGADE_TEST_KILLED_ROOT";
const ID: &str = "BRIGADE_TEST_KILLED_ID";

/// Large enough that writing one takes longer than looking at the ledger.
const PART_BYTES: u64 = 8 * 1024 * 1024;
const SIZE_BYTES: u64 = 3 * PART_BYTES;
const KILLS: u64 = 24;
/// Reached only where something fails.
const PROGRESS_TIME_MAX: Duration = Duration::from_secs(60);

fn key() -> Key {
    Key::from("large")
}

fn content(part: Part, round: u64) -> Rope {
    let seed = u8::try_from((u64::from(part.number) * 7 + round) % 251).unwrap();
    Rope::from(vec![seed; usize::try_from(part.size).unwrap()])
}

fn sum(rope: &Rope) -> Sum {
    rope.sum(Wanted::default())
}

fn spec() -> WriteSpec {
    WriteSpec { metadata: Arc::default(), storage_class: None, when: When::Always }
}

/// The process that is killed. Where nobody is left to kill it, it ends by itself.
async fn write_on(root: String, id: String) {
    let begun = Instant::now();
    let store = LocalStore::new(root).unwrap();
    let upload = Upload { key: key(), id, staging: None };
    for round in (0..).take_while(|_| begun.elapsed() < PROGRESS_TIME_MAX) {
        for part in ranges(SIZE_BYTES, PART_BYTES) {
            let bytes = content(part, round);
            store.part(&upload, part, &bytes, &sum(&bytes)).await.unwrap();
        }
    }
}

/// Ends with the test, whatever becomes of it.
struct Writer(Child);

impl Writer {
    fn start(root: &Path, upload: &Upload) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", TEST]).env(ROOT, root).env(ID, &upload.id);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // `kill` is SIGKILL on Unix.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The partial file and the ledger: the larger of the two is the partial file.
fn files(root: &Path) -> (PathBuf, PathBuf) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    assert_eq!(files.len(), 2, "{files:?}");
    (files.pop().unwrap(), files.pop().unwrap())
}

fn ledger_bytes(ledger: &Path) -> u64 {
    std::fs::metadata(ledger).unwrap().len()
}

async fn grown_beyond(ledger: &Path, bytes: u64) {
    let begun = Instant::now();
    while ledger_bytes(ledger) <= bytes {
        assert!(begun.elapsed() < PROGRESS_TIME_MAX, "the writer makes no progress");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

#[tokio::test]
async fn whatever_the_moment_of_a_kill_only_whole_parts_are_listed() {
    if let (Ok(root), Ok(id)) = (std::env::var(ROOT), std::env::var(ID)) {
        return write_on(root, id).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let upload = LocalStore::new(directory.path()).unwrap().create(&key(), SIZE_BYTES, &spec()).await.unwrap();
    let (data, ledger) = files(directory.path());
    let mut torn = 0;
    for kill in 0..KILLS {
        // One line more each time is another step of another part.
        let before = ledger_bytes(&ledger);
        let writer = Writer::start(directory.path(), &upload);
        grown_beyond(&ledger, before + 40 * (kill % 7)).await;
        drop(writer);
        let listed = LocalStore::new(directory.path()).unwrap().parts(&upload).await.unwrap();
        torn += usize::from(kill >= 7 && listed.len() < 3);
        let file = std::fs::File::open(&data).unwrap();
        for receipt in listed {
            let part = ranges(SIZE_BYTES, PART_BYTES).find(|part| part.number == receipt.number).unwrap();
            let mut bytes = vec![0; usize::try_from(part.size).unwrap()];
            file.read_exact_at(&mut bytes, part.offset).unwrap();
            assert_eq!(receipt.digests.crc32c, Some(sum(&Rope::from(bytes)).crc32c), "part {} after kill {kill}", part.number);
        }
    }
    assert!(torn > 0, "no kill came inside the writing of a part");
    finish(directory.path(), &upload).await;
}

/// A later process sends all parts again and publishes.
async fn finish(root: &Path, upload: &Upload) {
    let store = LocalStore::new(root).unwrap();
    let (mut parts, mut whole) = (Vec::new(), Rope::empty());
    for part in ranges(SIZE_BYTES, PART_BYTES) {
        let bytes = content(part, 1_000);
        parts.push(store.part(upload, part, &bytes, &sum(&bytes)).await.unwrap());
        whole = whole.chunks().iter().chain(bytes.chunks()).cloned().collect();
    }
    assert_eq!(store.parts(upload).await.unwrap(), parts);
    let written = store.complete(upload, &Complete { parts: &parts, sum: sum(&whole), spec: &spec() }).await.unwrap();
    let identity = written.identity.unwrap();
    let request = ReadRequest { key: &key(), part: None, size: SIZE_BYTES, identity: &identity, wanted: Wanted::default() };
    assert_eq!(store.read(&request).await.unwrap().sum, sum(&whole));
}
