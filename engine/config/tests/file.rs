//! Files that are understood, and files in which everything is wrong at once.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::path::Path;
use std::time::Duration;

use brigade_config::{Config, Mode, NotifyEvent, StoreKind, Verdict};
use brigade_core::schedule::Priority;
use jiff::{SignedDuration, Timestamp};

const EXAMPLE: &str = include_str!("../../../config/brigade.example.toml");

fn problems(text: &str) -> Vec<String> {
    Config::parse(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_says_what_it_seems_to_say() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!(config.stores["primary"].kind, StoreKind::S3);
    let job = &config.jobs["registry-offsite"];
    assert_eq!((job.mode, job.jitter), (Mode::Sync, Duration::from_secs(600)));
    assert_eq!(config.recovery_point(job), Some(Duration::from_secs(27 * 3600)));
    assert_eq!((config.priority(job), config.priority(&config.jobs["registry-vault"])), (Priority::High, Priority::Low));
    assert_eq!(
        config.arguments("registry-offsite").unwrap(),
        [
            "sync",
            "primary:registry/blobs/",
            "offsite:registry-backup/blobs/",
            "--exclude=*.tmp",
            "--exclude=/uploads/**",
            "--verify=stored",
            "--memory=512M",
            "--concurrency=64",
            "--bandwidth=08:00,50M 18:00,off"
        ]
    );
    assert_eq!(config.tenants["team-a"].limits.memory_bytes, Some(512 << 20));
    assert_eq!(config.state_dir(job, Path::new("/x")), Path::new("/x/tenants/team-a"));
    let told = config.notifications.as_ref().unwrap();
    assert!(!told.events.contains(&NotifyEvent::FirstSuccess) && told.events.contains(&NotifyEvent::Breach));
    let url = told.url.resolve(|name| (name == "HOOK_PATH").then(|| "abc".to_owned())).unwrap();
    assert_eq!(url, "https://hooks.example/abc");
}

#[test]
fn nothing_is_needed() {
    let config = Config::parse("").unwrap();
    assert!(config.jobs.is_empty() && config.serve.listen.ip().is_loopback());
    let config = Config::parse("[stores.a]\nkind = \"gcs\"\nanonymous = true\n[jobs.b]\nsource = \"a:x\"\ntarget = \"/y\"\n").unwrap();
    assert_eq!(config.arguments("b").unwrap(), ["copy", "a:x", "/y"]);
}

#[test]
fn every_problem_is_told_with_its_line_and_the_nearest_word() {
    let text = "\
[stores.a]
kind = \"s4\"
endpoint_ulr = \"x\"
[stores.b]
kind = \"gcs\"
region = \"eu\"
[jobs.one]
source = \"a:x\"
target = \"c:y\"
modde = \"sync\"
schedule = \"0 25 * * *\"
recovery_point = \"soon\"
after = [\"tow\"]
[jobs.two]
source = \"a:x\"
verify = \"strong\"
[job]
";
    assert_eq!(
        problems(text),
        [
            "line 2: `kind` in [stores.a] is `s4`, not one of `s3`, `gcs`, `local`; did you mean `s3`?",
            "line 3: unknown key `endpoint_ulr` in [stores.a]; did you mean `endpoint_url`?",
            "line 6: `region` in [stores.b] means nothing where kind = \"gcs\"",
            "line 7: [jobs.one] comes after `tow`, which there is not",
            "line 7: `target` in [jobs.one] is in the store `c`, which there is not",
            "line 10: unknown key `modde` in [jobs.one]; did you mean `mode`?",
            "line 11: `schedule` in [jobs.one]: `0 25 * * *` is no cron expression: `25` is no hour: write 0 to 23",
            "line 12: `recovery_point` in [jobs.one] is no duration: \"soon\" is not a duration: write a number and ms, s, m, h, d, w, M or y, \
             such as 30s or 1h30m (seconds where no unit is given)",
            "line 14: [jobs.two] has no `target`",
            "line 16: `verify` in [jobs.two] is `strong`, not one of `transport`, `stored`, `content`; did you mean `stored`?",
            "line 17: unknown key `job` in the file; did you mean `jobs`?",
        ]
    );
    assert_eq!(problems("[stores.a\n"), ["line 1: unclosed table, expected `]`"]);
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    for (table, key, near) in [
        ("", "stroes", "stores"),
        ("[stores.a]\nkind = \"s3\"\n", "anonymos", "anonymous"),
        ("[jobs.a]\nsource = \"/a\"\ntarget = \"/b\"\n", "soruce", "source"),
        ("[jobs.a]\nsource = \"/a\"\ntarget = \"/b\"\n[jobs.a.ready_when]\n", "makrer", "marker"),
        ("[classes.a]\n", "recovery_pont", "recovery_point"),
        ("[tenants.a]\nstores = [\"s\"]\nroots = [\"s:b\"]\n", "lables", "labels"),
        ("[tenants.a]\nstores = [\"s\"]\nroots = [\"s:b\"]\n[tenants.a.limits]\n", "memroy", "memory"),
        ("[serve]\n", "lisen", "listen"),
        ("[notifications]\nurl = \"https://h\"\n", "evnets", "events"),
    ] {
        let found = problems(&format!("{table}{key} = \"1\"\n"));
        assert!(
            found.iter().any(|what| what.contains(&format!("unknown key `{key}`")) && what.ends_with(&format!("did you mean `{near}`?"))),
            "{found:?}"
        );
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let job = |rest: &str| format!("[jobs.a]\nsource = \"/a\"\ntarget = \"/b\"\n{rest}");
    for (text, expected) in [
        (job("schedule = \"@daily\"\nevery = \"6h\"\n"), "`schedule` and `every`"),
        (job("time_zone = \"Europe/Berlin\"\n"), "means nothing without `schedule`"),
        (job("schedule = \"@daily\"\ntime_zone = \"Mars/Olympus\"\n"), "which is no zone"),
        (job("every = \"30s\"\n"), "at least a minute"),
        (job("every = \"1h\"\njitter = \"30m\"\n"), "not less than half"),
        (job("jitter = \"30m\"\n"), "means nothing without a schedule"),
        (job("delete = true\n"), "goes with mode = \"sync\" only"),
        (job("delete_excluded = true\n"), "goes with delete = true only"),
        (job("[jobs.a.ready_when]\n"), "[jobs.a.ready_when] asks for nothing"),
        (job("[jobs.a.ready_when]\nmin_age = \"1h\"\nlistings_apart = \"1m\"\n"), "goes with unchanged_across_listings = true only"),
        (job("ignore_existing = true\nimmutable = true\n"), "contradict each other"),
        (job("include = \"[\"\n"), "is not understood"),
        (job("after = \"a\"\n"), "comes after itself"),
        (job("class = \"gold\"\n"), "which there is not"),
        (job("memory = \"${MEMORY}\"\n"), "stands for a variable in secrets only"),
        (job("max_delete = -1\n"), "not a whole number"),
        (job("paused = \"yes\"\n"), "is a TOML string, not `true` or `false`"),
        ("[jobs.a]\nsource = \"/a\"\ntarget = \"/a/b\"\n".into(), "share keys"),
        ("[stores.a]\nkind = \"local\"\n".into(), "has no `root`"),
        ("[stores.a]\nkind = \"local\"\nroot = \"x\"\n".into(), "is no absolute path"),
        ("[stores.a]\nkind = \"s3\"\nanonymous = true\nprofile = \"x\"\n".into(), "contradict each other"),
        ("[stores.a]\nkind = \"s3\"\nendpoint_url = \"ftp://x\"\n".into(), "is no endpoint"),
        ("[stores.\"a b\"]\nkind = \"s3\"\n".into(), "is no name"),
        ("[serve]\nlisten = \"0.0.0.0:9464\"\n".into(), "has no `token`"),
        ("[serve]\nlisten = \"localhost\"\n".into(), "is no ADDR:PORT"),
        ("[serve]\ntoken = \"plain\"\n".into(), "a secret never stands in the file"),
        ("[notifications]\nurl = \"http://hooks.example/x\"\n".into(), "is plain http"),
        ("[notifications]\nurl = \"https://h\"\nevents = [\"breech\"]\n".into(), "did you mean `breach`?"),
        ("[notifications]\nurl = \"https://h\"\ntemplate = \"{jb}\"\n".into(), "did you mean `job`?"),
        ("[serve]\nstate_dir = \"/b/state\"\n[jobs.a]\nsource = \"/a\"\ntarget = \"/b\"\n".into(), "would copy or replace the state"),
    ] {
        let found = problems(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
}

#[test]
fn jobs_that_would_undo_each_other_are_refused() {
    let two = |first: &str, second: &str| {
        format!("[jobs.a]\nsource = \"/a\"\ntarget = \"/t/x\"\n{first}[jobs.b]\nsource = \"/b\"\ntarget = \"{second}\"\n")
    };
    let deletes = "mode = \"sync\"\ndelete = true\n";
    assert!(Config::parse(&two("", "/t")).is_ok());
    assert!(problems(&two(deletes, "/t"))[0].contains("would delete what [jobs.b] copies"));
    assert!(problems(&two(deletes, "/t/x/y"))[0].contains("would delete"));
    assert!(Config::parse(&two(deletes, "/t/xy")).is_ok());
    let twice = "[jobs.a]\nsource = \"s3://a/x\"\ntarget = \"/t\"\n[jobs.b]\nsource = \"s3://a/x/\"\ntarget = \"/t/\"\n";
    assert!(problems(twice)[0].contains("have the same source and target"));
    let circle = "[jobs.a]\nsource = \"/a\"\ntarget = \"/b\"\nafter = \"c\"\n[jobs.c]\nsource = \"/b\"\ntarget = \"/c\"\nafter = \"a\"\n";
    assert_eq!(problems(circle).len(), 2);
}

#[test]
fn a_schedule_that_cannot_meet_its_objective_is_found_with_the_arithmetic() {
    let config = Config::parse(EXAMPLE).unwrap();
    let now: Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
    let none = |_: &str| None;
    assert!(matches!(config.verdict("registry-offsite", &none, now), Verdict::Feasible(_)));
    let slow = |job: &str| (job == "registry-offsite").then(|| SignedDuration::from_hours(2));
    let Verdict::Infeasible(refused) = config.verdict("registry-offsite", &slow, now) else {
        panic!("25 hours, 10 minutes and 2 hours are too long")
    };
    assert!(
        refused.arithmetic.contains("longest gap 25h") && refused.arithmetic.contains("= 27h 10m, more than the recovery point of 27h")
    );
    let Verdict::Feasible(follows) = config.verdict("registry-vault", &slow, now) else { panic!("three days are enough") };
    assert!(follows.arithmetic.contains("longest runs before it 2h"), "{}", follows.arithmetic);
}

#[test]
fn no_secret_is_shown() {
    let shown = Config::parse(&EXAMPLE.replace("https://hooks.example/", "https://user:pass@hooks.example/plain/")).unwrap();
    for text in [shown.shown(), format!("{shown:?}")] {
        for secret in ["pass", "plain", "user:"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    assert!(shown.shown().contains("token ${BRIGADE_TOKEN}"));
}
