//! Configured jobs: `run`, `status`, `history`, `report`, `config` and `init`, on embedded servers.

use std::path::Path;

use brigade_config::keys::{Form, JOB};
use serde_json::Value;

use crate::support::{BUCKET, Lab, Ran};

/// The lab's stores and what a test adds to them.
fn write(lab: &Lab, rest: &str) {
    let s3 = |name: &str, url: &str| {
        format!("[stores.{name}]\nkind = \"s3\"\nendpoint_url = \"{url}\"\nregion = \"us-east-1\"\ncredentials_env = \"LAB\"\n")
    };
    let gcs = format!("[stores.g]\nkind = \"gcs\"\nendpoint_url = \"{}\"\nanonymous = true\n", lab.gcs.url());
    let text = format!("{}{}{gcs}{rest}", s3("one", &lab.s3.url()), s3("two", &lab.s3_other.url()));
    std::fs::write(lab.path("jobs.toml"), text).unwrap();
}

/// Runs the binary with the configuration of [`write`].
fn brigade(lab: &Lab, arguments: &[&str]) -> Ran {
    let mut command = lab.bare(arguments);
    if lab.path("jobs.toml").exists() {
        command.env("BRIGADE_CONFIG", lab.path("jobs.toml"));
    }
    Ran::of(&command.output().unwrap())
}

fn seed(lab: &Lab, key: &str) {
    lab.s3.world().seed(BUCKET, key, key).unwrap();
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", ran.stdout, ran.stderr))
}

