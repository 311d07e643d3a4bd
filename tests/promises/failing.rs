//! p02, p03, p12: servers that refuse, break off, throttle, stall, or do the deed and lose its acknowledgement.

use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::world::{ListQuery, Versioning};

use crate::setting::{LARGE, Often, Pair, SAMPLE, SMALL, Setting, fails_as, for_pairs};
use crate::support::BUCKET;

/// What is done to objects of the sample under a name that the next attempt bears, too. Uploads to GCS are begun under a fresh one.
const OBJECT_OPS: [Op; 6] = [Op::Get, Op::Head, Op::Put, Op::PutPart, Op::CompleteUpload, Op::Move];

for_pairs! {
    p02_every_first_call_may_be_cut_off_before_it_is_heard(S3ToS3, S3ToGcs, GcsToS3) = reset_before;
    p02_every_first_read_and_part_may_lose_its_answer(S3ToS3, S3ToGcs, GcsToS3) = reset_after;
    p02_an_upload_whose_creation_was_not_acknowledged_is_swept(S3ToS3, S3ToGcs) = orphan;
    p02_a_lost_acknowledgement_leaves_exactly_one_object(S3ToS3, S3ToGcs, GcsToS3) = lost_acknowledgement;
    p02_every_first_call_may_be_throttled(S3ToS3, S3ToGcs, GcsToS3) = storm_of_first_calls;
    p02_a_storm_of_503_by_chance_is_weathered(S3ToS3, S3ToGcs) = storm_by_chance;
    p02_an_error_in_the_body_of_a_200_is_an_error(S3ToS3, S3ToGcs) = error_in_200;
    p12_an_upload_that_cannot_be_completed_is_ended_by_the_next_run(S3ToS3, S3ToGcs) = always_error_in_200;
    p02_stalls_end_an_attempt_and_not_the_run(S3ToS3, S3ToGcs, GcsToS3) = stalls;
    p03_a_delete_whose_acknowledgement_is_lost_is_counted_once(S3ToS3) = lost_delete;
    p03_deletes_that_fail_are_reported_and_their_originals_survive(S3ToS3, GcsToS3) = failed_deletes;
    p03_one_denied_read_keeps_every_original(S3ToS3, S3ToGcs, GcsToS3) = denied_read;
    p03_one_denied_write_keeps_every_original(S3ToS3, S3ToGcs, GcsToS3) = denied_write;
}

async fn reset_before(pair: Pair) {
    let setting = Setting::sample(pair).await;
    for world in [setting.source(), setting.target()] {
        world.faults().add(Rule::new(&OBJECT_OPS, Action::ResetBefore).glob(SAMPLE).when(Occurrence::FirstPerKey(1)));
        world.faults().add(Rule::new(&[Op::CreateUpload], Action::ResetBefore).glob(SAMPLE).once());
    }
    setting.run("migrate", &[]).await.expect(0);
    setting.struck();
    setting.arrived();
    assert!(setting.source().keys(BUCKET).is_empty());
}

async fn reset_after(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_source_fault(Rule::new(&[Op::Get, Op::Head], Action::ResetAfter).glob(SAMPLE).when(Occurrence::FirstPerKey(1)));
    setting.in_target_fault(Rule::new(&[Op::PutPart], Action::ResetAfter).glob(SAMPLE).when(Occurrence::FirstPerKey(2)));
    setting.run("copy", &[]).await.expect(0);
    setting.struck();
    setting.arrived();
}

/// Nobody knows the id of that upload, so only a sweep finds it.
async fn orphan(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_target_fault(Rule::new(&[Op::CreateUpload], Action::ResetAfter).glob(SAMPLE).once());
    setting.run_unjudged("copy", &[]).await.expect(0);
    setting.struck();
    assert_eq!(setting.target().uploads_under_way(BUCKET), 1, "the upload that nobody knows");
    setting.lab.brigade(&["cleanup", setting.places()[1], "--older-than", "0s"]).await.expect(0);
    assert_eq!(setting.target().uploads_under_way(BUCKET), 0);
    setting.arrived();
}

/// How many versions the target keeps of a key.
fn versions(setting: &Setting, key: &str) -> usize {
    let query = ListQuery { prefix: key.into(), max: 100, ..ListQuery::default() };
    setting.target().list_versions(BUCKET, &query, None).unwrap().versions.len()
}

async fn lost_acknowledgement(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.target().set_versioning(BUCKET, Versioning::Enabled).unwrap();
    let publishing = [Op::Put, Op::CompleteUpload, Op::Move];
    setting.in_target_fault(Rule::new(&publishing, Action::ResetAfter).glob(SAMPLE).when(Occurrence::FirstPerKey(1)));
    let ran = setting.run("migrate", &[]).await.expect(0);
    setting.struck();
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (4, 4));
    setting.arrived();
    for key in [SMALL, LARGE] {
        assert_eq!(versions(&setting, key), 1, "`{key}` was written once");
    }
}

