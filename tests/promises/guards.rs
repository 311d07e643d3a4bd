//! p03: deletes stay inside the guards, filters hide keys on both sides, and a plan changes nothing.

use brigade_lab::world::{Content, World};

use crate::setting::{Pair, Setting, for_pairs};
use crate::support::{BUCKET, Ran};

for_pairs! {
    p03_an_emptied_source_empties_no_target(S3ToS3, S3ToGcs) = emptied;
    p03_more_than_half_is_refused_and_half_is_not(S3ToS3, S3ToGcs) = percent;
    p03_objects_that_are_replaced_count_as_objects_of_the_target(S3ToS3) = replaced;
    p03_max_delete_binds_deletes_of_the_target(S3ToS3) = max_delete_target;
    p03_max_delete_binds_deletes_of_originals(S3ToS3, GcsToS3) = max_delete_originals;
    p03_sync_removes_only_what_the_source_lacks(S3ToS3, S3ToGcs, GcsToS3) = only_extras;
    p03_sync_without_delete_removes_nothing(S3ToS3) = sync_without_delete;
    p03_an_excluded_key_of_the_target_is_never_deleted(S3ToS3, S3ToGcs) = excluded;
    p03_a_plan_changes_nothing_on_either_side(S3ToS3, S3ToGcs, GcsToS3) = plan;
    p03_too_many_errors_stop_the_run_and_delete_nothing(S3ToS3) = max_errors;
}

/// `both` objects on both sides and `extras` in the target alone, named `extra/k000.bin` and on.
async fn with_extras(pair: Pair, both: u64, extras: u64) -> Setting {
    let mut setting = Setting::many(pair, both).await;
    for number in 0..both {
        setting.in_target(&format!("k{number:03}.bin"), Content::pattern(number, 100 + number));
    }
    for number in 0..extras {
        setting.in_target(&format!("extra/k{number:03}.bin"), "only in the target");
    }
    setting
}

fn extras_may_go(setting: &mut Setting, extras: u64) {
    for number in 0..extras {
        setting.lost(&format!("extra/k{number:03}.bin"));
    }
}

fn refused(ran: &Ran, guard: &str) {
    assert_eq!(ran.report["outcome"], "refused", "{}", ran.report);
    assert!(ran.report["reason"].as_str().unwrap().contains(guard), "{}", ran.report);
    assert!(ran.stderr.contains(guard) && ran.stderr.contains("nothing was deleted"), "{}", ran.stderr);
    assert_eq!((ran.objects("deleted_source"), ran.objects("deleted_target")), (0, 0));
}

async fn emptied(pair: Pair) {
    let setting = with_extras(pair, 0, 5).await;
    for more in [&["--delete"][..], &["--delete", "--max-delete-percent", "100"]] {
        let ran = setting.run("sync", more).await.expect(2);
        refused(&ran, "no object at all");
        assert_eq!(setting.target().keys(BUCKET).len(), 5);
    }
}

async fn percent(pair: Pair) {
    let setting = with_extras(pair, 49, 51).await;
    let ran = setting.run("sync", &["--delete"]).await.expect(2);
    refused(&ran, "--max-delete-percent");
    assert_eq!(setting.target().keys(BUCKET).len(), 100);
    for (both, extras, more) in [(50, 50, &["--delete"][..]), (49, 51, &["--delete", "--max-delete-percent", "51"])] {
        let mut setting = with_extras(pair, both, extras).await;
        extras_may_go(&mut setting, extras);
        let ran = setting.run("sync", more).await.expect(0);
        assert_eq!(ran.objects("deleted_target"), extras);
        setting.arrived();
    }
}

async fn replaced(pair: Pair) {
    let mut setting = Setting::many(pair, 60).await;
    for number in 0..60 {
        setting.in_target(&format!("k{number:03}.bin"), "an older version");
    }
    for number in 0..40 {
        setting.in_target(&format!("extra/k{number:03}.bin"), "only in the target");
    }
    extras_may_go(&mut setting, 40);
    let ran = setting.run("sync", &["--delete"]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("deleted_target")), (60, 40), "40 of 100 are less than half");
    setting.arrived();
}

async fn max_delete_target(pair: Pair) {
    let mut setting = with_extras(pair, 20, 4).await;
    let ran = setting.run("sync", &["--delete", "--max-delete", "3"]).await.expect(2);
    refused(&ran, "--max-delete 3");
    assert_eq!(setting.target().keys(BUCKET).len(), 24);
    extras_may_go(&mut setting, 4);
    setting.run("sync", &["--delete", "--max-delete", "4"]).await.expect(0);
    setting.arrived();
}

