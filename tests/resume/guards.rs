//! p03: what would delete too much is refused: exit code 2, not one delete, and a sentence that says what to do. What earlier runs
//! left known makes the guards stronger, and they hold until somebody says otherwise.

use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::world::{Content, Limits, NewObject, World};

use crate::setting::{Pair, Setting, for_pairs};
use crate::support::{BUCKET, Ran};

for_pairs! {
    p03_a_source_that_was_emptied_empties_no_target(S3ToS3, S3ToGcs) = emptied;
    p03_a_prefix_typed_wrong_deletes_nothing(S3ToS3, S3ToGcs) = wrong_prefix;
    p03_a_listing_that_fails_on_page_700_deletes_nothing_at_either_end(S3ToS3, S3ToGcs) = page_700;
    p03_deletions_of_51_percent_are_refused(S3ToS3, S3ToGcs) = percent_51;
    p03_a_shrunken_source_refuses_a_migration_until_a_copy_took_note(S3ToS3, S3ToGcs) = shrunken_migrate;
    p03_a_shrunken_source_refuses_a_sync_until_a_copy_took_note(S3ToS3, S3ToGcs) = shrunken_sync;
}

/// Deletes of objects that a world was asked for, by any call; what probes do to their own keys is not counted.
pub fn deletes(world: &World) -> usize {
    let is_delete = |op| matches!(op, Op::Delete | Op::DeleteEntry);
    world.requests().log().iter().filter(|call| is_delete(call.op) && !call.key.is_empty() && !is_own(&call.key)).count()
}

/// A key that only this engine makes: of a probe, or of what is staged.
fn is_own(key: &[u8]) -> bool {
    key.windows(9).any(|part| part == b".brigade-")
}

/// Counts deletes from here on.
pub fn count_deletes(setting: &Setting) {
    for world in [setting.source(), setting.target()] {
        world.requests().reset();
        world.requests().start_log();
    }
}

/// Refused: exit code 2, nothing deleted at either end as the servers counted, and the message has all of these words.
#[track_caller]
pub fn refused(setting: &Setting, ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 2, "{}\n{}\n{}", ran.stdout, ran.stderr, ran.report);
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is not said: {}", ran.stderr);
    }
    assert_eq!((deletes(setting.source()), deletes(setting.target())), (0, 0), "{}", ran.stderr);
}

async fn emptied(pair: Pair) {
    let setting = Setting::many(pair, 20).await;
    setting.run("sync", &["--delete"]).await.expect(0);
    for number in 0..20 {
        setting.source().vanish(BUCKET, format!("k{number:03}.bin"));
    }
    count_deletes(&setting);
    for more in [&["--delete"][..], &["--delete", "--max-delete-percent", "100"]] {
        let ran = setting.run("sync", more).await;
        refused(&setting, &ran, &["the source lists no object at all", "nothing was deleted", "hint: check the source's location"]);
    }
    let ran = setting.run("migrate", &[]).await.expect(0);
    assert_eq!((ran.objects("deleted_source"), deletes(setting.target())), (0, 0));
    assert_eq!(setting.target().keys(BUCKET).len(), 20);
}

async fn wrong_prefix(pair: Pair) {
    let mut setting = Setting::empty(pair).await;
    for number in 0..20 {
        setting.original(&format!("right/k{number:03}.bin"), Content::pattern(number, 100 + number));
        setting.original(&format!("other/x{number:03}.bin"), Content::pattern(100 + number, 100));
    }
    let [source, target] = setting.places().map(|place| format!("{place}/right"));
    setting.lab.transfer(&["sync", &source, &target, "--delete"]).await.expect(0);
    count_deletes(&setting);
    let wrong = source.replace("right", "rigth");
    let ran = setting.lab.transfer(&["sync", &wrong, &target, "--delete"]).await;
    refused(&setting, &ran, &["the source lists no object at all", "hint: check the source's location"]);
    let other = source.replace("right", "other");
    let ran = setting.lab.transfer(&["sync", &other, &target, "--delete"]).await;
    refused(&setting, &ran, &["20 of 20 objects of the target", "--max-delete-percent", "hint: look at `brigade plan`"]);
}

