//! What a request is about: bucket, key and operation, read from the raw request line.
//!
//! The key is percent-decoded exactly once, byte for byte: `a//b`, `..`, `%2F`, a leading or a trailing slash all mean what they
//! say. Nothing is normalised.

use super::failure::Failure;
use crate::fault::Op;
use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

/// The operations of the API that the server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    ListBuckets,
    HeadBucket,
    CreateBucket,
    DeleteBucket,
    GetBucketLocation,
    GetBucketVersioning,
    PutBucketVersioning,
    ListObjects,
    ListObjectsV2,
    ListObjectVersions,
    ListMultipartUploads,
    DeleteObjects,
    GetObject,
    HeadObject,
    PutObject,
    CopyObject,
    DeleteObject,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    GetObjectTagging,
    PutObjectTagging,
    DeleteObjectTagging,
    GetObjectAttributes,
    GetObjectLegalHold,
    PutObjectLegalHold,
    GetObjectRetention,
    PutObjectRetention,
    Unknown,
}

impl Verb {
    /// The kind under which the door counts it and faults match it.
    pub(crate) fn op(self) -> Op {
        match self {
            Self::ListObjects | Self::ListObjectsV2 => Op::List,
            Self::ListObjectVersions => Op::ListVersions,
            Self::ListMultipartUploads => Op::ListUploads,
            Self::DeleteObjects => Op::DeleteBatch,
            Self::GetObject => Op::Get,
            Self::HeadObject => Op::Head,
            Self::PutObject => Op::Put,
            Self::CopyObject => Op::Copy,
            Self::DeleteObject => Op::Delete,
            Self::CreateMultipartUpload => Op::CreateUpload,
            Self::UploadPart => Op::PutPart,
            Self::UploadPartCopy => Op::CopyPart,
            Self::CompleteMultipartUpload => Op::CompleteUpload,
            Self::AbortMultipartUpload => Op::AbortUpload,
            Self::ListParts => Op::ListParts,
            Self::GetObjectTagging | Self::PutObjectTagging | Self::DeleteObjectTagging => Op::Tags,
            Self::GetObjectAttributes => Op::Attributes,
            Self::GetObjectLegalHold | Self::PutObjectLegalHold | Self::GetObjectRetention | Self::PutObjectRetention => Op::Patch,
            Self::ListBuckets
            | Self::HeadBucket
            | Self::CreateBucket
            | Self::DeleteBucket
            | Self::GetBucketLocation
            | Self::GetBucketVersioning
            | Self::PutBucketVersioning => Op::Bucket,
            Self::Unknown => Op::Other,
        }
    }
}

/// A query string: names and values, form-decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, Vec<u8>)>);

impl Query {
    fn parse(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
                    (String::from_utf8_lossy(&decode(name)).into_owned(), decode(value))
                })
                .collect(),
        )
    }

    /// Whether the name is there, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    /// The first value of a name.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }

    /// The first value of a name as text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The first value of a name as a number.
    ///
    /// # Errors
    /// InvalidArgument when it is there and no such number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let wrong = || Failure::argument(format!("{name} is no valid number"));
        self.bytes(name).map(|_| self.text(name).and_then(|text| text.parse().ok()).ok_or_else(wrong)).transpose()
    }
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) verb: Verb,
    pub(crate) bucket: String,
    pub(crate) key: Vec<u8>,
    pub(crate) query: Query,
}

impl Target {
    /// Reads a path-style request.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let bucket = percent_decode_str(bucket).decode_utf8_lossy().into_owned();
        let key: Vec<u8> = percent_decode_str(key).collect();
        let query = Query::parse(uri.query());
        let verb = match (bucket.is_empty(), key.is_empty()) {
            (true, _) if method == Method::GET => Verb::ListBuckets,
            (true, _) => Verb::Unknown,
            (false, true) => bucket_verb(method, &query),
            (false, false) => object_verb(method, &query, headers),
        };
        Self { verb, bucket, key, query }
    }

    /// The key under which the door knows the request: for listings it is the prefix.
    pub(crate) fn door_key(&self) -> &[u8] {
        match self.verb.op() {
            Op::List | Op::ListVersions | Op::ListUploads => self.query.bytes("prefix").unwrap_or_default(),
            _ => &self.key,
        }
    }
}

