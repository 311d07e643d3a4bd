//! The second stage: two sorted listings are joined, and every key is sent to where it is dealt with.

use async_channel::{Receiver, Sender};
use brigade_core::diff::{DiffRules, Next, both, next, only_source, only_target};
use brigade_core::{Action, Entry};

use crate::ctx::Ctx;

/// A listing that is read entry by entry.
struct Entries {
    pages: Receiver<Vec<Entry>>,
    page: std::iter::Peekable<std::vec::IntoIter<Entry>>,
}

impl Entries {
    fn new(pages: Receiver<Vec<Entry>>) -> Self {
        Self { pages, page: Vec::new().into_iter().peekable() }
    }

    /// Makes the next entry ready, where there is one.
    async fn fill(&mut self) {
        while self.page.peek().is_none() {
            match self.pages.recv().await {
                Ok(page) => self.page = page.into_iter().peekable(),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self) -> Entry {
        self.page.next().expect("the join saw this entry")
    }
}

/// Joins the two listings into actions, in key order, and counts the objects of the target that take part: of these the guards
/// know how many may be deleted.
pub async fn diff(source: Receiver<Vec<Entry>>, target: Receiver<Vec<Entry>>, rules: &DiffRules, output: &Sender<Action>, cx: &Ctx) -> u64 {
    let (mut source, mut target) = (Entries::new(source), Entries::new(target));
    let mut target_listed = 0;
    loop {
        tokio::join!(source.fill(), target.fill());
        let turn = next(source.page.peek().map(|entry| &entry.key), target.page.peek().map(|entry| &entry.key));
        let action = match turn {
            Next::End => return target_listed,
            Next::Source => Some(source.take()).filter(|entry| in_size_and_age(entry, cx)).map(|entry| only_source(entry, rules)),
            Next::Target => Some(target.take())
                .filter(|entry| cx.job.delete_excluded || in_size_and_age(entry, cx))
                .map(|entry| only_target(entry, rules)),
            Next::Both => {
                let (source, target) = (source.take(), target.take());
                in_size_and_age(&source, cx).then(|| both(source, target, rules))
            }
        };
        let Some(action) = action else { continue };
        target_listed += u64::from(matches!(turn, Next::Target | Next::Both));
        if output.send(action).await.is_err() {
            return target_listed;
        }
    }
}

/// Size and age are asked of the source where it has the key: a source too small to take part must not make its copy an extra.
fn in_size_and_age(entry: &Entry, cx: &Ctx) -> bool {
    cx.job.filter.includes_size_and_age(entry.size, entry.modified)
}
