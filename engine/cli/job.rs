//! From what was typed to the job that the engine understands.

use std::io::Read;
use std::path::{Path, PathBuf};

use brigade_core::compare::CompareMode;
use brigade_core::diff::Existing;
use brigade_core::filter::{Case, Filter, FilterOptions, RuleFile};
use brigade_core::job::{DeleteGuards, Effect, Job, MetadataPolicy, Mode, ServerSide, Unconditional, Verify};
use brigade_core::limits::{GIB, MIB, PART_BYTES_DEFAULT};
use brigade_core::units::{Age, parse_age};
use indicatif::HumanBytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::args::{CompareArg, FilterArgs, MetadataArg, ServerSideArg, TransferArgs, TuningArgs, VerifyArg};
use crate::error::CliError;

/// The byte budget is a quarter of the machine's memory, and at most this.
const MEMORY_BYTES_MAX_DEFAULT: u64 = 2 * GIB;

/// Where the machine's memory cannot be learnt.
const MEMORY_BYTES_FALLBACK: u64 = 256 * MIB;

/// Small objects under way for each request that may run at one end: while one is read, another is written. Those beyond what the
/// endpoints take wait for a permit, at a few hundred bytes each and the memory that `--memory` lets them claim.
const OBJECTS_PER_REQUEST: usize = 2;

/// Least byte budget that still lets parts overlap.
pub const MEMORY_BYTES_MIN: u64 = 16 * MIB;

/// The job of a transfer in this mode.
pub fn job(args: &TransferArgs, mode: Mode, now: Timestamp) -> Result<Job, CliError> {
    let tuning = &args.tuning;
    refuse_contradictions(tuning)?;
    let memory_bytes = tuning.memory.unwrap_or_else(default_memory);
    if memory_bytes < MEMORY_BYTES_MIN {
        return Err(CliError::plain(format!("--memory {} is too little", HumanBytes(memory_bytes))).hint("give at least 16M"));
    }
    let part_bytes = tuning.part_size.unwrap_or(PART_BYTES_DEFAULT);
    if part_bytes == 0 || part_bytes > memory_bytes {
        let message = format!("--part-size {} does not fit into --memory {}", HumanBytes(part_bytes), HumanBytes(memory_bytes));
        return Err(CliError::plain(message).hint("give a part size above 0 and at most the memory"));
    }
    Ok(Job {
        mode,
        effect: if args.dry_run { Effect::Dry } else { Effect::Real },
        delete_extra: false,
        filter: filter(&args.filter, now)?,
        order_last: order_last(tuning, &args.filter, now)?,
        delete_excluded: false,
        compare: compare(tuning.compare),
        existing: existing(tuning),
        one_way: false,
        content: false,
        verify: verify(tuning.verify),
        guards: guards(tuning),
        errors_max: tuning.max_errors,
        part_bytes,
        memory_bytes,
        concurrency: args.sides.requests.concurrency.most().saturating_mul(OBJECTS_PER_REQUEST),
        metadata: if tuning.metadata == MetadataArg::All { MetadataPolicy::All } else { MetadataPolicy::None },
        set_metadata: tuning.set_metadata.clone(),
        storage_class: tuning.storage_class.clone(),
        server_side: server_side(tuning.server_side),
        preserve_etag: tuning.preserve_etag,
    })
}

fn refuse_contradictions(tuning: &TuningArgs) -> Result<(), CliError> {
    if tuning.server_side == ServerSideArg::Always && tuning.verify == VerifyArg::Content {
        return Err(CliError::plain("`--verify content` reads every copy back, which `--server-side always` rules out")
            .hint("leave one of them out: digests that the provider stores prove what it copies itself"));
    }
    Ok(())
}

fn server_side(arg: ServerSideArg) -> ServerSide {
    match arg {
        ServerSideArg::Auto => ServerSide::Auto,
        ServerSideArg::Always => ServerSide::Always,
        ServerSideArg::Never => ServerSide::Never,
    }
}