/// Sub-resources that exist in S3 and not here: answering with an object or a listing would be wrong.
const UNKNOWN_RESOURCES: [&str; 22] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "select",
    "torrent",
    "website",
];

fn bucket_verb(method: &Method, query: &Query) -> Verb {
    if UNKNOWN_RESOURCES.iter().any(|name| query.has(name)) || query.has("tagging") {
        return Verb::Unknown;
    }
    match *method {
        Method::HEAD => Verb::HeadBucket,
        Method::GET if query.has("location") => Verb::GetBucketLocation,
        Method::GET if query.has("versioning") => Verb::GetBucketVersioning,
        Method::GET if query.has("versions") => Verb::ListObjectVersions,
        Method::GET if query.has("uploads") => Verb::ListMultipartUploads,
        Method::GET if query.text("list-type") == Some("2") => Verb::ListObjectsV2,
        Method::GET => Verb::ListObjects,
        Method::PUT if query.has("versioning") => Verb::PutBucketVersioning,
        Method::PUT => Verb::CreateBucket,
        Method::DELETE => Verb::DeleteBucket,
        Method::POST if query.has("delete") => Verb::DeleteObjects,
        _ => Verb::Unknown,
    }
}

fn object_verb(method: &Method, query: &Query, headers: &HeaderMap) -> Verb {
    if UNKNOWN_RESOURCES.iter().any(|name| query.has(name)) {
        return Verb::Unknown;
    }
    let copies = headers.contains_key("x-amz-copy-source");
    match *method {
        Method::HEAD => Verb::HeadObject,
        Method::GET if query.has("uploadId") => Verb::ListParts,
        Method::GET if query.has("tagging") => Verb::GetObjectTagging,
        Method::GET if query.has("attributes") => Verb::GetObjectAttributes,
        Method::GET if query.has("legal-hold") => Verb::GetObjectLegalHold,
        Method::GET if query.has("retention") => Verb::GetObjectRetention,
        Method::GET => Verb::GetObject,
        Method::PUT if query.has("tagging") => Verb::PutObjectTagging,
        Method::PUT if query.has("legal-hold") => Verb::PutObjectLegalHold,
        Method::PUT if query.has("retention") => Verb::PutObjectRetention,
        Method::PUT if query.has("uploadId") && copies => Verb::UploadPartCopy,
        Method::PUT if query.has("uploadId") => Verb::UploadPart,
        Method::PUT if copies => Verb::CopyObject,
        Method::PUT => Verb::PutObject,
        Method::POST if query.has("uploads") => Verb::CreateMultipartUpload,
        Method::POST if query.has("uploadId") => Verb::CompleteMultipartUpload,
        Method::DELETE if query.has("uploadId") => Verb::AbortMultipartUpload,
        Method::DELETE if query.has("tagging") => Verb::DeleteObjectTagging,
        Method::DELETE => Verb::DeleteObject,
        _ => Verb::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_decoded_once_and_never_normalised() {
        for (path, key) in [
            ("/b/a//b", "a//b"),
            ("/b//lead", "/lead"),
            ("/b//", "/"),
            ("/b/a/../b/./c", "a/../b/./c"),
            ("/b/dir/", "dir/"),
            ("/b/a%2Fb", "a/b"),
            ("/b/a%252Fb", "a%2Fb"),
            ("/b/a+b%20c%2B", "a+b c+"),
            ("/b/%01%0A%0D", "\u{1}\n\r"),
            ("/b/e%CC%81", "e\u{301}"),
        ] {
            let target = Target::of(&Method::GET, &path.parse().unwrap(), &HeaderMap::new());
            assert_eq!(target.key, key.as_bytes(), "{path}");
            assert_eq!((target.bucket.as_str(), target.verb), ("b", Verb::GetObject));
        }
    }

    #[test]
    fn an_unknown_sub_resource_is_never_an_object() {
        let target = Target::of(&Method::GET, &"/b/k?acl".parse().unwrap(), &HeaderMap::new());
        assert_eq!(target.verb, Verb::Unknown);
        let target = Target::of(&Method::PUT, &"/b/k?uploadId=x&partNumber=1".parse().unwrap(), &HeaderMap::new());
        assert_eq!(target.verb, Verb::UploadPart);
        assert_eq!(target.query.number::<u32>("partNumber").unwrap(), Some(1));
    }
}
