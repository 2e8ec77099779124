//! The learner: exact sums of observations, the models solved from them, and the choice of an arm.
//!
//! ```text
//! observation ─▶ tallies (sums of arms, days of arms) ─ exchanged ─▶ totals ─▶ ridge ─▶ model
//!                                                                                        │
//!                 ┌──────────────────────────────────────────────────────────────────────┘
//!                 ▼
//! context ─▶ estimates ─▶ policy ─▶ propensities ─▶ choice ◀─ draws
//! ```

pub mod acting;
pub mod choice;
pub mod digest;
pub mod draws;
pub mod model;
pub mod normal;
pub mod observation;
pub mod parameters;
pub mod policy;
pub mod rewards;
pub mod ridge;
pub mod schedule;
pub mod statistics;
pub mod tallies;
pub mod totals;

#[cfg(test)]
mod known_policies;
#[cfg(test)]
mod reference_linucb;

/// Terms of a context at most.
pub const MAX_DIMENSION: usize = 128;
/// Fraction bits of a context's terms (Q12).
pub const CONTEXT_BITS: i32 = 12;
/// Fraction bits of a reward (Q16).
pub const REWARD_BITS: i32 = 16;

/// Cells of the upper triangle, diagonal included, of a square matrix.
pub const fn triangle_length(dimension: usize) -> usize {
    dimension * (dimension + 1) / 2
}

/// Random numbers for the tests, the same on every machine.
#[cfg(test)]
mod random {
    use crate::mixing::{GOLDEN, step};

    /// The generator of Steele, Lea and Flood (2014): any seed will do.
    pub(super) struct SplitMix64(pub(super) u64);

    impl SplitMix64 {
        pub(super) fn next(&mut self) -> u64 {
            let drawn = step(self.0);
            self.0 = self.0.wrapping_add(GOLDEN);
            drawn
        }

        /// Uniform in 0..1, 53 bits.
        pub(super) fn unit(&mut self) -> f64 {
            (self.next() >> 11) as f64 * (-53f64).exp2()
        }
    }
}
