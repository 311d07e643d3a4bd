//! The one terminal of the process: lines that are written while a bar is drawn take turns with it.
//!
//! Without this a log line would land in the middle of the bar, and the next redraw would wipe the line out.

use std::io::{self, Write};
use std::sync::OnceLock;

use indicatif::ProgressBar;

static SHOWN: OnceLock<ProgressBar> = OnceLock::new();

/// Names the bar that is drawn; a process has one.
pub fn shows(bar: &ProgressBar) {
    // A second run in the same process would keep the first bar: there is none.
    let _ = SHOWN.set(bar.clone());
}

/// Writes beside the bar: it is taken away, `write` runs, and it is drawn again.
pub fn aside<R>(write: impl FnOnce() -> R) -> R {
    match SHOWN.get() {
        Some(bar) if !bar.is_finished() => bar.suspend(write),
        _ => write(),
    }
}

/// Takes the bar away for good and writes a line to standard error: the process is about to end.
pub fn last_word(line: &str) {
    if let Some(bar) = SHOWN.get() {
        bar.finish_and_clear();
    }
    eprintln!("{line}");
}

/// A line on standard output, beside the bar. Whoever reads may have seen enough (`| head`): that is no error of ours.
pub fn say(line: std::fmt::Arguments<'_>) {
    let _ = aside(|| writeln!(io::stdout().lock(), "{line}"));
}

/// `println!` for a reader who may leave early.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => { $crate::terminal::say(format_args!($($argument)*)) };
}

/// Standard error for logs, a line at a time beside the bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        aside(|| io::stderr().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
