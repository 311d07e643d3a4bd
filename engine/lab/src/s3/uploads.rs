//! Multipart uploads: create, parts, complete, abort, and what lists them.

use super::batch::document_response;
use super::failure::Failure;
use super::headers;
use super::objects;
use super::request::{Answer, Request};
use super::xml::{Element, Encoding, Xml};
use crate::world::{Asked, Checksum, ChecksumAlgorithm, ChecksumKind, Completion, More, NamedPart, NewUpload, Upload, UploadChecksum};
use http::header::ETAG;
use http::{Response, StatusCode};
use s3s::Body;

/// Parts on a page, at most.
const PARTS_PAGE_MAX: usize = 1000;
/// Uploads on a page, at most.
const UPLOADS_PAGE_MAX: usize = 1000;

pub(crate) fn create(request: &Request) -> Answer {
    let checksum = asked_checksum(request)?;
    let new =
        NewUpload { attributes: headers::attributes(&request.headers)?, checksum: Some(checksum), holds: headers::holds(&request.headers) };
    let id = request.world().create_upload(request.bucket(), request.key(), new)?;
    let document = Xml::document("InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", request.bucket());
        xml.text("Key", String::from_utf8_lossy(request.key()));
        xml.text("UploadId", &id);
    });
    let mut response = document_response(document);
    if checksum.asked == Asked::ByClient {
        headers::set_named(response.headers_mut(), "x-amz-checksum-algorithm", checksum.algorithm.name());
        headers::set_named(response.headers_mut(), "x-amz-checksum-type", checksum.kind.name());
    }
    Ok(response)
}

/// What the client asks to be kept, else CRC-64/NVME over the whole object, which S3 attaches by itself.
fn asked_checksum(request: &Request) -> Result<UploadChecksum, Failure> {
    let kind = match request.header("x-amz-checksum-type") {
        Some(name) => Some(ChecksumKind::parse(&name).ok_or_else(|| Failure::invalid("x-amz-checksum-type is unknown"))?),
        None => None,
    };
    match headers::asked_algorithm(&request.headers)? {
        Some(algorithm) => Ok(UploadChecksum { algorithm, kind: kind.unwrap_or(algorithm.default_kind()), asked: Asked::ByClient }),
        None if kind.is_some() => {
            Err(Failure::invalid("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."))
        }
        None => Ok(UploadChecksum { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject, asked: Asked::ByServer }),
    }
}

/// `uploadId` as text; an id that is not text names no upload.
fn upload_id(request: &Request) -> &str {
    request.query().text("uploadId").unwrap_or_default()
}

pub(crate) fn find(request: &Request) -> Result<Upload, Failure> {
    Ok(request.world().upload(request.bucket(), request.key(), upload_id(request))?)
}

pub(crate) fn part_number(request: &Request) -> Result<u32, Failure> {
    request.query().number("partNumber")?.ok_or_else(|| Failure::argument("Part number must be given"))
}

pub(crate) async fn put_part(request: &mut Request) -> Answer {
    let number = part_number(request)?;
    let upload = find(request)?;
    let kept = upload.new.checksum;
    if request.world().honours().checksums {
        check_algorithm(kept, headers::asked_algorithm(&request.headers)?)?;
    }
    let received = request.receive(kept.map(|checksum| checksum.algorithm)).await?;
    let content = request.passage.stored(received.arrived.content);
    let etag = content.etag();
    request.world().put_part(request.bucket(), request.key(), &upload.id, number, content, Some(received.kept))?;
    let mut response = Response::new(Body::empty());
    headers::set(response.headers_mut(), ETAG, format!("\"{etag}\""));
    if let Some(checksum) = received.asked {
        headers::set_named(response.headers_mut(), checksum.algorithm.header(), &*checksum.value);
    }
    Ok(response)
}

/// Parts may not carry another checksum than the client created the upload with; in a composite upload they must carry it.
fn check_algorithm(kept: Option<UploadChecksum>, sent: Option<ChecksumAlgorithm>) -> Result<(), Failure> {
    let Some(kept) = kept.filter(|checksum| checksum.asked == Asked::ByClient) else { return Ok(()) };
    if sent == Some(kept.algorithm) || (sent.is_none() && kept.kind == ChecksumKind::FullObject) {
        return Ok(());
    }
    let sent = sent.map_or("null", ChecksumAlgorithm::name).to_lowercase();
    let expected = kept.algorithm.name().to_lowercase();
    let message = "Checksum Type mismatch occurred, expected checksum Type";
    Err(Failure::invalid(format!("{message}: {expected}, actual checksum Type: {sent}")))
}

pub(crate) async fn complete(request: &mut Request) -> Answer {
    let body = request.unchecked_body().await?;
    if request.passage.answers_error_in_200() {
        let failure = Failure::new(500, "InternalError", "We encountered an internal error. Please try again.");
        return Ok(document_response(failure.document()));
    }
    let upload = find(request)?;
    let document = Element::parse(&body).filter(|root| root.name() == "CompleteMultipartUpload");
    let completion = completion(request, &document.ok_or_else(Failure::malformed_xml)?, &upload)?;
    let object = request.world().complete_upload(request.bucket(), request.key(), &upload.id, &completion)?;
    request.passage.spoil_stored(request.bucket(), request.key());
    let document = Xml::document("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", format!("/{}/{}", request.bucket(), Encoding::Url.name(request.key())));
        xml.text("Bucket", request.bucket());
        xml.text("Key", String::from_utf8_lossy(request.key()));
        xml.text("ETag", format!("\"{}\"", object.etag));
        if let Some(checksum) = &object.checksum {
            xml.text(checksum.algorithm.element(), &checksum.value);
            xml.text("ChecksumType", checksum.kind.name());
        }
    });
    let mut response = document_response(document);
    objects::written(&object, request, response.headers_mut())?;
    response.headers_mut().remove(ETAG);
    Ok(response)
}

