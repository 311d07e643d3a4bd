//! DeleteObjects: up to a thousand keys in one call, each with its own condition and its own outcome.

use super::failure::Failure;
use super::request::{Answer, Request, parse_version};
use super::xml::{Element, Xml};
use crate::door::Entry;
use crate::fault::Op;
use crate::world::{Conditions, Deleted, ObjectKind, Which, WorldError};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use s3s::Body;

/// Keys in one call, at most.
const KEYS_MAX: usize = 1000;

struct Named {
    key: String,
    version: Option<String>,
    etag: Option<String>,
}

pub(crate) async fn delete_objects(request: &mut Request) -> Answer {
    let guarded = request.headers.contains_key("content-md5")
        || request.headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum-"))
        || request.headers.contains_key("x-amz-trailer");
    if !guarded {
        return Err(Failure::invalid("Missing required header for this request: Content-MD5 OR x-amz-checksum-*"));
    }
    let document = request.document().await?;
    let (named, quiet) = read(&document)?;
    request.world().versioning(request.bucket())?;
    let mut outcomes = Vec::with_capacity(named.len());
    for one in named {
        let outcome = delete_one(request, &one).await?;
        outcomes.push((one, outcome));
    }
    let body = Xml::document("DeleteResult", |xml| {
        for (one, outcome) in &outcomes {
            match outcome {
                Ok(_) if quiet == Verbosity::Quiet => {}
                Ok(deleted) => xml.nest("Deleted", |xml| write_deleted(xml, one, *deleted)),
                Err(failure) => xml.nest("Error", |xml| {
                    xml.text("Key", &one.key);
                    xml.maybe("VersionId", one.version.as_ref());
                    xml.text("Code", &failure.code);
                    xml.text("Message", &failure.message);
                }),
            }
        }
    });
    Ok(document_response(body))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verbosity {
    Verbose,
    Quiet,
}

fn read(document: &Element) -> Result<(Vec<Named>, Verbosity), Failure> {
    if document.name() != "Delete" {
        return Err(Failure::malformed_xml());
    }
    let named: Option<Vec<Named>> = document
        .all("Object")
        .map(|object| {
            Some(Named {
                key: object.value("Key").filter(|key| !key.is_empty())?.to_owned(),
                version: object.value("VersionId").map(str::to_owned),
                etag: object.value("ETag").map(str::to_owned),
            })
        })
        .collect();
    let named = named.filter(|named| !named.is_empty() && named.len() <= KEYS_MAX).ok_or_else(Failure::malformed_xml)?;
    let quiet = if document.value("Quiet") == Some("true") { Verbosity::Quiet } else { Verbosity::Verbose };
    Ok((named, quiet))
}

/// The outer error cuts the whole call, the inner one is this key's outcome.
async fn delete_one(request: &Request, one: &Named) -> Result<Result<Deleted, Failure>, Failure> {
    let passage = match request.door.enter(Op::DeleteEntry, request.bucket(), one.key.as_bytes()).await {
        Entry::Through(passage) => passage,
        Entry::Refused(refusal) => return Ok(Err(refusal.into())),
        Entry::Cut(_) => return Err(Failure::new(500, "InternalError", "a scripted fault")),
    };
    let conditions = one.etag.as_deref().map_or(Conditions::NONE, Conditions::if_etag);
    let conditions = request.passage.conditions(passage.conditions(conditions));
    let which = match one.version.as_deref().map(parse_version).transpose() {
        Ok(which) => which.unwrap_or(Which::Current),
        Err(failure) => return Ok(Err(failure)),
    };
    Ok(match request.world().delete(request.bucket(), one.key.as_bytes(), which, &conditions) {
        Err(WorldError::NoSuchKey | WorldError::NoSuchVersion) if conditions.is_empty() => Ok(Deleted::Absent),
        other => other.map_err(Failure::from),
    })
}

fn write_deleted(xml: &mut Xml, one: &Named, deleted: Deleted) {
    xml.text("Key", &one.key);
    xml.maybe("VersionId", one.version.as_ref());
    match deleted {
        Deleted::MarkerAdded(version) => {
            xml.text("DeleteMarker", "true");
            xml.text("DeleteMarkerVersionId", version);
        }
        Deleted::Removed { version, kind: ObjectKind::Marker } => {
            xml.text("DeleteMarker", "true");
            xml.text("DeleteMarkerVersionId", version);
        }
        Deleted::Removed { .. } | Deleted::Absent => {}
    }
}

/// 200 with an XML document.
pub(crate) fn document_response(document: String) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