async fn max_delete_originals(pair: Pair) {
    let setting = Setting::many(pair, 4).await;
    let ran = setting.run("migrate", &["--max-delete", "3"]).await.expect(2);
    refused(&ran, "--max-delete 3");
    assert_eq!(ran.objects("copied"), 4, "what was copied stays");
    setting.originals_are_there();
    setting.run("migrate", &["--max-delete", "4"]).await.expect(0);
    setting.arrived();
}

async fn only_extras(pair: Pair) {
    let mut setting = with_extras(pair, 10, 5).await;
    setting.original("new.bin", "only in the source");
    setting.in_target("k004.bin", "an older version of another size");
    extras_may_go(&mut setting, 5);
    let ran = setting.run("sync", &["--delete"]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("kept"), ran.objects("deleted_target")), (2, 9, 5), "{}", ran.report);
    setting.arrived();
    let again = setting.run("sync", &["--delete"]).await.expect(0);
    assert_eq!((again.objects("copied"), again.objects("kept"), again.objects("deleted_target")), (0, 11, 0));
}

async fn sync_without_delete(pair: Pair) {
    let setting = with_extras(pair, 10, 5).await;
    let ran = setting.run("sync", &[]).await.expect(0);
    assert_eq!(ran.objects("deleted_target"), 0);
    assert_eq!(setting.target().keys(BUCKET).len(), 15);
}

async fn excluded(pair: Pair) {
    let mut setting = with_extras(pair, 10, 3).await;
    setting.in_target("keep/one.bin", "excluded");
    setting.in_target("keep/two.tmp", "excluded");
    extras_may_go(&mut setting, 3);
    let ran = setting.run("sync", &["--delete", "--exclude", "keep/**"]).await.expect(0);
    assert_eq!(ran.objects("deleted_target"), 3);
    setting.arrived();
    setting.lost("keep/one.bin");
    setting.lost("keep/two.tmp");
    let ran = setting.run("sync", &["--delete", "--exclude", "keep/**", "--delete-excluded"]).await.expect(0);
    assert_eq!(ran.objects("deleted_target"), 2);
    setting.arrived();
}

/// Every write and every change of metadata moves one of these.
fn versions(world: &World) -> Vec<(Vec<u8>, u64, u64)> {
    world.objects(BUCKET).into_iter().map(|(key, object)| (key, object.generation, object.metageneration)).collect()
}

async fn plan(pair: Pair) {
    let mut setting = with_extras(pair, 10, 3).await;
    setting.original("new.bin", Content::pattern(1, 6_000_000));
    let before = (versions(setting.source()), versions(setting.target()));
    let commands: [(&str, &[&str], i32); 9] = [
        ("copy", &["--dry-run"], 0),
        ("sync", &["--delete", "-n"], 0),
        ("migrate", &["--dry-run"], 0),
        ("plan", &[], 0),
        ("plan", &["--mode", "migrate"], 0),
        ("plan", &["--mode", "sync", "--delete"], 0),
        ("check", &[], 1),
        ("check", &["--content"], 1),
        ("check", &["--one-way"], 1),
    ];
    for (command, more, code) in commands {
        let ran = setting.run(command, more).await.expect(code);
        let writes = (Setting::writes(setting.source()), Setting::writes(setting.target()));
        assert_eq!(writes, (0, 0), "{command} {more:?} writes nothing at all");
        assert_eq!((versions(setting.source()), versions(setting.target())), before, "{command} {more:?}");
        if command != "check" {
            assert_eq!((ran.objects("copied"), ran.objects("kept"), ran.objects("deleted_source")), (1, 10, 0), "what would be");
            let deletes = if more.contains(&"--delete") { 3 } else { 0 };
            assert_eq!(ran.objects("deleted_target"), deletes, "{command} {more:?}");
            assert!(ran.stdout.contains("new.bin"), "a plan names what it would do: {}", ran.stdout);
        }
    }
}

async fn max_errors(pair: Pair) {
    use brigade_lab::fault::{Action, Op, Rule};
    let denied = || Rule::new(&[Op::Get], Action::ACCESS_DENIED).glob("k00?.bin");
    let setting = Setting::many(pair, 60).await;
    setting.in_source_fault(denied());
    let ran = setting.run("migrate", &["--max-errors", "10"]).await.expect(1);
    assert_eq!((ran.objects("failed"), ran.objects("unknown")), (10, 0), "ten are not more than ten");
    // Anew: what has failed in one run is tried again by the next before anything else, and all of it.
    let setting = Setting::many(pair, 60).await;
    setting.in_source_fault(denied());
    let ran = setting.run("migrate", &["--max-errors", "3", "--concurrency", "2"]).await.expect(2);
    assert_eq!(ran.report["outcome"], "failed", "{}", ran.report);
    assert!(ran.report["reason"].as_str().unwrap().contains("--max-errors"), "{}", ran.report);
    assert!((4..10).contains(&ran.objects("failed")), "{}", ran.report);
    assert_eq!(ran.objects("deleted_source"), 0);
    setting.originals_are_there();
}
