//! p07, p13: originals that change or vanish while the engine works. Versions never mix, and a newer one is never deleted.

use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::world::{Attributes, Content, Holds, Honours, NewObject};

use crate::setting::{LARGE, LARGE_BYTES, Pair, SMALL, Setting, fails_as, for_pairs};
use crate::support::BUCKET;

for_pairs! {
    p07_an_original_overwritten_before_it_is_read_arrives_in_its_new_version(S3ToS3, S3ToGcs, GcsToS3) = overwritten_once;
    p07_an_original_overwritten_between_two_parts_is_never_a_mix(S3ToS3, S3ToGcs, GcsToS3) = overwritten_between_parts;
    p07_an_original_that_changes_at_every_look_is_reported(S3ToS3, GcsToS3) = overwritten_always;
    p07_an_original_of_another_size_is_planned_anew(S3ToS3, S3ToGcs, GcsToS3) = grown;
    p07_a_server_that_ignores_the_pin_is_noticed(S3ToS3, S3ToGcs, GcsToS3) = pin_ignored;
    p07_a_server_that_ignores_the_range_is_noticed(S3ToS3, S3ToGcs, GcsToS3) = range_ignored;
    p07_one_ignored_range_does_not_become_a_copy(S3ToS3, GcsToS3) = range_ignored_once;
    p13_an_original_overwritten_after_it_was_copied_survives(S3ToS3, S3ToGcs, GcsToS3) = overwritten_after_copy;
    p13_an_original_overwritten_right_before_its_delete_survives(S3ToS3, S3ToGcs, GcsToS3) = overwritten_before_delete;
    p13_an_original_overwritten_after_it_was_kept_survives(S3ToS3, GcsToS3) = overwritten_after_kept;
    p13_what_was_kept_without_a_proof_is_not_deleted(S3ToS3, GcsToS3) = kept_without_proof;
    p13_an_excluded_original_is_not_deleted(S3ToS3) = excluded;
    p03_an_original_that_vanished_is_reported_and_keeps_the_others(S3ToS3, S3ToGcs, GcsToS3) = vanished;
    p03_a_held_original_is_reported_as_locked_and_survives(S3ToS3, GcsToS3) = held;
    p09_an_archived_original_is_skipped_with_the_reason(S3ToS3, S3ToGcs) = archived;
}

/// A newer version: other bytes, the same size or another.
fn newer(size: u64) -> Content {
    Content::pattern(99, size)
}

fn size_of(key: &str) -> u64 {
    if key == LARGE { LARGE_BYTES } else { 70_000 }
}

async fn overwritten_once(pair: Pair) {
    for key in [SMALL, LARGE] {
        let mut setting = Setting::sample(pair).await;
        let content = newer(size_of(key));
        setting.version(key, &content);
        setting.in_source_fault(Rule::new(&[Op::Get], Action::OverwriteBefore(content)).key(key).once());
        let ran = setting.run("migrate", &[]).await.expect(0);
        setting.struck();
        assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (4, 4));
        setting.arrived();
    }
}

async fn overwritten_between_parts(pair: Pair) {
    for part in [2, 3] {
        let mut setting = Setting::sample(pair).await;
        let content = newer(LARGE_BYTES);
        setting.version(LARGE, &content);
        setting.in_source_fault(Rule::new(&[Op::Get], Action::OverwriteBefore(content)).key(LARGE).when(Occurrence::Nth(part)));
        setting.run("migrate", &[]).await.expect(0);
        setting.struck();
        setting.arrived();
    }
}

async fn overwritten_always(pair: Pair) {
    for key in [SMALL, LARGE] {
        let mut setting = Setting::sample(pair).await;
        for seed in [50, 51] {
            let content = Content::pattern(seed, size_of(key));
            setting.version(key, &content);
            let at = Occurrence::Nth(seed - 49);
            setting.in_source_fault(Rule::new(&[Op::Get], Action::OverwriteBefore(content)).key(key).when(at));
        }
        // Of a large original further parts are read at once: each finds the same second version.
        let content = Content::pattern(52, size_of(key));
        setting.version(key, &content);
        setting.in_source_fault(Rule::new(&[Op::Get], Action::OverwriteBefore(content)).key(key).when(Occurrence::From(3)));
        let ran = setting.run("migrate", &[]).await.expect(1);
        setting.struck();
        fails_as(&ran, key, "failed", "changed");
        assert_eq!(ran.objects("deleted_source"), 0);
        assert!(setting.target().peek(BUCKET, key).is_err(), "no version was read whole");
        setting.originals_are_there();
    }
}