async fn storm_of_first_calls(pair: Pair) {
    let setting = Setting::sample(pair).await;
    for world in [setting.source(), setting.target()] {
        world.faults().add(Rule::new(&OBJECT_OPS, Action::SLOW_DOWN).glob(SAMPLE).when(Occurrence::FirstPerKey(1)));
        world.faults().add(Rule::new(&[Op::CreateUpload, Op::List, Op::DeleteBatch], Action::SLOW_DOWN).once());
    }
    let ran = setting.run("migrate", &[]).await.expect(0);
    setting.struck();
    let requests = &ran.report["requests"];
    // GCS says 503 when it fails and 429 when it throttles.
    let named = if pair == Pair::S3ToS3 { "throttled" } else { "retried" };
    assert!(requests[named].as_u64().unwrap() >= 8, "{}", ran.report);
    setting.arrived();
    assert!(setting.source().keys(BUCKET).is_empty());
}

async fn storm_by_chance(pair: Pair) {
    let setting = Setting::many(pair, 60).await;
    for world in [setting.source(), setting.target()] {
        world.faults().add(Rule::new(&[], Action::SLOW_DOWN).when(Occurrence::PerMillion(150_000)));
        world.faults().add(Rule::new(&[], Action::INTERNAL_ERROR).when(Occurrence::PerMillion(50_000)));
    }
    let ran = setting.run("migrate", &[]).await.expect(0);
    setting.struck();
    assert_eq!(ran.objects("deleted_source"), 60);
    setting.arrived();
}

async fn error_in_200(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_target_fault(Rule::new(&[Op::CompleteUpload], Action::ErrorIn200).glob(SAMPLE).once());
    setting.run("copy", &[]).await.expect(0);
    setting.struck();
    setting.arrived();
}

async fn always_error_in_200(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_target_fault(Rule::new(&[Op::CompleteUpload], Action::ErrorIn200).glob(SAMPLE));
    let ran = setting.run("migrate", &["--attempts", "3"]).await.expect(1);
    setting.struck();
    fails_as(&ran, LARGE, "failed", "unavailable");
    assert!(setting.target().peek(BUCKET, LARGE).is_err());
    assert_eq!(ran.objects("deleted_source"), 0);
    setting.originals_are_there();
    setting.next_run_leaves_no_upload().await;
}

async fn stalls(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_source_fault(Rule::new(&[Op::Get], Action::Stall).key(SMALL).once());
    setting.in_source_fault(Rule::new(&[Op::Get], Action::StallBody { after_bytes: 100 }).key(LARGE).when(Occurrence::Nth(2)));
    setting.in_target_fault(Rule::new(&[Op::Put], Action::Stall).glob("*z.bin").once());
    let ran = setting.run("copy", &["--stall-timeout", "500ms"]).await.expect(0);
    setting.struck();
    let stalled = u64::try_from(setting.source().faults().struck().len() + setting.target().faults().struck().len()).unwrap();
    assert!(stalled >= 2 && ran.report["requests"]["retried"].as_u64().unwrap() >= stalled, "{}", ran.report);
    setting.arrived();
}

async fn lost_delete(pair: Pair) {
    let setting = Setting::sample(pair).await;
    // The first batch is the probe's.
    setting.in_source_fault(Rule::new(&[Op::DeleteBatch], Action::ResetAfter).when(Occurrence::Nth(2)));
    let ran = setting.run("migrate", &[]).await.expect(0);
    setting.struck();
    let lost = setting.events().iter().filter(|event| event["event"] == "attempt_failed" && event["operation"] == "delete").count();
    assert_eq!(lost, 1, "the answer to the deletes was lost");
    assert_eq!(ran.objects("deleted_source"), 4, "{}", ran.report);
    assert!(setting.source().keys(BUCKET).is_empty());
    setting.arrived();
}

async fn failed_deletes(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_source_fault(Rule::new(&[Op::DeleteEntry, Op::Delete], Action::ACCESS_DENIED).key(SMALL));
    let ran = setting.run("migrate", &[]).await.expect(1);
    setting.struck();
    fails_as(&ran, SMALL, "failed", "denied");
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (4, 3));
    assert_eq!(setting.source().keys(BUCKET), [SMALL.as_bytes().to_vec()]);
    setting.arrived();
}

async fn denied_read(pair: Pair) {
    let setting = Setting::sample(pair).await;
    setting.in_source_fault(Rule::new(&[Op::Get], Action::ACCESS_DENIED).key(SMALL));
    let ran = setting.run("migrate", &[]).await.expect(1);
    setting.struck();
    fails_as(&ran, SMALL, "failed", "denied");
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (3, 0));
    assert_eq!(ran.report["outcome"], "partial");
    setting.originals_are_there();
}

async fn denied_write(pair: Pair) {
    for op in [Op::Put, Op::CreateUpload, Op::PutPart, Op::CompleteUpload] {
        let (setting, key) = Setting::written(pair, op, Action::ACCESS_DENIED, Often::Always).await;
        let ran = setting.run("migrate", &[]).await.expect(1);
        setting.struck();
        fails_as(&ran, key, "failed", "denied");
        assert!(setting.target().peek(BUCKET, key).is_err());
        assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (ran.objects("listed") - 1, 0));
        setting.originals_are_there();
    }
}
