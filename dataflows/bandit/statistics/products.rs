//! Sums of products, a block of observations at a time, so that a machine can multiply many at
//! once.

use crate::bandit::rewards::{BlockRewards, RewardSums};
use crate::bandit::triangle_length;

/// Observations of a block.
const BLOCK: usize = 32;

/// Products of a block that are summed in 32 bits where terms are too large for all of them.
const PART: usize = 8;

/// Bits of a digit of a reward.
const DIGIT_BITS: u32 = 11;

/// Digits of the longest reward, whose magnitude (2^63) has 64 bits.
const DIGITS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;

// A block's products of digits and any terms stay within 32 bits.
const _: () = assert!(((1i64 << DIGIT_BITS) - 1) * (1 << 15) * BLOCK as i64 <= i32::MAX as i64);

/// One term of a block's observations.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct PanelColumn([i16; BLOCK]);

impl PanelColumn {
    const ZERO: PanelColumn = PanelColumn([0; BLOCK]);

    /// Smallest and greatest value.
    fn range(&self) -> (i16, i16) {
        self.0.iter().fold((0, 0), |(low, high), &value| (low.min(value), high.max(value)))
    }
}

/// Observations that wait to be summed together.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) len: usize,
    columns: Vec<PanelColumn>,
    rewards: [i64; BLOCK],
    in_sum: BlockRewards,
}

impl Panel {
    pub(super) fn new(dimension: usize) -> Self {
        let (columns, rewards) = (vec![PanelColumn::ZERO; dimension], [0; BLOCK]);
        Panel { len: 0, columns, rewards, in_sum: BlockRewards::default() }
    }

    /// Appends an observation; says whether the block is full.
    #[inline]
    pub(super) fn push(&mut self, x: &[i16], reward: i64) -> bool {
        assert_eq!(
            x.len(),
            self.columns.len(),
            "a context must have the dimension of its arm's sums"
        );
        let place = self.len % BLOCK;
        self.columns.iter_mut().zip(x).for_each(|(column, &term)| column.0[place] = term);
        self.rewards[place] = reward;
        self.in_sum.push(reward);
        self.len = place + 1;
        self.len == BLOCK
    }

    /// Adds (`sign` 1) or takes away (-1) the rewards of the observations that wait.
    pub(super) fn take_rewards(&mut self, sums: &mut RewardSums, sign: i64) {
        let in_sum = std::mem::take(&mut self.in_sum);
        sums.fold(&in_sum, &self.rewards[..self.len], sign);
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
            .map(PanelColumn::range)
            .fold(1, |largest, (low, high)| largest.max(-i32::from(low)).max(i32::from(high)));
        (i32::MAX / (largest * largest)) as usize
    }
}

/// Sums of products of one arm.
#[derive(Clone, Debug)]
pub(super) struct Products {
    pub(super) dimension: usize,
    /// Upper triangle of the sum of x x', row by row.
    triangle: Vec<i64>,
    /// Sums of x times a digit of the reward: all terms of the lowest digit first.
    digits: Vec<i64>,
}

impl Products {
    pub(super) fn new(dimension: usize) -> Self {
        Products {
            dimension,
            triangle: vec![0; triangle_length(dimension)],
            digits: vec![0; DIGITS * dimension],
        }
    }

    /// Adds (`sign` 1) or subtracts (-1) a block's products; the block is empty then.
    pub(super) fn fold(&mut self, block: &mut Panel, sign: i64) {
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
    fn fold_contexts(
        &mut self,
        columns: &[PanelColumn],
        product: impl Fn(&PanelColumn, &PanelColumn) -> i64,
    ) {
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
    fn fold_rewards(&mut self, block: &Panel, sign: i64) {
        let bits = block.rewards.iter().fold(0, |bits, reward| bits | reward.unsigned_abs());
        let digits = (u64::BITS - bits.leading_zeros()).div_ceil(DIGIT_BITS) as usize;
        for (position, sums) in self.digits.chunks_mut(self.dimension).take(digits).enumerate() {
            let left = PanelColumn(block.rewards.map(|reward| digit(reward, position)));
            sums.iter_mut()
                .zip(&block.columns)
                .for_each(|(sum, right)| *sum += sign * inner_product(&left, right));
        }
    }

    /// The upper triangle of the sum of x x' and the sum of r x, put together from its digits; the
    /// sums are empty then.
    pub(super) fn drain(&mut self) -> (Vec<i64>, Vec<i128>) {
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
fn inner_product(left: &PanelColumn, right: &PanelColumn) -> i64 {
    i64::from(left.0.iter().zip(&right.0).fold(0i32, multiply_add))
}

/// The same for terms below 4.0: only eight products at a time fit 32 bits.
#[inline(always)]
fn inner_product_in_parts(left: &PanelColumn, right: &PanelColumn) -> i64 {
    let (left, right) = (left.0.as_chunks::<PART>().0, right.0.as_chunks::<PART>().0);
    left.iter()
        .zip(right)
        .map(|(left, right)| i64::from(left.iter().zip(right).fold(0i32, multiply_add)))
        .sum()
}

/// The same for any terms: only a single product is sure to fit.
#[inline(always)]
fn inner_product_of_any(left: &PanelColumn, right: &PanelColumn) -> i64 {
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
