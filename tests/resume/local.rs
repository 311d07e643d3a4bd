//! p05 with a directory as the target: partial files are gone on with after a kill, nobody sees them, and none is left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brigade_lab::world::{Checksum, ChecksumAlgorithm, ChecksumKind, Content, NewObject, checksum_of};
use bytes::Bytes;

use crate::dice::Dice;
use crate::moving::MIB;
use crate::signals::signal;
use crate::support::{BUCKET, Lab};
use crate::wait;

/// Kills before a run is left alone.
const KILLS: u64 = 20;

/// Longest wait before a kill, milliseconds.
const RUN_MS_MAX: u64 = 450;

const LARGE_BYTES: u64 = 48 * MIB + 3;

/// One part is at most this large; four are in the budget.
const PART_BYTES: u64 = 5 * MIB;

/// Parts of the large original.
const LARGE_PARTS: u64 = LARGE_BYTES.div_ceil(PART_BYTES);

/// Files below a directory by their names relative to it.
fn files_of(root: &Path, directory: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_of(root, &path, found);
        } else {
            found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), path);
        }
    }
}

/// Everything that has the name of an original is that original, whole; whatever is gone from the source is there.
fn judge(lab: &Lab, originals: &BTreeMap<String, Bytes>) -> BTreeMap<String, PathBuf> {
    let root = lab.path("out");
    let mut files = BTreeMap::new();
    files_of(&root, &root, &mut files);
    for (name, bytes) in originals {
        match files.get(name) {
            Some(path) => assert!(std::fs::read(path).unwrap() == *bytes, "`{name}` is not what the original was"),
            None => assert!(lab.s3.world().peek(BUCKET, name).is_ok(), "`{name}` is gone from the source without a copy"),
        }
    }
    files
}

/// An original with a CRC of the whole, as S3 keeps it today: nothing has to be read twice for an MD5.
fn seed(lab: &Lab, name: &str, bytes: &Bytes) {
    let value = checksum_of(ChecksumAlgorithm::Crc32c, bytes).into();
    let checksum = Some(Checksum { algorithm: ChecksumAlgorithm::Crc32c, kind: ChecksumKind::FullObject, value });
    lab.s3.world().seed_object(BUCKET, name, NewObject { checksum, ..NewObject::of(bytes.clone().into()) }).unwrap();
}

/// All originals in the source, and an empty target.
fn begin(lab: &Lab, originals: &BTreeMap<String, Bytes>) {
    let out = lab.path("out");
    if out.exists() {
        std::fs::remove_dir_all(&out).unwrap();
    }
    std::fs::create_dir(out).unwrap();
    for (name, bytes) in originals {
        seed(lab, name, bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_a_migration_into_a_directory_survives_every_kill() {
    let lab = Lab::start().await;
    let mut dice = Dice::thrown("S3 to a directory");
    let mut originals = BTreeMap::new();
    for number in 0..60 {
        let size = if number == 0 { LARGE_BYTES } else { 100 + number * 331 };
        let bytes = Content::pattern(number, size).body().to_bytes().unwrap();
        originals.insert(format!("{}/{number:02}.bin", number % 7), bytes);
    }
    begin(&lab, &originals);
    let out = lab.path("out").display().to_string();
    let command = ["migrate", "one:data", &out, "--part-size", "5M", "--memory", "20M"];
    let (mut kills, mut migrations) = (0, 1);
    while kills < KILLS {
        let mut child = lab.command(&[&command[..], &["--bandwidth", "24M"]].concat()).spawn().unwrap();
        let last = Instant::now() + Duration::from_millis(dice.below(RUN_MS_MAX));
        wait::looking_until(last, || std::ops::ControlFlow::Continue(())).await;
        let ended = child.try_wait().unwrap();
        child.kill().await.unwrap();
        wait::until("the server lets go", || lab.s3.connections() == 0).await;
        judge(&lab, &originals);
        if let Some(ended) = ended {
            assert_eq!(ended.code(), Some(0));
            begin(&lab, &originals);
            migrations += 1;
        } else {
            kills += 1;
        }
    }
    lab.transfer(&command).await.expect(0);
    lab.brigade(&["cleanup", &out, "--older-than", "0s"]).await.expect(0);
    let files = judge(&lab, &originals);
    assert!(files.keys().eq(originals.keys()), "nothing but the originals is there: {:?}", files.keys());
    assert!(lab.s3.world().keys(BUCKET).is_empty());
    let sent = lab.s3.world().requests().counts().sent_bytes;
    let total: u64 = originals.values().map(|bytes| u64::try_from(bytes.len()).unwrap()).sum();
    // What was in the budget at a kill, and one look of a byte at the large original in each run.
    let bound = migrations * total + kills * (4 * PART_BYTES + MIB);
    println!("{kills} kills of {migrations} migrations: {sent} bytes read for {total} bytes of originals each, at most {bound}");
    assert!(sent <= bound);
}

/// Parts that are in the partial file are not read again, and the file is published only when it is whole.
#[tokio::test(flavor = "multi_thread")]
async fn p05_a_partial_file_is_gone_on_with() {
    let lab = Lab::start().await;
    let original = Content::pattern(1, LARGE_BYTES).body().to_bytes().unwrap();
    seed(&lab, "large.bin", &original);
    std::fs::create_dir(lab.path("out")).unwrap();
    let out = lab.path("out").display().to_string();
    let gets = || lab.s3.world().requests().counts().get();
    let copy = ["copy", "one:data", &out, "--part-size", "5M"];
    let mut child = lab.command(&[&copy[..], &["--bandwidth", "10M", "--memory", "20M"]].concat()).spawn().unwrap();
    wait::until("the fifth part is being read", || gets() >= 5).await;
    signal(&child, "INT");
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    let before = gets();
    assert!(before < LARGE_PARTS, "the object was not finished");
    assert!(!lab.path("out").join("large.bin").exists(), "a file is visible only whole");
    lab.transfer(&copy).await.expect(0);
    println!("{before} of {LARGE_PARTS} parts were read before the interrupt, {} reads came after it", gets() - before);
    assert_eq!(gets(), LARGE_PARTS + 1, "each part was read once, and one byte to look at the original again");
    assert!(std::fs::read(lab.path("out").join("large.bin")).unwrap() == original);
    let mut files = BTreeMap::new();
    files_of(&lab.path("out"), &lab.path("out"), &mut files);
    assert_eq!(files.len(), 1, "nothing else is left: {:?}", files.keys());
}
