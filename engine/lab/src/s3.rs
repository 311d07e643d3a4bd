//! The embedded S3 server: Amazon S3's REST interface over a [`World`], for clients that must not tell it from the real one.
//!
//! `s3s` verifies signatures (headers, presigned URLs, signed and unsigned chunks with trailers) and decodes chunked bodies.
//! Everything behind that is ours, through its custom route: its own operation layer carries neither conditional batch deletes nor
//! checksum types as S3 does, and keys must arrive byte for byte. Only loopback, only path style, no TLS.

mod batch;
mod buckets;
mod copies;
mod failure;
mod headers;
mod listings;
mod locks;
mod objects;
mod request;
mod target;
#[cfg(test)]
mod tests;
mod uploads;
pub(crate) mod xml;

use crate::door::{Caller, ConnectionCut, Counters, Door, DoorBody, Entry, Passage};
use crate::server::Server;
use crate::world::World;
use failure::Failure;
use http::{Extensions, HeaderMap, Method, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use request::{Answer, Request};
use s3s::auth::{S3Auth, SecretKey};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use target::{Target, Verb};

/// Whether requests without a signature are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// They are denied.
    #[default]
    Refused,
    /// They may do everything.
    Allowed,
}

/// How the server is started.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// 0 takes a free port.
    pub port: u16,
    /// An access key that may do everything.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Other access keys that may do everything as well, with their secrets: the log tells who used which.
    pub others: Vec<(String, String)>,
    /// The region that signatures must name.
    pub region: String,
    /// Requests without a signature.
    pub anonymous: Anonymous,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            port: 0,
            access_key: "LABACCESSKEY".to_owned(),
            secret_key: "lab-secret-key".to_owned(),
            others: Vec::new(),
            region: "us-east-1".to_owned(),
            anonymous: Anonymous::Refused,
        }
    }
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct S3Server {
    server: Server,
    door: Door,
    options: S3Options,
}

impl S3Server {
    /// Starts on loopback.
    ///
    /// # Errors
    /// Those of binding the port.
    pub async fn start(world: Arc<World>, options: S3Options) -> io::Result<Self> {
        let door = Door::new(world);
        let front = Arc::new(Front { service: signature_layer(&options), door: door.clone() });
        let service = service_fn(move |request| {
            let front = Arc::clone(&front);
            async move { front.serve(request).await }
        });
        Ok(Self { server: Server::start(options.port, service).await?, door, options })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it was started with; the port is that of the request, see [`S3Server::url`] for the real one.
    pub fn options(&self) -> &S3Options {
        &self.options
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// The world it serves.
    pub fn world(&self) -> &Arc<World> {
        self.door.world()
    }

    /// Counts of the requests that this server received.
    pub fn requests(&self) -> &Arc<Counters> {
        self.door.requests()
    }

    /// Closes the listener and every connection.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

fn signature_layer(options: &S3Options) -> S3Service {
    let mut builder = S3ServiceBuilder::new(NoOperations);
    let all = options.others.iter().cloned().chain([(options.access_key.clone(), options.secret_key.clone())]);
    builder.set_auth(Keys(all.map(|(access_key, secret)| (access_key, SecretKey::from(secret))).collect()));
    builder.set_route(Operations { region: options.region.as_str().into(), anonymous: options.anonymous });
    builder.build()
}

/// What stands before the signature layer: the door.
struct Front {
    service: S3Service,
    door: Door,
}

impl Front {
    async fn serve(&self, mut request: http::Request<Incoming>) -> Result<Response<DoorBody<Body>>, ConnectionCut> {
        let _under_way = self.door.requests().begin();
        let target = Target::of(request.method(), request.uri(), request.headers());
        let door = self.door.opened_by(caller(request.headers()));
        let entered = door.enter(target.verb.op(), &target.bucket, target.door_key()).await;
        let passage = match entered {
            Entry::Through(passage) => passage,
            Entry::Cut(cut) => return Err(cut),
            Entry::Refused(refusal) => {
                drain(request.body_mut()).await;
                return Ok(door.answer(Failure::from(refusal).response()));
            }
        };
        let extensions = request.extensions_mut();
        extensions.insert(target);
        extensions.insert(passage.clone());
        extensions.insert(door);
        let mut response = match self.service.call(request.map(Body::from)).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(?error, "the signature layer failed");
                return Err(ConnectionCut);
            }
        };
        headers::set_named(response.headers_mut(), "x-amz-request-id", "LAB");
        passage.leave(response)
    }
}

/// Who a request says it is from; whether that is true is checked behind the door.
fn caller(headers: &HeaderMap) -> Caller {
    let signature = headers::text(headers, "authorization");
    let credential = signature.as_deref().and_then(|text| text.split_once("Credential=")).and_then(|(_, rest)| rest.split_once('/'));
    let copies = headers::text(headers, copies::SOURCE).and_then(|text| copies::named(&text));
    Caller { access_key: credential.map(|(key, _)| key.to_owned()), copies: copies.map(|named| (named.bucket, named.key)) }
}

/// Reads a body to its end, so that an early answer reaches a client that is still sending.
async fn drain<B: http_body::Body + Unpin>(body: &mut B) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// The operation layer of `s3s` is never reached.
struct NoOperations;

impl S3 for NoOperations {}

/// The access keys that exist.
struct Keys(BTreeMap<String, SecretKey>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let unknown = || s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.");
        self.0.get(access_key).cloned().ok_or_else(unknown)
    }
}

