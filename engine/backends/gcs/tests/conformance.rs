//! The conformance suite on GCS: on the embedded server as it is, on one that lacks what emulators lack, and on an emulator
//! that nobody here wrote, where `BRIGADE_TEST_GCP_EMULATOR` names one (`http://127.0.0.1:PORT`).
//!
//! The emulator gets a fresh bucket. What it lacks is named below, claim by claim; nothing is skipped in silence.

use std::sync::Arc;

use brigade_core::event::{Side, Silent};
use brigade_core::limiter::AtOnce;
use brigade_gcs::{GcsOptions, GcsStore};
use brigade_http::{Body, Transport, TransportOptions};
use brigade_lab::gcs::{GcsServer, GcsServerOptions};
use brigade_lab::world::{Honours, World};
use brigade_store::conformance::{Profile, Subject, Summary, run};
use brigade_store::layers::hedge::Hedging;
use brigade_store::layers::jitter::Jitter;
use brigade_store::layers::limit::{Limiter, Limits};
use brigade_store::layers::{Layered, Layers};
use brigade_store::{Delete, ServerCopy, Target};

/// The variable that names an emulator.
const EMULATOR: &str = "BRIGADE_TEST_GCP_EMULATOR";

/// GCS itself has no tags, keeps no `Expires`, and says so in its facts.
const REAL: Profile = Profile::lacking(&[
    ("tags", "GCS has no object tags"),
    ("expires", "GCS keeps no Expires"),
    ("copy-in-parts", "objects of any size are rewritten whole"),
    ("copy-parts-pinned", "objects of any size are rewritten whole"),
]);

/// What gcp-storage-emulator lacks.
const GCP_STORAGE_EMULATOR_LACKS: &[(&str, &str)] = &[
    ("tags", "GCS has no object tags"),
    ("expires", "GCS keeps no Expires"),
    ("odd-keys-slashes", "names are paths of its file system: `a//b` and `a///b` are one"),
    ("odd-keys-dots", "names are paths of its file system: it drops the connection at `..`"),
    ("odd-keys-upload", "names are paths of its file system: it drops the connection at `..`"),
    ("put-if-absent", "ifGenerationMatch is ignored by inserts"),
    ("put-if-absent-race", "ifGenerationMatch is ignored by inserts"),
    ("put-if-matches", "ifGenerationMatch is ignored by inserts"),
    ("complete-if-absent", "there is no objects.move, and compose ignores ifGenerationMatch"),
    ("complete-if-matches", "there is no objects.move, and compose ignores ifGenerationMatch"),
    ("delete-stale", "ifGenerationMatch is ignored by deletes"),
    ("delete-batch", "ifGenerationMatch is ignored by deletes"),
    ("retract-stale", "ifGenerationMatch is ignored by deletes"),
    ("copy-whole", "a rewrite keeps the metadata of the original, whatever its body says"),
    ("copy-pinned", "ifSourceGenerationMatch is ignored by rewrites"),
    ("copy-conditions", "ifGenerationMatch is ignored by rewrites"),
    ("copy-in-parts", "objects of any size are rewritten whole"),
    ("copy-parts-pinned", "objects of any size are rewritten whole"),
];

const GCP_STORAGE_EMULATOR: Profile = Profile {
    spared: &[("upload-many-parts", "it lists no pages, and takes minutes for a thousand objects")],
    ..Profile::lacking(GCP_STORAGE_EMULATOR_LACKS)
};

fn store(endpoint: &str, bucket: &str, prefix: &str) -> GcsStore {
    let transport = Transport::new(&TransportOptions::default()).expect("default options are good");
    let options = GcsOptions {
        endpoint_url: Some(endpoint.to_owned()),
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        ..GcsOptions::default()
    };
    GcsStore::new(options, transport).expect("the options are good")
}

/// The emulator takes one connection after the other and five wait; whoever comes then gets no answer to connecting.
fn patient(store: GcsStore) -> Layered<GcsStore> {
    let limits = Limits::at_once(AtOnce::Fixed(4));
    let limiter = Arc::new(Limiter::new(limits));
    let layers = Layers {
        side: Side::Target,
        attempts_max: 3,
        limiter,
        observer: Arc::new(Silent),
        jitter: Jitter::Random,
        hedging: Hedging::Never,
    };
    Layered::new(Arc::new(store), Arc::new(layers))
}

async fn check<S: Target + Delete + 'static>(
    name: &str,
    handle: impl Fn() -> S,
    road: impl ServerCopy + 'static,
    prefix: &str,
    profile: Profile,
) -> Summary {
    let (store, later) = (Arc::new(handle()), Arc::new(handle()));
    let (target, delete): (Arc<dyn Target>, Arc<dyn Delete>) = (store.clone(), store);
    let copy: Option<Arc<dyn ServerCopy>> = Some(Arc::new(road));
    run(&Subject { name: name.to_owned(), target, later, delete, copy, profile: Profile { prefix_bytes: prefix.len(), ..profile } }).await
}

async fn on_embedded(name: &str, honours: Honours, prefix: &str, profile: Profile) {
    let world = World::new();
    world.ensure_bucket("suite");
    world.set_honours(honours);
    let server = GcsServer::start(world.clone(), GcsServerOptions::default()).await.expect("a free port");
    let here = store(&server.url(), "suite", prefix);
    let summary = check(name, || store(&server.url(), "suite", prefix), here.copier(&here), prefix, profile).await;
    summary.assert();
    assert_eq!(summary.surprises().collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!((world.keys("suite"), world.uploads_under_way("suite")), (Vec::new(), 0), "the suite leaves nothing");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_server_conforms() {
    on_embedded("embedded gcs", Honours::REAL, "", REAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_below_an_odd_prefix_conforms() {
    on_embedded("embedded gcs, prefix", Honours::REAL, "a//../%2F b/\u{e9}/", REAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_without_move_conforms() {
    on_embedded("embedded gcs, no move", Honours { object_move: false, ..Honours::REAL }, "p/", REAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_that_nobody_here_wrote_conforms() {
    let Ok(endpoint) = std::env::var(EMULATOR) else {
        eprintln!("NOT RUN: conformance on a GCS emulator, because {EMULATOR} is not set");
        return;
    };
    eprintln!("RUN: conformance on the GCS emulator at {endpoint}");
    let bucket = format!("suite-{}", uuid::Uuid::new_v4().simple());
    let request = http::Request::post(format!("{endpoint}/storage/v1/b?project=test"))
        .header("content-type", "application/json")
        .body(Body::from(format!("{{\"name\":\"{bucket}\"}}").into_bytes()))
        .expect("a good request");
    let transport = Transport::new(&TransportOptions::default()).expect("default options are good");
    let response = transport.send(request).await.expect("the emulator answers");
    assert!(response.status().is_success(), "the bucket could not be made: {}", response.status());
    let prefix = "a/b c/";
    let handle = || patient(store(&endpoint, &bucket, prefix));
    let here = store(&endpoint, &bucket, prefix);
    let summary = check("gcp-storage-emulator", handle, here.copier(&here), prefix, GCP_STORAGE_EMULATOR).await;
    summary.assert();
    assert_eq!(summary.surprises().collect::<Vec<_>>(), Vec::<&str>::new());
}
