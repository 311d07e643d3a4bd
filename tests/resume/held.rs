//! p03: originals that a store does not let go (legal hold, retention, holds of GCS) are skipped with the reason, and a bucket with
//! versions keeps the older ones.

use brigade_lab::world::{Content, Holds, ListQuery, NewObject, Versioning};
use jiff::Timestamp;

use crate::setting::{Pair, Setting, for_pairs, only_failure};
use crate::support::BUCKET;

for_pairs! {
    p03_originals_under_hold_or_retention_are_skipped_as_locked(S3ToS3, S3ToGcs, GcsToS3) = locked;
    p03_an_original_that_is_released_goes_with_the_next_run(S3ToS3, GcsToS3) = released;
    p03_a_bucket_with_versions_keeps_the_older_ones(S3ToS3, S3ToGcs) = versioned;
}

/// Every kind of hold that the source's cloud has.
fn holds(pair: Pair) -> Vec<Holds> {
    let retained = Holds { retain_until: Some(Timestamp::now() + jiff::SignedDuration::from_hours(24)), ..Holds::default() };
    match pair {
        Pair::GcsToS3 => vec![Holds { temporary: true, ..Holds::default() }, Holds { event_based: true, ..Holds::default() }, retained],
        _ => vec![Holds { legal: true, ..Holds::default() }, retained],
    }
}

fn held(setting: &mut Setting, key: &str, holds: Holds) {
    let content = Content::pattern(7, 300);
    setting.version(key, &content);
    setting.source().seed_object(BUCKET, key, NewObject { holds, ..NewObject::of(content) }).unwrap();
}

async fn locked(pair: Pair) {
    let mut setting = Setting::many(pair, 20).await;
    let kinds = holds(pair);
    for (number, holds) in kinds.iter().enumerate() {
        held(&mut setting, &format!("held{number}.bin"), *holds);
    }
    let count = u64::try_from(kinds.len()).unwrap();
    // Given again, it says so again; what could go is gone.
    for deleted in [20, 0] {
        let ran = setting.run("migrate", &[]).await.expect(1);
        assert_eq!((ran.report["outcome"].as_str(), ran.objects("deleted_source")), (Some("partial"), deleted), "{}", ran.report);
        let failures = ran.report["failures"].as_array().unwrap();
        assert_eq!(failures.len(), kinds.len(), "{}", ran.report);
        for failure in failures {
            assert_eq!((&failure["kind"], &failure["status"]), (&"locked".into(), &"skipped".into()), "{failure}");
            assert!(failure["message"].as_str().unwrap().starts_with("it is locked, and was left in the source"), "{failure}");
            assert_eq!(failure["hint"], "wait until the retention ends or release the hold");
        }
        assert_eq!(u64::try_from(setting.source().keys(BUCKET).len()).unwrap(), count);
        setting.arrived();
    }
}

async fn released(pair: Pair) {
    let mut setting = Setting::many(pair, 20).await;
    held(&mut setting, "held.bin", holds(pair)[0]);
    let ran = setting.run("migrate", &[]).await.expect(1);
    assert_eq!(only_failure(&ran).2, "locked");
    let which = brigade_lab::world::Which::Current;
    let free = |object: &mut brigade_lab::world::Object| object.holds = Holds::default();
    setting.source().update(BUCKET, b"held.bin", which, &brigade_lab::world::Conditions::NONE, free).unwrap();
    let ran = setting.run("migrate", &[]).await.expect(0);
    assert_eq!(ran.objects("deleted_source"), 1);
    setting.arrived();
}

async fn versioned(pair: Pair) {
    let mut setting = Setting::empty(pair).await;
    setting.source().set_versioning(BUCKET, Versioning::Enabled).unwrap();
    for number in 0..20 {
        setting.original(&format!("k{number:03}.bin"), "an older version");
        setting.original(&format!("k{number:03}.bin"), Content::pattern(number, 100));
    }
    let ran = setting.run("migrate", &[]).await.expect(0);
    assert_eq!(ran.objects("deleted_source"), 20);
    assert!(setting.source().keys(BUCKET).is_empty(), "none is live");
    let query = ListQuery { max: 1_000, ..ListQuery::default() };
    let versions = setting.source().list_versions(BUCKET, &query, None).unwrap().versions.len();
    assert_eq!(versions, 60, "two versions and a marker of each: nothing was destroyed");
    setting.arrived();
}
