//! What is wrong with a configuration: every problem, in the order of the lines.

use std::fmt;

use crate::limits::EDITS_MAX;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line that it is on, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, naming the table and the key.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Everything that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    problems: Vec<Problem>,
    /// Jobs that are in the file and could not be read.
    unread: Vec<String>,
}

impl Found {
    /// Notes a problem.
    pub(crate) fn at(&mut self, line: usize, what: impl Into<String>) {
        self.problems.push(Problem { line, what: what.into(), hint: None });
    }

    /// Notes a problem and what to do about it.
    pub(crate) fn with_hint(&mut self, line: usize, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem { line, what: what.into(), hint: Some(hint.into()) });
    }

    /// Notes a problem with a hint, where there is one.
    pub(crate) fn push(&mut self, line: usize, what: String, hint: Option<String>) {
        self.problems.push(Problem { line, what, hint });
    }

    /// Whether a problem says this already.
    pub(crate) fn mentions(&self, words: &str) -> bool {
        self.problems.iter().any(|problem| problem.what.contains(words))
    }

    /// A job that is there, but could not be read: what names it is not wrong.
    pub(crate) fn unread(&mut self, job: &str) {
        self.unread.push(job.to_owned());
    }

    pub(crate) fn is_unread(&self, job: &str) -> bool {
        self.unread.iter().any(|unread| unread == job)
    }

    pub(crate) fn done(mut self) -> Result<(), Problems> {
        self.problems.sort();
        self.problems.dedup();
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.what)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            all => {
                write!(f, "{} problems", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// The known word nearest to one that is not known, where it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &'a str| (strsim::damerau_levenshtein(word, name), name);
    known.map(distance).filter(|(edits, name)| *edits <= EDITS_MAX && *edits < name.len()).min().map(|(_, name)| name)
}

/// The hint for a word that is not known.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}
