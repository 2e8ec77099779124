//! Sums of one epoch: what each observation adds to x x', r x, r and r r of its arm, exactly.
//!
//! Contexts are integers (Q12, 16 bits) and so are rewards (Q16, 64 bits), so every sum is an exact
//! integer and the order of adding cannot matter. What makes it fast is where the wide integers are
//! left out. Observations wait in blocks of 32, one column a term; a cell of x x' is then the inner
//! product of two columns, and as long as no term is 2.0 or more that fits 32 bits: the compiler
//! makes it four times "multiply eight pairs of 16-bit numbers and add neighbors" (`pmaddwd`). Only
//! its result is widened. A reward takes the same road as up to six signed digits of 11 bits, a
//! column each, that are put together in 128 bits when the sums are drained.

mod products;

use super::MAX_DIMENSION;
use super::rewards::RewardSums;
use products::{Panel, Products};
use serde::{Deserialize, Serialize};

/// Observations between two drains: a product is at most 2^30, so that many sums of products stay
/// within 64 bits.
const MAX_OBSERVATIONS: u64 = (1 << 33) - 1;

/// What one worker's observations of one arm in one epoch change in the arm's totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Number of the arm.
    pub arm: u32,
    /// Observations added less observations taken back.
    pub n: i64,
    /// Upper triangle of the sum of x x', row by row, in units of 2^-24.
    pub a: Vec<i64>,
    /// Sum of r x, in units of 2^-28.
    pub b: Vec<i128>,
    /// Sums of r and of r r.
    pub rewards: RewardSums,
}

/// Running sums of one arm, since the last drain. About 11 KB at dimension 32.
#[derive(Clone, Debug)]
pub struct Sums {
    arm: u32,
    n: i64,
    /// Observations that came in or were taken back since the last drain.
    observations: u64,
    added: Panel,
    taken: Panel,
    products: Products,
    rewards: RewardSums,
}

impl Sums {
    /// Empty sums of an arm for contexts of a dimension.
    ///
    /// # Panics
    /// If the dimension is not within 1..=[`MAX_DIMENSION`], which the configuration guarantees.
    pub fn new(arm: u32, dimension: usize) -> Self {
        assert!(
            (1..=MAX_DIMENSION).contains(&dimension),
            "a context has 1 to {MAX_DIMENSION} terms, not {dimension}"
        );
        Sums {
            arm,
            n: 0,
            observations: 0,
            added: Panel::new(dimension),
            taken: Panel::new(dimension),
            products: Products::new(dimension),
            rewards: RewardSums::default(),
        }
    }

    /// Adds an observation: its context (Q12) and its reward (Q16).
    ///
    /// # Panics
    /// If the context has another dimension than the sums.
    #[inline]
    pub fn push(&mut self, x: &[i16], reward: i64) {
        self.n += 1;
        if self.added.push(x, reward) {
            self.flush();
        }
    }

    /// Takes an observation back that was added at any time before, in this epoch or another.
    ///
    /// # Panics
    /// If the context has another dimension than the sums.
    #[inline]
    pub fn take(&mut self, x: &[i16], reward: i64) {
        self.n -= 1;
        if self.taken.push(x, reward) {
            self.flush();
        }
    }

    /// All that was added since the last drain, be it nothing; the sums are empty then.
    pub fn drain_all(&mut self) -> Delta {
        self.flush();
        self.observations = 0;
        let (a, b) = self.products.drain();
        let (n, rewards) = (std::mem::take(&mut self.n), std::mem::take(&mut self.rewards));
        Delta { arm: self.arm, n, a, b, rewards }
    }

    /// What changed since the last drain, or `None` if that is nothing (also where all that was
    /// added was taken back); the sums are empty then.
    pub fn drain(&mut self) -> Option<Delta> {
        self.flush();
        if self.observations == 0 {
            return None;
        }
        let delta = self.drain_all();
        let changed = delta.n != 0
            || !delta.rewards.is_empty()
            || delta.a.iter().any(|&sum| sum != 0)
            || delta.b.iter().any(|&sum| sum != 0);
        changed.then_some(delta)
    }

    /// Brings what waits in both blocks into the sums.
    #[inline(never)]
    fn flush(&mut self) {
        self.observations += (self.added.len + self.taken.len) as u64;
        assert!(
            self.observations <= MAX_OBSERVATIONS,
            "an epoch of over {MAX_OBSERVATIONS} observations of one arm must be cut into several"
        );
        for (block, sign) in [(&mut self.added, 1), (&mut self.taken, -1)] {
            block.take_rewards(&mut self.rewards, sign);
            self.products.fold(block, sign);
        }
    }
}

#[cfg(test)]
mod tests;
