//! What generated objects hold, and the digests of it.
//!
//! All content is one fixed pseudo-random block, read round and round from a start that the content's class names. The length
//! of the block is a prime: ranges at round offsets differ from each other, so a part in the wrong place changes the CRC.
//! Digests are computed once for each size and class.

use std::collections::{BTreeSet, HashMap};
use std::sync::{OnceLock, RwLock};

use crc_fast::CrcAlgorithm::Crc32Iscsi;
use md5::{Digest as _, Md5};

use crate::keys::{Shape, scramble};
use crate::limits::{ETAG_BYTES_MAX, ETAG_PART_BYTES, LOOK_THROUGH_MAX, MD5_BYTES_MAX, WRITE_BYTES_MAX};
use crate::object::ETag;

/// The largest prime below 2^20.
const BLOCK_BYTES: usize = 1_048_573;
/// Distance between the starts of two classes, in bytes.
const CLASS_STEP: u64 = 15_013;

/// The block, and its beginning once more behind its end, so that every slice is whole.
fn block() -> &'static [u8] {
    static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
    BLOCK.get_or_init(|| {
        let words = (0..).flat_map(|word: u64| scramble(word ^ 0x6272_6967_6164_6500).to_le_bytes());
        let mut block: Vec<u8> = words.take(BLOCK_BYTES).collect();
        block.extend_from_within(..WRITE_BYTES_MAX);
        block
    })
}

/// The bytes of a class from `offset` on: at least one, at most `WRITE_BYTES_MAX`.
pub(crate) fn slice(class: u32, offset: u64, bytes_max: u64) -> &'static [u8] {
    let length = u64::try_from(BLOCK_BYTES).expect("a constant");
    let start = usize::try_from((offset + u64::from(class) * CLASS_STEP) % length).expect("less than the block");
    let bytes = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(WRITE_BYTES_MAX);
    &block()[start..start + bytes]
}

/// Digests of whole content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    /// CRC-32C.
    pub(crate) crc32c: u32,
    /// The MD5, or for large content something that looks like the ETag of a multipart upload.
    pub(crate) etag: ETag,
}

/// Computes the digests of `size` bytes of a class.
fn compute(size: u64, class: u32) -> Digests {
    let mut crc = crc_fast::Digest::new(Crc32Iscsi);
    // One MD5 of all, or one for each part.
    let part_bytes = if size <= MD5_BYTES_MAX { size } else { ETAG_PART_BYTES };
    let mut part = Md5::new();
    let mut over_parts = Md5::new();
    let mut offset = 0;
    while offset < size {
        let part_left = part_bytes - offset % part_bytes;
        let bytes = slice(class, offset, part_left.min(size - offset));
        crc.update(bytes);
        offset += u64::try_from(bytes.len()).expect("a short slice");
        if size <= ETAG_BYTES_MAX {
            part.update(bytes);
            if size > MD5_BYTES_MAX && (offset.is_multiple_of(part_bytes) || offset == size) {
                over_parts.update(std::mem::take(&mut part).finalize());
            }
        }
    }
    let crc32c = narrow(crc.finalize());
    let parts = u32::try_from(size.div_ceil(ETAG_PART_BYTES)).unwrap_or(u32::MAX);
    let etag = match size {
        0..=MD5_BYTES_MAX => ETag::of_md5(part.finalize().into()),
        _ if size <= ETAG_BYTES_MAX => ETag::of_parts(over_parts.finalize().into(), parts),
        _ => ETag::made_up(crc32c, parts),
    };
    Digests { crc32c, etag }
}

/// The CRC-32C of a range of a class.
pub(crate) fn range_crc32c(class: u32, offset: u64, size: u64) -> u32 {
    let mut crc = crc_fast::Digest::new(Crc32Iscsi);
    let mut at = 0;
    while at < size {
        let bytes = slice(class, offset + at, size - at);
        crc.update(bytes);
        at += u64::try_from(bytes.len()).expect("a short slice");
    }
    narrow(crc.finalize())
}

/// A CRC of 32 bits, which crc-fast gives in 64.
pub(crate) fn narrow(crc: u64) -> u32 {
    u32::try_from(crc).expect("a CRC of 32 bits")
}

/// The CRC-32C of bytes at hand.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    narrow(crc_fast::checksum(Crc32Iscsi, bytes))
}

/// The CRC-32C of two pieces one behind the other.
pub(crate) fn joined(first: u32, second: u32, second_bytes: u64) -> u32 {
    narrow(crc_fast::checksum_combine(Crc32Iscsi, u64::from(first), u64::from(second), second_bytes))
}

/// MD5s by size and CRC-32C: a copy of generated content is recognised, so its ETag is the right one without computing it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    md5s: RwLock<HashMap<(u64, u32), [u8; 16]>>,
}

impl Known {
    /// The MD5 of content of this size and CRC-32C, if it was generated here.
    pub(crate) fn md5(&self, size: u64, crc32c: u32) -> Option<[u8; 16]> {
        self.md5s.read().expect("no thread panics with it").get(&(size, crc32c)).copied()
    }

    fn learn(&self, size: u64, digests: Digests) {
        if let Some(md5) = digests.etag.md5() {
            self.md5s.write().expect("no thread panics with it").insert((size, digests.crc32c), md5);
        }
    }
}

