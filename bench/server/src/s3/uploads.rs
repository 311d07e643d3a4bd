//! Uploads in parts.

use super::xml::{blocks, escaped, leaf};
use super::{BAD_DIGEST, BAD_REQUEST, Call, NO_UPLOAD, Outcome, Refusal};
use crate::limits::{PAGE_KEYS_MAX, PARTS_MAX};
use crate::service::{Arrived, locked, metadata_of};
use crate::stats::Operation;
use crate::time::{now_millis, rfc3339};
use crate::uploads::{Part, Upload, Whole};
use crate::wire::body::{crc32c_of, crc32c_text};
use crate::wire::reply::Reply;

/// Smallest part that is not the last, in bytes.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

const BAD_PART: Refusal = Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.");
const BAD_ORDER: Refusal = Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
const TOO_SMALL: Refusal = Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size");

impl Call<'_> {
    /// The number and the upload id of a request about a part.
    pub(super) fn part_of(&self) -> Result<(u32, String), Refusal> {
        let number = self.request.param("partNumber").and_then(|text| text.parse().ok());
        let number = number.filter(|number| (1..=PARTS_MAX).contains(number)).ok_or(BAD_REQUEST)?;
        Ok((number, self.upload_id()))
    }

    fn upload_id(&self) -> String {
        self.request.param("uploadId").unwrap_or_default().into_owned()
    }

    pub(super) fn create_upload(&self) -> Outcome {
        let algorithm = self.request.header("x-amz-checksum-algorithm");
        let upload = Upload {
            key: self.key.clone().into_bytes(),
            metadata: metadata_of(self.request, self.prefix()),
            started: now_millis(),
            parts: Default::default(),
        };
        let id = locked(&self.bucket).uploads.begin(upload);
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
            escaped(self.bucket_name),
            escaped(&self.key)
        );
        let mut reply = Reply::xml(Operation::Create, 200, document.into_bytes());
        if let Some(algorithm) = algorithm {
            reply.add("x-amz-checksum-algorithm", algorithm);
            reply.add("x-amz-checksum-type", self.request.header("x-amz-checksum-type").unwrap_or("COMPOSITE"));
        }
        Ok(reply)
    }

    pub(super) fn put_part(&self) -> Outcome {
        let (number, id) = self.part_of()?;
        let Arrived { size, crc32c, etag } = self.service.verify(self.request, &self.body)?;
        let mut bucket = locked(&self.bucket);
        let upload = bucket.uploads.get(&id, self.key.as_bytes()).ok_or(NO_UPLOAD)?;
        upload.parts.insert(number, Part { size, crc32c, etag });
        drop(bucket);
        let object = self.service.object(Arrived { size, crc32c, etag }, None);
        let mut reply = self.receipt(Reply::new(Operation::Part, 200), &object);
        if let Some((name, value)) = &self.body.other {
            reply.add(name, value);
        }
        Ok(reply)
    }

    pub(super) fn complete_upload(&self) -> Outcome {
        let id = self.upload_id();
        let mut bucket = locked(&self.bucket);
        let upload = bucket.uploads.get(&id, self.key.as_bytes()).ok_or(NO_UPLOAD)?.clone();
        let whole = Whole::of(&self.chosen(&upload)?);
        let promised = self.request.header("x-amz-checksum-crc32c");
        if promised.is_some_and(|promised| crc32c_of(promised) != Some(whole.crc32c)) {
            return Err(BAD_DIGEST);
        }
        let size = self.request.header("x-amz-mp-object-size");
        if size.is_some_and(|size| size.parse() != Ok(whole.size)) {
            return Err(BAD_REQUEST);
        }
        self.condition_of_write(&bucket)?;
        bucket.uploads.remove(&id);
        let arrived = Arrived { size: whole.size, crc32c: whole.crc32c, etag: whole.etag };
        let object = self.service.object(arrived, upload.metadata.clone());
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Location>http://bench/{bucket}/{key}</Location><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>&quot;{etag}&quot;</ETag>\
             <ChecksumCRC32C>{crc32c}</ChecksumCRC32C><ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>",
            bucket = escaped(self.bucket_name),
            key = escaped(&self.key),
            etag = object.etag.text(),
            crc32c = crc32c_text(object.crc32c),
        );
        let reply = self.receipt(Reply::xml(Operation::Complete, 200, document.into_bytes()), &object);
        bucket.put(self.key.as_bytes(), object);
        Ok(reply)
    }

    /// The parts that the request names, as they arrived.
    fn chosen(&self, upload: &Upload) -> Result<Vec<Part>, Refusal> {
        let named = blocks(self.body.text(), "Part");
        let mut chosen: Vec<Part> = Vec::with_capacity(named.len());
        let mut before = 0;
        for part in named {
            let number: u32 = leaf(part, "PartNumber").and_then(|text| text.trim().parse().ok()).ok_or(BAD_REQUEST)?;
            let etag = leaf(part, "ETag").ok_or(BAD_PART)?;
            let arrived = upload.parts.get(&number).filter(|part| part.etag.is_named_by(&etag)).ok_or(BAD_PART)?;
            if number <= before {
                return Err(BAD_ORDER);
            }
            if chosen.last().is_some_and(|part| part.size < PART_BYTES_MIN) {
                return Err(TOO_SMALL);
            }
            before = number;
            chosen.push(*arrived);
        }
        if chosen.is_empty() { Err(BAD_REQUEST) } else { Ok(chosen) }
    }

    pub(super) fn abort_upload(&self) -> Outcome {
        let id = self.upload_id();
        let mut bucket = locked(&self.bucket);
        bucket.uploads.get(&id, self.key.as_bytes()).ok_or(NO_UPLOAD)?;
        bucket.uploads.remove(&id);
        Ok(Reply::new(Operation::Abort, 204))
    }

    pub(super) fn list_parts(&self) -> Outcome {
        let id = self.upload_id();
        let after = self.request.param("part-number-marker").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut bucket = locked(&self.bucket);
        let upload = bucket.uploads.get(&id, self.key.as_bytes()).ok_or(NO_UPLOAD)?;
        let mut parts = upload.parts.range(after + 1..);
        let (mut text, mut last) = (String::new(), after);
        for (number, part) in parts.by_ref().take(PAGE_KEYS_MAX) {
            last = *number;
            text.push_str(&format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{}&quot;</ETag><Size>{}</Size><ChecksumCRC32C>{}</ChecksumCRC32C></Part>",
                part.etag.text(),
                part.size,
                crc32c_text(part.crc32c)
            ));
        }
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListPartsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>{}</Bucket>\
             <Key>{}</Key><UploadId>{id}</UploadId><MaxParts>{PAGE_KEYS_MAX}</MaxParts><IsTruncated>{}</IsTruncated>\
             <NextPartNumberMarker>{last}</NextPartNumberMarker>{text}</ListPartsResult>",
            escaped(self.bucket_name),
            escaped(&self.key),
            parts.next().is_some(),
        );
        Ok(Reply::xml(Operation::Other, 200, document.into_bytes()))
    }

    pub(super) fn list_uploads(&self) -> Outcome {
        let prefix = self.request.param("prefix").unwrap_or_default();
        let uploads = locked(&self.bucket).uploads.below(prefix.as_bytes());
        let shown = uploads.iter().take(PAGE_KEYS_MAX).map(|(id, upload)| {
            let key = escaped(&String::from_utf8_lossy(&upload.key));
            format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{}</Initiated></Upload>", rfc3339(upload.started))
        });
        // More uploads than a page holds are not left open by any workload; a second page is not offered.
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Bucket>{}</Bucket><IsTruncated>false</IsTruncated>{}</ListMultipartUploadsResult>",
            escaped(self.bucket_name),
            shown.collect::<String>()
        );
        Ok(Reply::xml(Operation::Other, 200, document.into_bytes()))
    }
}
