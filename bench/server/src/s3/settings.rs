//! Questions about the service, a bucket or an object beside its bytes: plain answers, the same for all.

use super::xml::escaped;
use super::{Call, NO_KEY, NOT_IMPLEMENTED, Outcome, Refusal};
use crate::service::Service;
use crate::stats::Operation;
use crate::wire::body::crc32c_text;
use crate::wire::reply::Reply;

const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

fn document(text: &str) -> Reply {
    Reply::xml(Operation::Other, 200, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}").into_bytes())
}

/// ListBuckets.
pub(super) fn buckets(service: &Service) -> Reply {
    let entry =
        |name: &String| format!("<Bucket><Name>{}</Name><CreationDate>2026-10-01T00:00:00.000Z</CreationDate></Bucket>", escaped(name));
    let entries: String = service.bucket_names().iter().map(entry).collect();
    document(&format!("<ListAllMyBucketsResult {XMLNS}><Owner><ID>bench</ID></Owner><Buckets>{entries}</Buckets></ListAllMyBucketsResult>"))
}

impl Call<'_> {
    pub(super) fn setting(&self) -> Outcome {
        let asks = |name| self.request.has(name);
        if self.request.method == "HEAD" || self.request.query.is_empty() {
            return Ok(Reply::new(Operation::Other, 200).with("x-amz-bucket-region", "us-east-1"));
        }
        if asks("location") {
            return Ok(document(&format!("<LocationConstraint {XMLNS}></LocationConstraint>")));
        }
        if asks("versioning") {
            return Ok(document(&format!("<VersioningConfiguration {XMLNS}></VersioningConfiguration>")));
        }
        if asks("encryption") {
            return Ok(document(&format!(
                "<ServerSideEncryptionConfiguration {XMLNS}><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
                 </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
            )));
        }
        let absent = [
            ("tagging", Refusal(404, "NoSuchTagSet", "The TagSet does not exist")),
            ("policy", Refusal(404, "NoSuchBucketPolicy", "The bucket policy does not exist")),
            (
                "object-lock",
                Refusal(404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"),
            ),
            ("lifecycle", Refusal(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")),
        ];
        Err(absent.into_iter().find(|(name, _)| asks(name)).map_or(NOT_IMPLEMENTED, |(_, refusal)| refusal))
    }

    pub(super) fn object_setting(&self) -> Outcome {
        let object = self.get(self.key.as_bytes()).ok_or(NO_KEY)?;
        match self.request.method {
            "GET" if self.request.has("tagging") => Ok(document(&format!("<Tagging {XMLNS}><TagSet></TagSet></Tagging>"))),
            "PUT" | "DELETE" if self.request.has("tagging") => Ok(Reply::new(Operation::Other, 200)),
            "GET" if self.request.has("attributes") => Ok(document(&format!(
                "<GetObjectAttributesResponse {XMLNS}><ETag>{}</ETag><Checksum><ChecksumCRC32C>{}</ChecksumCRC32C><ChecksumType>FULL_OBJECT</ChecksumType>\
                 </Checksum><StorageClass>STANDARD</StorageClass><ObjectSize>{}</ObjectSize></GetObjectAttributesResponse>",
                object.etag.text(),
                crc32c_text(object.crc32c),
                object.size
            ))),
            _ => Err(NOT_IMPLEMENTED),
        }
    }
}