/// The digests of everything in one generated bucket.
#[derive(Debug)]
pub(crate) struct Catalog {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    size: u64,
    first_class: u32,
    /// By class; large content that no object has is left out.
    digests: Vec<Option<Digests>>,
}

impl Slot {
    fn new(size: u64, first_class: u32) -> Self {
        let classes = usize::try_from(classes(size)).expect("a small number");
        Self { size, first_class, digests: vec![None; classes] }
    }

    fn place(&self, chance: u64) -> usize {
        let count = u64::try_from(self.digests.len()).expect("a short list");
        usize::try_from(chance % count).expect("less than the list")
    }

    fn class(&self, place: usize) -> u32 {
        self.first_class + u32::try_from(place).expect("a short list")
    }
}

impl Catalog {
    /// Computes them all. Every size is `shorter_by` bytes less than the shape says, and its classes are others then.
    pub(crate) fn new(shape: &Shape, shorter_by: u64, known: &Known) -> Self {
        let first_class = if shorter_by == 0 { 0 } else { 1_000 };
        let sizes = shape.sizes().iter().map(|size| size.saturating_sub(shorter_by));
        let mut slots: Vec<Slot> = sizes.map(|size| Slot::new(size, first_class)).collect();
        let wanted = wanted(shape, &slots);
        // The large ones take seconds: each core takes its share.
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let computed: Vec<((usize, usize), Digests)> = std::thread::scope(|scope| {
            let share = |turn| {
                let (slots, wanted) = (&slots, &wanted);
                let work = move || {
                    let own = wanted.iter().skip(turn).step_by(threads);
                    own.map(|(slot, place)| ((*slot, *place), compute(slots[*slot].size, slots[*slot].class(*place)))).collect::<Vec<_>>()
                };
                scope.spawn(work)
            };
            let running: Vec<_> = (0..threads).map(share).collect();
            running.into_iter().flat_map(|thread| thread.join().expect("computing a digest does not panic")).collect()
        });
        for ((slot, place), digests) in computed {
            known.learn(slots[slot].size, digests);
            slots[slot].digests[place] = Some(digests);
        }
        Self { slots }
    }

    /// Size, class and digests of the content that a shape chose.
    pub(crate) fn pick(&self, (slot, chance): (usize, u64)) -> (u64, u32, Digests) {
        let slot = &self.slots[slot];
        let place = slot.place(chance);
        (slot.size, slot.class(place), slot.digests[place].expect("what an object has was computed"))
    }
}

/// The contents that have to be computed: all small ones, and the large ones that occur.
fn wanted(shape: &Shape, slots: &[Slot]) -> BTreeSet<(usize, usize)> {
    let looked_through = shape.objects() <= LOOK_THROUGH_MAX;
    let whole = |slot: &Slot| !looked_through || slot.size <= MD5_BYTES_MAX;
    let places = |(index, slot): (usize, &Slot)| (0..slot.digests.len()).map(move |place| (index, place));
    let mut wanted: BTreeSet<_> = slots.iter().enumerate().filter(|(_, slot)| whole(slot)).flat_map(places).collect();
    if slots.iter().all(whole) {
        return wanted;
    }
    for index in 0..shape.objects() {
        let (slot, chance) = shape.content(index);
        wanted.insert((slot, slots[slot].place(chance)));
    }
    wanted
}

/// How many contents of one size there are: as many as can be digested while somebody waits for the server to start.
fn classes(size: u64) -> u32 {
    match size {
        0..=65_536 => 64,
        _ if size <= ETAG_BYTES_MAX => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(class: u32, from: u64, to: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut offset = from;
        while offset < to {
            bytes.extend_from_slice(slice(class, offset, to - offset));
            offset = from + u64::try_from(bytes.len()).unwrap();
        }
        bytes
    }

    #[test]
    fn a_range_is_a_piece_of_the_whole_and_no_two_round_ranges_are_alike() {
        let all = whole(3, 0, 3_000_000);
        for (from, to) in [(0, 1), (1_048_572, 1_048_574), (1_000_000, 2_999_999)] {
            let piece = &all[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
            assert_eq!(whole(3, from, to), piece);
        }
        assert_ne!(whole(3, 0, 65_536), whole(3, 1 << 20, (1 << 20) + 65_536));
        assert_ne!(whole(3, 0, 64), whole(4, 0, 64));
    }

    #[test]
    fn a_large_object_has_the_etag_of_its_parts() {
        let size = MD5_BYTES_MAX + 1;
        let bytes = whole(2, 0, size);
        let mut over_parts = Md5::new();
        bytes.chunks(usize::try_from(ETAG_PART_BYTES).unwrap()).for_each(|part| over_parts.update(Md5::digest(part)));
        assert_eq!(compute(size, 2).etag, ETag::of_parts(over_parts.finalize().into(), 3));
    }

    #[test]
    fn digests_are_those_of_the_bytes() {
        let bytes = whole(5, 0, 2_500_000);
        let digests = compute(2_500_000, 5);
        assert_eq!((digests.crc32c, digests.etag.md5()), (crc32c(&bytes), Some(Md5::digest(&bytes).into())));
        let (head, tail) = bytes.split_at(1_000_001);
        assert_eq!(joined(crc32c(head), crc32c(tail), 1_499_999), digests.crc32c);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
