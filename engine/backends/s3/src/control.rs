//! Control operations by the AWS SDK: multipart uploads, tags, and questions about the bucket.

use std::time::SystemTime;

use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, EncodingType,
    ObjectLockLegalHoldStatus, ObjectLockMode,
};
use brigade_core::digest::{Digests, crc32c_from_base64, crc32c_to_base64, crc64nvme_from_base64, crc64nvme_to_base64, md5_from_etag};
use brigade_core::{ErrorKind, Key};
use brigade_store::{Honoured, Layout, PartReceipt, PendingUpload, StoreError, Upload};
use http::HeaderMap;

use crate::connection::Link;
use crate::errors::{Effects, Outcome, protocol};
use crate::headers::{etag_is_md5, text};
use crate::hot::sdk::{failure, insert, moment, unread};
use crate::hot::{Stored, signed};
use brigade_s3_xml::list::decode;
use brigade_s3_xml::upload::{
    Completed, ListedPart, ListedUpload, PartsPage, UploadsPage, parse_complete, parse_initiate, parse_parts, parse_uploads,
};

/// Which checksums an upload in parts carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// CRC-32C of each part and of the whole: a mismatch never becomes visible.
    FullObject,
    /// The same by CRC-64/NVME: for copies of objects that are known by it.
    FullObjectNvme,
    /// CRC-32C of each part only.
    Parts,
    /// None: the endpoint has no use for them.
    Plain,
}

/// What is completed.
pub(crate) struct Finish<'a> {
    pub(crate) key: &'a str,
    pub(crate) upload: &'a str,
    pub(crate) parts: &'a [PartReceipt],
    pub(crate) checks: Checks,
    /// Of the whole, as far as they are known.
    pub(crate) digests: Digests,
    /// Size of the whole in bytes.
    pub(crate) size: u64,
    /// The condition.
    pub(crate) headers: HeaderMap,
}

/// Begins an upload and gives its id.
pub(crate) async fn create(link: &Link, bucket: &str, key: &str, checks: Checks, headers: HeaderMap) -> Outcome<String> {
    let mut request = link.sdk.create_multipart_upload().bucket(bucket).key(key);
    request = match checks {
        Checks::FullObject => request.checksum_algorithm(ChecksumAlgorithm::Crc32C).checksum_type(ChecksumType::FullObject),
        Checks::FullObjectNvme => request.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject),
        Checks::Parts => request.checksum_algorithm(ChecksumAlgorithm::Crc32C),
        Checks::Plain => request,
    };
    let answer = request.customize().mutate_request(move |request| insert(request, &headers)).send().await;
    let id = match answer {
        Ok(output) => output.upload_id().map(str::to_owned),
        Err(error) => match unread(&error).and_then(|(_, body)| parse_initiate(body).ok()) {
            Some(id) => Some(id),
            None => return Err(failure("CreateMultipartUpload", Effects::Writes, error)),
        },
    };
    let id = id.filter(|id| !id.is_empty());
    Ok(id.ok_or_else(|| protocol("CreateMultipartUpload answered without an upload id"))?)
}

