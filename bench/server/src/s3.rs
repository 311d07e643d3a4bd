//! The S3 protocol, and the XML API of GCS, which is the same in other words. Signatures are never looked at.

mod copy;
mod list;
mod read;
mod settings;
mod uploads;
mod write;
mod xml;

use std::sync::{Arc, Mutex};

use crate::bucket::Bucket;
use crate::object::Object;
use crate::service::{Dialect, Mismatch, Service, locked};
use crate::stats::Operation;
pub(crate) use read::range;

use crate::wire::body::Body;
use crate::wire::reply::{Content, Reply};
use crate::wire::request::{Plus, Request, decoded};

/// One request, taken apart.
struct Call<'a> {
    service: &'a Service,
    dialect: Dialect,
    request: &'a Request<'a>,
    bucket_name: &'a str,
    bucket: Arc<Mutex<Bucket>>,
    key: String,
    body: Body,
}

/// A refusal: status, code, message.
struct Refusal(u16, &'static str, &'static str);

const NO_KEY: Refusal = Refusal(404, "NoSuchKey", "The specified key does not exist.");
const NO_BUCKET: Refusal = Refusal(404, "NoSuchBucket", "The specified bucket does not exist");
const NO_UPLOAD: Refusal = Refusal(404, "NoSuchUpload", "The specified upload does not exist.");
const CONDITION: Refusal = Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
const BAD_DIGEST: Refusal = Refusal(400, "BadDigest", "The checksum you specified did not match the calculated checksum.");
const BAD_REQUEST: Refusal = Refusal(400, "InvalidRequest", "The request cannot be understood.");
const NOT_IMPLEMENTED: Refusal =
    Refusal(501, "NotImplemented", "A header or query you provided implies functionality that is not implemented.");

impl Refusal {
    fn reply(&self, operation: Operation) -> Reply {
        let Self(status, code, message) = self;
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>BENCH0000000000</RequestId></Error>"
        );
        Reply::xml(operation, *status, document.into_bytes())
    }
}

impl From<Mismatch> for Refusal {
    fn from(_: Mismatch) -> Self {
        BAD_DIGEST
    }
}

/// The answer of an operation, or why there is none.
type Outcome = Result<Reply, Refusal>;

/// Answers a request that came too fast.
pub(crate) fn too_fast() -> Reply {
    Refusal(503, "SlowDown", "Please reduce your request rate.").reply(Operation::Other)
}

/// Answers a request.
pub(crate) fn answer(service: &Service, dialect: Dialect, request: &Request<'_>, body: Body) -> Reply {
    let (bucket_name, key) = request.path[1..].split_once('/').unwrap_or((&request.path[1..], ""));
    let operation = operation(request, key);
    if bucket_name.is_empty() {
        return settings::buckets(service);
    }
    if key.is_empty() && request.method == "PUT" {
        service.make_bucket(bucket_name);
        return Reply::new(Operation::Other, 200);
    }
    let outcome = match service.bucket(bucket_name) {
        None => Err(NO_BUCKET),
        Some(bucket) => {
            let key = decoded(key, Plus::IsPlus).into_owned();
            let call = Call { service, dialect, request, bucket_name, bucket, key, body };
            if call.key.is_empty() { call.of_bucket(operation) } else { call.of_object(operation) }
        }
    };
    let reply = outcome.unwrap_or_else(|refusal| refusal.reply(operation));
    if request.method == "HEAD" { bodiless(reply) } else { reply }
}

/// HEAD tells the length of what it does not send, and an error has no document.
fn bodiless(mut reply: Reply) -> Reply {
    let size = if reply.status < 400 { reply.size() } else { 0 };
    reply.content = Content::Nothing(size);
    reply
}

fn operation(request: &Request<'_>, key: &str) -> Operation {
    let copies = request.header("x-amz-copy-source").is_some() || request.header("x-goog-copy-source").is_some();
    if key.is_empty() {
        return match request.method {
            "GET" if request.query.is_empty() || request.has("list-type") || is_plain_list(request) => Operation::List,
            "POST" if request.has("delete") => Operation::DeleteBatch,
            _ => Operation::Other,
        };
    }
    let (part, upload) = (request.has("partNumber"), request.has("uploadId"));
    match request.method {
        _ if ["tagging", "acl", "attributes", "retention", "legal-hold"].iter().any(|name| request.has(name)) => Operation::Other,
        "HEAD" => Operation::Head,
        "GET" if !upload => Operation::Get,
        "PUT" if part && upload && copies => Operation::PartCopy,
        "PUT" if part && upload => Operation::Part,
        "PUT" if copies => Operation::Copy,
        "PUT" => Operation::Put,
        "POST" if request.has("uploads") => Operation::Create,
        "POST" if upload => Operation::Complete,
        "DELETE" if upload => Operation::Abort,
        "DELETE" => Operation::Delete,
        _ => Operation::Other,
    }
}

/// ListObjects of the first version has no parameter of its own.
fn is_plain_list(request: &Request<'_>) -> bool {
    ["prefix", "marker", "delimiter", "max-keys", "encoding-type"].iter().any(|name| request.has(name)) && !request.has("uploads")
}

impl Call<'_> {
    fn of_bucket(&self, operation: Operation) -> Outcome {
        match (operation, self.request.method) {
            (Operation::List, _) => self.list(),
            (Operation::DeleteBatch, _) => self.delete_batch(),
            (_, "GET") if self.request.has("uploads") => self.list_uploads(),
            (_, "GET" | "HEAD") => self.setting(),
            (_, "DELETE") => Ok(Reply::new(Operation::Other, 204)),
            _ => Err(NOT_IMPLEMENTED),
        }
    }

    fn of_object(&self, operation: Operation) -> Outcome {
        match (operation, self.request.method) {
            (Operation::Head | Operation::Get, _) => self.read(operation),
            (Operation::Put, _) => self.put(),
            (Operation::Part, _) => self.put_part(),
            (Operation::Copy, _) => self.copy(),
            (Operation::PartCopy, _) => self.copy_part(),
            (Operation::Create, _) => self.create_upload(),
            (Operation::Complete, _) => self.complete_upload(),
            (Operation::Abort, _) => self.abort_upload(),
            (Operation::Delete, _) => self.delete(),
            (_, "GET") if self.request.has("uploadId") => self.list_parts(),
            _ => self.object_setting(),
        }
    }

    fn get(&self, key: &[u8]) -> Option<Object> {
        locked(&self.bucket).get(key)
    }

    /// The condition of a write or a delete, against what is there.
    fn condition(&self, current: Option<&Object>) -> Result<(), Refusal> {
        if let Some(wanted) = self.request.header("if-match") {
            let current = current.ok_or(NO_KEY)?;
            if !current.etag.is_named_by(wanted) {
                return Err(CONDITION);
            }
        }
        if let Some(unwanted) = self.request.header("if-none-match")
            && current.is_some_and(|object| object.etag.is_named_by(unwanted))
        {
            return Err(CONDITION);
        }
        let demanded = self.request.header("x-goog-if-generation-match").and_then(|text| text.parse::<u64>().ok());
        if self.dialect == Dialect::Gcs && demanded.is_some_and(|demanded| demanded != current.map_or(0, |object| object.generation)) {
            return Err(CONDITION);
        }
        Ok(())
    }

    /// `x-amz-` or `x-goog-`.
    fn prefix(&self) -> &'static str {
        match self.dialect {
            Dialect::S3 => "x-amz-",
            Dialect::Gcs => "x-goog-",
        }
    }
}
