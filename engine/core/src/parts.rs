//! How an object is cut into parts.

use serde::{Deserialize, Serialize};

use crate::limits::MIB;

/// The limits of a target that decide how an object may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartLimits {
    /// Smallest part that is not the last, in bytes.
    pub part_bytes_min: u64,
    /// Largest part, in bytes.
    pub part_bytes_max: u64,
    /// Most parts of one upload.
    pub parts_max: u32,
    /// Largest object that one PUT can write, in bytes.
    pub put_bytes_max: u64,
    /// Largest object, in bytes.
    pub object_bytes_max: u64,
}

/// How one object travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartPlan {
    /// One read, one write.
    Whole,
    /// Parts of this size, the last one shorter.
    Parts {
        /// Size of every part but the last, in bytes.
        part_bytes: u64,
        /// How many.
        count: u32,
    },
}

/// The byte range of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1, as both clouds count.
    pub number: u32,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// The object is larger than the target, or its part limits, can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{size} bytes are more than the {limit} bytes that the target can hold as one object")]
pub struct TooLarge {
    /// The object's size in bytes.
    pub size: u64,
    /// What the target can hold, in bytes.
    pub limit: u64,
}

/// Plans the parts of an object of `size` bytes. `part_bytes` is the wish: it grows where 10,000 parts would not suffice,
/// by whole MiB, and is bound to what the target accepts.
pub fn plan(size: u64, part_bytes: u64, limits: &PartLimits) -> Result<PartPlan, TooLarge> {
    let reachable = limits.part_bytes_max.saturating_mul(u64::from(limits.parts_max));
    let limit = limits.object_bytes_max.min(reachable.max(limits.put_bytes_max));
    if size > limit {
        return Err(TooLarge { size, limit });
    }
    let wish = part_bytes.clamp(limits.part_bytes_min, limits.part_bytes_max);
    if size <= wish.min(limits.put_bytes_max) {
        return Ok(PartPlan::Whole);
    }
    let needed = size.div_ceil(u64::from(limits.parts_max));
    let part_bytes = if needed > wish { needed.next_multiple_of(MIB).min(limits.part_bytes_max) } else { wish };
    let count = u32::try_from(size.div_ceil(part_bytes)).expect("at most parts_max parts");
    Ok(PartPlan::Parts { part_bytes, count })
}

/// The parts of an object of `size` bytes, in order, without gap or overlap.
pub fn ranges(size: u64, part_bytes: u64) -> impl Iterator<Item = Part> {
    (1..).zip((0..size).step_by(usize::try_from(part_bytes).unwrap_or(usize::MAX))).map(move |(number, offset)| Part {
        number,
        offset,
        size: part_bytes.min(size - offset),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{GIB, PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX, S3_OBJECT_BYTES_MAX, TIB};
    use proptest::prelude::*;

    const S3: PartLimits = PartLimits {
        part_bytes_min: PART_BYTES_MIN,
        part_bytes_max: PART_BYTES_MAX,
        parts_max: PARTS_MAX,
        put_bytes_max: PUT_BYTES_MAX,
        object_bytes_max: S3_OBJECT_BYTES_MAX,
    };

    #[test]
    fn part_size_grows_with_the_object() {
        assert_eq!(plan(0, 8 * MIB, &S3), Ok(PartPlan::Whole));
        assert_eq!(plan(8 * MIB, 8 * MIB, &S3), Ok(PartPlan::Whole));
        assert_eq!(plan(8 * MIB + 1, 8 * MIB, &S3), Ok(PartPlan::Parts { part_bytes: 8 * MIB, count: 2 }));
        assert_eq!(plan(TIB, 8 * MIB, &S3), Ok(PartPlan::Parts { part_bytes: 105 * MIB, count: 9_987 }));
        assert_eq!(plan(5 * TIB, 8 * MIB, &S3), Ok(PartPlan::Parts { part_bytes: 525 * MIB, count: 9_987 }));
        assert_eq!(plan(S3_OBJECT_BYTES_MAX, 8 * MIB, &S3), Ok(PartPlan::Parts { part_bytes: 5 * GIB, count: 10_000 }));
        assert!(plan(S3_OBJECT_BYTES_MAX + 1, 8 * MIB, &S3).is_err());
    }

    proptest! {
        #[test]
        fn every_plan_covers_the_object_once(size in 1..=S3_OBJECT_BYTES_MAX, wish in MIB..64 * MIB) {
            if let PartPlan::Parts { part_bytes, count } = plan(size, wish, &S3).expect("within the limits") {
                prop_assert!(count <= PARTS_MAX && (PART_BYTES_MIN..=PART_BYTES_MAX).contains(&part_bytes));
                let mut next = 0;
                let mut parts = 0;
                for part in ranges(size, part_bytes) {
                    prop_assert_eq!(part.offset, next);
                    prop_assert!(part.size > 0);
                    next += part.size;
                    parts += 1;
                    prop_assert_eq!(part.number, parts);
                }
                prop_assert_eq!((next, parts), (size, count));
            }
        }
    }
}
