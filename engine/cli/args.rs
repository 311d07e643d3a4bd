//! The command line, exactly as typed: parsed and validated, not yet given a meaning.

mod entries;
mod requests;
mod service;
mod transfer;

use std::path::PathBuf;
use std::time::Duration;

use brigade_core::units::{parse_duration, parse_size};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use entries::EntryArgs;
pub use requests::{OneSideArgs, PayloadSigningArg, RequestArgs, S3Engine, SideArgs, parse_endpoint};
pub use service::{ConfigArgs, ConfigCommand, HistoryArgs, InitArgs, ReportArgs, RunArgs, ServeArgs, StatusArgs};
pub use transfer::{
    CheckArgs, CompareArg, FilterArgs, MetadataArg, MigrateArgs, OutputArgs, PlanArgs, PlanMode, ServerSideArg, SyncArgs, TransferArgs,
    TuningArgs, VerifyArg,
};

/// Moves buckets between clouds, proves every object, and only then deletes the originals.
///
/// Locations are s3://bucket[/prefix], gs://bucket[/prefix], /path, file:///path, or NAME:bucket[/prefix], where NAME is a
/// [stores.NAME] of brigade.toml. An interrupted command is resumed by giving it again.
#[derive(Debug, Parser)]
#[command(name = "brigade", version, max_term_width = 120, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Say more: -v for requests that fail and limits that change, -vv and -vvv for everything
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show progress: auto draws a bar on a terminal, else writes a line a minute; always writes a line a second
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub progress: ProgressWhen,
    /// How logs are written to standard error
    #[arg(long, value_name = "FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// Print the result as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// The configuration; else $BRIGADE_CONFIG, ./brigade.toml, then the user's config directory
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressWhen {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy what is missing or different; delete nothing
    Copy(TransferArgs),
    /// Copy, and with --delete also remove from TARGET what SOURCE lacks
    Sync(SyncArgs),
    /// Copy, prove every object, then delete the originals
    Migrate(MigrateArgs),
    /// Say what would happen and what it would cost; change nothing
    Plan(PlanArgs),
    /// Compare SOURCE and TARGET; change nothing
    Check(CheckArgs),
    /// List a location in key order
    Ls(LsArgs),
    /// Run a job of brigade.toml: its command with its options
    Run(RunArgs),
    /// Run all jobs of brigade.toml when they are due, with metrics and a view of what is so
    Serve(ServeArgs),
    /// Show every job: how old its copy is and may be, what ran last, what comes next
    Status(StatusArgs),
    /// Show what ran, the oldest first
    History(HistoryArgs),
    /// Show the report of a run
    Report(ReportArgs),
    /// Write a first brigade.toml, and say which rights it takes
    Init(InitArgs),
    /// Check or show brigade.toml
    Config {
        /// What to do with it
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Find and abort unfinished uploads and leftover staging objects
    Cleanup(CleanupArgs),
    /// Reach, authenticate and probe what an endpoint really honours
    Doctor(DoctorArgs),
    /// The whole story on embedded servers: migrate a sample bucket S3 -> GCS
    Demo(DemoArgs),
    /// Run the embedded S3 and GCS servers on loopback
    Lab(LabArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print this command line's reference as Markdown
    #[command(hide = true)]
    Reference,
}

/// `ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// What to list
    pub location: String,
    /// Which keys take part.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How it is reached.
    #[command(flatten)]
    pub side: OneSideArgs,
}

/// `cleanup`.
#[derive(Debug, Args)]
pub struct CleanupArgs {
    /// Where to look
    pub location: String,
    /// Leave uploads that were begun less than this ago: another run may be writing them
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub older_than: Duration,
    /// Only say what would be aborted
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// How it is reached.
    #[command(flatten)]
    pub side: OneSideArgs,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Locations to look at
    #[arg(required = true)]
    pub locations: Vec<String>,
    /// Probe only what a source needs: nothing is written
    #[arg(long)]
    pub read_only: bool,
    /// How they are reached.
    #[command(flatten)]
    pub side: OneSideArgs,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many small objects the sample bucket holds
    #[arg(long, value_name = "N", default_value_t = 2_400)]
    pub objects: u32,
    /// Size of the largest object
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub largest: u64,
}

/// `lab`.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// Port of the S3 server (0 picks one)
    #[arg(long, value_name = "PORT", default_value_t = 9000)]
    pub s3_port: u16,
    /// Port of the GCS server (0 picks one)
    #[arg(long, value_name = "PORT", default_value_t = 4443)]
    pub gcs_port: u16,
    /// Buckets that exist from the start, on both servers
    #[arg(long, value_name = "NAME", default_value = "sample")]
    pub bucket: Vec<String>,
}
