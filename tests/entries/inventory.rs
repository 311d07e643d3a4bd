//! `--source-inventory`: runs over the real binary, with the inventory in a bucket or in a directory.

use brigade_core::{Entry, Identity, Key};
use brigade_lab::world::{Content, World};

use crate::rows::{self, Row};
use crate::support::{BUCKET, Lab, contents};

const PREFIX: &str = "inv/data/daily";
const INVENTORIES: &str = "inventories";

/// When the inventory was taken, in milliseconds since 1970.
const TAKEN_MS: i64 = 1_764_032_400_000;

/// The rows of everything that the bucket holds now.
fn taken(world: &World) -> Vec<Row> {
    let row = |(key, object): (Vec<u8>, std::sync::Arc<brigade_lab::world::Object>)| {
        let mut entry = Entry::new(Key::new(&key), object.size(), Identity::etag(&object.etag.to_string()));
        entry.modified = Some(object.modified);
        Row::current("", &entry)
    };
    // From the last key to the first: an inventory has no order.
    world.objects(BUCKET).into_iter().rev().map(row).collect()
}

/// The data files and the manifest, by key in the bucket of inventories.
fn written(rows: &[Row]) -> Vec<(String, Vec<u8>)> {
    let half = rows.len() / 2;
    let files = [&rows[..half], &rows[half..]].map(|rows| rows::csv(BUCKET, rows));
    let mut files: Vec<(String, Vec<u8>)> =
        (0..).zip(files).map(|(number, bytes)| (format!("{PREFIX}/data/{number}.csv.gz"), bytes)).collect();
    let text = rows::manifest(BUCKET, ("CSV", rows::SCHEMA), TAKEN_MS, &files);
    files.push((format!("{PREFIX}/2025-11-25T01-00Z/manifest.checksum"), rows::checksum(&text).into_bytes()));
    files.push((format!("{PREFIX}/2025-11-25T01-00Z/manifest.json"), text.into_bytes()));
    files
}

fn fill(world: &World) {
    for (number, key) in (0..).zip(["a", "b c+d%", "dir/é", "dir/x\"y,z", "large"]) {
        let size = if key == "large" { 17 << 20 } else { 100 + number };
        world.seed(BUCKET, key, Content::pattern(number, size)).unwrap();
    }
}

