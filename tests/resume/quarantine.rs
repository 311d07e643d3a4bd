//! p04, p09: an object that failed is tried before anything is listed, and stays a failure until it is proven: neither size nor time
//! excuses it.

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::Content;

use crate::guards::deletes;
use crate::setting::{Pair, SMALL, Setting, fails_as, for_pairs};
use crate::support::BUCKET;

for_pairs! {
    p04_an_object_that_failed_is_tried_before_the_listing(S3ToS3, S3ToGcs) = tried_first;
    p04_an_object_that_failed_stays_a_failure_until_it_is_proven(S3ToS3, S3ToGcs) = stays_a_failure;
    p04_an_object_that_failed_is_not_kept_by_size_and_time(GcsToS3) = not_by_size_and_time;
}

/// The first run fails at one read; calls are logged from the next run on.
async fn failed_once(pair: Pair) -> Setting {
    let setting = Setting::sample(pair).await;
    setting.in_source_fault(Rule::new(&[Op::Get], Action::ACCESS_DENIED).key(SMALL));
    let ran = setting.run("copy", &[]).await.expect(1);
    setting.struck();
    fails_as(&ran, SMALL, "failed", "denied");
    setting.source().requests().reset();
    setting.source().requests().start_log();
    setting
}

async fn tried_first(pair: Pair) {
    let setting = failed_once(pair).await;
    setting.source().faults().clear();
    let ran = setting.run("copy", &[]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("kept"), ran.objects("listed")), (1, 3, 4));
    let log = setting.source().requests().log();
    let read = log.iter().position(|call| call.op == Op::Get && call.key == SMALL.as_bytes()).unwrap();
    let lists: Vec<usize> = log.iter().enumerate().filter(|(_, call)| call.op == Op::List).map(|(at, _)| at).collect();
    // The first page only finds out whether the source can be reached.
    let [.., listing] = lists[..] else { panic!("{log:?}") };
    assert!(lists.len() >= 2 && read < listing, "read as call {read}, listed as calls {lists:?}");
    setting.arrived();
    let again = setting.run("migrate", &[]).await.expect(0);
    assert_eq!((again.objects("kept"), again.objects("deleted_source")), (4, 4));
}

async fn stays_a_failure(pair: Pair) {
    let setting = failed_once(pair).await;
    for _ in 0..2 {
        let ran = setting.run("migrate", &[]).await.expect(1);
        fails_as(&ran, SMALL, "failed", "denied");
        assert_eq!((ran.objects("deleted_source"), deletes(setting.source())), (0, 0));
        setting.originals_are_there();
    }
    setting.source().faults().clear();
    setting.run("migrate", &[]).await.expect(0);
    setting.arrived();
}

/// Somebody puts an object of the same size there, newer than the original and with no digest in common.
async fn not_by_size_and_time(pair: Pair) {
    let mut setting = Setting::empty(pair).await;
    setting.original(SMALL, Content::pattern(1, 70_000));
    setting.original("good.bin", Content::pattern(3, 70_000));
    for key in [SMALL, "good.bin"] {
        setting.lab.world_time(setting.source(), key, "2026-01-02T03:04:05Z");
    }
    setting.in_source_fault(Rule::new(&[Op::Get], Action::ACCESS_DENIED).key(SMALL));
    setting.run("copy", &[]).await.expect(1);
    setting.struck();
    setting.in_target(SMALL, Content::pattern(2, 70_000));
    setting.in_target("good.bin", Content::pattern(4, 70_000));
    setting.source().faults().clear();
    let ran = setting.run("copy", &["--compare", "modified"]).await.expect(0);
    // The one that did not fail is kept so, whatever its bytes are: that is what this way of comparing means.
    assert_eq!((ran.objects("copied"), ran.objects("kept")), (1, 1), "{}", ran.report);
    assert_eq!(setting.target().bytes(BUCKET, SMALL).unwrap(), setting.source().bytes(BUCKET, SMALL).unwrap());
}
