//! Preconditions and the choice of a generation, as both interfaces spell them.

use super::failure::Failure;
use super::wire::{Call, Query};
use crate::world::{Conditions, Tag, Which};
use jiff::Timestamp;

/// `ifGenerationMatch` and its like, from the query.
pub(super) fn from_query(query: &Query) -> Result<Conditions, Failure> {
    Ok(Conditions {
        if_generation_match: query.number("ifGenerationMatch")?,
        if_generation_not_match: query.number("ifGenerationNotMatch")?,
        if_metageneration_match: query.number("ifMetagenerationMatch")?,
        if_metageneration_not_match: query.number("ifMetagenerationNotMatch")?,
        ..Conditions::NONE
    })
}

/// `ifSourceGenerationMatch` and its like: conditions on what a copy reads.
pub(super) fn of_source(query: &Query) -> Result<Conditions, Failure> {
    Ok(Conditions {
        if_generation_match: query.number("ifSourceGenerationMatch")?,
        if_generation_not_match: query.number("ifSourceGenerationNotMatch")?,
        if_metageneration_match: query.number("ifSourceMetagenerationMatch")?,
        if_metageneration_not_match: query.number("ifSourceMetagenerationNotMatch")?,
        ..Conditions::NONE
    })
}

/// `x-goog-if-generation-match` and `x-goog-if-metageneration-match`.
pub(super) fn from_goog_headers(call: &Call) -> Result<Conditions, Failure> {
    Ok(Conditions {
        if_generation_match: call.number("x-goog-if-generation-match")?,
        if_metageneration_match: call.number("x-goog-if-metageneration-match")?,
        ..Conditions::NONE
    })
}

/// Adds `If-Match`, `If-None-Match` and the conditions on time: those of HTTP itself.
pub(super) fn with_http_headers(call: &Call, conditions: Conditions) -> Conditions {
    Conditions {
        if_match: call.header("if-match").map(Tag::parse),
        if_none_match: call.header("if-none-match").map(Tag::parse),
        if_modified_since: call.header("if-modified-since").and_then(http_time),
        if_unmodified_since: call.header("if-unmodified-since").and_then(http_time),
        ..conditions
    }
}

/// The version that a parameter names.
pub(super) fn which(query: &Query, parameter: &str) -> Result<Which, Failure> {
    Ok(query.number(parameter)?.map_or(Which::Current, Which::Generation))
}

/// A malformed date is no condition (RFC 9110, 13.1.3).
fn http_time(text: &str) -> Option<Timestamp> {
    httpdate::parse_http_date(text).ok().and_then(|time| Timestamp::try_from(time).ok())
}
