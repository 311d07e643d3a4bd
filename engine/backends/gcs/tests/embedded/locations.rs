//! What a location shows, what it hides, and how it is named.

use super::*;
use brigade_store::PendingUpload;

#[tokio::test]
async fn what_nobody_finished_is_found_and_removed_and_nothing_else() {
    let lab = Lab::at("p/").await;
    lab.seed("p/.brigade-staging/notes", "a user's own");
    lab.seed("p/data", "x");
    lab.seed("outside", "x");
    let spec = spec(When::Always);
    let bytes = noise(100);
    lab.send("open", &bytes, 100, &spec).await.expect("sent");
    // Joined, and not published: the move fails.
    let (upload, receipts) = lab.send("staged", &bytes, 100, &spec).await.expect("sent");
    lab.fault(&[Op::Move], Action::INTERNAL_ERROR);
    lab.complete(&upload, &receipts, &bytes, &spec).await.expect_err("not published");
    let found: Vec<PendingUpload> = lab.store.pending().await.expect("found");
    let mut keys: Vec<String> = found.iter().map(|pending| pending.upload.key.to_string()).collect();
    keys.sort();
    assert_eq!(keys, ["open", "staged"]);
    assert!(found.iter().all(|pending| pending.started.is_some()));
    for pending in found {
        lab.store.abort(&pending.upload).await.expect("given up");
    }
    assert_eq!(lab.keys(), ["outside", "p/.brigade-staging/notes", "p/data"]);
    assert_eq!((lab.world.uploads_under_way(BUCKET), lab.store.pending().await.expect("found").len()), (0, 0));
    let listed: Vec<String> = lab.list().await.expect("listed").iter().map(|entry| entry.key.to_string()).collect();
    assert_eq!(listed, [".brigade-staging/notes", "data"]);
}

#[tokio::test]
async fn a_location_above_does_not_list_the_staging_objects_of_one_below() {
    let below = Lab::at("deep/er/").await;
    below.always(&[Op::CreateUpload], Action::Status { status: 501, code: "NotImplemented", retry_after_seconds: None });
    below.send("a", b"xyz", 1, &spec(When::Always)).await.expect("sent");
    assert_eq!(below.keys().len(), 4);
    let above = Lab { store: GcsStore::new(options(&below.server, ""), transport()).expect("good options"), ..below };
    assert!(above.list().await.expect("listed").is_empty());
}

#[tokio::test]
async fn a_location_is_named_for_people_and_for_comparison() {
    let lab = Lab::at("p/").await;
    let address = lab.server.address();
    assert_eq!(lab.store.describe(), format!("gs://bucket/p/ at {address}"));
    assert_eq!(lab.store.endpoint_id(), format!("gcs {address}"));
    let google = GcsOptions { bucket: "b".into(), ..GcsOptions::default() };
    let google = GcsStore::new(google, transport()).expect("no request, no credentials yet");
    assert_eq!((google.endpoint_id().as_str(), google.describe().as_str()), ("gcs google", "gs://b/"));
}
