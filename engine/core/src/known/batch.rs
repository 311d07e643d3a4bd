//! Records of many keys in one run of bytes.
//!
//! A run that finds a million objects unchanged has a million records to leave. One by one, each costs a dozen allocations and a
//! row; here they cost what their bytes cost to write. The bytes are a format that files keep (`docs/formats/journal.md`), so
//! reading them back is total: whatever they hold, the answer is records or [`Malformed`].

use std::sync::Arc;

use jiff::Timestamp;

use super::{Known, Original};
use crate::identity::FileStamp;
use crate::outcome::{Pair, Proof};
use crate::{Algorithm, Digests, Identity, Key};

/// Records in the order of their keys, all found out by one run at one time, with the originals present.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    run: Arc<str>,
    known_at: Timestamp,
    first: Option<Key>,
    records: u32,
    bytes: Vec<u8>,
}

/// Bytes that no batch wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records of a batch are malformed")]
pub struct Malformed;

/// Digests and times that a record has, as bits of one byte.
const HAS_CRC32C: u8 = 1;
const HAS_CRC64NVME: u8 = 2;
const HAS_MD5: u8 = 4;
const HAS_MODIFIED: u8 = 8;

/// What kind of proof a byte says.
const UNPROVEN: u8 = 0;
const TRANSPORT: u8 = 1;
const STORED: u8 = 0x10;
const CONTENT: u8 = 0x20;

/// The algorithm that the low bits of a proof's byte count to. The order is part of the format.
const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::Crc32c, Algorithm::Crc64nvme, Algorithm::Crc32, Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256];

/// What kind of identity a byte says.
const ETAG: u8 = 0;
const GENERATION: u8 = 1;
const FILE: u8 = 2;

impl Batch {
    /// An empty one.
    pub fn new(run: Arc<str>, known_at: Timestamp) -> Self {
        Self { run, known_at, first: None, records: 0, bytes: Vec::new() }
    }

    /// One that was written down: its first key, how many records it has, and [`Batch::bytes`]. What is wrong with them shows
    /// when they are read.
    pub fn written(run: Arc<str>, known_at: Timestamp, first: Key, records: u32, bytes: Vec<u8>) -> Self {
        Self { run, known_at, first: Some(first), records, bytes }
    }

    /// Adds a record. Its key is greater than that of the one before.
    pub fn push(&mut self, key: &Key, source: &Identity, proof: Option<Proof>, pair: &Pair) {
        if self.first.is_none() {
            self.first = Some(key.clone());
        }
        self.records += 1;
        let bytes = &mut self.bytes;
        push_bytes(bytes, key.as_bytes());
        bytes.extend_from_slice(&pair.size.to_le_bytes());
        push_identity(bytes, source);
        push_identity(bytes, &pair.target);
        bytes.push(proof_code(proof));
        let Digests { crc32c, crc64nvme, md5 } = pair.digests;
        let has = |present: bool, bit: u8| if present { bit } else { 0 };
        bytes.push(
            has(crc32c.is_some(), HAS_CRC32C)
                | has(crc64nvme.is_some(), HAS_CRC64NVME)
                | has(md5.is_some(), HAS_MD5)
                | has(pair.source_modified.is_some(), HAS_MODIFIED),
        );
        crc32c.into_iter().for_each(|crc| bytes.extend_from_slice(&crc.to_le_bytes()));
        crc64nvme.into_iter().for_each(|crc| bytes.extend_from_slice(&crc.to_le_bytes()));
        md5.into_iter().for_each(|md5| bytes.extend_from_slice(&md5));
        if let Some(time) = pair.source_modified {
            bytes.extend_from_slice(&time.as_second().to_le_bytes());
            bytes.extend_from_slice(&time.subsec_nanosecond().to_le_bytes());
        }
    }

    /// How many records it holds.
    pub fn len(&self) -> u32 {
        self.records
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The least key, where there is one.
    pub fn first(&self) -> Option<&Key> {
        self.first.as_ref()
    }

    /// The run that found all of it out.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// When it did.
    pub fn known_at(&self) -> Timestamp {
        self.known_at
    }

    /// The records as files keep them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl IntoIterator for Batch {
    type Item = Result<Known, Malformed>;
    type IntoIter = Records;

    fn into_iter(self) -> Records {
        Records { left: self.records, batch: self, at: 0, last: None }
    }
}

/// The records of a batch, one after the other. Nothing follows an error.
#[derive(Debug)]
pub struct Records {
    batch: Batch,
    at: usize,
    left: u32,
    last: Option<Key>,
}

impl Iterator for Records {
    type Item = Result<Known, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let trailing = self.at < self.batch.bytes.len();
            self.at = self.batch.bytes.len();
            return trailing.then_some(Err(Malformed));
        }
        self.left -= 1;
        match self.record() {
            Some(known) => Some(Ok(known)),
            None => {
                (self.left, self.at) = (0, self.batch.bytes.len());
                Some(Err(Malformed))
            }
        }
    }
}

