//! All nine pairs of {S3, GCS, local}.

use std::collections::BTreeMap;
use std::path::Path;

use brigade_lab::world::{Attributes, Content, NewObject, World};

use crate::support::{BUCKET, Lab, contents};

const MIB: u64 = 1 << 20;

/// Keys that every kind of store can hold: empty, small, whole parts, and an object in three parts.
fn sample() -> Vec<(&'static str, u64)> {
    vec![("a", 0), ("a.txt", 1), ("b/c d+e%20#?&", 1_000), ("b/é", 70_000), ("big/exact", 16 * MIB), ("big/three-parts", 17 * MIB + 13)]
}

fn seed(world: &World) {
    for (number, (key, size)) in (0..).zip(sample()) {
        world.seed(BUCKET, key, Content::pattern(number, size)).unwrap();
    }
}

fn expected() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let world = World::new();
    seed(&world);
    contents(&world).into_iter().collect()
}

fn seed_directory(root: &Path) {
    for (key, bytes) in expected() {
        let path = root.join(std::str::from_utf8(&key).unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn directory(root: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let key = path.strip_prefix(root).unwrap().to_str().unwrap().as_bytes().to_vec();
                found.insert(key, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Every write and every change of metadata moves one of these.
fn versions(world: &World) -> Vec<(Vec<u8>, u64, u64)> {
    world.objects(BUCKET).into_iter().map(|(key, object)| (key, object.generation, object.metageneration)).collect()
}

/// Copies, looks at the target behind the engine's back, checks by digests and by content, and copies again for nothing.
async fn pair(source: &str, target: &str) {
    let lab = Lab::start().await;
    seed(lab.s3.world());
    seed(lab.gcs.world());
    seed_directory(&lab.path("disk/source"));
    let before = (versions(lab.s3.world()), versions(lab.gcs.world()));

    let ran = lab.transfer(&["copy", source, target]).await.expect(0);
    ran.balances();
    assert_eq!((ran.objects("copied"), ran.objects("kept")), (6, 0), "{}", ran.report);
    let proof = &ran.report["proof"];
    assert_eq!(proof["transport"], 0, "every copy is proven by more than the transport: {proof}");
    let arrived = match target {
        "two:data/" => contents(lab.s3_other.world()).into_iter().collect(),
        "h:data/" => contents(lab.gcs_other.world()).into_iter().collect(),
        _ => directory(&lab.path("disk/target")),
    };
    assert_eq!(arrived, expected());
    assert_eq!((versions(lab.s3.world()), versions(lab.gcs.world())), before, "p01: the source is as it was");

    // With what the first run left known, and as on a machine that knows nothing.
    let elsewhere = lab.path("elsewhere").display().to_string();
    for state in [&[][..], &["--state-dir", &elsewhere]] {
        let again = lab.transfer(&[&["copy", source, target], state].concat()).await.expect(0);
        assert_eq!((again.objects("copied"), again.objects("kept")), (0, 6), "{}", again.report);
    }
    lab.transfer(&["check", source, target]).await.expect(0);
    lab.transfer(&["check", source, target, "--content"]).await.expect(0);
}

macro_rules! pairs {
    ($($name:ident: $source:literal -> $target:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            pair($source, $target).await;
        })*
    };
}

pairs! {
    p01_p04_s3_to_s3: "one:data/" -> "two:data/";
    p01_p04_s3_to_gcs: "one:data/" -> "h:data/";
    p01_p04_s3_to_local: "one:data/" -> "disk:target/";
    p01_p04_gcs_to_s3: "g:data/" -> "two:data/";
    p01_p04_gcs_to_gcs: "g:data/" -> "h:data/";
    p01_p04_gcs_to_local: "g:data/" -> "disk:target/";
    p01_p04_local_to_s3: "disk:source/" -> "two:data/";
    p01_p04_local_to_gcs: "disk:source/" -> "h:data/";
    p01_p04_local_to_local: "disk:source/" -> "disk:target/";
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_gets_the_time_of_its_original_and_a_plan_makes_no_directory() {
    let lab = Lab::start().await;
    seed(lab.s3.world());
    let plan = lab.transfer(&["plan", "one:data/", "disk:target/"]).await.expect(0);
    assert_eq!(plan.objects("copied"), 6);
    assert!(!lab.path("disk/target").exists());
    lab.world_time(lab.s3.world(), "a.txt", "2020-02-29T12:00:00.5Z");
    lab.transfer(&["copy", "one:data/", "disk:target/"]).await.expect(0);
    let modified = std::fs::metadata(lab.path("disk/target/a.txt")).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_secs(), 1_582_977_600);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_by_digests_is_equal_after_a_copy_and_names_every_difference() {
    let lab = Lab::start().await;
    for number in 0..20_u64 {
        lab.s3.world().seed(BUCKET, format!("k{number:02}"), Content::pattern(number, 100 + number)).unwrap();
    }
    lab.transfer(&["copy", "one:data", "h:data"]).await.expect(0);
    lab.transfer(&["check", "one:data", "h:data"]).await.expect(0);
    let target = lab.gcs_other.world();
    target.seed(BUCKET, "k03", "other content of another size").unwrap();
    target.seed(BUCKET, "k04", Content::pattern(99, 104)).unwrap();
    target.seed(BUCKET, "extra", "x").unwrap();
    target.vanish(BUCKET, "k05");
    let ran = lab.transfer(&["check", "one:data", "h:data"]).await.expect(1);
    let mut failures = ran.failures();
    failures.sort();
    let expected = [("extra", "missing_in_source"), ("k03", "size"), ("k04", "content"), ("k05", "missing_in_target")];
    assert_eq!(failures, expected.map(|(key, kind)| (key.to_owned(), kind.to_owned())));
    let one_way = lab.transfer(&["check", "one:data", "h:data", "--one-way"]).await.expect(1);
    assert_eq!(one_way.failures().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_tags_travel_and_what_cannot_is_named() {
    let lab = Lab::start().await;
    let attributes = Attributes {
        content_type: Some("text/x-test".into()),
        content_encoding: Some("gzip".into()),
        content_disposition: Some("attachment".into()),
        content_language: Some("de".into()),
        cache_control: Some("no-store".into()),
        expires: Some("Wed, 21 Oct 2037 07:28:00 GMT".into()),
        metadata: [("team".to_owned(), "a".to_owned())].into(),
        tags: [("class".to_owned(), "gold".to_owned())].into(),
        ..Attributes::default()
    };
    for (key, size) in [("small", 10), ("large", 17 * MIB)] {
        let new = NewObject { content: Content::pattern(1, size), attributes: attributes.clone().into(), ..NewObject::default() };
        lab.s3.world().seed_object(BUCKET, key, new).unwrap();
    }
    lab.transfer(&["copy", "one:data", "two:data"]).await.expect(0);
    for key in ["small", "large"] {
        let copy = lab.s3_other.world().peek(BUCKET, key).unwrap();
        let mut got = (*copy.attributes).clone();
        assert!(got.metadata.remove("mtime").is_some(), "the original modification time travels");
        assert_eq!(got, attributes, "{key}");
    }
    let ran = lab.transfer(&["copy", "one:data", "h:data"]).await.expect(0);
    assert_eq!(ran.report["dropped"]["tags"], 2, "{}", ran.report);
    assert_eq!(ran.report["dropped"]["expires"], 2, "{}", ran.report);
    for key in ["small", "large"] {
        let copy = lab.gcs_other.world().peek(BUCKET, key).unwrap();
        assert_eq!(copy.attributes.content_type, attributes.content_type, "{key}");
        assert_eq!(copy.attributes.content_encoding, attributes.content_encoding, "{key}");
        assert_eq!(copy.attributes.cache_control, attributes.cache_control, "{key}");
        assert_eq!(copy.attributes.metadata.get("team").map(String::as_str), Some("a"), "{key}");
    }
    lab.transfer(&["check", "one:data", "two:data", "--content"]).await.expect(0);
}
