//! The JSON API of GCS. Tokens are never looked at.

mod batch;
mod edit;
mod insert;
mod list;
mod resource;
mod resumable;

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::bucket::Bucket;
use crate::object::Object;
use crate::s3::range;
use crate::service::{Mismatch, Service, locked};
use crate::stats::Operation;
use crate::wire::body::Body;
use crate::wire::reply::{Content, Reply};
use crate::wire::request::{Plus, Request, decoded};
use resource::Fields;

/// A refusal: status, reason, message.
struct Refusal(u16, &'static str, &'static str);

const NO_OBJECT: Refusal = Refusal(404, "notFound", "No such object");
const NO_BUCKET: Refusal = Refusal(404, "notFound", "The specified bucket does not exist.");
const NO_UPLOAD: Refusal = Refusal(404, "notFound", "No such upload");
const CONDITION: Refusal = Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
const BAD_REQUEST: Refusal = Refusal(400, "invalid", "The request cannot be understood.");
const NOT_IMPLEMENTED: Refusal = Refusal(501, "notImplemented", "This server does not do that.");

impl Refusal {
    fn reply(&self, operation: Operation) -> Reply {
        let Self(status, reason, message) = self;
        let errors = [json!({ "message": message, "domain": "global", "reason": reason })];
        Reply::json(operation, *status, json!({ "error": { "code": status, "message": message, "errors": errors } }).to_string())
    }
}

impl From<Mismatch> for Refusal {
    fn from(mismatch: Mismatch) -> Self {
        Self(
            400,
            "invalid",
            match mismatch {
                Mismatch::Checksum => "Provided CRC32C doesn't match calculated CRC32C.",
                Mismatch::Md5 => "Provided MD5 hash doesn't match calculated MD5 hash.",
            },
        )
    }
}

/// The answer of an operation, or why there is none.
type Outcome = Result<Reply, Refusal>;

/// Whether a path belongs to the JSON API; all others are of the XML API.
pub(crate) fn is_json(path: &str) -> bool {
    ["/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/", "/batch/"].iter().any(|start| path.starts_with(start))
        || path == "/batch"
}

/// Answers a request that came too fast.
pub(crate) fn too_fast() -> Reply {
    Refusal(429, "rateLimitExceeded", "The rate of requests is too high. Please slow down.").reply(Operation::Other)
}

/// One request about a bucket, taken apart.
struct Call<'a> {
    service: &'a Service,
    request: &'a Request<'a>,
    bucket_name: String,
    bucket: Arc<Mutex<Bucket>>,
    body: Body,
}

/// Answers a request.
pub(crate) fn answer(service: &Service, request: &Request<'_>, body: Body) -> Reply {
    if request.path.starts_with("/batch") {
        return batch::answer(service, request, &body);
    }
    let path = ["/upload", "/download"].iter().find_map(|start| request.path.strip_prefix(start)).unwrap_or(request.path);
    let rest = path.strip_prefix("/storage/v1/b").unwrap_or_default();
    let mut segments = rest.trim_start_matches('/').split('/');
    let bucket_name = decoded(segments.next().unwrap_or_default(), Plus::IsPlus).into_owned();
    if bucket_name.is_empty() {
        return buckets(service, request, &body);
    }
    let Some(bucket) = service.bucket(&bucket_name) else { return NO_BUCKET.reply(Operation::Other) };
    let call = Call { service, request, bucket_name, bucket, body };
    let segments: Vec<&str> = segments.collect();
    let (operation, outcome) = call.route(&segments);
    outcome.unwrap_or_else(|refusal| refusal.reply(operation))
}

fn buckets(service: &Service, request: &Request<'_>, body: &Body) -> Reply {
    if request.method == "POST" {
        let new: serde_json::Value = serde_json::from_str(body.text()).unwrap_or_default();
        let Some(name) = new["name"].as_str() else { return BAD_REQUEST.reply(Operation::Other) };
        service.make_bucket(name);
        return Reply::json(Operation::Other, 200, bucket_resource(name).to_string());
    }
    let items: Vec<serde_json::Value> = service.bucket_names().iter().map(|name| bucket_resource(name)).collect();
    Reply::json(Operation::Other, 200, json!({ "kind": "storage#buckets", "items": items }).to_string())
}

fn bucket_resource(name: &str) -> serde_json::Value {
    json!({
        "kind": "storage#bucket", "id": name, "name": name, "location": "US", "storageClass": "STANDARD", "metageneration": "1",
        "timeCreated": "2026-10-01T00:00:00.000Z", "iamConfiguration": { "uniformBucketLevelAccess": { "enabled": true } },
    })
}

