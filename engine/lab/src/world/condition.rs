//! Preconditions of both dialects. They are checked under the world's lock, together with the effect they guard.

use super::error::WorldError;
use super::object::{ETag, Object};
use jiff::Timestamp;

/// What `If-Match` and `If-None-Match` name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `*`: any live object.
    Any,
    /// One of these tags, without quotes.
    Listed(Vec<String>),
}

impl Tag {
    /// Reads the header's value.
    pub fn parse(header: &str) -> Self {
        if header.trim() == "*" {
            return Self::Any;
        }
        let clean = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        Self::Listed(header.split(',').map(clean).collect())
    }

    fn matches(&self, etag: ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|tag| etag.matches(tag)),
        }
    }
}

/// Conditions on the current version of an object. Empty conditions always hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`.
    pub if_match: Option<Tag>,
    /// `If-None-Match`.
    pub if_none_match: Option<Tag>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<Timestamp>,
    /// `ifGenerationMatch`; 0 means that no live object may exist.
    pub if_generation_match: Option<u64>,
    /// `ifGenerationNotMatch`; 0 means that a live object must exist.
    pub if_generation_not_match: Option<u64>,
    /// `ifMetagenerationMatch`.
    pub if_metageneration_match: Option<u64>,
    /// `ifMetagenerationNotMatch`.
    pub if_metageneration_not_match: Option<u64>,
}

impl Conditions {
    /// No condition.
    pub const NONE: Self = Self {
        if_match: None,
        if_none_match: None,
        if_modified_since: None,
        if_unmodified_since: None,
        if_generation_match: None,
        if_generation_not_match: None,
        if_metageneration_match: None,
        if_metageneration_not_match: None,
    };

    /// Nothing may be there yet: `If-None-Match: *`.
    pub fn if_absent() -> Self {
        Self { if_none_match: Some(Tag::Any), ..Self::NONE }
    }

    /// Exactly this ETag must be there.
    pub fn if_etag(etag: &str) -> Self {
        Self { if_match: Some(Tag::parse(etag)), ..Self::NONE }
    }

    /// Exactly this generation must be there; 0 means none.
    pub fn if_generation(generation: u64) -> Self {
        Self { if_generation_match: Some(generation), ..Self::NONE }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Checks the conditions of a write or a delete against the live object, if there is one.
    ///
    /// # Errors
    /// [`WorldError::PreconditionFailed`]; [`WorldError::NoSuchKey`] for `If-Match` where nothing is, as S3 answers 404 then.
    pub fn check_write(&self, current: Option<&Object>) -> Result<(), WorldError> {
        match (&self.if_match, current) {
            (Some(_), None) => return Err(WorldError::NoSuchKey),
            (Some(tag), Some(object)) if !tag.matches(object.etag) => {
                return Err(WorldError::PreconditionFailed("If-Match"));
            }
            _ => {}
        }
        if let (Some(tag), Some(object)) = (&self.if_none_match, current)
            && tag.matches(object.etag)
        {
            return Err(WorldError::PreconditionFailed("If-None-Match"));
        }
        if let (Some(since), Some(object)) = (self.if_unmodified_since, current)
            && whole_seconds(object.modified) > since.as_second()
        {
            return Err(WorldError::PreconditionFailed("If-Unmodified-Since"));
        }
        self.check_generations(current, WorldError::PreconditionFailed("generation"))
    }

    /// Checks the conditions of a read.
    ///
    /// # Errors
    /// [`WorldError::PreconditionFailed`], or [`WorldError::NotModified`] where the client has what it asks for (RFC 9110, 13.2.2).
    pub fn check_read(&self, object: &Object) -> Result<(), WorldError> {
        let unmodified = self.if_unmodified_since.is_none_or(|since| whole_seconds(object.modified) <= since.as_second());
        match &self.if_match {
            Some(tag) if !tag.matches(object.etag) => return Err(WorldError::PreconditionFailed("If-Match")),
            None if !unmodified => return Err(WorldError::PreconditionFailed("If-Unmodified-Since")),
            _ => {}
        }
        let modified = self.if_modified_since.is_none_or(|since| whole_seconds(object.modified) > since.as_second());
        match &self.if_none_match {
            Some(tag) if tag.matches(object.etag) => return Err(WorldError::NotModified),
            None if !modified => return Err(WorldError::NotModified),
            _ => {}
        }
        self.check_generations(Some(object), WorldError::NotModified)
    }

    fn check_generations(&self, current: Option<&Object>, on_not_match: WorldError) -> Result<(), WorldError> {
        let generation = current.map_or(0, |object| object.generation);
        let metageneration = current.map_or(0, |object| object.metageneration);
        let differs = |wanted: Option<u64>, found: u64| wanted.is_some_and(|value| value != found);
        if differs(self.if_generation_match, generation) {
            return Err(WorldError::PreconditionFailed("ifGenerationMatch"));
        }
        if differs(self.if_metageneration_match, metageneration) {
            return Err(WorldError::PreconditionFailed("ifMetagenerationMatch"));
        }
        let hit = self.if_generation_not_match == Some(generation) || self.if_metageneration_not_match == Some(metageneration);
        if hit { Err(on_not_match) } else { Ok(()) }
    }
}

/// HTTP dates have no fraction: a moment inside second N counts as N.
fn whole_seconds(moment: Timestamp) -> i64 {
    moment.as_second()
}
