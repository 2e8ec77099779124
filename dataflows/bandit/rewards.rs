//! Sums of rewards and of their squares, exactly, and the standard deviation that follows.
//!
//! The deviation of many rewards that hardly differ is what is left of two numbers that are almost
//! the same, so their difference is formed in integers, and only what is left becomes a float.

use super::REWARD_BITS;
use serde::{Deserialize, Serialize};

/// Rewards whose squares can be summed within 64 bits, as many as a block has: from minus this to
/// one less than it.
const SMALL: u64 = 1 << 29;

/// Observations of a block, which [`RewardSums::fold`] takes at once.
const BLOCK: usize = 32;

// So many squares of small rewards fit 64 bits.
const _: () = assert!(SMALL * SMALL <= u64::MAX / BLOCK as u64);

/// The rewards of some observations, in sum.
///
/// A reward is at most 1e7, which is below 2^40 in Q16, so the sums have room for 2^47 observations
/// of the greatest. Beyond, they wrap as rewards of one interaction do: what is taken back still
/// leaves no trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardSums {
    /// Sum of r, in units of 2^-16.
    pub sum: i128,
    /// Sum of r r, in units of 2^-32.
    pub squares: i128,
}

impl RewardSums {
    /// Adds (`sign` 1) or takes away (-1) a reward in Q16.
    pub fn count(&mut self, reward: i64, sign: i64) {
        let (reward, sign) = (i128::from(reward), i128::from(sign));
        self.sum = self.sum.wrapping_add(sign * reward);
        self.squares = self.squares.wrapping_add(sign * reward * reward);
    }

    /// The same with those of a block, which are these.
    pub(super) fn fold(&mut self, block: &BlockRewards, rewards: &[i64], sign: i64) {
        if block.bits >= SMALL || rewards.len() > BLOCK {
            return rewards.iter().for_each(|&reward| self.count(reward, sign));
        }
        self.add(&RewardSums {
            sum: i128::from(sign * block.sum),
            squares: i128::from(sign) * i128::from(block.squares),
        });
    }

    /// Adds others.
    pub fn add(&mut self, other: &RewardSums) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.squares = self.squares.wrapping_add(other.squares);
    }

    /// Takes others away.
    pub fn take(&mut self, other: &RewardSums) {
        self.sum = self.sum.wrapping_sub(other.sum);
        self.squares = self.squares.wrapping_sub(other.squares);
    }

    /// Whether nothing is left in them.
    pub fn is_empty(&self) -> bool {
        *self == RewardSums::default()
    }

    /// The standard deviation of the `n` rewards that these are the sums of, in units of reward:
    /// sqrt(n sum of squares - sum^2) / n. 1 where that is 0 or of fewer than two.
    pub fn deviation(&self, n: i64) -> f64 {
        let (Ok(count), Ok(squares)) = (u128::try_from(n), u128::try_from(self.squares)) else {
            return 1.0;
        };
        let sum = self.sum.unsigned_abs();
        let (of_squares, of_sum) = (product(count, squares), product(sum, sum));
        if count < 2 || of_squares <= of_sum {
            return 1.0;
        }
        let (low, borrows) = of_squares.1.overflowing_sub(of_sum.1);
        let high = of_squares.0 - of_sum.0 - u128::from(borrows);
        let spread = libm::ldexp(high as f64, 128) + low as f64;
        libm::ldexp(libm::sqrt(spread), -REWARD_BITS) / n as f64
    }
}

/// The rewards of a block in sum as they come, in 64 bits: of use where all of them are small.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlockRewards {
    /// Every bit that a reward, or what it is less than -1, has set.
    bits: u64,
    sum: i64,
    squares: u64,
}

impl BlockRewards {
    /// Adds a reward, beside whatever else is done with it: that costs next to nothing.
    #[inline]
    pub(super) fn push(&mut self, reward: i64) {
        self.bits |= (reward ^ (reward >> (i64::BITS - 1))) as u64;
        self.sum = self.sum.wrapping_add(reward);
        self.squares = self.squares.wrapping_add(reward.wrapping_mul(reward) as u64);
    }
}

