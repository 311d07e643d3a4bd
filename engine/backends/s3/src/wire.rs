//! One signed request of the lean engine: put together, sent once, its failure told.

use std::borrow::Cow;
use std::time::Duration;

use brigade_core::ErrorKind;
use brigade_http::{Body, Response, StallTimeout, uri};
use brigade_store::StoreError;
use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request};

use crate::connection::{Connection, Link};
use crate::credentials::{self, Snapshot};
use crate::errors::{Answer, ERROR_BODY_BYTES_MAX, Effects, Outcome, transport};
use crate::sign::{EMPTY_SHA256, Subject, UNSIGNED_PAYLOAD, sha256_hex};

/// What this engine calls itself.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("brigade/", env!("CARGO_PKG_VERSION")));

/// A request, before it is signed.
pub(crate) struct Call<'a> {
    /// `GetObject`, for messages.
    pub(crate) operation: &'static str,
    /// Whether it may take effect without an answer.
    pub(crate) effects: Effects,
    /// The method.
    pub(crate) method: Method,
    /// The full key; `None` for the bucket.
    pub(crate) key: Option<&'a str>,
    /// Names in byte order, as the signature wants them.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// Headers beside those of the signature.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Body,
}

/// Sends a request; any status of 300 or more is a failure.
pub(crate) async fn send(connection: &Connection, link: &Link, call: Call<'_>) -> Outcome<Response> {
    send_with(connection, link, call, None).await
}

/// The same, where the server may be silent for so long while it works.
pub(crate) async fn send_patiently(connection: &Connection, link: &Link, call: Call<'_>, silence_max: Duration) -> Outcome<Response> {
    send_with(connection, link, call, Some(StallTimeout(silence_max))).await
}

async fn send_with(connection: &Connection, link: &Link, call: Call<'_>, patience: Option<StallTimeout>) -> Outcome<Response> {
    let Call { operation, effects, .. } = call;
    let is_head = call.method == Method::HEAD;
    let snapshot = match &connection.credentials {
        Some(credentials) => Some(credentials.get().await.map_err(|error| credentials::store_error(&error))?),
        None => None,
    };
    let mut request = build(connection, link, snapshot.as_deref(), call)?;
    if let Some(patience) = patience {
        request.extensions_mut().insert(patience);
    }
    let response = connection.transport.send(request).await.map_err(|error| transport(operation, effects, &error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let (status, headers, body) = response.into_parts();
    // The status says enough where the body does not arrive.
    let body = if is_head { Bytes::new() } else { body.into_bytes(ERROR_BODY_BYTES_MAX).await.unwrap_or_default() };
    Err(Answer { operation, effects, status: status.as_u16(), headers: &headers, body: &body }.failure())
}

fn build(connection: &Connection, link: &Link, credentials: Option<&Snapshot>, call: Call<'_>) -> Outcome<Request<Body>> {
    let Call { operation, method, key, query, mut headers, body, .. } = call;
    let invalid = |reason: &dyn std::fmt::Display| StoreError::new(ErrorKind::Invalid, format!("{operation}: {reason}"));
    let path = link.endpoint.path(key);
    let query = uri::encode_pairs(query.iter().copied());
    headers.insert(HOST, link.host.clone());
    headers.insert(USER_AGENT, AGENT);
    if let Some(credentials) = credentials {
        let payload = payload(connection, link, &body);
        let subject = Subject { method: method.as_str(), path: &path, query: &query, payload: &payload };
        link.signer.sign(&subject, &mut headers, credentials, connection.now());
    }
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    let uri = uri::absolute(link.endpoint.scheme.clone(), link.endpoint.authority.clone(), &target).map_err(|error| invalid(&error))?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

fn payload(connection: &Connection, link: &Link, body: &Body) -> Cow<'static, str> {
    match body {
        Body::Rope(rope) if rope.size() > 0 && connection.signs_payload(link) => {
            Cow::Owned(sha256_hex(rope.chunks().iter().map(|chunk| chunk.as_ref())))
        }
        Body::Rope(rope) if rope.size() > 0 => Cow::Borrowed(UNSIGNED_PAYLOAD),
        _ => Cow::Borrowed(EMPTY_SHA256),
    }
}
