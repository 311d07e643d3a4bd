//! One HTTP/1.1 connection, owned by one exchange at a time or by the pool.
//!
//! Dropping a link closes its connection at once, whatever it was in the middle of: a response dropped midway, an attempt
//! cancelled, an upload refused early. Only an exchange that ended cleanly on both sides gives its link back.

use std::sync::Arc;

use http::{Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use crate::body::Outgoing;
use crate::connect::Connection;
use crate::endpoint::Endpoint;
use crate::error::{Kind, TransportError};
use crate::limits::MESSAGE_BUFFER_BYTES;
use crate::meter::Meter;
use crate::proxy::TargetForm;
use crate::stall::StallClock;

pub(crate) struct Link {
    sender: SendRequest<Outgoing>,
    driver: AbortHandle,
    meter: Arc<Meter>,
    form: TargetForm,
}

/// Why there is no response head.
pub(crate) enum Failure {
    /// The connection was already closed; the request is untouched and no byte of it was sent.
    Unsent(Box<Request<Outgoing>>, TransportError),
    /// The exchange failed for good.
    Failed(TransportError),
}

impl Link {
    pub(crate) async fn start(connection: Connection, endpoint: &Endpoint) -> Result<Self, TransportError> {
        let Connection { stream, meter, form } = connection;
        let (sender, driver) = Builder::new()
            .max_buf_size(MESSAGE_BUFFER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| TransportError::from_exchange(error, endpoint))?;
        let driver = tokio::spawn(async move {
            // Whoever waits for the exchange hears of the failure through it.
            if let Err(error) = driver.await {
                tracing::trace!(%error, "connection ended");
            }
        });
        Ok(Self { sender, driver: driver.abort_handle(), meter, form })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Sends one request and waits for the head of its response. `uri` is absolute.
    pub(crate) async fn exchange(
        &mut self,
        mut request: Request<Outgoing>,
        uri: &Uri,
        endpoint: &Endpoint,
        clock: &mut StallClock,
    ) -> Result<Response<Incoming>, Failure> {
        match clock.watch(&self.meter, self.sender.ready()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(Failure::Unsent(Box::new(request), TransportError::from_exchange(error, endpoint))),
            None => return Err(Failure::Failed(stalled(endpoint, clock, "the connection was not ready"))),
        }
        self.address(&mut request, uri);
        let written_before = self.meter.written_bytes();
        let answered = clock.watch(&self.meter, self.sender.try_send_request(request)).await;
        let error = match answered {
            Some(Ok(response)) => return Ok(response),
            Some(Err(mut failed)) => {
                let unsent = failed.take_message();
                let error = TransportError::from_exchange(failed.into_error(), endpoint);
                match unsent {
                    Some(request) => return Err(Failure::Unsent(Box::new(request), error)),
                    None => error,
                }
            }
            None => stalled(endpoint, clock, "no response"),
        };
        let left = self.meter.written_bytes() > written_before;
        Err(Failure::Failed(if left { error.possibly_reached() } else { error }))
    }

    /// Writes the request target in the form that the other end expects, byte for byte as the caller encoded it.
    fn address(&self, request: &mut Request<Outgoing>, uri: &Uri) {
        request.headers_mut().remove(header::PROXY_AUTHORIZATION);
        match &self.form {
            TargetForm::Origin => *request.uri_mut() = uri.path_and_query().cloned().map(Uri::from).unwrap_or_default(),
            TargetForm::Absolute { authorization } => {
                *request.uri_mut() = uri.clone();
                if let Some(authorization) = authorization {
                    request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
                }
            }
        }
    }
}

pub(crate) fn stalled(endpoint: &Endpoint, clock: &StallClock, what: &str) -> TransportError {
    TransportError::new(Kind::Stalled, format!("{endpoint} moved no byte for {:?}: {what}", clock.timeout()))
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body::Body as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::body::Body;
    use crate::connect::Connector;
    use crate::options::TransportOptions;
    use crate::pool::Pool;

    /// A link to a server that accepted it and went away, once this side has noticed.
    async fn forsaken() -> (Link, Uri, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let uri: Uri = format!("http://{}/key", listener.local_addr().expect("bound")).parse().expect("a uri");
        let endpoint = Endpoint::of(&uri).expect("an endpoint");
        let connector = Connector::new(&TransportOptions::default()).expect("good options");
        let (connection, accepted) = tokio::join!(connector.connect(&endpoint, &uri), listener.accept());
        let link = Link::start(connection.expect("connects"), &endpoint).await.expect("starts");
        drop(accepted.expect("accepts"));
        let noticed = async {
            while !link.is_closed() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), noticed).await.expect("the close is noticed");
        (link, uri, endpoint)
    }

    #[tokio::test]
    async fn a_request_on_a_closed_connection_comes_back_untouched() {
        let (mut link, uri, endpoint) = forsaken().await;
        let request = Request::put(uri.clone()).body(Outgoing::new(Body::from(vec![1; 10]))).expect("a request");
        let mut clock = StallClock::new(Duration::from_secs(20));
        match link.exchange(request, &uri, &endpoint, &mut clock).await {
            Err(Failure::Unsent(request, error)) => {
                assert_eq!((request.body().size_hint().exact(), request.uri()), (Some(10), &uri));
                assert!(!error.ambiguous());
            }
            _ => panic!("nothing can have been sent"),
        }
    }

    #[tokio::test]
    async fn the_pool_neither_keeps_nor_gives_a_closed_connection() {
        let (link, _, endpoint) = forsaken().await;
        let pool = Pool::new(Duration::from_secs(20), 10);
        pool.put(&endpoint, link);
        assert!(pool.take(&endpoint).is_none());
    }
}
