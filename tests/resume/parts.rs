//! p05, p12: a large object that was begun by one run and is ended by another, counted at the server: what is sent again, what is
//! given up, and what is never touched.

use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::world::{Content, NewUpload};

use crate::setting::{MIB, PART_SIZE, Pair, Setting, for_pairs};
use crate::support::BUCKET;
use crate::wait;

for_pairs! {
    p05_parts_that_arrived_are_not_sent_again(S3ToS3, S3ToGcs) = same_again;
    p07_a_source_that_changed_meanwhile_is_sent_from_the_beginning(S3ToS3, S3ToGcs) = changed;
    p05_an_upload_that_expired_is_begun_again(S3ToS3, S3ToGcs) = expired;
    p05_the_upload_of_another_process_is_never_touched(S3ToS3, S3ToGcs) = foreign;
    p05_other_cuts_begin_the_object_again(S3ToS3, S3ToGcs) = other_part_size;
    p05_another_storage_class_begins_the_object_again(S3ToS3, S3ToGcs) = other_class;
    p05_a_fresh_run_begins_the_object_again(S3ToS3, S3ToGcs) = fresh;
    p05_a_kill_between_the_completion_and_its_note_sends_nothing_again(S3ToS3, S3ToGcs) = completed_unseen;
    p12_an_upload_that_no_run_needs_any_more_is_given_up(S3ToS3, S3ToGcs) = not_needed;
}

/// The large object of this sample.
pub const LARGE: &str = "huge.bin";

const LARGE_BYTES: u64 = 39 * MIB;

/// Parts of [`LARGE`].
pub const LARGE_PARTS: usize = 8;

/// Parts that the first run sends before the endpoint begins to fail.
const SENT_BEFORE: usize = 4;

/// One large object and a small one; bodies that arrive are logged.
pub async fn sample(pair: Pair) -> Setting {
    let mut setting = Setting::empty(pair).await;
    setting.original(LARGE, Content::pattern(1, LARGE_BYTES));
    setting.original("small.bin", Content::pattern(2, 1_000));
    setting.target().requests().start_log();
    setting
}

/// Bodies of parts of the sample that arrived whole, ever.
pub fn parts_arrived(setting: &Setting) -> usize {
    let arrivals = setting.target().requests().arrivals();
    arrivals.iter().filter(|arrival| arrival.op == Op::PutPart && arrival.md5.is_some() && arrival.key.ends_with(b".bin")).count()
}

fn aborts(setting: &Setting) -> u64 {
    setting.target().requests().counts().abort()
}

/// A sample of which the first run sent some parts; then the endpoint failed, and it left the upload open. The log starts anew.
async fn begun(pair: Pair) -> Setting {
    let setting = sample(pair).await;
    let from = Occurrence::From(u64::try_from(SENT_BEFORE).unwrap() + 1);
    setting.in_target_fault(Rule::new(&[Op::PutPart], Action::INTERNAL_ERROR).glob("*.bin").when(from));
    // One request at a time: whatever arrived before the first failure was acknowledged before it.
    let ran = setting.run("copy", &["--attempts", "1", "--concurrency", "1"]).await.expect(1);
    setting.struck();
    assert_eq!(ran.failures(), [(LARGE.to_owned(), "unavailable".to_owned())]);
    let open = setting.target().uploads_under_way(BUCKET);
    assert_eq!(open, 1, "the upload stays for the next run");
    setting.target().faults().clear();
    setting.target().requests().reset();
    setting
}

/// Everything arrived, and nothing is left open.
fn ended(setting: &Setting) {
    setting.arrived();
    assert_eq!(setting.target().uploads_under_way(BUCKET), 0);
}

async fn same_again(pair: Pair) {
    let setting = begun(pair).await;
    let ran = setting.run("copy", &[]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("kept")), (1, 1));
    assert_eq!(parts_arrived(&setting), LARGE_PARTS - SENT_BEFORE);
    let log = setting.target().requests().log();
    let calls = |op| log.iter().filter(|call| call.op == op && call.key.ends_with(b".bin")).count();
    assert_eq!((calls(Op::ListParts), calls(Op::CreateUpload), calls(Op::CompleteUpload)), (1, 0, 1));
    ended(&setting);
}

