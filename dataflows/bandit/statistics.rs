//! Sums of one epoch: what each observation adds to x x' and r x of its arm, exactly.
//!
//! Contexts are integers (Q12, 16 bits) and so are rewards (Q16, 64 bits), so every sum is an exact
//! integer and the order of adding cannot matter. What makes it fast is where the wide integers are
//! left out. Observations wait in blocks of 32, one column a term; a cell of x x' is then the inner
//! product of two columns, and as long as no term is 2.0 or more that fits 32 bits: the compiler
//! makes it four times "multiply eight pairs of 16-bit numbers and add neighbors" (`pmaddwd`). Only
//! its result is widened. A reward takes the same road as up to six signed digits of 11 bits, a
//! column each, that are put together in 128 bits when the sums are drained.

use super::{MAX_DIMENSION, triangle_length};
use serde::{Deserialize, Serialize};

/// Observations of a block.
const BLOCK: usize = 32;
/// Products of a block that are summed in 32 bits where terms are too large for all of them.
const PART: usize = 8;
/// Bits of a digit of a reward.
const DIGIT_BITS: u32 = 11;
/// Digits of the longest reward, whose magnitude (2^63) has 64 bits.
const DIGITS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;
/// Observations between two drains: a product is at most 2^30, so that many sums of products stay
/// within 64 bits.
const MAX_OBSERVATIONS: u64 = (1 << 33) - 1;

// A block's products of digits and any terms stay within 32 bits.
const _: () = assert!(((1i64 << DIGIT_BITS) - 1) * (1 << 15) * BLOCK as i64 <= i32::MAX as i64);

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
}

/// Running sums of one arm, since the last drain. About 11 KB at dimension 32.
#[derive(Clone, Debug)]
pub struct Sums {
    arm: u32,
    n: i64,
    /// Observations that came in or were taken back since the last drain.
    observations: u64,
    added: Block,
    taken: Block,
    products: Products,
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
            added: Block::new(dimension),
            taken: Block::new(dimension),
            products: Products::new(dimension),
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
        Delta { arm: self.arm, n: std::mem::take(&mut self.n), a, b }
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
        self.products.fold(&mut self.added, 1);
        self.products.fold(&mut self.taken, -1);
    }
}

/// One term of a block's observations.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Column([i16; BLOCK]);

impl Column {
    const ZERO: Column = Column([0; BLOCK]);

    /// Smallest and greatest value.
    fn range(&self) -> (i16, i16) {
        self.0.iter().fold((0, 0), |(low, high), &value| (low.min(value), high.max(value)))
    }
}

/// Observations that wait to be summed together.
#[derive(Clone, Debug)]
struct Block {
    len: usize,
    columns: Vec<Column>,
    rewards: [i64; BLOCK],
}

impl Block {
    fn new(dimension: usize) -> Self {
        Block { len: 0, columns: vec![Column::ZERO; dimension], rewards: [0; BLOCK] }
    }

    /// Appends an observation; says whether the block is full.
    #[inline]
    fn push(&mut self, x: &[i16], reward: i64) -> bool {
        assert_eq!(
            x.len(),
            self.columns.len(),
            "a context must have the dimension of its arm's sums"
        );
        let place = self.len % BLOCK;
        self.columns.iter_mut().zip(x).for_each(|(column, &term)| column.0[place] = term);
        self.rewards[place] = reward;
        self.len = place + 1;
        self.len == BLOCK
    }

    /// Puts zeros where observations of an earlier block still stand.
    fn pad(&mut self) {
        if self.len < BLOCK {
            self.columns.iter_mut().for_each(|column| column.0[self.len..].fill(0));
            self.rewards[self.len..].fill(0);
        }
    }

    /// How many products of two terms can be summed within 32 bits, whichever they are.
    fn safe_products(&self) -> usize {
        let largest = self
            .columns
            .iter()
            .map(Column::range)
            .fold(1, |largest, (low, high)| largest.max(-i32::from(low)).max(i32::from(high)));
        (i32::MAX / (largest * largest)) as usize
    }
}

/// Sums of products of one arm.
#[derive(Clone, Debug)]
struct Products {
    dimension: usize,
    /// Upper triangle of the sum of x x', row by row.
    triangle: Vec<i64>,
    /// Sums of x times a digit of the reward: all terms of the lowest digit first.
    digits: Vec<i64>,
}

impl Products {
    fn new(dimension: usize) -> Self {
        Products {
            dimension,
            triangle: vec![0; triangle_length(dimension)],
            digits: vec![0; DIGITS * dimension],
        }
    }

