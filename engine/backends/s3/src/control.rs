//! Control operations by the AWS SDK: multipart uploads, tags, and questions about the bucket.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, EncodingType, MultipartUpload};
use brigade_core::digest::{crc32c_from_base64, crc32c_to_base64, md5_from_etag};
use brigade_core::{ErrorKind, Key};
use brigade_store::{PartReceipt, PendingUpload, StoreError, Upload};
use http::HeaderMap;

use crate::connection::Link;
use crate::errors::{Effects, Outcome, protocol};
use crate::hot::sdk::{failure, insert, moment};
use crate::hot::{Stored, signed};
use crate::xml::list::decode;

/// Which checksums an upload in parts carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// CRC-32C of each part and of the whole: a mismatch never becomes visible.
    FullObject,
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
    /// CRC-32C of the whole.
    pub(crate) crc32c: u32,
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
        Checks::Parts => request.checksum_algorithm(ChecksumAlgorithm::Crc32C),
        Checks::Plain => request,
    };
    let output = request
        .customize()
        .mutate_request(move |request| insert(request, &headers))
        .send()
        .await
        .map_err(|error| failure("CreateMultipartUpload", Effects::Writes, error))?;
    let id = output.upload_id().filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| protocol("CreateMultipartUpload answered without an upload id"))?;
    Ok(id.to_owned())
}

/// Makes an upload visible.
pub(crate) async fn complete(link: &Link, bucket: &str, finish: &Finish<'_>) -> Outcome<Stored> {
    let mut parts = Vec::with_capacity(finish.parts.len());
    for receipt in finish.parts {
        let number = i32::try_from(receipt.number).map_err(|_| StoreError::new(ErrorKind::Internal, "a part number is out of range"))?;
        // A server that checks parts by their checksum wants each of them again.
        let crc32c = receipt.digests.crc32c.filter(|_| finish.checks != Checks::Plain).map(crc32c_to_base64);
        let part = CompletedPart::builder().part_number(number).e_tag(format!("\"{}\"", receipt.tag)).set_checksum_crc32_c(crc32c);
        parts.push(part.build());
    }
    let mut request = link
        .sdk
        .complete_multipart_upload()
        .bucket(bucket)
        .key(finish.key)
        .upload_id(finish.upload)
        .mpu_object_size(signed(finish.size)?)
        .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
    if finish.checks == Checks::FullObject {
        request = request.checksum_crc32_c(crc32c_to_base64(finish.crc32c)).checksum_type(ChecksumType::FullObject);
    }
    let headers = finish.headers.clone();
    let output = request
        .customize()
        .mutate_request(move |request| insert(request, &headers))
        .send()
        .await
        .map_err(|error| failure("CompleteMultipartUpload", Effects::Writes, error))?;
    let encrypted = output.server_side_encryption().is_some_and(|kind| kind.as_str().starts_with("aws:kms"));
    let etag = output.e_tag().ok_or_else(|| protocol("CompleteMultipartUpload answered without an ETag").possibly_done())?;
    let crc32c = output.checksum_crc32_c().filter(|_| output.checksum_type() != Some(&ChecksumType::Composite));
    Ok(Stored {
        etag: Some(etag.trim_matches('"').into()),
        crc32c: crc32c.and_then(crc32c_from_base64),
        etag_may_be_md5: !encrypted,
        version: output.version_id().filter(|version| *version != "null").map(str::to_owned),
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
        let request = link.sdk.list_parts().bucket(bucket).key(key).upload_id(upload).set_part_number_marker(marker.clone());
        let output = request.send().await.map_err(|error| failure("ListParts", Effects::Reads, error))?;
        for part in output.parts() {
            let incomplete = || protocol("ListParts: a part lacks its number, size or ETag");
            let number = part.part_number().and_then(|number| u32::try_from(number).ok()).ok_or_else(incomplete)?;
            let size = part.size().and_then(|size| u64::try_from(size).ok()).ok_or_else(incomplete)?;
            let tag = part.e_tag().ok_or_else(incomplete)?.trim_matches('"').to_owned();
            let digests = brigade_core::Digests {
                crc32c: part.checksum_crc32_c().filter(|_| believed.crc32c).and_then(crc32c_from_base64),
                crc64nvme: None,
                md5: believed.md5.then(|| md5_from_etag(&tag)).flatten(),
            };
            receipts.push(PartReceipt { number, size, tag, digests });
        }
        let next = output.next_part_number_marker().filter(|_| output.is_truncated() == Some(true)).map(str::to_owned);
        match next {
            Some(next) if marker.as_deref() != Some(next.as_str()) => marker = Some(next),
            Some(_) => return Err(protocol("ListParts: a page names itself as the next one").into()),
            None if output.is_truncated() == Some(true) => return Err(protocol("ListParts: a cut page names no next one").into()),
            None => return Ok(receipts),
        }
    }
}

/// Every unfinished upload below a prefix, whoever began it.
pub(crate) async fn uploads(link: &Link, bucket: &str, prefix: &str) -> Outcome<Vec<PendingUpload>> {
    let mut found = Vec::new();
    let mut markers: (Option<String>, Option<String>) = (None, None);
    loop {
        let output = link
            .sdk
            .list_multipart_uploads()
            .bucket(bucket)
            .prefix(prefix)
            .encoding_type(EncodingType::Url)
            .set_key_marker(markers.0.clone())
            .set_upload_id_marker(markers.1.clone())
            .send()
            .await
            .map_err(|error| failure("ListMultipartUploads", Effects::Reads, error))?;
        let encoded = output.encoding_type() == Some(&EncodingType::Url);
        let plain = |text: &str| if encoded { decode(text.as_bytes()) } else { text.as_bytes().to_vec() };
        found.extend(output.uploads().iter().filter_map(|upload| pending(upload, &plain, prefix)));
        if output.is_truncated() != Some(true) {
            return Ok(found);
        }
        let key = output.next_key_marker().map(|key| String::from_utf8_lossy(&plain(key)).into_owned());
        let next = (key, output.next_upload_id_marker().map(str::to_owned));
        if next == markers || next.0.is_none() {
            return Err(protocol("ListMultipartUploads: a cut page names no next one").into());
        }
        markers = next;
    }
}

fn pending(upload: &MultipartUpload, plain: &impl Fn(&str) -> Vec<u8>, prefix: &str) -> Option<PendingUpload> {
    let name = plain(upload.key()?);
    let key = Key::new(name.strip_prefix(prefix.as_bytes())?);
    let upload_id = upload.upload_id()?.to_owned();
    Some(PendingUpload { upload: Upload { key, id: upload_id, staging: None }, started: upload.initiated().and_then(moment) })
}

/// An object's tags.
pub(crate) async fn tags(link: &Link, bucket: &str, key: &str) -> Outcome<Vec<(String, String)>> {
    let request = link.sdk.get_object_tagging().bucket(bucket).key(key);
    let output = request.send().await.map_err(|error| failure("GetObjectTagging", Effects::Reads, error))?;
    Ok(output.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
}

/// What `doctor` is told of the bucket: one line each; what may not be asked is left out.
pub(crate) async fn describe_bucket(link: &Link, bucket: &str) -> Vec<String> {
    let mut notes = Vec::new();
    if let Ok(output) = link.sdk.get_bucket_versioning().bucket(bucket).send().await {
        let status = output.status().map_or("off", |status| status.as_str());
        notes.push(format!("versioning: {}", status.to_ascii_lowercase()));
    }
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
