//! Copies inside the server: of objects, and of ranges into parts.

use super::{BAD_REQUEST, CONDITION, Call, NO_BUCKET, NO_KEY, NO_UPLOAD, NOT_IMPLEMENTED, Outcome, Refusal};
use crate::content::range_crc32c;
use crate::object::{ETag, Object};
use crate::service::{locked, metadata_of};
use crate::stats::Operation;
use crate::time::rfc3339;
use crate::uploads::Part;
use crate::wire::body::crc32c_text;
use crate::wire::reply::Reply;
use crate::wire::request::{Plus, decoded};

impl Call<'_> {
    /// The object that is copied, if its condition holds.
    fn original(&self) -> Result<Object, Refusal> {
        let header = |name: &str| self.request.header(&format!("{}copy-source{name}", self.prefix()));
        let source = header("").ok_or(BAD_REQUEST)?;
        let source = source.trim_start_matches('/').split("?versionId=").next().unwrap_or_default();
        let source = decoded(source, Plus::IsPlus);
        let (bucket, key) = source.split_once('/').ok_or(BAD_REQUEST)?;
        let bucket = self.service.bucket(bucket).ok_or(NO_BUCKET)?;
        let object = locked(&bucket).get(key.as_bytes()).ok_or(NO_KEY)?;
        if header("-if-match").is_some_and(|wanted| !object.etag.is_named_by(wanted)) {
            return Err(CONDITION);
        }
        Ok(object)
    }

    pub(super) fn copy(&self) -> Outcome {
        let original = self.original()?;
        let replaces = self.request.header(&format!("{}metadata-directive", self.prefix())) == Some("REPLACE");
        let metadata = if replaces { metadata_of(self.request, self.prefix()) } else { original.metadata.clone() };
        let mut copy = self.service.copy_of(&original, metadata);
        // A copy is one piece, whatever the original was put together from.
        if copy.etag.md5().is_none() {
            copy.etag = ETag::made_up(copy.crc32c, 1);
        }
        let mut bucket = locked(&self.bucket);
        self.condition_of_write(&bucket)?;
        let reply = result(Operation::Copy, "CopyObjectResult", copy.etag, copy.modified, copy.crc32c);
        bucket.put(self.key.as_bytes(), copy);
        Ok(reply)
    }

    pub(super) fn copy_part(&self) -> Outcome {
        let (number, id) = self.part_of()?;
        let original = self.original()?;
        let range = self.request.header(&format!("{}copy-source-range", self.prefix()));
        let (offset, size) = match range {
            None => (0, original.size),
            Some(text) => {
                let (first, last) = text.strip_prefix("bytes=").and_then(|text| text.split_once('-')).ok_or(BAD_REQUEST)?;
                let (first, last) = first.parse::<u64>().ok().zip(last.parse::<u64>().ok()).ok_or(BAD_REQUEST)?;
                if last < first || last >= original.size {
                    return Err(BAD_REQUEST);
                }
                (first, last - first + 1)
            }
        };
        let crc32c = match original.content {
            _ if size == original.size => original.crc32c,
            Some(class) => range_crc32c(class, offset, size),
            // The bytes of uploads are not kept, so a piece of them has no digest.
            None => return Err(NOT_IMPLEMENTED),
        };
        let part = Part { size, crc32c, etag: ETag::made_up(crc32c, 1) };
        let mut bucket = locked(&self.bucket);
        let upload = bucket.uploads.get(&id, self.key.as_bytes()).ok_or(NO_UPLOAD)?;
        upload.parts.insert(number, part);
        Ok(result(Operation::PartCopy, "CopyPartResult", part.etag, crate::time::now_millis(), crc32c))
    }
}

fn result(operation: Operation, root: &str, etag: ETag, modified: u64, crc32c: u32) -> Reply {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LastModified>{}</LastModified>\
         <ETag>&quot;{}&quot;</ETag><ChecksumCRC32C>{}</ChecksumCRC32C><ChecksumType>FULL_OBJECT</ChecksumType></{root}>",
        rfc3339(modified),
        etag.text(),
        crc32c_text(crc32c)
    );
    Reply::xml(operation, 200, document.into_bytes())
}
