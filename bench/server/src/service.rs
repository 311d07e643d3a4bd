//! What all connections share: buckets, books, shaping; and the door through which requests go to their dialect.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use md5::{Digest as _, Md5};

use crate::bucket::Bucket;
use crate::content::Known;
use crate::limits::{DOCUMENT_BYTES_MAX, RELATED_BYTES_MAX};
use crate::object::{ETag, Metadata, Object, PLAIN};
use crate::shaping::Shaper;
use crate::stats::{Operation, Stats};
use crate::time::now_millis;
use crate::wire::body::{Body, Digesting, Wanted, crc32c_of, md5_of};
use crate::wire::reply::Reply;
use crate::wire::request::Request;
use crate::{gcs, s3};

/// The language of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon S3.
    S3,
    /// Google Cloud Storage: JSON API and XML API.
    Gcs,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Service {
    buckets: RwLock<HashMap<String, Arc<Mutex<Bucket>>>>,
    known: Known,
    generations: AtomicU64,
    md5_bytes_max: usize,
    /// Latency, bandwidth, rates.
    pub(crate) shaper: Shaper,
    /// The books.
    pub(crate) stats: Stats,
}

/// A body that is what its request says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    /// In bytes.
    pub(crate) size: u64,
    /// CRC-32C of the content.
    pub(crate) crc32c: u32,
    /// S3's tag for it.
    pub(crate) etag: ETag,
}

/// A digest that the request promised and the content does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// Some checksum header or trailer.
    Checksum,
    /// `Content-MD5`.
    Md5,
}

impl Service {
    /// A service of these buckets. Content of unknown origin up to `md5_bytes_max` gets an MD5.
    pub(crate) fn new(buckets: HashMap<String, Bucket>, known: Known, shaper: Shaper, md5_bytes_max: usize) -> Self {
        let buckets = buckets.into_iter().map(|(name, bucket)| (name, Arc::new(Mutex::new(bucket)))).collect();
        let generations = AtomicU64::new(now_millis() * 1_000);
        Self { buckets: RwLock::new(buckets), known, generations, md5_bytes_max, shaper, stats: Stats::default() }
    }

    /// Questions of whoever measures: they are neither shaped nor counted.
    pub(crate) fn question(&self, request: &Request<'_>) -> Option<Reply> {
        match request.path {
            "/_stats" => Some(Reply::json(Operation::Other, 200, self.stats.report())),
            "/_compare" => {
                let bucket = |name| self.bucket(&request.param(name)?);
                let both = bucket("source").zip(bucket("target"));
                let text = both.map(|(source, target)| compare(&source, &target).to_string());
                Some(text.map_or(Reply::new(Operation::Other, 404), |text| Reply::json(Operation::Other, 200, text)))
            }
            _ => None,
        }
    }

    /// How a body is read.
    pub(crate) fn wanted(&self, dialect: Dialect, request: &Request<'_>) -> Wanted {
        let object = Wanted { keep_bytes_max: self.md5_bytes_max, digests: Digesting::Object };
        let document = Wanted { keep_bytes_max: DOCUMENT_BYTES_MAX, digests: Digesting::Document };
        let related = Wanted { keep_bytes_max: RELATED_BYTES_MAX, digests: Digesting::Document };
        match (dialect, request.method) {
            (Dialect::Gcs, _) if request.path.starts_with("/upload/") => match request.param("uploadType").as_deref() {
                Some("multipart") => related,
                // A chunk may come by POST as well: only the request without an id begins an upload.
                Some("resumable") if request.method == "POST" && !request.has("upload_id") => document,
                _ => object,
            },
            (Dialect::Gcs, _) if request.path.starts_with("/storage/v1/") => document,
            (_, "PUT") => object,
            _ => document,
        }
    }

    /// Answers a request whose body was read.
    pub(crate) fn answer(&self, dialect: Dialect, request: &Request<'_>, body: Body) -> Reply {
        match dialect {
            Dialect::Gcs if gcs::is_json(request.path) => gcs::answer(self, request, body),
            _ => s3::answer(self, dialect, request, body),
        }
    }

    /// The answer to a request that came too fast.
    pub(crate) fn too_fast(&self, dialect: Dialect) -> Reply {
        match dialect {
            Dialect::S3 => s3::too_fast(),
            Dialect::Gcs => gcs::too_fast(),
        }
    }

    /// A bucket.
    pub(crate) fn bucket(&self, name: &str) -> Option<Arc<Mutex<Bucket>>> {
        self.buckets.read().expect("no thread panics with it").get(name).cloned()
    }

    /// Makes an empty bucket, if there is none of this name.
    pub(crate) fn make_bucket(&self, name: &str) {
        self.buckets.write().expect("no thread panics with it").entry(name.to_owned()).or_default();
    }

