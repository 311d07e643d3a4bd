//! The page as a strict reader of the text format sees it, and the reference against the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use brigade_config::Config;
use brigade_core::ErrorKind;
use brigade_core::event::{Attempt, Event, Observer, Side};
use brigade_core::limiter::{Class, ClassState, Reason};
use brigade_core::recovery::Swept;
use brigade_core::schedule::{Because, JobView};
use brigade_core::verdict::Operation;
use brigade_state::ledger::{Ended, Ledger};
use jiff::{SignedDuration, Timestamp};

use super::table::{Kind, TABLE};
use super::{reference, render};
use crate::board::{Board, JobStatus};
use crate::live::{Live, Tally};
use crate::webhook::{Counts, Deliveries};

const NOW: &str = "2026-11-20T06:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

/// A run that has had a bit of everything.
fn live() -> Arc<Live> {
    let live = Live::new("01RUN", Because::Asked, now());
    live.observe(&Event::Listed(Side::Source, 5));
    let throttled = Some(ErrorKind::Throttled);
    live.observe(&Event::Ended(Attempt {
        side: Side::Target,
        operation: Operation::Put,
        number: 1,
        read_bytes: 0,
        written_bytes: 9,
        error: throttled,
    }));
    let state =
        ClassState { class: Class::Write, at_once: 8, per_second: Some(50.0), reason: Reason::Trying, now: std::time::Duration::ZERO };
    live.observe(&Event::Limited(Side::Target, state));
    Arc::new(live)
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::empty("");
    let began = now() - SignedDuration::from_hours(2);
    let (ended, outcome) = (began + SignedDuration::from_mins(5), "done".to_owned());
    let (run, directory, held_back) = ("01OLD".to_owned(), "ab".to_owned(), SignedDuration::ZERO);
    ledger.note(Ended { run, began, ended, outcome, swept: Swept::Whole, failing: 0, held_back, directory, reason: None });
    ledger
}

fn status(ledger: Ledger, live: Option<Arc<Live>>) -> JobStatus {
    let running = live.as_ref().map(|live| (live.because, live.since));
    let next = Some(now() + SignedDuration::from_hours(1));
    JobStatus {
        view: JobView { running, waiting: None, is_paused: false, last: None, next },
        ledger: Arc::new(ledger),
        live,
        tally: Arc::new(Tally { objects: [1; 7], ..Tally::default() }),
        ended: [3, 0, 1, 0, 0],
        last_success: Some(now() - SignedDuration::from_hours(1)),
        recovery_point: Some(SignedDuration::from_hours(1)),
    }
}

fn board() -> Board {
    let text = "[stores.s]\nkind = \"s3\"\nprofile = \"x\"\n[stores.t]\nkind = \"gcs\"\ncredentials_file = \"/x\"\n[tenants.team]\nstores = [\"s\", \"t\"]\n\
                roots = [\"s:a\", \"t:b\"]\n[tenants.team.labels]\ncost = \"a\\\"b\\\\c\"\n[jobs.busy]\nsource = \"s:a/x\"\ntarget = \"t:b/x\"\n\
                tenant = \"team\"\nrecovery_point = \"1h\"\n[jobs.new]\nsource = \"s3://n/a\"\ntarget = \"gs://n/b\"\n";
    let config = Config::parse(text).expect("understood");
    let jobs = BTreeMap::from([("busy".to_owned(), status(ledger(), Some(live()))), ("new".to_owned(), status(Ledger::default(), None))]);
    Board {
        config: Arc::new(config),
        jobs,
        turned: None,
        is_stopping: false,
        loaded: now(),
        not_loaded: None,
        not_remembered: None,
        deliveries: deliveries(),
    }
}

fn deliveries() -> Deliveries {
    let counts = Counts { delivered: 7, given_up: 2, dropped: 1, failed_attempts: 9 };
    Deliveries { is_configured: true, counts, ..Deliveries::default() }
}

/// A series: its name, its labels and its value.
type Series = (String, BTreeMap<String, String>, f64);

