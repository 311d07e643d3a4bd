//! `ls`, `doctor` and `cleanup`.

use brigade_lab::world::{Honours, NewUpload, World};

use crate::story::{Story, seed};
use crate::support::BUCKET;

#[tokio::test(flavor = "multi_thread")]
async fn ls() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    seed(story.lab.gcs.world());
    story.lab.s3.world().seed(BUCKET, "line\nfeed", "x").unwrap();
    story.lab.world_time(story.lab.s3.world(), "line\nfeed", "2026-01-02T03:04:05Z");
    story.tell(&["ls", "one:data"]).await.expect(0);
    story.tell(&["ls", "one:data/img", "--exclude", "2*"]).await.expect(0);
    story.tell(&["ls", "one:data/img/", "--min-size", "10k"]).await.expect(0);
    story.tell(&["ls", "one:data/nothing"]).await.expect(0);
    let lines = story.tell(&["ls", "one:data", "--json"]).await.expect(0).stdout;
    for line in lines.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object["key"].is_string() && object["size"].is_u64(), "{line}");
    }
    story.tell(&["ls", "g:data", "--json"]).await.expect(0);
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor() {
    let mut story = Story::begin().await;
    std::fs::create_dir(story.lab.path("here")).unwrap();
    story.tell(&["doctor", "one:data", "g:data", "./here"]).await.expect(0);
    story.tell(&["doctor", "one:data", "--read-only"]).await.expect(0);
    story.tell(&["doctor", "one:nowhere"]).await.expect(2);
    let poor =
        Honours { conditional_put: false, conditional_complete: false, conditional_delete: false, checksums: false, ..Honours::REAL };
    story.lab.s3_other.world().set_honours(poor);
    story.tell(&["doctor", "two:data"]).await.expect(0);
    story.tell(&["doctor", "g:data", "one:nowhere", "--json"]).await.expect(2);
    insta::assert_snapshot!(story.text());
    assert!(story.lab.s3.world().keys(BUCKET).is_empty() && story.lab.gcs.world().keys(BUCKET).is_empty(), "probes leave nothing");
}

fn unfinished(world: &World) {
    world.create_upload(BUCKET, b"big/one.bin", NewUpload::default()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cleanup() {
    let mut story = Story::begin().await;
    unfinished(story.lab.s3.world());
    story.tell(&["cleanup", "one:data"]).await.expect(0);
    assert_eq!(story.lab.s3.world().uploads_under_way(BUCKET), 1, "what was begun lately may be another run's");
    story.tell(&["cleanup", "one:data", "--older-than", "0s", "--dry-run"]).await.expect(0);
    assert_eq!(story.lab.s3.world().uploads_under_way(BUCKET), 1);
    story.tell(&["cleanup", "one:data", "--older-than", "0s"]).await.expect(0);
    assert_eq!(story.lab.s3.world().uploads_under_way(BUCKET), 0);
    story.tell(&["cleanup", "one:data", "--older-than", "0s"]).await.expect(0);
    insta::assert_snapshot!(story.text());
}
