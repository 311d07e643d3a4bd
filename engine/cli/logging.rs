//! Logs: to standard error, as text or JSON lines; `-v` says more, `-q` less.
//!
//! Without `-v` only the engine itself may warn: what a library warns of either comes out as an error of ours, told once and in its
//! place, or was overcome.

use tracing_subscriber::EnvFilter;

use crate::args::{Global, LogFormat};
use crate::terminal::Stderr;

/// Starts logging for the whole process. `RUST_LOG` outweighs the options.
pub fn start(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error,s3s=off",
        (false, 0) => "error,brigade=warn,brigade_service=info,s3s=off",
        (false, 1) => {
            "info,brigade=debug,brigade_pipeline=debug,brigade_store=debug,brigade_s3=debug,brigade_gcs=debug,brigade_local=debug"
        }
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(|| Stderr);
    match global.log_format {
        LogFormat::Text => builder.without_time().init(),
        LogFormat::Json => builder.json().init(),
    }
}
