//! `--source-manifest`: the source as an earlier clean run saw it.

use brigade_lab::world::Content;

use crate::support::{BUCKET, Lab, contents};

/// A source that was copied to GCS, and the manifest that the run left.
async fn copied() -> (Lab, String) {
    let lab = Lab::start().await;
    for (number, key) in (0..).zip(["a", "b c", "dir/é", "large"]) {
        let size = if key == "large" { 17 << 20 } else { 100 + number };
        lab.s3.world().seed(BUCKET, key, Content::pattern(number, size)).unwrap();
    }
    let manifest = lab.path("first.parquet").display().to_string();
    lab.transfer(&["copy", "one:data", "g:data", "--manifest-out", &manifest]).await.expect(0);
    (lab, manifest)
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_a_second_copy_goes_by_the_manifest_of_the_first() {
    let (lab, manifest) = copied().await;
    lab.s3.world().seed(BUCKET, "newer", "not in the manifest").unwrap();
    let before = lab.s3.requests().counts().list();
    let probe = lab.transfer(&["plan", "one:data", "two:data", "--source-manifest", &manifest]).await.expect(0);
    let probed = lab.s3.requests().counts().list() - before;
    assert_eq!((probe.objects("listed"), probe.report["requests"]["list"].as_u64()), (4, Some(1)), "only the target: {}", probe.report);
    let ran = lab.transfer(&["copy", "one:data", "two:data", "--source-manifest", &manifest]).await.expect(0);
    ran.balances();
    assert_eq!(ran.objects("copied"), 4);
    assert_eq!(lab.s3.requests().counts().list() - before, 2 * probed, "a run asks for no page of the source that a plan does not ask for");
    let mut expected = contents(lab.s3.world());
    expected.retain(|(key, _)| key != b"newer");
    assert_eq!(contents(lab.s3_other.world()), expected);
    assert_eq!(ran.report["source_entries"]["from"], "manifest");
    let again = lab.transfer(&["copy", "one:data", "two:data", "--source-manifest", &manifest]).await.expect(0);
    assert_eq!((again.objects("copied"), again.objects("kept")), (0, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_an_object_that_vanished_since_is_reported() {
    let (lab, manifest) = copied().await;
    lab.s3.world().vanish(BUCKET, "b c");
    let ran = lab.transfer(&["copy", "one:data", "two:data", "--source-manifest", &manifest]).await.expect(1);
    assert_eq!(ran.failures(), [("b c".to_owned(), "vanished".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_a_manifest_of_another_source_a_damaged_one_and_deletes_by_one_are_refused() {
    let (lab, manifest) = copied().await;
    let ran = lab.brigade(&["copy", "two:data", "h:data", "--source-manifest", &manifest]).await.expect(2);
    assert!(ran.stderr.contains("another source") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    let ran = lab.brigade(&["sync", "one:data", "two:data", "--delete", "--source-manifest", &manifest]).await.expect(2);
    assert!(ran.stderr.contains("--delete") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    let mut bytes = std::fs::read(&manifest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&manifest, bytes).unwrap();
    lab.brigade(&["copy", "one:data", "two:data", "--source-manifest", &manifest]).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn p13_originals_that_this_engine_moved_are_no_entries_any_more() {
    let (lab, _) = copied().await;
    let manifest = lab.path("moved.parquet").display().to_string();
    lab.transfer(&["migrate", "one:data", "g:data", "--manifest-out", &manifest]).await.expect(0);
    let ran = lab.transfer(&["copy", "one:data", "two:data", "--source-manifest", &manifest]).await.expect(0);
    assert_eq!(ran.objects("listed"), 0, "{}", ran.report);
}
