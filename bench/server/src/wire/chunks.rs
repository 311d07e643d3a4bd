//! Chunked bodies: HTTP's own (RFC 9112, section 7.1) and `aws-chunked`, which is the same with signatures as extensions and
//! trailers of its own. One may lie within the other.

/// Longest line of a chunked body: a size with a signature, or a trailer.
const LINE_BYTES_MAX: usize = 1_024;

/// Where the decoder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Size,
    Data,
    /// The line end behind a chunk.
    Gap,
    Trailers,
    Done,
}

/// A body that breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadChunk;

/// Decodes a chunked body that comes in pieces.
#[derive(Debug)]
pub(crate) struct Chunks {
    phase: Phase,
    line: Vec<u8>,
    left: u64,
    trailers: Vec<(String, String)>,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { phase: Phase::Size, line: Vec::new(), left: 0, trailers: Vec::new() }
    }
}

impl Chunks {
    /// Whether the end was seen.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// What the trailers said.
    pub(crate) fn into_trailers(self) -> Vec<(String, String)> {
        self.trailers
    }

    /// Takes a piece, hands its content to `sink`, and says how many bytes belonged to the body.
    pub(crate) fn push(&mut self, input: &[u8], mut sink: impl FnMut(&[u8]) -> Result<(), BadChunk>) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < input.len() && self.phase != Phase::Done {
            if self.phase == Phase::Data {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len() - at);
                sink(&input[at..at + here])?;
                at += here;
                self.left -= u64::try_from(here).expect("a length");
                if self.left == 0 {
                    self.phase = Phase::Gap;
                }
                continue;
            }
            let rest = &input[at..];
            let end = memchr::memchr(b'\n', rest);
            let taken = end.map_or(rest.len(), |end| end + 1);
            self.line.extend_from_slice(&rest[..taken]);
            at += taken;
            if self.line.len() > LINE_BYTES_MAX {
                return Err(BadChunk);
            }
            if end.is_some() {
                self.end_of_line()?;
            }
        }
        Ok(at)
    }

    fn end_of_line(&mut self) -> Result<(), BadChunk> {
        let line = std::mem::take(&mut self.line);
        let text = std::str::from_utf8(&line).map_err(|_| BadChunk)?.trim_end_matches(['\r', '\n']);
        match self.phase {
            Phase::Size => {
                let digits = text.split(';').next().unwrap_or_default().trim();
                self.left = u64::from_str_radix(digits, 16).map_err(|_| BadChunk)?;
                self.phase = if self.left == 0 { Phase::Trailers } else { Phase::Data };
            }
            Phase::Gap if text.is_empty() => self.phase = Phase::Size,
            Phase::Gap => return Err(BadChunk),
            Phase::Trailers if text.is_empty() => self.phase = Phase::Done,
            Phase::Trailers => {
                let (name, value) = text.split_once(':').ok_or(BadChunk)?;
                self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
            Phase::Data | Phase::Done => {}
        }
        self.line = line;
        self.line.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        b"5;chunk-signature=ab\r\nhello\r\n6\r\n world\r\n0;chunk-signature=cd\r\nx-amz-checksum-crc32c:yZRlqg==\r\n\r\nrest";

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        for step in 1..BODY.len() {
            let mut chunks = Chunks::default();
            let (mut content, mut used) = (Vec::new(), 0);
            for piece in BODY.chunks(step) {
                let sink = |bytes: &[u8]| {
                    content.extend_from_slice(bytes);
                    Ok(())
                };
                used += chunks.push(piece, sink).expect("well-formed");
            }
            assert!(chunks.is_done());
            assert_eq!((content.as_slice(), used), (&b"hello world"[..], BODY.len() - 4));
            assert_eq!(chunks.into_trailers(), [("x-amz-checksum-crc32c".to_owned(), "yZRlqg==".to_owned())]);
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for bad in [&b"g\r\n"[..], b"1\r\nab\r\n", b"0\r\nno trailer\r\n"] {
            assert_eq!(Chunks::default().push(bad, |_| Ok(())), Err(BadChunk), "{}", String::from_utf8_lossy(bad));
        }
    }
}
