//! Multipart uploads: created, filled part by part, and published in one atomic step, or aborted.
//!
//! What Amazon S3 checks at `CompleteMultipartUpload` is checked here, so that both servers refuse the same wrong uploads.

use super::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, combine};
use super::condition::Conditions;
use super::content::Content;
use super::error::WorldError;
use super::object::{Attributes, Holds, Object, ObjectPart};
use super::{NewObject, World};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The highest part number of both clouds.
pub const PART_NUMBER_MAX: u32 = 10_000;

/// Who asked for an upload's checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The client; it must number the parts without gaps.
    ByClient,
    /// The server attaches its default.
    ByServer,
}

/// The checksum that an upload keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadChecksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// Over the bytes or over the parts' values.
    pub kind: ChecksumKind,
    /// By whom.
    pub asked: Asked,
}

/// What a multipart upload is created with.
#[derive(Clone, Debug, Default)]
pub struct NewUpload {
    /// Headers, metadata and tags of the object to be.
    pub attributes: Attributes,
    /// The checksum to keep; none for GCS.
    pub checksum: Option<UploadChecksum>,
    /// Holds of the object to be.
    pub holds: Holds,
}

/// A multipart upload under way.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// The key it will publish.
    pub key: Vec<u8>,
    /// What it was created with.
    pub new: NewUpload,
    /// When.
    pub created: Timestamp,
    /// The parts so far, by number.
    pub parts: BTreeMap<u32, Part>,
}

/// A part that has arrived.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its bytes.
    pub content: Content,
    /// Its checksum in the upload's algorithm.
    pub checksum: Option<Checksum>,
    /// When it arrived.
    pub modified: Timestamp,
}

/// A part as the client names it at the end.
#[derive(Clone, Debug, Default)]
pub struct NamedPart {
    /// Its number.
    pub number: u32,
    /// Its ETag, quoted or not.
    pub etag: String,
    /// Its checksum, in the upload's algorithm.
    pub checksum: Option<String>,
}

/// Everything a client says when it completes an upload.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// The parts.
    pub parts: Vec<NamedPart>,
    /// The checksum of the whole, to be checked before anything is visible.
    pub checksum: Option<Checksum>,
    /// The kind of that checksum, where it is stated.
    pub kind: Option<ChecksumKind>,
    /// The size of the whole (`x-amz-mp-object-size`).
    pub size: Option<u64>,
    /// Conditions on the key.
    pub conditions: Conditions,
}

impl World {
    /// Begins an upload and gives its id.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`], [`WorldError::KeyLength`], or [`WorldError::Invalid`] where algorithm and kind do not fit.
    pub fn create_upload(&self, bucket: &str, key: &[u8], new: NewUpload) -> Result<String, WorldError> {
        super::check_key(key)?;
        if new.checksum.is_some_and(|checksum| !checksum.algorithm.supports(checksum.kind)) {
            return Err(WorldError::Invalid("the checksum type does not fit the algorithm"));
        }
        let id = self.unique_id();
        let created = self.now();
        self.write(bucket, |bucket| {
            let upload = Upload { id: id.clone(), key: key.to_vec(), new, created, parts: BTreeMap::new() };
            bucket.uploads.insert((key.to_vec(), id.clone()), upload);
            Ok(id)
        })
    }

    /// An upload as it stands now.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`] and [`WorldError::NoSuchUpload`].
    pub fn upload(&self, bucket: &str, key: &[u8], id: &str) -> Result<Upload, WorldError> {
        self.read(bucket, |bucket| bucket.uploads.get(&(key.to_vec(), id.to_owned())).cloned().ok_or(WorldError::NoSuchUpload))
    }

    /// Stores a part; one of the same number is replaced.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`], [`WorldError::NoSuchUpload`], [`WorldError::Invalid`] for a number out of range.
    pub fn put_part(
        &self,
        bucket: &str,
        key: &[u8],
        id: &str,
        number: u32,
        content: Content,
        checksum: Option<Checksum>,
    ) -> Result<(), WorldError> {
        if !(1..=PART_NUMBER_MAX).contains(&number) {
            return Err(WorldError::Invalid("the part number is not within 1..=10000"));
        }
        let modified = self.now();
        self.write(bucket, |bucket| {
            let upload = bucket.uploads.get_mut(&(key.to_vec(), id.to_owned())).ok_or(WorldError::NoSuchUpload)?;
            upload.parts.insert(number, Part { content, checksum, modified });
            Ok(())
        })
    }

    /// Forgets an upload and its parts.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`] and [`WorldError::NoSuchUpload`].
    pub fn abort_upload(&self, bucket: &str, key: &[u8], id: &str) -> Result<(), WorldError> {
        self.write(bucket, |bucket| bucket.uploads.remove(&(key.to_vec(), id.to_owned())).map(drop).ok_or(WorldError::NoSuchUpload))
    }

    /// Uploads under way, by key and then by creation, after `(key, id)`, at most `max` and whether there are more.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`].
    pub fn list_uploads(
        &self,
        bucket: &str,
        prefix: &[u8],
        after: Option<(Vec<u8>, String)>,
        max: usize,
    ) -> Result<(Vec<Upload>, More), WorldError> {
        self.read(bucket, |bucket| {
            let first = (prefix.to_vec(), String::new());
            let start = match after {
                Some(after) if after >= first => Bound::Excluded(after),
                _ => Bound::Included(first),
            };
            let mut found: Vec<Upload> = bucket
                .uploads
                .range((start, Bound::Unbounded))
                .map(|(_, upload)| upload)
                .take_while(|upload| upload.key.starts_with(prefix))
                .take(max + 1)
                .cloned()
                .collect();
            let more = if found.len() > max { More::Yes } else { More::No };
            found.truncate(max);
            Ok((found, more))
        })
    }

