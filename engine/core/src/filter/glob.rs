//! From a glob of rclone to the regular expression that rclone would compile, letter for letter.
//!
//! The text made here is in Go's syntax: it is what `rclone --dump filters` prints, so the two programs can be
//! compared by eye and by script. [`super::re2`] then turns it into an expression of this language. Oddities of the
//! original are kept (a glob that ends in `\` matches a dollar sign; `[!a]` is no negation), since a rule must hide
//! the same objects in both programs. This module must never correct a rule.

use std::sync::LazyLock;

use regex::Regex;

use super::Case;

/// What is wrong with a glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Three or more stars in a row.
    #[error("too many stars: use `*` within one path segment, `**` across segments")]
    TooManyStars,
    /// A `]` without a `[`.
    #[error("`]` without `[`; write `\\]` for the character itself")]
    UnopenedBracket,
    /// A `[` without a `]`.
    #[error("`[` without `]`; write `\\[` for the character itself")]
    UnclosedBracket,
    /// Braces that do not pair.
    #[error("`{{` and `}}` do not pair; write `\\{{` or `\\}}` for the character itself")]
    UnpairedBraces,
    /// A regular expression section that does not end.
    #[error("`{{{{` without `}}}}`")]
    UnclosedRegexp,
}

/// Where the scanner stands with respect to `{{regexp}}`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// In the glob itself.
    Glob,
    /// Between `{{` and `}}`: copied as it is.
    Regexp,
    /// Just behind `}}`: a further `}` still belongs to the expression.
    RegexpEnd,
}

struct Scanner {
    out: String,
    stars: usize,
    brace_depth: usize,
    bracket_depth: usize,
    escaped: bool,
    section: Section,
}

/// The regular expression, in Go's syntax, by which a path matches `glob`.
pub fn to_regexp(glob: &str, case: Case) -> Result<String, GlobError> {
    let mut out = String::with_capacity(glob.len() + 16);
    if case == Case::Ignore {
        out.push_str("(?i)");
    }
    let rest = match glob.strip_prefix('/') {
        Some(rest) => {
            out.push('^');
            rest
        }
        None => {
            out.push_str("(^|/)");
            glob
        }
    };
    let mut scanner = Scanner { out, stars: 0, brace_depth: 0, bracket_depth: 0, escaped: false, section: Section::Glob };
    let mut last = None;
    for character in rest.chars() {
        scanner.take(character, last)?;
        last = Some(character);
    }
    scanner.finish()
}

impl Scanner {
    fn take(&mut self, character: char, last: Option<char>) -> Result<(), GlobError> {
        if self.escaped {
            self.out.push(character);
            self.escaped = false;
            return Ok(());
        }
        if self.section != Section::Glob && self.take_regexp(character, last) {
            return Ok(());
        }
        if character != '*' {
            self.write_stars()?;
        }
        if self.bracket_depth > 0 {
            self.out.push(character);
            match character {
                '[' => self.bracket_depth += 1,
                ']' => self.bracket_depth -= 1,
                _ => {}
            }
            return Ok(());
        }
        self.take_plain(character, last)
    }

    /// Whether the character belongs to a `{{regexp}}`. The expression ends at the last `}` of a run, as in `{{\d{8}}}`.
    fn take_regexp(&mut self, character: char, last: Option<char>) -> bool {
        if self.section == Section::RegexpEnd {
            if character != '}' {
                self.section = Section::Glob;
                return false;
            }
            self.out.pop();
            self.out.push_str("})");
            return true;
        }
        if character == '}' && last == Some('}') {
            self.out.pop();
            self.out.push(')');
            self.section = Section::RegexpEnd;
        } else {
            self.out.push(character);
        }
        true
    }

    fn take_plain(&mut self, character: char, last: Option<char>) -> Result<(), GlobError> {
        match character {
            '\\' => {
                self.out.push(character);
                self.escaped = true;
            }
            '*' => self.stars += 1,
            '?' => self.out.push_str("[^/]"),
            '[' => {
                self.out.push(character);
                self.bracket_depth += 1;
            }
            ']' => return Err(GlobError::UnopenedBracket),
            // The first brace of `{{` wrote the group's `(`.
            '{' if self.brace_depth > 0 && last == Some('{') => {
                self.section = Section::Regexp;
                self.brace_depth -= 1;
            }
            '{' => {
                self.brace_depth += 1;
                self.out.push('(');
            }
            '}' => {
                self.brace_depth = self.brace_depth.checked_sub(1).ok_or(GlobError::UnpairedBraces)?;
                self.out.push(')');
            }
            ',' if self.brace_depth > 0 => self.out.push('|'),
            '.' | '+' | '(' | ')' | '|' | '^' | '$' => {
                self.out.push('\\');
                self.out.push(character);
            }
            other => self.out.push(other),
        }
        Ok(())
    }

