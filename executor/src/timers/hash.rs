//! A hash of durations that costs a multiplication.
//!
//! std's costs more than all else in arming a timer.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes the hashes of one map. A random number: who chooses durations must not be able to choose
/// collisions.
#[derive(Debug, Clone)]
pub(crate) struct Seed(u64);

impl Default for Seed {
    fn default() -> Seed {
        Seed(RandomState::new().hash_one(()))
    }
}

impl BuildHasher for Seed {
    type Hasher = Folded;

    #[inline]
    fn build_hasher(&self) -> Folded {
        Folded(self.0)
    }
}

/// Multiplies by the golden ratio of 2^64, and folds the product's halves.
#[derive(Debug)]
pub(crate) struct Folded(u64);

impl Hasher for Folded {
    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