    /// Adds (`sign` 1) or subtracts (-1) a block's products; the block is empty then.
    fn fold(&mut self, block: &mut Block, sign: i64) {
        if block.len == 0 {
            return;
        }
        block.pad();
        match block.safe_products() {
            BLOCK.. => self.fold_contexts(&block.columns, |a, b| sign * inner_product(a, b)),
            PART.. => {
                self.fold_contexts(&block.columns, |a, b| sign * inner_product_in_parts(a, b))
            }
            _ => self.fold_contexts(&block.columns, |a, b| sign * inner_product_of_any(a, b)),
        }
        self.fold_rewards(block, sign);
        block.len = 0;
    }

    /// x x', one inner product a cell.
    #[inline(always)]
    fn fold_contexts(&mut self, columns: &[Column], product: impl Fn(&Column, &Column) -> i64) {
        let mut rest = self.triangle.as_mut_slice();
        for (row, left) in columns.iter().enumerate() {
            let (cells, below) = rest.split_at_mut(columns.len() - row);
            rest = below;
            // A copy, so that it stays in registers while the cells are written.
            let left = *left;
            cells
                .iter_mut()
                .zip(&columns[row..])
                .for_each(|(cell, right)| *cell += product(&left, right));
        }
    }

    /// r x, digit by digit of the rewards, as far as the longest of them goes.
    fn fold_rewards(&mut self, block: &Block, sign: i64) {
        let bits = block.rewards.iter().fold(0, |bits, reward| bits | reward.unsigned_abs());
        let digits = (u64::BITS - bits.leading_zeros()).div_ceil(DIGIT_BITS) as usize;
        for (position, sums) in self.digits.chunks_mut(self.dimension).take(digits).enumerate() {
            let left = Column(block.rewards.map(|reward| digit(reward, position)));
            sums.iter_mut()
                .zip(&block.columns)
                .for_each(|(sum, right)| *sum += sign * inner_product(&left, right));
        }
    }

    /// The upper triangle of the sum of x x' and the sum of r x, put together from its digits; the
    /// sums are empty then.
    fn drain(&mut self) -> (Vec<i64>, Vec<i128>) {
        let triangle = self.triangle.clone();
        let mut rewards = vec![0i128; self.dimension];
        for (position, digits) in self.digits.chunks(self.dimension).enumerate() {
            for (sum, &digit) in rewards.iter_mut().zip(digits) {
                *sum += i128::from(digit) << (DIGIT_BITS * position as u32);
            }
        }
        self.triangle.fill(0);
        self.digits.fill(0);
        (triangle, rewards)
    }
}

/// A digit of a reward, with the reward's sign.
#[inline]
fn digit(reward: i64, position: usize) -> i16 {
    let magnitude =
        (reward.unsigned_abs() >> (DIGIT_BITS * position as u32)) & ((1 << DIGIT_BITS) - 1);
    let magnitude = magnitude as i16;
    if reward < 0 { -magnitude } else { magnitude }
}

/// Sum of the products of two columns that fits 32 bits: of terms below 2.0, or of digits and any
/// terms.
///
/// The form matters: of this one the compiler makes `pmaddwd`. Nothing wraps, as the caller has
/// seen to.
#[inline(always)]
fn inner_product(left: &Column, right: &Column) -> i64 {
    i64::from(left.0.iter().zip(&right.0).fold(0i32, multiply_add))
}

/// The same for terms below 4.0: only eight products at a time fit 32 bits.
#[inline(always)]
fn inner_product_in_parts(left: &Column, right: &Column) -> i64 {
    let (left, right) = (left.0.as_chunks::<PART>().0, right.0.as_chunks::<PART>().0);
    left.iter()
        .zip(right)
        .map(|(left, right)| i64::from(left.iter().zip(right).fold(0i32, multiply_add)))
        .sum()
}

/// The same for any terms: only a single product is sure to fit.
#[inline(always)]
fn inner_product_of_any(left: &Column, right: &Column) -> i64 {
    left.0
        .iter()
        .zip(&right.0)
        .map(|(&left, &right)| i64::from(i32::from(left) * i32::from(right)))
        .sum()
}

