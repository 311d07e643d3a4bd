//! Options of the commands around configured jobs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The job, a [jobs.NAME] of brigade.toml
    pub job: String,
    /// Say what would happen; change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Where progress is kept [default: $BRIGADE_STATE_DIR, else as the configuration says, else the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Write the report, with every failure, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen; port 0 picks one [default: as the configuration says, else 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where progress is kept [default: $BRIGADE_STATE_DIR, else as the configuration says, else the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Where progress is kept [default: $BRIGADE_STATE_DIR, else as the configuration says, else the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only runs of this job, a [jobs.NAME] of brigade.toml
    pub job: Option<String>,
    /// Most runs to show, the latest
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: usize,
    /// Where progress is kept [default: $BRIGADE_STATE_DIR, else as the configuration says, else the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run, as `history` shows it
    pub run: String,
    /// Where progress is kept [default: $BRIGADE_STATE_DIR, else as the configuration says, else the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where objects come from; asked for on a terminal
    #[arg(long, value_name = "LOCATION")]
    pub source: Option<String>,
    /// Where they go; asked for on a terminal
    #[arg(long, value_name = "LOCATION")]
    pub target: Option<String>,
    /// The job's name
    #[arg(long, value_name = "NAME", default_value = "offsite")]
    pub name: String,
    /// When it runs: five fields of cron, in UTC
    #[arg(long, value_name = "CRON", default_value = "0 3 * * *")]
    pub schedule: String,
    /// How old the copy may be at most
    #[arg(long, value_name = "DURATION", default_value = "26h")]
    pub recovery_point: String,
    /// The source's endpoint
    #[arg(long, value_name = "URL")]
    pub source_endpoint_url: Option<String>,
    /// Read the source without credentials
    #[arg(long)]
    pub source_anonymous: bool,
    /// The target's endpoint
    #[arg(long, value_name = "URL")]
    pub target_endpoint_url: Option<String>,
    /// Write the target without credentials
    #[arg(long)]
    pub target_anonymous: bool,
    /// The file to write; one that exists is left as it is
    #[arg(long, value_name = "FILE", default_value = "brigade.toml")]
    pub output: PathBuf,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Find every problem of the configuration at once, and schedules that cannot meet their recovery point
    Check(ConfigArgs),
    /// Print what was understood, without secrets
    Show(ConfigArgs),
}

/// `config check` and `config show`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Where progress is kept [default: $BRIGADE_STATE_DIR, else as the configuration says, else the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}
