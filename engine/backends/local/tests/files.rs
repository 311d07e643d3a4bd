//! What is special about files: links, paths, the order of the walk, changes behind our back, and what a crash leaves.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use brigade_core::digest::{Sum, Wanted};
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Identity, Key, KeyRange};
use brigade_local::LocalStore;
use brigade_store::{Complete, Delete, Deletion, List, Probe, ProbeFor, Read, ReadRequest, Result, Rope, When, Write, WriteSpec, Written};
use proptest::prelude::*;
use tempfile::TempDir;

fn store() -> (TempDir, LocalStore) {
    let root = tempfile::tempdir().expect("a directory");
    let store = LocalStore::new(root.path()).expect("starts");
    (root, store)
}

fn spec(when: When) -> WriteSpec {
    WriteSpec { metadata: Arc::default(), storage_class: None, when }
}

fn sum(bytes: &[u8]) -> Sum {
    Rope::from(bytes.to_vec()).sum(Wanted { crc64nvme: true })
}

async fn put(store: &LocalStore, key: &str, bytes: &[u8]) -> Result<Written> {
    store.put(&Key::from(key), &Rope::from(bytes.to_vec()), &sum(bytes), None, &spec(When::Always)).await
}

async fn read(store: &LocalStore, key: &str, size: u64, identity: &Identity) -> Result<Vec<u8>> {
    let key = Key::from(key);
    let request = ReadRequest { key: &key, part: None, size, identity, wanted: Wanted::default() };
    store.read(&request).await.map(|piece| piece.bytes.to_vec())
}

async fn list(store: &LocalStore, range: &KeyRange) -> Result<Vec<Vec<u8>>> {
    let mut pages = store.list(range);
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await? {
        keys.extend(page.into_iter().map(|entry| entry.key.as_bytes().to_vec()));
    }
    Ok(keys)
}

async fn listed(store: &LocalStore) -> Vec<String> {
    let keys = list(store, &KeyRange::all()).await.expect("lists");
    keys.into_iter().map(|key| String::from_utf8_lossy(&key).into_owned()).collect()
}

/// Names of everything in a directory, hidden or not.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).expect("lists").map(|found| found.expect("reads").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind)
}

#[tokio::test]
async fn p14_no_key_leads_out_of_the_root() {
    let outside = tempfile::tempdir().expect("a directory");
    fs::write(outside.path().join("secret"), b"secret").expect("writes");
    let root = outside.path().join("root");
    fs::create_dir(&root).expect("makes");
    let store = LocalStore::new(&root).expect("starts");
    let absolute = outside.path().join("secret").to_string_lossy().into_owned();
    for key in ["../secret", "../new", "a/../../secret", "..", "./../secret", &absolute, "/tmp/x"] {
        assert_eq!(kind(put(&store, key, b"x").await), Some(ErrorKind::Unfit), "{key}");
        assert_eq!(kind(store.create(&Key::from(key), 1, &spec(When::Always)).await), Some(ErrorKind::Unfit), "{key}");
        assert_eq!(kind(store.head(&Key::from(key)).await), Some(ErrorKind::NotFound), "{key}");
    }
    assert_eq!(fs::read(outside.path().join("secret")).expect("is there"), b"secret");
    assert_eq!(names(outside.path()), ["root", "secret"]);
    assert_eq!(names(&root), Vec::<String>::new());
}

