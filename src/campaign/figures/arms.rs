//! The arms: decisions for them, and rewards of the interactions learned.

use super::Benchmark;
use super::recent::{Choices, RecentOutcomes, mean_q16};
use super::shown::{Arm, RewardFigures};
use crate::campaign::results::EpochResults;
use dataflows::campaign::output::{ArmDay, Day};
use std::collections::BTreeMap;

/// What is known of all arms.
#[derive(Debug)]
pub(super) struct ArmFigures {
    arms: Vec<KnownArm>,
    days: BTreeMap<(Day, u16), ArmDay>,
    choices: Choices,
    outcomes: RecentOutcomes,
}

/// What is known of an arm: its sums are kept in step with the days.
#[derive(Debug, Default)]
struct KnownArm {
    name: String,
    n: i64,
    decisions: u64,
    interactions: i64,
    reward: i128,
}

impl ArmFigures {
    /// Of arms of these names, of which nothing is known yet.
    pub(super) fn new(names: &[String]) -> Self {
        let arm = |name: &String| KnownArm { name: name.clone(), ..KnownArm::default() };
        ArmFigures {
            arms: names.iter().map(arm).collect(),
            days: BTreeMap::new(),
            choices: Choices::default(),
            outcomes: RecentOutcomes::default(),
        }
    }

    /// So many observations are in an arm's model.
    pub(super) fn observed(&mut self, arm: u32, n: i64) {
        if let Some(arm) = self.arms.get_mut(arm as usize) {
            arm.n = n;
        }
    }

    /// Takes in rows that replace what stood.
    pub(super) fn stand(&mut self, days: &[ArmDay]) {
        for row in days {
            let (interactions, reward) = self
                .days
                .insert((row.day, row.arm), *row)
                .map_or((0, 0), |old| (old.interactions, old.reward));
            if let Some(arm) = self.arms.get_mut(usize::from(row.arm)) {
                arm.interactions += row.interactions - interactions;
                arm.reward += row.reward - reward;
            }
        }
    }

    /// Takes in an epoch's decisions, and what became of earlier ones.
    pub(super) fn decide(&mut self, results: &EpochResults) {
        let chosen = || results.decisions.iter().filter_map(|decision| decision.arm);
        for arm in chosen() {
            if let Some(arm) = self.arms.get_mut(usize::from(arm)) {
                arm.decisions += 1;
            }
        }
        self.choices.add(chosen());
        self.outcomes.add(results);
    }

    /// The rewards of all of them together.
    pub(super) fn reward(&self, benchmark: Option<Benchmark>) -> RewardFigures {
        let (interactions, reward) = self
            .arms
            .iter()
            .fold((0, 0), |(count, sum), arm| (count + arm.interactions, sum + arm.reward));
        RewardFigures {
            mean: mean_q16(reward, interactions),
            recent_mean: self.outcomes.mean(),
            recent_outcomes: self.outcomes.count(),
            best_possible: benchmark.map(|known| known.best_possible),
            best_fixed: benchmark.map(|known| known.best_fixed),
        }
    }

    /// Each of them.
    pub(super) fn shown(&self) -> Vec<Arm> {
        let decisions: u64 = self.arms.iter().map(|arm| arm.decisions).sum();
        let interactions: i64 = self.arms.iter().map(|arm| arm.interactions).sum();
        let (shares, means) = (self.choices.shares(), self.outcomes.means());
        let of_arm = |(number, arm): (usize, &KnownArm)| Arm {
            arm: number,
            name: arm.name.clone(),
            n: arm.n,
            decisions: arm.decisions,
            decisions_share: (decisions > 0).then(|| arm.decisions as f64 / decisions as f64),
            recent_decisions_share: shares(number),
            interactions: arm.interactions,
            interactions_share: (interactions > 0)
                .then(|| arm.interactions as f64 / interactions as f64),
            mean_reward: mean_q16(arm.reward, arm.interactions),
            recent_mean_reward: means(number),
        };
        self.arms.iter().enumerate().map(of_arm).collect()
    }
}