    /// Publishes the object, or refuses and leaves the upload as it is.
    ///
    /// # Errors
    /// Everything that Amazon S3 names for CompleteMultipartUpload; conditions are checked in the same step as the publication.
    pub fn complete_upload(&self, bucket: &str, key: &[u8], id: &str, completion: &Completion) -> Result<Arc<Object>, WorldError> {
        let upload = self.upload(bucket, key, id)?;
        let verify = self.honours().checksums;
        let new = assemble(&upload, completion, self.limits().part_bytes_min, verify)?;
        let conditions = if self.honours().conditional_complete { completion.conditions.clone() } else { Conditions::NONE };
        let now = self.now();
        self.write(bucket, |bucket| {
            let id = (key.to_vec(), id.to_owned());
            if !bucket.uploads.contains_key(&id) {
                return Err(WorldError::NoSuchUpload);
            }
            let object = self.publish(bucket, key, new, &conditions, now)?;
            bucket.uploads.remove(&id);
            Ok(object)
        })
    }
}

/// Whether a page was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// There is another page.
    Yes,
    /// This was the last.
    No,
}

fn assemble(upload: &Upload, completion: &Completion, part_bytes_min: u64, verify: bool) -> Result<NewObject, WorldError> {
    let parts = named_parts(upload, completion, part_bytes_min)?;
    let contents: Vec<&Content> = parts.iter().map(|(_, part)| &part.content).collect();
    let content = Content::concat(&contents);
    if let Some(announced) = completion.size.filter(|announced| *announced != content.size()) {
        return Err(WorldError::SizeMismatch { announced, actual: content.size() });
    }
    let checksum = whole_checksum(upload, &parts)?;
    if verify && let Some(announced) = &completion.checksum {
        let kept = checksum.as_ref().filter(|kept| kept.algorithm == announced.algorithm);
        let kept = kept.ok_or(WorldError::Invalid("the upload keeps another checksum algorithm"))?;
        if kept.value != announced.value {
            return Err(WorldError::BadDigest(kept.algorithm.name()));
        }
    }
    if let (Some(kept), Some(stated)) = (&checksum, completion.kind)
        && kept.kind != stated
    {
        return Err(WorldError::Invalid("the upload keeps another checksum type"));
    }
    let asked = upload.new.checksum.is_some_and(|checksum| checksum.asked == Asked::ByClient);
    let shown = parts.iter().map(|(number, part)| ObjectPart {
        number: *number,
        size: part.content.size(),
        checksum: part.checksum.clone().filter(|_| asked),
    });
    Ok(NewObject {
        parts: Some(shown.collect()),
        checksum,
        attributes: Arc::new(upload.new.attributes.clone()),
        holds: upload.new.holds,
        ..NewObject::of(content)
    })
}

fn named_parts<'a>(upload: &'a Upload, completion: &Completion, part_bytes_min: u64) -> Result<Vec<(u32, &'a Part)>, WorldError> {
    if completion.parts.is_empty() {
        return Err(WorldError::Invalid("no part is named"));
    }
    let asked = upload.new.checksum.filter(|checksum| checksum.asked == Asked::ByClient);
    let mut found = Vec::with_capacity(completion.parts.len());
    let mut previous = 0;
    for named in &completion.parts {
        if named.number <= previous || (asked.is_some() && named.number != previous + 1) {
            return Err(WorldError::InvalidPartOrder);
        }
        previous = named.number;
        let part = upload.parts.get(&named.number).ok_or(WorldError::InvalidPart(named.number))?;
        let kept = part.checksum.as_ref().map(|checksum| &*checksum.value);
        let other_checksum = named.checksum.is_some() && named.checksum.as_deref() != kept;
        if !part.content.etag().matches(&named.etag) || other_checksum {
            return Err(WorldError::InvalidPart(named.number));
        }
        if asked.is_some_and(|asked| asked.kind == ChecksumKind::Composite) && named.checksum.is_none() {
            return Err(WorldError::Invalid("a composite upload must name the checksum of every part"));
        }
        found.push((named.number, part));
    }
    let all_but_last = &found[..found.len() - 1];
    match all_but_last.iter().find(|(_, part)| part.content.size() < part_bytes_min) {
        Some((number, _)) => Err(WorldError::EntityTooSmall(*number)),
        None => Ok(found),
    }
}

fn whole_checksum(upload: &Upload, parts: &[(u32, &Part)]) -> Result<Option<Checksum>, WorldError> {
    let Some(UploadChecksum { algorithm, kind, .. }) = upload.new.checksum else { return Ok(None) };
    let mut values = Vec::with_capacity(parts.len());
    for (number, part) in parts {
        let checksum = part.checksum.as_ref().ok_or(WorldError::InvalidPart(*number))?;
        values.push((&*checksum.value, part.content.size()));
    }
    let value = combine(algorithm, kind, &values).ok_or(WorldError::Invalid("a part's checksum is malformed"))?;
    Ok(Some(Checksum { algorithm, kind, value: value.into() }))
}