/// Makes an upload visible.
pub(crate) async fn complete(link: &Link, bucket: &str, finish: &Finish<'_>) -> Outcome<Stored> {
    let mut parts = Vec::with_capacity(finish.parts.len());
    for receipt in finish.parts {
        let number = i32::try_from(receipt.number).map_err(|_| StoreError::new(ErrorKind::Internal, "a part number is out of range"))?;
        // A server that checks parts by their checksum wants each of them again.
        let crc32c = receipt.digests.crc32c.filter(|_| finish.checks != Checks::Plain).map(crc32c_to_base64);
        let crc64nvme = receipt.digests.crc64nvme.filter(|_| finish.checks == Checks::FullObjectNvme).map(crc64nvme_to_base64);
        let part = CompletedPart::builder().part_number(number).e_tag(format!("\"{}\"", receipt.tag));
        parts.push(part.set_checksum_crc32_c(crc32c).set_checksum_crc64_nvme(crc64nvme).build());
    }
    let mut request = link
        .sdk
        .complete_multipart_upload()
        .bucket(bucket)
        .key(finish.key)
        .upload_id(finish.upload)
        .mpu_object_size(signed(finish.size)?)
        .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
    request = match finish.checks {
        Checks::FullObject => {
            request.set_checksum_crc32_c(finish.digests.crc32c.map(crc32c_to_base64)).checksum_type(ChecksumType::FullObject)
        }
        Checks::FullObjectNvme => {
            request.set_checksum_crc64_nvme(finish.digests.crc64nvme.map(crc64nvme_to_base64)).checksum_type(ChecksumType::FullObject)
        }
        Checks::Parts | Checks::Plain => request,
    };
    let headers = finish.headers.clone();
    let answer = request.customize().mutate_request(move |request| insert(request, &headers)).send().await;
    let (completed, etag_may_be_md5, version) = match answer {
        Ok(output) => {
            let completed = Completed {
                etag: output.e_tag().map(str::to_owned),
                crc32c: output.checksum_crc32_c().map(str::to_owned),
                crc64nvme: output.checksum_crc64_nvme().map(str::to_owned),
                checksum_type: output.checksum_type().map(|kind| kind.as_str().to_owned()),
            };
            let encrypted = output.server_side_encryption().is_some_and(|kind| kind.as_str().starts_with("aws:kms"));
            (completed, !encrypted, output.version_id().map(str::to_owned))
        }
        Err(error) => match unread(&error).and_then(|(headers, body)| Some((parse_complete(body).ok()?, headers))) {
            Some((completed, headers)) => (completed, etag_is_md5(&headers), text(&headers, "x-amz-version-id")),
            None => return Err(failure("CompleteMultipartUpload", Effects::Writes, error)),
        },
    };
    let etag = completed.etag.as_deref().map(|etag| etag.trim_matches('"')).filter(|etag| !etag.is_empty());
    let etag = etag.ok_or_else(|| protocol("CompleteMultipartUpload answered without an ETag").possibly_done())?;
    let whole = completed.checksum_type.as_deref() != Some("COMPOSITE");
    Ok(Stored {
        etag: Some(etag.into()),
        crc32c: completed.crc32c.as_deref().filter(|_| whole).and_then(crc32c_from_base64),
        crc64nvme: completed.crc64nvme.as_deref().filter(|_| whole).and_then(crc64nvme_from_base64),
        etag_may_be_md5,
        version: version.filter(|version| version != "null"),
    })
}

/// Gives an upload up; one that is gone already is no error.
pub(crate) async fn abort(link: &Link, bucket: &str, key: &str, upload: &str) -> Outcome<()> {
    let result = link.sdk.abort_multipart_upload().bucket(bucket).key(key).upload_id(upload).send().await;
    match result.map_err(|error| failure("AbortMultipartUpload", Effects::Writes, error)) {
        Ok(_) => Ok(()),
        Err(failure) if matches!(failure.error.kind, ErrorKind::UploadGone | ErrorKind::NotFound) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// What of a part's listing counts as said by the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Believed {
    pub(crate) crc32c: bool,
    pub(crate) md5: bool,
}

/// The parts that an upload holds.
pub(crate) async fn parts(link: &Link, bucket: &str, key: &str, upload: &str, believed: Believed) -> Outcome<Vec<PartReceipt>> {
    let mut receipts = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = parts_page(link, bucket, key, upload, marker.clone()).await?;
        for part in page.parts {
            let (Some(number), Some(size), Some(etag)) = (part.number, part.size, part.etag) else {
                return Err(protocol("ListParts: a part lacks its number, size or ETag").into());
            };
            let tag = etag.trim_matches('"').to_owned();
            let digests = Digests {
                crc32c: part.crc32c.as_deref().filter(|_| believed.crc32c).and_then(crc32c_from_base64),
                crc64nvme: part.crc64nvme.as_deref().filter(|_| believed.crc32c).and_then(crc64nvme_from_base64),
                md5: believed.md5.then(|| md5_from_etag(&tag)).flatten(),
            };
            receipts.push(PartReceipt { number, size, tag, digests });
        }
        if !page.truncated {
            return Ok(receipts);
        }
        if page.next.is_none() || page.next == marker {
            return Err(protocol("ListParts: a cut page names no next one").into());
        }
        marker = page.next;
    }
}

