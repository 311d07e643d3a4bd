//! A scenario as plain data: everything that a seed decides, so that it can be printed, cut down and played again.

use std::fmt;

use brigade_core::compare::CompareMode;
use brigade_core::event::Side;
use brigade_core::job::{MetadataPolicy, Verify};
use brigade_lab::fault::Rule;
use brigade_lab::sim::Dialect;

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    S3ToS3,
    S3ToGcs,
    GcsToS3,
    /// Two buckets of one provider, which can copy from one to the other by itself.
    S3Inside,
    /// The same of the other provider.
    GcsInside,
}

impl Pair {
    /// Whether both ends are one provider.
    pub fn is_inside(self) -> bool {
        matches!(self, Self::S3Inside | Self::GcsInside)
    }

    /// The dialects of source and target.
    pub fn dialects(self) -> (Dialect, Dialect) {
        match self {
            Self::S3ToS3 | Self::S3Inside => (Dialect::S3, Dialect::S3),
            Self::GcsInside => (Dialect::Gcs, Dialect::Gcs),
            Self::S3ToGcs => (Dialect::S3, Dialect::Gcs),
            Self::GcsToS3 => (Dialect::Gcs, Dialect::S3),
        }
    }
}

/// How an object came into its store, which decides the digests that the store has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In one piece: its MD5 is known.
    Whole,
    /// In one piece, with a CRC-32C that a HEAD shows.
    Checksum,
    /// In one piece, with a CRC-64/NVME that a HEAD shows.
    Checksum64,
    /// In parts, without any digest of the whole.
    Parts,
    /// In parts, with a CRC-32C of the whole.
    PartsChecksum,
    /// In parts, with a CRC-64/NVME of the whole.
    PartsChecksum64,
}

/// An object that somebody other than the engine writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Below the prefix of its side.
    pub key: Vec<u8>,
    /// Decides the bytes; no two versions share one, unless they are to be the same.
    pub version: u64,
    pub size: u64,
    pub form: Form,
}

/// Something that happens without the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// An object is written, or written over.
    Write(Side, Placed),
    /// An object is deleted.
    Delete(Side, Vec<u8>),
    /// All but every so many-th key of one side are deleted.
    Thin(Side, usize),
    /// Every upload under way in the target expires.
    ExpireUploads,
    /// The clock of one side jumps by so many seconds.
    Clock(Side, i64),
}

/// What a run is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Copy,
    Sync,
    SyncDelete,
    Migrate,
}

/// How a run ends, if not by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Whole,
    /// The process is killed at this step.
    Crash(u64),
    /// It is asked to stop at this step.
    Stop(u64),
    /// From this step of the disk on, the disk is full.
    DiskFull(u64),
}

/// What becomes of the job's directory before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    Kept,
    Lost,
    BaselineLost,
    /// The baseline cannot be read past this page.
    BaselineBroken(usize),
}

/// A scripted fault.
#[derive(Clone, Debug)]
pub struct Fault {
    pub side: Side,
    pub kind: FaultKind,
    pub rule: Rule,
}

/// What a fault may do to the judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing: the engine must cope.
    Usual,
    /// Bits of answers flip.
    Flips,
    /// Listings show an older state, which nobody can notice.
    Stale,
    /// The target stores other bytes than it checked, under the digests that it checked.
    Spoils,
}

impl Fault {
    /// Whether a good copy may look wrong, or a copy be wrong although every check passed.
    pub fn spoils_copies(&self) -> bool {
        self.side == Side::Target && matches!(self.kind, FaultKind::Flips | FaultKind::Spoils)
    }
}

/// One run of the job.
#[derive(Clone, Debug)]
pub struct Turn {
    pub wanted: Wanted,
    /// Globs that hide keys.
    pub exclude: Vec<String>,
    pub deletes_max: Option<u64>,
    pub percent_max: f64,
    pub before: Vec<Mutation>,
    /// By the step at which they happen.
    pub during: Vec<(u64, Mutation)>,
    pub faults: Vec<Fault>,
    pub end: End,
    pub directory: Directory,
    /// Whether uploads of earlier runs are given up.
    pub fresh: bool,
    /// Whether another engine, with a directory of its own, works on the same places at the same time.
    pub rival: bool,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub pair: Pair,
    pub source_prefix: &'static str,
    pub target_prefix: &'static str,
    pub verify: Verify,
    pub compare: CompareMode,
    pub metadata: MetadataPolicy,
    pub preserve_etag: bool,
    pub part_bytes: u64,
    pub memory_bytes: u64,
    pub concurrency: usize,
    pub attempts_max: u32,
    pub page_items_max: usize,
    /// Seconds by which the target's clock is ahead.
    pub skew_seconds: i64,
    pub source: Vec<Placed>,
    pub target: Vec<Placed>,
    pub turns: Vec<Turn>,
}

impl Scenario {
    /// How much there is that could be cut away.
    pub fn weight(&self) -> usize {
        let turn = |turn: &Turn| 1 + turn.before.len() + turn.during.len() + turn.faults.len() + turn.exclude.len();
        self.source.len() + self.target.len() + self.turns.iter().map(turn).sum::<usize>()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {:?}, {:?} below {:?} to {:?}, verify {:?}, compare {:?}, metadata {:?}, ETags preserved {}, parts of {}, memory {}, {} at once, {} attempts, pages of {}, skew {} s",
            self.seed,
            self.pair,
            self.source.len(),
            self.source_prefix,
            self.target_prefix,
            self.verify,
            self.compare,
            self.metadata,
            self.preserve_etag,
            self.part_bytes,
            self.memory_bytes,
            self.concurrency,
            self.attempts_max,
            self.page_items_max,
            self.skew_seconds
        )?;
        for (side, objects) in [(Side::Source, &self.source), (Side::Target, &self.target)] {
            for object in objects {
                writeln!(f, "  {side}: {object}")?;
            }
        }
        for (number, turn) in self.turns.iter().enumerate() {
            writeln!(f, "  run {number}: {turn}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` version {}, {} bytes, {:?}", show(&self.key), self.version, self.size, self.form)
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} exclude {:?} max {:?} percent {} {:?} directory {:?}{}{}",
            self.wanted,
            self.exclude,
            self.deletes_max,
            self.percent_max,
            self.end,
            self.directory,
            if self.fresh { " fresh" } else { "" },
            if self.rival { " with a rival" } else { "" }
        )?;
        for mutation in &self.before {
            write!(f, "\n      before: {mutation}")?;
        }
        for (step, mutation) in &self.during {
            write!(f, "\n      at step {step}: {mutation}")?;
        }
        for fault in &self.faults {
            write!(f, "\n      fault in the {}: {:?}", fault.side, fault.rule)?;
        }
        Ok(())
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(side, placed) => write!(f, "write to the {side}: {placed}"),
            Self::Delete(side, key) => write!(f, "delete from the {side}: `{}`", show(key)),
            Self::Thin(side, every) => write!(f, "delete all but every {every}. key from the {side}"),
            Self::ExpireUploads => f.write_str("uploads expire"),
            Self::Clock(side, seconds) => write!(f, "the {side}'s clock jumps by {seconds} s"),
        }
    }
}

/// A key for people.
pub fn show(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    let short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().count() > 40 { format!("{short}...({} bytes)", key.len()) } else { short }
}
