//! p04: `check` says equal only where it compared, and finds what only the bytes show.

use crate::setting::{LARGE, Pair, SMALL, Setting, for_pairs};

for_pairs! {
    p04_a_bit_that_flipped_at_rest_is_found_by_reading_only(S3ToS3, S3ToGcs, GcsToS3) = flipped_at_rest;
    p04_a_source_that_cannot_be_read_is_never_called_equal(S3ToS3) = unreadable;
}

async fn flipped_at_rest(pair: Pair) {
    for key in [SMALL, LARGE] {
        let setting = Setting::sample(pair).await;
        setting.run("copy", &[]).await.expect(0);
        setting.run("check", &["--content"]).await.expect(0);
        setting.target().flip_stored_bit(crate::support::BUCKET, key, 4_242).unwrap();
        let blind = setting.run_unjudged("check", &[]).await.expect(0);
        assert_eq!(blind.failures(), [], "versions and digests are as they were written");
        // S3 keeps no digest of a large original that its copy in parts could be compared with: without the record of the copy
        // that pair is never called equal.
        let blind = setting.run_unjudged("check", &["--fresh"]).await;
        let unproven: Vec<_> = if pair == Pair::GcsToS3 { vec![] } else { vec![(LARGE.to_owned(), "unproven".to_owned())] };
        assert_eq!(blind.failures(), unproven, "digests are as they were written");
        let ran = setting.run_unjudged("check", &["--content"]).await.expect(1);
        assert_eq!(ran.failures(), [(key.to_owned(), "content".to_owned())]);
        assert_eq!(ran.report["failures"][0]["status"], "differs");
        assert_eq!((ran.objects("kept"), ran.objects("failed")), (3, 1));
    }
}

async fn unreadable(pair: Pair) {
    use brigade_lab::fault::{Action, Op, Rule};
    let setting = Setting::sample(pair).await;
    setting.run("copy", &[]).await.expect(0);
    setting.in_source_fault(Rule::new(&[Op::Get], Action::ACCESS_DENIED).key(SMALL));
    let ran = setting.run("check", &["--content"]).await.expect(1);
    setting.struck();
    assert_eq!(ran.failures(), [(SMALL.to_owned(), "denied".to_owned())]);
    assert_eq!(ran.objects("kept"), 3);
}
