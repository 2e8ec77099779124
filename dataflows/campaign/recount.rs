//! Rewards of arms whose sums were begun before rewards were summed: counted from the histories
//! when a snapshot of then is taken up, and told with the first epoch after it.
//!
//! That is exact where each observation of an arm is of an interaction that is still kept by
//! itself, and then they are as many as its sums say. Where some are folded, or stay of somebody
//! who was erased, nobody knows their rewards any more, and the arm's stay unknown.

use super::output::Output;
use crate::bandit::rewards::RewardSums;
use crate::bandit::statistics::Delta;
use crate::bandit::totals::Totals;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is told of an arm's sums.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ArmChange {
    /// What an epoch changes in them.
    Sums(Delta),
    /// What one worker has counted of those that stood before it.
    Recount(ArmRecount),
}

/// Observations of an arm, counted again on one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmRecount {
    /// The arm.
    pub arm: u32,
    /// How many.
    pub n: i64,
    /// Their rewards.
    pub rewards: RewardSums,
}

impl ArmChange {
    /// Of which arm.
    pub fn arm(&self) -> u32 {
        match self {
            ArmChange::Sums(delta) => delta.arm,
            ArmChange::Recount(recount) => recount.arm,
        }
    }
}

/// The observations of all arms, counted again.
#[derive(Clone, Debug, Default)]
pub struct Recount(BTreeMap<u32, (i64, RewardSums)>);

impl Recount {
    /// Counts an observation.
    pub fn count(&mut self, arm: u16, reward: i64) {
        let (n, rewards) = self.0.entry(u32::from(arm)).or_default();
        *n += 1;
        rewards.count(reward, 1);
    }

    /// Takes in what a worker has counted.
    pub fn add(&mut self, counted: &ArmRecount) {
        let (n, rewards) = self.0.entry(counted.arm).or_default();
        *n += counted.n;
        rewards.add(&counted.rewards);
    }

    /// What was counted, arm by arm.
    pub fn into_arms(self) -> impl Iterator<Item = ArmRecount> {
        self.0.into_iter().map(|(arm, (n, rewards))| ArmRecount { arm, n, rewards })
    }

    /// Completes the sums in which rewards are missing; tells those of which they are known now.
    pub fn complete(&self, totals: &mut BTreeMap<u32, Totals>) -> Vec<Output> {
        let missing = totals.iter_mut().filter(|(_, totals)| totals.rewards.is_none());
        let completed = missing.filter_map(|(arm, totals)| {
            let (n, rewards) = *self.0.get(arm)?;
            totals.rewards = (n == totals.n).then_some(rewards);
            Some(Output::Recounted(*arm, totals.rewards?))
        });
        completed.collect()
    }
}