#[tokio::test]
async fn links_are_neither_listed_nor_followed_nor_replaced() {
    let outside = tempfile::tempdir().expect("a directory");
    fs::write(outside.path().join("file"), b"outside").expect("writes");
    let (root, store) = store();
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("inside")).expect("makes");
    fs::write(at("inside/file"), b"inside").expect("writes");
    symlink(outside.path(), at("out")).expect("links");
    symlink(at("inside"), at("in")).expect("links");
    symlink(outside.path().join("file"), at("file")).expect("links");
    symlink(at("."), at("loop")).expect("links");
    symlink(at("nowhere"), at("dangling")).expect("links");

    assert_eq!(listed(&store).await, ["inside/file"]);
    for key in ["out/file", "in/file", "file", "dangling", "loop/inside/file"] {
        assert_eq!(kind(store.head(&Key::from(key)).await), Some(ErrorKind::NotFound), "{key}");
        assert_eq!(kind(put(&store, key, b"x").await), Some(ErrorKind::Unfit), "{key}");
        assert_eq!(kind(put(&store, &format!("{key}/new"), b"x").await), Some(ErrorKind::Unfit), "{key}");
    }
    // Even who knows the identity of a file behind a link can neither read nor delete it through the link.
    let identity = LocalStore::new(outside.path()).expect("starts").head(&Key::from("file")).await.expect("is there").identity;
    for key in ["out/file", "file"] {
        let vanished_or_changed = kind(read(&store, key, 7, &identity).await);
        assert!(matches!(vanished_or_changed, Some(ErrorKind::Vanished | ErrorKind::Changed)), "{key}: {vanished_or_changed:?}");
        let deletion = Deletion { key: Key::from(key), identity: identity.clone() };
        let deleted = store.delete(&[deletion]).await.expect("answers").remove(0);
        assert_eq!(kind(deleted), Some(ErrorKind::NotFound), "{key}");
    }
    assert_eq!(names(outside.path()), ["file"]);
    assert_eq!(fs::read(outside.path().join("file")).expect("is there"), b"outside");
    assert!(fs::symlink_metadata(at("file")).expect("is there").is_symlink());
}

#[tokio::test]
async fn a_link_as_the_root_itself_is_what_the_user_named() {
    let (root, _) = store();
    let real = root.path().join("real");
    fs::create_dir(&real).expect("makes");
    symlink(&real, root.path().join("link")).expect("links");
    let store = LocalStore::new(root.path().join("link")).expect("starts");
    put(&store, "a/b", b"x").await.expect("writes");
    assert_eq!(listed(&store).await, ["a/b"]);
    assert_eq!(fs::read(real.join("a/b")).expect("is there"), b"x");
}

#[tokio::test]
async fn pipes_sockets_and_our_own_partial_files_are_not_listed() {
    let (root, store) = store();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).expect("binds");
    rustix::fs::mknodat(rustix::fs::CWD, root.path().join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("makes");
    fs::write(root.path().join(".brigade-partial-0123456789abcdef0123456789abcdef"), b"x").expect("writes");
    fs::write(root.path().join(".brigade-partial-mine"), b"a user's own").expect("writes");
    fs::create_dir(root.path().join(".brigade-partial-0123456789abcdef0123456789abcde0")).expect("makes");
    fs::write(root.path().join(".brigade-partial-0123456789abcdef0123456789abcde0/file"), b"a user's own").expect("writes");
    fs::create_dir(root.path().join("empty")).expect("makes");
    assert_eq!(listed(&store).await, [".brigade-partial-0123456789abcdef0123456789abcde0/file", ".brigade-partial-mine"]);
    assert_eq!(kind(store.head(&Key::from("pipe")).await), Some(ErrorKind::NotFound));
    assert_eq!(kind(put(&store, "pipe", b"x").await), Some(ErrorKind::Unfit));
    assert_eq!(kind(put(&store, "empty", b"x").await), Some(ErrorKind::Unfit));
    assert_eq!(kind(put(&store, "empty/.brigade-partial-0123456789abcdef0123456789abcdef", b"x").await), Some(ErrorKind::Unfit));
}