const DAILY: &str = "[jobs.daily]\nsource = \"one:data/in\"\ntarget = \"g:data/out\"\nmode = \"sync\"\nschedule = \"0 3 * * *\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_as_its_command_would_and_its_copy_has_an_age() {
    let lab = Lab::start().await;
    write(&lab, &format!("{DAILY}recovery_point = \"26h\"\nexclude = \"*.tmp\"\n"));
    for key in ["in/a", "in/b.tmp", "in/c"] {
        seed(&lab, key);
    }
    let before = brigade(&lab, &["status", "--json"]);
    assert_eq!((before.code, json(&before)["jobs"][0]["level"].as_str()), (3, Some("breached")), "a copy that was never proven is none");

    let ran = brigade(&lab, &["run", "daily"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(lab.gcs.world().keys(BUCKET), [b"out/a", b"out/c"]);
    let status = brigade(&lab, &["status", "--json"]);
    let job = &json(&status)["jobs"][0];
    assert_eq!((status.code, job["level"].as_str(), job["last"]["outcome"].as_str()), (0, Some("met"), Some("done")));
    assert!(job["lag_seconds"].as_i64().unwrap() < 3600 && job["next"].as_str().is_some_and(|next| next.ends_with("T03:00:00Z")), "{job}");
    let table = brigade(&lab, &["status"]).stdout;
    assert!(table.starts_with("JOB    COPY  AGE") && table.contains("\ndaily  ok "), "{table}");

    // The command by hand has the same state: it finds everything done.
    let by_hand = brigade(&lab, &["sync", "one:data/in", "g:data/out", "--exclude", "*.tmp", "--json"]);
    assert_eq!((json(&by_hand)["objects"]["kept"].as_u64(), json(&by_hand)["objects"]["copied"].as_u64()), (Some(2), Some(0)));

    let history = brigade(&lab, &["history", "daily", "--json"]).stdout;
    let runs: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(runs.iter().map(|run| run["outcome"].as_str().unwrap()).collect::<Vec<_>>(), ["done", "done"]);
    let report = brigade(&lab, &["report", runs[0]["run"].as_str().unwrap(), "--json"]);
    assert_eq!((report.code, json(&report)["objects"]["copied"].as_u64()), (0, Some(2)));
    assert!(brigade(&lab, &["report", runs[0]["run"].as_str().unwrap()]).stdout.contains("2 listed, 2 copied"));
    for odd in ["../../jobs.toml", "01NONE"] {
        assert_eq!(brigade(&lab, &["report", odd]).code, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_is_exit_code_3_of_status_and_run() {
    let lab = Lab::start().await;
    write(&lab, &format!("{DAILY}recovery_point = \"1ms\"\n"));
    seed(&lab, "in/a");
    let ran = brigade(&lab, &["run", "daily"]);
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("the recovery point of `daily` is breached"), "{}", ran.stderr);
    assert_eq!(brigade(&lab, &["status"]).code, 3);
    // A run that finds nothing to complain of but skips a key has not proven the copy.
    write(&lab, &format!("{DAILY}recovery_point = \"26h\"\nmin_size = \"0\"\n"));
    seed(&lab, "in/line\nfeed");
    assert_eq!(brigade(&lab, &["run", "daily"]).code, 3, "a key that the target cannot hold was never proven");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_copy_waits_for_a_clean_first_one() {
    let lab = Lab::start().await;
    let second = "[jobs.second]\nsource = \"g:data/out\"\ntarget = \"two:data/third\"\nafter = \"daily\"\n";
    write(&lab, &format!("{DAILY}{second}"));
    seed(&lab, "in/a");
    seed(&lab, "in/line\nfeed");
    let refused = brigade(&lab, &["run", "second"]);
    assert!(refused.code == 2 && refused.stderr.contains("it has not run yet"), "{}", refused.stderr);
    assert_eq!(brigade(&lab, &["run", "daily"]).code, 1, "a key that the target cannot hold is skipped");
    let refused = brigade(&lab, &["run", "second"]);
    assert!(refused.code == 2 && refused.stderr.contains("its last run ended `partial`"), "{}", refused.stderr);
    assert!(lab.s3_other.world().keys(BUCKET).is_empty());
    write(&lab, &format!("{DAILY}exclude = \"line*\"\n{second}"));
    assert_eq!(brigade(&lab, &["run", "daily"]).code, 0);
    assert_eq!(brigade(&lab, &["run", "second"]).code, 0);
    assert_eq!(lab.s3_other.world().keys(BUCKET), [b"third/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_run_can_keep_is_refused_before_the_first_request() {
    let lab = Lab::start().await;
    let requests = |lab: &Lab| lab.s3.requests().counts().total() + lab.gcs.requests().counts().total();
    write(&lab, DAILY);
    let ran = brigade(&lab, &["run", "dayly"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `daily`?"), "{}", ran.stderr);
    // A tenant's job outside of its roots is a problem of the file, whatever command reads it.
    let tenants = "[tenants.a]\nstores = [\"one\", \"g\"]\nroots = [\"one:data/a\", \"g:data/a\"]\n\
                   [jobs.astray]\ntenant = \"a\"\nsource = \"one:data/ab\"\ntarget = \"g:data/a\"\n";
    write(&lab, tenants);
    for command in [&["run", "astray"][..], &["copy", "one:data/ab", "g:data/a"], &["config", "check"]] {
        let ran = brigade(&lab, command);
        assert!(ran.code == 2 && ran.stderr.contains("outside of every root of the tenant `a`"), "{}", ran.stderr);
    }
    // Two state directories that are one by a link.
    std::fs::create_dir_all(lab.path("real")).unwrap();
    std::os::unix::fs::symlink(lab.path("real"), lab.path("link")).unwrap();
    let tenant = |name: &str, store: &str, state: &str| {
        format!("[tenants.{name}]\nstores = [{store:?}]\nroots = [\"{store}:{name}\"]\nstate_dir = {:?}\n", lab.path(state))
    };
    write(&lab, &format!("{}{}", tenant("a", "one", "real/a"), tenant("b", "g", "link/a/b")));
    let linked = brigade(&lab, &["config", "show"]);
    assert!(linked.code == 2 && linked.stderr.contains("by way of a link"), "{}", linked.stderr);
    assert_eq!(requests(&lab), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_everything_at_once_and_a_look_shows_no_secret() {
    let lab = Lab::start().await;
    let rest =
        "recovery_point = \"12h\"\n[serve]\ntoken = \"${SERVE_TOKEN}\"\n[notifications]\nurl = \"https://hooks.example/services/abcdef\"\n";
    write(&lab, &format!("{DAILY}{rest}"));
    let checked = brigade(&lab, &["config", "check"]);
    assert_eq!(checked.code, 2);
    for said in [
        "2 problems",
        "`token` in [serve] names the variable SERVE_TOKEN, which is not set",
        "longest gap 24h",
        "more than the recovery point of 12h",
    ] {
        assert!(checked.stderr.contains(said), "{said}: {}", checked.stderr);
    }
    let shown = brigade(&lab, &["config", "show"]);
    assert!(shown.code == 0 && shown.stdout.contains("job daily: brigade sync one:data/in g:data/out"), "{}", shown.stdout);
    assert!(shown.stdout.contains("token ${SERVE_TOKEN}") && !shown.stdout.contains("abcdef"), "{}", shown.stdout);
    write(&lab, &format!("{DAILY}recovery_point = \"26h\"\n"));
    let checked = brigade(&lab, &["config", "check"]);
    assert!(checked.code == 0 && checked.stdout.contains("at most the recovery point of 26h"), "{}{}", checked.stdout, checked.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_writes_a_file_that_runs_and_never_writes_over_one() {
    let lab = Lab::start().await;
    seed(&lab, "in/a");
    let target = format!("{}/copy", lab.directory.path().display());
    let url = lab.s3.url();
    let arguments = ["init", "--source", "s3://data/in", "--source-endpoint-url", &url, "--target", &target];
    let made = brigade(&lab, &arguments);
    assert_eq!(made.code, 0, "{}", made.stderr);
    for said in ["\"s3:GetObject\"", "arn:aws:s3:::data/in/*", "brigade doctor source:data/in", "brigade run offsite"] {
        assert!(made.stdout.contains(said), "{said}: {}", made.stdout);
    }
    let path = lab.path("brigade.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(brigade(&lab, &arguments).code, 2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    // The credentials that the lab wants, where the draft says how.
    std::fs::write(
        &path,
        text.replace("# credentials_env = \"SOURCE\"", "credentials_env = \"LAB\"")
            .replace("# region = \"eu-central-1\"", "region = \"us-east-1\""),
    )
    .unwrap();
    let ran = brigade(&lab, &["run", "offsite"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(std::fs::read(Path::new(&target).join("a")).unwrap(), b"in/a");
    let missing = brigade(&lab, &["init", "--source", "s3://data", "--output", "other.toml"]);
    assert!(missing.code == 2 && missing.stderr.contains("--target is missing"), "{}", missing.stderr);
    assert!(!lab.path("other.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_of_a_job_is_one_of_its_command() {
    let lab = Lab::start().await;
    let sample = |form: Form| match form {
        Form::Switch => "true".to_owned(),
        Form::Number(least, _) => least.max(5).to_string(),
        Form::Percent | Form::Positive => "12.5".to_owned(),
        Form::OneOf(words) => format!("{:?}", words[0]),
        Form::Size | Form::SizeLimit => "\"64M\"".to_owned(),
        Form::Duration | Form::Age => "\"2d\"".to_owned(),
        Form::Bandwidth => "\"08:00,1M 18:00,off\"".to_owned(),
        Form::Concurrency => "8".to_owned(),
        Form::Pairs => "{ x = \"y=z\" }".to_owned(),
        Form::Texts => "[\"- *.tmp\", \"- b\"]".to_owned(),
        _ => "\"STANDARD\"".to_owned(),
    };
    std::fs::write(lab.path("rules"), "- x\n").unwrap();
    for key in JOB.keys.iter().filter(|key| !key.option.is_empty() && key.name != "delete") {
        let value = match key.name {
            name if name.ends_with("_from") => "\"rules\"".to_owned(),
            _ => sample(key.form),
        };
        let delete = if key.name == "delete_excluded" { "delete = true\n" } else { "" };
        write(&lab, &format!("{DAILY}{delete}{} = {value}\n", key.name));
        let ran = brigade(&lab, &["run", "daily", "--dry-run"]);
        let refused = ran.stderr.contains("cannot be run") || ran.stderr.contains("is not understood");
        assert!(!refused, "{}: {}", key.name, ran.stderr);
    }
    write(&lab, &format!("{DAILY}delete = true\nmax_delete = 3\n"));
    assert_eq!(brigade(&lab, &["run", "daily", "--dry-run"]).code, 0);
}