    /// The names of all buckets, sorted.
    pub(crate) fn bucket_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.buckets.read().expect("no thread panics with it").keys().cloned().collect();
        names.sort();
        names
    }

    /// A generation that no object has had.
    fn generation(&self) -> u64 {
        self.generations.fetch_add(1, Relaxed)
    }

    /// An object whose bytes have just come.
    pub(crate) fn object(&self, arrived: Arrived, metadata: Option<Arc<Metadata>>) -> Object {
        let Arrived { size, crc32c, etag } = arrived;
        Object { size, etag, crc32c, generation: self.generation(), modified: now_millis(), content: None, metadata }
    }

    /// A copy of an object.
    pub(crate) fn copy_of(&self, original: &Object, metadata: Option<Arc<Metadata>>) -> Object {
        Object { generation: self.generation(), modified: now_millis(), metadata, ..original.clone() }
    }

    /// Compares a body with everything that its request promised, and names it.
    pub(crate) fn verify(&self, request: &Request<'_>, body: &Body) -> Result<Arrived, Mismatch> {
        if let Some(promised) = body.promised(request, "x-amz-checksum-crc32c")
            && crc32c_of(&promised) != Some(body.crc32c)
        {
            return Err(Mismatch::Checksum);
        }
        if let Some((name, computed)) = &body.other
            && body.promised(request, name).is_some_and(|promised| promised.trim() != computed)
        {
            return Err(Mismatch::Checksum);
        }
        let hashes = request.headers_with("x-goog-hash").flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>());
        let mut promised_md5 = request.header("content-md5").map(str::to_owned);
        for hash in hashes {
            match hash.trim().split_once('=') {
                Some(("crc32c", promised)) if crc32c_of(promised) != Some(body.crc32c) => return Err(Mismatch::Checksum),
                Some(("md5", promised)) => promised_md5 = Some(promised.to_owned()),
                _ => {}
            }
        }
        self.name(body.size, body.crc32c, body.kept.as_deref(), promised_md5.as_deref())
    }

    /// Finds the MD5 of content: known, computed where it is small, or else believed; and compares it with what was promised.
    pub(crate) fn name(&self, size: u64, crc32c: u32, kept: Option<&[u8]>, promised_md5: Option<&str>) -> Result<Arrived, Mismatch> {
        let small = || kept.filter(|bytes| bytes.len() <= self.md5_bytes_max).map(|bytes| Md5::digest(bytes).into());
        let own = self.known.md5(size, crc32c).or_else(small);
        let md5 = match (own, promised_md5) {
            (Some(own), Some(promised)) if md5_of(promised) != Some(own) => return Err(Mismatch::Md5),
            (Some(own), _) => Some(own),
            (None, Some(promised)) => Some(md5_of(promised).ok_or(Mismatch::Md5)?),
            (None, None) => None,
        };
        let etag = md5.map_or_else(|| ETag::made_up(crc32c, 1), ETag::of_md5);
        Ok(Arrived { size, crc32c, etag })
    }
}

/// What a target holds of a source, by size and by the CRC-32C that this server computed itself.
fn compare(source: &Arc<Mutex<Bucket>>, target: &Arc<Mutex<Bucket>>) -> serde_json::Value {
    if Arc::ptr_eq(source, target) {
        return serde_json::json!({ "error": "source and target are one" });
    }
    let (source, target) = (locked(source), locked(target));
    let (mut sources, mut targets) = (source.walk(Bound::Unbounded), target.walk(Bound::Unbounded));
    let (mut key, mut other) = (Vec::new(), Vec::new());
    let (mut equal, mut different, mut missing, mut extra, mut bytes) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    let (mut left, mut right) = (sources.next(&mut key), targets.next(&mut other));
    loop {
        let order = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), Some(_)) => key.cmp(&other),
        };
        match (order, &left, &right) {
            (Ordering::Equal, Some(one), Some(two)) if (one.size, one.crc32c) == (two.size, two.crc32c) => {
                equal += 1;
                bytes += one.size;
            }
            (Ordering::Equal, ..) => different += 1,
            (Ordering::Less, ..) => missing += 1,
            (Ordering::Greater, ..) => extra += 1,
        }
        if order != Ordering::Greater {
            left = sources.next(&mut key);
        }
        if order != Ordering::Less {
            right = targets.next(&mut other);
        }
    }
    serde_json::json!({ "equal": equal, "equal_bytes": bytes, "different": different, "missing": missing, "extra": extra })
}

/// Locks a bucket for one request.
pub(crate) fn locked(bucket: &Mutex<Bucket>) -> MutexGuard<'_, Bucket> {
    bucket.lock().expect("no thread panics with it")
}

/// What the headers of a write tell about its object; `prefix` is `x-amz-` or `x-goog-`.
pub(crate) fn metadata_of(request: &Request<'_>, prefix: &str) -> Option<Arc<Metadata>> {
    let plain = PLAIN.iter().filter_map(|name| {
        let value = request.header(name)?;
        // `aws-chunked` says how the body travels, not what the object is.
        let kept: Vec<&str> = value.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
        let value = if *name == "content-encoding" { kept.join(",") } else { value.to_owned() };
        (!value.is_empty()).then_some((*name, value))
    });
    let metadata = Metadata {
        plain: plain.collect(),
        user: request.headers_with(&format!("{prefix}meta-")).collect(),
        class: request.header(&format!("{prefix}storage-class")).map(str::to_owned),
    };
    (metadata != Metadata::default()).then(|| Arc::new(metadata))
}
