//! Server-side copies of objects and parts: bytes that never pass a client.

use super::batch::document_response;
use super::failure::Failure;
use super::headers;
use super::objects;
use super::request::{Answer, Request, parse_version};
use super::uploads;
use super::xml::Xml;
use crate::world::{
    Attributes, Body, Checksum, ChecksumAlgorithm, ChecksumKind, Conditions, Content, ETag, NewObject, Object, Which, WorldError,
};
use http::header::ETAG;
use percent_encoding::percent_decode_str;
use std::sync::Arc;

struct Source {
    bucket: String,
    key: Vec<u8>,
    object: Arc<Object>,
    which: Which,
}

/// The header that names what is copied.
pub(crate) const SOURCE: &str = "x-amz-copy-source";

/// What that header names.
pub(crate) struct Named {
    pub(crate) bucket: String,
    pub(crate) key: Vec<u8>,
    version: Option<String>,
}

/// Reads the header; none where it names no key.
pub(crate) fn named(header: &str) -> Option<Named> {
    let (path, version) = header.split_once("?versionId=").map_or((header, None), |(path, id)| (path, Some(id)));
    let (bucket, key) = path.strip_prefix('/').unwrap_or(path).split_once('/')?;
    Some(Named {
        bucket: percent_decode_str(bucket).decode_utf8_lossy().into_owned(),
        key: percent_decode_str(key).collect(),
        version: version.map(str::to_owned),
    })
}