fn compare(arg: CompareArg) -> CompareMode {
    match arg {
        CompareArg::Auto => CompareMode::Auto,
        CompareArg::Checksum => CompareMode::Checksum,
        CompareArg::Size => CompareMode::Size,
        CompareArg::Modified => CompareMode::Modified,
        CompareArg::Manifest => CompareMode::Manifest,
    }
}

fn verify(arg: VerifyArg) -> Verify {
    match arg {
        VerifyArg::Transport => Verify::Transport,
        VerifyArg::Stored => Verify::Stored,
        VerifyArg::Content => Verify::Content,
    }
}

fn existing(tuning: &TuningArgs) -> Existing {
    match (tuning.ignore_existing, tuning.immutable) {
        (true, _) => Existing::Ignore,
        (false, true) => Existing::Immutable,
        (false, false) => Existing::Replace,
    }
}

fn guards(tuning: &TuningArgs) -> DeleteGuards {
    DeleteGuards {
        deletes_max: tuning.max_delete,
        target_percent_max: tuning.max_delete_percent,
        unconditional: if tuning.delete_unconditional { Unconditional::Allow } else { Unconditional::Refuse },
    }
}

/// A quarter of the machine's memory, at most 2 GiB.
pub fn default_memory() -> u64 {
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let bytes = total.map_or(MEMORY_BYTES_FALLBACK, |kibibytes| kibibytes.saturating_mul(1024) / 4);
    bytes.clamp(MEMORY_BYTES_MIN, MEMORY_BYTES_MAX_DEFAULT)
}

/// Compiles the filter options; files are read here.
pub fn filter(args: &FilterArgs, now: Timestamp) -> Result<Filter, CliError> {
    let options = FilterOptions {
        include: args.include.clone(),
        include_from: files("--include-from", &args.include_from)?,
        exclude: args.exclude.clone(),
        exclude_from: files("--exclude-from", &args.exclude_from)?,
        filter: args.filter.clone(),
        filter_from: files("--filter-from", &args.filter_from)?,
        files_from: files("--files-from", &args.files_from)?,
        min_size: args.min_size.and_then(|bound| bound.0),
        max_size: args.max_size.and_then(|bound| bound.0),
        min_age: age("--min-age", args.min_age.as_deref())?,
        max_age: age("--max-age", args.max_age.as_deref())?,
        case: if args.ignore_case { Case::Ignore } else { Case::Exact },
        ..FilterOptions::default()
    };
    options.build(now).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        CliError::plain(format!("a filter is not understood: {error}{cause}")).hint("the rules are rclone's: https://rclone.org/filtering/")
    })
}

/// Which keys go last, where any do.
fn order_last(tuning: &TuningArgs, filter: &FilterArgs, now: Timestamp) -> Result<Option<Filter>, CliError> {
    if tuning.order_last.is_empty() {
        return Ok(None);
    }
    let case = if filter.ignore_case { Case::Ignore } else { Case::Exact };
    let options = FilterOptions { include: tuning.order_last.clone(), case, ..FilterOptions::default() };
    options.build(now).map(Some).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        CliError::plain(format!("--order-last is not understood: {error}{cause}")).hint("the globs are those of --include")
    })
}

/// An age as an option gives it.
pub fn age(option: &str, text: Option<&str>) -> Result<Option<Age>, CliError> {
    let Some(text) = text else { return Ok(None) };
    parse_age(text, &TimeZone::system()).map_err(|error| CliError::new(format!("invalid value for {option}"), error))
}

fn files(option: &str, paths: &[PathBuf]) -> Result<Vec<RuleFile>, CliError> {
    paths.iter().map(|path| Ok(RuleFile::new(path.display().to_string(), read(option, path)?))).collect()
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, CliError> {
    let result = match path.as_os_str() == "-" {
        true => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => std::fs::read(path),
    };
    result.map_err(|error| {
        CliError::new(format!("cannot read {option} {}", path.display()), error)
            .hint("name a file that exists and can be read, or - for standard input")
    })
}
