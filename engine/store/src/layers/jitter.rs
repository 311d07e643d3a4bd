//! Where the chance in a pause comes from.
//!
//! A run draws it from the system, so that a thousand clients that failed together do not come back together. A simulation
//! draws it from a seed, because a failing seed must fail again. Nothing but the length of a pause may depend on it.

use std::sync::atomic::{AtomicU64, Ordering};

/// The increment of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Draws the share of the longest pause that is really waited.
#[derive(Debug)]
pub enum Jitter {
    /// From the system's generator.
    Random,
    /// From a sequence that a seed decides: equal calls in equal order wait equally long.
    Seeded(Sequence),
}

/// A sequence of numbers that its seed decides.
#[derive(Debug)]
pub struct Sequence(AtomicU64);

impl Jitter {
    /// A sequence of its own for this seed.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Sequence(AtomicU64::new(seed)))
    }

    /// The next number, in `0.0..1.0`.
    pub fn draw(&self) -> f64 {
        match self {
            Self::Random => rand::random(),
            Self::Seeded(sequence) => sequence.draw(),
        }
    }
}

impl Sequence {
    fn draw(&self) -> f64 {
        let state = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        let high = u32::try_from(mixed >> 32).expect("32 bits are left");
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(jitter: &Jitter) -> Vec<f64> {
        (0..1_000).map(|_| jitter.draw()).collect()
    }

    #[test]
    fn a_seed_decides_every_draw_and_draws_spread() {
        let seen = draws(&Jitter::seeded(7));
        assert_eq!(seen, draws(&Jitter::seeded(7)));
        assert_ne!(seen, draws(&Jitter::seeded(8)));
        assert_ne!(draws(&Jitter::Random), draws(&Jitter::Random));
        for jitter in [Jitter::seeded(7), Jitter::Random] {
            let seen = draws(&jitter);
            assert!(seen.iter().all(|share| (0.0..1.0).contains(share)));
            let mean = seen.iter().sum::<f64>() / 1_000.0;
            assert!((0.4..0.6).contains(&mean), "{mean}");
        }
    }
}