async fn changed(pair: Pair) {
    let mut setting = begun(pair).await;
    setting.original(LARGE, Content::pattern(9, LARGE_BYTES));
    setting.run("copy", &[]).await.expect(0);
    assert_eq!(parts_arrived(&setting), LARGE_PARTS);
    assert!(aborts(&setting) >= 1, "the old upload is given up");
    ended(&setting);
}

async fn expired(pair: Pair) {
    let setting = begun(pair).await;
    assert_eq!(setting.target().expire_uploads(BUCKET), 1);
    setting.run("copy", &[]).await.expect(0);
    assert_eq!(parts_arrived(&setting), LARGE_PARTS);
    ended(&setting);
}

async fn foreign(pair: Pair) {
    let setting = begun(pair).await;
    let id = setting.target().create_upload(BUCKET, LARGE.as_bytes(), NewUpload::default()).unwrap();
    let part = Content::pattern(77, 5 * MIB);
    setting.target().put_part(BUCKET, LARGE.as_bytes(), &id, 1, part, None).unwrap();
    // Not even where the journal is lost and nothing tells ours from theirs.
    for lost in [false, true] {
        if lost {
            std::fs::remove_dir_all(setting.lab.path("state")).unwrap();
            setting.target().vanish(BUCKET, LARGE);
        }
        setting.run_unjudged("copy", &[]).await.expect(0);
        let upload = setting.target().upload(BUCKET, LARGE.as_bytes(), &id).unwrap();
        assert_eq!(upload.parts.len(), 1, "the other upload is as it was");
        assert_eq!(setting.target().uploads_under_way(BUCKET), 1, "and the only one that is left");
        setting.arrived();
    }
}

async fn other_part_size(pair: Pair) {
    let setting = begun(pair).await;
    let [source, target] = setting.places();
    setting.lab.transfer(&["copy", source, target, "--part-size", "6M"]).await.expect(0);
    assert_eq!(parts_arrived(&setting), 7, "39 MiB in parts of 6 MiB");
    assert!(aborts(&setting) >= 1, "the old upload is given up");
    ended(&setting);
}

async fn other_class(pair: Pair) {
    let setting = begun(pair).await;
    let class = if pair == Pair::S3ToGcs { "NEARLINE" } else { "STANDARD_IA" };
    setting.run("copy", &["--storage-class", class]).await.expect(0);
    assert_eq!(parts_arrived(&setting), LARGE_PARTS);
    assert_eq!(setting.target().peek(BUCKET, LARGE).unwrap().attributes.storage_class.as_deref(), Some(class));
    assert!(aborts(&setting) >= 1, "the old upload is given up");
    ended(&setting);
}

async fn fresh(pair: Pair) {
    let setting = begun(pair).await;
    setting.run("copy", &["--fresh"]).await.expect(0);
    assert_eq!(parts_arrived(&setting), LARGE_PARTS);
    assert!(aborts(&setting) >= 1, "the old upload is given up");
    ended(&setting);
}

/// The object is complete at the server, and the run was killed before it read the answer.
async fn completed_unseen(pair: Pair) {
    let setting = sample(pair).await;
    let publishing = if pair == Pair::S3ToGcs { Op::Move } else { Op::CompleteUpload };
    setting.in_target_fault(Rule::new(&[publishing], Action::StallBody { after_bytes: 0 }).glob("*huge.bin").once());
    let [source, target] = setting.places();
    let mut child = setting.lab.command(&["migrate", source, target, "--part-size", PART_SIZE]).spawn().unwrap();
    wait::until("the object is there", || setting.target().peek(BUCKET, LARGE).is_ok()).await;
    child.kill().await.unwrap();
    assert_eq!(parts_arrived(&setting), LARGE_PARTS);
    setting.originals_are_there();
    let ran = setting.run("migrate", &[]).await.expect(0);
    assert_eq!(parts_arrived(&setting), LARGE_PARTS, "nothing was sent again");
    assert_eq!(ran.objects("deleted_source"), 2);
    ended(&setting);
}

async fn not_needed(pair: Pair) {
    let mut setting = begun(pair).await;
    setting.source().vanish(BUCKET, LARGE);
    setting.lost(LARGE);
    setting.run("copy", &[]).await.expect(0);
    assert_eq!((parts_arrived(&setting), aborts(&setting) >= 1), (0, true));
    ended(&setting);
}
