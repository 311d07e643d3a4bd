//! What is known of a request's body after it was read: its digests, and for small ones the bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm::{Crc32Iscsi, Crc32IsoHdlc, Crc64Nvme};

use super::chunks::{BadChunk, Chunks};
use super::request::Request;
use crate::content::narrow;

/// A body that was read.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// Content bytes.
    pub(crate) size: u64,
    /// CRC-32C of the content, where it was wanted.
    pub(crate) crc32c: u32,
    /// The content, unless it was longer than the limit.
    pub(crate) kept: Option<Vec<u8>>,
    /// A checksum of another kind that the request promised: header name and what the content has.
    pub(crate) other: Option<(&'static str, String)>,
    /// Trailers of a chunked body.
    pub(crate) trailers: Vec<(String, String)>,
}

impl Body {
    /// The content as text; empty where it was not kept.
    pub(crate) fn text(&self) -> &str {
        self.kept.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// A checksum that was promised in a header or a trailer.
    pub(crate) fn promised(&self, request: &Request<'_>, name: &str) -> Option<String> {
        let trailer = || self.trailers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        request.header(name).map(str::to_owned).or_else(trailer)
    }
}

/// What to do with content as it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Up to how many bytes are kept.
    pub(crate) keep_bytes_max: usize,
    /// Whether digests are computed.
    pub(crate) digests: Digesting,
}

/// Whether the content is an object or a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digesting {
    /// Its CRC-32C is wanted, and whatever the request promised.
    Object,
    /// Only its text matters.
    Document,
}

/// Checksums that S3 knows and that are cheap enough to verify.
const OTHERS: [(&str, crc_fast::CrcAlgorithm); 2] = [("x-amz-checksum-crc32", Crc32IsoHdlc), ("x-amz-checksum-crc64nvme", Crc64Nvme)];

/// Where content goes.
struct Sink {
    wanted: Wanted,
    size: u64,
    crc32c: Option<crc_fast::Digest>,
    other: Option<(&'static str, crc_fast::Digest)>,
    kept: Option<Vec<u8>>,
}

impl Sink {
    fn take(&mut self, bytes: &[u8]) {
        self.size += u64::try_from(bytes.len()).expect("a length");
        if let Some(crc) = &mut self.crc32c {
            crc.update(bytes);
        }
        if let Some((_, digest)) = &mut self.other {
            digest.update(bytes);
        }
        if let Some(kept) = &mut self.kept {
            if kept.len() + bytes.len() <= self.wanted.keep_bytes_max {
                kept.extend_from_slice(bytes);
            } else {
                self.kept = None;
            }
        }
    }
}

/// How a body is framed.
enum Framing {
    /// So many bytes are missing.
    Length(u64),
    Chunked(Chunks),
}

/// Reads one body out of pieces.
pub(crate) struct Reader {
    framing: Framing,
    /// `aws-chunked` within the framing.
    inner: Option<Chunks>,
    sink: Sink,
}

impl Reader {
    /// Looks at the head; `None` where there is no body.
    pub(crate) fn of(request: &Request<'_>, wanted: Wanted) -> Result<Option<Self>, BadChunk> {
        let framing = if request.says("transfer-encoding", "chunked") {
            Framing::Chunked(Chunks::default())
        } else {
            match request.header("content-length").map(str::parse) {
                None | Some(Ok(0)) => return Ok(None),
                Some(Ok(length)) => Framing::Length(length),
                Some(Err(_)) => return Err(BadChunk),
            }
        };
        let streaming = request.header("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"));
        let inner = (streaming || request.says("content-encoding", "aws-chunked")).then(Chunks::default);
        let object = wanted.digests == Digesting::Object;
        let trailer = request.header("x-amz-trailer");
        let other = OTHERS.iter().find(|(name, _)| request.header(name).is_some() || trailer == Some(name));
        let sink = Sink {
            wanted,
            size: 0,
            crc32c: object.then(|| crc_fast::Digest::new(Crc32Iscsi)),
            other: other.filter(|_| object).map(|(name, algorithm)| (*name, crc_fast::Digest::new(*algorithm))),
            kept: Some(Vec::new()),
        };
        Ok(Some(Self { framing, inner, sink }))
    }

    /// Whether all of it was read.
    pub(crate) fn is_done(&self) -> bool {
        match &self.framing {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(chunks) => chunks.is_done(),
        }
    }

    /// Takes a piece and says how many bytes of it belonged to the body.
    pub(crate) fn push(&mut self, input: &[u8]) -> Result<usize, BadChunk> {
        let (inner, sink) = (&mut self.inner, &mut self.sink);
        let mut content = |bytes: &[u8]| match inner {
            Some(chunks) => {
                let used = chunks.push(bytes, |bytes| {
                    sink.take(bytes);
                    Ok(())
                })?;
                if used == bytes.len() { Ok(()) } else { Err(BadChunk) }
            }
            None => {
                sink.take(bytes);
                Ok(())
            }
        };
        match &mut self.framing {
            Framing::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                content(&input[..here])?;
                *left -= u64::try_from(here).expect("a length");
                Ok(here)
            }
            Framing::Chunked(chunks) => chunks.push(input, content),
        }
    }

    /// What the body was. An `aws-chunked` body that broke off is refused.
    pub(crate) fn finish(self) -> Result<Body, BadChunk> {
        if self.inner.as_ref().is_some_and(|chunks| !chunks.is_done()) {
            return Err(BadChunk);
        }
        let mut trailers = self.inner.map(Chunks::into_trailers).unwrap_or_default();
        if let Framing::Chunked(chunks) = self.framing {
            trailers.extend(chunks.into_trailers());
        }
        let Sink { size, crc32c, other, kept, .. } = self.sink;
        let spelled = |(name, digest): (&'static str, crc_fast::Digest)| {
            let value = digest.finalize();
            let text =
                if name.ends_with("crc32") { BASE64.encode(narrow(value).to_be_bytes()) } else { BASE64.encode(value.to_be_bytes()) };
            (name, text)
        };
        let crc32c = crc32c.map_or(0, |digest| narrow(digest.finalize()));
        Ok(Body { size, crc32c, kept, other: other.map(spelled), trailers })
    }
}

/// Base64 of a CRC-32C, as both clouds write it.
pub(crate) fn crc32c_text(crc32c: u32) -> String {
    BASE64.encode(crc32c.to_be_bytes())
}

/// The CRC-32C of its text.
pub(crate) fn crc32c_of(text: &str) -> Option<u32> {
    Some(u32::from_be_bytes(BASE64.decode(text.trim()).ok()?.try_into().ok()?))
}

/// Base64 of an MD5.
pub(crate) fn md5_text(md5: [u8; 16]) -> String {
    BASE64.encode(md5)
}

/// The MD5 of its text.
pub(crate) fn md5_of(text: &str) -> Option<[u8; 16]> {
    BASE64.decode(text.trim()).ok()?.try_into().ok()
}
