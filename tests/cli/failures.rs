//! What can only be known by asking: buckets, credentials, rights, endpoints, and what the guards say.

use std::net::TcpListener;

use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::world::{Honours, NewObject};

use crate::story::{Story, seed};
use crate::support::BUCKET;

#[tokio::test(flavor = "multi_thread")]
async fn buckets_and_directories() {
    let mut story = Story::begin().await;
    for arguments in [
        &["copy", "one:nowhere", "g:data"][..],
        &["copy", "one:data", "two:nowhere"],
        &["sync", "one:data", "g:nowhere"],
        &["migrate", "./nowhere", "g:data"],
        &["check", "g:data", "disk:nowhere"],
        &["ls", "one:nowhere"],
        &["ls", "g:nowhere"],
        &["ls", "./nowhere"],
        &["cleanup", "one:nowhere"],
    ] {
        assert_eq!(story.tell(arguments).await.code, 2, "{arguments:?}");
    }
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_and_rights() {
    let mut story = Story::begin().await;
    story.chapter("a wrong secret");
    story
        .tell_with(&["copy", "one:data", "g:data"], |command| {
            command.env("LAB_AWS_SECRET_ACCESS_KEY", "wrong");
        })
        .await
        .expect(2);
    story.chapter("an unknown access key");
    story
        .tell_with(&["ls", "one:data"], |command| {
            command.env("LAB_AWS_ACCESS_KEY_ID", "NOBODY");
        })
        .await
        .expect(2);
    story.chapter("no credentials");
    story
        .tell_with(&["ls", "one:data"], |command| {
            command.env_remove("LAB_AWS_ACCESS_KEY_ID");
        })
        .await
        .expect(2);
    let url = story.lab.s3.url();
    story.tell(&["ls", "s3://data", "--endpoint-url", &url]).await.expect(2);
    story.chapter("anonymous where that is not allowed");
    story.tell(&["ls", "one:data", "--anonymous"]).await.expect(2);
    story.chapter("denied");
    story.lab.s3.world().faults().add(Rule::new(&[Op::List], Action::ACCESS_DENIED));
    story.tell(&["copy", "one:data", "g:data"]).await.expect(2);
    story.lab.gcs.world().faults().add(Rule::new(&[], Action::Status { status: 403, code: "forbidden", retry_after_seconds: None }));
    story.tell(&["copy", "two:data", "g:data"]).await.expect(2);
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints() {
    let mut story = Story::begin().await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    let url = format!("http://{address}");
    story.tell(&["ls", "one:data", "--attempts", "2", "--endpoint-url", &url]).await.expect(2);
    story.tell(&["copy", "one:data", "g:data", "--attempts", "2", "--target-endpoint-url", &url]).await.expect(2);
    story.tell(&["ls", "one:data", "--attempts", "1", "--endpoint-url", "http://no-such-host.invalid"]).await.expect(2);
    insta::assert_snapshot!(story.text().replace(&address, "CLOSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_that_cannot_be_safe() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    story.lab.s3.world().set_honours(Honours { conditional_delete: false, ..Honours::REAL });
    story.tell(&["migrate", "one:data", "g:data"]).await.expect(2);
    assert!(story.lab.gcs.world().keys(BUCKET).is_empty(), "refused before anything was copied");
    story.tell(&["migrate", "one:data", "g:data", "--delete-unconditional"]).await.expect(0);
    assert!(story.lab.s3.world().keys(BUCKET).is_empty());
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn guards() {
    let mut story = Story::begin().await;
    let keys = |count: u32| (0..count).map(|number| format!("k{number}"));
    story.lab.s3.world().populate(BUCKET, keys(4), &NewObject::of("same".into())).unwrap();
    story.lab.gcs.world().populate(BUCKET, keys(10), &NewObject::of("same".into())).unwrap();
    story.tell(&["sync", "one:data", "g:data", "--delete"]).await.expect(2);
    story.tell(&["sync", "one:data", "g:data", "--delete", "--max-delete-percent", "90", "--max-delete", "5"]).await.expect(2);
    story.tell(&["sync", "two:data", "g:data", "--delete", "--max-delete-percent", "100"]).await.expect(2);
    story.tell(&["migrate", "one:data", "g:data", "--max-delete", "3"]).await.expect(2);
    assert_eq!((story.lab.s3.world().keys(BUCKET).len(), story.lab.gcs.world().keys(BUCKET).len()), (4, 10), "nothing was deleted");
    story.tell(&["sync", "one:data", "g:data", "--delete", "--max-delete-percent", "60"]).await.expect(0);
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_fails_and_too_many_errors() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    story.lab.s3.world().faults().add(Rule::new(&[Op::Get], Action::ACCESS_DENIED));
    story.tell(&["copy", "one:data", "g:data", "--max-errors", "0", "--include", "a.txt"]).await.expect(2);
    story.lab.s3.world().faults().clear();
    // The probe's own page comes; the listing's do not.
    story.lab.s3_other.world().faults().add(Rule::new(&[Op::List], Action::SLOW_DOWN).when(Occurrence::From(2)));
    story.tell(&["sync", "two:data", "g:data", "--delete", "--attempts", "2"]).await.expect(2);
    // How many requests the other side had made when the run stopped is chance.
    let steady: Vec<String> = story.text().lines().filter(|line| !line.starts_with("  requests: ")).map(ToOwned::to_owned).collect();
    insta::assert_snapshot!(steady.join("\n"));
}
