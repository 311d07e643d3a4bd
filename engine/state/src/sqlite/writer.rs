//! The one thread that writes a journal's file.
//!
//! A note costs its sender a place in a queue and nothing else: it does not wake this thread. The first note of a window opens a
//! transaction, the thread rests until the window ends, takes in what has come by then and commits it as one. Questions end the
//! window at once, so an answer counts everything noted before it, and flushes that wait together share a commit.
//! After an error of the disk the thread ends: what is uncommitted is gone, and nobody is kept waiting.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rusqlite::{Connection, Result};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::journal::Note;
use crate::sqlite::limits::{COMMIT_ROWS_MAX, COMMIT_WINDOW, QUEUE_NOTES_TAKEN};
use crate::sqlite::notes::Notes;

/// What the thread can be asked.
pub(crate) enum Command {
    /// Write this down. Boxed, because it is moved from hand to hand several times. A batch brings its place among those that wait.
    Note(Box<Note>, Option<OwnedSemaphorePermit>),
    /// Say when everything before this is durable.
    Flush(oneshot::Sender<()>),
    /// Do this after everything before it is durable.
    Ask(Box<dyn FnOnce(&Connection) + Send>),
    /// Commit, and end.
    Close(Closed),
}

/// Who asked for the end, to be answered when the file is closed.
pub(crate) type Closed = oneshot::Sender<()>;

/// SQLite's words at the end of the thread, for everyone who asks later.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastError(Arc<OnceLock<(rusqlite::ffi::Error, Option<String>)>>);

impl LastError {
    fn set(&self, error: &rusqlite::Error) {
        if let rusqlite::Error::SqliteFailure(code, message) = error {
            // The first error is the cause of all later ones.
            let _ = self.0.set((*code, message.clone()));
        }
    }

    pub(crate) fn get(&self) -> Option<rusqlite::Error> {
        self.0.get().map(|(code, message)| rusqlite::Error::SqliteFailure(*code, message.clone()))
    }
}

/// Serves commands until the journal is closed, every sender is gone, or the disk fails. Returns who asked for the end.
pub(crate) fn serve(connection: &Connection, queue: mpsc::Receiver<Command>, last_error: &LastError) -> Option<Closed> {
    let (mut commands, mut flushes) = (Inbox::new(queue), Vec::new());
    let ended = serve_windows(connection, &mut commands, &mut flushes);
    // The error is known before any sender learns that its command will not be served: `flushes` and `commands` outlive this.
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "the journal cannot be written");
        last_error.set(&error);
        None
    })
}

fn serve_windows(connection: &Connection, commands: &mut Inbox, flushes: &mut Vec<oneshot::Sender<()>>) -> Result<Option<Closed>> {
    let mut notes = Notes::prepare(connection)?;
    while let Some(first) = commands.wait() {
        let question = fill_window(connection, first, commands, &mut notes, flushes)?;
        if !connection.is_autocommit() {
            connection.prepare_cached("COMMIT")?.execute([])?;
        }
        for flush in flushes.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = flush.send(());
        }
        match question {
            Some(Command::Close(reply)) => return Ok(Some(reply)),
            Some(Command::Ask(ask)) => ask(connection),
            Some(Command::Note(..) | Command::Flush(_)) | None => {}
        }
    }
    Ok(None)
}

/// Takes in commands until the window is over; returns the question that ended it.
fn fill_window(
    connection: &Connection,
    first: Command,
    commands: &mut Inbox,
    notes: &mut Notes<'_>,
    flushes: &mut Vec<oneshot::Sender<()>>,
) -> Result<Option<Command>> {
    let deadline = Instant::now() + COMMIT_WINDOW;
    let mut received = Some(first);
    let mut rows = 0;
    // Once somebody waits for a flush: commands that were sent before it was seen, which may hold further flushes.
    let mut behind = None;
    loop {
        match received {
            Some(Command::Note(note, _place)) => {
                if rows == 0 {
                    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
                }
                notes.add(&note)?;
                rows += rows_of(&note);
            }
            Some(Command::Flush(reply)) => {
                flushes.push(reply);
                behind.get_or_insert(commands.len() + 1);
            }
            Some(question) => return Ok(Some(question)),
            None => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() || behind.is_some() || commands.is_closed() {
                    return Ok(None);
                }
                std::thread::park_timeout(left);
            }
        }
        if let Some(left) = &mut behind {
            *left -= 1;
        }
        if rows >= COMMIT_ROWS_MAX || behind == Some(0) {
            return Ok(None);
        }
        received = commands.next();
    }
}

/// Rows that a note counts as in its transaction: at least one, since it has opened that.
fn rows_of(note: &Note) -> usize {
    match note {
        Note::Batch(batch) => usize::try_from(batch.len()).unwrap_or(usize::MAX).max(1),
        _ => 1,
    }
}

/// The queue's end at the writer. It takes commands many at a time: a sender that waits for a place would otherwise be woken for
/// every single one.
struct Inbox {
    queue: mpsc::Receiver<Command>,
    /// The next one last.
    taken: Vec<Command>,
}

impl Inbox {
    fn new(queue: mpsc::Receiver<Command>) -> Self {
        Self { queue, taken: Vec::new() }
    }

    /// Waits for a command; `None` once every sender is gone.
    fn wait(&mut self) -> Option<Command> {
        if self.taken.is_empty() {
            self.queue.blocking_recv_many(&mut self.taken, QUEUE_NOTES_TAKEN);
            self.taken.reverse();
        }
        self.taken.pop()
    }

    /// A command that has been sent already.
    fn next(&mut self) -> Option<Command> {
        // With something in the queue, and nobody else to take it, this does not wait.
        if self.taken.is_empty() && self.queue.is_empty() { None } else { self.wait() }
    }

    /// Commands that have been sent already.
    fn len(&self) -> usize {
        self.taken.len() + self.queue.len()
    }

    /// Every sender is gone, and everything was taken.
    fn is_closed(&self) -> bool {
        self.queue.is_closed() && self.len() == 0
    }
}
