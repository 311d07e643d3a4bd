//! A part's bytes, as they arrived: chunks that are never copied together.

use brigade_core::ErrorKind;
use brigade_core::digest::{Rolling, Sum, Wanted};
use bytes::Bytes;

use crate::{Result, StoreError};

/// Bytes in the chunks in which they were received. Cloning shares them, so a part is retried from memory for free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rope {
    chunks: Vec<Bytes>,
    size: u64,
}

impl Rope {
    /// No bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds a chunk at the end.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.size += length(&chunk);
            self.chunks.push(chunk);
        }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The chunks in order.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Gives the chunks away.
    pub fn into_chunks(self) -> Vec<Bytes> {
        self.chunks
    }

    /// All bytes in one piece: a copy, for small bodies and tests.
    pub fn to_vec(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The digests of the bytes.
    pub fn sum(&self, wanted: Wanted) -> Sum {
        let mut rolling = Rolling::new(wanted);
        for chunk in &self.chunks {
            rolling.update(chunk);
        }
        rolling.finish()
    }
}

impl From<Bytes> for Rope {
    fn from(chunk: Bytes) -> Self {
        let mut rope = Self::default();
        rope.push(chunk);
        rope
    }
}

impl From<Vec<u8>> for Rope {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl FromIterator<Bytes> for Rope {
    fn from_iter<I: IntoIterator<Item = Bytes>>(chunks: I) -> Self {
        let mut rope = Self::default();
        for chunk in chunks {
            rope.push(chunk);
        }
        rope
    }
}

/// Gathers a body of a known length, digesting each chunk while it is still in the cache.
#[derive(Debug)]
pub struct Collector {
    rope: Rope,
    rolling: Rolling,
    expected: u64,
}

impl Collector {
    /// Expects exactly `expected` bytes.
    pub fn new(expected: u64, wanted: Wanted) -> Self {
        Self { rope: Rope::empty(), rolling: Rolling::new(wanted), expected }
    }

    /// Takes the next chunk; a body longer than announced is an error, and nothing past the announced length is kept.
    pub fn push(&mut self, chunk: Bytes) -> Result<()> {
        if self.rope.size + length(&chunk) > self.expected {
            return Err(StoreError::new(
                ErrorKind::Protocol,
                format!("the body is longer than the {} bytes that were asked for", self.expected),
            ));
        }
        self.rolling.update(&chunk);
        self.rope.push(chunk);
        Ok(())
    }

    /// The whole body; fewer bytes than announced are an error that is worth another attempt.
    pub fn finish(self) -> Result<(Rope, Sum)> {
        if self.rope.size != self.expected {
            return Err(StoreError::new(ErrorKind::Network, format!("the body ended after {} of {} bytes", self.rope.size, self.expected)));
        }
        Ok((self.rope, self.rolling.finish()))
    }
}

fn length(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).expect("a buffer length fits in 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_keeps_chunks_and_counts_bytes() {
        let rope: Rope = [Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")].into_iter().collect();
        assert_eq!((rope.size(), rope.chunks().len(), rope.to_vec()), (3, 2, b"abc".to_vec()));
    }

    #[test]
    fn p02_a_body_of_another_length_is_never_taken() {
        let mut long = Collector::new(2, Wanted::default());
        assert!(long.push(Bytes::from_static(b"abc")).is_err());
        let mut short = Collector::new(4, Wanted::default());
        short.push(Bytes::from_static(b"abc")).expect("fits");
        assert_eq!(short.finish().map(|_| ()).expect_err("too short").kind, ErrorKind::Network);
    }
}
