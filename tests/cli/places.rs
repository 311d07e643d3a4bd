//! The order in which endpoints, credentials and configurations are found.

use crate::story::{Story, seed};

#[tokio::test(flavor = "multi_thread")]
async fn options_outweigh_the_named_store_which_outweighs_the_environment() {
    let mut story = Story::begin().await;
    seed(story.lab.s3_other.world());
    let two = story.lab.s3_other.url();
    let by_option = story.tell(&["ls", "one:data", "--endpoint-url", &two]).await.expect(0);
    assert_eq!(by_option.stdout.lines().count(), 5, "the option names the other server");
    let by_store = story
        .tell_with(&["ls", "one:data"], |command| {
            command.env("AWS_ENDPOINT_URL_S3", &two);
        })
        .await
        .expect(0);
    assert_eq!(by_store.stdout, "", "the store's own endpoint counts");
    let options = story.lab.s3.options().clone();
    let by_environment = story
        .tell_with(&["ls", "s3://data"], |command| {
            command.env("AWS_ENDPOINT_URL_S3", &two).env("AWS_REGION", "us-east-1");
            command.env("AWS_ACCESS_KEY_ID", &options.access_key).env("AWS_SECRET_ACCESS_KEY", &options.secret_key);
        })
        .await
        .expect(0);
    assert_eq!(by_environment.stdout, by_option.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_directory_comes_from_the_option_then_the_environment_then_home() {
    let mut story = Story::begin().await;
    let made = |story: &Story, name: &str| story.lab.path(name).is_dir();
    story.tell(&["copy", "one:data", "g:data", "--state-dir", "by-option"]).await.expect(0);
    assert_eq!((made(&story, "by-option"), made(&story, "state")), (true, false));
    story.tell(&["copy", "one:data", "g:data"]).await.expect(0);
    assert!(made(&story, "state"), "$BRIGADE_STATE_DIR");
    story
        .tell_with(&["copy", "one:data", "g:data"], |command| {
            command.env_remove("BRIGADE_STATE_DIR");
        })
        .await
        .expect(0);
    assert!(made(&story, ".local/state/brigade"), "$HOME");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_off_a_terminal_is_lines() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    let asked = story.tell(&["copy", "one:data", "g:data", "--progress", "always", "--bandwidth", "6M", "--memory", "16M"]).await.expect(0);
    assert!(asked.stderr.lines().any(|line| line.contains(" objects, ")), "{}", asked.stderr);
    assert!(!asked.stderr.contains('\u{1b}'), "no escape codes: {}", asked.stderr);
    let auto = story.tell(&["copy", "one:data", "two:data"]).await.expect(0);
    assert_eq!(auto.stderr, "", "a short run needs no line");
}

/// Copied onto itself and then deleted, everything would be lost.
#[tokio::test(flavor = "multi_thread")]
async fn p03_one_place_is_seen_however_its_address_is_written() {
    let mut story = Story::begin().await;
    seed(story.lab.s3.world());
    let (url, options) = (story.lab.s3.url(), story.lab.s3.options().clone());
    let before = story.lab.s3.world().snapshot("data");
    for host in ["localhost", "LOCALHOST.", "127.0.0.1.", "127.1", "127.0.0.2", "0.0.0.0", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]"]
    {
        let other = url.replace("127.0.0.1", host);
        let arguments = ["migrate", "s3://data", "s3://data", "--source-endpoint-url", &url, "--target-endpoint-url", &other];
        let asked = story
            .tell_with(&arguments, |command| {
                command.env("AWS_ACCESS_KEY_ID", &options.access_key).env("AWS_SECRET_ACCESS_KEY", &options.secret_key);
            })
            .await
            .expect(2);
        assert!(asked.stderr.contains("SOURCE and TARGET are the same place"), "{host}: {}", asked.stderr);
        assert_eq!(story.lab.s3.world().snapshot("data"), before, "{host}");
    }
}
