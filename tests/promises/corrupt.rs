//! p02: what is corrupted on the way or in the target never counts as a copy, and is not left visible.

use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::world::Content;

use crate::setting::{LARGE, MIB, Often, Pair, SAMPLE, SMALL, Setting, fails_as, for_pairs};
use crate::support::BUCKET;

for_pairs! {
    p02_a_bit_flipped_once_on_the_way_is_fetched_again(S3ToS3, S3ToGcs, GcsToS3) = flipped_once;
    p02_a_source_whose_bytes_never_match_is_not_copied(S3ToS3, S3ToGcs, GcsToS3) = flipped_always;
    p02_a_bit_flipped_once_in_what_the_target_stored_is_written_again(S3ToS3, S3ToGcs, GcsToS3) = stored_once;
    p02_a_target_that_stores_other_bytes_keeps_none_of_them(S3ToS3, S3ToGcs) = stored_always;
    p02_a_wrong_copy_of_a_newer_version_is_written_again(S3ToS3, S3ToGcs, GcsToS3) = replaced_wrongly;
    p02_what_somebody_else_wrote_meanwhile_is_not_overwritten(S3ToS3, S3ToGcs) = somebody_else;
    p02_a_truncated_body_is_fetched_again(S3ToS3, S3ToGcs, GcsToS3) = truncated_once;
    p02_a_body_that_always_ends_early_is_not_copied(S3ToS3, S3ToGcs) = truncated_always;
}

async fn flipped_once(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_source_fault(Rule::new(&[Op::Get], Action::FlipBit { bit: 12_345 }).key(SMALL).once());
    setting.in_source_fault(Rule::new(&[Op::Get], Action::FlipBit { bit: 999_999 }).key(LARGE).when(Occurrence::Nth(2)));
    let ran = setting.run("copy", &[]).await.expect(0);
    assert_eq!(setting.source().faults().struck().len(), 2);
    assert_eq!((ran.objects("copied"), ran.objects("failed")), (4, 0));
    setting.arrived();
}

async fn flipped_always(pair: Pair) {
    for (key, bit) in [(SMALL, 7), (LARGE, 8 * 6 * MIB)] {
        let setting = Setting::sample(pair).await;
        setting.in_source_fault(Rule::new(&[Op::Get], Action::FlipBit { bit }).key(key));
        let ran = setting.run("migrate", &[]).await.expect(1);
        setting.struck();
        fails_as(&ran, key, "failed", "corrupt");
        assert!(setting.target().peek(BUCKET, key).is_err(), "what does not match its source is not visible");
        assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (3, 0), "one failed, so no original goes");
        setting.originals_are_there();
    }
}

/// A store that spoils what it keeps, after it has checked and digested it, is only seen by reading.
async fn stored_once(pair: Pair) {
    for op in [Op::Put, Op::PutPart, Op::CompleteUpload] {
        let (setting, _) = Setting::written(pair, op, Action::FlipStored { bit: 77 }, Often::Once).await;
        let ran = setting.run("copy", &["--verify", "content"]).await.expect(0);
        setting.struck();
        assert_eq!(ran.report["proof"]["content"], ran.report["objects"]["copied"], "{}", ran.report);
        setting.arrived();
    }
}

async fn stored_always(pair: Pair) {
    for op in [Op::Put, Op::PutPart, Op::CompleteUpload] {
        let (setting, key) = Setting::written(pair, op, Action::FlipStored { bit: 77 }, Often::Always).await;
        let ran = setting.run("migrate", &["--verify", "content"]).await.expect(1);
        setting.struck();
        fails_as(&ran, key, "failed", "corrupt");
        assert!(setting.target().peek(BUCKET, key).is_err(), "a wrong copy is removed");
        assert_eq!(ran.objects("deleted_source"), 0);
        setting.originals_are_there();
    }
}

/// The target held an older version, which the wrong copy replaced: removing it must not be the last word.
async fn replaced_wrongly(pair: Pair) {
    for op in [Op::Put, Op::PutPart, Op::CompleteUpload] {
        let (mut setting, key) = Setting::written(pair, op, Action::FlipStored { bit: 77 }, Often::Once).await;
        setting.in_target(key, "an older version");
        setting.run("migrate", &["--verify", "content"]).await.expect(0);
        setting.struck();
        setting.arrived();
    }
}

async fn somebody_else(pair: Pair) {
    let ops: &[(Op, &str)] = if pair == Pair::S3ToGcs { &[(Op::Move, LARGE)] } else { &[(Op::Put, SMALL), (Op::CompleteUpload, LARGE)] };
    for (op, key) in ops {
        let mut setting = Setting::sample(pair).await;
        let content = Content::from("written by somebody else after the listing");
        setting.by_somebody(key, &content);
        setting.in_target_fault(Rule::new(&[*op], Action::OverwriteBefore(content.clone())).key(key).once());
        let ran = setting.run("migrate", &[]).await.expect(1);
        setting.struck();
        fails_as(&ran, key, "failed", "conflict");
        assert_eq!(setting.target().bytes(BUCKET, key).unwrap(), content.body().to_bytes().unwrap());
        assert_eq!(ran.objects("deleted_source"), 0);
        setting.originals_are_there();
    }
}

async fn truncated_once(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_source_fault(Rule::new(&[Op::Get], Action::Truncate { after_bytes: 999 }).glob(SAMPLE).when(Occurrence::FirstPerKey(1)));
    let ran = setting.run("copy", &[]).await.expect(0);
    setting.struck();
    assert!(ran.report["requests"]["retried"].as_u64().unwrap() > 0);
    setting.arrived();
}

async fn truncated_always(pair: Pair) {
    for key in [SMALL, LARGE] {
        let setting = Setting::sample(pair).await;
        setting.in_source_fault(Rule::new(&[Op::Get], Action::Truncate { after_bytes: 69_999 }).key(key));
        let ran = setting.run("migrate", &["--attempts", "2"]).await.expect(1);
        setting.struck();
        fails_as(&ran, key, "failed", "network");
        assert!(setting.target().peek(BUCKET, key).is_err());
        assert_eq!(ran.objects("deleted_source"), 0);
        setting.originals_are_there();
    }
}
