//! What goes wrong on the way and in the store, seen through by both engines; and what each operation costs in requests.

use std::sync::Arc;

use brigade_core::digest::{Sum, Wanted};
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Identity, Key, KeyRange};
use brigade_http::{Transport, TransportOptions};
use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::s3::{S3Options as LabOptions, S3Server};
use brigade_lab::world::World;
use brigade_s3::{Engine, S3Deleter, S3Options, S3Store, StaticCredentials};
use brigade_store::error::Effect;
use brigade_store::{
    Complete, Delete as _, Deletion, List as _, Piece, Probe as _, ProbeFor, Read as _, ReadRequest, Result, Rope, When, Write as _,
    WriteSpec, Written,
};

const ENGINES: [Engine; 2] = [Engine::Lean, Engine::Sdk];
const BUCKET: &str = "bucket";

struct Scene {
    world: Arc<World>,
    server: S3Server,
    store: S3Store,
    deleter: S3Deleter,
}

impl Scene {
    async fn new(engine: Engine) -> Self {
        let world = World::new();
        world.ensure_bucket(BUCKET);
        let server = S3Server::start(world.clone(), LabOptions::default()).await.expect("a free port");
        let options = S3Options {
            endpoint_url: Some(server.url()),
            region: Some("us-east-1".to_owned()),
            credentials: Some(StaticCredentials {
                access_key_id: server.options().access_key.clone(),
                secret_access_key: server.options().secret_key.clone().into(),
                session_token: None,
            }),
            engine,
            ..S3Options::new(BUCKET, "")
        };
        let transport = Transport::new(&TransportOptions::default()).expect("default options are good");
        let store = S3Store::connect(options, transport).await.expect("the options are good");
        store.probe(ProbeFor::Write).await.expect("probed");
        let deleter = store.deleter();
        deleter.probe(ProbeFor::Delete).await.expect("probed");
        server.requests().reset();
        Self { world, server, store, deleter }
    }

    fn fault(&self, op: Op, action: Action) {
        self.world.faults().clear();
        self.world.faults().add(Rule::new(&[op], action));
    }

    /// Seeds an object and gives its identity.
    async fn seeded(&self, key: &str, bytes: &[u8]) -> Identity {
        self.world.seed(BUCKET, key, bytes).expect("seeded");
        self.store.head(&Key::from(key)).await.expect("there").identity
    }

    async fn read(&self, key: &str, identity: &Identity, size: u64, part: Option<Part>) -> Result<Piece> {
        let wanted = Wanted { crc64nvme: true };
        self.store.read(&ReadRequest { key: &Key::from(key), part, size, identity, wanted }).await
    }

    async fn put(&self, key: &str, bytes: &[u8], when: When) -> Result<Written> {
        let rope = Rope::from(bytes.to_vec());
        self.store.put(&Key::from(key), &rope, &sum(&rope), None, &spec(when)).await
    }

    /// Begins and fills an upload of one part, and completes it.
    async fn upload(&self, key: &str, bytes: &[u8]) -> Result<Written> {
        let (rope, spec) = (Rope::from(bytes.to_vec()), spec(When::IfAbsent));
        let upload = self.store.create(&Key::from(key), rope.size(), &spec).await.expect("created");
        let part = Part { number: 1, offset: 0, size: rope.size() };
        let receipt = self.store.part(&upload, part, &rope, &sum(&rope)).await.expect("sent");
        self.store.complete(&upload, &Complete { parts: &[receipt], sum: sum(&rope), spec: &spec }).await
    }
}

fn sum(rope: &Rope) -> Sum {
    rope.sum(Wanted { crc64nvme: true })
}

fn spec(when: When) -> WriteSpec {
    WriteSpec { metadata: Arc::default(), storage_class: None, when }
}

#[tokio::test]
async fn p07_a_source_that_changes_is_noticed() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        let old = scene.seeded("a", b"old content").await;
        scene.seeded("a", b"new content").await;
        let part = Part { number: 1, offset: 2, size: 3 };
        for part in [None, Some(part)] {
            let size = part.map_or(11, |part| part.size);
            let kind = |result: Result<Piece>| result.map(|_| ()).expect_err("refused").kind;
            assert_eq!(kind(scene.read("a", &old, size, part).await), ErrorKind::Changed, "{engine:?}");
            scene.fault(Op::Get, Action::IgnoreConditions);
            assert_eq!(kind(scene.read("a", &old, size, part).await), ErrorKind::Changed, "{engine:?}, If-Match ignored");
            scene.fault(Op::Get, Action::Vanish);
            let now = scene.seeded("a", b"new content").await;
            assert_eq!(kind(scene.read("a", &now, size, part).await), ErrorKind::Vanished, "{engine:?}");
            scene.world.faults().clear();
            scene.seeded("a", b"new content").await;
        }
    }
}

