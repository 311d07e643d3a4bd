//! A request and an answer of the GCS server, apart from connections: what handlers read and what they give back.
//!
//! Paths and queries are kept as they were sent, because object names are bytes: nothing here normalises, and what cannot be
//! decoded is left as it is.

use super::failure::Failure;
use super::names::decode;
use crate::door::{Door, Receiving};
use crate::world::{Arrived, Body as Stored, Chunks, World, WorldError};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Map, Value};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The largest body of a JSON or XML call, bytes: metadata of one object, or 1,000 names of 1,024 bytes with their XML, fits.
pub(super) const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The parameters after `?`, decoded, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, Vec<u8>)>);

impl Query {
    pub(super) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (String::from_utf8_lossy(&decode(name)).into_owned(), decode(&value.replace('+', " ")))
        });
        Self(pairs.collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value of a repeated parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.bytes(name).is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(value) = self.bytes(name) else { return Ok(None) };
        let parsed = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        parsed.map(Some).ok_or_else(|| Failure::invalid(format!("Invalid value for: {name}")))
    }
}

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    /// `http://HOST:PORT` as the client calls this server.
    pub(super) origin: String,
    pub(super) body: Inbound,
}

impl Call {
    pub(super) fn new(door: &Door, request: Request<Incoming>) -> Self {
        let (parts, body) = request.into_parts();
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        Self {
            origin: format!("http://{host}"),
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            headers: parts.headers,
            body: Inbound::Wire(body, door.clone()),
        }
    }

    /// A header's value, when it is UTF-8.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    pub(super) fn owned_header(&self, name: &str) -> Option<String> {
        self.header(name).map(str::to_owned)
    }

    /// A header that is a number, as the preconditions of the XML interface are.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.header(name) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| Failure::invalid(format!("Invalid value for: {name}")))
    }

    /// The whole body; for documents.
    pub(super) async fn document(&mut self) -> Result<Bytes, Failure> {
        self.body.collect(DOCUMENT_BYTES_MAX).await
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(super) async fn json(&mut self) -> Result<Map<String, Value>, Failure> {
        let document = self.document().await?;
        parse_json(&document)
    }

    /// The body, digested and written down as it arrives.
    pub(super) async fn content(&mut self, world: &World, mut receiving: Receiving) -> Result<Arrived, Failure> {
        let mut intake = world.intake(&[]);
        while let Some(chunk) = self.body.next().await? {
            receiving.push(u64::try_from(chunk.len()).expect("a buffer's length fits in 64 bits"));
            intake.push(chunk);
        }
        let arrived = intake.finish();
        receiving.whole(arrived.md5);
        Ok(arrived)
    }
}

/// An absent resource is an empty one; Google's Go client writes it as `null`.
pub(super) fn parse_json(document: &[u8]) -> Result<Map<String, Value>, Failure> {
    if document.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let resource: Result<Option<Map<String, Value>>, _> = serde_json::from_slice(document);
    resource.map(Option::unwrap_or_default).map_err(|_| Failure::new(400, "parseError", "MalformedRequest", "Parse Error"))
}

/// The body of a request.
#[derive(Debug)]
pub(super) enum Inbound {
    /// As it comes from the connection; counted at the door.
    Wire(Incoming, Door),
    /// The body of a call inside a batch.
    Whole(Option<Bytes>),
}

impl Inbound {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let (body, door) = match self {
            Self::Whole(bytes) => return Ok(bytes.take().filter(|bytes| !bytes.is_empty())),
            Self::Wire(body, door) => (body, door),
        };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::new(400, "badRequest", "IncompleteBody", "The request body ended early."))?;
            if let Ok(chunk) = frame.into_data() {
                door.count_received(u64::try_from(chunk.len()).expect("a buffer's length fits in 64 bits"));
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// Everything, in one buffer.
    pub(super) async fn collect(&mut self, bytes_max: usize) -> Result<Bytes, Failure> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            if all.len() + chunk.len() > bytes_max {
                return Err(Failure::new(413, "uploadTooLarge", "EntityTooLarge", "The request body is too large."));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// Reads to the end and forgets it, so that an early refusal reaches a client that is still sending.
    pub(super) async fn drain(&mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Outbound,
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("handlers give valid status codes");
        Self { status, headers: HeaderMap::new(), body: Outbound::Whole(Bytes::new()) }
    }

    pub(super) fn bytes(status: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let mut answer = Self::empty(status);
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        answer.body = Outbound::Whole(bytes.into());
        answer
    }

    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::bytes(status, "application/json; charset=UTF-8", value.to_string())
    }

    pub(super) fn xml(status: u16, text: String) -> Self {
        Self::bytes(status, "application/xml; charset=UTF-8", text)
    }

    /// Adds a header; a value that no header can carry is left out.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.add(HeaderName::from_static(name), value);
        self
    }

    pub(super) fn add(&mut self, name: HeaderName, value: impl AsRef<[u8]>) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.headers.append(name, value);
        }
    }

    pub(super) fn add_length(&mut self, bytes: u64) {
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }

    pub(super) fn into_response(self) -> Response<Outbound> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Outbound {
    /// Bytes of announced length.
    Whole(Bytes),
    /// Bytes whose length is not announced, as after decompression on the way.
    Unannounced(Bytes),
    /// Stored bytes, chunk by chunk.
    Stored { chunks: Chunks, left: u64 },
}

impl Outbound {
    pub(super) fn stored(body: &Stored) -> Self {
        Self::Stored { chunks: body.chunks(), left: body.size() }
    }

    /// The bytes of a document; `None` for stored content, which no batch may ask for.
    pub(super) fn into_document(self) -> Option<Bytes> {
        match self {
            Self::Whole(bytes) | Self::Unannounced(bytes) => Some(bytes),
            Self::Stored { .. } => None,
        }
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = WorldError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WorldError>>> {
        let next = match self.get_mut() {
            Self::Whole(bytes) | Self::Unannounced(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()).map(Ok),
            Self::Stored { chunks, left } => chunks.next().inspect(|chunk| {
                let sent = chunk.as_ref().map_or(0, Bytes::len);
                *left -= u64::try_from(sent).expect("a buffer's length fits in 64 bits");
            }),
        };
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) | Self::Unannounced(bytes) => bytes.is_empty(),
            Self::Stored { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).expect("a buffer's length fits in 64 bits")),
            Self::Unannounced(_) => SizeHint::default(),
            Self::Stored { left, .. } => SizeHint::with_exact(*left),
        }
    }
}
