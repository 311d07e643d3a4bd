//! p03: a listing that fails makes the keyspace unknown, and what is unknown is never deleted.

use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::world::{Content, Limits, World};

use crate::setting::{Pair, Setting, for_pairs};
use crate::support::{BUCKET, Ran};

/// Objects of the source: four pages.
const COUNT: u64 = 35;

for_pairs! {
    p03_a_source_listing_that_fails_on_page_three_deletes_nothing(S3ToS3, S3ToGcs, GcsToS3) = source_listing;
    p03_a_target_listing_that_fails_on_page_three_deletes_nothing(S3ToS3, S3ToGcs) = target_listing;
    p03_a_listing_that_fails_keeps_every_original(S3ToS3, GcsToS3) = migrate;
    p03_pages_that_fail_once_are_asked_for_again(S3ToS3, S3ToGcs, GcsToS3) = failing_once;
}

/// Ways in which a page can fail for ever.
fn failures() -> Vec<Action> {
    vec![Action::INTERNAL_ERROR, Action::ACCESS_DENIED, Action::ResetBefore, Action::Truncate { after_bytes: 300 }]
}

fn small_pages(world: &World) {
    world.set_limits(Limits { page_items_max: 10, ..world.limits() });
}

/// The target lacks some objects, has most, and has five that the source lacks.
async fn setting(pair: Pair) -> Setting {
    let mut setting = Setting::many(pair, COUNT).await;
    for number in 5..COUNT {
        setting.in_target(&format!("k{number:03}.bin"), Content::pattern(number, 100 + number));
    }
    for number in 0..5 {
        setting.in_target(&format!("k{number:03}.extra"), "only in the target");
    }
    small_pages(setting.source());
    small_pages(setting.target());
    setting
}

/// The third page of the listing: one request before them all is the probe's.
fn page_three(action: Action) -> Rule {
    Rule::new(&[Op::List], action).when(Occurrence::From(4))
}

fn nothing_was_deleted(setting: &Setting, ran: &Ran) {
    setting.struck();
    assert_eq!((ran.objects("deleted_source"), ran.objects("deleted_target")), (0, 0));
    assert_eq!(ran.report["outcome"], "failed", "{}", ran.report);
    assert!(ran.report["reason"].as_str().unwrap().contains("cannot list"), "{}", ran.report);
    assert!(ran.stderr.contains("cannot list"), "{}", ran.stderr);
    for number in 0..5 {
        assert!(setting.target().peek(BUCKET, format!("k{number:03}.extra")).is_ok());
    }
    setting.originals_are_there_but_extras();
}

impl Setting {
    /// Every original is in the source; what only the target has is no original.
    fn originals_are_there_but_extras(&self) {
        let keys = self.source().keys(BUCKET);
        assert_eq!(u64::try_from(keys.len()).unwrap(), COUNT);
    }
}

async fn source_listing(pair: Pair) {
    for action in failures() {
        let setting = setting(pair).await;
        setting.in_source_fault(page_three(action));
        let ran = setting.run("sync", &["--delete", "--attempts", "2"]).await.expect(2);
        nothing_was_deleted(&setting, &ran);
    }
}

async fn target_listing(pair: Pair) {
    for action in failures() {
        let setting = setting(pair).await;
        setting.in_target_fault(page_three(action));
        let ran = setting.run("sync", &["--delete", "--attempts", "2"]).await.expect(2);
        nothing_was_deleted(&setting, &ran);
    }
}

async fn migrate(pair: Pair) {
    for side in ["source", "target"] {
        let setting = setting(pair).await;
        match side {
            "source" => setting.in_source_fault(page_three(Action::INTERNAL_ERROR)),
            _ => setting.in_target_fault(page_three(Action::INTERNAL_ERROR)),
        }
        let ran = setting.run("migrate", &["--attempts", "2"]).await.expect(2);
        nothing_was_deleted(&setting, &ran);
    }
}

async fn failing_once(pair: Pair) {
    for action in failures() {
        if matches!(action, Action::Status { code: "AccessDenied", .. }) {
            continue;
        }
        let mut setting = setting(pair).await;
        for world in [setting.source(), setting.target()] {
            world.faults().add(Rule::new(&[Op::List], action.clone()).when(Occurrence::Nth(3)));
        }
        for number in 0..5 {
            setting.lost(&format!("k{number:03}.extra"));
        }
        let ran = setting.run("sync", &["--delete"]).await.expect(0);
        setting.struck();
        assert_eq!((ran.objects("copied"), ran.objects("kept"), ran.objects("deleted_target")), (5, 30, 5));
        setting.arrived();
    }
}
