//! Limits of the configuration, each with its reason.

/// Longest name of a store, job, class or tenant, in bytes: it becomes the name of a directory and the value of a label.
pub(crate) const NAME_BYTES_MAX: usize = 64;

/// Labels of one tenant: each is a label of every metric of its jobs.
pub(crate) const LABELS_MAX: usize = 8;

/// Jobs of one file: what one process was made to run, with a margin.
pub(crate) const JOBS_MAX: usize = 1_000;

/// Edits between a word and the nearest known one that is still suggested.
pub(crate) const EDITS_MAX: usize = 3;

/// Jobs that run at once, at most: each holds a share of the memory.
pub(crate) const JOBS_AT_ONCE_MAX: u64 = 64;
