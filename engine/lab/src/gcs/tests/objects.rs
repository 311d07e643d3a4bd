//! Buckets, inserts, reads, patches and deletes of the JSON interface.

use super::{BUCKET, Lab};
use crate::world::{Attributes, Content, Holds, NewObject, Versioning};
use http::Method;
use serde_json::json;
use std::io::Write as _;
use std::sync::Arc;

const HELLO_CRC32C: &str = "yZRlqg==";
const HELLO_MD5: &str = "XrY7u+Ae7tCTyyK7j1rNww==";

fn of(name: &str) -> String {
    format!("/storage/v1/b/{BUCKET}/o/{name}")
}

#[tokio::test]
async fn buckets_are_made_listed_described_and_removed() {
    let lab = Lab::start().await;
    let made = lab.post("/storage/v1/b?project=p", json!({"name": "made", "versioning": {"enabled": true}})).await.is(200).json();
    assert_eq!((&made["kind"], &made["name"]), (&json!("storage#bucket"), &json!("made")));
    assert_eq!(lab.world.versioning("made").unwrap(), Versioning::Enabled);
    assert_eq!(lab.post("/storage/v1/b", json!({"name": "made"})).await.is(409).reason(), "conflict");
    assert_eq!(lab.post("/storage/v1/b", json!({"name": "NO"})).await.is(400).reason(), "invalid");
    let first = lab.get("/storage/v1/b?maxResults=1").await.is(200).json();
    assert_eq!(first["items"][0]["name"], BUCKET);
    let token = first["nextPageToken"].as_str().unwrap();
    let rest = lab.get(&format!("/storage/v1/b?pageToken={token}")).await.json();
    assert_eq!((rest["items"][0]["name"].as_str(), rest.get("nextPageToken")), (Some("made"), None));
    lab.get("/storage/v1/b/none").await.is(404);
    lab.seed("a", "a");
    assert_eq!(lab.delete(&format!("/storage/v1/b/{BUCKET}")).await.is(409).reason(), "conflict");
    lab.delete("/storage/v1/b/made").await.is(204);
    lab.get("/storage/v1/b/made").await.is(404);
    let allowed = lab.get(&format!("/storage/v1/b/{BUCKET}/iam/testPermissions?permissions=x&permissions=y")).await.json();
    assert_eq!(allowed["permissions"], json!(["x", "y"]));
}

#[tokio::test]
async fn an_insert_answers_with_the_whole_resource() {
    let lab = Lab::start().await;
    let resource = json!({
        "name": "a/b c", "contentType": "text/x", "contentEncoding": "identity", "contentDisposition": "inline", "contentLanguage": "en",
        "cacheControl": "no-cache", "storageClass": "nearline", "customTime": "2020-01-02T03:04:05Z", "metadata": {"Key": "value"},
        "crc32c": HELLO_CRC32C, "md5Hash": HELLO_MD5,
    });
    let object = lab.insert_with("", resource, "hello world").await.is(200).json();
    let generation = object["generation"].as_str().unwrap();
    for (field, expected) in [
        ("kind", "storage#object"),
        ("id", &format!("{BUCKET}/a/b c/{generation}")),
        ("name", "a/b c"),
        ("bucket", BUCKET),
        ("metageneration", "1"),
        ("size", "11"),
        ("crc32c", HELLO_CRC32C),
        ("md5Hash", HELLO_MD5),
        ("contentType", "text/x"),
        ("contentEncoding", "identity"),
        ("contentDisposition", "inline"),
        ("contentLanguage", "en"),
        ("cacheControl", "no-cache"),
        ("storageClass", "NEARLINE"),
        ("customTime", "2020-01-02T03:04:05.000Z"),
        ("selfLink", &format!("{}/storage/v1/b/{BUCKET}/o/a%2Fb%20c", lab.server.url())),
    ] {
        assert_eq!(object[field], expected, "{field}");
    }
    assert_eq!(object["metadata"], json!({"Key": "value"}));
    assert!(object["timeCreated"].as_str().unwrap().ends_with('Z'));
    assert_eq!(lab.get(&of("a%2Fb%20c")).await.is(200).json(), object);
    let link = object["mediaLink"].as_str().unwrap();
    assert_eq!(lab.get(link).await.is(200).text(), "hello world");
}

