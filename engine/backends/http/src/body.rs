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
use crate::paced::Paced;

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
    /// Where the attempt is paced; a stream goes as it comes.
    paced: Option<Box<Paced>>,
}

enum Content {
    Rope {
        chunks: std::vec::IntoIter<Bytes>,
        /// What is left of a chunk that went in pieces.
        rest: Bytes,
        left_bytes: u64,
    },
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

impl Outgoing {
    pub(crate) fn new(body: Body) -> Self {
        let rope = match body {
            Body::Empty => Rope::empty(),
            Body::Rope(rope) => rope,
        };
        let left_bytes = rope.size();
        Self::with(Content::Rope { chunks: rope.into_chunks().into_iter(), rest: Bytes::new(), left_bytes })
    }

    pub(crate) fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::with(Content::Stream(body.map_err(Into::into).boxed_unsync()))
    }

    fn with(content: Content) -> Self {
        Self { content, unsent: Arc::default(), paced: None }
    }

    /// Sends it at this pace.
    pub(crate) fn pace(&mut self, paced: Option<Paced>) {
        self.paced = paced.map(Box::new);
    }

    pub(crate) fn upload(&self) -> Upload {
        Upload(Arc::clone(&self.unsent))
    }
}

impl http_body::Body for Outgoing {
    type Data = Piece;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        let Self { content, paced, .. } = &mut *self;
        let frame = match content {
            Content::Rope { chunks, rest, left_bytes } => {
                let chunk = match paced {
                    None => chunks.next(),
                    Some(paced) => ready!(next_piece(chunks, rest, paced, cx)),
                };
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

/// The next piece of a rope whose turn has come.
fn next_piece(chunks: &mut std::vec::IntoIter<Bytes>, rest: &mut Bytes, paced: &mut Paced, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
    ready!(paced.poll_ready(cx));
    if rest.is_empty() {
        match chunks.next() {
            Some(chunk) => *rest = chunk,
            None => return Poll::Ready(None),
        }
    }
    let piece = rest.split_to(rest.len().min(paced.piece_bytes()));
    paced.charge(piece.len());
    Poll::Ready(Some(piece))
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("size_hint", &http_body::Body::size_hint(self)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use brigade_store::layers::pacing::{Pacer, paced};
    use http_body_util::BodyExt;
    use tokio::time::Instant;

    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn a_paced_body_leaves_evenly_and_whole_and_an_unpaced_one_at_once() {
        let bytes: Vec<u8> = (0..8 * MIB).map(|at| u8::try_from(at % 251).expect("below 256")).collect();
        let mut body = paced(Arc::new(Pacer::new(Some(1 << 20))), async {
            let mut body = Outgoing::new(Body::from(bytes.clone()));
            body.pace(Paced::now());
            body
        })
        .await;
        let begun = Instant::now();
        let mut sent = Vec::new();
        while let Some(frame) = body.frame().await {
            let mut piece = frame.expect("it cannot fail").into_data().ok().expect("data");
            let before = begun.elapsed();
            sent.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
            let allowed = before.as_secs_f64() + 0.05;
            let mib = f64::from(u32::try_from(sent.len()).expect("8 MiB")) / f64::from(1 << 20);
            assert!(mib <= allowed, "{mib} MiB after {before:?}");
        }
        assert_eq!(sent, bytes);
        assert!(begun.elapsed().abs_diff(Duration::from_secs(8)) < Duration::from_millis(100), "{:?}", begun.elapsed());
        let begun = Instant::now();
        let mut body = Outgoing::new(Body::from(bytes));
        assert_eq!(
            body.frame().await.expect("one piece").expect("it cannot fail").into_data().ok().map(|piece| piece.remaining()),
            Some(8 * MIB)
        );
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
