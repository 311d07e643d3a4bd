//! From a raw path to what is meant: segments are split before they are decoded, so `%2F` stays inside its name.

use super::failure::{Dialect, Failure};
use super::names::decode;
use super::wire::{Answer, Call};
use super::{Inside, Shared, buckets, copy, edit, insert, list, read, resumable, xml};
use crate::fault::Op;
use http::Method;
use std::borrow::Cow;

/// The prefix of the JSON interface.
const JSON: &str = "/storage/v1/";

/// An object's name and bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) bucket: String,
    pub(super) key: Vec<u8>,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Batch,
    Buckets,
    Bucket(String),
    Permissions(String),
    Objects(String),
    Object(Named),
    /// `/download/...`, or `alt=media`.
    Media(Named),
    Upload(String),
    Session {
        id: String,
    },
    Compose(Named),
    Rewrite(Named, Named),
    CopyTo(Named, Named),
    Move(Named, Vec<u8>),
    XmlService,
    XmlBucket(String),
    XmlObject(Named),
    Unknown,
}

impl Route {
    pub(super) fn of(call: &Call) -> Self {
        let path = call.path.as_str();
        if path == "/batch" || path.starts_with("/batch/storage/v1") {
            return Self::Batch;
        }
        if let Some(rest) = path.strip_prefix(JSON) {
            return json(rest, call.query.text("alt") == Some("media"));
        }
        if let Some(rest) = path.strip_prefix("/download").and_then(|path| path.strip_prefix(JSON)) {
            return json(rest, call.query.text("alt") != Some("json"));
        }
        let upload = path.strip_prefix("/resumable").unwrap_or(path).strip_prefix("/upload");
        if let Some(rest) = upload.and_then(|path| path.strip_prefix(JSON)) {
            return match (call.query.text("upload_id"), json(rest, false)) {
                (Some(id), Self::Objects(_)) => Self::Session { id: id.to_owned() },
                (None, Self::Objects(bucket)) => Self::Upload(bucket),
                _ => Self::Unknown,
            };
        }
        match path.strip_prefix('/').unwrap_or(path).split_once('/') {
            _ if path == "/" || path == "*" => Self::XmlService,
            None => Self::XmlBucket(text(&path[1..])),
            Some((bucket, "")) => Self::XmlBucket(text(bucket)),
            Some((bucket, key)) => Self::XmlObject(Named { bucket: text(bucket), key: decode(key) }),
        }
    }

    pub(super) fn dialect(&self, call: &Call) -> Dialect {
        match self {
            Self::XmlService | Self::XmlBucket(_) | Self::XmlObject(_) => Dialect::Xml,
            Self::Media(_) if call.method == Method::GET => Dialect::Media,
            _ => Dialect::Json,
        }
    }

    /// The kind of operation, for counters and faults.
    pub(super) fn op(&self, call: &Call) -> Op {
        match self {
            Self::Batch | Self::Unknown | Self::XmlService => Op::Other,
            Self::Buckets | Self::Bucket(_) | Self::Permissions(_) => Op::Bucket,
            Self::Objects(_) if call.query.is_true("versions") => Op::ListVersions,
            Self::Objects(_) => Op::List,
            Self::Object(_) | Self::Media(_) if call.method == Method::DELETE => Op::Delete,
            Self::Object(_) | Self::Media(_) if call.method != Method::GET => Op::Patch,
            Self::Object(_) => Op::Head,
            Self::Media(_) => Op::Get,
            Self::Upload(_) if call.query.text("uploadType") == Some("resumable") => Op::ResumableStart,
            Self::Upload(_) => Op::Put,
            Self::Session { .. } => resumable::op(call),
            Self::Compose(_) => Op::Compose,
            Self::Rewrite(..) | Self::CopyTo(..) => Op::Copy,
            Self::Move(..) => Op::Move,
            Self::XmlBucket(_) => xml::bucket_op(call),
            Self::XmlObject(_) => xml::object_op(call),
        }
    }