/// The product of two numbers, its upper and its lower half.
fn product(a: u128, b: u128) -> (u128, u128) {
    const HALF: u128 = u64::MAX as u128;
    let ((a_high, a_low), (b_high, b_low)) = ((a >> 64, a & HALF), (b >> 64, b & HALF));
    let lowest = a_low * b_low;
    let (first, second) = (a_high * b_low, a_low * b_high);
    let middle = (lowest >> 64) + (first & HALF) + (second & HALF);
    let high = a_high * b_high + (first >> 64) + (second >> 64) + (middle >> 64);
    (high, (middle << 64) | (lowest & HALF))
}

#[cfg(test)]
mod tests {
    use super::super::random::SplitMix64;
    use super::*;

    fn sums(rewards: &[i64]) -> RewardSums {
        let mut sums = RewardSums::default();
        rewards.iter().for_each(|&reward| sums.count(reward, 1));
        sums
    }

    fn fold(sums: &mut RewardSums, rewards: &[i64], sign: i64) {
        let mut block = BlockRewards::default();
        rewards.iter().for_each(|&reward| block.push(reward));
        sums.fold(&block, rewards, sign);
    }

    #[test]
    fn blocks_add_up_as_single_rewards_do() {
        let mut random = SplitMix64(5);
        for bits in [1, 20, 28, 29, 30, 40, 63] {
            for length in [0, 1, 31, 32, 33] {
                let rewards: Vec<i64> =
                    (0..length).map(|_| random.next() as i64 >> (63 - bits)).collect();
                let mut folded = RewardSums::default();
                fold(&mut folded, &rewards, 1);
                assert_eq!(folded, sums(&rewards), "{length} of {bits} bits");
                fold(&mut folded, &rewards, -1);
                assert!(folded.is_empty(), "{length} of {bits} bits");
            }
        }
        for reward in [-(1 << 29), -(1 << 29) - 1, (1 << 29) - 1, 1 << 29] {
            let mut folded = RewardSums::default();
            fold(&mut folded, &[reward; BLOCK], 1);
            assert_eq!(folded, sums(&[reward; BLOCK]), "{reward}");
        }
        let mut extremes = RewardSums::default();
        let rewards = [i64::MIN, i64::MAX, i64::MIN, i64::MAX, i64::MIN];
        fold(&mut extremes, &rewards, 1);
        rewards.iter().for_each(|&reward| extremes.count(reward, -1));
        assert!(extremes.is_empty(), "what wraps leaves no trace either");
    }

    #[test]
    fn products_are_whole() {
        for (a, b, expected) in [
            (0, u128::MAX, (0, 0)),
            (u128::MAX, u128::MAX, (u128::MAX - 1, 1)),
            (1 << 64, 1 << 64, (1, 0)),
            (u128::MAX, 2, (1, u128::MAX - 1)),
            ((1 << 100) + 7, (1 << 90) + 9, (1 << 62, (9 << 100) + (7 << 90) + 63)),
        ] {
            assert_eq!((product(a, b), product(b, a)), (expected, expected), "{a} times {b}");
        }
    }

    #[test]
    fn the_deviation_is_that_of_the_rewards() {
        let whole = |rewards: &[i64]| rewards.iter().map(|r| r << 16).collect::<Vec<_>>();
        for (rewards, expected) in [
            (vec![], 1.0),
            (whole(&[7]), 1.0),
            (whole(&[7, 7, 7]), 1.0),
            (whole(&[1, 3]), 1.0),
            (whole(&[0, 0, 0, 10]), f64::sqrt(18.75)),
            (whole(&[-5, 5]), 5.0),
            (whole(&[10_000_000, -10_000_000]), 1e7),
        ] {
            let deviation = sums(&rewards).deviation(rewards.len() as i64);
            assert!((deviation - expected).abs() <= 1e-12 * expected, "{rewards:?}: {deviation}");
        }
    }

    #[test]
    fn nothing_cancels_that_floats_would_lose() {
        // A thousand million rewards of 1e7, half of them a step of 2^-16 above.
        let (great, many) = (10_000_000i128 << 16, 1_000_000_000i64);
        let half = i128::from(many / 2);
        let sums = RewardSums {
            sum: half * great + half * (great + 1),
            squares: half * great * great + half * (great + 1) * (great + 1),
        };
        assert!((sums.deviation(many) * 65_536.0 - 0.5).abs() < 1e-15);
        let wrapped = RewardSums { squares: -1, ..sums };
        assert_eq!(wrapped.deviation(many), 1.0);
    }
}