#[tokio::test]
async fn p02_bodies_that_are_not_what_was_asked_for_are_never_taken() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| u8::try_from(number % 251).expect("small")).collect();
        let identity = scene.seeded("a", &bytes).await;
        let part = Part { number: 2, offset: 1_000, size: 100_000 };
        scene.fault(Op::Get, Action::IgnoreRange);
        let error = scene.read("a", &identity, part.size, Some(part)).await.expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Protocol, "{engine:?}: {error}");
        for action in [Action::Truncate { after_bytes: 50_000 }, Action::ResetAfter] {
            scene.fault(Op::Get, action);
            let error = scene.read("a", &identity, part.size, Some(part)).await.expect_err("refused");
            assert_eq!((error.kind, error.effect), (ErrorKind::Network, Effect::None), "{engine:?}: {error}");
        }
        scene.fault(Op::Get, Action::FlipBit { bit: 777 });
        let whole = scene.read("a", &identity, 200_000, None).await.expect("it arrived whole");
        assert_ne!(whole.sum.crc32c, sum(&Rope::from(bytes.clone())).crc32c, "{engine:?}: the sum is that of what arrived");
        scene.world.faults().clear();
        let piece = scene.read("a", &identity, part.size, Some(part)).await.expect("read");
        assert_eq!(piece.bytes.to_vec(), bytes[1_000..101_000], "{engine:?}");
        assert_eq!(piece.head.size, 200_000);
    }
}

#[tokio::test]
async fn an_object_without_bytes_is_read_and_written() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        let written = scene.put("empty", b"", When::IfAbsent).await.expect("written");
        let identity = written.identity.expect("named");
        let piece = scene.read("empty", &identity, 0, None).await.expect("read");
        assert_eq!((piece.bytes.size(), piece.sum.crc32c, piece.head.size), (0, 0, 0), "{engine:?}");
    }
}

#[tokio::test]
async fn a_lost_acknowledgement_leaves_the_effect_open() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        scene.fault(Op::Put, Action::ResetAfter);
        let error = scene.put("a", b"x", When::IfAbsent).await.expect_err("no answer");
        assert_eq!((error.kind, error.effect), (ErrorKind::Network, Effect::Possible), "{engine:?}: {error}");
        scene.world.faults().clear();
        let error = scene.put("a", b"x", When::IfAbsent).await.expect_err("it is there already");
        assert_eq!((error.kind, error.effect), (ErrorKind::Conflict, Effect::None), "{engine:?}: {error}");
        scene.fault(Op::CompleteUpload, Action::ResetAfter);
        let error = scene.upload("b", b"large").await.expect_err("no answer");
        assert_eq!((error.kind, error.effect), (ErrorKind::Network, Effect::Possible), "{engine:?}: {error}");
        assert!(scene.world.peek(BUCKET, "b").is_ok(), "it did take effect");
    }
}

#[tokio::test]
async fn an_error_in_a_good_answer_is_an_error() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        scene.fault(Op::CompleteUpload, Action::ErrorIn200);
        let error = scene.upload("a", b"large").await.expect_err("it failed");
        assert_eq!((error.kind, error.effect), (ErrorKind::Unavailable, Effect::Possible), "{engine:?}: {error}");
        assert!(scene.world.peek(BUCKET, "a").is_err());
    }
}

#[tokio::test]
async fn throttles_and_denials_have_their_kind() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        for (action, kind) in [
            (Action::SLOW_DOWN, ErrorKind::Throttled),
            (Action::INTERNAL_ERROR, ErrorKind::Unavailable),
            (Action::ACCESS_DENIED, ErrorKind::Denied),
            (Action::CONFLICT, ErrorKind::Race),
            (Action::ResetBefore, ErrorKind::Network),
        ] {
            scene.fault(Op::Put, action.clone());
            let error = scene.put("a", b"x", When::Always).await.expect_err("refused");
            assert_eq!(error.kind, kind, "{engine:?} {action:?}: {error}");
        }
        let asked = Action::Status { status: 503, code: "SlowDown", retry_after_seconds: Some(3) };
        scene.fault(Op::Put, asked);
        let error = scene.put("a", b"x", When::Always).await.expect_err("refused");
        assert_eq!(error.retry_after.map(|wait| wait.as_secs()), Some(3), "{engine:?}");
        assert_eq!(error.code.as_deref(), Some("SlowDown"));
    }
}