impl Call<'_> {
    fn route(&self, segments: &[&str]) -> (Operation, Outcome) {
        let request = self.request;
        if request.path.starts_with("/upload/") {
            return self.route_upload();
        }
        let media = request.param("alt").as_deref() == Some("media") || request.path.starts_with("/download/");
        match (request.method, segments) {
            ("GET", []) => (Operation::Other, Ok(Reply::json(Operation::Other, 200, bucket_resource(&self.bucket_name).to_string()))),
            ("GET", ["o"]) => (Operation::List, self.list()),
            ("GET", ["o", name]) if media => (Operation::Get, self.media(&decoded(name, Plus::IsPlus))),
            ("GET", ["o", name]) => (Operation::Head, self.head(&decoded(name, Plus::IsPlus))),
            ("PATCH" | "PUT", ["o", name]) => (Operation::Other, self.patch(&decoded(name, Plus::IsPlus))),
            ("DELETE", ["o", name]) => (Operation::Delete, self.delete(&decoded(name, Plus::IsPlus))),
            ("POST", ["o", name, "compose"]) => (Operation::Copy, self.compose(&decoded(name, Plus::IsPlus))),
            ("POST", ["o", from, "moveTo", "o", to]) => {
                (Operation::Copy, self.move_to(&decoded(from, Plus::IsPlus), &decoded(to, Plus::IsPlus)))
            }
            ("POST", ["o", from, how @ ("rewriteTo" | "copyTo"), "b", bucket, "o", to]) => {
                let (from, to) = (decoded(from, Plus::IsPlus), decoded(to, Plus::IsPlus));
                (Operation::Copy, self.copy(&from, &decoded(bucket, Plus::IsPlus), &to, how))
            }
            _ => (Operation::Other, Err(NOT_IMPLEMENTED)),
        }
    }

    fn route_upload(&self) -> (Operation, Outcome) {
        let kind = self.request.param("uploadType");
        match (self.request.method, kind.as_deref()) {
            ("DELETE", _) => (Operation::Abort, self.cancel_resumable()),
            (_, _) if self.request.has("upload_id") => (Operation::Part, self.push_resumable()),
            ("POST", Some("resumable")) => (Operation::Create, self.begin_resumable()),
            ("POST", Some("multipart")) => (Operation::Put, self.insert_related()),
            ("POST", Some("media") | None) => (Operation::Put, self.insert_media()),
            _ => (Operation::Other, Err(NOT_IMPLEMENTED)),
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.request.param(name)?.parse().ok()
    }

    /// The condition of a request, against what is there.
    fn condition(&self, current: Option<&Object>) -> Result<(), Refusal> {
        let generation = current.map_or(0, |object| object.generation);
        if self.number("ifGenerationMatch").is_some_and(|demanded| demanded != generation) {
            return Err(CONDITION);
        }
        if self.number("ifGenerationNotMatch").is_some_and(|unwanted| unwanted == generation) {
            return Err(CONDITION);
        }
        Ok(())
    }

    /// Looks at what is there only where the request asks for it.
    fn condition_of_write(&self, bucket: &Bucket, name: &str) -> Result<(), Refusal> {
        if self.request.has("ifGenerationMatch") || self.request.has("ifGenerationNotMatch") {
            return self.condition(bucket.get(name.as_bytes()).as_ref());
        }
        Ok(())
    }

    /// An object that is there, and under its condition.
    fn found(&self, name: &str) -> Result<Object, Refusal> {
        let object = locked(&self.bucket).get(name.as_bytes()).ok_or(NO_OBJECT)?;
        if self.number("generation").is_some_and(|generation| generation != object.generation) {
            return Err(NO_OBJECT);
        }
        self.condition(Some(&object))?;
        Ok(object)
    }

    fn fields(&self) -> Fields {
        Fields::of(self.request)
    }

    /// The resource of an object as an answer.
    fn resource(&self, operation: Operation, name: &str, object: &Object) -> Reply {
        let mut out = Vec::with_capacity(512);
        self.fields().write(&mut out, &self.bucket_name, name.as_bytes(), object);
        Reply::json(operation, 200, out)
    }

    fn head(&self, name: &str) -> Outcome {
        let object = self.found(name)?;
        Ok(self.resource(Operation::Head, name, &object))
    }

    fn media(&self, name: &str) -> Outcome {
        let object = self.found(name)?;
        let range =
            range(self.request, object.size).map_err(|()| Refusal(416, "requestedRangeNotSatisfiable", "Request range not satisfiable"))?;
        let (offset, size) = range.unwrap_or((0, object.size));
        let mut reply = Reply::new(Operation::Get, if range.is_some() { 206 } else { 200 })
            .with("Content-Type", "application/octet-stream")
            .with("x-goog-generation", object.generation)
            .with("x-goog-hash", format_args!("crc32c={}", crate::wire::body::crc32c_text(object.crc32c)));
        if range.is_some() {
            reply.add("Content-Range", format_args!("bytes {offset}-{}/{}", offset + size - 1, object.size));
        }
        reply.content = match object.content {
            _ if size == 0 => Content::Nothing(0),
            Some(class) => Content::Generated { class, offset, size },
            // The bytes of uploads are not kept.
            None => return Err(NOT_IMPLEMENTED),
        };
        Ok(reply)
    }

    fn delete(&self, name: &str) -> Outcome {
        let mut bucket = locked(&self.bucket);
        let object = bucket.get(name.as_bytes()).ok_or(NO_OBJECT)?;
        self.condition(Some(&object))?;
        bucket.remove(name.as_bytes());
        Ok(Reply::new(Operation::Delete, 204))
    }
}
