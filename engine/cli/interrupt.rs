//! Ctrl-C and SIGTERM: the first finishes what is in flight, the second stops at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::terminal;

/// What the first interrupt of a run is answered by.
pub const STOPPING: &str = "stopping: finishing what is in flight (interrupt again to stop at once)";

/// Exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;

/// Watches for signals as long as the process lives; the token is cancelled by the first, which is answered by `announcement`.
pub fn watch(announcement: &'static str) -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
            tracing::warn!("signals cannot be watched; an interrupt stops at once");
            return;
        };
        let mut first = true;
        loop {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            if !first {
                terminal::last_word("stopped at once; give the same command again to resume");
                leave();
            }
            first = false;
            token.cancel();
            terminal::aside(|| eprintln!("{announcement}"));
        }
    });
    stop
}

#[allow(clippy::disallowed_methods)]
fn leave() {
    std::process::exit(i32::from(INTERRUPTED));
}
