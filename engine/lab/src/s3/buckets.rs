//! Buckets, and what is known of an object beside its bytes: tags and attributes.

use super::batch::document_response;
use super::failure::Failure;
use super::headers;
use super::listings::write_owner;
use super::request::{Answer, Request};
use super::xml::Xml;
use crate::world::{Conditions, Object, Versioning};
use http::header::LAST_MODIFIED;
use http::{Response, StatusCode};
use s3s::Body;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parts of GetObjectAttributes on a page, at most.
const PARTS_PAGE_MAX: usize = 1000;

pub(crate) fn list(request: &Request) -> Answer {
    Ok(document_response(Xml::document("ListAllMyBucketsResult", |xml| {
        write_owner(xml);
        xml.nest("Buckets", |xml| {
            for (name, created) in request.world().buckets() {
                xml.nest("Bucket", |xml| {
                    xml.text("Name", name);
                    xml.text("CreationDate", headers::xml_date(created));
                });
            }
        });
    })))
}

pub(crate) fn head(request: &Request) -> Answer {
    request.world().versioning(request.bucket())?;
    let mut response = Response::new(Body::empty());
    headers::set_named(response.headers_mut(), "x-amz-bucket-region", &*request.region);
    Ok(response)
}

pub(crate) async fn create(request: &mut Request) -> Answer {
    request.small_body().await?;
    request.world().create_bucket(request.bucket())?;
    let mut response = Response::new(Body::empty());
    headers::set_named(response.headers_mut(), "location", format!("/{}", request.bucket()));
    Ok(response)
}

pub(crate) fn delete(request: &Request) -> Answer {
    request.world().delete_bucket(request.bucket())?;
    Ok(no_content())
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(crate) fn location(request: &Request) -> Answer {
    request.world().versioning(request.bucket())?;
    // The first region is written as an empty element.
    let region = if &*request.region == "us-east-1" { "" } else { &request.region };
    Ok(document_response(Xml::document("LocationConstraint", |xml| xml.raw_text(region))))
}

pub(crate) fn versioning(request: &Request) -> Answer {
    let status = match request.world().versioning(request.bucket())? {
        Versioning::Off => None,
        Versioning::Enabled => Some("Enabled"),
        Versioning::Suspended => Some("Suspended"),
    };
    Ok(document_response(Xml::document("VersioningConfiguration", |xml| xml.maybe("Status", status))))
}

pub(crate) async fn put_versioning(request: &mut Request) -> Answer {
    let document = request.document().await?;
    let versioning = match document.value("Status") {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => return Err(Failure::malformed_xml()),
    };
    request.world().set_versioning(request.bucket(), versioning)?;
    Ok(Response::new(Body::empty()))
}

fn find(request: &Request) -> Result<Arc<Object>, Failure> {
    Ok(request.world().get(request.bucket(), request.key(), request.which()?, &Conditions::NONE)?)
}

pub(crate) fn tagging(request: &Request) -> Answer {
    let object = find(request)?;
    let document = Xml::document("Tagging", |xml| {
        xml.nest("TagSet", |xml| {
            for (key, value) in &object.attributes.tags {
                xml.nest("Tag", |xml| {
                    xml.text("Key", key);
                    xml.text("Value", value);
                });
            }
        });
    });
    Ok(document_response(document))
}

pub(crate) async fn put_tagging(request: &mut Request) -> Answer {
    let document = request.document().await?;
    let set = document.child("TagSet").ok_or_else(Failure::malformed_xml)?;
    let pairs = set.all("Tag").map(|tag| {
        let text = |name| tag.value(name).unwrap_or_default().to_owned();
        (text("Key"), text("Value"))
    });
    replace_tags(request, headers::checked_tags(pairs)?)?;
    Ok(Response::new(Body::empty()))
}

pub(crate) fn delete_tagging(request: &Request) -> Answer {
    replace_tags(request, BTreeMap::new())?;
    Ok(no_content())
}

fn replace_tags(request: &Request, tags: BTreeMap<String, String>) -> Result<(), Failure> {
    let which = request.which()?;
    request.world().update(request.bucket(), request.key(), which, &Conditions::NONE, |object| {
        Arc::make_mut(&mut object.attributes).tags = tags;
    })?;
    Ok(())
}

pub(crate) fn attributes(request: &Request) -> Answer {
    let object = find(request)?;
    let values = request.headers.get_all("x-amz-object-attributes").iter();
    let asked: Vec<String> = values
        .flat_map(|value| String::from_utf8_lossy(value.as_bytes()).split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
        .collect();
    if asked.is_empty() {
        return Err(Failure::invalid(
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
        ));
    }
    let wants = |name: &str| asked.iter().any(|other| other == name);
    let document = Xml::document("GetObjectAttributesResponse", |xml| {
        if wants("ETag") {
            xml.text("ETag", object.etag);
        }
        if let Some(checksum) = object.checksum.as_deref().filter(|_| wants("Checksum")) {
            xml.nest("Checksum", |xml| {
                xml.text(checksum.algorithm.element(), &checksum.value);
                xml.text("ChecksumType", checksum.kind.name());
            });
        }
        if wants("ObjectParts") {
            write_parts(xml, request, &object);
        }
        if wants("StorageClass") {
            xml.text("StorageClass", object.attributes.storage_class.as_deref().unwrap_or("STANDARD"));
        }
        if wants("ObjectSize") {
            xml.text("ObjectSize", object.size());
        }
    });
    let mut response = document_response(document);
    headers::set(response.headers_mut(), LAST_MODIFIED, headers::http_date(object.modified));
    headers::version(object.version, request.world().versioning(request.bucket())?, response.headers_mut());
    Ok(response)
}

/// The parts are listed only when they have checksums of their own; their number is always told.
fn write_parts(xml: &mut Xml, request: &Request, object: &Object) {
    let Some(parts) = &object.parts else { return };
    let number = |name: &str| request.header(name).and_then(|text| text.parse::<usize>().ok());
    let marker = number("x-amz-part-number-marker").unwrap_or(0);
    let max = number("x-amz-max-parts").unwrap_or(PARTS_PAGE_MAX).min(PARTS_PAGE_MAX);
    let rest = parts.get(marker..).unwrap_or_default();
    let page = &rest[..max.min(rest.len())];
    xml.nest("ObjectParts", |xml| {
        xml.text("PartsCount", parts.len());
        if parts.iter().any(|part| part.checksum.is_none()) {
            return;
        }
        xml.text("PartNumberMarker", marker);
        xml.text("NextPartNumberMarker", marker + page.len());
        xml.text("MaxParts", max);
        xml.text("IsTruncated", page.len() < rest.len());
        for part in page {
            xml.nest("Part", |xml| {
                xml.text("PartNumber", part.number);
                xml.text("Size", part.size);
                if let Some(checksum) = &part.checksum {
                    xml.text(checksum.algorithm.element(), &checksum.value);
                }
            });
        }
    });
}