    /// Bucket and key, for counters and faults: the key of what is written, and the prefix of a listing.
    pub(super) fn subject(&self, shared: &Shared, call: &Call) -> (String, Vec<u8>) {
        match self {
            Self::Batch | Self::Buckets | Self::Unknown | Self::XmlService => (String::new(), Vec::new()),
            Self::Bucket(bucket) | Self::Permissions(bucket) => (bucket.clone(), Vec::new()),
            Self::Objects(bucket) | Self::XmlBucket(bucket) => (bucket.clone(), call.query.bytes("prefix").unwrap_or_default().to_vec()),
            Self::Upload(bucket) => (bucket.clone(), call.query.bytes("name").unwrap_or_default().to_vec()),
            Self::Session { id } => shared.sessions.subject(id),
            Self::Object(named) | Self::Media(named) | Self::Compose(named) | Self::XmlObject(named) => {
                (named.bucket.clone(), named.key.clone())
            }
            Self::Rewrite(_, target) | Self::CopyTo(_, target) => (target.bucket.clone(), target.key.clone()),
            Self::Move(source, target) => (source.bucket.clone(), target.clone()),
        }
    }

    pub(super) async fn handle(&self, inside: &mut Inside<'_>) -> Result<Answer, Failure> {
        match self {
            Self::Batch => Err(Failure::invalid("A batch cannot hold a batch.")),
            Self::Unknown => Err(Failure::not_found("Not Found")),
            Self::Buckets => buckets::all(inside).await,
            Self::Bucket(bucket) => buckets::one(inside, bucket).await,
            Self::Permissions(_) => Ok(buckets::permissions(inside)),
            Self::Objects(bucket) if inside.call.method == Method::GET => list::page(inside, bucket),
            Self::Objects(_) => Err(Failure::invalid("Uploads must be sent to the upload URL.")),
            Self::Object(named) | Self::Media(named) => match inside.call.method.as_str() {
                "GET" if matches!(self, Self::Media(_)) => read::media(inside, named),
                "GET" => read::metadata(inside, named),
                "DELETE" => edit::delete(inside, named),
                "PATCH" => edit::patch(inside, named).await,
                "PUT" => edit::update(inside, named).await,
                _ => Err(Failure::new(405, "methodNotAllowed", "MethodNotAllowed", "Method not allowed.")),
            },
            Self::Upload(bucket) => insert::insert(inside, bucket).await,
            Self::Session { id } => resumable::session(inside, id).await,
            Self::Compose(named) => copy::compose(inside, named).await,
            Self::Rewrite(source, target) => copy::rewrite(inside, source, target).await,
            Self::CopyTo(source, target) => copy::copy_to(inside, source, target).await,
            Self::Move(source, target) => copy::move_to(inside, source, target),
            Self::XmlService => Err(Failure::unsupported("The list of buckets in XML")),
            Self::XmlBucket(bucket) => Box::pin(xml::bucket(inside, bucket)).await,
            Self::XmlObject(named) => Box::pin(xml::object(inside, named)).await,
        }
    }
}

fn json(rest: &str, media: bool) -> Route {
    let named = |bucket: &str, key: &str| Named { bucket: text(bucket), key: decode(key) };
    let segments: Vec<&str> = rest.split('/').collect();
    match segments.as_slice() {
        ["b"] | ["b", ""] => Route::Buckets,
        ["b", bucket] | ["b", bucket, ""] => Route::Bucket(text(bucket)),
        ["b", bucket, "iam", "testPermissions"] => Route::Permissions(text(bucket)),
        ["b", bucket, "o"] | ["b", bucket, "o", ""] => Route::Objects(text(bucket)),
        ["b", bucket, "o", key] if media => Route::Media(named(bucket, key)),
        ["b", bucket, "o", key] => Route::Object(named(bucket, key)),
        ["b", bucket, "o", key, "compose"] => Route::Compose(named(bucket, key)),
        ["b", bucket, "o", key, "rewriteTo", "b", other, "o", target] => Route::Rewrite(named(bucket, key), named(other, target)),
        ["b", bucket, "o", key, "copyTo", "b", other, "o", target] => Route::CopyTo(named(bucket, key), named(other, target)),
        ["b", bucket, "o", key, "moveTo", "o", target] => Route::Move(named(bucket, key), decode(target)),
        _ => Route::Unknown,
    }
}

fn text(segment: &str) -> String {
    let decoded = decode(segment);
    String::from_utf8_lossy(&decoded).into_owned()
}

/// A name for messages.
pub(super) fn shown(key: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(key)
}
