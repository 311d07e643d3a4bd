//! Locked and versioned objects: a delete that a lock refused says so, whatever the endpoint says, and a denial stays a denial.

use std::sync::Arc;

use brigade_core::{ErrorKind, Identity, Key};
use brigade_http::{Transport, TransportOptions};
use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::s3::{S3Options as LabOptions, S3Server};
use brigade_lab::world::{Conditions, Holds, ListQuery, NewObject, RetentionMode, Versioning, Which, World};
use brigade_s3::{Engine, S3Options, S3Store, StaticCredentials};
use brigade_store::{Delete, Deletion, Honoured, Probe, ProbeFor, Result};

const ENGINES: [Engine; 2] = [Engine::Lean, Engine::Sdk];

/// A key that no XML can carry: it is deleted by a request of its own.
const ALONE: &str = "alone\u{1}";

struct Lab {
    world: Arc<World>,
    store: S3Store,
    _server: S3Server,
}

impl Lab {
    async fn start(engine: Engine) -> Self {
        let world = World::new();
        world.ensure_bucket("bucket");
        let server = S3Server::start(world.clone(), LabOptions::default()).await.expect("a free port");
        let LabOptions { access_key, secret_key, .. } = server.options().clone();
        let credentials = StaticCredentials { access_key_id: access_key, secret_access_key: secret_key.into(), session_token: None };
        let options = S3Options {
            endpoint_url: Some(server.url()),
            region: Some("us-east-1".to_owned()),
            credentials: Some(credentials),
            engine,
            ..S3Options::new("bucket", "")
        };
        let transport = Transport::new(&TransportOptions::default()).expect("default options are good");
        let store = S3Store::connect(options, transport).await.expect("the options are good");
        Self { world, store, _server: server }
    }

    fn seed(&self, key: &str, holds: Holds) -> Deletion {
        let object = self.world.seed_object("bucket", key, NewObject { holds, ..NewObject::of("bytes".into()) }).expect("it fits");
        Deletion { key: Key::from(key), identity: Identity::etag(&object.etag.to_string()) }
    }

    async fn delete(&self, deletion: Deletion) -> Result<()> {
        self.store.deleter().delete(&[deletion]).await.expect("the call is answered").remove(0)
    }

    fn deny_deletes(&self) {
        self.world.faults().add(Rule::new(&[Op::Delete, Op::DeleteEntry], Action::ACCESS_DENIED));
    }
}

fn locks() -> [(Holds, &'static [&'static str]); 4] {
    let until = Some("2300-01-02T03:04:05Z".parse().expect("a moment"));
    let retained = |mode| Holds { retain_until: until, mode, ..Holds::default() };
    [
        (Holds { legal: true, ..Holds::default() }, &["a legal hold"]),
        (retained(RetentionMode::Governance), &["GOVERNANCE retention until 2300-01-02T03:04:05Z"]),
        (retained(RetentionMode::Compliance), &["COMPLIANCE retention until 2300-01-02T03:04:05Z"]),
        (Holds { legal: true, ..retained(RetentionMode::Compliance) }, &["a legal hold and", "COMPLIANCE retention"]),
    ]
}

#[tokio::test]
async fn a_delete_that_a_lock_refuses_says_which() {
    for engine in ENGINES {
        let lab = Lab::start(engine).await;
        // The second time the endpoint's denial does not speak of locks, as that of others than Amazon.
        for _ in 0..2 {
            for key in ["in a batch", ALONE] {
                for (holds, says) in locks() {
                    lab.world.vanish("bucket", key);
                    let error = lab.delete(lab.seed(key, holds)).await.expect_err("it is locked");
                    assert_eq!(error.kind, ErrorKind::Locked, "{engine:?} {key:?}: {error}");
                    assert!(says.iter().all(|words| error.message.contains(words)), "{error}");
                }
            }
            lab.deny_deletes();
        }
        assert!(!lab.world.faults().struck().is_empty());
    }
}

#[tokio::test]
async fn a_denial_stays_a_denial_where_no_lock_can_be_seen() {
    for engine in ENGINES {
        let lab = Lab::start(engine).await;
        lab.deny_deletes();
        let over = Holds { retain_until: Some("2001-01-01T00:00:00Z".parse().expect("a moment")), ..Holds::default() };
        for holds in [Holds::default(), over] {
            let error = lab.delete(lab.seed("k", holds)).await.expect_err("it is denied");
            assert_eq!(error.kind, ErrorKind::Denied, "{engine:?}: {error}");
        }
        let legal = Holds { legal: true, ..Holds::default() };
        lab.world.faults().add(Rule::new(&[Op::Head], Action::ACCESS_DENIED));
        let error = lab.delete(lab.seed("k", legal)).await.expect_err("it is denied");
        assert_eq!(error.kind, ErrorKind::Denied, "nobody may know: {error}");
    }
}

#[tokio::test]
async fn a_versioned_bucket_says_that_deletes_add_a_marker_and_they_do_also_over_a_lock() {
    for engine in ENGINES {
        let lab = Lab::start(engine).await;
        for (versioning, versioned, says) in [
            (Versioning::Off, Honoured::No, "versioning: off"),
            (Versioning::Suspended, Honoured::No, "versioning: suspended"),
            (Versioning::Enabled, Honoured::Yes, "deletes add a marker"),
        ] {
            lab.world.set_versioning("bucket", versioning).expect("the bucket is there");
            for purpose in [ProbeFor::Write, ProbeFor::Delete] {
                let facts = lab.store.probe(purpose).await.expect("it answers");
                assert_eq!(facts.versioned, versioned, "{versioning:?}");
                assert!(facts.notes.iter().any(|note| note.contains(says)), "{:?}", facts.notes);
            }
        }
        lab.delete(lab.seed("k", Holds { legal: true, ..Holds::default() })).await.expect("a marker is added");
        assert!(lab.world.peek("bucket", "k").is_err());
        let query = ListQuery { max: 9, prefix: b"k".to_vec(), ..ListQuery::default() };
        assert_eq!(lab.world.list_versions("bucket", &query, None).expect("the bucket is there").versions.len(), 2);
    }
}

#[tokio::test]
async fn who_may_not_ask_for_versioning_loses_nothing_else() {
    for engine in ENGINES {
        let lab = Lab::start(engine).await;
        lab.world.set_versioning("bucket", Versioning::Enabled).expect("the bucket is there");
        lab.world.faults().add(Rule::new(&[Op::Bucket], Action::ACCESS_DENIED));
        let facts = lab.store.probe(ProbeFor::Delete).await.expect("the right is not needed");
        assert_eq!((facts.versioned, facts.missing_rights), (Honoured::Unknown, Vec::new()));
        assert!(!lab.world.faults().struck().is_empty());
        let object = lab.world.seed("bucket", "k", "x").expect("it fits");
        assert!(lab.world.get("bucket", b"k", Which::Current, &Conditions::NONE).is_ok(), "{object:?}");
    }
}
