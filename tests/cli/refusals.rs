//! What is refused before the first request. The servers' own counters are the witness that none was made.

use std::ffi::OsString;
use std::path::Path;

use tokio::process::Command;

use crate::story::Story;
use crate::support::binary;

const OK: [&str; 2] = ["one:data", "g:data"];

/// Tells each command with exit code 2 and not one request.
async fn refused(story: &mut Story, commands: &[&[&str]]) {
    for arguments in commands {
        let ran = story.tell(arguments).await;
        assert_eq!(ran.code, 2, "{arguments:?}\n{}{}", ran.stdout, ran.stderr);
        assert_eq!(story.requests(), 0, "{arguments:?} was refused before the first request");
        assert!(ran.stdout.is_empty(), "errors go to standard error: {}", ran.stdout);
    }
}

fn with<'a>(command: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&[command], &OK[..], options].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn usage() {
    let mut story = Story::begin().await;
    refused(
        &mut story,
        &[
            &["copy"],
            &["copy", "one:data"],
            &["cpoy", "one:data", "g:data"],
            &["copy", "one:data", "g:data", "--exlude", "*.tmp"],
            &["copy", "one:data", "g:data", "third"],
            &["copy", "one:data", "g:data", "--verify", "maybe"],
            &["copy", "one:data", "g:data", "--attempts", "0"],
            &["copy", "one:data", "g:data", "--part-size", "8X"],
            &["copy", "one:data", "g:data", "--bandwidth", "fast"],
            &["copy", "one:data", "g:data", "--stall-timeout", "soon"],
            &["copy", "one:data", "g:data", "--concurrency", "0"],
            &["copy", "one:data", "g:data", "--max-delete-percent", "200"],
            &["copy", "one:data", "g:data", "--set-metadata", "team"],
            &["copy", "one:data", "g:data", "--source-endpoint-url", "localhost"],
            &["copy", "one:data", "g:data", "--min-age", "yesterday"],
            &["cleanup", "one:data", "--older-than", "old"],
        ],
    )
    .await;
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn locations() {
    let mut story = Story::begin().await;
    for bad in
        ["data", "s3//data", "s3://", "s3:///key", "gs://a b", "http://host/data", "file://relative", "on:data", "nowhere:data", ":data"]
    {
        refused(&mut story, &[&["copy", bad, "g:data"]]).await;
    }
    refused(&mut story, &[&["ls", "s3//data"], &["check", "one:data", "gs//data"], &["cleanup", "data"]]).await;
    refused(&mut story, &[&["copy", "./here", "g:data", "--source-region", "us-east-1"]]).await;
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn filters() {
    let mut story = Story::begin().await;
    let write = |name: &str, text: &str| {
        std::fs::write(story.lab.path(name), text).unwrap();
    };
    write("rules", "# what is kept\n- *.tmp\n+ {a,b\n");
    write("globs", "*.png\n[a-\n");
    write("rules-without-sign", "*.png\n");
    refused(
        &mut story,
        &[
            &with("copy", &["--include", "[a"]),
            &with("copy", &["--exclude", "{{(}}"]),
            &with("copy", &["--filter", "*.png"]),
            &with("copy", &["--filter-from", "rules"]),
            &with("copy", &["--filter-from", "rules-without-sign"]),
            &with("sync", &["--exclude-from", "globs"]),
            &with("check", &["--files-from", "missing"]),
            &with("copy", &["--files-from", "globs", "--include", "*.png"]),
            &with("copy", &["--min-age", "2d", "--max-age", "1d"]),
            &["ls", "one:data", "--include", "a***"],
        ],
    )
    .await;
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions() {
    let mut story = Story::begin().await;
    refused(
        &mut story,
        &[
            &with("copy", &["-q", "-v"]),
            &with("copy", &["--ignore-existing", "--immutable"]),
            &with("sync", &["--delete-excluded"]),
            &with("plan", &["--delete"]),
            &with("plan", &["--mode", "migrate", "--delete"]),
            &with("copy", &["--part-size", "1G", "--memory", "64M"]),
            &with("copy", &["--memory", "1M"]),
            &with("copy", &["--server-side", "always"]),
            &with("copy", &["--server-side", "always", "--verify", "content"]),
            &with("copy", &["--preserve-etag"]),
        ],
    )
    .await;
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations() {
    let mut story = Story::begin().await;
    let texts = [
        ("unknown-key", "[stores.primary]\nkind = \"s3\"\nendpoint_ulr = \"http://127.0.0.1:1\"\n"),
        ("unknown-table", "[store.primary]\nkind = \"s3\"\n"),
        ("unknown-kind", "[stores.primary]\nkind = \"azure\"\n"),
        ("no-kind", "[stores.primary]\nregion = \"us-east-1\"\n"),
        ("bad-endpoint", "[stores.primary]\nkind = \"s3\"\nendpoint_url = \"127.0.0.1:9000\"\n"),
        ("no-toml", "[stores.primary\nkind = \"s3\"\n"),
        ("no-root", "[stores.primary]\nkind = \"local\"\n"),
    ];
    for (name, text) in texts {
        let path = story.lab.path(name);
        std::fs::write(&path, text).unwrap();
        let ran = story.tell_with(&["copy", "primary:data", "./there"], |command| in_place_of_the_config(command, &path)).await;
        assert_eq!(ran.code, 2, "{}", ran.stderr);
    }
    let missing = story.lab.path("missing.toml");
    story.tell_with(&["ls", "primary:data"], |command| in_place_of_the_config(command, &missing)).await;
    assert_eq!(story.requests(), 0);
    insta::assert_snapshot!(story.text());
}

/// The lab's own configuration is an argument; this one comes by the environment.
fn in_place_of_the_config(command: &mut Command, path: &Path) {
    let arguments: Vec<OsString> = command.as_std().get_args().map(ToOwned::to_owned).collect();
    let directory = path.parent().unwrap();
    *command = Command::new(binary());
    command.args(&arguments[..arguments.len() - 2]).env_clear().env("HOME", directory).env("BRIGADE_CONFIG", path).current_dir(directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn overlaps() {
    let mut story = Story::begin().await;
    std::fs::create_dir_all(story.lab.path("disk/data/inner")).unwrap();
    refused(
        &mut story,
        &[
            &["copy", "one:data", "one:data"],
            &["copy", "one:data", "one:data/"],
            &["sync", "one:data/a", "one:data", "--delete"],
            &["migrate", "g:data", "g:data/inner"],
            &["copy", "disk:data", "./disk/data/inner"],
            &["copy", "./disk/data/inner/..", "disk:data"],
        ],
    )
    .await;
    insta::assert_snapshot!(story.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_written() {
    let mut story = Story::begin().await;
    std::fs::write(story.lab.path("a-file"), "").unwrap();
    refused(
        &mut story,
        &[
            &with("migrate", &["--report", "missing/report.json"]),
            &with("copy", &["--events", "missing/events.jsonl"]),
            &with("copy", &["--state-dir", "a-file/state"]),
        ],
    )
    .await;
    assert!(!story.lab.path("missing").exists());
    insta::assert_snapshot!(story.text());
}
