//! Windows over the newest of what happened: decisions, and their outcomes.

use crate::campaign::results::EpochResults;
use dataflows::campaign::output::{Change, InteractionRow};
use dataflows::event::CustomerId;
use std::collections::{HashMap, VecDeque};

/// Decisions that count as recent.
pub(super) const RECENT_DECISIONS: usize = 5_000;

/// One in Q16.
const ONE_Q16: f64 = 65_536.0;

/// The arms of the last decisions.
#[derive(Debug, Default)]
pub(super) struct Choices(VecDeque<u16>);

impl Choices {
    /// Takes in an epoch's decisions, of which there is no order.
    pub(super) fn add(&mut self, arms: impl DoubleEndedIterator<Item = u16>) {
        arms.rev().take(RECENT_DECISIONS).for_each(|arm| self.0.push_back(arm));
        self.0.drain(..self.0.len().saturating_sub(RECENT_DECISIONS));
    }

    /// The share of each arm by its number; `None` before the first decision.
    pub(super) fn shares(&self) -> impl Fn(usize) -> Option<f64> {
        let (all, mut chosen) = (self.0.len(), HashMap::<usize, u64>::new());
        self.0.iter().for_each(|arm| *chosen.entry(usize::from(*arm)).or_default() += 1);
        move |arm| (all > 0).then(|| chosen.get(&arm).map_or(0.0, |&n| n as f64 / all as f64))
    }
}

/// Which interaction: customer, and hash of its id.
type Key = (CustomerId, u64);

/// Arm and reward of the last interactions that carried out a decision and were learned. A
/// correction changes the outcome in its place.
#[derive(Debug, Default)]
pub(super) struct RecentOutcomes {
    order: VecDeque<Key>,
    rewards: HashMap<Key, (u16, i64)>,
}

impl RecentOutcomes {
    /// Takes in an epoch's interactions, of which there is no order: of more than fit, any may
    /// stay.
    pub(super) fn add(&mut self, results: &EpochResults) {
        let rows = || results.interactions.iter().flat_map(|batch| &batch.rows);
        rows()
            .filter(|row| outcome(row).is_none())
            .for_each(|row| self.forget((row.customer, row.key)));
        let known: Vec<(Key, (u16, i64))> =
            rows().filter_map(|row| Some(((row.customer, row.key), outcome(row)?))).collect();
        let newest = known.len().saturating_sub(RECENT_DECISIONS);
        known[newest..].iter().for_each(|(key, outcome)| self.note(*key, *outcome));
    }

    fn note(&mut self, key: Key, outcome: (u16, i64)) {
        if self.rewards.insert(key, outcome).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > RECENT_DECISIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.rewards.remove(&oldest);
        }
    }

    fn forget(&mut self, key: Key) {
        if self.rewards.remove(&key).is_some() {
            self.order.retain(|known| *known != key);
        }
    }

    /// How many outcomes are known.
    pub(super) fn count(&self) -> u64 {
        self.order.len() as u64
    }

    /// Their mean reward.
    pub(super) fn mean(&self) -> Option<f64> {
        let sum = self.rewards.values().map(|(_, reward)| i128::from(*reward)).sum();
        mean_q16(sum, self.rewards.len() as i64)
    }

    /// The mean reward of each arm by its number.
    pub(super) fn means(&self) -> impl Fn(usize) -> Option<f64> {
        let mut sums = HashMap::<usize, (i64, i128)>::new();
        for (arm, reward) in self.rewards.values() {
            let (count, sum) = sums.entry(usize::from(*arm)).or_default();
            (*count, *sum) = (*count + 1, *sum + i128::from(*reward));
        }
        move |arm| sums.get(&arm).and_then(|(count, sum)| mean_q16(*sum, *count))
    }
}

/// What an interaction tells of a decision, once it has entered the model.
fn outcome(row: &InteractionRow) -> Option<(u16, i64)> {
    let stands = row.change != Change::Delete && row.learned && row.decision.is_some();
    row.reward.filter(|_| stands).map(|reward| (row.arm, reward))
}

/// The mean of rewards whose sum is in Q16.
pub(super) fn mean_q16(sum: i128, count: i64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / ONE_Q16 / count as f64)
}
