//! Compose, rewrite, copy and move.

use super::{BUCKET, Lab};
use crate::gcs::GcsServerOptions;
use http::Method;
use serde_json::{Value, json};
use std::num::NonZeroU64;

fn of(name: &str) -> String {
    format!("/storage/v1/b/{BUCKET}/o/{name}")
}

fn sources(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name})).collect()
}

#[tokio::test]
async fn a_composed_object_has_a_crc32c_and_no_md5() {
    let lab = Lab::start().await;
    lab.seed("1", "hello ");
    let generation = lab.seed("2", "world");
    let request = json!({"sourceObjects": sources(&["1", "2"]), "destination": {"contentType": "text/x", "metadata": {"k": "v"}}});
    let object = lab.post(&format!("{}?ifGenerationMatch=0", of("a%2Fb/compose")), request.clone()).await.is(200).json();
    assert_eq!((&object["name"], &object["crc32c"]), (&json!("a/b"), &json!("yZRlqg==")));
    assert_eq!((object.get("md5Hash"), &object["componentCount"]), (None, &json!(2)));
    assert_eq!((&object["contentType"], &object["metadata"]), (&json!("text/x"), &json!({"k": "v"})));
    assert_eq!(lab.bytes("a/b"), "hello world");
    lab.post(&format!("{}?ifGenerationMatch=0", of("a%2Fb/compose")), request).await.is(412);
    let again = json!({"sourceObjects": sources(&["a/b", "1"])});
    assert_eq!(lab.post(&of("c/compose"), again).await.is(200).json()["componentCount"], 3);
    let pinned =
        |generation: u64| json!({"sourceObjects": [{"name": "2", "objectPreconditions": {"ifGenerationMatch": generation.to_string()}}]});
    lab.post(&of("d/compose"), pinned(generation)).await.is(200);
    lab.post(&of("d/compose"), pinned(generation + 9)).await.is(412);
    lab.post(&of("d/compose"), json!({"sourceObjects": [{"name": "2", "generation": "7"}]})).await.is(404);
    lab.post(&of("d/compose"), json!({"sourceObjects": sources(&["none"])})).await.is(404);
    lab.post(&of("d/compose"), json!({"sourceObjects": []})).await.is(400);
    lab.post(&of("d/compose"), json!({"sourceObjects": sources(&["1"; 33])})).await.is(400);
    lab.post(&of("d/compose"), json!({"sourceObjects": sources(&["1"; 32]), "deleteSourceObjects": true})).await.is(404);
    lab.seed("1", "x");
    lab.post(&of("d/compose"), json!({"sourceObjects": sources(&["1", "2"]), "deleteSourceObjects": true})).await.is(200);
    assert!(lab.is_absent("1") && lab.is_absent("2"));
}

#[tokio::test]
async fn a_rewrite_keeps_or_replaces_metadata_and_obeys_conditions() {
    let lab = Lab::start().await;
    lab.world.ensure_bucket("other");
    let source = lab.insert_with("", json!({"name": "a", "contentType": "text/x", "metadata": {"k": "v"}}), "hello").await.json();
    let generation = source["generation"].as_str().unwrap();
    let path = of("a/rewriteTo/b/other/o/x%2Fy");
    let done = lab.post(&format!("{path}?ifGenerationMatch=0&ifSourceGenerationMatch={generation}"), Value::Null).await.is(200).json();
    assert_eq!((&done["done"], &done["totalBytesRewritten"], &done["objectSize"]), (&json!(true), &json!("5"), &json!("5")));
    let copy = &done["resource"];
    assert_eq!((&copy["name"], &copy["bucket"], &copy["md5Hash"]), (&json!("x/y"), &json!("other"), &source["md5Hash"]));
    assert_eq!((&copy["contentType"], &copy["metadata"]), (&json!("text/x"), &json!({"k": "v"})));
    lab.post(&format!("{path}?ifGenerationMatch=0"), Value::Null).await.is(412);
    lab.post(&format!("{path}?ifSourceGenerationMatch=1"), Value::Null).await.is(412);
    lab.post(&format!("{path}?sourceGeneration=1"), Value::Null).await.is(404);
    lab.post(&of("none/rewriteTo/b/other/o/x"), Value::Null).await.is(404);
    lab.post(&of("a/rewriteTo/b/none/o/x"), Value::Null).await.is(404);
    let replaced = lab.post(&path, json!({"contentType": "text/y", "storageClass": "COLDLINE"})).await.json();
    let copy = &replaced["resource"];
    assert_eq!((&copy["contentType"], copy.get("metadata"), &copy["storageClass"]), (&json!("text/y"), None, &json!("COLDLINE")));
    let copied = lab.post(&of("a/copyTo/b/other/o/z"), Value::Null).await.is(200).json();
    assert_eq!(copied["name"], "z");
}

#[tokio::test]
async fn a_rewrite_may_need_several_calls() {
    let options = GcsServerOptions { rewrite_bytes_per_call: NonZeroU64::new(4), ..GcsServerOptions::default() };
    let lab = Lab::with(options).await;
    lab.seed("a", "0123456789");
    let path = of("a/rewriteTo/b/bucket/o/b");
    let mut answers = vec![lab.post(&path, Value::Null).await.is(200).json()];
    while let Some(token) = answers.last().unwrap()["rewriteToken"].as_str().map(str::to_owned) {
        assert!(lab.is_absent("b"));
        answers.push(lab.post(&format!("{path}?rewriteToken={token}"), Value::Null).await.is(200).json());
    }
    let progress: Vec<&str> = answers.iter().map(|answer| answer["totalBytesRewritten"].as_str().unwrap()).collect();
    assert_eq!(progress, ["4", "8", "10"]);
    assert_eq!(lab.bytes("b"), "0123456789");
    let token = lab.post(&path, Value::Null).await.json()["rewriteToken"].as_str().unwrap().to_owned();
    lab.seed("a", "another one");
    lab.post(&format!("{path}?rewriteToken={token}"), Value::Null).await.is(400);
    lab.post(&format!("{path}?maxBytesRewrittenPerCall=5"), Value::Null).await.is(400);
}

#[tokio::test]
async fn a_move_is_one_conditional_step() {
    let lab = Lab::start().await;
    let generation = lab.seed("a", "hello");
    let path = of("a/moveTo/o/x%2Fy");
    lab.post(&format!("{path}?ifSourceGenerationMatch=1"), Value::Null).await.is(412);
    lab.seed("x/y", "there");
    lab.post(&format!("{path}?ifGenerationMatch=0"), Value::Null).await.is(412);
    assert_eq!((lab.bytes("a"), lab.bytes("x/y")), ("hello".into(), "there".into()));
    let moved = lab.post(&format!("{path}?ifSourceGenerationMatch={generation}"), Value::Null).await.is(200).json();
    assert_eq!((&moved["name"], lab.bytes("x/y")), (&json!("x/y"), "hello".into()));
    assert!(lab.is_absent("a"));
    lab.post(&path, Value::Null).await.is(404);
    lab.post(&of("x%2Fy/moveTo/o/x%2Fy"), Value::Null).await.is(400);
    assert_eq!(lab.bytes("x/y"), "hello");
    let hold = json!({"temporaryHold": true}).to_string();
    lab.send(Method::PATCH, &of("x%2Fy"), &[], hold).await.is(200);
    lab.post(&of("x%2Fy/moveTo/o/z"), Value::Null).await.is(403);
    let mut honours = lab.world.honours();
    honours.object_move = false;
    lab.world.set_honours(honours);
    lab.post(&of("x%2Fy/moveTo/o/z"), Value::Null).await.is(404);
}
