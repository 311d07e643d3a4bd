//! Progress: a bar with rate, time left and objects left on a terminal; one line a minute elsewhere.
//!
//! It is fed from the data path, so it only counts; drawing is throttled.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use brigade_core::event::{Event, Observer, Phase, Side};
use brigade_core::outcome::Done;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{Global, ProgressWhen};
use crate::terminal;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// The same where progress was asked for.
const LINE_EVERY_ASKED: Duration = Duration::from_secs(1);

/// How often the bar's clock moves when nothing happens.
const CLOCK_EVERY: Duration = Duration::from_millis(500);

/// How often the bar is redrawn.
const DRAWS_PER_SECOND: u8 = 8;

/// Counts what happens and shows it.
pub struct Progress {
    shape: Shape,
    source_listed: AtomicU64,
    decided: AtomicU64,
    failed: AtomicU64,
    moved_bytes: AtomicU64,
    deleted: AtomicU64,
    listing_ended: AtomicBool,
    copying: AtomicBool,
    begun: Instant,
    next_line_ms: AtomicU64,
}

enum Shape {
    Bar(ProgressBar),
    Lines(Duration),
    Silent,
}

impl Progress {
    /// Decides by the options and by what standard error is.
    pub fn new(global: &Global) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let shape = match (global.progress, global.quiet) {
            (ProgressWhen::Never, _) | (ProgressWhen::Auto, true) => Shape::Silent,
            _ if terminal => Shape::Bar(bar()),
            (ProgressWhen::Always, _) => Shape::Lines(LINE_EVERY_ASKED),
            (ProgressWhen::Auto, false) => Shape::Lines(LINE_EVERY),
        };
        let first_line = match &shape {
            Shape::Lines(every) => millis(*every),
            Shape::Bar(_) | Shape::Silent => 0,
        };
        Self {
            shape,
            source_listed: AtomicU64::new(0),
            decided: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            moved_bytes: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            listing_ended: AtomicBool::new(false),
            copying: AtomicBool::new(false),
            begun: Instant::now(),
            next_line_ms: AtomicU64::new(first_line),
        }
    }

    /// Takes the bar away, so that what follows stands on clean lines.
    pub fn finish(&self) {
        if let Shape::Bar(bar) = &self.shape {
            bar.finish_and_clear();
        }
    }

    fn show(&self) {
        match &self.shape {
            Shape::Bar(bar) => {
                bar.set_length(self.source_listed.load(Ordering::Relaxed).max(1));
                bar.set_position(self.decided.load(Ordering::Relaxed));
                bar.set_message(self.sentence());
            }
            Shape::Lines(every) => {
                let now = millis(self.begun.elapsed());
                let next = self.next_line_ms.load(Ordering::Relaxed);
                let after = now + millis(*every);
                if now >= next && self.next_line_ms.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                    eprintln!("{}", self.sentence());
                }
            }
            Shape::Silent => {}
        }
    }

    fn sentence(&self) -> String {
        if !self.copying.load(Ordering::Relaxed) {
            return "reaching both ends".into();
        }
        let decided = self.decided.load(Ordering::Relaxed);
        let listed = self.source_listed.load(Ordering::Relaxed);
        let moved = self.moved_bytes.load(Ordering::Relaxed);
        let elapsed_ms = millis(self.begun.elapsed()).max(1);
        let open = if self.listing_ended.load(Ordering::Relaxed) { "" } else { "+" };
        let mut text = format!(
            "{} of {}{open} objects, {} left, {}, {}/s",
            HumanCount(decided),
            HumanCount(listed),
            HumanCount(listed.saturating_sub(decided)),
            HumanBytes(moved),
            HumanBytes(moved.saturating_mul(1000) / elapsed_ms),
        );
        let failed = self.failed.load(Ordering::Relaxed);
        if failed > 0 {
            text.push_str(&format!(", {} FAILED", HumanCount(failed)));
        }
        if self.listing_ended.load(Ordering::Relaxed) && decided > 0 && listed > decided {
            let left = Duration::from_millis(elapsed_ms.saturating_mul(listed - decided) / decided);
            text.push_str(&format!(", {:#} to go", indicatif::HumanDuration(left)));
        }
        let deleted = self.deleted.load(Ordering::Relaxed);
        if deleted > 0 {
            text.push_str(&format!(", {} deleted", HumanCount(deleted)));
        }
        text
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Observer for Progress {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Listed(Side::Source, keys) => {
                self.source_listed.fetch_add(u64::try_from(*keys).unwrap_or(0), Ordering::Relaxed);
            }
            Event::ListingEnded(Side::Source) => self.listing_ended.store(true, Ordering::Relaxed),
            Event::Progress(bytes) => {
                self.moved_bytes.fetch_add(*bytes, Ordering::Relaxed);
            }
            Event::Decided(outcome) => {
                if !matches!(outcome.result, Done::Left | Done::Doomed { .. }) {
                    self.decided.fetch_add(1, Ordering::Relaxed);
                }
                if matches!(outcome.result, Done::Failed(_)) {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            Event::Deleted(_, objects) => {
                self.deleted.fetch_add(*objects, Ordering::Relaxed);
            }
            Event::Phase(Phase::Probing) => {}
            Event::Phase(Phase::Copying) => self.copying.store(true, Ordering::Relaxed),
            _ => return,
        }
        self.show();
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND));
    if let Ok(style) = ProgressStyle::with_template("[{elapsed_precise}] {wide_bar} {percent:>3}%\n{msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(CLOCK_EVERY);
    terminal::shows(&bar);
    bar
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
