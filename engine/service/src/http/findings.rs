//! What a run found wrong, for people: how many keys of each kind, the first of each, and more of one kind when somebody asks.
//!
//! A report may hold millions of failures, each on a line of its own. It is read line by line and never held as a whole, so what a look
//! costs in memory is bounded; what it costs in time is bounded by [`REPORT_SCANNED_BYTES_MAX`], and the answer says where that was not
//! the whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use brigade_core::report::{FailureRecord, FailureStatus};
use serde_json::{Value, json};

use crate::limits::{FAILURES_FIRST_MAX, FAILURES_KINDS_MAX, FAILURES_SLICE_MAX, REPORT_LINE_BYTES_MAX, REPORT_SCANNED_BYTES_MAX};
use crate::live::Live;

/// Failures of one kind.
#[derive(Default)]
struct Group {
    objects: u64,
    first: Vec<FailureRecord>,
}

/// By what became of the keys, and why.
type Groups = BTreeMap<(&'static str, String), Group>;

/// Which failures of a report somebody wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    status: String,
    kind: String,
    from: usize,
}

impl Wanted {
    /// Reads `status=failed&kind=denied&from=100`. All three are plain words and numbers, so nothing is decoded.
    pub(super) fn parse(query: &str) -> Self {
        let mut wanted = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "status" => value.clone_into(&mut wanted.status),
                "kind" => value.clone_into(&mut wanted.kind),
                "from" => wanted.from = value.parse().unwrap_or(usize::MAX),
                _ => {}
            }
        }
        wanted
    }

    fn is(&self, record: &FailureRecord) -> bool {
        word(record.status) == self.status && record.kind == self.kind
    }
}

/// The report without its failures, and those by kind.
pub(super) fn summary(path: &Path) -> io::Result<Value> {
    summary_within(path, REPORT_SCANNED_BYTES_MAX)
}

/// The same of a run that came to nothing.
pub(super) fn nothing(report: &Value) -> Value {
    json!({"schema": "brigade.summary/1", "report": report, "failures": [], "is_cut": false})
}

fn summary_within(path: &Path, bytes_max: u64) -> io::Result<Value> {
    let mut report = Report::open(path, bytes_max)?;
    let mut groups = Groups::new();
    while let Some(record) = report.next()? {
        take(&mut groups, record);
    }
    Ok(json!({
        "schema": "brigade.summary/1",
        "report": report.head,
        "failures": shown(groups),
        "is_cut": report.is_cut,
    }))
}

/// The next failures of one kind.
pub(super) fn slice(path: &Path, wanted: &Wanted) -> io::Result<Value> {
    let mut report = Report::open(path, REPORT_SCANNED_BYTES_MAX)?;
    let (mut passed, mut found) = (0, Vec::new());
    while let Some(record) = report.next()? {
        if !wanted.is(&record) {
            continue;
        }
        passed += 1;
        if passed > wanted.from {
            found.push(record);
        }
        if found.len() == FAILURES_SLICE_MAX {
            break;
        }
    }
    Ok(json!({"schema": "brigade.failures/1", "failures": found, "is_cut": report.is_cut}))
}

/// Those of a run under way: all are counted, the latest are named.
pub(super) fn of_live(live: &Live) -> Value {
    let mut groups = Groups::new();
    for record in live.failed() {
        take(&mut groups, record);
    }
    let counted = live.failed_kinds().into_iter().map(|((status, kind), objects)| {
        let first = groups.remove(&(word(status), kind.clone())).unwrap_or_default().first;
        ((word(status), kind), Group { objects, first })
    });
    shown(counted.collect())
}

fn take(groups: &mut Groups, record: FailureRecord) {
    let name = (word(record.status), record.kind.clone());
    if groups.len() >= FAILURES_KINDS_MAX && !groups.contains_key(&name) {
        return;
    }
    let group = groups.entry(name).or_default();
    group.objects += 1;
    if group.first.len() < FAILURES_FIRST_MAX {
        group.first.push(record);
    }
}

/// The kinds with the most keys first.
fn shown(groups: Groups) -> Value {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.objects));
    let shown = |((status, kind), group): ((&str, String), Group)| {
        let hint = group.first.first().map(|record| record.hint.clone());
        json!({"status": status, "kind": kind, "objects": group.objects, "hint": hint, "first": group.first})
    };
    groups.into_iter().map(shown).collect()
}

/// The word of a status, as reports have it.
fn word(status: FailureStatus) -> &'static str {
    match status {
        FailureStatus::Failed => "failed",
        FailureStatus::Skipped => "skipped",
        FailureStatus::Differs => "differs",
    }
}

/// A report that is read line by line.
struct Report {
    /// Everything but the failures.
    head: Value,
    lines: io::Take<BufReader<File>>,
    /// There was more than is read.
    is_cut: bool,
}