#[tokio::test]
async fn p03_a_page_that_fails_is_asked_for_again() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        for number in 0..2_500 {
            scene.world.seed(BUCKET, format!("{number:05}"), b"x").expect("seeded");
        }
        scene.world.faults().add(Rule::new(&[Op::List], Action::SLOW_DOWN).when(brigade_lab::fault::Occurrence::Nth(2)));
        let mut pages = scene.store.list(&KeyRange::all());
        assert_eq!(pages.next().await.expect("a page").map(|page| page.len()), Some(1_000));
        assert_eq!(pages.next().await.expect_err("it failed").kind, ErrorKind::Throttled, "{engine:?}");
        assert_eq!(pages.next().await.expect("a page").map(|page| page[0].key.clone()), Some(Key::from("01000")));
        assert_eq!(pages.next().await.expect("a page").map(|page| page.len()), Some(500));
        assert_eq!(pages.next().await.expect("the end"), None);
        assert_eq!(scene.server.requests().counts().list(), 4);
    }
}

#[tokio::test]
async fn requests_are_counted() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        let written = scene.put("small", b"content", When::IfAbsent).await.expect("written");
        scene.read("small", &written.identity.expect("named"), 7, None).await.expect("read");
        let counts = scene.server.requests().counts();
        assert_eq!((counts.get(), counts.put(), counts.total()), (1, 1, 2), "{engine:?}");

        scene.server.requests().reset();
        scene.upload("large", b"content").await.expect("written");
        let counts = scene.server.requests().counts();
        assert_eq!((counts.create(), counts.part(), counts.complete(), counts.total()), (1, 1, 1, 3), "{engine:?}");

        let keys: Vec<String> = (0..1_000).map(|number| format!("d/{number}\n&")).collect();
        let mut batch = Vec::new();
        for key in &keys {
            scene.world.seed(BUCKET, key, b"x").expect("seeded");
        }
        let mut pages = scene.store.list(&KeyRange { after: Some(Key::from("d/")), through: Some(Key::from("d0")) });
        while let Some(page) = pages.next().await.expect("listed") {
            batch.extend(page.into_iter().map(|entry| Deletion { key: entry.key, identity: entry.identity }));
        }
        scene.server.requests().reset();
        let results = scene.deleter.delete(&batch).await.expect("answered");
        assert_eq!((results.len(), results.iter().filter(|result| result.is_ok()).count()), (1_000, 1_000), "{engine:?}");
        assert_eq!(scene.server.requests().counts().total(), 1, "{engine:?}: a thousand deletes are one request");
    }
}

#[tokio::test]
async fn p13_what_was_replaced_before_its_deletion_stays() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        let old = scene.seeded("a", b"old").await;
        let other = scene.seeded("b", b"other").await;
        let odd = scene.seeded("c\u{1}", b"odd").await;
        scene.seeded("a", b"new").await;
        let batch = [("a", old), ("b", other), ("c\u{1}", odd)].map(|(key, identity)| Deletion { key: Key::from(key), identity });
        let results = scene.deleter.delete(&batch).await.expect("answered");
        let kinds: Vec<_> = results.iter().map(|result| result.as_ref().err().map(|error| error.kind)).collect();
        assert_eq!(kinds, [Some(ErrorKind::Conflict), None, None], "{engine:?}");
        assert_eq!(scene.world.keys(BUCKET), [b"a".to_vec()]);
    }
}

#[tokio::test]
async fn a_retracted_version_leaves_no_trace_in_a_versioned_bucket() {
    for engine in ENGINES {
        let scene = Scene::new(engine).await;
        scene.world.set_versioning(BUCKET, brigade_lab::world::Versioning::Enabled).expect("there");
        scene.put("a", b"good", When::Always).await.expect("written");
        let wrong = scene.put("a", b"wrong", When::Always).await.expect("written").identity.expect("named");
        scene.store.retract(&Key::from("a"), &wrong).await.expect("removed");
        assert_eq!(scene.world.bytes(BUCKET, "a").expect("the older version is current again"), "good");
        scene.store.probe(ProbeFor::Write).await.expect("probed");
        scene.deleter.probe(ProbeFor::Delete).await.expect("probed");
        assert_eq!(scene.world.keys(BUCKET), [b"a".to_vec()], "{engine:?}");
    }
}
