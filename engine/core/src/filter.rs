//! rclone's filter language: which objects a job sees.
//!
//! rclone decides during a walk of directories: a directory that the directory rules exclude hides everything below it,
//! and only then do the file rules judge a path. Brigade lists flat keys, so each key is judged as the walk would have
//! come to it: its ancestors first, from the top, then the key, all in the spelling that rclone's rules see (`remote`).
//! Globs become the very expressions that rclone compiles ([`glob`]), which are then read by Go's rules ([`re2`]).
//!
//! Objects that are hidden are neither copied nor deleted; a filter that differs from what its author learnt with rclone
//! would lose data. So oddities are kept, never corrected: `[!a]` does not negate, and a rule cannot name a tab.
//!
//! Known differences: an empty `--include` or `--exclude` is refused, where rclone drops
//! it and sees everything; patterns that compile to more than 32 MiB or are nested deeper than 250 groups are refused, as are
//! hexadecimal and infinite numbers in sizes and ages; `\p{...}` also knows the short names of scripts; `--files-from` names
//! keys byte for byte, control characters included, and finds them wherever they are.
//!
//! `tests/filter/compare_with_rclone.py` runs the real rclone beside this module.

mod error;
pub mod glob;
mod lines;
mod options;
pub mod re2;
mod remote;
mod rules;

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;

pub use error::{FilterError, Origin, RuleError};
pub use options::{Case, FilterOptions, RuleFile};
use rules::{Rules, Verdict};

/// A compiled filter. Cloning is cheap beside a run, not beside a key: share it.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    files: Rules,
    directories: Rules,
    limits: Limits,
    listed: Option<BTreeSet<Box<[u8]>>>,
}

/// Bounds on size and time, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Limits {
    min_size: Option<u64>,
    max_size: Option<u64>,
    newest: Option<Timestamp>,
    oldest: Option<Timestamp>,
}

/// Why an object is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// It does not stand in `--files-from`.
    NotListed,
    /// A directory above it is excluded.
    Directory,
    /// Its path is excluded.
    Path,
    /// It is too small or too large.
    Size,
    /// It is too young or too old, or its age is unknown while ages are limited.
    Age,
}

impl Filter {
    /// Compiles the text of one file of rules (the form of `--filter-from`).
    ///
    /// # Errors
    /// Names the line that cannot be understood.
    pub fn from_rules(name: &str, contents: &[u8], case: Case) -> Result<Self, FilterError> {
        let options = FilterOptions { filter_from: vec![RuleFile::new(name, contents)], case, ..FilterOptions::default() };
        options.build(Timestamp::UNIX_EPOCH)
    }

    /// Whether the job sees this object. `key` is relative to the location, as rules are.
    pub fn includes(&self, key: &[u8], size_bytes: u64, modified: Option<Timestamp>) -> bool {
        self.hides(key, size_bytes, modified).is_none()
    }

    /// Why the job does not see this object; `None` where it does.
    pub fn hides(&self, key: &[u8], size_bytes: u64, modified: Option<Timestamp>) -> Option<Hidden> {
        if let Some(listed) = &self.listed {
            return (!listed.contains(key)).then_some(Hidden::NotListed);
        }
        self.limits.hides(size_bytes, modified).or_else(|| {
            if self.hidden_directory(key).is_some() {
                Some(Hidden::Directory)
            } else if self.files.verdict(&remote::spell(key)) == Verdict::Exclude {
                Some(Hidden::Path)
            } else {
                None
            }
        })
    }

    /// Whether the rules for names let the key through, whatever its size and age.
    pub fn includes_key(&self, key: &[u8]) -> bool {
        match &self.listed {
            Some(listed) => listed.contains(key),
            None => {
                let included = self.files.includes_all() || self.files.verdict(&remote::spell(key)) != Verdict::Exclude;
                included && self.hidden_directory(key).is_none()
            }
        }
    }

    /// Whether the bounds on size and age let an object through, whatever its key.
    pub fn includes_size_and_age(&self, size_bytes: u64, modified: Option<Timestamp>) -> bool {
        self.listed.is_some() || self.limits.hides(size_bytes, modified).is_none()
    }

    /// The topmost directory above `key` (its path with the closing `/`) that hides everything below: a lister can go on behind it.
    pub fn hidden_directory<'key>(&self, key: &'key [u8]) -> Option<&'key [u8]> {
        if self.directories.includes_all() {
            return None;
        }
        let ends = key.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        ends.filter_map(|end| key.get(..=end)).find(|path| self.directories.verdict(&remote::spell(directory(path))) == Verdict::Exclude)
    }

    /// Whether an object whose key begins with `prefix` can be visible. `true` promises nothing; `false` does.
    pub fn may_contain(&self, prefix: &[u8]) -> bool {
        match &self.listed {
            Some(listed) => {
                let from = (std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded);
                listed.range::<[u8], _>(from).next().is_some_and(|key| key.starts_with(prefix))
            }
            None => self.hidden_directory(prefix).is_none(),
        }
    }

    /// The keys of `--files-from`, sorted by bytes and without doubles: to be looked up one by one instead of listing.
    /// `None` where the option was not given.
    pub fn files(&self) -> Option<impl Iterator<Item = &[u8]>> {
        self.listed.as_ref().map(|listed| listed.iter().map(AsRef::as_ref))
    }

    /// Whether the filter hides nothing at all.
    pub fn is_empty(&self) -> bool {
        self.listed.is_none()
            && self.limits == Limits::default()
            && self.files.dump().next().is_none()
            && self.directories.dump().next().is_none()
    }

    /// The rules for files and those for directories, as `rclone --dump filters` prints them.
    pub fn dump(&self) -> (Vec<String>, Vec<String>) {
        (self.files.dump().collect(), self.directories.dump().collect())
    }
}

impl Limits {
    fn hides(&self, size_bytes: u64, modified: Option<Timestamp>) -> Option<Hidden> {
        let too_new = self.newest.is_some_and(|newest| modified.is_none_or(|modified| modified > newest));
        let too_old = self.oldest.is_some_and(|oldest| modified.is_none_or(|modified| modified < oldest));
        if too_new || too_old {
            return Some(Hidden::Age);
        }
        let too_small = self.min_size.is_some_and(|min| size_bytes < min);
        let too_large = self.max_size.is_some_and(|max| size_bytes > max);
        (too_small || too_large).then_some(Hidden::Size)
    }
}

/// The path by which rclone knows the directory `path` (which ends in `/`): without slashes at its start, and with one at its end.
fn directory(path: &[u8]) -> &[u8] {
    let Some(start) = path.iter().position(|byte| *byte != b'/') else {
        return path.get(..1).unwrap_or_default();
    };
    let last = path.iter().rposition(|byte| *byte != b'/').unwrap_or(start);
    path.get(start..last + 2).unwrap_or_default()
}

/// Bytes as Go reads text: each byte that belongs to no valid character is U+FFFD.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(valid) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(valid);
    }
    let mut out = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
