//! A response: its head, and a body that knows how to fail.
//!
//! The body gives its connection back to the pool when it was read to the end, and closes it otherwise. It never reports
//! a short body as a whole one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use brigade_store::Rope;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::body::Upload;
use crate::endpoint::Endpoint;
use crate::error::{Kind, TransportError};
use crate::limits::SMALL_BODY_BYTES;
use crate::link::Link;
use crate::paced::Paced;
use crate::pool::Pool;
use crate::transport::InFlight;

/// The answer to a request. Dropping it before its body was read closes its connection.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: ResponseBody,
}

impl Response {
    pub(crate) fn new(head: http::response::Parts, body: ResponseBody) -> Self {
        Self { status: head.status, headers: head.headers, body }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Status, headers and body apart.
    pub fn into_parts(self) -> (StatusCode, HeaderMap, ResponseBody) {
        (self.status, self.headers, self.body)
    }

    /// As the `http` crate has it, for adapters.
    pub fn into_http(self) -> http::Response<ResponseBody> {
        let mut response = http::Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// See [`ResponseBody::into_rope`].
    pub fn into_rope(self, limit_bytes: u64) -> impl Future<Output = Result<Rope, TransportError>> + Send {
        self.body.into_rope(limit_bytes)
    }

    /// See [`ResponseBody::into_bytes`].
    pub fn into_bytes(self, limit_bytes: u64) -> impl Future<Output = Result<Bytes, TransportError>> + Send {
        self.body.into_bytes(limit_bytes)
    }

    /// The body's chunks as a stream.
    pub fn stream(self) -> BodyStream {
        BodyStream(self.body)
    }
}

/// The body of a response, under the stall timeout from its first byte to its last.
pub struct ResponseBody {
    incoming: Incoming,
    received_bytes: u64,
    /// In a box: bodies pass through many hands.
    tail: Box<Tail>,
}

/// What a body needs to live on after the exchange that produced it.
pub(crate) struct Tail {
    /// Present while the body is unfinished.
    pub(crate) link: Option<Link>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) endpoint: Endpoint,
    pub(crate) upload: Upload,
    /// Present as long as the link.
    pub(crate) in_flight: Option<InFlight>,
    /// Where the attempt is paced.
    pub(crate) paced: Option<Paced>,
}

impl ResponseBody {
    pub(crate) fn new(incoming: Incoming, tail: Tail) -> Self {
        let mut body = Self { incoming, received_bytes: 0, tail: Box::new(tail) };
        if body.incoming.is_end_stream() {
            body.tail.release();
        }
        body
    }

    /// The next chunk of data; `None` at the clean end.
    pub async fn next_chunk(&mut self) -> Option<Result<Bytes, TransportError>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// All chunks as they arrived, without copying (small bodies are copied into a buffer of their own size, so that they
    /// do not keep a larger one alive).
    ///
    /// A body longer than `limit_bytes` is [`Kind::TooLong`], before it is read where its length is announced; one that
    /// ends early is [`Kind::Truncated`].
    pub async fn into_rope(mut self, limit_bytes: u64) -> Result<Rope, TransportError> {
        if self.incoming.size_hint().lower() > limit_bytes {
            return Err(self.too_long(limit_bytes));
        }
        let mut rope = Rope::empty();
        while let Some(chunk) = self.next_chunk().await {
            let chunk = chunk?;
            if self.received_bytes > limit_bytes {
                return Err(self.too_long(limit_bytes));
            }
            rope.push(chunk);
        }
        match usize::try_from(rope.size()) {
            Ok(size) if size <= SMALL_BODY_BYTES => Ok(joined(&rope, size).into()),
            _ => Ok(rope),
        }
    }

    /// The whole body in one piece, for documents and error bodies; errors as [`ResponseBody::into_rope`].
    pub async fn into_bytes(self, limit_bytes: u64) -> Result<Bytes, TransportError> {
        let rope = self.into_rope(limit_bytes).await?;
        match rope.chunks() {
            [] => Ok(Bytes::new()),
            [only] => Ok(only.clone()),
            _ => Ok(joined(&rope, 0)),
        }
    }

    /// The chunks as a stream.
    pub fn stream(self) -> BodyStream {
        BodyStream(self)
    }

    fn too_long(&self, limit_bytes: u64) -> TransportError {
        let message = format!("{} sent a body of more than {limit_bytes} bytes", self.tail.endpoint);
        TransportError::new(Kind::TooLong, message).possibly_reached()
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        loop {
            match ready!(self.poll_any(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    // Trailers are not data; nothing here asks for them.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        if let Some(paced) = &mut self.tail.paced {
            ready!(paced.poll_ready(cx));
        }
        let Some(link) = &mut self.tail.link else { return Poll::Ready(None) };
        let Ok(step) = ready!(link.poll_frame(&mut self.incoming, cx)) else {
            let what = format!("{} bytes of the body had arrived", self.received_bytes);
            let error = link.stalled(&self.tail.endpoint, &what).possibly_reached();
            self.tail.close();
            return Poll::Ready(Some(Err(error)));
        };
        match step {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.received_bytes += u64::try_from(data.len()).expect("a buffer length fits in 64 bits");
                    if let Some(paced) = &mut self.tail.paced {
                        paced.charge(data.len());
                    }
                }
                if self.incoming.is_end_stream() {
                    self.tail.release();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.tail.close();
                Poll::Ready(Some(Err(TransportError::from_body(error, &self.tail.endpoint, self.received_bytes))))
            }
            None => {
                self.tail.release();
                Poll::Ready(None)
            }
        }
    }
}

impl Tail {
    /// The body is whole: the connection is free, unless the server answered before it had the whole request.
    fn release(&mut self) {
        if let Some(mut link) = self.link.take()
            && self.upload.finished()
        {
            if self.paced.is_some() {
                link.leave_unjudged();
            }
            self.pool.put(&self.endpoint, link);
        }
        self.in_flight = None;
    }

    fn close(&mut self) {
        self.link = None;
        self.in_flight = None;
    }
}

fn joined(rope: &Rope, size: usize) -> Bytes {
    let mut whole = BytesMut::with_capacity(size);
    for chunk in rope.chunks() {
        whole.extend_from_slice(chunk);
    }
    whole.freeze()
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        self.get_mut().poll_any(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.tail.link.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("endpoint", &self.tail.endpoint)
            .field("received_bytes", &self.received_bytes)
            .finish_non_exhaustive()
    }
}

/// The chunks of a body, each as it arrived.
#[derive(Debug)]
pub struct BodyStream(ResponseBody);

impl Stream for BodyStream {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_chunk(cx)
    }
}