async fn grown(pair: Pair) {
    for (key, size) in [(SMALL, LARGE_BYTES), (LARGE, 5), (LARGE, LARGE_BYTES + 1), (SMALL, 0)] {
        let mut setting = Setting::sample(pair).await;
        let content = newer(size);
        setting.version(key, &content);
        setting.in_source_fault(Rule::new(&[Op::Get], Action::OverwriteBefore(content)).key(key).once());
        setting.run("migrate", &[]).await.expect(0);
        setting.struck();
        setting.arrived();
    }
}

async fn pin_ignored(pair: Pair) {
    for (key, part) in [(SMALL, 1), (LARGE, 2)] {
        let mut setting = Setting::sample(pair).await;
        setting.source().set_honours(Honours { conditional_get: false, ..Honours::REAL });
        let content = newer(size_of(key));
        setting.version(key, &content);
        setting.in_source_fault(Rule::new(&[Op::Get], Action::OverwriteBefore(content)).key(key).when(Occurrence::Nth(part)));
        setting.run("copy", &[]).await.expect(0);
        setting.struck();
        setting.arrived();
    }
}

async fn range_ignored(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.source().set_honours(Honours { range: false, ..Honours::REAL });
    let ran = setting.run("migrate", &[]).await.expect(1);
    fails_as(&ran, LARGE, "failed", "protocol");
    assert!(setting.target().peek(BUCKET, LARGE).is_err());
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (3, 0));
    setting.originals_are_there();
}

async fn range_ignored_once(pair: Pair) {
    for part in [1, 3] {
        let setting = Setting::sample(pair).await;
        setting.in_source_fault(Rule::new(&[Op::Get], Action::IgnoreRange).key(LARGE).when(Occurrence::Nth(part)));
        let ran = setting.run("copy", &[]).await.expect(1);
        setting.struck();
        fails_as(&ran, LARGE, "failed", "protocol");
        assert!(setting.target().peek(BUCKET, LARGE).is_err());
    }
}

/// The newer version of `key` is in the source, the other originals are gone, and the report says which is which.
fn newer_survived(setting: &Setting, ran: &crate::support::Ran, key: &str, content: &Content) {
    fails_as(ran, key, "failed", "changed");
    assert_eq!(ran.objects("deleted_source"), 3, "{}", ran.report);
    assert_eq!(setting.source().keys(BUCKET), [key.as_bytes().to_vec()]);
    assert_eq!(setting.source().bytes(BUCKET, key).unwrap(), content.body().to_bytes().unwrap(), "the newer version is there");
}

async fn overwritten_after_copy(pair: Pair) {
    for key in [SMALL, LARGE] {
        let mut setting = Setting::sample(pair).await;
        let content = newer(size_of(key));
        setting.version(key, &content);
        // The last read of it: an answer that was prepared before the overwrite is still of the old version.
        let last = if key == LARGE { 3 } else { 1 };
        setting.in_source_fault(Rule::new(&[Op::Get], Action::OverwriteAfter(content.clone())).key(key).when(Occurrence::Nth(last)));
        let ran = setting.run("migrate", &[]).await;
        setting.struck();
        if ran.code == 0 {
            // Another part was still to be read and showed the change: the newer version was copied whole.
            assert_eq!(key, LARGE);
            setting.arrived();
            continue;
        }
        newer_survived(&setting, &ran.expect(1), key, &content);
        // The next run copies the newer version and then deletes it.
        setting.source().faults().clear();
        setting.run("migrate", &[]).await.expect(0);
        setting.arrived();
        assert!(setting.source().keys(BUCKET).is_empty());
    }
}

async fn overwritten_before_delete(pair: Pair) {
    for key in [SMALL, LARGE] {
        let mut setting = Setting::sample(pair).await;
        let content = newer(size_of(key) + 1);
        setting.version(key, &content);
        setting.in_source_fault(Rule::new(&[Op::DeleteEntry, Op::Delete], Action::OverwriteBefore(content.clone())).key(key).once());
        let ran = setting.run("migrate", &[]).await.expect(1);
        setting.struck();
        newer_survived(&setting, &ran, key, &content);
    }
}

