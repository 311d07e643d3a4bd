//! Options of copy, sync, migrate, plan and check.

use std::path::PathBuf;

use brigade_core::units::{UnitError, parse_size, parse_size_limit};
use clap::{Args, ValueEnum};

use super::entries::EntryArgs;
use super::requests::SideArgs;

/// `copy`, and the part that all transfers share.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Where objects come from
    pub source: String,
    /// Where they go
    pub target: String,
    /// Say what would happen; change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Which keys take part.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Where the source's entries come from.
    #[command(flatten)]
    pub entries: EntryArgs,
    /// How the two sides are reached.
    #[command(flatten)]
    pub sides: SideArgs,
    /// How it is done.
    #[command(flatten)]
    pub tuning: TuningArgs,
    /// What is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Remove from TARGET what SOURCE lacks, after a clean run and inside the guards
    #[arg(long)]
    pub delete: bool,
    /// Also remove from TARGET what the filters exclude
    #[arg(long, requires = "delete")]
    pub delete_excluded: bool,
    /// What all transfers share.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Delete nothing: write the originals that would be deleted into a file, to be reviewed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["approved", "dry_run"])]
    pub plan_out: Option<PathBuf>,
    /// Delete exactly what a reviewed plan lists, and nothing if any of it has changed
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub approved: Option<PathBuf>,
    /// What all transfers share.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Plan this command
    #[arg(long, value_name = "MODE", default_value = "copy")]
    pub mode: PlanMode,
    /// Plan `sync --delete`
    #[arg(long)]
    pub delete: bool,
    /// What all transfers share.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// `plan --mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanMode {
    /// As `brigade copy`
    Copy,
    /// As `brigade sync`
    Sync,
    /// As `brigade migrate`
    Migrate,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Read both sides and compare the bytes
    #[arg(long)]
    pub content: bool,
    /// Ignore what only TARGET has
    #[arg(long)]
    pub one_way: bool,
    /// Whether both sides still hold exactly the versions that this manifest lists
    #[arg(long, value_name = "MANIFEST", conflicts_with_all = ["content", "compare"])]
    pub against: Option<PathBuf>,
    /// What all transfers share.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// rclone's filter language.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters (rclone's language; they hide keys on both sides)")]
pub struct FilterArgs {
    /// Only keys that match the glob
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// No keys that match the glob
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// A rule: `+ GLOB` or `- GLOB`; the first that matches decides
    #[arg(long, value_name = "RULE")]
    pub filter: Vec<String>,
    /// Rules from a file (- for standard input)
    #[arg(long, value_name = "FILE")]
    pub filter_from: Vec<PathBuf>,
    /// Globs to include from a file
    #[arg(long, value_name = "FILE")]
    pub include_from: Vec<PathBuf>,
    /// Globs to exclude from a file
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,
    /// Exactly the keys that the file lists, one a line; few of them are looked up, many are picked from a listing
    #[arg(long, value_name = "FILE")]
    pub files_from: Vec<PathBuf>,
    /// No smaller objects (KiB, or with a suffix: 10M)
    #[arg(long, value_name = "SIZE", value_parser = parse_bound)]
    pub min_size: Option<Bound>,
    /// No larger objects
    #[arg(long, value_name = "SIZE", value_parser = parse_bound)]
    pub max_size: Option<Bound>,
    /// No younger objects (seconds, or with a suffix: 2d; or a date)
    #[arg(long, value_name = "AGE")]
    pub min_age: Option<String>,
    /// No older objects
    #[arg(long, value_name = "AGE")]
    pub max_age: Option<String>,
    /// Globs ignore upper and lower case
    #[arg(long)]
    pub ignore_case: bool,
}

/// How a transfer is done.
#[derive(Debug, Args)]
#[command(next_help_heading = "Transfer")]
pub struct TuningArgs {
    /// How keys that both sides have are compared
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub compare: CompareArg,
    /// The weakest proof that counts as a copy
    #[arg(long, value_name = "PROOF", default_value = "stored")]
    pub verify: VerifyArg,
    /// Leave keys alone that both sides have
    #[arg(long, conflicts_with = "immutable")]
    pub ignore_existing: bool,
    /// A key that differs is an error, never replaced
    #[arg(long)]
    pub immutable: bool,
    /// Wished part size of large objects [default: 8M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub part_size: Option<u64>,
    /// Object bytes held in memory at once [default: a quarter of RAM, at most 2G]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Copy keys that match after all others, and only where those were all done
    #[arg(long, value_name = "GLOB")]
    pub order_last: Vec<String>,
    /// Copies inside one provider
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub server_side: ServerSideArg,
    /// Cut copies as their originals are cut, so that both have the same ETag (S3 to S3)
    #[arg(long)]
    pub preserve_etag: bool,
    /// Storage class of the copies
    #[arg(long, value_name = "CLASS")]
    pub storage_class: Option<String>,
    /// What is carried beside the bytes
    #[arg(long, value_name = "WHAT", default_value = "all")]
    pub metadata: MetadataArg,
    /// Set a header or user metadata on every copy
    #[arg(long, value_name = "K=V", value_parser = parse_pair)]
    pub set_metadata: Vec<(String, String)>,
    /// Most deletes of any kind; one more and nothing is deleted
    #[arg(long, value_name = "N")]
    pub max_delete: Option<u64>,
    /// Most deletes of the target, in percent of its objects
    #[arg(long, value_name = "P", default_value_t = 50.0, value_parser = parse_percent)]
    pub max_delete_percent: f64,
    /// Stop when more objects than this have failed
    #[arg(long, value_name = "N")]
    pub max_errors: Option<u64>,
    /// Allow deleting originals on endpoints that ignore conditions, after a fresh look at each
    #[arg(long)]
    pub delete_unconditional: bool,
}

/// `--compare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompareArg {
    /// What earlier runs left known; else what both listings give; else size and time
    Auto,
    /// A stored checksum of both sides
    Checksum,
    /// Size only
    Size,
    /// Size, and the source is newer
    Modified,
    /// What the last runs left known: kept if both versions are unchanged, else copied
    Manifest,
}

/// `--verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyArg {
    /// The connection's own checks
    Transport,
    /// A digest that the target computed
    Stored,
    /// Every copy is read back
    Content,
}

/// `--server-side`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerSideArg {
    /// Where it can be proven
    Auto,
    /// Only so
    Always,
    /// Bytes always pass through this machine
    Never,
}

/// `--metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetadataArg {
    /// Everything that the target can hold
    All,
    /// Nothing
    None,
}

/// What a transfer writes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Where progress is kept [default: $BRIGADE_STATE_DIR, else the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Ignore what earlier runs of the same job left: start over from the listings
    #[arg(long)]
    pub fresh: bool,
    /// Also put the manifest of a clean run (Parquet) here
    #[arg(long, value_name = "FILE")]
    pub manifest_out: Option<PathBuf>,
    /// Write the report, with every failure, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write what happens as JSON lines, as it happens
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err("write a number from 0 to 100".into()),
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && name.is_ascii() && !value.contains(['\r', '\n']) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write NAME=VALUE on one line".into()),
    }
}

/// A bound on sizes that `off` takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound(pub Option<u64>);

fn parse_bound(text: &str) -> Result<Bound, UnitError> {
    parse_size_limit(text).map(Bound)
}
