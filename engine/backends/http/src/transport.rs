//! The transport itself: one exchange over a kept or a new connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::body::{Body, Outgoing};
use crate::connect::Connector;
use crate::endpoint::Endpoint;
use crate::error::{BoxError, TransportError};
use crate::link::{Failure, Link};
use crate::options::TransportOptions;
use crate::paced::Paced;
use crate::pool::Pool;
use crate::response::{Response, ResponseBody, Tail};
use crate::stall::StallTimeout;

/// Sends requests. Cloning shares connections, addresses and counters.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    pool: Arc<Pool>,
    stall_timeout: Duration,
    in_flight: Arc<AtomicU64>,
}

impl Transport {
    /// Checks the options and reads the certificates; connects to nothing.
    pub fn new(options: &TransportOptions) -> Result<Self, TransportError> {
        options.check()?;
        let connector = Connector::new(options)?;
        let shared = Shared {
            pool: Pool::new(options.idle_timeout, options.idle_per_host_max, connector.names()),
            connector,
            stall_timeout: options.stall_timeout,
            in_flight: Arc::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sends one request, once, and waits for the head of its response.
    ///
    /// The URI is absolute, and its path and query go out byte for byte. `Content-Length` is set exactly, `Host` where it
    /// is missing. A kept connection that was already closed is replaced by another one: nothing had been sent on it.
    /// Dropping the future ends the exchange and closes its connection. [`StallTimeout`] as a request extension overrides
    /// the stall timeout.
    pub fn send(&self, request: Request<Body>) -> impl Future<Output = Result<Response, TransportError>> + Send + '_ {
        // Boxed at once: a request is large, and every future on its way would hold it once more.
        self.exchange(Box::new(request.map(Outgoing::new)))
    }

    /// As [`Transport::send`], with any body: it is chunked where its length is unknown, and is not repeatable.
    pub fn send_any<B>(&self, request: Request<B>) -> impl Future<Output = Result<Response, TransportError>> + Send + '_
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.exchange(Box::new(request.map(Outgoing::stream)))
    }

    /// Exchanges that have begun and whose bodies are not yet read or dropped.
    pub fn in_flight(&self) -> u64 {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// TCP connections opened since the transport was made.
    pub fn connections_opened(&self) -> u64 {
        self.shared.connector.opened()
    }

    async fn exchange(&self, mut request: Box<Request<Outgoing>>) -> Result<Response, TransportError> {
        let endpoint = Endpoint::of(request.uri())?;
        let uri = request.uri().clone();
        complete_headers(&mut request, &endpoint)?;
        let timeout = request.extensions().get::<StallTimeout>().map_or(self.shared.stall_timeout, |given| given.0);
        let paced = Paced::now();
        if paced.is_some() {
            request.body_mut().pace(Paced::now());
        }
        let upload = request.body().upload();
        let in_flight = InFlight::enter(&self.shared.in_flight);
        let (incoming, link) = self.head(request, &uri, &endpoint, timeout).await?;
        let (head, incoming) = incoming.into_parts();
        let pool = Arc::clone(&self.shared.pool);
        let tail = Tail { link: Some(link), pool, endpoint, upload, in_flight: Some(in_flight), paced };
        Ok(Response::new(head, ResponseBody::new(incoming, tail)))
    }

    async fn fresh(&self, endpoint: &Endpoint, uri: &Uri) -> Result<Link, TransportError> {
        let connection = self.shared.connector.connect(endpoint, uri).await?;
        Link::start(connection, endpoint, self.shared.stall_timeout).await
    }

    /// Kept connections first; each of them can turn out to be closed, a new one cannot be replaced again.
    async fn head(
        &self,
        mut request: Box<Request<Outgoing>>,
        uri: &Uri,
        endpoint: &Endpoint,
        stall_timeout: Duration,
    ) -> Result<(http::Response<Incoming>, Link), TransportError> {
        while let Some(mut kept) = self.shared.pool.take(endpoint) {
            match kept.exchange(request, uri, endpoint, stall_timeout).await {
                Ok(response) => return Ok((response, kept)),
                Err(Failure::Unsent(untouched, _)) => request = untouched,
                Err(Failure::Failed(error)) => return Err(error),
            }
        }
        // Rare, and its state is large: every exchange would carry it otherwise.
        let mut link = Box::pin(self.fresh(endpoint, uri)).await?;
        match link.exchange(request, uri, endpoint, stall_timeout).await {
            Ok(response) => Ok((response, link)),
            Err(Failure::Unsent(_, error) | Failure::Failed(error)) => Err(error),
        }
    }
}

/// hyper leaves `Content-Length: 0` out, and S3 answers such a PUT with 411; so the length is always said where a body is
/// expected (RFC 9110 section 8.6).
fn complete_headers(request: &mut Request<Outgoing>, endpoint: &Endpoint) -> Result<(), TransportError> {
    *request.version_mut() = Version::HTTP_11;
    if !request.headers().contains_key(header::HOST) {
        let host = endpoint.host_header()?;
        request.headers_mut().insert(header::HOST, host);
    }
    let expects_body = [Method::PUT, Method::POST, Method::PATCH].contains(request.method());
    if let Some(length) = request.body().size_hint().exact()
        && (length > 0 || expects_body)
    {
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(())
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("in_flight", &self.in_flight())
            .field("connections_opened", &self.connections_opened())
            .finish_non_exhaustive()
    }
}

/// Counts one exchange for as long as it lives.
pub(crate) struct InFlight(Arc<AtomicU64>);

impl InFlight {
    fn enter(gauge: &Arc<AtomicU64>) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(gauge))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