/// Reads a page as the format defines it, and nothing that it does not. Fails on a name without HELP and TYPE before it, on either
/// given twice, on series of one name that stand apart, and on one series given twice.
fn lint(page: &str) -> Vec<Series> {
    let (mut help, mut kinds, mut seen) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    let (mut series, mut closed, mut current) = (Vec::new(), BTreeSet::new(), String::new());
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').expect("a name and words");
            assert!(help.insert(name.to_owned()) && !words.is_empty(), "HELP twice or empty: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a kind");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "TYPE twice: {line}");
        } else {
            let (name, labels, value) = sample(line);
            assert!(help.contains(&name) && kinds.contains_key(&name), "no HELP and TYPE before: {line}");
            if name != current {
                assert!(closed.insert(name.clone()), "series of one name stand apart: {line}");
                current.clone_from(&name);
            }
            assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
            assert_eq!(kinds[&name] == "counter", name.ends_with("_total"), "{line}");
            series.push((name, labels, value));
        }
    }
    series
}

fn sample(line: &str) -> Series {
    let is_name = |name: &str| {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        plain && name.starts_with(|first: char| first.is_ascii_lowercase())
    };
    let (head, value) = line.rsplit_once(' ').expect("a value");
    let (name, inside) = match head.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').expect("closed")),
        None => (head, ""),
    };
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").expect("a label");
        assert!(is_name(label), "{line}");
        let (mut text, mut letters) = (String::new(), after.char_indices());
        let end = loop {
            match letters.next().expect("a closed value") {
                (at, '"') => break at,
                (_, '\\') => match letters.next().expect("an escape").1 {
                    'n' => text.push('\n'),
                    plain @ ('\\' | '"') => text.push(plain),
                    other => panic!("no escape: {other} in {line}"),
                },
                (_, letter) => text.push(letter),
            }
        };
        assert!(labels.insert(label.to_owned(), text).is_none(), "a label twice: {line}");
        rest = after[end + 1..].trim_start_matches(',');
    }
    (name.to_owned(), labels, value.parse().expect("a number"))
}

fn value_of(series: &[Series], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let fits =
        |(own, given, _): &&Series| own == name && labels.iter().all(|(key, value)| given.get(*key).is_some_and(|given| given == value));
    series.iter().find(fits).map(|(.., value)| *value)
}

#[test]
fn the_page_keeps_to_the_format_and_has_everything_of_the_table() {
    let series = lint(&render(&board(), now()));
    for metric in TABLE {
        let own: Vec<_> = series.iter().filter(|(name, ..)| name == metric.name).collect();
        assert!(!own.is_empty(), "{} is in the table and not on the page", metric.name);
        for (_, labels, _) in own {
            assert!(metric.labels.iter().all(|label| labels.contains_key(*label)), "{}: {labels:?}", metric.name);
            let others = labels.keys().filter(|label| !metric.labels.contains(&label.as_str()));
            assert!(others.into_iter().all(|label| label.starts_with("label_")), "{}: {labels:?}", metric.name);
        }
    }
    let names: BTreeSet<_> = TABLE.iter().map(|metric| metric.name).collect();
    assert!(series.iter().all(|(name, ..)| names.contains(name.as_str())), "something is on the page and not in the table");
}

#[test]
fn values_say_what_is_so() {
    let series = lint(&render(&board(), now()));
    let value = |name: &str, labels: &[(&str, &str)]| value_of(&series, name, labels);
    assert_eq!(value("brigade_job_lag_seconds", &[("job", "busy")]), Some(7_200.0));
    assert_eq!(value("brigade_job_lag_seconds", &[("job", "new")]), None, "an age that is not known has no number");
    assert_eq!(value("brigade_job_breached", &[("job", "busy")]), Some(1.0));
    assert_eq!(value("brigade_job_breached", &[("job", "new")]), Some(1.0), "and is a breach");
    assert_eq!(value("brigade_job_runs_total", &[("job", "busy"), ("outcome", "refused")]), Some(1.0));
    assert_eq!(value("brigade_job_objects_total", &[("job", "busy"), ("result", "listed")]), Some(6.0), "with the run under way");
    assert_eq!(value("brigade_job_throttled_total", &[("job", "busy"), ("side", "target")]), Some(1.0));
    assert_eq!(value("brigade_job_limit_requests", &[("class", "write"), ("reason", "trying")]), Some(8.0));
    assert_eq!(value("brigade_job_info", &[("tenant", "team"), ("label_cost", "a\"b\\c")]), Some(1.0));
    assert_eq!(value("brigade_notifications_total", &[("outcome", "given_up")]), Some(2.0));
    assert_eq!(value("brigade_notification_attempt_failures_total", &[]), Some(9.0));
    assert_eq!(value("brigade_notifications_pending", &[]), Some(0.0));
    let later = lint(&render(&board(), now() + SignedDuration::from_hours(1)));
    assert_eq!(value_of(&later, "brigade_job_lag_seconds", &[("job", "busy")]), Some(10_800.0), "it grows while nothing changes");
}

