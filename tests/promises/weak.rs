//! p02, p13: endpoints that honour less than the real clouds, as many do. What they lack is probed, and made up for or refused.

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::{Content, Honours};

use crate::setting::{LARGE, Often, Pair, SMALL, Setting, fails_as, for_pairs};
use crate::support::BUCKET;

for_pairs! {
    p13_an_endpoint_that_ignores_conditional_deletes_is_refused_before_the_first_copy(S3ToS3, GcsToS3) = refused;
    p13_with_delete_unconditional_each_original_is_looked_at_first(S3ToS3, GcsToS3) = unconditional;
    p13_a_fresh_look_sees_a_newer_version_and_leaves_it(S3ToS3, GcsToS3) = fresh_look;
    p02_a_target_without_checksums_still_proves_every_copy(S3ToS3, S3ToGcs) = without_checksums;
    p02_a_target_without_checksums_that_stores_other_bytes_is_found_out(S3ToS3, S3ToGcs) = without_checksums_stored;
    p02_a_target_without_conditional_writes_still_proves_every_copy(S3ToS3, S3ToGcs) = without_conditional_writes;
    p02_a_source_that_lists_no_etags_is_copied_and_migrated(S3ToS3) = without_listed_etags;
    p02_a_gcs_endpoint_without_move_publishes_whole_objects(S3ToGcs) = without_move;
}

async fn refused(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.source().set_honours(Honours { conditional_delete: false, ..Honours::REAL });
    let ran = setting.run("migrate", &[]).await.expect(2);
    assert_eq!(ran.report["outcome"], "refused");
    assert!(ran.stderr.contains("--delete-unconditional"), "it says what to do: {}", ran.stderr);
    assert_eq!(ran.objects("listed"), 0);
    assert!(setting.target().keys(BUCKET).is_empty(), "nothing was copied");
    assert_eq!(setting.source().requests().counts().get(), 0, "nothing was read");
    setting.originals_are_there();
    setting.run("copy", &[]).await.expect(0);
    setting.arrived();
}

async fn unconditional(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.source().set_honours(Honours { conditional_delete: false, ..Honours::REAL });
    let ran = setting.run("migrate", &["--delete-unconditional"]).await.expect(0);
    assert!(ran.report["delete_rule"].as_str().unwrap().contains("unconditional"), "{}", ran.report);
    assert!(ran.stdout.contains("unconditional"), "the weaker rule is said: {}", ran.stdout);
    assert_eq!(ran.objects("deleted_source"), 4);
    setting.arrived();
    assert!(setting.source().keys(BUCKET).is_empty());
}

async fn fresh_look(pair: Pair) {
    let mut setting = Setting::sample(pair).await;
    setting.source().set_honours(Honours { conditional_delete: false, ..Honours::REAL });
    let content = Content::pattern(99, 70_000);
    setting.version(SMALL, &content);
    // The first look of all at this key comes right before its delete.
    setting.in_source_fault(Rule::new(&[Op::Head], Action::OverwriteBefore(content.clone())).key(SMALL).once());
    let ran = setting.run("migrate", &["--delete-unconditional"]).await.expect(1);
    setting.struck();
    fails_as(&ran, SMALL, "failed", "changed");
    assert_eq!(ran.objects("deleted_source"), 3);
    assert_eq!(setting.source().bytes(BUCKET, SMALL).unwrap(), content.body().to_bytes().unwrap());
}

/// As moto and many small servers: whatever digest is announced is believed.
const WITHOUT_CHECKSUMS: Honours = Honours { checksums: false, content_md5: false, ..Honours::REAL };

async fn without_checksums(pair: Pair) {
    for honours in [WITHOUT_CHECKSUMS, Honours { checksums: false, ..Honours::REAL }, Honours { content_md5: false, ..Honours::REAL }] {
        let setting = Setting::sample(pair).await;
        setting.target().set_honours(honours);
        let ran = setting.run("migrate", &[]).await.expect(0);
        assert_eq!(ran.report["proof"]["transport"], 0, "{}", ran.report);
        assert_eq!(ran.objects("deleted_source"), 4);
        setting.arrived();
    }
}

async fn without_checksums_stored(pair: Pair) {
    for op in [Op::Put, Op::PutPart, Op::CompleteUpload] {
        let (setting, key) = Setting::written(pair, op, Action::FlipStored { bit: 77 }, Often::Always).await;
        setting.target().set_honours(WITHOUT_CHECKSUMS);
        let ran = setting.run("migrate", &["--verify", "content"]).await.expect(1);
        setting.struck();
        fails_as(&ran, key, "failed", "corrupt");
        assert!(setting.target().peek(BUCKET, key).is_err());
        assert_eq!(ran.objects("deleted_source"), 0);
        setting.originals_are_there();
    }
}

async fn without_conditional_writes(pair: Pair) {
    let mut setting = Setting::sample(pair).await;
    setting.target().set_honours(Honours { conditional_put: false, conditional_complete: false, conditional_copy: false, ..Honours::REAL });
    setting.in_target(SMALL, "an older version");
    setting.in_target(LARGE, "an older version");
    let ran = setting.run("migrate", &[]).await.expect(0);
    assert_eq!(ran.report["proof"]["transport"], 0, "{}", ran.report);
    setting.arrived();
}

async fn without_listed_etags(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.source().set_honours(Honours { listed_etags: false, ..Honours::REAL });
    let ran = setting.run("migrate", &[]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (4, 4));
    setting.arrived();
}

async fn without_move(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.target().set_honours(Honours { object_move: false, ..Honours::REAL });
    setting.run("migrate", &[]).await.expect(0);
    setting.arrived();
}
