//! A promise that was not kept.

use std::fmt;

use crate::scenario::show;

/// Which promise, of which key, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// 1 for p01.
    pub promise: u8,
    pub message: String,
}

impl Violation {
    /// Of one key.
    pub fn of(promise: u8, key: &[u8], message: impl fmt::Display) -> Self {
        Self { promise, message: format!("`{}`: {message}", show(key)) }
    }

    /// Of a whole run.
    pub fn whole(promise: u8, message: impl fmt::Display) -> Self {
        Self { promise, message: message.to_string() }
    }

    /// With where it happened.
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{:02} violated, {}", self.promise, self.message)
    }
}
