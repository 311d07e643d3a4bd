//! Limits of entries from elsewhere: each with its unit and where it comes from.

/// Names that are looked up without asking whether a listing would be cheaper: as many HEADs as one page of a listing costs.
/// S3 asks twelve times as much for a LIST as for a HEAD, and a page of 1,000 keys takes some forty times the CPU of a HEAD.
pub(crate) const LOOKS_PER_PAGE: usize = 16;

/// Most names that are looked up one by one. Where they lie so far apart that a listing has sixteen keys for each, that is a
/// listing of 1,600,000 keys; a longer list is held to describe most of a bucket.
pub(crate) const LOOKS_MAX: usize = 100_000;

/// Names of one page of looks: few enough that transfers begin soon, and enough to hide the slowest answer among them.
pub(crate) const NAMES_PER_PAGE: usize = 256;

/// HEADs at once for one page. The limiter of the endpoint bounds those of all pages together.
pub(crate) const LOOKS_AT_ONCE: usize = 64;