#[inline(always)]
fn multiply_add(sum: i32, (&left, &right): (&i16, &i16)) -> i32 {
    sum.wrapping_add(i32::from(left).wrapping_mul(i32::from(right)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bandit::random::SplitMix64;

    /// The sums as anyone would write them.
    struct Naive {
        n: i64,
        a: Vec<i128>,
        b: Vec<i128>,
    }

    impl Naive {
        fn new(dimension: usize) -> Self {
            Naive { n: 0, a: vec![0; triangle_length(dimension)], b: vec![0; dimension] }
        }

        fn add(&mut self, x: &[i16], reward: i64, weight: i128) {
            self.n += weight as i64;
            let mut cells = self.a.iter_mut();
            for i in 0..x.len() {
                self.b[i] += weight * i128::from(x[i]) * i128::from(reward);
                for j in i..x.len() {
                    *cells.next().unwrap() += weight * i128::from(x[i]) * i128::from(x[j]);
                }
            }
        }

        fn assert_equals(&self, delta: Option<Delta>, what: &str) {
            match delta {
                Some(delta) => {
                    assert_eq!(delta.n, self.n, "n of {what}");
                    assert_eq!(
                        delta.a.iter().map(|&v| i128::from(v)).collect::<Vec<_>>(),
                        self.a,
                        "x x' of {what}"
                    );
                    assert_eq!(delta.b, self.b, "r x of {what}");
                }
                None => assert!(
                    self.n == 0 && self.a.iter().chain(&self.b).all(|&v| v == 0),
                    "{what} changed something"
                ),
            }
        }
    }

    const REWARDS: [i64; 10] = [
        0,
        1,
        -1,
        65_536,
        -5 * 65_536,
        10_000_000 * 65_536,
        -10_000_000 * 65_536,
        i64::MAX,
        i64::MIN,
        2047,
    ];

    /// Draws a context of one of several kinds: mostly zero, small, below 4.0, full range, all
    /// extreme. The kind is given by `most` at most, so that blocks of every kind of product come
    /// up.
    fn context(random: &mut SplitMix64, dimension: usize, most: u64) -> Vec<i16> {
        let kind = random.next() % (most + 1);
        (0..dimension)
            .map(|_| match kind {
                0 => i16::from(random.next().is_multiple_of(4)) << 12,
                1 => (random.next() % 16_383) as i16 - 8191,
                2 => (random.next() % 32_767) as i16 - 16_383,
                3 => random.next() as i16,
                4 => i16::MAX,
                _ => i16::MIN,
            })
            .collect()
    }

    fn reward(random: &mut SplitMix64) -> i64 {
        match random.next() % 4 {
            0 => REWARDS[random.next() as usize % REWARDS.len()],
            1 => random.next() as i64,
            _ => random.next() as i64 >> 40,
        }
    }

    #[test]
    fn sums_equal_the_naive_ones_in_every_dimension() {
        let mut random = SplitMix64(7);
        for dimension in (1..=40).chain([128]) {
            let mut sums = Sums::new(3, dimension);
            for epoch in 0..=5 {
                let mut naive = Naive::new(dimension);
                for _ in 0..random.next() % 150 {
                    let (x, reward) = (context(&mut random, dimension, epoch), reward(&mut random));
                    if random.next().is_multiple_of(3) {
                        sums.take(&x, reward);
                        naive.add(&x, reward, -1);
                    } else {
                        sums.push(&x, reward);
                        naive.add(&x, reward, 1);
                    }
                }
                naive.assert_equals(sums.drain(), &format!("dimension {dimension}, epoch {epoch}"));
            }
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        for (value, reward) in [
            (i16::MIN, i64::MIN),
            (i16::MIN, i64::MAX),
            (i16::MAX, i64::MIN),
            (i16::MAX, i64::MAX),
            (8192, 1),
            (8191, -1),
            (-8191, 3),
            (16_383, 1),
            (16_384, 1),
            (-16_384, 1),
        ] {
            for length in [1, 2, 3, 31, 32, 33, 64, 65] {
                let (mut sums, mut naive) = (Sums::new(0, 9), Naive::new(9));
                for _ in 0..length {
                    sums.push(&[value; 9], reward);
                    naive.add(&[value; 9], reward, 1);
                }
                naive.assert_equals(
                    sums.drain(),
                    &format!("{length} times {value}, reward {reward}"),
                );
            }
        }
    }

    #[test]
    fn what_is_taken_back_at_once_leaves_no_delta() {
        let mut random = SplitMix64(11);
        let mut sums = Sums::new(0, 32);
        assert_eq!(sums.drain(), None);
        let observations: Vec<_> =
            (0..77).map(|_| (context(&mut random, 32, 5), reward(&mut random))).collect();
        observations.iter().for_each(|(x, reward)| sums.push(x, *reward));
        observations.iter().rev().for_each(|(x, reward)| sums.take(x, *reward));
        assert_eq!(sums.drain(), None);
    }

    #[test]
    fn a_correction_of_the_reward_alone_is_a_change() {
        let mut sums = Sums::new(5, 2);
        sums.take(&[4096, 2048], 65_536);
        sums.push(&[4096, 2048], 3 * 65_536);
        let delta = sums.drain().expect("b changes");
        assert_eq!(
            delta,
            Delta { arm: 5, n: 0, a: vec![0; 3], b: vec![4096 * 2 * 65_536, 2048 * 2 * 65_536] }
        );
    }
}