#[tokio::test]
async fn wrong_digests_are_refused_and_leave_nothing() {
    let lab = Lab::start().await;
    for wrong in [json!({"name": "a", "crc32c": "AAAAAA=="}), json!({"name": "a", "md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="})] {
        let refused = lab.insert_with("", wrong, "hello world").await.is(400);
        assert!(refused.text().contains("doesn't match"), "{}", refused.text());
    }
    assert_eq!(lab.insert_with("", json!({"name": "a", "crc32c": "no"}), "hello world").await.is(400).reason(), "invalid");
    let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=a");
    for header in [("x-goog-hash", "crc32c=AAAAAA=="), ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")] {
        lab.send(Method::POST, &path, &[header], "hello world").await.is(400);
    }
    assert!(lab.is_absent("a"));
    let right = format!("crc32c={HELLO_CRC32C},md5={HELLO_MD5}");
    lab.send(Method::POST, &path, &[("x-goog-hash", &right)], "hello world").await.is(200);
    let mut honours = lab.world.honours();
    honours.checksums = false;
    lab.world.set_honours(honours);
    lab.send(Method::POST, &path, &[("x-goog-hash", "crc32c=AAAAAA==")], "other").await.is(200);
}

#[tokio::test]
async fn generation_conditions_guard_inserts() {
    let lab = Lab::start().await;
    let generation = lab.insert("a", "&ifGenerationMatch=0", "one").await.is(200).json()["generation"].as_str().unwrap().to_owned();
    let refused = lab.insert("a", "&ifGenerationMatch=0", "two").await.is(412);
    assert_eq!(refused.reason(), "conditionNotMet");
    lab.insert("a", "&ifGenerationMatch=1", "two").await.is(412);
    lab.insert("a", &format!("&ifGenerationNotMatch={generation}"), "two").await.is(412);
    lab.insert("a", "&ifMetagenerationMatch=2", "two").await.is(412);
    lab.insert("a", "&ifGenerationMatch=x", "two").await.is(400);
    assert_eq!(lab.bytes("a"), "one");
    lab.insert("a", &format!("&ifGenerationMatch={generation}&ifMetagenerationMatch=1"), "two").await.is(200);
    assert_eq!(lab.bytes("a"), "two");
}

#[tokio::test]
async fn media_are_read_whole_by_range_and_pinned() {
    let lab = Lab::start().await;
    let generation = lab.seed("a", "0123456789");
    let media = format!("/download{}?alt=media", of("a"));
    let whole = lab.get(&media).await.is(200);
    assert_eq!(whole.text(), "0123456789");
    assert_eq!(whole.header("x-goog-generation"), Some(generation.to_string().as_str()));
    assert!(whole.header("x-goog-hash").unwrap().starts_with("crc32c="));
    assert_eq!(whole.header("x-goog-stored-content-length"), Some("10"));
    let part = lab.send(Method::GET, &media, &[("range", "bytes=2-4")], "").await.is(206);
    assert_eq!((part.text(), part.header("content-range")), ("234", Some("bytes 2-4/10")));
    let outside = lab.send(Method::GET, &media, &[("range", "bytes=10-")], "").await.is(416);
    assert_eq!(outside.header("content-range"), Some("bytes */10"));
    lab.get(&format!("{media}&generation={generation}&ifGenerationMatch={generation}")).await.is(200);
    lab.get(&format!("{media}&ifGenerationMatch=1")).await.is(412);
    lab.get(&format!("{media}&ifGenerationNotMatch={generation}")).await.is(304);
    let etag = whole.header("etag").unwrap().to_owned();
    lab.send(Method::GET, &media, &[("if-match", &etag)], "").await.is(200);
    lab.send(Method::GET, &media, &[("if-match", "other")], "").await.is(412);
    lab.send(Method::GET, &media, &[("if-none-match", &etag)], "").await.is(304);
    assert_eq!(lab.get(&format!("{media}&generation=7")).await.is(404).text(), format!("No such object: {BUCKET}/a"));
    assert_eq!(lab.get(&of("none")).await.is(404).reason(), "notFound");
    assert_eq!(lab.get("/storage/v1/b/none/o/a").await.is(404).reason(), "notFound");
}

