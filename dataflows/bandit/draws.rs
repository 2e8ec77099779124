//! Random draws that are frozen: the same seed, purpose, customer and decision give the same
//! numbers, whoever asks and whenever.
//!
//! SplitMix64 (Steele, Lea and Flood 2014). The state of a stream is made by one step for each of
//! its parts, so streams that differ in one part have nothing to do with each other.

use super::normal;
use crate::mixing::{GOLDEN, step};

/// What numbers are drawn for: streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Choosing an arm by its propensities.
    Choice = 1,
    /// What is worked out by drawing often.
    MonteCarlo = 2,
}

/// The draws of one purpose for one decision of one customer.
#[derive(Clone, Copy, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The stream of a decision: `key` is the frozen hash of its id. The customer is part of it,
    /// for some producers give the decisions of all customers the same ids.
    pub fn new(seed: u64, purpose: Purpose, customer: i64, key: u64) -> Self {
        let parts = [purpose as u64, customer as u64, key];
        Draws(parts.into_iter().fold(step(seed), |state, part| step(state ^ part)))
    }

    /// The next number, uniform in 0..1, of 53 bits.
    pub fn next_unit(&mut self) -> f64 {
        let mixed = step(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        (mixed >> 11) as f64 * libm::ldexp(1.0, -53)
    }

    /// The next number of the standard normal distribution, from one uniform number.
    pub fn next_normal(&mut self) -> f64 {
        normal::inverse(self.next_unit() + libm::ldexp(1.0, -54))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::text::id_hash;

    /// Worked out apart from this program.
    #[test]
    fn draws_are_the_known_ones() {
        let mut draws = Draws::new(1, Purpose::Choice, 42, id_hash(b"D-1"));
        let drawn = [draws.next_unit(), draws.next_unit(), draws.next_unit()];
        assert_eq!(drawn, [0.039172623053116196, 0.38311131271988996, 0.981137407431954]);
        let mut draws = Draws::new(1, Purpose::MonteCarlo, 42, id_hash(b"D-1"));
        for wanted in [-0.7348587321982447, -1.9896743255469023] {
            assert!((draws.next_normal() - wanted).abs() < 1e-12);
        }
    }

    #[test]
    fn each_part_makes_another_stream() {
        let first =
            |seed, customer, key| Draws::new(seed, Purpose::Choice, customer, key).next_unit();
        let base = first(1, 42, 7);
        for other in [first(2, 42, 7), first(1, 43, 7), first(1, 42, 8), first(1, 7, 42)] {
            assert_ne!(base, other);
        }
    }
}
