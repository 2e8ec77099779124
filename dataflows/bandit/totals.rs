//! Totals of an arm: the exact sums of every observation that stands, and the digest that proves
//! two of them equal.

use super::rewards::RewardSums;
use super::statistics::Delta;
use super::{CONTEXT_BITS, MAX_DIMENSION, REWARD_BITS, triangle_length};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is known of one arm, as exact integers; a model is a pure function of it.
///
/// No sum can overflow: a cell of `a` grows by at most 2^30 an observation, one of `b` by at most
/// 2^78.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Observations.
    pub n: i64,
    /// Upper triangle of the sum of x x', row by row, in units of 2^-24.
    pub a: Vec<i128>,
    /// Sum of r x, in units of 2^-28.
    pub b: Vec<i128>,
    /// Sums of r and of r r; no part of the digest. `None` where they were not summed from the
    /// first observation on, as of before there were such.
    #[serde(default)]
    pub rewards: Option<RewardSums>,
}

impl Totals {
    /// The totals of an arm that was never seen.
    ///
    /// # Panics
    /// If the dimension is not within 1..=[`MAX_DIMENSION`], which the configuration guarantees.
    pub fn new(dimension: usize) -> Self {
        assert!(
            (1..=MAX_DIMENSION).contains(&dimension),
            "a context has 1 to {MAX_DIMENSION} terms, not {dimension}"
        );
        let rewards = Some(RewardSums::default());
        Totals { n: 0, a: vec![0; triangle_length(dimension)], b: vec![0; dimension], rewards }
    }

    /// Terms of a context.
    pub fn dimension(&self) -> usize {
        self.b.len()
    }

    /// Whether nothing is left in it.
    pub fn is_empty(&self) -> bool {
        self.n == 0
            && self.rewards.is_none_or(|rewards| rewards.is_empty())
            && self.a.iter().chain(&self.b).all(|&sum| sum == 0)
    }

    /// Adds what changed; the order of changes does not matter.
    ///
    /// # Panics
    /// If the change is of another dimension.
    pub fn add(&mut self, delta: &Delta) {
        assert!(
            delta.b.len() == self.b.len() && delta.a.len() == self.a.len(),
            "a change of dimension {} cannot be added to totals of dimension {}",
            delta.b.len(),
            self.b.len()
        );
        self.n += delta.n;
        self.a.iter_mut().zip(&delta.a).for_each(|(total, &change)| *total += i128::from(change));
        self.b.iter_mut().zip(&delta.b).for_each(|(total, &change)| *total += change);
        self.rewards.iter_mut().for_each(|total| total.add(&delta.rewards));
    }

    /// Writes all of it as the digest has it.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(i128::from(self.n).to_le_bytes());
        self.a.iter().chain(&self.b).for_each(|sum| bytes.extend(sum.to_le_bytes()));
    }

    /// The upper triangle of the sum of x x' in real units, each cell rounded once to the nearest
    /// float; no ridge in it.
    pub fn real_a(&self) -> Vec<f64> {
        let unit = libm::ldexp(1.0, -2 * CONTEXT_BITS);
        self.a.iter().map(|&sum| sum as f64 * unit).collect()
    }

    /// The sum of r x in real units, each term rounded once to the nearest float.
    pub fn real_b(&self) -> Vec<f64> {
        let unit = libm::ldexp(1.0, -CONTEXT_BITS - REWARD_BITS);
        self.b.iter().map(|&sum| sum as f64 * unit).collect()
    }
}

/// SHA-256 over the model statistics of a job: equal digests mean equal bits.
///
/// `arms` holds every configured arm, seen or not, in any order. What is hashed, without anything
/// between: 1. the dimension, as u64; 2. for each context term, in the order of the context: the
/// length of its name in bytes, as u64, and the name in UTF-8; 3. for each arm, in ascending
/// number: n, the upper triangle of the sum of x x' row by row (d (d + 1) / 2 cells), and the sum
/// of r x    (d terms), each as i128.
///
/// Numbers are little-endian. Neither ridge nor alpha enters, being no statistics.
pub fn digest(dimension: usize, context_names: &[String], arms: &[(u32, &Totals)]) -> [u8; 32] {
    let mut hash = begun(dimension, context_names);
    let mut arms = arms.to_vec();
    arms.sort_unstable_by_key(|&(arm, _)| arm);
    let mut bytes = Vec::new();
    for (_, totals) in arms {
        bytes.clear();
        totals.write(&mut bytes);
        hash.update(&bytes);
    }
    hash.finalize().into()
}

