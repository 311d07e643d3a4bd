//! `--events FILE`: what happens, as JSON lines, flushed as it happens.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use brigade_core::event::{Event, Observer};
use brigade_core::limiter::Reason;
use brigade_core::outcome::Done;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Writes events to a file.
pub struct EventFile(Mutex<File>);

impl EventFile {
    /// Creates the file anew.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        File::create(path).map(|file| Self(Mutex::new(file)))
    }
}

impl Observer for EventFile {
    fn observe(&self, event: &Event<'_>) {
        let Some(mut line) = describe(event) else { return };
        line["at"] = Value::String(Timestamp::now().to_string());
        let mut text = line.to_string();
        text.push('\n');
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = file.write_all(text.as_bytes()) {
            tracing::warn!(%error, "an event could not be written");
        }
    }
}

fn describe(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Began(_) | Event::Progress(_) => return None,
        Event::Ended(attempt) => {
            let error = attempt.error?;
            json!({"event": "attempt_failed", "side": attempt.side, "operation": attempt.operation, "attempt": attempt.number, "kind": error})
        }
        Event::Listed(side, keys) => json!({"event": "listed", "side": side, "keys": keys}),
        Event::ListingEnded(side) => json!({"event": "listing_ended", "side": side}),
        Event::Deleted(side, objects) => json!({"event": "deleted", "side": side, "objects": objects}),
        // Where a limit begins when nobody gave it says nothing yet.
        Event::Limited(_, limit) if limit.reason == Reason::Start => return None,
        Event::Limited(side, limit) => json!({"event": "limited", "side": side, "limit": limit}),
        Event::Phase(phase) => json!({"event": "phase", "phase": phase}),
        Event::Decided(outcome) => {
            let mut line = json!({"key": outcome.key, "size": outcome.size});
            let name = match &outcome.result {
                Done::Copied(copied) => {
                    line["proof"] = json!(copied.proof);
                    line["source_proof"] = json!(copied.source_proof);
                    line["source"] = json!(copied.source);
                    line["target"] = json!(copied.target);
                    if !copied.dropped.is_empty() {
                        line["dropped"] = json!(copied.dropped);
                    }
                    "copied"
                }
                Done::Kept { proof, .. } => {
                    line["proof"] = json!(proof);
                    "kept"
                }
                Done::Skipped(failure) => with_failure(&mut line, failure, "skipped"),
                Done::Failed(failure) => with_failure(&mut line, failure, "failed"),
                Done::Unknown => "unknown",
                Done::Left => "left",
                Done::Doomed { .. } => "to_delete",
                Done::Differs { kind, message } => {
                    line["kind"] = json!(kind);
                    line["message"] = json!(message);
                    "differs"
                }
                Done::Planned { what, why } => {
                    line["what"] = json!(what);
                    line["why"] = json!(why);
                    "planned"
                }
            };
            line["event"] = json!(name);
            line
        }
    })
}

fn with_failure(line: &mut Value, failure: &brigade_core::outcome::Failure, name: &'static str) -> &'static str {
    line["kind"] = json!(failure.kind);
    line["message"] = json!(failure.message);
    name
}
