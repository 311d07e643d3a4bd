//! Counts requests and bytes from the events of a run.

use std::sync::atomic::{AtomicU64, Ordering};

use brigade_core::ErrorKind;
use brigade_core::event::{Attempt, Event, Observer};
use brigade_core::report::{ByteCounts, Peaks, RequestCounts};
use brigade_core::verdict::Operation;

/// Sums that the whole run shares. Every attempt counts as a request: that is what providers bill.
#[derive(Debug, Default)]
pub struct Counters {
    list: AtomicU64,
    head: AtomicU64,
    get: AtomicU64,
    put: AtomicU64,
    part: AtomicU64,
    delete: AtomicU64,
    other: AtomicU64,
    retried: AtomicU64,
    throttled: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
    repeated: AtomicU64,
    in_flight: AtomicU64,
    in_flight_peak: AtomicU64,
}

impl Counters {
    fn ended(&self, attempt: &Attempt) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let counter = match attempt.operation {
            Operation::List => &self.list,
            Operation::Head => &self.head,
            Operation::Get => &self.get,
            Operation::Put => &self.put,
            Operation::Part => &self.part,
            Operation::Delete => &self.delete,
            Operation::Other => &self.other,
        };
        add(counter, 1);
        add(&self.read, attempt.read_bytes);
        add(&self.written, attempt.written_bytes);
        if attempt.number > 1 {
            add(&self.retried, 1);
            add(&self.repeated, attempt.written_bytes);
        }
        if attempt.error == Some(ErrorKind::Throttled) {
            add(&self.throttled, 1);
        }
    }

    /// Requests so far.
    pub fn requests(&self) -> RequestCounts {
        RequestCounts {
            list: get(&self.list),
            head: get(&self.head),
            get: get(&self.get),
            put: get(&self.put),
            part: get(&self.part),
            delete: get(&self.delete),
            other: get(&self.other),
            retried: get(&self.retried),
            throttled: get(&self.throttled),
        }
    }

    /// Adds the bytes that moved.
    pub fn fill(&self, bytes: &mut ByteCounts) {
        bytes.read = get(&self.read);
        bytes.written = get(&self.written);
        bytes.repeated = get(&self.repeated);
    }

    /// Adds the peak of requests at once.
    pub fn fill_peak(&self, peak: &mut Peaks) {
        peak.requests_in_flight = get(&self.in_flight_peak);
    }
}

impl Observer for Counters {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Began(_) => {
                let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
                self.in_flight_peak.fetch_max(now, Ordering::Relaxed);
            }
            Event::Ended(attempt) => self.ended(attempt),
            _ => {}
        }
    }
}

/// Tells several observers.
pub struct Fanout(pub Vec<std::sync::Arc<dyn Observer>>);

impl Observer for Fanout {
    fn observe(&self, event: &Event<'_>) {
        for observer in &self.0 {
            observer.observe(event);
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