/// What is hashed before the arms.
pub(super) fn begun(dimension: usize, context_names: &[String]) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update((dimension as u64).to_le_bytes());
    for name in context_names {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::super::statistics::Sums;
    use super::*;
    use proptest::prelude::*;

    const DIMENSION: usize = 5;

    fn names() -> Vec<String> {
        (0..DIMENSION).map(|i| format!("term {i}")).collect()
    }

    /// An observation: arm, context, reward.
    type Observation = (u32, [i16; DIMENSION], i64);

    /// Three arms, fed by as many workers as asked for, each with an epoch of `epoch` observations
    /// at a time.
    struct Job {
        sums: Vec<Vec<Sums>>,
        totals: Vec<Totals>,
    }

    impl Job {
        fn new(workers: usize) -> Self {
            Job {
                sums: (0..workers)
                    .map(|_| (0..3).map(|arm| Sums::new(arm, DIMENSION)).collect())
                    .collect(),
                totals: vec![Totals::new(DIMENSION); 3],
            }
        }

        fn feed<'a>(
            &mut self,
            observations: impl Iterator<Item = &'a Observation>,
            epoch: usize,
            take: bool,
        ) {
            let workers = self.sums.len();
            for (i, (arm, x, reward)) in observations.enumerate() {
                let sums = &mut self.sums[i % workers][*arm as usize];
                if take {
                    sums.take(x, *reward)
                } else {
                    sums.push(x, *reward)
                }
                if i % epoch == epoch - 1 {
                    self.close();
                }
            }
            self.close();
        }

        fn close(&mut self) {
            for delta in self.sums.iter_mut().flatten().filter_map(Sums::drain) {
                self.totals[delta.arm as usize].add(&delta);
            }
        }

        fn digest(&self) -> [u8; 32] {
            let arms: Vec<_> = (0..).zip(&self.totals).collect();
            digest(DIMENSION, &names(), &arms)
        }
    }

    fn observations() -> impl Strategy<Value = Vec<Observation>> {
        let term = prop_oneof![Just(0i16), Just(4096), any::<i16>(), Just(i16::MIN)];
        let reward = prop_oneof![Just(0i64), -(1i64 << 40)..(1i64 << 40), any::<i64>()];
        prop::collection::vec((0..3u32, prop::array::uniform5(term), reward), 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn retracting_everything_leaves_nothing(
            observations in observations(),
            epoch in 1usize..40,
        ) {
            let mut job = Job::new(2);
            job.feed(observations.iter(), epoch, false);
            job.feed(observations.iter().rev(), 7, true);
            prop_assert!(job.totals.iter().all(Totals::is_empty));
            prop_assert_eq!(job.digest(), Job::new(1).digest());
        }

        #[test]
        fn neither_order_nor_workers_nor_epochs_change_the_digest(
            observations in observations(),
            workers in 1usize..4,
            epoch in 1usize..40,
        ) {
            let (mut one, mut other) = (Job::new(1), Job::new(workers));
            one.feed(observations.iter(), usize::MAX, false);
            other.feed(observations.iter().rev(), epoch, false);
            prop_assert_eq!(&one.totals, &other.totals);
            prop_assert_eq!(one.digest(), other.digest());
        }
    }

    fn hex(bytes: [u8; 32]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Two arms of dimension 2, one of them unseen; the digest was computed apart from this
    /// program, from the layout as documented.
    #[test]
    fn digest_is_the_documented_one() {
        let seen = Totals {
            n: 2,
            a: vec![1 << 24, -(1 << 20), 1 << 90],
            b: vec![-1, 1 << 100],
            ..Totals::default()
        };
        let names = ["intercept".to_string(), "Häufigkeit".to_string()];
        let golden = "c3a8b6cf66288486fafe12935eea77a498dbf8f618accd7a24695f07d7dd57ae";
        assert_eq!(hex(digest(2, &names, &[(0, &seen), (1, &Totals::new(2))])), golden);
        assert_eq!(
            hex(digest(2, &names, &[(1, &Totals::new(2)), (0, &seen)])),
            golden,
            "the order given does not matter"
        );
        assert_ne!(
            hex(digest(2, &names, &[(1, &seen), (0, &Totals::new(2))])),
            golden,
            "the order of the numbers does"
        );
    }

    #[test]
    fn every_part_enters_the_digest() {
        let totals = Totals { n: 1, a: vec![1, 2, 3], b: vec![4, 5], ..Totals::default() };
        let names = |first: &str| vec![first.to_string(), "b".to_string()];
        let base = digest(2, &names("a"), &[(0, &totals)]);
        let mut others =
            vec![digest(2, &names("ab"), &[(0, &totals)]), digest(3, &names("a"), &[(0, &totals)])];
        let changes: [fn(&mut Totals); 3] = [|t| t.n += 1, |t| t.a[1] += 1, |t| t.b[1] -= 1];
        for change in changes {
            let mut changed = totals.clone();
            change(&mut changed);
            others.push(digest(2, &names("a"), &[(0, &changed)]));
        }
        others.push(digest(2, &names("a"), &[(0, &totals), (1, &Totals::new(2))]));
        assert!(others.iter().all(|other| *other != base));
    }

    #[test]
    fn real_units_are_those_of_contexts_and_rewards() {
        let mut sums = Sums::new(0, 2);
        sums.push(&[4096, -2048], 3 << 15); // x = (1, -0.5), r = 1.5
        let mut totals = Totals::new(2);
        totals.add(&sums.drain().expect("an observation"));
        assert_eq!((totals.real_a(), totals.real_b()), (vec![1.0, -0.5, 0.25], vec![1.5, -0.75]));
    }

    #[test]
    #[should_panic(expected = "dimension 3 cannot be added to totals of dimension 2")]
    fn a_change_of_another_dimension_is_refused() {
        let rewards = RewardSums::default();
        Totals::new(2).add(&Delta { arm: 0, n: 0, a: vec![0; 6], b: vec![0; 3], rewards });
    }
}
