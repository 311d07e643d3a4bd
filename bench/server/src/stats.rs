//! The server's books: what was asked, what was refused, what it cost.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::limits::HISTORY_SECONDS;

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A page of a listing.
    List,
    /// Facts of one object.
    Head,
    /// Bytes of one object.
    Get,
    /// A whole object.
    Put,
    /// The begin of an upload in parts, or of a resumable one.
    Create,
    /// A part, or a chunk of a resumable upload.
    Part,
    /// The end of an upload in parts.
    Complete,
    /// An upload given up.
    Abort,
    /// A copy, rewrite, move or compose inside the server.
    Copy,
    /// A part copied inside the server.
    PartCopy,
    /// One object deleted.
    Delete,
    /// Many deleted at once.
    DeleteBatch,
    /// Whatever else: bucket settings, tags, lists of parts.
    Other,
}

const NAMES: [&str; 13] =
    ["list", "head", "get", "put", "create", "part", "complete", "abort", "copy", "part_copy", "delete", "delete_batch", "other"];

/// Counters, shared by all connections.
#[derive(Debug)]
pub(crate) struct Stats {
    began: Instant,
    operations: [AtomicU64; NAMES.len()],
    /// Requests refused because they came too fast.
    refused_writes: AtomicU64,
    refused_reads: AtomicU64,
    /// Answers with a status of 400 or more, the refused ones not counted.
    failed: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    connections: AtomicU64,
    open: AtomicU64,
    open_max: AtomicU64,
    /// Writes accepted and refused in each second since the first request.
    history: Mutex<Vec<[u64; 2]>>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            operations: Default::default(),
            refused_writes: AtomicU64::new(0),
            refused_reads: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            open_max: AtomicU64::new(0),
            history: Mutex::new(Vec::new()),
        }
    }
}

/// Whether a request changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// GET and HEAD.
    Read,
    /// All others.
    Write,
}

impl Stats {
    /// A connection was opened.
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
        let open = self.open.fetch_add(1, Relaxed) + 1;
        self.open_max.fetch_max(open, Relaxed);
    }

    /// A connection was closed.
    pub(crate) fn disconnected(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    /// A request came too fast.
    pub(crate) fn refused(&self, access: Access) {
        match access {
            Access::Read => self.refused_reads.fetch_add(1, Relaxed),
            Access::Write => self.refused_writes.fetch_add(1, Relaxed),
        };
        self.remember(access, 1);
    }

    /// A request was answered.
    pub(crate) fn answered(&self, operation: Operation, access: Access, status: u16) {
        let index = NAMES.iter().position(|name| *name == operation.name()).expect("every operation has a name");
        self.operations[index].fetch_add(1, Relaxed);
        if status >= 400 {
            self.failed.fetch_add(1, Relaxed);
        }
        self.remember(access, 0);
    }

    /// Content came in and went out.
    pub(crate) fn moved(&self, received_bytes: u64, sent_bytes: u64) {
        self.received_bytes.fetch_add(received_bytes, Relaxed);
        self.sent_bytes.fetch_add(sent_bytes, Relaxed);
    }

    fn remember(&self, access: Access, column: usize) {
        if access == Access::Read {
            return;
        }
        let Ok(second) = usize::try_from(self.began.elapsed().as_secs()) else { return };
        if second < HISTORY_SECONDS {
            let mut history = self.history.lock().expect("no thread panics with it");
            if history.len() <= second {
                history.resize(second + 1, [0, 0]);
            }
            history[second][column] += 1;
        }
    }

    /// All of it as JSON.
    pub(crate) fn report(&self) -> String {
        let operations: serde_json::Map<String, serde_json::Value> =
            NAMES.iter().zip(&self.operations).map(|(name, count)| ((*name).to_owned(), count.load(Relaxed).into())).collect();
        let total: u64 = self.operations.iter().map(|count| count.load(Relaxed)).sum();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu_seconds = format!("{}.{:09}", cpu.tv_sec, cpu.tv_nsec);
        let history = self.history.lock().expect("no thread panics with it").clone();
        let report = json!({
            "requests": total,
            "operations": operations,
            "refused": { "writes": self.refused_writes.load(Relaxed), "reads": self.refused_reads.load(Relaxed) },
            "failed": self.failed.load(Relaxed),
            "received_bytes": self.received_bytes.load(Relaxed),
            "sent_bytes": self.sent_bytes.load(Relaxed),
            "connections": { "opened": self.connections.load(Relaxed), "open": self.open.load(Relaxed), "open_max": self.open_max.load(Relaxed) },
            "cpu_seconds": cpu_seconds.parse::<f64>().unwrap_or_default(),
            "writes_by_second": { "accepted": column(&history, 0), "refused": column(&history, 1) },
        });
        report.to_string()
    }
}

fn column(history: &[[u64; 2]], index: usize) -> Vec<u64> {
    history.iter().map(|second| second[index]).collect()
}

impl Operation {
    /// As the report calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Head => "head",
            Self::Get => "get",
            Self::Put => "put",
            Self::Create => "create",
            Self::Part => "part",
            Self::Complete => "complete",
            Self::Abort => "abort",
            Self::Copy => "copy",
            Self::PartCopy => "part_copy",
            Self::Delete => "delete",
            Self::DeleteBatch => "delete_batch",
            Self::Other => "other",
        }
    }
}
