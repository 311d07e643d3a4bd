//! What a user asks of the filter, as plain data, and how the rules are gathered from it.
//!
//! The order is rclone's, whatever the order on the command line: `--include`, `--include-from`, `--exclude`, `--exclude-from`,
//! `--filter`, `--filter-from`, then the implied `- /**` where anything was included by the first two. Files are read by the caller.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{FilterError, Origin, RuleError};
use super::lines::{self, Cut};
use super::rules::{RuleList, Verdict};
use super::{Filter, Limits, glob};
use crate::units::Age;

/// Whether upper and lower case are the same to the globs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// They differ.
    #[default]
    Exact,
    /// They are the same (`--ignore-case`).
    Ignore,
}

/// A file of rules or keys: already read, with the name that errors use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFile {
    /// The name as the user gave it.
    pub name: String,
    /// All of its bytes.
    pub contents: Vec<u8>,
}

impl RuleFile {
    /// A file with this name and these bytes.
    pub fn new(name: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), contents: contents.into() }
    }
}

/// The filter options of a job. Lists keep the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterOptions {
    /// `--include`
    pub include: Vec<String>,
    /// `--include-from`
    pub include_from: Vec<RuleFile>,
    /// `--exclude`
    pub exclude: Vec<String>,
    /// `--exclude-from`
    pub exclude_from: Vec<RuleFile>,
    /// `--filter`
    pub filter: Vec<String>,
    /// `--filter-from`
    pub filter_from: Vec<RuleFile>,
    /// `--files-from`: one key a line, trimmed; empty lines and comments are skipped.
    pub files_from: Vec<RuleFile>,
    /// `--files-from-raw`: one key a line, as it is.
    pub files_from_raw: Vec<RuleFile>,
    /// `--files-from0`: keys that end in a NUL byte.
    pub files_from0: Vec<RuleFile>,
    /// `--min-size`, in bytes: smaller objects are hidden.
    pub min_size: Option<u64>,
    /// `--max-size`, in bytes: larger objects are hidden.
    pub max_size: Option<u64>,
    /// `--min-age`: younger objects are hidden.
    pub min_age: Option<Age>,
    /// `--max-age`: older objects are hidden.
    pub max_age: Option<Age>,
    /// `--ignore-case`: for globs, never for `--files-from`.
    pub case: Case,
}

impl FilterOptions {
    /// Compiles the filter. Ages are reckoned from `now` once, so that a long run hides the same objects from its start to its end.
    ///
    /// # Errors
    /// Names the option, or the file and its line, that cannot be understood.
    pub fn build(&self, now: Timestamp) -> Result<Filter, FilterError> {
        let newest = self.min_age.and_then(|age| age.instant(now));
        let oldest = self.max_age.and_then(|age| age.instant(now));
        if let (Some(newest), Some(oldest)) = (newest, oldest)
            && newest < oldest
        {
            return Err(FilterError::AgesCross);
        }
        let limits = Limits { min_size: self.min_size, max_size: self.max_size, newest, oldest };
        let mut gathered = Gathered { case: self.case, files: RuleList::default(), directories: RuleList::default() };
        gathered.options(self)?;
        let is_free = gathered.is_empty() && limits == Limits::default();
        let listed = self.listed(is_free)?;
        Ok(Filter { files: gathered.files.compile()?, directories: gathered.directories.compile()?, limits, listed })
    }

    /// The keys of `--files-from` and its kin, if any was given.
    fn listed(&self, is_free: bool) -> Result<Option<BTreeSet<Box<[u8]>>>, FilterError> {
        let sources = [
            ("--files-from", &self.files_from, Cut::Rules),
            ("--files-from-raw", &self.files_from_raw, Cut::Raw),
            ("--files-from0", &self.files_from0, Cut::Nul),
        ];
        let mut listed = None;
        for (option, files, cut) in sources {
            for file in files {
                if !is_free {
                    return Err(FilterError::FilesFromNotAlone { option });
                }
                let keys = listed.get_or_insert_with(BTreeSet::new);
                each_line(option, file, cut, |_, key| {
                    keys.insert(trim_slashes(key).into());
                    Ok(())
                })?;
            }
        }
        Ok(listed)
    }
}

fn trim_slashes(mut key: &[u8]) -> &[u8] {
    while let Some(rest) = key.strip_prefix(b"/") {
        key = rest;
    }
    while let Some(rest) = key.strip_suffix(b"/") {
        key = rest;
    }
    key
}

fn each_line(
    option: &'static str,
    file: &RuleFile,
    cut: Cut,
    mut take: impl FnMut(&Origin, &[u8]) -> Result<(), FilterError>,
) -> Result<(), FilterError> {
    let origin = |line| Origin { option, place: Some((file.name.clone(), line)) };
    for line in lines::lines(&file.contents, cut) {
        match line {
            Ok((number, text)) => take(&origin(number), text)?,
            Err(long) => {
                return Err(FilterError::LineTooLong { origin: origin(long.line), limit_bytes: lines::LINE_BYTES_MAX });
            }
        }
    }
    Ok(())
}

