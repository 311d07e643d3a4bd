//! The conformance suite on S3, by both engines: on the embedded server as it is and lacking what others lack, and on servers
//! that nobody here wrote, where `BRIGADE_TEST_MOTO`, `BRIGADE_TEST_GARAGE` and `BRIGADE_TEST_S3SFS` name them.
//!
//! Each run gets a bucket of its own. What a server lacks is named below, claim by claim; nothing is skipped in silence.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use brigade_http::{Body, Transport, TransportOptions};
use brigade_lab::s3::{S3Options as LabOptions, S3Server};
use brigade_lab::world::{Honours, World};
use brigade_s3::{Engine, PayloadSigning, S3Options, S3Store, StaticCredentials};
use brigade_store::conformance::{Profile, Subject, Summary, run};
use http::Request;

/// What S3 itself lacks: nothing.
const REAL: Profile = Profile::lacking(&[]);

fn transport() -> Transport {
    Transport::new(&TransportOptions::default()).expect("default options are good")
}

fn options(url: &str, bucket: &str, prefix: &str, keys: (&str, &str)) -> S3Options {
    S3Options {
        endpoint_url: Some(url.to_owned()),
        region: Some("us-east-1".to_owned()),
        credentials: Some(StaticCredentials { access_key_id: keys.0.to_owned(), secret_access_key: keys.1.into(), session_token: None }),
        ..S3Options::new(bucket, prefix)
    }
}

async fn check(name: &str, options: S3Options, profile: Profile) -> Summary {
    let prefix_bytes = options.prefix.len();
    let later = S3Store::connect(options.clone(), transport()).await.expect("the options are good");
    let store = S3Store::connect(options, transport()).await.expect("the options are good");
    let delete = Arc::new(store.deleter());
    let copy = Arc::new(store.copier(&store));
    run(&Subject {
        name: name.to_owned(),
        target: Arc::new(store),
        later: Arc::new(later),
        delete,
        copy: Some(copy),
        profile: Profile { prefix_bytes, ..profile },
    })
    .await
}

