//! One request: authorised, sent once, and judged.
//!
//! This is the only place that knows tokens and the transport. A refused token is replaced once; every other repetition
//! belongs to the engine.

use std::sync::Arc;
use std::time::SystemTime;

use brigade_core::ErrorKind;
use brigade_http::{Body, Response, StallTimeout, Transport, retry_after, uri};
use brigade_store::{Result, StoreError};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};

use crate::errors::{About, Access, Refusal, parse_error, protocol, refused};
use crate::limits::{ANSWER_BYTES_MAX, ERROR_BYTES_MAX, JOIN_SILENCE_MAX};
use crate::options::Endpoint;
use crate::token::TokenSource;

const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// A request before it is authorised.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    /// Path and query, encoded.
    target: String,
    headers: HeaderMap,
    body: Body,
    about: About,
    patience: Patience,
}

/// How long a server may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Usual,
    /// Joining the parts of a large object takes minutes, and so may copying one.
    Long,
}

impl Call {
    pub(crate) fn new(method: Method, target: String, about: About) -> Self {
        Self { method, target, headers: HeaderMap::new(), body: Body::Empty, about, patience: Patience::Usual }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: Vec<u8>) -> Self {
        self.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8")).body(body)
    }

    pub(crate) fn patient(mut self) -> Self {
        self.patience = Patience::Long;
        self
    }

    fn access(&self) -> Access {
        if self.method == Method::GET || self.method == Method::HEAD { Access::Reads } else { Access::Writes }
    }
}

/// Path and query from a path and named values; values are encoded here.
pub(crate) fn target(path: &str, query: &[(&str, &str)]) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", uri::encode_pairs(query.iter().copied())) }
}

/// Sends requests to one endpoint.
pub(crate) struct Client {
    transport: Transport,
    endpoint: Endpoint,
    tokens: Arc<dyn TokenSource>,
    user_project: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(transport: Transport, endpoint: Endpoint, tokens: Arc<dyn TokenSource>, user_project: Option<&str>) -> Result<Self> {
        let user_project = user_project.map(HeaderValue::try_from).transpose();
        let user_project = user_project.map_err(|_| StoreError::new(ErrorKind::Invalid, "the user project is no project id"))?;
        Ok(Self { transport, endpoint, tokens, user_project })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A good answer (2xx) with its body still to be read; anything else is an error of the table.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response> {
        let authorization = self.tokens.authorization().await?;
        let response = self.send(call, authorization.as_ref()).await?;
        let response = match authorization {
            Some(value) if response.status() == StatusCode::UNAUTHORIZED => {
                drop(response);
                self.tokens.refused(&value).await;
                let fresh = self.tokens.authorization().await?;
                self.send(call, fresh.as_ref()).await?
            }
            _ => response,
        };
        if response.status().is_success() { Ok(response) } else { Err(judge(response, call).await) }
    }

    /// A good answer whole, with its headers. Nothing larger than a resource is expected.
    pub(crate) async fn fetch(&self, call: &Call) -> Result<(HeaderMap, Bytes)> {
        self.fetch_up_to(call, ANSWER_BYTES_MAX).await
    }

    pub(crate) async fn fetch_up_to(&self, call: &Call, limit_bytes: u64) -> Result<(HeaderMap, Bytes)> {
        let response = self.open(call).await?;
        let (_, headers, body) = response.into_parts();
        Ok((headers, body.into_bytes(limit_bytes).await?))
    }

    async fn send(&self, call: &Call, authorization: Option<&HeaderValue>) -> Result<Response> {
        let Endpoint { scheme, authority } = self.endpoint.clone();
        let mut request = Request::new(call.body.clone());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri::absolute(scheme, authority, &call.target)?;
        let headers = request.headers_mut();
        *headers = call.headers.clone();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("brigade/", env!("CARGO_PKG_VERSION"))));
        if let Some(project) = &self.user_project {
            headers.insert(USER_PROJECT, project.clone());
        }
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        if call.patience == Patience::Long {
            request.extensions_mut().insert(StallTimeout(JOIN_SILENCE_MAX));
        }
        Ok(self.transport.send(request).await?)
    }
}

async fn judge(response: Response, call: &Call) -> StoreError {
    let (status, headers, body) = response.into_parts();
    if status.is_redirection() {
        return protocol(format!("the endpoint answered {}: it sends us elsewhere", status.as_u16()));
    }
    // The status counts even where the body cannot be read.
    let body = body.into_bytes(ERROR_BYTES_MAX).await.unwrap_or_default();
    let refusal = Refusal {
        status: status.as_u16(),
        request_id: text(&headers, "x-guploader-uploadid").map(str::to_owned),
        retry_after: retry_after::parse(&headers, SystemTime::now()),
        body: parse_error(&body),
    };
    refused(refusal, call.about, call.access())
}

/// A header as text, where it is there and is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