#[tokio::test]
async fn gzip_is_given_as_stored_only_to_those_who_take_it() {
    let lab = Lab::start().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"plain text").unwrap();
    let stored = encoder.finish().unwrap();
    let attributes = Attributes { content_encoding: Some("gzip".to_owned()), ..Attributes::default() };
    let new = NewObject { attributes: Arc::new(attributes), ..NewObject::of(Content::from(stored.as_slice())) };
    lab.world.seed_object(BUCKET, "a", new).unwrap();
    let media = format!("{}?alt=media", of("a"));
    let raw = lab.send(Method::GET, &media, &[("accept-encoding", "gzip"), ("range", "bytes=0-3")], "").await.is(206);
    assert_eq!((&raw.body[..], raw.header("content-encoding")), (&stored[..4], Some("gzip")));
    let plain = lab.send(Method::GET, &media, &[("range", "bytes=0-3")], "").await.is(200);
    assert_eq!((plain.text(), plain.header("content-encoding"), plain.header("content-length")), ("plain text", None, None));
    assert_eq!(plain.header("x-goog-stored-content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_patch_merges_and_an_update_replaces() {
    let lab = Lab::start().await;
    let resource = json!({"name": "a", "contentType": "text/x", "metadata": {"k": "1", "l": "2"}, "cacheControl": "no-cache"});
    let before = lab.insert_with("", resource, "x").await.json();
    let patch = json!({"metadata": {"k": null, "m": "3"}, "cacheControl": null, "customTime": "2020-01-01T00:00:00Z"}).to_string();
    let after = lab.send(Method::PATCH, &of("a"), &[], patch.clone()).await.is(200).json();
    assert_eq!(after["metadata"], json!({"l": "2", "m": "3"}));
    assert_eq!((&after["contentType"], after.get("cacheControl")), (&json!("text/x"), None));
    assert_eq!((&after["generation"], &after["metageneration"]), (&before["generation"], &json!("2")));
    lab.send(Method::PATCH, &format!("{}?ifMetagenerationMatch=1", of("a")), &[], patch).await.is(412);
    let back = json!({"customTime": "2019-01-01T00:00:00Z"}).to_string();
    lab.send(Method::PATCH, &of("a"), &[], back).await.is(400);
    let replaced = lab.send(Method::PUT, &of("a"), &[], json!({"metadata": {"n": "4"}}).to_string()).await.is(200).json();
    assert_eq!((&replaced["metadata"], replaced.get("contentType")), (&json!({"n": "4"}), None));
    assert_eq!(replaced["metageneration"], "3", "a refused change does not count");
    lab.send(Method::PATCH, &of("none"), &[], "{}").await.is(404);
    let large = json!({"metadata": {"k": "v".repeat(9000)}}).to_string();
    lab.send(Method::PATCH, &of("a"), &[], large).await.is(400);
}

#[tokio::test]
async fn a_delete_takes_only_the_generation_that_is_meant() {
    let lab = Lab::start().await;
    let old = lab.seed("a", "old");
    let new = lab.seed("a", "new");
    lab.delete(&format!("{}?ifGenerationMatch={old}", of("a"))).await.is(412);
    lab.delete(&format!("{}?generation={old}", of("a"))).await.is(404);
    assert_eq!(lab.bytes("a"), "new");
    lab.delete(&format!("{}?ifGenerationMatch={new}", of("a"))).await.is(204);
    lab.delete(&of("a")).await.is(404);
    lab.delete(&format!("{}?ifGenerationMatch=1", of("a"))).await.is(404);
}

#[tokio::test]
async fn what_is_held_is_neither_deleted_nor_replaced() {
    let lab = Lab::start().await;
    lab.seed("a", "a");
    for hold in [
        json!({"temporaryHold": true}),
        json!({"eventBasedHold": true}),
        json!({"retention": {"mode": "Locked", "retainUntilTime": "2999-01-01T00:00:00Z"}}),
    ] {
        lab.send(Method::PATCH, &of("a"), &[], hold.to_string()).await.is(200);
        lab.delete(&of("a")).await.is(403);
        lab.insert("a", "", "b").await.is(403);
        let off = json!({"temporaryHold": false, "eventBasedHold": false, "retention": null}).to_string();
        lab.send(Method::PATCH, &of("a"), &[], off).await.is(200);
    }
    let held = NewObject { holds: Holds { legal: true, ..Holds::default() }, ..NewObject::default() };
    lab.world.seed_object(BUCKET, "b", held).unwrap();
    lab.delete(&of("b")).await.is(403);
    lab.delete(&of("a")).await.is(204);
}

#[tokio::test]
async fn p14_names_arrive_byte_for_byte_or_are_refused() {
    let lab = Lab::start().await;
    let long = "x".repeat(1024);
    let names = [
        "a//b",
        "/a",
        "a/",
        "//",
        "a/../b",
        "../up",
        "./a",
        " a ",
        "a+b%2F&#?=",
        "100%",
        "\"'<>",
        "\u{1}\t",
        "e\u{301}",
        "\u{1f9fa}",
        &long,
    ];
    for name in names {
        let encoded = super::super::names::encode(name.as_bytes());
        let object = lab.insert(&encoded, "", "x").await.is(200).json();
        assert_eq!(object["name"], name);
        assert_eq!(lab.get(&of(&encoded)).await.is(200).json()["name"], name);
    }
    let mut expected: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    expected.sort();
    assert_eq!(lab.world.keys(BUCKET), expected);
    let too_long = "x".repeat(1025);
    for name in [".", "..", "a%0Ab", "a%0D", "%FF", "", &too_long, ".well-known%2Facme-challenge%2Fx"] {
        lab.insert(name, "", "x").await.is(400);
    }
    assert_eq!(lab.world.keys(BUCKET).len(), names.len());
}
