//! Request bodies: what callers give, and what hyper sends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use brigade_store::Rope;
use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::error::BoxError;

/// A request body of known length. Cloning shares the bytes, so an attempt is repeated from memory for free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// These bytes, sent with an exact `Content-Length`, never chunked.
    Rope(Rope),
}

impl Body {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Rope(rope) => rope.size(),
        }
    }
}

impl From<Rope> for Body {
    fn from(rope: Rope) -> Self {
        Self::Rope(rope)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Rope(bytes.into())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Rope(bytes.into())
    }
}

/// Tells whether the whole request body has left hyper for the socket. A response that comes earlier leaves its connection
/// in the middle of an upload, and such a connection is closed, not used again.
///
/// The body and every piece of it that hyper still buffers hold a reference; when they are gone, only this one is left.
#[derive(Debug)]
pub(crate) struct Upload(Arc<()>);

impl Upload {
    pub(crate) fn finished(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Bytes on their way to the socket.
pub(crate) struct Piece {
    bytes: Bytes,
    _unsent: Arc<()>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

/// The body type of every connection.
pub(crate) struct Outgoing {
    content: Content,
    unsent: Arc<()>,
}

enum Content {
    Rope { chunks: std::vec::IntoIter<Bytes>, left_bytes: u64 },
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl Outgoing {
    pub(crate) fn new(body: Body) -> Self {
        let rope = match body {
            Body::Empty => Rope::empty(),
            Body::Rope(rope) => rope,
        };
        let left_bytes = rope.size();
        Self::with(Content::Rope { chunks: rope.into_chunks().into_iter(), left_bytes })
    }

    pub(crate) fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::with(Content::Stream(body.map_err(Into::into).boxed_unsync()))
    }

    fn with(content: Content) -> Self {
        Self { content, unsent: Arc::default() }
    }

    pub(crate) fn upload(&self) -> Upload {
        Upload(Arc::clone(&self.unsent))
    }
}

impl http_body::Body for Outgoing {
    type Data = Piece;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        let frame = match &mut self.content {
            Content::Rope { chunks, left_bytes } => {
                let chunk = chunks.next();
                if let Some(chunk) = &chunk {
                    *left_bytes -= u64::try_from(chunk.len()).expect("a buffer length fits in 64 bits");
                }
                chunk.map(|chunk| Ok(Frame::data(chunk)))
            }
            Content::Stream(stream) => ready!(Pin::new(stream).poll_frame(cx)),
        };
        let tag = |bytes| Piece { bytes, _unsent: Arc::clone(&self.unsent) };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(tag))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Rope { left_bytes, .. } => *left_bytes == 0,
            Content::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Rope { left_bytes, .. } => SizeHint::with_exact(*left_bytes),
            Content::Stream(stream) => stream.size_hint(),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("size_hint", &http_body::Body::size_hint(self)).finish_non_exhaustive()
    }
}