/// A lab whose source has an inventory in another bucket; its location.
async fn lab() -> (Lab, String) {
    let lab = Lab::start().await;
    fill(lab.s3.world());
    lab.s3.world().ensure_bucket(INVENTORIES);
    for (key, bytes) in written(&taken(lab.s3.world())) {
        lab.s3.world().seed(INVENTORIES, key, bytes.as_slice()).unwrap();
    }
    (lab, format!("one:{INVENTORIES}/{PREFIX}/2025-11-25T01-00Z/manifest.json"))
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_a_copy_by_an_inventory_lists_nothing_of_the_source_and_brings_everything() {
    let (lab, location) = lab().await;
    let ran = lab.transfer(&["copy", "one:data", "two:data", "--source-inventory", &location]).await.expect(0);
    ran.balances();
    assert_eq!((ran.objects("listed"), ran.objects("copied")), (5, 5));
    assert_eq!(contents(lab.s3_other.world()), contents(lab.s3.world()));
    let from = &ran.report["source_entries"];
    assert_eq!((from["from"].as_str(), from["created"].as_str()), (Some("inventory"), Some("2025-11-25T01:00:00Z")), "{from}");
    assert!(ran.stdout.contains("the source was not listed") && ran.stdout.contains("2025-11-25T01:00:00Z"), "{}", ran.stdout);
    let again = lab.transfer(&["sync", "one:data", "two:data", "--source-inventory", &location]).await.expect(0);
    assert_eq!((again.objects("copied"), again.objects("kept")), (0, 5), "{}", again.report);
    // By the prefix of the location, and to a store that speaks of objects in other words.
    let below = lab.transfer(&["copy", "one:data/dir/", "g:data", "--source-inventory", &location]).await.expect(0);
    assert_eq!(below.objects("copied"), 2);
    lab.transfer(&["check", "one:data", "two:data", "--source-inventory", &location]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_what_changed_or_vanished_since_the_inventory_is_never_mixed() {
    let (lab, location) = lab().await;
    lab.s3.world().seed(BUCKET, "large", Content::pattern(99, 17 << 20)).unwrap();
    lab.s3.world().vanish(BUCKET, "a");
    lab.s3.world().seed(BUCKET, "newer", "not in the inventory").unwrap();
    let ran = lab.transfer(&["copy", "one:data", "two:data", "--source-inventory", &location]).await.expect(1);
    assert_eq!(ran.failures(), [("a".to_owned(), "vanished".to_owned())]);
    assert_eq!(ran.objects("copied"), 4);
    let mut expected = contents(lab.s3.world());
    expected.retain(|(key, _)| key != b"newer");
    assert_eq!(contents(lab.s3_other.world()), expected, "the version that is there now, whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_an_inventory_never_says_what_to_delete_from_the_target() {
    let (lab, location) = lab().await;
    for command in [&["sync", "one:data", "two:data", "--delete"][..], &["plan", "one:data", "two:data", "--mode", "sync", "--delete"]] {
        let before = lab.s3.requests().counts().total();
        let ran = lab.brigade(&[command, &["--source-inventory", &location]].concat()).await.expect(2);
        assert!(ran.stderr.contains("hint:") && ran.stderr.contains("--source-inventory"), "{}", ran.stderr);
        assert_eq!(lab.s3.requests().counts().total(), before, "before the first request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p13_a_migration_by_an_inventory_deletes_only_what_it_proved_and_nothing_newer() {
    let (lab, location) = lab().await;
    lab.s3.world().seed(BUCKET, "newer", "not in the inventory").unwrap();
    lab.transfer(&["copy", "one:data/dir", "two:data/dir"]).await.expect(0);
    // Overwritten since the inventory was taken: one whose old version was copied before, and one that was not.
    lab.s3.world().seed(BUCKET, "dir/é", "overwritten").unwrap();
    lab.s3.world().seed(BUCKET, "a", "overwritten too").unwrap();
    let ran = lab.transfer(&["migrate", "one:data", "two:data", "--source-inventory", &location]).await.expect(1);
    assert_eq!(ran.failures(), [("dir/é".to_owned(), "changed".to_owned())], "the proven version is not the one that is there");
    assert_eq!(ran.objects("deleted_source"), 4, "{}", ran.report);
    assert_eq!(lab.s3.world().keys(BUCKET), ["dir/é".as_bytes().to_vec(), b"newer".to_vec()]);
    assert_eq!(lab.s3_other.world().bytes(BUCKET, "a").unwrap().as_ref(), b"overwritten too");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_was_copied_to_a_directory_is_read_from_there() {
    let lab = Lab::start().await;
    fill(lab.s3.world());
    for (root, left_out) in [("whole", 0), ("below", 2)] {
        for (key, bytes) in written(&taken(lab.s3.world())) {
            let below = key.splitn(left_out + 1, '/').last().unwrap();
            let path = lab.path(root).join(below);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let manifest = lab.path(root).join(&"inv/data/daily/2025-11-25T01-00Z/manifest.json"[left_out * 9 / 2..]);
        let location = manifest.display().to_string();
        let target = format!("two:data/{root}");
        let ran = lab.transfer(&["copy", "one:data", &target, "--source-inventory", &location]).await.expect(0);
        assert_eq!(ran.objects("copied"), 5);
    }
    // An empty state directory is all that is left: sorted files have no name.
    let left: Vec<_> = std::fs::read_dir(lab.path("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["jobs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_does_not_fit_the_source_is_refused_with_a_hint() {
    let (lab, location) = lab().await;
    lab.s3.world().ensure_bucket("other");
    for (source, word) in [("one:other", "`other`"), ("g:data", "no S3 bucket"), ("one:data/a", "one object")] {
        let ran = lab.brigade(&["copy", source, "two:data/x", "--source-inventory", &location]).await.expect(2);
        assert!(ran.stderr.contains(word) && ran.stderr.contains("hint:"), "{}", ran.stderr);
    }
    lab.s3.world().flip_stored_bit(INVENTORIES, format!("{PREFIX}/data/1.csv.gz"), 99).unwrap();
    let ran = lab.brigade(&["copy", "one:data", "two:data", "--source-inventory", &location]).await.expect(2);
    assert!(ran.stderr.contains("data/1.csv.gz") && ran.stderr.contains("MD5"), "{}", ran.stderr);
    assert!(contents(lab.s3_other.world()).is_empty());
}