async fn parts_page(link: &Link, bucket: &str, key: &str, upload: &str, marker: Option<String>) -> Outcome<PartsPage> {
    let request = link.sdk.list_parts().bucket(bucket).key(key).upload_id(upload).set_part_number_marker(marker);
    let output = match request.send().await {
        Ok(output) => output,
        Err(error) => match unread(&error).and_then(|(_, body)| parse_parts(body).ok()) {
            Some(page) => return Ok(page),
            None => return Err(failure("ListParts", Effects::Reads, error)),
        },
    };
    let parts = output.parts().iter().map(|part| ListedPart {
        number: part.part_number().and_then(|number| u32::try_from(number).ok()),
        size: part.size().and_then(|size| u64::try_from(size).ok()),
        etag: part.e_tag().map(str::to_owned),
        crc32c: part.checksum_crc32_c().map(str::to_owned),
        crc64nvme: part.checksum_crc64_nvme().map(str::to_owned),
    });
    let truncated = output.is_truncated() == Some(true);
    Ok(PartsPage { parts: parts.collect(), truncated, next: output.next_part_number_marker().map(str::to_owned) })
}

/// Every unfinished upload below a prefix, whoever began it.
pub(crate) async fn uploads(link: &Link, bucket: &str, prefix: &str) -> Outcome<Vec<PendingUpload>> {
    let mut found = Vec::new();
    let mut markers: (Option<String>, Option<String>) = (None, None);
    loop {
        let page = uploads_page(link, bucket, prefix, markers.clone()).await?;
        let plain = |text: &str| if page.encoded { decode(text.as_bytes()).into_owned() } else { text.as_bytes().to_vec() };
        found.extend(page.uploads.iter().filter_map(|upload| {
            let name = plain(&upload.key);
            let key = Key::new(name.strip_prefix(prefix.as_bytes())?);
            let upload_id = upload.id.clone();
            Some(PendingUpload { upload: Upload { key, id: upload_id, staging: None }, started: upload.initiated.parse().ok() })
        }));
        if !page.truncated {
            return Ok(found);
        }
        let key = page.next_key.as_deref().map(|key| String::from_utf8_lossy(&plain(key)).into_owned());
        let next = (key, page.next_id);
        if next == markers || next.0.is_none() {
            return Err(protocol("ListMultipartUploads: a cut page names no next one").into());
        }
        markers = next;
    }
}

async fn uploads_page(link: &Link, bucket: &str, prefix: &str, markers: (Option<String>, Option<String>)) -> Outcome<UploadsPage> {
    let request = link.sdk.list_multipart_uploads().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
    let output = match request.set_key_marker(markers.0).set_upload_id_marker(markers.1).send().await {
        Ok(output) => output,
        Err(error) => match unread(&error).and_then(|(_, body)| parse_uploads(body).ok()) {
            Some(page) => return Ok(page),
            None => return Err(failure("ListMultipartUploads", Effects::Reads, error)),
        },
    };
    let uploads = output.uploads().iter().filter_map(|upload| {
        let initiated = upload.initiated().and_then(moment).map(|at| at.to_string()).unwrap_or_default();
        Some(ListedUpload { key: upload.key()?.to_owned(), id: upload.upload_id()?.to_owned(), initiated })
    });
    Ok(UploadsPage {
        uploads: uploads.collect(),
        encoded: output.encoding_type() == Some(&EncodingType::Url),
        truncated: output.is_truncated() == Some(true),
        next_key: output.next_key_marker().map(str::to_owned),
        next_id: output.next_upload_id_marker().map(str::to_owned),
    })
}

