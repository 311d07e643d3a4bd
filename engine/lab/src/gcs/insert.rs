//! `storage.objects.insert`: media alone, metadata and media together, or the start of a resumable session.

use super::digest::Announced;
use super::failure::Failure;
use super::metadata::Described;
use super::wire::{Answer, parse_json};
use super::{Inside, conditions, mime, names, resumable};
use crate::world::{Arrived, Conditions, NewObject};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The largest `multipart` insert, bytes. Clients take a resumable session for large objects.
const MULTIPART_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Everything about an insert but its bytes.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) bucket: String,
    pub(super) key: Vec<u8>,
    pub(super) described: Described,
    pub(super) announced: Announced,
    pub(super) conditions: Conditions,
}

impl Planned {
    /// From the resource, the query and the headers of a call.
    pub(super) fn new(inside: &Inside<'_>, bucket: &str, resource: &Map<String, Value>) -> Result<Self, Failure> {
        let query = &inside.call.query;
        let named = resource.get("name").and_then(Value::as_str).map(str::as_bytes);
        let key = query.bytes("name").or(named).unwrap_or_default().to_vec();
        names::check_object(&key)?;
        let mut described = Described::from_json(resource)?;
        if let Some(encoding) = query.text("contentEncoding") {
            described.attributes.content_encoding = Some(encoding.to_owned());
        }
        let announced = Announced::from_json(resource)?.or(Announced::from_headers(inside.call)?);
        let conditions = inside.passage.conditions(conditions::from_query(query)?);
        // An unknown bucket is told before anything is sent.
        inside.world().versioning(bucket)?;
        Ok(Self { bucket: bucket.to_owned(), key, described, announced, conditions })
    }

    fn or_content_type(mut self, content_type: Option<String>) -> Self {
        let field = &mut self.described.attributes.content_type;
        *field = field.take().or(content_type);
        self
    }

    /// Publishes what has arrived, if it is what was announced and the conditions hold.
    pub(super) fn publish(&self, inside: &Inside<'_>, arrived: Arrived) -> Result<Answer, Failure> {
        self.announced.check(&arrived, inside.world().honours())?;
        let new = NewObject {
            attributes: Arc::new(self.described.attributes.clone()),
            holds: self.described.holds,
            ..NewObject::of(inside.passage.stored(arrived.content))
        };
        let object = inside.world().put(&self.bucket, &self.key, new, &self.conditions)?;
        inside.resource(&self.bucket, &self.key, &object)
    }
}

/// An insert of any upload type.
pub(super) async fn insert(inside: &mut Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    if inside.call.method != http::Method::POST && inside.call.method != http::Method::PUT {
        return Err(Failure::new(405, "methodNotAllowed", "MethodNotAllowed", "Method not allowed."));
    }
    match inside.call.query.text("uploadType") {
        Some("media") => media(inside, bucket).await,
        Some("multipart") => multipart(inside, bucket).await,
        Some("resumable") => resumable::start(inside, bucket).await,
        _ => Err(Failure::new(400, "badRequest", "InvalidArgument", "Bad Request: unknown upload type.")),
    }
}

async fn media(inside: &mut Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let content_type = inside.call.owned_header("content-type");
    let planned = Planned::new(inside, bucket, &Map::new())?.or_content_type(content_type);
    let world = Arc::clone(inside.world());
    let arrived = inside.call.content(&world, inside.passage.receiving(None)).await?;
    planned.publish(inside, arrived)
}

async fn multipart(inside: &mut Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let boundary = mime::boundary(inside.call.header("content-type").unwrap_or_default())?;
    let body = inside.call.body.collect(MULTIPART_BYTES_MAX).await?;
    let (metadata, media) = mime::pair(&body, &boundary)?;
    let resource = parse_json(&metadata.content)?;
    let planned = Planned::new(inside, bucket, &resource)?.or_content_type(media.header("content-type").map(str::to_owned));
    let mut intake = inside.world().intake(&[]);
    intake.push(media.content);
    let arrived = intake.finish();
    let mut receiving = inside.passage.receiving(None);
    receiving.name(&planned.key);
    receiving.push(arrived.content.size());
    receiving.whole(arrived.md5);
    planned.publish(inside, arrived)
}
