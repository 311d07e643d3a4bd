//! p14: keys arrive byte for byte, or are reported as unfit; never renamed, never dropped in silence.

use crate::support::{BUCKET, Lab, contents};

/// Names that other tools lose, rename or refuse.
fn odd_keys() -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = [
        "a//b",
        "//",
        "/leading",
        "trailing/",
        "both/",
        "a/./b",
        "a/../b",
        "../up",
        "./here",
        "...",
        "a b",
        " ",
        "+",
        "a+b",
        "%",
        "%20",
        "%2F",
        "100%",
        "&amp;",
        "a&b=c",
        "#frag",
        "a#b",
        "?q",
        "a?b",
        "\"quotes\"",
        "'single'",
        "<tag>",
        "a\\b",
        "back\\",
        "~",
        "*",
        "[x]",
        "{y}",
        "a;b",
        "a,b",
        "a:b",
        "a@b",
        "$",
        "!",
        "(p)",
        "\u{1}",
        "tab\there",
        "bell\u{7}",
        "del\u{7f}",
        "e\u{301}",
        "\u{e9}",
        "\u{1f6b0}",
        "\u{10ffff}a",
        "\u{202e}rtl",
        "\u{0}nul",
        "soap",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    keys.push(vec![b'x'; 1024]);
    keys.push("\u{e9}".repeat(512).into_bytes());
    keys
}

/// Names that S3 holds and GCS refuses.
const UNFIT_FOR_GCS: &[&str] = &["line\nfeed", "carriage\rreturn", ".", "..", ".well-known/acme-challenge/x"];

#[tokio::test(flavor = "multi_thread")]
async fn p14_odd_keys_arrive_byte_for_byte_s3_to_s3() {
    let lab = Lab::start().await;
    for key in odd_keys().iter().map(Vec::as_slice).chain(UNFIT_FOR_GCS.iter().map(|key| key.as_bytes())) {
        lab.s3.world().seed(BUCKET, key, key).unwrap();
    }
    let ran = lab.transfer(&["copy", "one:data", "two:data"]).await.expect(0);
    ran.balances();
    assert_eq!(contents(lab.s3_other.world()), contents(lab.s3.world()));
    let again = lab.transfer(&["sync", "one:data", "two:data", "--delete"]).await.expect(0);
    assert_eq!((again.objects("copied"), again.objects("deleted_target")), (0, 0));
    let moved = lab.transfer(&["migrate", "one:data", "two:data"]).await.expect(0);
    assert_eq!(moved.objects("deleted_source"), moved.objects("listed"), "deletes name odd keys exactly, too");
    assert!(lab.s3.world().keys(BUCKET).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_odd_keys_arrive_in_gcs_or_are_reported_as_unfit() {
    let lab = Lab::start().await;
    for key in odd_keys() {
        lab.s3.world().seed(BUCKET, &key, key.as_slice()).unwrap();
    }
    let fit = contents(lab.s3.world());
    for key in UNFIT_FOR_GCS {
        lab.s3.world().seed(BUCKET, key, key.as_bytes()).unwrap();
    }
    let ran = lab.transfer(&["copy", "one:data", "h:data"]).await.expect(1);
    ran.balances();
    assert_eq!(contents(lab.gcs_other.world()), fit);
    let mut unfit: Vec<String> = ran.failures().into_iter().map(|(key, kind)| format!("{key} {kind}")).collect();
    unfit.sort();
    let mut expected: Vec<String> = UNFIT_FOR_GCS.iter().map(|key| format!("{} unfit", brigade_core::Key::from(*key))).collect();
    expected.sort();
    assert_eq!(unfit, expected);
    // And back, out of GCS into S3.
    let back = lab.transfer(&["copy", "h:data", "two:data"]).await.expect(0);
    back.balances();
    assert_eq!(contents(lab.s3_other.world()), fit);
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_a_directory_takes_what_it_can_hold_and_reports_the_rest() {
    let lab = Lab::start().await;
    let odd = odd_keys();
    for key in &odd {
        lab.s3.world().seed(BUCKET, key, key.as_slice()).unwrap();
    }
    let ran = lab.transfer(&["copy", "one:data", "disk:target"]).await.expect(1);
    ran.balances();
    assert_eq!(ran.objects("copied") + ran.objects("skipped"), u64::try_from(odd.len()).unwrap());
    assert!(ran.failures().iter().all(|(_, kind)| kind == "unfit"), "{:?}", ran.failures());
    let names: Vec<String> = ran.failures().into_iter().map(|(key, _)| key).collect();
    for sure in ["a//b", "trailing/", "/leading", "a/../b", "../up"] {
        assert!(names.iter().any(|name| name == sure), "{sure} cannot be a file, and is reported");
    }
    assert!(!lab.path("up").exists(), "nothing escapes from the root");
    // What did arrive goes back to a bucket under exactly its name.
    lab.transfer(&["copy", "disk:target", "two:data"]).await.expect(0);
    let back = contents(lab.s3_other.world());
    assert_eq!(u64::try_from(back.len()).unwrap(), ran.objects("copied"));
    assert!(back.iter().all(|(key, bytes)| key == bytes));
}
