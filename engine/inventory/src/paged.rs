//! A sorted file as a listing: pages of entries, each read on a thread for blocking work while the one before it is in use.
//!
//! No thread outlives its page: one that waited for its reader would keep tokio's paused clock from moving.

use async_trait::async_trait;
use brigade_core::limits::LIST_PAGE_MAX;
use brigade_core::{Entry, ErrorKind, Key};
use brigade_store::{Pages, Result, StoreError};
use tokio::task::{JoinHandle, spawn_blocking};

/// Entries in key order, beginning where they were asked for.
pub(crate) trait Rows: Iterator<Item = Result<Entry>> + Send + 'static {}
impl<I: Iterator<Item = Result<Entry>> + Send + 'static> Rows for I {}

/// A page, and the rows that follow it.
type Page<I> = (Box<I>, Result<Vec<Entry>>);

/// Pages of rows up to a key.
pub(crate) struct Paged<I> {
    state: State<I>,
    through: Option<Key>,
}

enum State<I> {
    /// Nothing is under way.
    Idle(Box<I>),
    /// The next page is being read.
    Ahead(JoinHandle<Page<I>>),
    /// The end.
    Ended,
    /// An error: a file that could not be read once is not read on, for nothing may be left out.
    Failed(StoreError),
}

impl<I: Rows> Paged<I> {
    /// Pages of `rows` as far as `through`.
    pub(crate) fn new(rows: I, through: Option<Key>) -> Self {
        Self { state: State::Idle(Box::new(rows)), through }
    }

    fn ahead(rows: Box<I>, through: Option<Key>) -> State<I> {
        State::Ahead(spawn_blocking(move || page(rows, through.as_ref())))
    }
}

fn page<I: Rows>(mut rows: Box<I>, through: Option<&Key>) -> Page<I> {
    let inside = |row: &Result<Entry>| row.as_ref().map_or(true, |entry| through.is_none_or(|through| entry.key <= *through));
    let page = rows.by_ref().take(LIST_PAGE_MAX).take_while(inside).collect();
    (rows, page)
}

#[async_trait]
impl<I: Rows> Pages for Paged<I> {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        if let State::Idle(_) = self.state
            && let State::Idle(rows) = std::mem::replace(&mut self.state, State::Ended)
        {
            self.state = Self::ahead(rows, self.through.clone());
        }
        // The handle stays in its place while it is waited for: whoever stops waiting can ask again.
        let read = match &mut self.state {
            State::Ahead(ahead) => ahead.await,
            State::Failed(error) => return Err(error.clone()),
            State::Ended | State::Idle(_) => return Ok(None),
        };
        let crashed = |_| StoreError::new(ErrorKind::Internal, "reading the entries crashed");
        let (rows, page) = match read.map_err(crashed) {
            Ok((rows, Ok(page))) => (rows, page),
            Ok((_, Err(error))) | Err(error) => {
                self.state = State::Failed(error.clone());
                return Err(error);
            }
        };
        self.state = if page.len() == LIST_PAGE_MAX { Self::ahead(rows, self.through.clone()) } else { State::Ended };
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}