impl Report {
    /// Opens a report, of which so many bytes are read at most. Its first line is everything but the failures.
    fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let mut lines = BufReader::new(File::open(path)?).take(bytes_max);
        let line = line(&mut lines)?;
        let ends = match line.strip_suffix(b"\"failures\":[") {
            Some(_) => [&line, b"]}".as_slice()].concat(),
            None => line,
        };
        let mut head: Value = serde_json::from_slice(&ends).map_err(damaged)?;
        if let Some(fields) = head.as_object_mut() {
            fields.remove("failures");
        }
        Ok(Self { head, lines, is_cut: false })
    }

    fn next(&mut self) -> io::Result<Option<FailureRecord>> {
        let line = line(&mut self.lines)?;
        if line.is_empty() {
            return Ok(None);
        }
        let record = line.strip_suffix(b"]}").or_else(|| line.strip_suffix(b",")).unwrap_or(&line);
        match serde_json::from_slice(record) {
            Ok(record) => Ok(Some(record)),
            // The line on which reading ends is cut as well.
            Err(_) if self.lines.limit() == 0 => {
                self.is_cut = true;
                Ok(None)
            }
            Err(error) => Err(damaged(error)),
        }
    }
}

/// The next line without its end; empty behind the last.
fn line(lines: &mut io::Take<BufReader<File>>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    lines.by_ref().take(REPORT_LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}

fn damaged(error: serde_json::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// A report as the engine writes it, with failures of two kinds in turn.
    fn report(failures: usize) -> tempfile::NamedTempFile {
        let mut text = "{\"schema\":\"brigade.report/1\",\"run\":\"01RUN\",\"failures\":[".to_owned();
        for number in 0..failures {
            let separator = if number == 0 { "" } else { "," };
            let (status, kind) = if number % 4 == 0 { ("skipped", "unfit") } else { ("failed", "denied") };
            write!(
                text,
                "{separator}\n{{\"key\":\"k{number}\",\"status\":\"{status}\",\"kind\":\"{kind}\",\"message\":\"no\",\"hint\":\"ask\"}}"
            )
            .expect("it fits");
        }
        text.push_str("]}\n");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    }

    fn keys(failures: &Value) -> Vec<&str> {
        failures.as_array().expect("a list").iter().map(|one| one["key"].as_str().expect("a key")).collect()
    }

    #[test]
    fn failures_are_counted_by_kind_and_the_first_of_each_are_named() {
        let file = report(10_000);
        let summary = summary(file.path()).expect("read");
        assert_eq!((summary["report"]["run"].as_str(), summary["report"].get("failures")), (Some("01RUN"), None));
        let groups = summary["failures"].as_array().expect("a list");
        let counted: Vec<_> = groups.iter().map(|group| (group["kind"].as_str(), group["objects"].as_u64())).collect();
        assert_eq!(counted, [(Some("denied"), Some(7_500)), (Some("unfit"), Some(2_500))], "the most first");
        assert_eq!(groups[0]["first"].as_array().map(Vec::len), Some(FAILURES_FIRST_MAX));
        assert_eq!(keys(&groups[1]["first"])[..2], ["k0", "k4"]);
        assert_eq!(summary["is_cut"], false);
    }

    #[test]
    fn a_slice_goes_on_where_the_one_before_ended() {
        let file = report(1_000);
        let slice = |from: usize| slice(file.path(), &Wanted::parse(&format!("status=skipped&kind=unfit&from={from}"))).expect("read");
        let first = slice(0);
        assert_eq!((keys(&first["failures"])[0], keys(&first["failures"]).len()), ("k0", FAILURES_SLICE_MAX));
        assert_eq!(keys(&slice(FAILURES_SLICE_MAX)["failures"])[0], "k400");
        assert_eq!(keys(&slice(240)["failures"]).len(), 10, "the last ones");
        for nothing in ["status=failed&kind=unfit", "kind=unfit", "", "status=skipped&kind=unfit&from=-1", "%&=&&=="] {
            let answer = super::slice(file.path(), &Wanted::parse(nothing)).expect("read");
            assert_eq!(answer["failures"], json!([]), "{nothing}");
        }
    }

    #[test]
    fn a_report_without_failures_has_no_groups_and_a_damaged_one_is_an_error() {
        let summary_of = |text: &str| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), text).expect("written");
            summary(file.path())
        };
        assert_eq!(summary(report(0).path()).expect("read")["failures"], json!([]));
        assert_eq!(summary_of("{\"run\":\"01RUN\"}").expect("read")["report"]["run"], "01RUN");
        for damaged in ["", "{\"failures\":[\n{\"key\":1}]}\n", "{\"failures\":[\nnonsense\n"] {
            assert!(summary_of(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn what_is_too_long_to_be_read_is_said_to_be_cut() {
        let file = report(1_000);
        let bytes = file.as_file().metadata().expect("there").len();
        for (bytes_max, is_cut) in [(bytes, false), (bytes - 20, true), (bytes / 2, true)] {
            let summary = summary_within(file.path(), bytes_max).expect("read");
            assert_eq!(summary["is_cut"], is_cut, "{bytes_max} of {bytes}");
            assert!(summary["failures"][0]["objects"].as_u64() > Some(300), "what was read is counted");
        }
    }
}
