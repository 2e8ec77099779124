//! Exact sums against naive ones.

use crate::bandit::triangle_length;

use super::*;
use crate::bandit::random::SplitMix64;

/// The sums as anyone would write them.
struct Naive {
    n: i64,
    a: Vec<i128>,
    b: Vec<i128>,
    rewards: RewardSums,
}

impl Naive {
    fn new(dimension: usize) -> Self {
        Naive {
            n: 0,
            a: vec![0; triangle_length(dimension)],
            b: vec![0; dimension],
            rewards: RewardSums::default(),
        }
    }

    fn add(&mut self, x: &[i16], reward: i64, weight: i128) {
        self.n += weight as i64;
        let reward_wide = i128::from(reward);
        self.rewards.sum += weight * reward_wide;
        self.rewards.squares =
            self.rewards.squares.wrapping_add(weight * reward_wide * reward_wide);
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
                assert_eq!(delta.rewards, self.rewards, "r and r r of {what}");
            }
            None => assert!(
                self.n == 0
                    && self.rewards.is_empty()
                    && self.a.iter().chain(&self.b).all(|&v| v == 0),
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
            naive.assert_equals(sums.drain(), &format!("{length} times {value}, reward {reward}"));
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
        Delta {
            arm: 5,
            n: 0,
            a: vec![0; 3],
            b: vec![4096 * 2 * 65_536, 2048 * 2 * 65_536],
            rewards: RewardSums { sum: 2 * 65_536, squares: 8 << 32 },
        }
    );
}

#[test]
fn rewards_that_spread_otherwise_are_a_change() {
    let mut sums = Sums::new(5, 1);
    [1, 3].iter().for_each(|reward| sums.take(&[4096], reward << 16));
    [2, 2].iter().for_each(|reward| sums.push(&[4096], reward << 16));
    let rewards = RewardSums { sum: 0, squares: -2 << 32 };
    let delta = sums.drain().expect("the squares change");
    assert_eq!((delta.n, delta.b, delta.rewards), (0, vec![0], rewards));
}
