//! An ordered list of rules of which the first that matches decides.
//!
//! Neighbours with the same verdict are one alternation, since it cannot matter which of them matches: a list of thousands of
//! names costs a few searches for a key, and the memory of a few expressions.

use std::collections::HashSet;

use regex::bytes::{Regex, RegexBuilder};

use super::error::{FilterError, Origin, RuleError};
use super::re2;

/// Largest compiled expression, in bytes: far above what any list of globs needs, and small beside the memory of a run.
const PROGRAM_BYTES_MAX: usize = 32 << 20;

/// Deepest nesting of groups in one expression; it bounds the stack that compiling takes.
const NESTING_MAX: u32 = 250;

/// Rules of one alternation: beyond some hundreds the search automaton outgrows its cache.
const ALTERNATION_MAX: usize = 128;

/// What happens to a path that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    Include,
    Exclude,
}

/// Rules as they are read: later turned into [`Rules`].
#[derive(Debug, Default)]
pub(super) struct RuleList {
    rules: Vec<Rule>,
    known: HashSet<(Verdict, String)>,
}

#[derive(Debug)]
struct Rule {
    verdict: Verdict,
    /// In Go's syntax, for people.
    regexp: String,
    /// In the syntax of the `regex` crate.
    translated: String,
    origin: Origin,
    written: String,
}

impl RuleList {
    /// Adds a rule, unless it is there already. `regexp` is in Go's syntax.
    pub(super) fn add(&mut self, verdict: Verdict, regexp: String, origin: &Origin, written: &str) -> Result<(), RuleError> {
        let translated = re2::translate(&regexp)?;
        if self.known.insert((verdict, regexp.clone())) {
            self.rules.push(Rule { verdict, regexp, translated, origin: origin.clone(), written: written.to_owned() });
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
        self.known.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Compiles the rules.
    pub(super) fn compile(self) -> Result<Rules, FilterError> {
        let mut groups = Vec::new();
        for run in self.rules.chunk_by(|a, b| a.verdict == b.verdict) {
            for chunk in run.chunks(ALTERNATION_MAX) {
                compile_chunk(chunk, &mut groups)?;
            }
        }
        let text = self.rules.into_iter().map(|rule| (rule.verdict, rule.regexp)).collect();
        Ok(Rules { groups, text })
    }
}

/// One expression for all, or one for each where together they are too large.
fn compile_chunk(rules: &[Rule], groups: &mut Vec<Group>) -> Result<(), FilterError> {
    let Some(verdict) = rules.first().map(|rule| rule.verdict) else { return Ok(()) };
    let alternatives: Vec<String> = rules.iter().map(|rule| format!("(?:{})", rule.translated)).collect();
    if let Ok(regex) = compile(&alternatives.join("|")) {
        groups.push(Group { verdict, regex });
        return Ok(());
    }
    for rule in rules {
        let regex = compile(&rule.translated).map_err(|error| FilterError::Rule {
            origin: rule.origin.clone(),
            rule: rule.written.clone(),
            source: RuleError::TooLarge { problem: last_line(&error.to_string()).to_owned() },
        })?;
        groups.push(Group { verdict, regex });
    }
    Ok(())
}

fn compile(regex: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(regex).size_limit(PROGRAM_BYTES_MAX).nest_limit(NESTING_MAX).build()
}

/// The `regex` crate draws the expression above its message.
fn last_line(message: &str) -> &str {
    let line = message.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line)
}

#[derive(Clone, Debug)]
struct Group {
    verdict: Verdict,
    regex: Regex,
}

/// Compiled rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    groups: Vec<Group>,
    text: Vec<(Verdict, String)>,
}

impl Rules {
    /// What the first rule that matches says; a path that none matches is included.
    pub(super) fn verdict(&self, path: &str) -> Verdict {
        let first = self.groups.iter().find(|group| group.regex.is_match(path.as_bytes()));
        first.map_or(Verdict::Include, |group| group.verdict)
    }

    /// Whether every path is included, by the first rule (`**`) or for want of rules. A spelt path has no line feed, so the dot of
    /// the expression matches all of its characters.
    pub(super) fn includes_all(&self) -> bool {
        match self.text.first() {
            None => true,
            Some((verdict, regexp)) => *verdict == Verdict::Include && matches!(regexp.as_str(), "^.*$" | "(?i)^.*$"),
        }
    }

    /// The rules as `rclone --dump filters` prints them.
    pub(super) fn dump(&self) -> impl Iterator<Item = String> {
        self.text.iter().map(|(verdict, regexp)| match verdict {
            Verdict::Include => format!("+ {regexp}"),
            Verdict::Exclude => format!("- {regexp}"),
        })
    }
}
