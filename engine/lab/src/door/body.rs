//! The body of an answer on its way out: counted, and cut, spoiled or stalled where a fault says so.
//!
//! The announced length is always that of the whole body, so a client that trusts lengths notices a cut, and one that does not
//! trust content notices a flipped bit.

use super::Door;
use crate::fault::Action;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// A cut lets the server write out what has passed before: else the head of the answer would be lost with the connection.
const FLUSH_TIME: Duration = Duration::from_millis(10);

type BoxError = Box<dyn Error + Send + Sync>;

/// The connection is to be closed here; hyper does so when a service or a body fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection was cut by a scripted fault")]
pub struct ConnectionCut;

/// A response body that the door watches. `B` must be `Unpin`; box it otherwise.
pub struct DoorBody<B> {
    inner: B,
    door: Door,
    sent: u64,
    cut_after: Option<u64>,
    cut: Option<Pin<Box<Sleep>>>,
    stall_after: Option<u64>,
    flip_bits: Vec<u64>,
}

impl<B> fmt::Debug for DoorBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorBody").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl<B: Body> DoorBody<B> {
    pub(super) fn new(inner: B, actions: &[Action], door: Door) -> Self {
        let size = inner.size_hint().exact();
        let bits = size.unwrap_or_default().saturating_mul(8);
        let short = |limit: &u64| size.is_none_or(|size| *limit < size);
        let mut body = Self { inner, door, sent: 0, cut_after: None, cut: None, stall_after: None, flip_bits: Vec::new() };
        for action in actions {
            match action {
                Action::Truncate { after_bytes } if short(after_bytes) => body.cut_after = Some(*after_bytes),
                Action::StallBody { after_bytes } if short(after_bytes) => body.stall_after = Some(*after_bytes),
                Action::FlipBit { bit } if bits > 0 => body.flip_bits.push(bit % bits),
                _ => {}
            }
        }
        body
    }
}

impl<B> DoorBody<B> {
    /// What of a chunk may still go, with its faults applied. Empty when the limit was reached before.
    fn pass(&mut self, mut chunk: Bytes) -> Bytes {
        let limit = self.cut_after.into_iter().chain(self.stall_after).min();
        if let Some(limit) = limit {
            let left = usize::try_from(limit.saturating_sub(self.sent)).unwrap_or(usize::MAX);
            chunk.truncate(left);
        }
        let len = u64::try_from(chunk.len()).expect("a slice length fits in 64 bits");
        for bit in &self.flip_bits {
            let byte = bit / 8;
            if (self.sent..self.sent + len).contains(&byte) {
                let at = usize::try_from(byte - self.sent).expect("within the chunk");
                let mut spoiled = BytesMut::from(&chunk[..]);
                spoiled[at] ^= 1 << (bit % 8);
                chunk = spoiled.freeze();
            }
        }
        self.sent += len;
        self.door.requests().send(len);
        self.door.world().requests().send(len);
        chunk
    }
}

impl<B> Body for DoorBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.cut_after.is_some_and(|limit| this.sent >= limit) {
            let cut = this.cut.get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSH_TIME)));
            ready!(cut.as_mut().poll(context));
            return Poll::Ready(Some(Err(ConnectionCut.into())));
        }
        if this.stall_after.is_some_and(|limit| this.sent >= limit) {
            // No waker is kept: this body ends when its connection is dropped.
            return Poll::Pending;
        }
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(chunk) => Poll::Ready(Some(Ok(Frame::data(this.pass(chunk))))),
                Err(trailers) => Poll::Ready(Some(Ok(trailers))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        let limited = self.cut_after.is_some() || self.stall_after.is_some();
        !limited && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
