//! What a person reads when a command has ended.

use std::sync::Arc;

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::{Attributes, NewObject};

use crate::story::{Story, seed};
use crate::support::BUCKET;

#[tokio::test(flavor = "multi_thread")]
async fn copies() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    story.tell(&["copy", "one:data", "g:data"]).await.expect(0);
    story.chapter("again");
    story.tell(&["copy", "one:data", "g:data"]).await.expect(0);
    story.chapter("one object, under a new name");
    story.tell(&["copy", "one:data/a.txt", "./b.txt"]).await.expect(0);
    story.chapter("nothing there");
    story.tell(&["copy", "one:data/nothing", "g:data"]).await.expect(0);
    story.chapter("read back");
    story.tell(&["copy", "one:data", "two:data", "--verify", "content", "--include", "*.png"]).await.expect(0);
    story.chapter("quiet");
    story.tell(&["copy", "one:data", "two:data", "-q"]).await.expect(0);
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    story.tell(&["migrate", "one:data", "g:data"]).await.expect(0);
    story.chapter("nothing is left to migrate");
    story.tell(&["migrate", "one:data", "g:data"]).await.expect(0);
    story.chapter("what the source lacks is removed");
    story.lab.s3.world().seed(BUCKET, "img/1.png", "new").unwrap();
    story.tell(&["sync", "one:data/img", "g:data/img", "--delete"]).await.expect(0);
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn plans() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    story.lab.gcs.world().seed(BUCKET, "a.txt", "old").unwrap();
    story.lab.gcs.world().seed(BUCKET, "extra", "old").unwrap();
    story.tell(&["plan", "one:data", "g:data"]).await.expect(0);
    story.tell(&["plan", "one:data", "g:data", "--mode", "sync", "--delete"]).await.expect(0);
    story.tell(&["migrate", "one:data", "g:data", "--dry-run"]).await.expect(0);
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn checks() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    story.tell(&["copy", "one:data", "two:data", "-q"]).await.expect(0);
    story.tell(&["check", "one:data", "two:data", "--content"]).await.expect(0);
    let target = story.lab.s3_other.world();
    target.vanish(BUCKET, "a.txt");
    target.seed(BUCKET, "extra", "more").unwrap();
    target.seed(BUCKET, "img/1.png", "short").unwrap();
    target.seed(BUCKET, "img/2.png", &[7; 1_234]).unwrap();
    let typed = Arc::new(Attributes { content_type: Some("text/plain".into()), ..Attributes::default() });
    target.seed_object(BUCKET, "empty", NewObject { attributes: typed, ..NewObject::default() }).unwrap();
    story.tell(&["check", "one:data", "two:data"]).await.expect(1);
    story.chapter("without what the copy left known");
    story.tell(&["check", "one:data", "two:data", "--fresh", "--include", "large.bin"]).await.expect(1);
    story.tell(&["check", "one:data", "two:data", "--one-way", "--metadata", "none", "--include", "e*"]).await.expect(0);
    story.lab.s3_other.world().flip_stored_bit(BUCKET, "large.bin", 77).unwrap();
    story.tell(&["check", "one:data", "two:data", "--content", "--include", "large.bin"]).await.expect(1);
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_differences_are_cut_with_a_count() {
    let mut story = Story::begin().await;
    let keys = |from: u32, to: u32| (from..to).map(|number| format!("k{number:02}"));
    story.lab.s3.world().populate(BUCKET, keys(0, 15), &NewObject::of("same".into())).unwrap();
    story.lab.s3_other.world().populate(BUCKET, keys(10, 40), &NewObject::of("same".into())).unwrap();
    story.tell(&["check", "one:data", "two:data"]).await.expect(1);
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn some_objects_fail() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    story.lab.s3.world().seed(BUCKET, "line\nfeed", "x").unwrap();
    story.lab.s3.world().faults().add(Rule::new(&[Op::Get], Action::ACCESS_DENIED).key("img/1.png"));
    story.tell(&["migrate", "one:data", "g:data"]).await.expect(1);
    assert_eq!(story.lab.s3.world().keys(BUCKET).len(), 6, "a run with a failure deletes nothing");
    insta::assert_snapshot!(story.text());
}
