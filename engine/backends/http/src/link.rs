//! One HTTP/1.1 connection, owned by one exchange at a time or by the pool.
//!
//! Dropping a link closes its connection at once, whatever it was in the middle of: a response dropped midway, an attempt
//! cancelled, an upload refused early. Only an exchange that ended cleanly on both sides gives its link back.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{self, Builder, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::body::Outgoing;
use crate::connect::Connection;
use crate::endpoint::Endpoint;
use crate::error::{Kind, TransportError};
use crate::limits::MESSAGE_BUFFER_BYTES;
use crate::meter::Meter;
use crate::peers::{Moved, Peers, Record, Verdict};
use crate::proxy::TargetForm;
use crate::stall::StallClock;
use crate::stream::Stream;

pub(crate) struct Link {
    sender: SendRequest<Outgoing>,
    driver: Driver,
    meter: Arc<Meter>,
    clock: StallClock,
    form: TargetForm,
    address: Option<SocketAddr>,
    record: Record,
    /// `None` where the pace of the exchange says nothing of the connection.
    began: Option<Began>,
}

/// Where the meter stood when the present exchange began.
#[derive(Clone, Copy)]
struct Began {
    at: Instant,
    read_bytes: u64,
    written_bytes: u64,
}

impl Began {
    fn now(meter: &Meter) -> Self {
        Self { at: Instant::now(), read_bytes: meter.read_bytes(), written_bytes: meter.written_bytes() }
    }
}

/// Why there is no response head.
pub(crate) enum Failure {
    /// The connection was already closed; the request is untouched and no byte of it was sent.
    Unsent(Box<Request<Outgoing>>, TransportError),
    /// The exchange failed for good.
    Failed(TransportError),
}

/// hyper's connection, moved on by whoever owns the link and by nobody else: a request then costs no hand-over between tasks.
/// `None` once it has ended. The lock is never taken; it makes a link shareable, as bodies have to be.
struct Driver(Mutex<Option<Box<Http>>>);

type Http = http1::Connection<TokioIo<Stream>, Outgoing>;

impl Driver {
    /// Reads, writes and parses what can be now. Whoever waits for the exchange hears of a failure through it.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let driver = self.0.get_mut();
        if let Some(connection) = driver
            && let Poll::Ready(ended) = Pin::new(connection).poll(cx)
        {
            *driver = None;
            if let Err(error) = ended {
                tracing::trace!(%error, "connection ended");
            }
        }
    }
}

impl Link {
    pub(crate) async fn start(connection: Connection, endpoint: &Endpoint, stall_timeout: Duration) -> Result<Self, TransportError> {
        let Connection { stream, meter, form, address } = connection;
        let (sender, driver) = Builder::new()
            .max_buf_size(MESSAGE_BUFFER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| TransportError::from_exchange(error, endpoint))?;
        let driver = Driver(Mutex::new(Some(Box::new(driver))));
        let began = Some(Began::now(&meter));
        Ok(Self { sender, driver, meter, clock: StallClock::new(stall_timeout), form, address, record: Record::default(), began })
    }

