//! Multipart uploads of the XML interface.
//!
//! Source: Cloud Storage "XML API multipart uploads". Parts have an MD5 and a CRC-32C; the object has only the CRC-32C, which the
//! answer to the complete carries. `x-goog-hash` on a complete is the digest of the request's own body.

use super::super::digest::{Announced, crc32c_base64};
use super::super::failure::Failure;
use super::super::metadata::Described;
use super::super::resource::{STANDARD, time};
use super::super::route::Named;
use super::super::wire::Answer;
use super::super::{Inside, conditions, names};
use super::{error_document, quoted, written};
use crate::s3::xml::{Element, Xml};
use crate::world::{Completion, Conditions, More, NamedPart, NewUpload, PART_NUMBER_MAX, Upload};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A page of parts or of uploads has at most so many.
const PAGE_ITEMS_MAX: usize = 1000;

pub(super) fn create(inside: &Inside<'_>, named: &Named) -> Result<Answer, Failure> {
    names::check_object(&named.key)?;
    let described = Described::from_headers(inside.call)?;
    let new = NewUpload { attributes: described.attributes, checksum: None, holds: described.holds };
    let id = inside.world().create_upload(&named.bucket, &named.key, new)?;
    let document = Xml::document("InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", &named.bucket);
        xml.text("Key", String::from_utf8_lossy(&named.key));
        xml.text("UploadId", id);
    });
    Ok(Answer::xml(200, document))
}

pub(super) async fn put_part(inside: &mut Inside<'_>, named: &Named, id: &str) -> Result<Answer, Failure> {
    let number = inside.call.query.number("partNumber")?.and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| (1..=PART_NUMBER_MAX).contains(number));
    let number = number.ok_or_else(|| Failure::invalid("Part number must be an integer between 1 and 10000, inclusive."))?;
    let announced = Announced::from_headers(inside.call)?;
    let world = inside.world().clone();
    let arrived = inside.call.content(&world, inside.passage.receiving(Some((id, number)))).await?;
    announced.check(&arrived, world.honours())?;
    let (md5, hash) = (arrived.md5, crc32c_base64(&arrived.content));
    let content = inside.passage.stored(arrived.content);
    world.put_part(&named.bucket, &named.key, id, number, content, None)?;
    let hashes = format!("crc32c={hash},md5={}", BASE64.encode(md5));
    Ok(Answer::empty(200).with("etag", quoted(&hex::encode(md5))).with("x-goog-hash", hashes))
}

pub(super) fn abort(inside: &Inside<'_>, named: &Named, id: &str) -> Result<Answer, Failure> {
    inside.world().abort_upload(&named.bucket, &named.key, id)?;
    Ok(Answer::empty(204))
}

pub(super) async fn complete(inside: &mut Inside<'_>, named: &Named, id: &str) -> Result<Answer, Failure> {
    let announced = Announced::from_headers(inside.call)?;
    let document = inside.call.document().await?;
    let mut intake = inside.world().intake(&[]);
    intake.push(document.clone());
    announced.check(&intake.finish(), inside.world().honours())?;
    if inside.passage.answers_error_in_200() {
        return Ok(Answer::xml(200, error_document("InternalError", "We encountered an internal error. Please try again.")));
    }
    // Preconditions are not supported here: they are read by nobody, and the object is overwritten.
    let conditions = if inside.world().honours().xml_conditional_complete {
        inside.passage.conditions(conditions::from_goog_headers(inside.call)?)
    } else {
        Conditions::NONE
    };
    let completion = Completion { parts: parse(&document).ok_or_else(malformed)?, conditions, ..Completion::default() };
    let object = inside.world().complete_upload(&named.bucket, &named.key, id, &completion)?;
    inside.passage.spoil_stored(&named.bucket, &named.key);
    let location = format!("{}/{}/{}", inside.call.origin, named.bucket, names::encode_path(&named.key));
    let document = Xml::document("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", location);
        xml.text("Bucket", &named.bucket);
        xml.text("Key", String::from_utf8_lossy(&named.key));
        xml.text("ETag", quoted(&super::xml_etag(&object)));
    });
    Ok(written(Answer::xml(200, document), &object))
}