#[tokio::test]
async fn a_file_and_a_directory_of_one_name_are_unfit_with_a_reason() {
    let (_root, store) = store();
    put(&store, "a", b"file").await.expect("writes");
    let error = put(&store, "a/b/c", b"x").await.expect_err("a is a file");
    assert_eq!((error.kind, error.message.contains("which is a file")), (ErrorKind::Unfit, true), "{error}");
    put(&store, "d/e", b"file").await.expect("writes");
    let error = put(&store, "d", b"x").await.expect_err("d is a directory");
    assert_eq!((error.kind, error.message.contains("is a directory")), (ErrorKind::Unfit, true), "{error}");
    assert_eq!(kind(store.head(&Key::from("a/b/c")).await), Some(ErrorKind::NotFound));
    assert_eq!(kind(store.head(&Key::from("d")).await), Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn directories_sort_by_their_slash() {
    let (_root, store) = store();
    let expected = ["a!", "a-b", "a.b", "a.b0/x", "a/b", "a/b.c/z", "a/b0", "a0", "ab/c", "b"];
    for key in expected.iter().rev() {
        put(&store, key, b"").await.expect("writes");
    }
    assert_eq!(listed(&store).await, expected);
}

#[tokio::test]
async fn a_missing_root_is_an_error_and_never_an_empty_listing() {
    let (root, store) = store();
    let missing = LocalStore::new(root.path().join("no/such")).expect("starts");
    assert_eq!(kind(list(&missing, &KeyRange::all()).await), Some(ErrorKind::BucketMissing));
    assert_eq!(kind(missing.probe(ProbeFor::Read).await), Some(ErrorKind::BucketMissing));
    assert_eq!(kind(missing.probe(ProbeFor::Delete).await), Some(ErrorKind::BucketMissing));
    assert_eq!(kind(missing.delete(&[]).await), Some(ErrorKind::BucketMissing));
    assert_eq!(kind(put(&missing, "a", b"x").await), Some(ErrorKind::BucketMissing));
    assert!(!root.path().join("no").exists());
    missing.probe(ProbeFor::Write).await.expect("makes it");
    assert_eq!(listed(&missing).await, Vec::<String>::new());

    put(&store, "file", b"x").await.expect("writes");
    let file = LocalStore::new(root.path().join("file")).expect("starts");
    assert_eq!(kind(list(&file, &KeyRange::all()).await), Some(ErrorKind::BucketMissing));
    drop(root);
    assert_eq!(kind(list(&store, &KeyRange::all()).await), Some(ErrorKind::BucketMissing));
}

#[tokio::test]
async fn p07_a_change_in_place_is_seen_though_size_and_time_were_set_back() {
    let (root, store) = store();
    put(&store, "a", b"original").await.expect("writes");
    let before = store.head(&Key::from("a")).await.expect("is there");
    let path = root.path().join("a");
    let modified = fs::metadata(&path).expect("is there").modified().expect("has one");
    let mut identity = before.identity.clone();
    // The clock of the file system has ticks; the change is made again until it falls into another one.
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        fs::write(&path, b"changed!").expect("writes");
        fs::File::options().write(true).open(&path).expect("opens").set_modified(modified).expect("sets");
        identity = store.head(&Key::from("a")).await.expect("is there").identity;
        if identity != before.identity {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_ne!(identity, before.identity);
    assert_eq!(kind(read(&store, "a", 8, &before.identity).await), Some(ErrorKind::Changed));
    let deletion = Deletion { key: Key::from("a"), identity: before.identity };
    assert_eq!(kind(store.delete(&[deletion]).await.expect("answers").remove(0)), Some(ErrorKind::Conflict));
    assert_eq!(read(&store, "a", 8, &identity).await.expect("reads"), b"changed!");
}

#[tokio::test]
async fn p13_names_too_long_to_be_hidden_are_deleted_by_version_as_well() {
    let (root, store) = store();
    let key = "n".repeat(255);
    let old = put(&store, &key, b"old").await.expect("writes").identity.expect("named");
    let new = put(&store, &key, b"new").await.expect("writes").identity.expect("named");
    let deletion = |identity| [Deletion { key: Key::from(key.as_str()), identity }];
    assert_eq!(kind(store.delete(&deletion(old)).await.expect("answers").remove(0)), Some(ErrorKind::Conflict));
    assert_eq!(kind(store.delete(&deletion(Identity::etag("x"))).await.expect("answers").remove(0)), Some(ErrorKind::Conflict));
    assert_eq!(kind(store.delete(&deletion(new)).await.expect("answers").remove(0)), None);
    assert_eq!(names(root.path()), Vec::<String>::new());
}

/// An upload of two parts of which the first was sent; the store that began it is gone.
async fn interrupted(root: &Path, bytes: &[u8]) -> brigade_store::Upload {
    let store = LocalStore::new(root).expect("starts");
    let upload = store.create(&Key::from("d/large"), 2_000, &spec(When::Always)).await.expect("begins");
    let first = Part { number: 1, offset: 0, size: 1_000 };
    store.part(&upload, first, &Rope::from(bytes[..1_000].to_vec()), &sum(&bytes[..1_000])).await.expect("writes");
    upload
}

#[tokio::test]
async fn another_process_finishes_an_upload() {
    let (root, store) = store();
    let bytes: Vec<u8> = (0..2_000_u32).map(|number| u8::try_from(number % 251).expect("small")).collect();
    let upload = interrupted(root.path(), &bytes).await;
    assert_eq!(listed(&store).await, Vec::<String>::new());
    let mut parts = store.parts(&upload).await.expect("knows");
    assert_eq!(parts.iter().map(|receipt| receipt.number).collect::<Vec<_>>(), [1]);
    let second = Part { number: 2, offset: 1_000, size: 1_000 };
    parts.push(store.part(&upload, second, &Rope::from(bytes[1_000..].to_vec()), &sum(&bytes[1_000..])).await.expect("writes"));
    let complete = Complete { parts: &parts, sum: sum(&bytes), spec: &spec(When::IfAbsent) };
    let written = store.complete(&upload, &complete).await.expect("completes");
    assert_eq!(written.digests, sum(&bytes).digests());
    assert_eq!(names(&root.path().join("d")), ["large"]);
    assert_eq!(fs::read(root.path().join("d/large")).expect("is there"), bytes);
}

#[tokio::test]
async fn p02_a_bit_that_flips_on_the_disk_before_completion_is_never_visible() {
    let (root, store) = store();
    let bytes = vec![7_u8; 2_000];
    let upload = interrupted(root.path(), &bytes).await;
    let second = Part { number: 2, offset: 1_000, size: 1_000 };
    store.part(&upload, second, &Rope::from(bytes[1_000..].to_vec()), &sum(&bytes[1_000..])).await.expect("writes");
    let partial = root.path().join("d").join(format!(".brigade-partial-{}", upload.id));
    let mut stored = fs::read(&partial).expect("is there");
    stored[1_500] ^= 1;
    fs::write(&partial, stored).expect("writes");
    let parts = store.parts(&upload).await.expect("knows");
    let complete = Complete { parts: &parts, sum: sum(&bytes), spec: &spec(When::Always) };
    assert_eq!(kind(store.complete(&upload, &complete).await), Some(ErrorKind::Corrupt));
    assert_eq!(listed(&store).await, Vec::<String>::new());
    store.abort(&upload).await.expect("gives up");
    assert_eq!(names(&root.path().join("d")), Vec::<String>::new());
}

#[tokio::test]
async fn whatever_a_crash_left_is_pending_and_can_be_removed() {
    let (root, store) = store();
    interrupted(root.path(), &[1; 2_000]).await;
    let id = "0123456789abcdef0123456789abcdef";
    fs::create_dir_all(root.path().join("x/y")).expect("makes");
    fs::write(root.path().join(format!("x/y/.brigade-partial-{id}")), b"half a put").expect("writes");
    fs::write(root.path().join(format!(".brigade-partial-{id}.parts")), b"no title").expect("writes");
    let pending = store.pending().await.expect("finds");
    let mut keys: Vec<String> = pending.iter().map(|pending| pending.upload.key.to_string()).collect();
    keys.sort();
    assert_eq!(keys, [format!(".brigade-partial-{id}.parts"), "d/large".to_owned(), format!("x/y/.brigade-partial-{id}")]);
    assert!(pending.iter().all(|pending| pending.started.is_some()));
    for pending in pending {
        store.abort(&pending.upload).await.expect("removes");
    }
    assert_eq!(store.pending().await.expect("finds").len(), 0);
    for directory in ["d", "x/y"] {
        assert_eq!(names(&root.path().join(directory)), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_upload_with_a_forged_id_reaches_no_file() {
    let (root, store) = store();
    put(&store, "victim", b"x").await.expect("writes");
    for id in ["../victim", "", "victim", "/etc/passwd"] {
        let upload = brigade_store::Upload { key: Key::from("a"), id: id.to_owned(), staging: Some("victim".to_owned()) };
        assert_eq!(kind(store.abort(&upload).await), Some(ErrorKind::Invalid), "{id}");
        assert_eq!(kind(store.parts(&upload).await), Some(ErrorKind::Invalid), "{id}");
    }
    assert_eq!(names(root.path()), ["victim"]);
}

#[tokio::test]
async fn a_disk_that_is_too_small_says_so_before_the_bytes_travel() {
    let (root, store) = store();
    let size = 12 << 40;
    let refused = kind(store.create(&Key::from("huge"), size, &spec(When::Always)).await);
    assert!(matches!(refused, Some(ErrorKind::Disk | ErrorKind::Unfit)), "{refused:?}");
    assert_eq!(names(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn p02_a_write_that_is_refused_leaves_nothing_behind() {
    let (root, store) = store();
    let wrong = Sum { crc32c: 1, ..sum(b"abc") };
    let put = store.put(&Key::from("a"), &Rope::from(b"abc".to_vec()), &wrong, None, &spec(When::Always)).await;
    assert_eq!(kind(put), Some(ErrorKind::Corrupt));
    let stale = spec(When::IfMatches(Identity::etag("x")));
    let put = store.put(&Key::from("a"), &Rope::from(b"abc".to_vec()), &sum(b"abc"), None, &stale).await;
    assert_eq!(kind(put), Some(ErrorKind::Conflict));
    assert_eq!(names(root.path()), Vec::<String>::new());
}

/// A caller that goes away in the middle of a page takes no entry with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p09_a_listing_that_was_interrupted_loses_no_key() {
    let (root, store) = store();
    for number in 0..3_500 {
        fs::write(root.path().join(format!("{number:05}")), b"").expect("writes");
    }
    let mut pages = store.list(&KeyRange::all());
    let mut seen = 0;
    loop {
        if let Ok(page) = tokio::time::timeout(Duration::ZERO, pages.next()).await {
            seen += page.expect("lists").map_or(0, |page| page.len());
        }
        match pages.next().await.expect("lists") {
            Some(page) => seen += page.len(),
            None => break,
        }
    }
    assert_eq!(seen, 3_500);
}

#[tokio::test]
async fn names_that_are_no_text_are_listed_as_they_are() {
    let (root, store) = store();
    let name = b"\xff\xfe \x01";
    fs::write(root.path().join(std::ffi::OsStr::from_bytes(name)), b"x").expect("writes");
    assert_eq!(list(&store, &KeyRange::all()).await.expect("lists"), [name.to_vec()]);
    let head = store.head(&Key::new(name)).await.expect("is there");
    assert_eq!(head.size, 1);
}

/// Keys of few characters, so that names share beginnings and sort around the slash.
fn any_key() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab.0!-]{1,3}", 1..4)
        .prop_map(|segments| segments.join("/"))
        .prop_filter("no dots alone", |key| key.split('/').all(|segment| segment != "." && segment != ".."))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_has_the_order_of_flat_keys(keys in proptest::collection::btree_set(any_key(), 0..30), after in proptest::option::of(any_key()), through in proptest::option::of(any_key())) {
        let root = tempfile::tempdir().expect("a directory");
        let mut expected = Vec::new();
        for key in keys {
            let path = root.path().join(&key);
            // A file where another key needs a directory, or the reverse, cannot be: such keys are left out.
            let made = fs::create_dir_all(path.parent().expect("has one")).and_then(|()| fs::File::create_new(&path));
            if made.is_ok() {
                expected.push(key.into_bytes());
            }
        }
        let range = KeyRange { after: after.as_deref().map(Key::from), through: through.as_deref().map(Key::from) };
        expected.retain(|key| range.contains(&Key::new(key)));
        expected.sort();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds");
        let seen = runtime.block_on(list(&LocalStore::new(root.path()).expect("starts"), &range)).expect("lists");
        prop_assert_eq!(seen, expected);
    }
}
