//! Where the source's entries come from, where it is not from listing it.

use std::path::PathBuf;

use clap::Args;

/// What takes the place of listing the source.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Entries from elsewhere (as old as the file; they never say what to delete from TARGET)")]
pub struct EntryArgs {
    /// Take the source's entries from an S3 Inventory (CSV or Parquet): the location of its manifest.json
    #[arg(long, value_name = "LOCATION", conflicts_with = "source_manifest")]
    pub source_inventory: Option<String>,
    /// Take the source's entries from a manifest that a clean run from this SOURCE left
    #[arg(long, value_name = "FILE")]
    pub source_manifest: Option<PathBuf>,
}