fn parse(document: &[u8]) -> Option<Vec<NamedPart>> {
    let root = Element::parse(document).filter(|root| root.name() == "CompleteMultipartUpload")?;
    let part = |part: &Element| {
        let number = part.value("PartNumber")?.trim().parse().ok()?;
        Some(NamedPart { number, etag: part.value("ETag")?.trim().to_owned(), checksum: None })
    };
    root.all("Part").map(part).collect()
}

pub(super) fn list_parts(inside: &Inside<'_>, named: &Named, id: &str) -> Result<Answer, Failure> {
    let upload = inside.world().upload(&named.bucket, &named.key, id)?;
    let after = inside.call.query.number("part-number-marker")?.unwrap_or_default();
    let max = page_items(inside, "max-parts")?;
    let beyond = upload.parts.iter().filter(|(number, _)| u64::from(**number) > after);
    let page: Vec<_> = beyond.clone().take(max).collect();
    let is_truncated = beyond.count() > page.len();
    let document = Xml::document("ListPartsResult", |xml| {
        xml.text("Bucket", &named.bucket);
        xml.text("Key", String::from_utf8_lossy(&named.key));
        xml.text("UploadId", id);
        xml.text("StorageClass", upload.new.attributes.storage_class.as_deref().unwrap_or(STANDARD));
        xml.text("PartNumberMarker", after);
        xml.maybe("NextPartNumberMarker", page.last().filter(|_| is_truncated).map(|(number, _)| number));
        xml.text("MaxParts", max);
        xml.text("IsTruncated", is_truncated);
        for (number, part) in &page {
            xml.nest("Part", |xml| {
                xml.text("PartNumber", number);
                xml.text("LastModified", time(part.modified));
                xml.text("ETag", quoted(&part.content.etag().to_string()));
                xml.text("Size", part.content.size());
            });
        }
    });
    Ok(Answer::xml(200, document))
}

pub(super) fn list_uploads(inside: &Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let query = &inside.call.query;
    let prefix = query.bytes("prefix").unwrap_or_default();
    let max = page_items(inside, "max-uploads")?;
    let after = query.bytes("key-marker").map(|key| (key.to_vec(), marker_id(query.text("upload-id-marker"))));
    let (found, more) = inside.world().list_uploads(bucket, prefix, after, max)?;
    let document = Xml::document("ListMultipartUploadsResult", |xml| {
        xml.text("Bucket", bucket);
        xml.text("Prefix", String::from_utf8_lossy(prefix));
        xml.text("MaxUploads", max);
        xml.text("IsTruncated", more == More::Yes);
        if let Some(last) = found.last().filter(|_| more == More::Yes) {
            xml.text("NextKeyMarker", String::from_utf8_lossy(&last.key));
            xml.text("NextUploadIdMarker", &last.id);
        }
        found.iter().for_each(|upload| write_upload(xml, upload));
    });
    Ok(Answer::xml(200, document))
}

/// Without an upload id, the marker stands after every upload of its key; ids are hexadecimal and sort before `g`.
fn marker_id(id: Option<&str>) -> String {
    id.filter(|id| !id.is_empty()).unwrap_or("g").to_owned()
}

fn write_upload(xml: &mut Xml, upload: &Upload) {
    xml.nest("Upload", |xml| {
        xml.text("Key", String::from_utf8_lossy(&upload.key));
        xml.text("UploadId", &upload.id);
        xml.text("StorageClass", upload.new.attributes.storage_class.as_deref().unwrap_or(STANDARD));
        xml.text("Initiated", time(upload.created));
    });
}

fn page_items(inside: &Inside<'_>, parameter: &str) -> Result<usize, Failure> {
    let max = PAGE_ITEMS_MAX.min(inside.world().limits().page_items_max);
    let asked = inside.call.query.number(parameter)?.and_then(|asked| usize::try_from(asked).ok());
    Ok(asked.map_or(max, |asked| asked.min(max)))
}

fn malformed() -> Failure {
    let message = "The XML you provided was not well-formed or did not validate against our published schema.";
    Failure::new(400, "invalid", "MalformedXML", message)
}
