//! One file for each command.

pub mod cleanup;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod history;
pub mod init;
pub mod lab;
pub mod ls;
pub mod reference;
pub mod run;
pub mod serve;
pub mod status;
pub mod transfer;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::Cli;
use crate::say;

/// Prints the completion script of a shell.
pub fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "brigade", &mut script);
    say!("{}", String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

/// Parses a location, as an error of usage.
pub fn location(text: &str) -> Result<brigade_core::Location, crate::error::CliError> {
    brigade_core::Location::parse(text).map_err(|error| crate::error::CliError::plain(error.to_string()))
}