/// Pages of one key: the page that fails comes after hundreds of good ones.
async fn page_700(pair: Pair) {
    let setting = Setting::empty(pair).await;
    let names = |count: u32| (0..count).map(|number| format!("k{number:05}.bin"));
    let same = NewObject::of(Content::pattern(1, 100));
    setting.source().populate(BUCKET, names(1_500), &same).unwrap();
    setting.target().populate(BUCKET, names(1_600), &same).unwrap();
    setting.source().set_limits(Limits { page_items_max: 2, ..Limits::default() });
    // One page more is listed before, to reach the source.
    let rule = Rule::new(&[Op::List], Action::INTERNAL_ERROR).when(Occurrence::From(701));
    setting.in_source_fault(rule);
    count_deletes(&setting);
    for command in [&["sync", "--delete"][..], &["migrate"]] {
        setting.source().requests().reset();
        let [source, target] = setting.places();
        let ran = setting.lab.transfer(&[command, &[source, target, "--attempts", "2"]].concat()).await;
        refused(&setting, &ran, &["cannot list the source", "one:data", "hint:"]);
        setting.source().faults().clear();
        setting.in_source_fault(Rule::new(&[Op::List], Action::INTERNAL_ERROR).when(Occurrence::From(701)));
    }
    assert_eq!((setting.source().keys(BUCKET).len(), setting.target().keys(BUCKET).len()), (1_500, 1_600));
}

async fn percent_51(pair: Pair) {
    let setting = Setting::many(pair, 100).await;
    setting.run("sync", &["--delete"]).await.expect(0);
    for number in 0..51 {
        setting.source().vanish(BUCKET, format!("k{number:03}.bin"));
    }
    count_deletes(&setting);
    let ran = setting.run("sync", &["--delete"]).await;
    refused(&setting, &ran, &["51 of 100 objects of the target (51.0 %)", "--max-delete-percent 50", "nothing was deleted", "hint:"]);
    assert_eq!(setting.target().keys(BUCKET).len(), 100);
}

/// Makes originals of a sample disappear as if somebody had deleted them; their copies stay in the target.
fn lose(setting: &mut Setting, numbers: std::ops::Range<u64>) {
    for number in numbers {
        setting.source().vanish(BUCKET, format!("k{number:03}.bin"));
    }
}

async fn shrunken_migrate(pair: Pair) {
    let mut setting = Setting::many(pair, 100).await;
    setting.run("copy", &[]).await.expect(0);
    lose(&mut setting, 0..60);
    count_deletes(&setting);
    // Looking at a source does not make the guard forget what it held.
    for _ in 0..2 {
        let ran = setting.run("migrate", &[]).await;
        refused(&setting, &ran, &["60 of the 100 objects", "60.0 %", "nothing was deleted", "hint:", "`brigade copy`"]);
        assert_eq!(setting.source().keys(BUCKET).len(), 40);
    }
    setting.run("copy", &[]).await.expect(0);
    let ran = setting.run("migrate", &[]).await.expect(0);
    assert_eq!((ran.objects("deleted_source"), deletes(setting.source())), (40, 40));
    setting.arrived();
}

async fn shrunken_sync(pair: Pair) {
    let mut setting = Setting::many(pair, 100).await;
    setting.run("copy", &[]).await.expect(0);
    lose(&mut setting, 0..60);
    // What others put into both places keeps the share of the target that would go below a half.
    for number in 100..180 {
        let content = Content::pattern(number, 100 + number);
        setting.original(&format!("k{number:03}.bin"), content.clone());
        setting.in_target(&format!("k{number:03}.bin"), content);
    }
    count_deletes(&setting);
    let ran = setting.run("sync", &["--delete"]).await;
    refused(&setting, &ran, &["60 of the 100 objects", "nothing was deleted", "hint:", "`brigade copy`"]);
    setting.run("copy", &[]).await.expect(0);
    for number in 0..60 {
        setting.lost(&format!("k{number:03}.bin"));
    }
    let ran = setting.run("sync", &["--delete"]).await.expect(0);
    assert_eq!((ran.objects("deleted_target"), deletes(setting.target())), (60, 60));
    setting.arrived();
}
