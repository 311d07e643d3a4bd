//! The XML interface: objects whole or by range, and multipart uploads.
//!
//! Source: Cloud Storage "XML API overview" and its reference. Here lies the trap that this server exists to show: a multipart
//! upload takes no preconditions, and a complete that names some overwrites in silence.

mod delete;
mod upload;

use super::failure::Failure;
use super::metadata::Described;
use super::resource::xml_etag;
use super::route::Named;
use super::wire::{Answer, Call};
use super::{Inside, conditions, digest::Announced, edit, names, read};
use crate::fault::Op;
use crate::s3::xml::Xml;
use crate::world::{NewObject, Object};
use http::{HeaderName, Method};
use std::sync::Arc;

/// What a call about a bucket does, for counters and faults.
pub(super) fn bucket_op(call: &Call) -> Op {
    match call.method {
        Method::POST if call.query.has("delete") => Op::DeleteBatch,
        Method::GET if call.query.has("uploads") => Op::ListUploads,
        Method::GET => Op::List,
        _ => Op::Bucket,
    }
}

/// What a call about an object does, for counters and faults.
pub(super) fn object_op(call: &Call) -> Op {
    let upload = call.query.has("uploadId");
    match call.method.as_str() {
        "GET" if upload => Op::ListParts,
        "GET" => Op::Get,
        "HEAD" => Op::Head,
        "PUT" if upload => Op::PutPart,
        "PUT" => Op::Put,
        "DELETE" if upload => Op::AbortUpload,
        "DELETE" => Op::Delete,
        "POST" if call.query.has("uploads") => Op::CreateUpload,
        "POST" if upload => Op::CompleteUpload,
        _ => Op::Other,
    }
}

/// A call about a bucket.
pub(super) async fn bucket(inside: &mut Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    check_headers(inside.call)?;
    match inside.call.method.as_str() {
        "HEAD" => {
            inside.world().versioning(bucket)?;
            Ok(Answer::empty(200))
        }
        "PUT" if inside.call.query.bytes("").is_none() => {
            names::check_bucket(bucket)?;
            inside.world().create_bucket(bucket)?;
            Ok(Answer::empty(200))
        }
        "DELETE" => {
            inside.world().delete_bucket(bucket)?;
            Ok(Answer::empty(204))
        }
        "GET" if inside.call.query.has("uploads") => upload::list_uploads(inside, bucket),
        "POST" if inside.call.query.has("delete") => delete::many(inside, bucket).await,
        _ => Err(Failure::unsupported("This call about a bucket in XML")),
    }
}

/// A call about an object.
pub(super) async fn object(inside: &mut Inside<'_>, named: &Named) -> Result<Answer, Failure> {
    check_headers(inside.call)?;
    let upload = inside.call.query.text("uploadId").map(str::to_owned);
    match (inside.call.method.as_str(), upload) {
        ("GET", Some(id)) => upload::list_parts(inside, named, &id),
        ("PUT", Some(id)) => upload::put_part(inside, named, &id).await,
        ("DELETE", Some(id)) => upload::abort(inside, named, &id),
        ("POST", Some(id)) => upload::complete(inside, named, &id).await,
        ("POST", None) if inside.call.query.has("uploads") => upload::create(inside, named),
        ("GET", None) => {
            let object = found(inside, named)?;
            Ok(with_metadata(read::content(inside, &object)?, &object))
        }
        ("HEAD", None) => {
            let object = found(inside, named)?;
            Ok(with_metadata(read::head(inside.call, &object), &object))
        }
        ("PUT", None) => put(inside, named).await,
        ("DELETE", None) => {
            let which = conditions::which(&inside.call.query, "generation")?;
            edit::remove(inside, named, which, conditions::from_goog_headers(inside.call)?)?;
            Ok(Answer::empty(204))
        }
        _ => Err(Failure::unsupported("This call about an object in XML")),
    }
}

/// Google refuses requests that mix its own extension headers with Amazon's.
fn check_headers(call: &Call) -> Result<(), Failure> {
    let has = |prefix: &str| call.headers.keys().find(|name| name.as_str().starts_with(prefix)).map(HeaderName::as_str);
    match (has("x-goog-"), has("x-amz-")) {
        (Some(_), Some(amazon)) => {
            let message = format!("Both x-goog- and x-amz- headers are given: {amazon}.");
            Err(Failure::new(400, "invalid", "ExcessHeaderValues", message))
        }
        _ => Ok(()),
    }
}

fn found(inside: &Inside<'_>, named: &Named) -> Result<Arc<Object>, Failure> {
    read::find(inside, named, conditions::from_goog_headers(inside.call)?, xml_etag)
}

fn with_metadata(mut answer: Answer, object: &Object) -> Answer {
    for (name, value) in &object.attributes.metadata {
        // What no header can be named stays out, as names with spaces or letters beyond ASCII.
        if let Ok(name) = HeaderName::from_bytes(format!("x-goog-meta-{name}").as_bytes()) {
            answer.add(name, value);
        }
    }
    answer.with("etag", quoted(&xml_etag(object)))
}

async fn put(inside: &mut Inside<'_>, named: &Named) -> Result<Answer, Failure> {
    if inside.call.header("x-goog-copy-source").is_some() || inside.call.query.has("compose") {
        return Err(Failure::unsupported("A copy or a compose in XML"));
    }
    names::check_object(&named.key)?;
    inside.world().versioning(&named.bucket)?;
    let described = Described::from_headers(inside.call)?;
    let announced = Announced::from_headers(inside.call)?;
    let conditions = inside.passage.conditions(conditions::from_goog_headers(inside.call)?);
    let world = Arc::clone(inside.world());
    let arrived = inside.call.content(&world, inside.passage.receiving(None)).await?;
    announced.check(&arrived, world.honours())?;
    let new = NewObject {
        attributes: Arc::new(described.attributes),
        holds: described.holds,
        ..NewObject::of(inside.passage.stored(arrived.content))
    };
    let object = world.put(&named.bucket, &named.key, new, &conditions)?;
    Ok(written(Answer::empty(200), &object))
}

/// The headers that say what was written.
fn written(answer: Answer, object: &Object) -> Answer {
    answer
        .with("etag", quoted(&xml_etag(object)))
        .with("x-goog-hash", read::hashes(object))
        .with("x-goog-generation", object.generation.to_string())
        .with("x-goog-metageneration", object.metageneration.to_string())
        .with("x-goog-stored-content-encoding", object.attributes.content_encoding.as_deref().unwrap_or("identity"))
        .with("x-goog-stored-content-length", object.size().to_string())
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// An error document.
pub(super) fn error_document(code: &str, message: &str) -> String {
    Xml::error(|xml| {
        xml.text("Code", code);
        xml.text("Message", message);
    })
}