fn source(request: &Request) -> Result<Source, Failure> {
    let Named { bucket, key, version } = named(&request.header(SOURCE).unwrap_or_default())
        .ok_or_else(|| Failure::argument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"))?;
    let which = version.as_deref().map(parse_version).transpose()?.unwrap_or(Which::Current);
    let honoured = request.world().honours().conditional_copy;
    let conditions = request.passage.conditions(headers::copy_source_conditions(&request.headers));
    let object = request.world().get(&bucket, &key, which, &Conditions::NONE)?;
    if honoured {
        conditions.check_read(&object).map_err(|error| match error {
            WorldError::NotModified => Failure::from(WorldError::PreconditionFailed("x-amz-copy-source-if")),
            other => other.into(),
        })?;
    }
    objects::refuse_archived(&object)?;
    Ok(Source { bucket, key, object, which })
}

pub(crate) async fn copy(request: &Request) -> Answer {
    if request.passage.answers_error_in_200() {
        let failure = Failure::new(500, "InternalError", "We encountered an internal error. Please try again.");
        return Ok(document_response(failure.document()));
    }
    let source = source(request)?;
    let limit = request.world().limits().copy_bytes_max;
    if source.object.size() > limit {
        let message = format!("The specified copy source is larger than the maximum allowable size for a copy source: {limit}");
        return Err(Failure::invalid(message));
    }
    let attributes = copied_attributes(request, &source)?;
    let asked = headers::asked_algorithm(&request.headers)?;
    let (content, checksum) = copied_content(&source.object, asked).await?;
    let new = NewObject {
        checksum,
        attributes: Arc::new(attributes),
        holds: headers::holds(&request.headers),
        ..NewObject::of(request.passage.stored(content))
    };
    let conditions = headers::write_conditions(&request.headers)?;
    let conditions = if request.world().honours().conditional_copy { conditions } else { Conditions::NONE };
    let object = request.world().put(request.bucket(), request.key(), new, &request.passage.conditions(conditions))?;
    let document = Xml::document("CopyObjectResult", |xml| {
        xml.text("ETag", format!("\"{}\"", object.etag));
        xml.text("LastModified", headers::xml_date(object.modified));
        if let Some(checksum) = &object.checksum {
            xml.text(checksum.algorithm.element(), &checksum.value);
            xml.text("ChecksumType", checksum.kind.name());
        }
    });
    let mut response = document_response(document);
    objects::written(&object, request, response.headers_mut())?;
    response.headers_mut().remove(ETAG);
    if request.world().versioning(&source.bucket)? != crate::world::Versioning::Off {
        headers::set_named(response.headers_mut(), "x-amz-copy-source-version-id", source.object.version.to_string());
    }
    Ok(response)
}

fn copied_attributes(request: &Request, source: &Source) -> Result<Attributes, Failure> {
    let replaces = |directive: &str| request.header(directive).is_some_and(|value| value == "REPLACE");
    let given = headers::attributes(&request.headers)?;
    let kept = &source.object.attributes;
    let same_place = source.bucket == request.bucket() && source.key == request.key() && source.which == Which::Current;
    let changes_nothing = !replaces("x-amz-metadata-directive")
        && !replaces("x-amz-tagging-directive")
        && given.storage_class == kept.storage_class
        && given.encryption == kept.encryption;
    if same_place && changes_nothing {
        return Err(Failure::invalid(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let tags = if replaces("x-amz-tagging-directive") { given.tags.clone() } else { kept.tags.clone() };
    let (storage_class, encryption) = (given.storage_class.clone(), given.encryption.clone());
    let base = if replaces("x-amz-metadata-directive") { given } else { Attributes::clone(kept) };
    Ok(Attributes { tags, storage_class, encryption, ..base })
}

/// The content as one piece, and the checksum the copy keeps: what was asked for, else the source's algorithm, else S3's default.
async fn copied_content(source: &Object, asked: Option<ChecksumAlgorithm>) -> Result<(Content, Option<Checksum>), Failure> {
    let content = match source.etag {
        ETag::Multipart(..) => digest(source.body()).await?,
        ETag::Md5(_) | ETag::Opaque(_) => source.content.clone(),
    };
    let kept = source.checksum.as_deref();
    let algorithm = asked.or(kept.map(|checksum| checksum.algorithm)).unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    if let Some(kept) = kept.filter(|kept| kept.algorithm == algorithm && kept.kind == ChecksumKind::FullObject) {
        return Ok((content, Some(kept.clone())));
    }
    let value = compute(&content, algorithm).await?;
    Ok((content, Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value: value.into() })))
}

/// Digesting gigabytes takes seconds: it must not hold up a worker of the runtime.
async fn digest(body: &Body) -> Result<Content, Failure> {
    let body = body.clone();
    Ok(blocking(move || Content::of_body(&body)).await?)
}

async fn compute(content: &Content, algorithm: ChecksumAlgorithm) -> Result<String, Failure> {
    let content = content.clone();
    Ok(blocking(move || content.checksum(algorithm)).await?)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, WorldError> + Send + 'static) -> Result<T, WorldError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

pub(crate) async fn copy_part(request: &Request) -> Answer {
    if request.passage.answers_error_in_200() {
        let failure = Failure::new(500, "InternalError", "We encountered an internal error. Please try again.");
        return Ok(document_response(failure.document()));
    }
    let number = uploads::part_number(request)?;
    let upload = uploads::find(request)?;
    let source = source(request)?;
    let size = source.object.size();
    let (start, len) = match request.header("x-amz-copy-source-range") {
        Some(range) => objects::copy_range(&range, size)?,
        None => (0, size),
    };
    let content = digest(&source.object.body().slice(start, len)).await?;
    let checksum = match upload.new.checksum {
        Some(kept) => Some(Checksum {
            algorithm: kept.algorithm,
            kind: ChecksumKind::FullObject,
            value: compute(&content, kept.algorithm).await?.into(),
        }),
        None => None,
    };
    let content = request.passage.stored(content);
    let etag = content.etag();
    request.world().put_part(request.bucket(), request.key(), &upload.id, number, content, checksum.clone())?;
    Ok(document_response(Xml::document("CopyPartResult", |xml| {
        xml.text("ETag", format!("\"{etag}\""));
        xml.text("LastModified", headers::xml_date(request.world().now()));
        if let Some(checksum) = &checksum {
            xml.text(checksum.algorithm.element(), &checksum.value);
        }
    })))
}
