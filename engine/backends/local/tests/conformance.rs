//! The local store against the suite that every store must pass, and the suite against stores that break a claim.

use std::sync::Arc;

use brigade_local::LocalStore;
use brigade_store::conformance::{Profile, Subject, run};

/// What a file cannot carry.
const LACKS: &[(&str, &str)] = &[
    ("metadata-put", "a file keeps no headers and no user metadata"),
    ("metadata-upload", "a file keeps no headers and no user metadata"),
    ("content-encoding-untouched", "a file keeps no headers"),
    ("expires", "a file keeps no headers"),
    ("tags", "a file has no tags"),
    ("copy-probe-leaves-nothing", "a directory has no provider"),
    ("copy-whole", "a directory has no provider"),
    ("copy-pinned", "a directory has no provider"),
    ("copy-conditions", "a directory has no provider"),
    ("copy-in-parts", "a directory has no provider"),
    ("copy-parts-pinned", "a directory has no provider"),
    ("wrong-md5-put", "the CRC-32C is compared; the MD5 is not computed"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_store_conforms() {
    let root = tempfile::tempdir().expect("a directory");
    let handle = || Arc::new(LocalStore::new(root.path().join("not yet/there")).expect("starts"));
    let store = handle();
    let subject = Subject {
        name: "local".into(),
        target: store.clone(),
        later: handle(),
        delete: store,
        copy: None,
        profile: Profile::lacking(LACKS),
    };
    let summary = run(&subject).await;
    summary.assert();
    assert_eq!(summary.surprises().collect::<Vec<_>>(), Vec::<&str>::new());
}