fn completion(request: &Request, document: &Element, upload: &Upload) -> Result<Completion, Failure> {
    let algorithm = upload.new.checksum.map(|checksum| checksum.algorithm);
    let parts: Option<Vec<NamedPart>> = document
        .all("Part")
        .map(|part| {
            let checksum = algorithm.and_then(|algorithm| part.value(algorithm.element()));
            Some(NamedPart {
                number: part.value("PartNumber")?.trim().parse().ok()?,
                etag: part.value("ETag")?.to_owned(),
                checksum: checksum.map(str::to_owned),
            })
        })
        .collect();
    let kind = request.header("x-amz-checksum-type").as_deref().and_then(ChecksumKind::parse);
    let checksum = headers::announced(&request.headers).map(|(algorithm, value)| Checksum {
        algorithm,
        kind: kind.unwrap_or(ChecksumKind::FullObject),
        value: value.into(),
    });
    let size = request.header("x-amz-mp-object-size");
    let size = size.map(|text| text.parse().map_err(|_| Failure::argument("x-amz-mp-object-size is no number"))).transpose()?;
    Ok(Completion {
        parts: parts.filter(|parts| !parts.is_empty()).ok_or_else(Failure::malformed_xml)?,
        checksum,
        kind,
        size,
        conditions: request.passage.conditions(headers::write_conditions(&request.headers)?),
    })
}

pub(crate) fn abort(request: &Request) -> Answer {
    request.world().abort_upload(request.bucket(), request.key(), upload_id(request))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

pub(crate) fn list_parts(request: &Request) -> Answer {
    let upload = find(request)?;
    let marker = request.query().number::<u32>("part-number-marker")?.unwrap_or(0);
    let max = request.query().number::<usize>("max-parts")?.unwrap_or(PARTS_PAGE_MAX).min(PARTS_PAGE_MAX);
    let mut rest = upload.parts.range(marker.saturating_add(1)..);
    let page: Vec<_> = rest.by_ref().take(max).collect();
    let truncated = rest.next().is_some();
    let asked = upload.new.checksum.filter(|checksum| checksum.asked == Asked::ByClient);
    Ok(document_response(Xml::document("ListPartsResult", |xml| {
        xml.text("Bucket", request.bucket());
        xml.text("Key", String::from_utf8_lossy(request.key()));
        xml.text("UploadId", &upload.id);
        xml.text("PartNumberMarker", marker);
        xml.maybe("NextPartNumberMarker", page.last().map(|(number, _)| number));
        xml.text("MaxParts", max);
        xml.text("IsTruncated", truncated);
        xml.text("StorageClass", upload.new.attributes.storage_class.as_deref().unwrap_or("STANDARD"));
        xml.maybe("ChecksumAlgorithm", asked.map(|checksum| checksum.algorithm.name()));
        xml.maybe("ChecksumType", asked.map(|checksum| checksum.kind.name()));
        for (number, part) in &page {
            xml.nest("Part", |xml| {
                xml.text("PartNumber", number);
                xml.text("LastModified", headers::xml_date(part.modified));
                xml.text("ETag", format!("\"{}\"", part.content.etag()));
                xml.text("Size", part.content.size());
                if let Some(checksum) = part.checksum.as_ref().filter(|_| asked.is_some()) {
                    xml.text(checksum.algorithm.element(), &checksum.value);
                }
            });
        }
    })))
}

pub(crate) fn list_uploads(request: &Request) -> Answer {
    let query = request.query();
    if query.bytes("delimiter").is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(Failure::not_implemented("a delimiter in ListMultipartUploads"));
    }
    let encoding = if query.text("encoding-type") == Some("url") { Encoding::Url } else { Encoding::Plain };
    let prefix = query.bytes("prefix").unwrap_or_default();
    let max = query.number::<usize>("max-uploads")?.unwrap_or(UPLOADS_PAGE_MAX).min(UPLOADS_PAGE_MAX);
    let key_marker = query.bytes("key-marker").filter(|marker| !marker.is_empty());
    let id_marker = query.text("upload-id-marker").filter(|marker| !marker.is_empty());
    // Ids are hexadecimal: a tilde is after all of them, so a key marker alone skips every upload of its key.
    let after = key_marker.map(|key| (key.to_vec(), id_marker.unwrap_or("~").to_owned()));
    let (uploads, more) = request.world().list_uploads(request.bucket(), prefix, after, max)?;
    Ok(document_response(Xml::document("ListMultipartUploadsResult", |xml| {
        xml.text("Bucket", request.bucket());
        xml.text("KeyMarker", encoding.name(key_marker.unwrap_or_default()));
        xml.text("UploadIdMarker", id_marker.unwrap_or_default());
        xml.text("Prefix", encoding.name(prefix));
        if let (More::Yes, Some(last)) = (more, uploads.last()) {
            xml.text("NextKeyMarker", encoding.name(&last.key));
            xml.text("NextUploadIdMarker", &last.id);
        }
        xml.text("MaxUploads", max);
        xml.text("IsTruncated", more == More::Yes);
        if encoding == Encoding::Url {
            xml.text("EncodingType", "url");
        }
        for upload in &uploads {
            xml.nest("Upload", |xml| {
                xml.text("UploadId", &upload.id);
                xml.text("Key", encoding.name(&upload.key));
                xml.text("Initiated", headers::xml_date(upload.created));
                xml.text("StorageClass", upload.new.attributes.storage_class.as_deref().unwrap_or("STANDARD"));
            });
        }
    })))
}