    /// Takes note of what has happened on the connection while nobody drove it, and says whether it is at its end.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.driver.drive(&mut Context::from_waker(Waker::noop()));
        self.sender.is_closed()
    }

    /// Sends one request and waits for the head of its response. `uri` is absolute.
    pub(crate) async fn exchange(
        &mut self,
        mut request: Box<Request<Outgoing>>,
        uri: &Uri,
        endpoint: &Endpoint,
        stall_timeout: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        self.began = Some(Began::now(&self.meter));
        let Self { sender, driver, meter, clock, form, .. } = self;
        clock.begin(stall_timeout);
        match watch(driver, clock, meter, sender.ready()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(Failure::Unsent(request, TransportError::from_exchange(error, endpoint))),
            None => return Err(Failure::Failed(self.stalled(endpoint, "the connection was not ready"))),
        }
        form.address(&mut request, uri);
        let written_before = meter.written_bytes();
        let answered = watch(driver, clock, meter, sender.try_send_request(*request)).await;
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
            None => self.stalled(endpoint, "no response"),
        };
        let left = self.meter.written_bytes() > written_before;
        Err(Failure::Failed(if left { error.possibly_reached() } else { error }))
    }

    /// The next frame of the body that is arriving here; the error is a stall.
    pub(crate) fn poll_frame(&mut self, incoming: &mut Incoming, cx: &mut Context<'_>) -> Poll<Result<BodyStep, Stalled>> {
        let mut at_hand = || http_body::Body::poll_frame(Pin::new(&mut *incoming), &mut Context::from_waker(Waker::noop()));
        let mut step = at_hand();
        if step.is_pending() {
            self.driver.drive(cx);
            step = at_hand();
        }
        if let Poll::Ready(step) = step {
            self.clock.rest();
            return Poll::Ready(Ok(step));
        }
        self.clock.poll_stalled(cx, &self.meter).map(|()| Err(Stalled))
    }

    /// Where it leads to; `None` through a proxy.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The exchange kept a pace of ours, so it is not compared with others.
    pub(crate) fn leave_unjudged(&mut self) {
        self.began = None;
    }

    /// Compares the exchange that has just ended with those of its peers.
    pub(crate) fn judged_by(&mut self, peers: &Peers, endpoint: &Endpoint) -> Verdict {
        let Some(Began { at, read_bytes, written_bytes }) = self.began else { return Verdict::Keep };
        let now = Instant::now();
        let moved = Moved {
            received_bytes: self.meter.read_bytes() - read_bytes,
            sent_bytes: self.meter.written_bytes() - written_bytes,
            took: now.duration_since(at),
        };
        peers.judge(endpoint, &mut self.record, moved, now)
    }

    pub(crate) fn stalled(&self, endpoint: &Endpoint, what: &str) -> TransportError {
        TransportError::new(Kind::Stalled, format!("{endpoint} moved no byte for {:?}: {what}", self.clock.timeout()))
    }
}

/// One step of a body: a frame, an error, or its end.
pub(crate) type BodyStep = Option<Result<Frame<bytes::Bytes>, hyper::Error>>;

/// Nothing has moved for the stall timeout.
pub(crate) struct Stalled;

/// Drives the connection until `work` ends or nothing has moved for too long (`None`).
///
/// `work` waits for the connection only, which moves nowhere but here; so it need not wake anybody.
async fn watch<F: Future>(driver: &mut Driver, clock: &mut StallClock, meter: &Meter, work: F) -> Option<F::Output> {
    let mut work = std::pin::pin!(work);
    let done = std::future::poll_fn(|cx| {
        driver.drive(cx);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => clock.poll_stalled(cx, meter).map(|()| None),
        }
    })
    .await;
    clock.rest();
    done
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::body::Body;
    use crate::connect::Connector;
    use crate::options::TransportOptions;
    use crate::pool::Pool;

    const STALL: Duration = Duration::from_secs(20);

    fn connector() -> Connector {
        Connector::new(&TransportOptions::default()).expect("good options")
    }

    /// A link to a server that accepted it and went away, once this side has noticed.
    async fn forsaken() -> (Link, Uri, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let uri: Uri = format!("http://{}/key", listener.local_addr().expect("bound")).parse().expect("a uri");
        let endpoint = Endpoint::of(&uri).expect("an endpoint");
        let connector = connector();
        let (connection, accepted) = tokio::join!(connector.connect(&endpoint, &uri), listener.accept());
        let mut link = Link::start(connection.expect("connects"), &endpoint, STALL).await.expect("starts");
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
        match link.exchange(Box::new(request), &uri, &endpoint, STALL).await {
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
        let pool = Pool::new(Duration::from_secs(20), 10, connector().names());
        pool.put(&endpoint, link);
        assert!(pool.take(&endpoint).is_none());
    }
}
