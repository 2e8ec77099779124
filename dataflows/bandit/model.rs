//! The solved models of all arms that decide at one time; an arm without observations costs
//! nothing.

use super::rewards::RewardSums;
use super::ridge::{ArmModel, Estimate, solve};
use super::totals::Totals;

/// The model of every arm.
#[derive(Clone, Debug)]
pub struct Model {
    /// Which version it is: the epoch that it was learned to the end of; 0 before there is one.
    pub version: u64,
    /// How many arms there are.
    arms: u32,
    /// The ridge that was asked for, and with it what each arm is that no model came for.
    ridge: f64,
    unseen: ArmModel,
    /// Of the others the newest, in the order of their numbers.
    seen: Vec<ArmModel>,
    /// Observations behind them.
    n: i64,
    /// Their rewards in sum, as far as they are known.
    rewards: RewardSums,
    /// Arms of which they are not.
    unknown: usize,
    /// The standard deviation of all rewards.
    deviation: f64,
}

impl Model {
    /// That of so many arms that nothing was ever learned of.
    pub fn new(arms: usize, dimension: usize, ridge: f64) -> Self {
        Model {
            version: 0,
            arms: arms as u32,
            ridge,
            unseen: unseen(dimension, ridge),
            seen: Vec::new(),
            n: 0,
            rewards: RewardSums::default(),
            unknown: 0,
            deviation: 1.0,
        }
    }

    /// Takes another ridge for the arms that nothing was learned of. The models of the others come
    /// solved.
    pub fn set_ridge(&mut self, ridge: f64) {
        if ridge != self.ridge {
            self.ridge = ridge;
            self.unseen = unseen(self.unseen.theta.len(), ridge);
        }
    }

    /// Takes the model of an arm in place of the one before.
    pub fn take(&mut self, version: u64, model: ArmModel) {
        debug_assert!(model.arm < self.arms, "arm {} of {}", model.arm, self.arms);
        self.version = self.version.max(version);
        self.n += model.n;
        match model.rewards {
            Some(rewards) => self.rewards.add(&rewards),
            None => self.unknown += 1,
        }
        match self.seen.binary_search_by_key(&model.arm, |seen| seen.arm) {
            Ok(at) => {
                let before = std::mem::replace(&mut self.seen[at], model);
                self.n -= before.n;
                match before.rewards {
                    Some(rewards) => self.rewards.take(&rewards),
                    None => self.unknown -= 1,
                }
            }
            Err(at) => self.seen.insert(at, model),
        }
        self.deviation = self.rewards.deviation(self.n);
    }

    /// Observations behind it, of all arms.
    pub fn n(&self) -> i64 {
        self.n
    }

    /// The standard deviation of all rewards, in units of reward: sqrt(n sum of squares - sum^2) /
    /// n; 1 where that is 0 or of fewer than two, and where rewards are not known of every arm.
    pub fn deviation(&self) -> f64 {
        if self.knows_rewards() { self.deviation } else { 1.0 }
    }

    /// Whether the rewards of every arm are known. They are not where the sums of an arm were begun
    /// before rewards were summed, and what was folded since cannot be told any more.
    pub fn knows_rewards(&self) -> bool {
        self.unknown == 0
    }

    /// What each arm promises in a context of real units, in the order of their numbers.
    ///
    /// # Panics
    /// If the context has another dimension than the model.
    pub fn estimates<'a>(&'a self, x: &'a [f64]) -> impl Iterator<Item = (u16, Estimate)> + 'a {
        let unseen = (self.seen.len() < self.arms as usize).then(|| self.unseen.estimate(x));
        let mut seen = self.seen.iter().peekable();
        (0..self.arms).map(move |arm| {
            let estimate = match seen.next_if(|model| model.arm == arm) {
                Some(model) => model.estimate(x),
                None => unseen.unwrap_or_default(),
            };
            (arm as u16, estimate)
        })
    }
}

fn unseen(dimension: usize, ridge: f64) -> ArmModel {
    solve(0, &Totals::new(dimension), ridge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_without_a_model_are_those_solved_from_nothing() {
        let mut model = Model::new(40_000, 2, 4.0);
        let (a, b) = (vec![1 << 24, 0, 0], vec![1 << 28, 0]);
        let totals = Totals { n: 1, a, b, ..Totals::default() };
        let seen = solve(300, &totals, 4.0);
        model.take(7, seen.clone());
        let x = [1.0, 2.0];
        let told: Vec<_> = model.estimates(&x).collect();
        assert_eq!((told.len(), model.version), (40_000, 7));
        let unseen = solve(5, &Totals::new(2), 4.0).estimate(&x);
        assert!(told.iter().all(
            |(arm, estimate)| *estimate == if *arm == 300 { seen.estimate(&x) } else { unseen }
        ));
        model.set_ridge(1.0);
        assert_eq!(
            model.estimates(&x).next(),
            Some((0, solve(0, &Totals::new(2), 1.0).estimate(&x)))
        );
    }

    #[test]
    fn a_newer_model_takes_the_place_of_the_one_before() {
        let mut model = Model::new(2, 1, 1.0);
        for (version, sum) in [(1, 1), (4, 3)] {
            let (a, b) = (vec![1 << 24], vec![sum << 28]);
            model.take(version, solve(1, &Totals { n: 1, a, b, ..Totals::default() }, 1.0));
        }
        let means: Vec<f64> = model.estimates(&[1.0]).map(|(_, estimate)| estimate.mean).collect();
        assert!(means[0] == 0.0 && (means[1] - 1.5).abs() < 1e-12, "{means:?}");
        assert_eq!(model.version, 4);
    }

    #[test]
    fn the_deviation_is_that_of_the_newest_of_all_arms() {
        let arm = |arm, rewards: Option<&[i64]>| {
            let n = rewards.map_or(1, <[i64]>::len) as i64;
            let rewards = rewards.map(|rewards| {
                let mut sums = RewardSums::default();
                rewards.iter().for_each(|reward| sums.count(reward << 16, 1));
                sums
            });
            solve(arm, &Totals { n, rewards, ..Totals::new(1) }, 1.0)
        };
        let mut model = Model::new(3, 1, 1.0);
        assert_eq!((model.deviation(), model.n()), (1.0, 0));
        model.take(1, arm(2, Some(&[90, -7, 12])));
        model.take(2, arm(2, Some(&[2, 4])));
        model.take(2, arm(0, Some(&[6, 8, 10])));
        let is_known = |model: &Model| (model.deviation() - f64::sqrt(8.0)).abs() < 1e-12;
        assert!(is_known(&model) && model.n() == 5);
        model.take(3, arm(1, None));
        assert_eq!((model.deviation(), model.knows_rewards()), (1.0, false));
        model.take(4, arm(1, Some(&[])));
        assert!(is_known(&model) && model.knows_rewards());
    }
}