#[test]
fn series_are_bounded_by_the_jobs() {
    let one = lint(&render(&board(), now())).len();
    let mut board = board();
    for number in 0..50 {
        board.jobs.insert(format!("job-{number}"), status(ledger(), Some(live())));
    }
    let all = lint(&render(&board, now())).len();
    assert!((all - one).is_multiple_of(50) && (all - one) / 50 < 60, "{} series for a job", (all - one) / 50);
}

#[test]
fn names_and_kinds_of_the_table_keep_to_the_habits() {
    let mut names = BTreeSet::new();
    for metric in TABLE {
        assert!(metric.name.starts_with("brigade_") && names.insert(metric.name), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert!(!metric.help.is_empty() && !metric.help.ends_with('.') && !metric.help.contains(['\n', '|']), "{}", metric.name);
    }
}

#[test]
fn the_reference_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/METRICS.md");
    if std::env::var_os("BRIGADE_REGENERATE").is_some() {
        std::fs::write(&path, reference()).expect("written");
    }
    let page = std::fs::read_to_string(&path).expect("docs/METRICS.md is there");
    assert!(page == reference(), "docs/METRICS.md is stale: BRIGADE_REGENERATE=1 cargo test -p brigade-service the_reference writes it");
}

/// The names of metrics that a file of `config/` uses, all of which are in the table.
fn used(file: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(file);
    let text = std::fs::read_to_string(path).expect("the file is there");
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.starts_with("brigade_"));
    let used: BTreeSet<String> = words.map(str::to_owned).collect();
    let names: BTreeSet<_> = TABLE.iter().map(|metric| metric.name).collect();
    assert!(used.iter().all(|name| names.contains(name.as_str())), "{file}: {used:?}");
    used
}

#[test]
fn rules_and_dashboard_ask_only_for_what_there_is() {
    let (rules, dashboard) = (used("prometheus/alerts.yml"), used("grafana/dashboard.json"));
    assert!(rules.contains("brigade_job_breached") && rules.contains("brigade_state_unwritable"), "{rules:?}");
    assert!(dashboard.contains("brigade_job_lag_seconds") && dashboard.contains("brigade_job_limit_requests"), "{dashboard:?}");
}

/// A file of `config/prometheus`.
fn prometheus(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/prometheus").join(file);
    std::fs::read_to_string(path).expect("the file is there")
}

/// What stands behind a word, in each line that begins with it.
fn behind<'a>(text: &'a str, word: &str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.trim_start().strip_prefix(word)).map(str::trim)
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let (rules, cases) = (prometheus("alerts.yml"), prometheus("alerts_test.yml"));
    let cases: Vec<(&str, bool)> = cases
        .split("alertname: ")
        .skip(1)
        .map(|case| (case.lines().next().expect("a name"), !behind(case, "exp_alerts:").next().expect("what is expected").starts_with('[')))
        .collect();
    let alerts: BTreeSet<&str> = behind(&rules, "- alert:").collect();
    assert!(alerts.len() >= 9, "{alerts:?}");
    for alert in alerts {
        for fires in [true, false] {
            assert!(cases.contains(&(alert, fires)), "{alert} has no case that says {fires}");
        }
    }
}

#[test]
fn the_series_of_the_cases_are_those_of_the_page() {
    let cases = prometheus("alerts_test.yml");
    let series: Vec<&str> = behind(&cases, "- series:").map(|series| series.trim_matches('\'')).collect();
    assert!(series.len() > 10, "{series:?}");
    for one in series {
        let (name, labels, _) = sample(&format!("{one} 1"));
        let metric = TABLE.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no such metric: {one}"));
        assert_eq!(labels.keys().collect::<Vec<_>>(), metric.labels.iter().collect::<Vec<_>>(), "{one}");
    }
}

#[test]
fn the_dashboard_is_json_whose_panels_stand_apart() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/grafana/dashboard.json");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let places: BTreeSet<_> = panels.iter().map(|panel| (panel["gridPos"]["x"].as_u64(), panel["gridPos"]["y"].as_u64())).collect();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert!(panels.len() >= 8 && places.len() == panels.len() && ids.len() == panels.len());
}
