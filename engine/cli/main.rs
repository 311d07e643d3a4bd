//! The `brigade` command: arguments become a job, the job runs, the outcome becomes an exit code.
//!
//! This crate is the edge: it reads the environment, files and signals, and talks to people. It decides nothing about objects.

#![allow(unreachable_pub, reason = "a binary has no outside")]

mod args;
mod commands;
mod config;
mod entries;
mod error;
mod events;
mod gate;
mod interrupt;
mod job;
mod logging;
mod open;
mod places;
mod progress;
mod report_file;
mod setting;
mod state;
mod summary;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::error::CliError;
use crate::setting::Setting;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return CliError::new("cannot start", error).show(),
    };
    let result = runtime.block_on(dispatch(cli));
    // What is still under way after the second interrupt is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => error.show(),
    }
}

async fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    let global = &cli.global;
    let person = Setting::of_person(global);
    match cli.command {
        Command::Copy(args) => Box::pin(commands::transfer::copy(&args, &person)).await.map(|ran| ran.code),
        Command::Sync(args) => Box::pin(commands::transfer::sync(&args, &person)).await.map(|ran| ran.code),
        Command::Migrate(args) => Box::pin(commands::transfer::migrate(&args, &person)).await.map(|ran| ran.code),
        Command::Plan(args) => Box::pin(commands::transfer::plan(&args, &person)).await.map(|ran| ran.code),
        Command::Check(args) => Box::pin(commands::transfer::check(&args, &person)).await.map(|ran| ran.code),
        Command::Run(args) => Box::pin(commands::run::run(&args, global)).await,
        Command::Serve(args) => Box::pin(commands::serve::run(&args, global)).await,
        Command::Status(args) => commands::status::run(&args, global),
        Command::History(args) => commands::history::run(&args, global),
        Command::Report(args) => commands::history::report(&args, global),
        Command::Init(args) => commands::init::run(&args, global),
        Command::Config { command } => commands::config::run(&command, global),
        Command::Ls(args) => commands::ls::run(&args, global).await,
        Command::Cleanup(args) => commands::cleanup::run(&args, global).await,
        Command::Doctor(args) => commands::doctor::run(&args, global).await,
        Command::Demo(args) => Box::pin(commands::demo::run(&args, global)).await,
        Command::Lab(args) => commands::lab::run(&args, global).await,
        Command::Completions { shell } => Ok(commands::completions(shell)),
        Command::Reference => Ok(commands::reference::run()),
    }
}
