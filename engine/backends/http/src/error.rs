//! How an exchange can fail, told so that the engine can decide and a person can act.
//!
//! `Display` is one clause that names the endpoint and never prints its source; the source stays reachable for logs.
//! Nothing here may hold a query string, a header value or a credential.

use std::error::Error;
use std::fmt;
use std::io;

use brigade_core::ErrorKind;
use brigade_store::StoreError;

use crate::endpoint::Endpoint;

/// Any error, as a source.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The name does not resolve.
    Dns,
    /// No address takes a connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The server's certificate cannot be trusted. Another attempt cannot help.
    Certificate,
    /// The proxy is wrong, cannot be reached or refused.
    Proxy,
    /// No byte moved for the stall timeout.
    Stalled,
    /// The connection broke before a response head arrived.
    Reset,
    /// The body ended before its announced end.
    Truncated,
    /// The body is longer than the caller allows.
    TooLong,
    /// What arrived is not HTTP/1.1.
    Protocol,
    /// The caller's streamed body failed.
    Body,
    /// The request itself cannot be sent: no host, a foreign scheme.
    Request,
    /// The options are wrong: an unreadable CA bundle, a malformed proxy.
    Config,
}

/// Whether the request may have reached the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    No,
    Possibly,
}

/// A failed exchange. It is one pointer wide.
#[derive(Debug)]
pub struct TransportError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    reached: Reached,
    source: Option<BoxError>,
}

impl TransportError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), reached: Reached::No, source: None }))
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Marks that bytes of the request left this machine.
    pub(crate) fn possibly_reached(mut self) -> Self {
        self.0.reached = Reached::Possibly;
        self
    }

    /// What failed.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the request may have reached the server and taken effect. `false` is certain: no byte of it was sent.
    pub fn ambiguous(&self) -> bool {
        self.0.reached == Reached::Possibly
    }

    /// What a person can do about it, where the transport knows.
    pub fn hint(&self) -> Option<&'static str> {
        match self.0.kind {
            Kind::Certificate => Some("name the authority's certificates with AWS_CA_BUNDLE or SSL_CERT_FILE"),
            Kind::Dns => Some("check the endpoint's name, and that this machine can resolve it"),
            Kind::Proxy => Some("check HTTPS_PROXY, http_proxy and ALL_PROXY, or exempt the endpoint with NO_PROXY"),
            _ => None,
        }
    }

    /// A failure of hyper before the response head.
    pub(crate) fn from_exchange(error: hyper::Error, endpoint: &Endpoint) -> Self {
        let (kind, message) = if error.is_parse() {
            (Kind::Protocol, format!("{endpoint} answered with something that is not HTTP/1.1"))
        } else if error.is_user() {
            (Kind::Body, format!("the request body for {endpoint} could not be produced"))
        } else if let Some(tls) = find::<rustls::Error>(&error) {
            (Kind::Tls, format!("the TLS connection to {endpoint} failed: {}", crate::tls::describe(tls)))
        } else {
            (Kind::Reset, format!("{endpoint} closed the connection before it answered"))
        };
        Self::new(kind, message).with_source(error)
    }

    /// A failure of hyper within the response body, after `received` bytes of it.
    pub(crate) fn from_body(error: hyper::Error, endpoint: &Endpoint, received: u64) -> Self {
        let broken = find::<io::Error>(&error).map(io::Error::kind);
        let ended = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        let (kind, message) = match broken {
            Some(io::ErrorKind::UnexpectedEof) => (Kind::Truncated, format!("{endpoint} ended the body early, after {received} bytes")),
            Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
                (Kind::Protocol, format!("{endpoint} sent a malformed body, after {received} bytes"))
            }
            Some(kind) => (Kind::Reset, format!("the connection to {endpoint} broke after {received} bytes of the body: {kind}")),
            None if ended => (Kind::Truncated, format!("{endpoint} ended the body early, after {received} bytes")),
            None => (Kind::Protocol, format!("{endpoint} sent a malformed body, after {received} bytes")),
        };
        Self::new(kind, message).with_source(error).possibly_reached()
    }
}

/// The first error of type `E` in the chain, looking into `io::Error` as well.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(this) = next {
        if let Some(found) = this.downcast_ref::<E>() {
            return Some(found);
        }
        if let Some(found) = this.downcast_ref::<io::Error>().and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<E>()) {
            return Some(found);
        }
        next = this.source();
    }
    None
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

impl From<TransportError> for StoreError {
    fn from(error: TransportError) -> Self {
        let kind = match error.kind() {
            Kind::Dns | Kind::Connect | Kind::Tls | Kind::Proxy | Kind::Reset | Kind::Truncated => ErrorKind::Network,
            Kind::Stalled => ErrorKind::Stalled,
            Kind::Certificate | Kind::TooLong | Kind::Protocol => ErrorKind::Protocol,
            Kind::Config => ErrorKind::Invalid,
            Kind::Body | Kind::Request => ErrorKind::Internal,
        };
        let store = Self::new(kind, error.to_string());
        if error.ambiguous() { store.possibly_done() } else { store }
    }
}
