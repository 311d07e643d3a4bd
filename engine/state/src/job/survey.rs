//! What stands in a state directory, for people and programs that watch: no lock is kept, nothing is changed, and a run that is
//! under way is not disturbed.

use std::fs::File;
use std::path::{Path, PathBuf};

use brigade_core::Key;
use brigade_core::report::Totals;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::JobPlaces;
use super::lock::holder_of;
use super::paths::Paths;
use crate::StateError;
use crate::history::{self, Record};
use crate::sqlite::RunStart;

/// One job.
#[derive(Clone, Debug, Default)]
pub struct Surveyed {
    /// The name of its directory.
    pub id: String,
    /// The source, as the last run was given it.
    pub source: String,
    /// The target, likewise.
    pub target: String,
    /// The process that works on it now.
    pub holder: Option<String>,
    /// The run that the journal is about.
    pub current: Option<Current>,
    /// The last run that came to its end.
    pub last: Option<Record>,
    /// Keys that failed and are not proven yet.
    pub quarantined: u64,
    /// Uploads that can be gone on with.
    pub open_uploads: u64,
    /// What could not be read, one sentence each.
    pub trouble: Vec<String>,
}

/// A run as its journal shows it.
#[derive(Clone, Debug)]
pub struct Current {
    /// What it was called with.
    pub start: RunStart,
    /// When it ended, where it did.
    pub finished: Option<String>,
    /// How it ended, where it did.
    pub outcome: Option<String>,
    /// The last key that was compared, for people.
    pub through: Option<String>,
    /// The sums so far.
    pub totals: Totals,
}

/// Looks at every job below a state directory, in the order of their directories' names. A directory without jobs has none.
pub fn survey(state: &Path) -> Result<Vec<Surveyed>, StateError> {
    let jobs = state.join("jobs");
    let entries = match std::fs::read_dir(&jobs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StateError::io(&jobs, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| StateError::io(&jobs, error))?.path();
        if path.is_dir() {
            found.push(look(&path));
        }
    }
    found.sort_by(|one: &Surveyed, other| one.id.cmp(&other.id));
    Ok(found)
}

/// Reads the history of the job with this id and hands each of its records to `visit`, the oldest first.
pub fn history(state: &Path, id: &str, visit: impl FnMut(Record)) -> Result<(), StateError> {
    history::read(&Paths::at(&state.join("jobs").join(id)).history(), visit).map(drop)
}

/// The report of a run, where it is still kept: in the directory of whichever job it was.
pub fn kept_report(state: &Path, run: &str) -> Option<PathBuf> {
    let is_name = !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let jobs = std::fs::read_dir(state.join("jobs")).ok().filter(|_| is_name)?;
    jobs.flatten().map(|entry| report_path(&entry.path(), run)).find(|path| path.is_file())
}

/// Where the report of a run is kept in the directory of its job.
pub fn report_path(directory: &Path, run: &str) -> PathBuf {
    directory.join("reports").join(format!("{run}.json"))
}

/// One job; what cannot be read is told, and the rest is shown.
fn look(directory: &Path) -> Surveyed {
    let paths = Paths::at(directory);
    let mut job = Surveyed { id: directory.file_name().unwrap_or_default().to_string_lossy().into_owned(), ..Surveyed::default() };
    match std::fs::read(paths.job()).map(|text| serde_json::from_slice::<JobPlaces>(&text)) {
        Ok(Ok(places)) => (job.source, job.target) = (places.source, places.target),
        Ok(Err(error)) => job.trouble.push(format!("its places cannot be read: {error}")),
        Err(error) => job.trouble.push(format!("its places cannot be read: {error}")),
    }
    job.holder = File::open(paths.lock()).ok().and_then(holder_of);
    if let Err(error) = history::read(&paths.history(), |record| job.last = Some(record)) {
        job.trouble.push(format!("the history cannot be trusted: {error}"));
    }
    if paths.journal().exists()
        && let Err(error) = read_journal(&paths.journal(), &mut job)
    {
        job.trouble.push(format!("the journal cannot be read now: {error}"));
    }
    let shown = job.current.as_ref().map(|run| (run.start.source.clone(), run.start.target.clone()));
    if let Some((source, target)) = shown {
        (job.source, job.target) = (source, target);
    }
    job
}

fn read_journal(path: &Path, job: &mut Surveyed) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let sql = "SELECT run, command, started, source, target, finished, outcome FROM runs ORDER BY row DESC LIMIT 1";
    let run = connection.query_row(sql, [], |row| {
        let start = RunStart { run: row.get(0)?, command: row.get(1)?, started: row.get(2)?, source: row.get(3)?, target: row.get(4)? };
        Ok(Current { start, finished: row.get(5)?, outcome: row.get(6)?, through: None, totals: Totals::default() })
    });
    job.current = run.optional()?;
    if let Some(current) = &mut job.current {
        let mut cursors = connection.prepare("SELECT through, totals FROM cursors ORDER BY shard")?;
        let mut rows = cursors.query([])?;
        while let Some(row) = rows.next()? {
            let through: Vec<u8> = row.get(0)?;
            current.through = Some(Key::new(through).to_string());
            let totals: String = row.get(1)?;
            // The sums are shown as far as they can be read; nothing depends on them.
            current.totals.merge(&serde_json::from_str(&totals).unwrap_or_default());
        }
    }
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|count| u64::try_from(count).unwrap_or(0));
    job.quarantined = count("SELECT count(*) FROM quarantine")?;
    job.open_uploads = count("SELECT count(*) FROM uploads")?;
    Ok(())
}