/// How many parts an object was put together from, and how large the first is; `None` where the endpoint does not tell. It names no
/// version: some endpoints compare that with the ETag of the part, and what is done with the answer is compared by ETag in the end.
pub(crate) async fn layout(link: &Link, bucket: &str, key: &str) -> Outcome<Option<Layout>> {
    let request = link.sdk.head_object().bucket(bucket).key(key).part_number(1);
    let output = request.send().await.map_err(|error| failure("HeadObject", Effects::Reads, error))?;
    let count = output.parts_count().and_then(|count| u32::try_from(count).ok());
    let part_bytes = output.content_length().and_then(|bytes| u64::try_from(bytes).ok());
    Ok(count.zip(part_bytes).map(|(count, part_bytes)| Layout { part_bytes, count }))
}

/// An object's tags.
pub(crate) async fn tags(link: &Link, bucket: &str, key: &str) -> Outcome<Vec<(String, String)>> {
    let request = link.sdk.get_object_tagging().bucket(bucket).key(key);
    let output = request.send().await.map_err(|error| failure("GetObjectTagging", Effects::Reads, error))?;
    Ok(output.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
}

/// What locks the current version of a key at a moment, in words; `None` where nothing does, or where nobody may know: without
/// `s3:GetObjectRetention` and `s3:GetObjectLegalHold` an answer says nothing of locks ("Permissions for viewing lock information").
pub(crate) async fn lock(link: &Link, bucket: &str, key: &str, now: SystemTime) -> Outcome<Option<String>> {
    let request = link.sdk.head_object().bucket(bucket).key(key);
    let output = request.send().await.map_err(|error| failure("HeadObject", Effects::Reads, error))?;
    let held = output.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On);
    let until = output.object_lock_retain_until_date().and_then(moment).filter(|until| SystemTime::from(*until) > now);
    let mode = output.object_lock_mode().map_or("a", ObjectLockMode::as_str);
    let retained = until.map(|until| format!("{mode} retention until {until}"));
    Ok(match (held, retained) {
        (true, Some(retained)) => Some(format!("a legal hold and {retained}")),
        (true, None) => Some("a legal hold".to_owned()),
        (false, retained) => retained,
    })
}

/// Whether the bucket keeps what is deleted, and what a delete does there; unknown where that may not be asked.
pub(crate) async fn versioning(link: &Link, bucket: &str) -> (Honoured, Option<&'static str>) {
    let Ok(output) = link.sdk.get_bucket_versioning().bucket(bucket).send().await else { return (Honoured::Unknown, None) };
    match output.status() {
        Some(BucketVersioningStatus::Enabled) => {
            (Honoured::Yes, Some("versioning: enabled; deletes add a marker, also over locked versions, and older versions stay"))
        }
        Some(BucketVersioningStatus::Suspended) => {
            (Honoured::No, Some("versioning: suspended; deletes add a marker and remove what was written since; older versions stay"))
        }
        Some(_) => (Honoured::Unknown, Some("versioning: in a state that is not known here")),
        None => (Honoured::No, Some("versioning: off")),
    }
}

/// What `doctor` is told of the bucket: one line each; what may not be asked is left out.
pub(crate) async fn describe_bucket(link: &Link, bucket: &str) -> Vec<String> {
    let mut notes = Vec::new();
    if let Ok(output) = link.sdk.get_bucket_encryption().bucket(bucket).send().await {
        let rules = output.server_side_encryption_configuration().map(|it| it.rules()).unwrap_or_default();
        let rule = rules.iter().find_map(|rule| rule.apply_server_side_encryption_by_default());
        if let Some(rule) = rule {
            notes.push(format!("default encryption: {}", rule.sse_algorithm().as_str()));
        }
    }
    notes
}

/// Whether the bucket answers at all.
pub(crate) async fn head_bucket(link: &Link, bucket: &str) -> Outcome<()> {
    let result = link.sdk.head_bucket().bucket(bucket).send().await;
    result.map(|_| ()).map_err(|error| failure("HeadBucket", Effects::Reads, error))
}
