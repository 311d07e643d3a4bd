//! One connection: head, body, answer, again. Requests that were sent ahead wait in the buffer.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::body::{Body, Reader};
use super::chunks::BadChunk;
use super::reply::{Content, Reply};
use super::request::Request;
use crate::content;
use crate::limits::{FIRST_READ_BYTES, HEAD_BYTES_MAX, JOINED_BYTES_MAX, READ_BYTES};
use crate::service::{Dialect, Service};
use crate::stats::Access;

/// What was read and not yet used.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads more; false at the end of the stream. A buffer that was filled is too small.
    async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        if self.end == self.bytes.len() && self.bytes.len() < READ_BYTES {
            self.bytes.resize(READ_BYTES, 0);
        } else if self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let count = stream.read(&mut self.bytes[self.end..]).await?;
        self.end += count;
        Ok(count > 0)
    }
}

/// Whether another request may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Another,
    Close,
}

/// Serves one connection to its end. Errors end it: whoever is at the other side has gone or speaks something else.
pub(crate) async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, service: Arc<Service>, dialect: Dialect) {
    service.stats.connected();
    let mut buffer = Buffer { bytes: vec![0; FIRST_READ_BYTES], start: 0, end: 0 };
    let mut head = Vec::with_capacity(1_024);
    let mut out = Vec::with_capacity(1_024);
    let mut turn = Turn { service: &service, dialect, stream: &mut stream, buffer: &mut buffer, out: &mut out };
    while let Ok(Next::Another) = turn.take(&mut head).await {}
    service.stats.disconnected();
}

/// One request and its answer.
struct Turn<'a, S> {
    service: &'a Service,
    dialect: Dialect,
    stream: &'a mut S,
    buffer: &'a mut Buffer,
    out: &'a mut Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Turn<'_, S> {
    async fn take(&mut self, head: &mut Vec<u8>) -> io::Result<Next> {
        if !self.read_head(head).await? {
            return Ok(Next::Close);
        }
        let (request, _) = Request::parse(head).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
        let next = if request.minor_version == 0 || request.says("connection", "close") { Next::Close } else { Next::Another };
        if let Some(reply) = self.service.question(&request) {
            self.send(&reply).await?;
            return Ok(next);
        }
        let access = if matches!(request.method, "GET" | "HEAD") { Access::Read } else { Access::Write };
        let admitted = self.service.shaper.admits(access);
        let mut reader = Reader::of(&request, self.service.wanted(self.dialect, &request)).map_err(bad)?;
        let waits = reader.is_some() && request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        if waits && !admitted {
            self.refuse(access).await?;
            return Ok(Next::Close);
        }
        if waits {
            self.service.shaper.delay().await;
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            self.stream.flush().await?;
        }
        let body = match &mut reader {
            Some(reader) => self.read_body(reader).await?,
            None => 0,
        };
        if !admitted {
            self.refuse(access).await?;
            return Ok(next);
        }
        let done = reader.map_or(Ok(Body::default()), Reader::finish).map_err(bad)?;
        let reply = self.service.answer(self.dialect, &request, done);
        self.service.shaper.delay().await;
        self.service.stats.answered(reply.operation, access, reply.status);
        let sent = if matches!(reply.content, Content::Nothing(_)) { 0 } else { reply.size() };
        self.service.stats.moved(body, sent);
        self.send(&reply).await?;
        Ok(next)
    }

    /// Copies a whole head out of the buffer; false where the stream ended between requests.
    async fn read_head(&mut self, head: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let filled = self.buffer.filled();
            if let Some(end) = memchr::memmem::find(filled, b"\r\n\r\n") {
                head.clear();
                head.extend_from_slice(&filled[..end + 4]);
                self.buffer.consume(end + 4);
                return Ok(true);
            }
            if filled.len() > HEAD_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            if !self.buffer.fill(self.stream).await? {
                return if self.buffer.filled().is_empty() { Ok(false) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    async fn read_body(&mut self, reader: &mut Reader) -> io::Result<u64> {
        let mut received = 0;
        loop {
            let used = reader.push(self.buffer.filled()).map_err(bad)?;
            self.buffer.consume(used);
            received += u64::try_from(used).expect("a length");
            self.service.shaper.pass(used).await;
            if reader.is_done() {
                return Ok(received);
            }
            if !self.buffer.fill(self.stream).await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn refuse(&mut self, access: Access) -> io::Result<()> {
        self.service.stats.refused(access);
        self.service.shaper.delay().await;
        let reply = self.service.too_fast(self.dialect);
        self.send(&reply).await
    }

    async fn send(&mut self, reply: &Reply) -> io::Result<()> {
        self.out.clear();
        reply.write_head(self.out);
        match &reply.content {
            Content::Nothing(_) => {}
            Content::Bytes(bytes) if bytes.len() <= JOINED_BYTES_MAX => self.out.extend_from_slice(bytes),
            Content::Generated { class, offset, size } if *size <= 32_768 => {
                let mut at = 0;
                while at < *size {
                    let bytes = content::slice(*class, offset + at, size - at);
                    self.out.extend_from_slice(bytes);
                    at += u64::try_from(bytes.len()).expect("a length");
                }
            }
            Content::Bytes(bytes) => {
                self.stream.write_all(self.out).await?;
                self.service.shaper.pass(bytes.len()).await;
                self.stream.write_all(bytes).await?;
                return self.stream.flush().await;
            }
            Content::Generated { class, offset, size } => {
                self.stream.write_all(self.out).await?;
                return self.stream_content(*class, *offset, *size).await;
            }
        }
        self.service.shaper.pass(self.out.len()).await;
        self.stream.write_all(self.out).await?;
        self.stream.flush().await
    }

    async fn stream_content(&mut self, class: u32, offset: u64, size: u64) -> io::Result<()> {
        let mut at = 0;
        while at < size {
            let bytes = content::slice(class, offset + at, size - at);
            self.service.shaper.pass(bytes.len()).await;
            self.stream.write_all(bytes).await?;
            at += u64::try_from(bytes.len()).expect("a length");
        }
        self.stream.flush().await
    }
}

fn bad(_: BadChunk) -> io::Error {
    ErrorKind::InvalidData.into()
}
