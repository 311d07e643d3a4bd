//! p03, p13: delete plans. Writing one deletes nothing; an approved one deletes exactly what it lists, in the versions that it
//! lists, or nothing.

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::Content;
use std::time::Duration;

use crate::guards::{count_deletes, deletes, refused};
use crate::setting::{Pair, Setting, for_pairs};
use crate::support::BUCKET;
use crate::wait;

for_pairs! {
    p03_a_delete_plan_deletes_nothing_and_its_approval_exactly_what_it_lists(S3ToS3, S3ToGcs, GcsToS3) = good;
    p13_an_approved_object_that_changed_stops_every_delete(S3ToS3, S3ToGcs, GcsToS3) = changed;
    p03_a_plan_that_was_edited_is_refused(S3ToS3) = edited;
    p03_a_plan_that_was_cut_is_refused(S3ToS3) = cut;
    p03_a_plan_of_another_job_is_refused(S3ToS3) = another;
    p05_an_approved_run_that_was_killed_is_given_again(S3ToS3, S3ToGcs) = killed;
}

/// A sample with a plan for its originals; the path of the plan.
async fn planned(pair: Pair, count: u64) -> (Setting, String) {
    let setting = Setting::many(pair, count).await;
    let plan = setting.lab.path("plan.jsonl").display().to_string();
    count_deletes(&setting);
    let ran = setting.run("migrate", &["--plan-out", &plan]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source"), deletes(setting.source())), (count, 0, 0));
    setting.originals_are_there();
    (setting, plan)
}

async fn good(pair: Pair) {
    let (mut setting, plan) = planned(pair, 20).await;
    assert_eq!(std::fs::read_to_string(&plan).unwrap().lines().count(), 22, "a head, the objects and a foot");
    setting.original("later.bin", "uploaded after the plan was written");
    let ran = setting.run("migrate", &["--approved", &plan]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (1, 20));
    assert_eq!(deletes(setting.source()), 20);
    assert_eq!(setting.source().keys(BUCKET), [b"later.bin".to_vec()]);
    setting.arrived();
    // What was approved is done: the same plan again finds nothing.
    let again = setting.run("migrate", &["--approved", &plan]).await.expect(0);
    assert_eq!((again.objects("deleted_source"), deletes(setting.source())), (0, 20));
}

async fn changed(pair: Pair) {
    let (mut setting, plan) = planned(pair, 20).await;
    setting.original("k007.bin", Content::pattern(77, 107));
    let ran = setting.run("migrate", &["--approved", &plan]).await;
    refused(&setting, &ran, &["the approved plan does not fit any more", "`k007.bin`", "nothing was deleted", "--plan-out"]);
    setting.originals_are_there();
}

async fn edited(pair: Pair) {
    let (setting, plan) = planned(pair, 20).await;
    let text = std::fs::read_to_string(&plan).unwrap();
    let line = text.lines().nth(5).unwrap();
    for edited in [text.replace(&format!("{line}\n"), ""), text.replace("k007", "k008"), format!("{text}\n")] {
        std::fs::write(&plan, edited).unwrap();
        let ran = setting.lab.brigade(&["migrate", setting.places()[0], setting.places()[1], "--approved", &plan]).await;
        refused(
            &setting,
            &ran,
            &["is not one that this job wrote", "nothing was copied or deleted", "hint: give the file as --plan-out wrote it"],
        );
    }
    setting.originals_are_there();
}

async fn cut(pair: Pair) {
    let (setting, plan) = planned(pair, 20).await;
    let text = std::fs::read(&plan).unwrap();
    std::fs::write(&plan, &text[..text.len() / 2]).unwrap();
    let ran = setting.lab.brigade(&["migrate", setting.places()[0], setting.places()[1], "--approved", &plan]).await;
    refused(&setting, &ran, &["is not one that this job wrote", "hint:"]);
    std::fs::remove_file(&plan).unwrap();
    let ran = setting.lab.brigade(&["migrate", setting.places()[0], setting.places()[1], "--approved", &plan]).await;
    refused(&setting, &ran, &["cannot read the delete plan"]);
    setting.originals_are_there();
}

async fn another(pair: Pair) {
    let (setting, plan) = planned(pair, 20).await;
    let ran = setting.lab.brigade(&["migrate", "one:data", "h:data", "--approved", &plan]).await;
    refused(&setting, &ran, &["is not one that this job wrote", "with the same locations"]);
    assert!(setting.lab.gcs_other.world().keys(BUCKET).is_empty(), "nothing was copied either");
    setting.originals_are_there();
}

/// Killed when most of the batch has gone, before its answer: the plan fits again, for what is gone is what was wanted, and no
/// guard takes it for a source that has shrunk.
async fn killed(pair: Pair) {
    let (setting, plan) = planned(pair, 40).await;
    setting.in_source_fault(Rule::new(&[Op::DeleteEntry], Action::Delay(Duration::from_millis(20))));
    let mut child = setting
        .lab
        .command(&["migrate", setting.places()[0], setting.places()[1], "--part-size", "5M", "--approved", &plan])
        .spawn()
        .unwrap();
    wait::until("most of the originals are gone", || setting.source().keys(BUCKET).len() <= 10).await;
    child.kill().await.unwrap();
    wait::until("the server lets go", || setting.lab.s3.connections() == 0).await;
    let left = u64::try_from(setting.source().keys(BUCKET).len()).unwrap();
    assert!(left > 0, "the kill came before the last delete");
    let ran = setting.run("migrate", &["--approved", &plan]).await.expect(0);
    assert_eq!(ran.objects("deleted_source"), left);
    assert!(setting.source().keys(BUCKET).is_empty());
    setting.arrived();
}