async fn on_embedded(name: &str, honours: Honours, profile: Profile, change: impl FnOnce(&mut S3Options)) {
    let world = World::new();
    world.ensure_bucket("suite");
    world.set_honours(honours);
    let server = S3Server::start(world.clone(), LabOptions::default()).await.expect("a free port");
    let keys = (server.options().access_key.as_str(), server.options().secret_key.as_str());
    let mut options = options(&server.url(), "suite", "", keys);
    change(&mut options);
    let summary = check(name, options, profile).await;
    summary.assert();
    assert_eq!(summary.surprises().collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!((world.keys("suite"), world.uploads_under_way("suite")), (Vec::new(), 0), "the suite leaves nothing");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_server_conforms_by_the_lean_engine() {
    on_embedded("embedded s3, lean", Honours::REAL, REAL, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_server_conforms_by_the_sdk() {
    on_embedded("embedded s3, sdk", Honours::REAL, REAL, |options| options.engine = Engine::Sdk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_below_an_odd_prefix_conforms() {
    let odd = |options: &mut S3Options| options.prefix = "a//../%2F b+/\u{e9}/".to_owned();
    on_embedded("embedded s3, lean, odd prefix", Honours::REAL, REAL, odd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_bodies_conform() {
    for engine in [Engine::Lean, Engine::Sdk] {
        let signed = |options: &mut S3Options| (options.payload_signing, options.engine) = (PayloadSigning::Always, engine);
        on_embedded(&format!("embedded s3, {engine:?}, signed bodies"), Honours::REAL, REAL, signed).await;
    }
}

/// What an endpoint lacks that ignores every condition.
const UNCONDITIONAL: Profile = Profile::lacking(&[
    ("put-if-absent", "conditions are ignored"),
    ("put-if-absent-race", "conditions are ignored"),
    ("put-if-matches", "conditions are ignored"),
    ("complete-if-absent", "conditions are ignored"),
    ("complete-if-matches", "conditions are ignored"),
    ("copy-conditions", "conditions are ignored"),
    ("delete-stale", "conditions are ignored"),
    ("delete-missing", "a delete without a condition succeeds on a missing key"),
    ("delete-batch", "conditions are ignored"),
    ("retract-stale", "conditions are ignored"),
]);

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_ignores_conditions_is_seen_through() {
    let honours = Honours { conditional_put: false, conditional_complete: false, conditional_delete: false, ..Honours::REAL };
    on_embedded("embedded s3, unconditional", honours, UNCONDITIONAL, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_checks_no_digest_is_seen_through() {
    let honours = Honours { checksums: false, content_md5: false, ..Honours::REAL };
    let profile = Profile::lacking(&[("wrong-md5-put", "Content-MD5 is not compared")]);
    on_embedded("embedded s3, unchecked", honours, profile, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_lists_no_etags_conforms() {
    on_embedded("embedded s3, no ETags listed", Honours { listed_etags: false, ..Honours::REAL }, REAL, |_| {}).await;
}

/// A server that nobody here wrote.
struct Stranger {
    name: &'static str,
    /// `PREFIX`, `PREFIX_ACCESS_KEY`, `PREFIX_SECRET_KEY`.
    variable: &'static str,
    profile: Profile,
}

const MOTO: Stranger = Stranger {
    name: "moto",
    variable: "BRIGADE_TEST_MOTO",
    profile: Profile::lacking(&[
        ("odd-keys-newlines", "its router answers 404 to a key with a line feed"),
        ("complete-if-absent", "completing honours If-None-Match and ignores If-Match, so conditions there count as ignored"),
        ("complete-if-matches", "completing ignores If-Match"),
        ("wrong-md5-put", "Content-MD5 is not compared"),
        ("upload-abort", "completing an aborted upload crashes it: 500"),
        ("upload-gone", "a part of an aborted upload crashes it: 500"),
        ("copy-pinned", "x-amz-copy-source-if-match is ignored"),
        ("copy-conditions", "conditions of a copy are ignored"),
        ("copy-parts-pinned", "x-amz-copy-source-if-match is ignored"),
    ]),
};

const GARAGE: Stranger = Stranger {
    name: "garage",
    variable: "BRIGADE_TEST_GARAGE",
    profile: Profile::lacking(&[
        ("odd-keys-long", "its LMDB refuses keys of 1,024 bytes"),
        ("tags", "it has no tags"),
        ("put-if-absent", "conditions of a PUT are ignored"),
        ("put-if-absent-race", "conditions of a PUT are ignored"),
        ("put-if-matches", "conditions of a PUT are ignored"),
        ("complete-if-absent", "conditions of completing are ignored"),
        ("complete-if-matches", "conditions of completing are ignored"),
        ("copy-conditions", "conditions of a copy are ignored"),
        ("delete-stale", "conditions of deletes are ignored"),
        ("delete-missing", "deleting a missing key succeeds"),
        ("delete-batch", "conditions of deletes are ignored"),
        ("retract-stale", "conditions of deletes are ignored"),
    ]),
};

const S3S_FS: Stranger = Stranger {
    name: "s3s-fs",
    variable: "BRIGADE_TEST_S3SFS",
    profile: Profile::lacking(&[
        ("probe-leaves-nothing", "open uploads cannot be listed"),
        ("list-order", "a key cannot be a directory as well"),
        ("odd-keys-slashes", "keys are paths of files"),
        ("odd-keys-dots", "keys are paths of files"),
        ("odd-keys-url", "listings mistake `%` and `+`"),
        ("odd-keys-long", "a path segment holds at most 255 bytes"),
        ("odd-keys-upload", "keys are paths of files"),
        ("tags", "it has no tags"),
        ("put-if-absent-race", "the condition is checked before the bytes arrive, and several writers win"),
        ("wrong-sum-put", "the bytes of a refused PUT stay visible"),
        ("wrong-md5-put", "the bytes of a refused PUT stay visible"),
        ("upload-in-parts", "open uploads cannot be listed"),
        ("upload-parts-listed", "parts are listed without ETags"),
        ("upload-abort", "completing an aborted upload answers 403"),
        ("upload-pending", "open uploads cannot be listed"),
        ("upload-continued", "parts are listed without ETags"),
        ("upload-part-again-listed", "parts are listed without ETags"),
        ("upload-gone", "an aborted upload answers 403"),
        ("upload-of-one-key-twice", "parts are listed without ETags"),
        ("upload-many-parts", "parts are listed without ETags"),
        ("copy-probe-leaves-nothing", "open uploads cannot be listed"),
        ("copy-conditions", "conditions of a copy are ignored"),
        ("copy-in-parts", "parts are listed without ETags"),
        ("copy-parts-pinned", "x-amz-copy-source-if-match is ignored for a part"),
        ("delete-stale", "conditions of deletes are ignored"),
        ("delete-missing", "deleting a missing key succeeds"),
        ("delete-batch", "conditions of deletes are ignored"),
        ("retract-stale", "conditions of deletes are ignored"),
    ]),
};

async fn on_stranger(stranger: &Stranger, engine: Engine) {
    let name = format!("{}, {engine:?}", stranger.name);
    let Ok(url) = std::env::var(stranger.variable) else {
        eprintln!("{name}: NOT RUN: {} names no server", stranger.variable);
        return;
    };
    let read = |suffix: &str| std::env::var(format!("{}_{suffix}", stranger.variable)).unwrap_or_else(|_| "strangers".to_owned());
    let (id, secret) = (read("ACCESS_KEY"), read("SECRET_KEY"));
    let bucket = format!("suite-{}", uuid::Uuid::new_v4().simple());
    create_bucket(&url, &bucket, &id, &secret).await;
    let options = S3Options { engine, ..options(&url, &bucket, "", (&id, &secret)) };
    let summary = check(&name, options, stranger.profile).await;
    summary.assert();
    // Whoever loses races wins one now and then.
    let surprises: Vec<&str> = summary.surprises().filter(|claim| !claim.ends_with("-race")).collect();
    assert_eq!(surprises, Vec::<&str>::new());
}

/// The engine creates no buckets, so the test does.
async fn create_bucket(url: &str, bucket: &str, id: &str, secret: &str) {
    let uri = format!("{url}/{bucket}");
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = Credentials::new(id, secret, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .expect("complete")
        .into();
    let signable = SignableRequest::new("PUT", uri.as_str(), std::iter::empty(), SignableBody::empty()).expect("valid");
    let (instructions, _) = sign(signable, &params).expect("signed").into_parts();
    let mut request = Request::put(&uri).body(Body::Empty).expect("valid");
    instructions.apply_to_request_http1x(&mut request);
    let response = transport().send(request).await.expect("an answer");
    let status = response.status();
    let body = response.into_bytes(65_536).await.expect("a body");
    assert!(status.is_success(), "creating {bucket}: {status} {}", String::from_utf8_lossy(&body));
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_conforms() {
    on_stranger(&MOTO, Engine::Lean).await;
    on_stranger(&MOTO, Engine::Sdk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garage_conforms() {
    on_stranger(&GARAGE, Engine::Lean).await;
    on_stranger(&GARAGE, Engine::Sdk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3s_fs_conforms() {
    on_stranger(&S3S_FS, Engine::Lean).await;
    on_stranger(&S3S_FS, Engine::Sdk).await;
}
