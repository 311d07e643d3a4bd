//! Where everything of a job stands: `STATE/jobs/ID/`.

use std::path::{Path, PathBuf};

use super::JobPlaces;

/// Hexadecimal digits of a job's id: 64 bits tell more jobs apart than one state directory will ever hold.
const ID_DIGITS: usize = 16;

/// The names in the directory of one job.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    directory: PathBuf,
}

impl Paths {
    /// The directory of the job with these places.
    pub(super) fn new(state: &Path, places: &JobPlaces) -> Self {
        Self { directory: state.join("jobs").join(id(places)) }
    }

    /// A directory that was found.
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The two places, for people and for `status`.
    pub(super) fn job(&self) -> PathBuf {
        self.directory.join("job.json")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.directory.join("journal.sqlite")
    }

    pub(super) fn history(&self) -> PathBuf {
        self.directory.join("history.jsonl")
    }

    /// Says which progress file counts.
    pub(super) fn progress_note(&self) -> PathBuf {
        self.directory.join("progress.json")
    }

    /// A manifest that is written and not yet named by the history.
    pub(super) fn pending(&self) -> PathBuf {
        self.directory.join("pending.parquet")
    }

    /// A file with a name that a record or a note gives.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The names of the files of one kind, sorted; none where there is no directory.
    pub(super) fn names(&self, kind: Kind) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| kind.is_name(name)).collect();
        names.sort_unstable();
        names
    }
}

/// The files of which there is one for each of several runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `manifest-RUN.parquet`: what the target held after a clean run.
    Manifest,
    /// `progress-RUN.parquet`: what is known after runs that did not end clean.
    Progress,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Manifest => "manifest-",
            Self::Progress => "progress-",
        }
    }

    /// The name of the file of a run.
    pub(super) fn name(self, run: &str) -> String {
        format!("{}{run}.parquet", self.prefix())
    }

    /// Whether a file has a name of this kind. A name that was read from a file passes this before it becomes a path.
    pub(super) fn is_name(self, name: &str) -> bool {
        let run = name.strip_prefix(self.prefix()).and_then(|rest| rest.strip_suffix(".parquet"));
        run.is_some_and(|run| !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    }
}

/// The first digits of BLAKE3 over both places, each ended by a line feed, which no place holds.
fn id(places: &JobPlaces) -> String {
    let mut hash = blake3::hash(format!("{}\n{}\n", places.source, places.target).as_bytes()).to_hex().to_string();
    hash.truncate(ID_DIGITS);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_reach_elsewhere_are_none() {
        assert!(Kind::Manifest.is_name(&Kind::Manifest.name("01JD")));
        for odd in
            ["manifest-.parquet", "manifest-../../x.parquet", "manifest-a/b.parquet", "progress-1.parquet", "manifest-1.parquet.partial"]
        {
            assert!(!Kind::Manifest.is_name(odd), "{odd}");
        }
    }

    #[test]
    fn a_job_is_known_by_both_places_and_their_direction() {
        let places = |source: &str, target: &str| JobPlaces { source: source.into(), target: target.into() };
        let ids = [places("a", "b"), places("b", "a"), places("ab", ""), places("", "ab")].map(|places| id(&places));
        assert!(ids.iter().all(|id| id.len() == ID_DIGITS));
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