/// The values of an option as they come out of rclone's store of options, which trims white space off the end of the last one
/// unless it had to be quoted there. Rules in files are trimmed in any case.
fn as_rclone_keeps(values: &[String]) -> impl Iterator<Item = &str> {
    let is_quoted = |value: &str| value.contains([',', '"', '\r', '\n']) || value.starts_with(char::is_whitespace);
    values.iter().enumerate().map(move |(at, value)| {
        let is_last = at + 1 == values.len();
        if is_last && !is_quoted(value) { value.trim_end() } else { value.as_str() }
    })
}

/// File and directory rules while they are gathered.
struct Gathered {
    case: Case,
    files: RuleList,
    directories: RuleList,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty()
    }

    fn options(&mut self, options: &FilterOptions) -> Result<(), FilterError> {
        let globs = [
            (Verdict::Include, "--include", &options.include, "--include-from", &options.include_from),
            (Verdict::Exclude, "--exclude", &options.exclude, "--exclude-from", &options.exclude_from),
        ];
        for (verdict, option, rules, file_option, files) in globs {
            for rule in as_rclone_keeps(rules) {
                self.named(&Origin { option, place: None }, rule, |list, origin| match rule {
                    "" => Err(RuleError::Empty),
                    _ => list.add(verdict, rule, origin, rule),
                })?;
            }
            for file in files {
                each_line(file_option, file, Cut::Rules, |origin, line| {
                    let rule = super::text(line);
                    self.named(origin, &rule, |list, origin| list.add(verdict, &rule, origin, &rule))
                })?;
            }
        }
        for rule in as_rclone_keeps(&options.filter) {
            self.named(&Origin { option: "--filter", place: None }, rule, |list, origin| list.rule(rule, origin))?;
        }
        for file in &options.filter_from {
            each_line("--filter-from", file, Cut::Rules, |origin, line| {
                let rule = super::text(line);
                self.named(origin, &rule, |list, origin| list.rule(&rule, origin))
            })?;
        }
        if !options.include.is_empty() || !options.include_from.is_empty() {
            let origin = Origin { option: "--include", place: None };
            self.named(&origin, "/**", |list, origin| list.add(Verdict::Exclude, "/**", origin, "- /**"))?;
        }
        Ok(())
    }

    /// Runs `add` and puts the rule's name and place on its error.
    fn named(
        &mut self,
        origin: &Origin,
        rule: &str,
        add: impl FnOnce(&mut Self, &Origin) -> Result<(), RuleError>,
    ) -> Result<(), FilterError> {
        add(self, origin).map_err(|source| FilterError::Rule { origin: origin.clone(), rule: rule.to_owned(), source })
    }

    /// `+ glob`, `- glob` or `!`.
    fn rule(&mut self, rule: &str, origin: &Origin) -> Result<(), RuleError> {
        if rule == "!" {
            self.files.clear();
            self.directories.clear();
            Ok(())
        } else if let Some(glob) = rule.strip_prefix("- ") {
            self.add(Verdict::Exclude, glob, origin, rule)
        } else if let Some(glob) = rule.strip_prefix("+ ") {
            self.add(Verdict::Include, glob, origin, rule)
        } else {
            Err(RuleError::Malformed)
        }
    }

    /// Adds what a glob means for files and for the directories above them.
    fn add(&mut self, verdict: Verdict, glob: &str, origin: &Origin, written: &str) -> Result<(), RuleError> {
        let mut glob = std::borrow::Cow::Borrowed(glob);
        let ends_in_slash = glob.ends_with('/');
        if ends_in_slash && verdict == Verdict::Exclude {
            // `- dir/` is `- dir/**`.
            glob.to_mut().push_str("**");
        }
        let is_deep = glob.contains("**");
        let regexp = glob::to_regexp(&glob, self.case)?;
        if is_deep || !ends_in_slash {
            self.files.add(verdict, regexp.clone(), origin, written)?;
            // An included file needs its directories walked; an excluded one says nothing about them, unless it is every file.
            if verdict == Verdict::Include || glob == "*" {
                self.add_directories(verdict, &glob, origin, written)?;
            }
        }
        if is_deep || ends_in_slash {
            self.directories.add(verdict, regexp, origin, written)?;
        }
        Ok(())
    }

    fn add_directories(&mut self, verdict: Verdict, glob: &str, origin: &Origin, written: &str) -> Result<(), RuleError> {
        for directory in glob::to_directory_globs(glob) {
            // The root is always walked.
            if directory == "/" {
                continue;
            }
            let unfit = |problem: String| RuleError::Directory { glob: directory.clone(), problem };
            let regexp = glob::to_regexp(&directory, self.case).map_err(|error| unfit(error.to_string()))?;
            let added = self.directories.add(verdict, regexp, origin, written);
            added.map_err(|error| unfit(error.to_string()))?;
        }
        Ok(())
    }
}
