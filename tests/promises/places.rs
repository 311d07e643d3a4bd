//! Locations: overlaps are refused through every spelling before the first request, and one object may be a SOURCE.

use std::net::{Shutdown, TcpListener, TcpStream};

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::Content;

use crate::support::{BUCKET, Lab};

/// The same server by another name.
fn by_name(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

/// Another door to the same server: nothing in its name says so.
fn another_door(url: &str) -> String {
    let server = url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let door = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for inside in listener.incoming().flatten() {
            let Ok(outside) = TcpStream::connect(&server) else { return };
            let ways = [(inside.try_clone().unwrap(), outside.try_clone().unwrap()), (outside, inside)];
            for (mut from, mut to) in ways {
                std::thread::spawn(move || {
                    // Either end may hang up first.
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    door
}

#[tokio::test(flavor = "multi_thread")]
async fn p01_overlapping_places_are_refused_through_two_spellings() {
    let lab = Lab::start().await;
    lab.s3.world().seed(BUCKET, "a/b/c", "x").unwrap();
    lab.gcs.world().seed(BUCKET, "a/b/c", "x").unwrap();
    let (s3, gcs) = (lab.s3.url(), lab.gcs.url());
    let (s3_name, gcs_name) = (by_name(&s3), by_name(&gcs));
    let upper = s3_name.replace("localhost", "LOCALHOST");
    let cases: Vec<(&str, &str, &str, &str, &str)> = vec![
        ("one:data/a", "one:data/a", &s3, &s3_name, "the same place"),
        ("one:data/a/", "one:data/a", &s3_name, &s3, "the same place"),
        ("one:data/a/b", "one:data/a", &s3_name, &s3, "SOURCE lies inside TARGET"),
        ("one:data/a", "one:data/a/b", &s3_name, &s3, "TARGET lies inside SOURCE"),
        ("one:data", "two:data/a", &s3, &upper, "TARGET lies inside SOURCE"),
        ("g:data/a", "g:data", &gcs_name, &gcs, "SOURCE lies inside TARGET"),
        ("g:data", "h:data", &gcs, &gcs_name, "the same place"),
    ];
    for (source, target, source_url, target_url, how) in cases {
        for command in ["copy", "sync", "migrate"] {
            let ran = lab
                .brigade(&[command, source, target, "--source-endpoint-url", source_url, "--target-endpoint-url", target_url])
                .await
                .expect(2);
            assert!(ran.stderr.contains(how), "{source} at {source_url} -> {target} at {target_url}: {}", ran.stderr);
            assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
        }
    }
    let asked =
        [lab.s3.world(), lab.s3_other.world(), lab.gcs.world(), lab.gcs_other.world()].map(|world| world.requests().counts().total());
    assert_eq!(asked, [0; 4], "refused before the first request");
}

#[tokio::test(flavor = "multi_thread")]
async fn p01_overlapping_directories_are_refused_through_links() {
    let lab = Lab::start().await;
    let real = lab.path("real/below");
    std::fs::create_dir_all(&real).unwrap();
    std::fs::write(real.join("file"), "x").unwrap();
    std::os::unix::fs::symlink(lab.path("real"), lab.path("link")).unwrap();
    let (real, link, below) = (lab.path("real"), lab.path("link"), lab.path("link/below/new"));
    let text = |path: &std::path::Path| path.display().to_string();
    for (source, target, how) in [
        (text(&real), text(&link), "the same place"),
        (text(&real), text(&below), "TARGET lies inside SOURCE"),
        (format!("file://{}", text(&lab.path("link/below"))), text(&real), "SOURCE lies inside TARGET"),
        (text(&real), "./real/../link".to_owned(), "the same place"),
    ] {
        let ran = lab.brigade(&["copy", &source, &target]).await.expect(2);
        assert!(ran.stderr.contains(how), "{source} -> {target}: {}", ran.stderr);
    }
    assert!(!lab.path("real/below/new").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_a_migration_between_two_names_of_one_place_deletes_nothing() {
    let lab = Lab::start().await;
    let keys = [b"a".to_vec(), b"dir/b".to_vec()];
    for world in [lab.s3.world(), lab.gcs.world()] {
        for key in &keys {
            world.seed(BUCKET, key, "the only copy").unwrap();
        }
    }
    for (place, url) in [("one:data", lab.s3.url()), ("one:data/a", lab.s3.url()), ("g:data", lab.gcs.url())] {
        let ran = lab.brigade(&["migrate", place, place, "--target-endpoint-url", &another_door(&url)]).await.expect(2);
        assert!(ran.stderr.contains("two names of one place"), "{place}: {}", ran.stderr);
    }
    assert_eq!([lab.s3.world().keys(BUCKET), lab.gcs.world().keys(BUCKET)], [keys.to_vec(), keys.to_vec()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p13_replicas_that_a_provider_made_are_copies() {
    let lab = Lab::start().await;
    for world in [lab.s3.world(), lab.s3_other.world()] {
        world.seed(BUCKET, "a", "replicated").unwrap();
        world.set_modified(BUCKET, "a", "2020-01-01T00:00:00Z".parse().unwrap()).unwrap();
    }
    // What is written to tell the places apart goes too, also where the answer to it is lost.
    lab.s3_other.world().faults().add(Rule::new(&[Op::Put], Action::ResetAfter).glob(".brigade-one-place-*").once());
    let ran = lab.transfer(&["migrate", "one:data", "two:data"]).await.expect(0);
    assert_eq!((ran.objects("kept"), ran.objects("deleted_source")), (1, 1), "{}", ran.report);
    assert_eq!(lab.s3_other.world().faults().struck().len(), 1, "it was asked for");
    assert_eq!((lab.s3.world().keys(BUCKET), lab.s3_other.world().keys(BUCKET)), (Vec::new(), vec![b"a".to_vec()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn p04_one_object_goes_to_its_new_name_or_into_a_place() {
    let lab = Lab::start().await;
    for source in [lab.s3.world(), lab.gcs.world()] {
        source.seed(BUCKET, "dir/file.bin", Content::pattern(1, 6_000_000)).unwrap();
        source.seed(BUCKET, "dir/file.bin2", "a longer name").unwrap();
        source.seed(BUCKET, "other", "x").unwrap();
    }
    for (source, target) in [("one:data", "two:data"), ("g:data", "h:data"), ("one:data", "h:data/more")] {
        let from = format!("{source}/dir/file.bin");
        let ran = lab.transfer(&["copy", &from, &format!("{target}/renamed.bin"), "--part-size", "5M"]).await.expect(0);
        ran.balances();
        assert_eq!((ran.objects("listed"), ran.objects("copied")), (1, 1), "{}", ran.report);
        let again = lab.transfer(&["copy", &from, &format!("{target}/renamed.bin")]).await.expect(0);
        assert_eq!((again.objects("copied"), again.objects("kept")), (0, 1), "{}", again.report);
        lab.transfer(&["copy", &from, &format!("{target}/into/"), "--part-size", "5M"]).await.expect(0);
    }
    let two: Vec<Vec<u8>> = lab.s3_other.world().keys(BUCKET);
    assert_eq!(two, [b"into/file.bin".to_vec(), b"renamed.bin".to_vec()]);
    let four = ["into/file.bin", "more/into/file.bin", "more/renamed.bin", "renamed.bin"];
    assert_eq!(lab.gcs_other.world().keys(BUCKET), four.map(|key| key.as_bytes().to_vec()));
    let expected = Content::pattern(1, 6_000_000).body().to_bytes().unwrap();
    for (world, keys) in [(lab.s3_other.world(), &four[3..]), (lab.gcs_other.world(), &four[..])] {
        for key in keys {
            assert_eq!(world.bytes(BUCKET, key).unwrap(), expected, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p13_migrating_one_object_deletes_that_one_only() {
    let lab = Lab::start().await;
    for key in ["dir/file.bin", "dir/file.bin2", "dir", "other"] {
        lab.s3.world().seed(BUCKET, key, key).unwrap();
    }
    let ran = lab.transfer(&["migrate", "one:data/dir/file.bin", "two:data/renamed"]).await.expect(0);
    assert_eq!((ran.objects("copied"), ran.objects("deleted_source")), (1, 1));
    let left: Vec<Vec<u8>> = ["dir", "dir/file.bin2", "other"].iter().map(|key| key.as_bytes().to_vec()).collect();
    assert_eq!(lab.s3.world().keys(BUCKET), left);
    assert_eq!(lab.s3_other.world().bytes(BUCKET, "renamed").unwrap(), "dir/file.bin".as_bytes());
    // With something under `SOURCE/`, the same spelling means all of that, and not the object of that name.
    lab.transfer(&["migrate", "one:data/dir", "two:data/all"]).await.expect(0);
    assert_eq!(lab.s3.world().keys(BUCKET), [b"dir".to_vec(), b"other".to_vec()]);
    assert!(lab.s3_other.world().peek(BUCKET, "all/file.bin2").is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_a_source_that_is_not_there_deletes_nothing() {
    let lab = Lab::start().await;
    lab.s3_other.world().seed(BUCKET, "kept", "x").unwrap();
    lab.transfer(&["sync", "one:data/no/such/place", "two:data", "--delete"]).await.expect(2);
    lab.transfer(&["sync", "one:nobucket", "two:data", "--delete"]).await.expect(2);
    assert_eq!(lab.s3_other.world().keys(BUCKET), [b"kept".to_vec()]);
}
