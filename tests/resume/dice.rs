//! Chance by a seed: a kill that found something can be looked for again.

/// The next state differs from the last one in every bit (SplitMix64).
#[derive(Debug)]
pub struct Dice(u64);

/// Set to repeat what a seed did; scheduling still differs from run to run.
const SEED_VARIABLE: &str = "BRIGADE_RESUME_SEED";

impl Dice {
    /// By the environment's seed, else by a fresh one; printed either way.
    pub fn thrown(what: &str) -> Self {
        let given = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok());
        let fresh = || {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            u64::from(since.subsec_nanos()) ^ since.as_secs()
        };
        let seed = given.unwrap_or_else(fresh);
        println!("{what}: {SEED_VARIABLE}={seed}");
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}
