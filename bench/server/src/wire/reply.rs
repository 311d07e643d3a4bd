//! Answers, and how they are written.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::Write as _;

use crate::stats::Operation;
use crate::time::{http_date, now_millis};

/// What an answer holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing; the length that a HEAD speaks of.
    Nothing(u64),
    /// A document.
    Bytes(Vec<u8>),
    /// A range of generated content.
    Generated {
        /// Which content.
        class: u32,
        /// First byte.
        offset: u64,
        /// How many bytes.
        size: u64,
    },
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// What was done, for the books.
    pub(crate) operation: Operation,
    /// HTTP status.
    pub(crate) status: u16,
    /// Header lines, each with its line end.
    pub(crate) headers: Vec<u8>,
    /// The body.
    pub(crate) content: Content,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn new(operation: Operation, status: u16) -> Self {
        Self { operation, status, headers: Vec::new(), content: Content::Nothing(0) }
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.add(name, value);
        self
    }

    /// Adds a header.
    pub(crate) fn add(&mut self, name: &str, value: impl Display) {
        write!(self.headers, "{name}: {value}\r\n").expect("writing to memory never fails");
    }

    /// An XML document.
    pub(crate) fn xml(operation: Operation, status: u16, document: Vec<u8>) -> Self {
        let reply = Self::new(operation, status).with("Content-Type", "application/xml");
        Self { content: Content::Bytes(document), ..reply }
    }

    /// A JSON document.
    pub(crate) fn json(operation: Operation, status: u16, document: impl Into<Vec<u8>>) -> Self {
        let reply = Self::new(operation, status).with("Content-Type", "application/json; charset=UTF-8");
        Self { content: Content::Bytes(document.into()), ..reply }
    }

    /// Length of the body.
    pub(crate) fn size(&self) -> u64 {
        match &self.content {
            Content::Nothing(size) | Content::Generated { size, .. } => *size,
            Content::Bytes(bytes) => u64::try_from(bytes.len()).expect("a length"),
        }
    }

    /// Writes everything before the body.
    pub(crate) fn write_head(&self, out: &mut Vec<u8>) {
        let reason = reason(self.status);
        write!(out, "HTTP/1.1 {} {reason}\r\n", self.status).expect("writing to memory never fails");
        write_date(out);
        out.extend_from_slice(b"Server: bench-server\r\n");
        out.extend_from_slice(&self.headers);
        if self.status != 204 && self.status != 304 {
            write!(out, "Content-Length: {}\r\n", self.size()).expect("writing to memory never fails");
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        308 => "Resume Incomplete",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        412 => "Precondition Failed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        499 => "Client Closed Request",
        501 => "Not Implemented",
        503 => "Slow Down",
        _ => "Answer",
    }
}

/// The date line, made anew once a second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static LINE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    LINE.with_borrow_mut(|(second, line)| {
        let now = now_millis();
        if *second != now / 1_000 {
            (*second, *line) = (now / 1_000, format!("Date: {}\r\n", http_date(now)));
        }
        out.extend_from_slice(line.as_bytes());
    });
}