impl Records {
    fn record(&mut self) -> Option<Known> {
        let mut reader = Reader(self.batch.bytes.get(self.at..)?);
        let key = Key::new(reader.bytes()?);
        let in_order = match (&self.last, &self.batch.first) {
            (Some(last), _) => *last < key,
            (None, first) => first.as_ref() == Some(&key),
        };
        if !in_order {
            return None;
        }
        let size = u64::from_le_bytes(reader.array()?);
        let (source, target) = (reader.identity()?, reader.identity()?);
        let proof = proof_of(reader.byte()?)?;
        let has = reader.byte()?;
        if has & !(HAS_CRC32C | HAS_CRC64NVME | HAS_MD5 | HAS_MODIFIED) != 0 {
            return None;
        }
        let digests = Digests {
            crc32c: reader.array_if(has & HAS_CRC32C != 0)?.map(u32::from_le_bytes),
            crc64nvme: reader.array_if(has & HAS_CRC64NVME != 0)?.map(u64::from_le_bytes),
            md5: reader.array_if(has & HAS_MD5 != 0)?,
        };
        let source_modified = match has & HAS_MODIFIED != 0 {
            false => None,
            true => Some(Timestamp::new(i64::from_le_bytes(reader.array()?), i32::from_le_bytes(reader.array()?)).ok()?),
        };
        self.at = self.batch.bytes.len() - reader.0.len();
        self.last = Some(key.clone());
        let (run, known_at) = (self.batch.run.clone(), self.batch.known_at);
        Some(Known { key, size, source, target, digests, proof, source_modified, known_at, run, original: Original::Present })
    }
}

fn push_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a name or an ETag is shorter than 4 GiB");
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(bytes);
}

fn push_identity(buffer: &mut Vec<u8>, identity: &Identity) {
    match identity {
        Identity::Etag(etag) => {
            buffer.push(ETAG);
            push_bytes(buffer, etag.as_bytes());
        }
        Identity::Generation(generation) => {
            buffer.push(GENERATION);
            buffer.extend_from_slice(&generation.to_le_bytes());
        }
        Identity::File(FileStamp { inode, size, modified_ns, changed_ns }) => {
            buffer.push(FILE);
            for number in [*inode, *size, modified_ns.cast_unsigned(), changed_ns.cast_unsigned()] {
                buffer.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
}

fn proof_code(proof: Option<Proof>) -> u8 {
    let code = |kind: u8, algorithm: Algorithm| {
        let at = ALGORITHMS.iter().position(|known| *known == algorithm).expect("the table has every algorithm");
        kind | u8::try_from(at).expect("there are few algorithms")
    };
    match proof {
        None => UNPROVEN,
        Some(Proof::Transport) => TRANSPORT,
        Some(Proof::Stored(algorithm)) => code(STORED, algorithm),
        Some(Proof::Content(algorithm)) => code(CONTENT, algorithm),
    }
}

/// The proof, or that there is none; `None` where the byte says neither.
fn proof_of(code: u8) -> Option<Option<Proof>> {
    let algorithm = || ALGORITHMS.get(usize::from(code & 0x0f)).copied();
    match code & 0xf0 {
        0 if code == UNPROVEN => Some(None),
        0 if code == TRANSPORT => Some(Some(Proof::Transport)),
        STORED => Some(Some(Proof::Stored(algorithm()?))),
        CONTENT => Some(Some(Proof::Content(algorithm()?))),
        _ => None,
    }
}

/// What is left of the bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// The outer `None` is the end of the bytes.
    fn array_if<const N: usize>(&mut self, present: bool) -> Option<Option<[u8; N]>> {
        if present { self.array().map(Some) } else { Some(None) }
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn identity(&mut self) -> Option<Identity> {
        match self.byte()? {
            ETAG => std::str::from_utf8(self.bytes()?).ok().map(|etag| Identity::Etag(Arc::from(etag))),
            GENERATION => self.array().map(u64::from_le_bytes).map(Identity::Generation),
            FILE => {
                let mut number = || self.array().map(u64::from_le_bytes);
                let (inode, size, modified, changed) = (number()?, number()?, number()?, number()?);
                let stamp = FileStamp { inode, size, modified_ns: modified.cast_signed(), changed_ns: changed.cast_signed() };
                Some(Identity::File(stamp))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