    fn write_stars(&mut self) -> Result<(), GlobError> {
        match std::mem::take(&mut self.stars) {
            0 => {}
            1 => self.out.push_str("[^/]*"),
            2 => self.out.push_str(".*"),
            _ => return Err(GlobError::TooManyStars),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<String, GlobError> {
        self.write_stars()?;
        if self.bracket_depth > 0 {
            return Err(GlobError::UnclosedBracket);
        }
        if self.brace_depth > 0 {
            return Err(GlobError::UnpairedBraces);
        }
        if self.section == Section::Regexp {
            return Err(GlobError::UnclosedRegexp);
        }
        self.out.push('$');
        Ok(self.out)
    }
}

/// Globs whose directories cannot be told: `/` or `**` within braces, a `{{regexp}}`, nested braces.
static OPAQUE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{[^{}]*(\*\*|/)[^{}]*\}|\{\{|\}\}|\{[^{}]*\{").expect("a constant expression compiles"));

/// The globs of the directories in which a file that matches `glob` can be: each matches a directory's path with its
/// closing `/`. The root (`/`) can be among them.
pub fn to_directory_globs(glob: &str) -> Vec<String> {
    const ANY: &str = "/**";
    if OPAQUE.is_match(glob) {
        return vec![ANY.to_owned()];
    }
    let glob = squash_slashes(glob);
    let mut rest = glob.as_str();
    let mut found: Vec<String> = Vec::new();
    loop {
        let slash = rest.rfind('/');
        let stars = rest.rfind("**");
        // `None` sorts below every position.
        let (cut, tail) = if stars > slash { (stars, "**/") } else { (slash, "/") };
        let Some(cut) = cut else { break };
        rest = rest.get(..cut).unwrap_or_default();
        let directory = format!("{rest}{tail}");
        if found.last() != Some(&directory) {
            found.push(directory);
        }
    }
    if found.is_empty() {
        found.push(ANY.to_owned());
    }
    found
}

fn squash_slashes(glob: &str) -> String {
    let mut out = String::with_capacity(glob.len());
    for character in glob.chars() {
        if character != '/' || !out.ends_with('/') {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn globs_become_the_expressions_that_rclone_dumps() {
        for (glob, regexp) in [
            ("", "(^|/)$"),
            ("potato", "(^|/)potato$"),
            ("/potato", "^potato$"),
            ("a?b", "(^|/)a[^/]b$"),
            ("*.jpg", r"(^|/)[^/]*\.jpg$"),
            ("a**b", "(^|/)a.*b$"),
            ("a{b,{c,d}}e", "(^|/)a(b|(c|d))e$"),
            ("a,b", "(^|/)a,b$"),
            (r"[\[\]]", r"(^|/)[\[\]]$"),
            (r"a\*b", r"(^|/)a\*b$"),
            (r"a\", r"(^|/)a\$"),
            ("[*]", "(^|/)[*]$"),
            ("a{{.*}}b", "(^|/)a(.*)b$"),
            (r"\{{{x}}", r"(^|/)\{(x)$"),
            (r"/{{\d{8}}}", r"^(\d{8})$"),
            (r"/{{\}}}", r"^(\})$"),
            ("{{}}", "(^|/)()$"),
        ] {
            assert_eq!(to_regexp(glob, Case::Exact).unwrap(), regexp, "{glob}");
        }
        assert_eq!(to_regexp("a", Case::Ignore).unwrap(), "(?i)(^|/)a$");
    }

    #[test]
    fn malformed_globs_are_refused() {
        for (glob, error) in [
            ("***", GlobError::TooManyStars),
            ("a***b", GlobError::TooManyStars),
            ("a]", GlobError::UnopenedBracket),
            (r"[\]]", GlobError::UnopenedBracket),
            ("[a", GlobError::UnclosedBracket),
            ("a}", GlobError::UnpairedBraces),
            ("{a", GlobError::UnpairedBraces),
            ("{}}", GlobError::UnpairedBraces),
            ("{{a}", GlobError::UnclosedRegexp),
        ] {
            assert_eq!(to_regexp(glob, Case::Exact), Err(error), "{glob}");
        }
    }

    #[test]
    fn directories_follow_from_file_globs() {
        for (glob, directories) in [
            ("*", &["/**"][..]),
            ("/*", &["/"]),
            ("///*.jpg", &["/"]),
            ("/a//*.jpg", &["/a/", "/"]),
            ("a/b/", &["a/b/", "a/"]),
            ("**", &["**/"]),
            ("a**b**c**d", &["a**b**c**/", "a**b**/", "a**/"]),
            ("a**b/c**d", &["a**b/c**/", "a**b/", "a**/"]),
            ("/var/spool/**/ncw", &["/var/spool/**/", "/var/spool/", "/var/", "/"]),
            ("/a/{b,c}/*.{d,e}", &["/a/{b,c}/", "/a/", "/"]),
            ("a/{b,{c,d}}/*", &["/**"]),
            ("/a/{b/c,d}/e", &["/**"]),
            ("a/{{.*}}/b", &["/**"]),
        ] {
            assert_eq!(to_directory_globs(glob), directories, "{glob}");
        }
    }
}