/// An original that the target already had is deleted by the version that was compared, too.
async fn overwritten_after_kept(pair: Pair) {
    let mut setting = Setting::sample(pair).await;
    setting.run("copy", &[]).await.expect(0);
    let content = newer(70_000);
    setting.version(SMALL, &content);
    setting.in_source_fault(Rule::new(&[Op::DeleteEntry, Op::Delete], Action::OverwriteBefore(content.clone())).key(SMALL).once());
    let ran = setting.run("migrate", &[]).await.expect(1);
    setting.struck();
    assert!(ran.objects("kept") >= 3, "{}", ran.report);
    newer_survived(&setting, &ran, SMALL, &content);
}

/// The same size, other bytes: whoever compares by less than a digest proves nothing, and loses nothing.
async fn kept_without_proof(pair: Pair) {
    for more in [&["--compare", "size"][..], &["--ignore-existing"]] {
        let mut setting = Setting::sample(pair).await;
        setting.in_target(SMALL, Content::pattern(77, 70_000));
        let ran = setting.run("migrate", more).await.expect(1);
        assert_eq!((ran.objects("copied"), ran.objects("skipped"), ran.objects("deleted_source")), (3, 1, 3), "{}", ran.report);
        fails_as(&ran, SMALL, "skipped", "unproven");
        assert_eq!(setting.source().keys(BUCKET), [SMALL.as_bytes().to_vec()], "the only copy of its bytes");
    }
}

async fn excluded(pair: Pair) {
    let setting = Setting::sample(pair).await;
    let ran = setting.run("migrate", &["--exclude", "b/**", "--min-size", "500B"]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (2, 2), "{}", ran.report);
    assert_eq!(setting.source().keys(BUCKET), [b"a/empty.bin".to_vec(), SMALL.as_bytes().to_vec()]);
}

async fn vanished(pair: Pair) {
    for (key, part) in [(SMALL, 1), (LARGE, 1), (LARGE, 2)] {
        let mut setting = Setting::sample(pair).await;
        setting.lost(key);
        setting.in_source_fault(Rule::new(&[Op::Get], Action::Vanish).key(key).when(Occurrence::Nth(part)));
        let ran = setting.run("migrate", &[]).await.expect(1);
        setting.struck();
        fails_as(&ran, key, "failed", "vanished");
        assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (3, 0));
        assert!(setting.target().peek(BUCKET, key).is_err());
        setting.originals_are_there();
    }
}

async fn held(pair: Pair) {
    let mut setting = Setting::sample(pair).await;
    let holds = match pair {
        Pair::GcsToS3 => Holds { temporary: true, ..Holds::default() },
        _ => Holds { legal: true, ..Holds::default() },
    };
    let content = Content::pattern(7, 300);
    setting.version("held.bin", &content);
    setting.source().seed_object(BUCKET, "held.bin", NewObject { holds, ..NewObject::of(content) }).unwrap();
    let ran = setting.run("migrate", &[]).await.expect(1);
    fails_as(&ran, "held.bin", "skipped", "locked");
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (5, 4), "{}", ran.report);
    assert_eq!(setting.source().keys(BUCKET), [b"held.bin".to_vec()]);
    setting.arrived();
}

async fn archived(pair: Pair) {
    let mut setting = Setting::sample(pair).await;
    let content = Content::pattern(7, 300);
    setting.version("cold.bin", &content);
    setting.lost("cold.bin");
    let attributes = Attributes { storage_class: Some("GLACIER".into()), ..Attributes::default() };
    setting.source().seed_object(BUCKET, "cold.bin", NewObject { attributes: attributes.into(), ..NewObject::of(content) }).unwrap();
    let ran = setting.run("migrate", &[]).await.expect(1);
    fails_as(&ran, "cold.bin", "skipped", "archived");
    assert_eq!((ran.objects("copied"), ran.objects("skipped")), (4, 1));
    assert!(setting.source().peek(BUCKET, "cold.bin").is_ok(), "what was not copied is not deleted");
    setting.arrived();
}
