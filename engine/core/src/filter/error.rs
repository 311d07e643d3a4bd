//! What can be wrong with filter options: where it stands, what it is, what to do.

use std::fmt;

use super::glob::GlobError;
use super::re2::RegexpError;

/// Where a rule was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The option that brought the rule, such as `--filter-from`.
    pub option: &'static str,
    /// The file's name and the line, where the rule stands in a file.
    pub place: Option<(String, usize)>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((file, line)) => write!(f, "{} {file}, line {line}", self.option),
            None => f.write_str(self.option),
        }
    }
}

/// Why filter options were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A rule cannot be understood.
    #[error("bad filter rule {rule:?} ({origin})")]
    Rule {
        /// Where it stands.
        origin: Origin,
        /// The rule as written.
        rule: String,
        /// What is wrong with it.
        source: RuleError,
    },
    /// A line of a rule file is longer than rclone reads.
    #[error("{origin}: the line is longer than {limit_bytes} bytes")]
    LineTooLong {
        /// Where it stands.
        origin: Origin,
        /// The longest line, in bytes.
        limit_bytes: usize,
    },
    /// Two age limits that no object can meet.
    #[error("--min-age cannot be larger than --max-age: no object would pass")]
    AgesCross,
    /// `--files-from` beside another filter.
    #[error("{option} replaces all other filters and cannot be combined with them")]
    FilesFromNotAlone {
        /// The option that must stand alone.
        option: &'static str,
    },
}

/// What is wrong with one rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A line of `--filter` or `--filter-from` that is no rule.
    #[error("a rule begins with `+ ` or `- `, or is `!` alone")]
    Malformed,
    /// A glob without a character: a variable of a script that was not set, rather than a rule.
    #[error("the glob is empty; write `**` for everything")]
    Empty,
    /// The glob itself.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// The expression that the glob stands for.
    #[error(transparent)]
    Regexp(#[from] RegexpError),
    /// A glob whose directories are no globs: `a[/]b` is cut within the brackets.
    #[error("the directories of this glob cannot be told: {glob:?} is no glob ({problem}); do not put `/` or `**` in brackets")]
    Directory {
        /// The part that stands for a directory.
        glob: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An expression that would take too much memory or is nested too deeply.
    #[error("the pattern is too large: {problem}")]
    TooLarge {
        /// The limit that it meets.
        problem: String,
    },
}
