//! What the bodies of writes brought: whole objects and parts, and what of them came before a connection broke.
//!
//! A client that is killed and resumes must not send again what had arrived. Only the server can tell: it writes down every
//! body, with the key, the upload and the part it was for, and the digest of what came. Whether the client ever read the answer is
//! not known here, so everything that arrived whole counts as sent. Not among them are chunks of resumable sessions, which have no
//! digests of their own, and GCS inserts of metadata and media together that broke off before their object could be told.

use super::Passage;
use crate::fault::Op;
use std::collections::BTreeSet;

/// The body of one request to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The kind of request: [`Op::Put`] or [`Op::PutPart`].
    pub op: Op,
    /// Its bucket.
    pub bucket: String,
    /// Its key; where an upload is published by moving, the staging name.
    pub key: Vec<u8>,
    /// The upload's id and the part's number, of a part.
    pub part: Option<(String, u32)>,
    /// Bytes that arrived.
    pub bytes: u64,
    /// MD5 of a body that arrived whole, stored or refused; none where the connection broke inside it.
    pub md5: Option<[u8; 16]>,
}

/// Arrivals of one bucket, summed. Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// In bodies that arrived whole.
    pub whole_bytes: u64,
    /// In bodies that broke off.
    pub broken_bytes: u64,
    /// Of contents that differ from each other, each once. Equal contents count as one, wherever they belong: a test that wants
    /// to know what was sent twice gives every object and every part a content of its own.
    pub distinct_bytes: u64,
}

impl Traffic {
    /// Whole bodies that had arrived before, bytes.
    pub fn repeated_bytes(&self) -> u64 {
        self.whole_bytes - self.distinct_bytes
    }

    pub(super) fn of<'a>(arrivals: impl IntoIterator<Item = &'a Arrival>) -> Self {
        let mut traffic = Self::default();
        let mut seen = BTreeSet::new();
        for Arrival { bytes, md5, .. } in arrivals {
            let Some(md5) = md5 else {
                traffic.broken_bytes += bytes;
                continue;
            };
            traffic.whole_bytes += bytes;
            if seen.insert((md5, bytes)) {
                traffic.distinct_bytes += bytes;
            }
        }
        traffic
    }
}

/// A body on its way in. What came of it is written down at its end, also when the request is dropped before.
#[derive(Debug)]
pub struct Receiving {
    passage: Passage,
    part: Option<(String, u32)>,
    bytes: u64,
    md5: Option<[u8; 16]>,
}

impl Receiving {
    pub(super) fn new(passage: Passage, part: Option<(String, u32)>) -> Self {
        Self { passage, part, bytes: 0, md5: None }
    }

    /// The key, where the body itself names it.
    pub fn name(&mut self, key: &[u8]) {
        self.passage.key = key.into();
    }

    /// So many bytes more came.
    pub fn push(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// All came; this is the MD5 of them.
    pub fn whole(mut self, md5: [u8; 16]) {
        self.md5 = Some(md5);
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let Passage { door, op, bucket, key, .. } = &self.passage;
        let arrival =
            Arrival { op: *op, bucket: bucket.to_string(), key: key.to_vec(), part: self.part.take(), bytes: self.bytes, md5: self.md5 };
        door.requests().arrive(&arrival);
        door.world().requests().arrive(&arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_twice_is_what_is_not_distinct() {
        let arrival = |bytes, md5: Option<u8>| Arrival {
            op: Op::PutPart,
            bucket: "b".to_owned(),
            key: b"k".to_vec(),
            part: None,
            bytes,
            md5: md5.map(|byte| [byte; 16]),
        };
        let traffic =
            Traffic::of(&[arrival(10, Some(1)), arrival(7, None), arrival(10, Some(1)), arrival(5, Some(2)), arrival(10, Some(1))]);
        assert_eq!(traffic, Traffic { whole_bytes: 35, broken_bytes: 7, distinct_bytes: 15 });
        assert_eq!(traffic.repeated_bytes(), 20);
    }
}