/// All operations, behind the signature check.
struct Operations {
    region: Arc<str>,
    anonymous: Anonymous,
}

#[async_trait::async_trait]
impl S3Route for Operations {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        true
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        match (&request.credentials, self.anonymous) {
            (None, Anonymous::Refused) => Err(s3_error!(AccessDenied, "Access Denied")),
            _ => Ok(()),
        }
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        // The signature layer decodes chunked bodies of signed requests only: any other would be stored with its framing.
        let framed = request.headers.get("x-amz-content-sha256").is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"));
        let undecoded = framed && request.credentials.is_none();
        let wrong_region = request.region.as_ref().is_some_and(|region| region.as_str() != &*self.region);
        let mut request = self.unwrap(request).ok_or_else(|| s3_error!(InternalError, "the request lost its target"))?;
        let answer = match (wrong_region, undecoded) {
            (true, _) => Err(self.redirect()),
            (_, true) => Err(Failure::not_implemented("a chunked body without a signature")),
            _ => dispatch(&mut request).await,
        };
        let response = match answer {
            Ok(response) => response,
            Err(failure) => {
                drain(&mut request.body).await;
                failure.response()
            }
        };
        let (parts, output) = response.into_parts();
        Ok(S3Response { output, status: Some(parts.status), headers: parts.headers, extensions: Extensions::new() })
    }
}

impl Operations {
    fn unwrap(&self, mut request: S3Request<Body>) -> Option<Request> {
        Some(Request {
            target: request.extensions.remove::<Target>()?,
            passage: request.extensions.remove::<Passage>()?,
            door: request.extensions.remove::<Door>()?,
            region: Arc::clone(&self.region),
            headers: request.headers,
            body: request.input,
            trailers: request.trailing_headers,
        })
    }

    fn redirect(&self) -> Failure {
        let message = format!("The authorization header is malformed; the region is wrong; expecting '{}'", self.region);
        Failure::new(400, "AuthorizationHeaderMalformed", message)
            .header("x-amz-bucket-region", &self.region)
            .detail("Region", self.region.to_string())
    }
}

async fn dispatch(request: &mut Request) -> Answer {
    match request.target.verb {
        Verb::ListBuckets => buckets::list(request),
        Verb::HeadBucket => buckets::head(request),
        Verb::CreateBucket => buckets::create(request).await,
        Verb::DeleteBucket => buckets::delete(request),
        Verb::GetBucketLocation => buckets::location(request),
        Verb::GetBucketVersioning => buckets::versioning(request),
        Verb::PutBucketVersioning => buckets::put_versioning(request).await,
        Verb::ListObjects => listings::version_1(request),
        Verb::ListObjectsV2 => listings::version_2(request),
        Verb::ListObjectVersions => listings::versions(request),
        Verb::ListMultipartUploads => uploads::list_uploads(request),
        Verb::DeleteObjects => batch::delete_objects(request).await,
        Verb::GetObject => objects::get(request, objects::Wanted::Bytes),
        Verb::HeadObject => objects::get(request, objects::Wanted::HeadersOnly),
        Verb::PutObject => objects::put(request).await,
        Verb::CopyObject => copies::copy(request).await,
        Verb::DeleteObject => objects::delete(request),
        Verb::CreateMultipartUpload => uploads::create(request),
        Verb::UploadPart => uploads::put_part(request).await,
        Verb::UploadPartCopy => copies::copy_part(request).await,
        Verb::CompleteMultipartUpload => uploads::complete(request).await,
        Verb::AbortMultipartUpload => uploads::abort(request),
        Verb::ListParts => uploads::list_parts(request),
        Verb::GetObjectTagging => buckets::tagging(request),
        Verb::PutObjectTagging => buckets::put_tagging(request).await,
        Verb::DeleteObjectTagging => buckets::delete_tagging(request),
        Verb::GetObjectAttributes => buckets::attributes(request),
        Verb::GetObjectLegalHold => locks::legal_hold(request),
        Verb::PutObjectLegalHold => locks::put_legal_hold(request).await,
        Verb::GetObjectRetention => locks::retention(request),
        Verb::PutObjectRetention => locks::put_retention(request).await,
        Verb::Unknown => Err(Failure::not_implemented("A header or query you provided implies functionality that")),
    }
}
