//! Snapshots: all state of the dataflow at the end of an epoch, as bytes, and back.
//!
//! A snapshot has two parts. What belongs to customers is written per virtual shard (`image.rs`),
//! so that any number of workers can take it up again: histories, and the little about them that is
//! not a pure function of history, thresholds and watermark. What belongs to all ([`Common`]) is
//! put together by whoever gathers the outputs. Running rows, contexts, filters of known ids and
//! queues are computed again on loading ([`restore`]).
//!
//! A snapshot is taken while the stream goes on: an epoch says that it is to be
//! taken, and from then on a customer is written either in its turn, some customers at a time, or
//! just before it changes. Nothing waits, and memory holds one shard and what changed meanwhile.

pub mod change;
pub mod changed;
pub mod codes;
pub(in crate::campaign) mod image;
pub mod restore;
pub mod soundness;
#[cfg(test)]
mod tests;

use crate::bandit::policy::RewardUnit;
use crate::bandit::rewards::RewardSums;
use crate::bandit::totals::Totals;
use crate::campaign::output::{ArmDay, ArmUpdate, Counts, Day, Segment};
use crate::epoch::Closed;
use crate::event::unlisted::{List, Unlisted, note};
use crate::event::{Millis, Topic};
use crate::settings::Settings;
use crate::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What does not belong to one customer, as it stands at the end of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Common {
    /// The epoch.
    pub epoch: u64,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// The greatest valid event time of each partition.
    pub highs: Vec<(Topic, u32, Millis)>,
    /// The published thresholds, by day. Which days are closed follows from the watermark; one that
    /// is closed and not here has none.
    pub thresholds: Vec<(Day, u64)>,
    /// For each arm, in ascending order of epochs: the epoch that it was learned to the end of, and
    /// its sums. The last ones are the newest; earlier ones still decide.
    pub arms: Vec<Version>,
    /// Contacts and rewards by day and arm.
    pub arm_days: Vec<ArmDay>,
    /// Customers by segment.
    pub segments: Vec<Segment>,
    /// What was counted since the first epoch.
    pub counts: Counts,
    /// The epoch of the last change of settings: its models decide from the next epoch on. 0: there
    /// was none.
    #[serde(default)]
    pub changed: u64,
    /// Names of purchases that are not in their lists. Those of before there were such are not
    /// here, and purchases do not have them.
    #[serde(default)]
    pub unlisted: Unlisted,
}

/// An arm's sums at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The epoch.
    pub epoch: u64,
    /// The arm.
    pub arm: u32,
    /// Its sums.
    pub totals: Totals,
}

impl Common {
    /// Whether rewards are missing in the newest sums of an arm, as in all of before there were
    /// such.
    pub fn lacks_rewards(&self) -> bool {
        let newest = self.arms.chunk_by(|one, next| one.arm == next.arm).filter_map(<[_]>::last);
        newest.into_iter().any(|version| version.totals.rewards.is_none())
    }

    /// Whether what decides after it has all that it goes by.
    ///
    /// # Errors
    /// A policy measures in the deviation of rewards, which sums do not have that were begun before
    /// there was such: it would decide otherwise than if all were computed from the beginning.
    pub fn serves(&self, settings: &Settings) -> Result<(), SnapshotError> {
        if self.arms.iter().all(|version| version.totals.rewards.is_some()) {
            return Ok(());
        }
        // Later ones have the sums of the epoch after this, in which rewards are counted again.
        let decided = self.epoch + 1..=self.epoch + settings.bandit.model_lag.max(1);
        let measures = decided
            .map(|epoch| settings.serving(epoch))
            .find(|serving| serving.acting().unit == Some(RewardUnit::Deviation));
        measures.map_or(Ok(()), |serving| {
            Err(SnapshotError::Older(format!(
                "the deviation of rewards, in which the policy `{}` measures. Go on with the \
                 policy of before until the next checkpoint is complete, or, where events are \
                 folded, with --rebuild",
                serving.policy
            )))
        })
    }

    /// The common part as bytes: JSON, to be looked at with common tools.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain values have a form in JSON")
    }

    /// The common part from bytes.
    ///
    /// # Errors
    /// Anything but what [`Common::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Common, SnapshotError> {
        let mut common: Common = serde_json::from_slice(bytes)
            .map_err(|error| SnapshotError::Common(error.to_string()))?;
        let empty = common.arms.iter_mut().filter(|version| version.totals.n == 0);
        empty.for_each(|version| version.totals.rewards = Some(RewardSums::default()));
        Ok(common)
    }
}

/// Follows the outputs of the dataflow, epoch by epoch, so that the common part is at hand when a
/// snapshot is taken.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    model_lag: u64,
    arms: BTreeMap<u32, Vec<(u64, Totals)>>,
    arm_days: BTreeMap<(Day, u16), ArmDay>,
    segments: BTreeMap<u8, Segment>,
    common: Common,
}

impl Follower {
    /// Starts from nothing, for models that decide so many epochs later.
    pub fn new(model_lag: u64) -> Self {
        Follower {
            model_lag,
            common: Common { counts: Counts::none(), ..Common::default() },
            ..Follower::default()
        }
    }

    /// Starts from a snapshot.
    pub fn restored(model_lag: u64, common: &Common) -> Self {
        let mut arms: BTreeMap<u32, Vec<(u64, Totals)>> = BTreeMap::new();
        for version in &common.arms {
            arms.entry(version.arm).or_default().push((version.epoch, version.totals.clone()));
        }
        Follower {
            model_lag,
            arms,
            arm_days: common.arm_days.iter().map(|row| ((row.day, row.arm), *row)).collect(),
            segments: common.segments.iter().map(|row| (row.flags, *row)).collect(),
            common: common.clone(),
        }
    }

    /// An arm was learned to the end of an epoch. Epochs follow each other.
    pub fn learn(&mut self, epoch: u64, update: &ArmUpdate) {
        self.arms.entry(update.arm).or_default().push((epoch, update.totals.clone()));
    }

    /// The rewards of an arm's newest sums are known now.
    pub fn recounted(&mut self, arm: u32, rewards: RewardSums) {
        let newest = self.arms.get_mut(&arm).and_then(|versions| versions.last_mut());
        newest.into_iter().for_each(|(_, totals)| totals.rewards = Some(rewards));
    }

    /// An arm's day stands so now.
    pub fn arm_day(&mut self, row: &ArmDay) {
        match row.interactions {
            0 => self.arm_days.remove(&(row.day, row.arm)),
            _ => self.arm_days.insert((row.day, row.arm), *row),
        };
    }

    /// A segment stands so now.
    pub fn segment(&mut self, row: &Segment) {
        match row.customers {
            0 => self.segments.remove(&row.flags),
            _ => self.segments.insert(row.flags, *row),
        };
    }

    /// Purchases bear a name that is not in its list.
    pub fn unlisted(&mut self, list: List, hash: u64) {
        note(self.common.unlisted.of_mut(list), hash);
    }

    /// The newest sums of each arm that something was learned of, in the order of their numbers.
    pub fn totals(&self) -> impl Iterator<Item = (u32, &Totals)> {
        self.arms.iter().filter_map(|(&arm, versions)| Some((arm, &versions.last()?.1)))
    }

    /// Customers that the views have.
    pub fn customers(&self) -> u64 {
        self.segments.values().map(|segment| segment.customers.max(0) as u64).sum()
    }

    /// Ends an epoch, with the thresholds that closed in it and what was counted: of each arm the
    /// versions stay that still decide, or will.
    pub fn end(&mut self, epoch: u64, thresholds: &[(Day, u64)], counts: &Counts, closed: &Closed) {
        self.common.epoch = epoch;
        self.common.thresholds.extend_from_slice(thresholds);
        self.common.thresholds.sort_unstable();
        self.common.counts.add(counts);
        self.common.watermark = closed.watermark;
        let highs = closed.highs.iter();
        self.common.highs =
            highs.map(|&(topic, partition, high)| (Topic::of(topic), partition, high)).collect();
        // Epoch e + 1 is decided by what was learned up to e + 1 - lag.
        let decides = (epoch + 1).saturating_sub(self.model_lag);
        for versions in self.arms.values_mut() {
            let older = versions.partition_point(|(learned, _)| *learned <= decides);
            versions.drain(..older.saturating_sub(1));
        }
    }

    /// The common part as it stands.
    pub fn common(&self) -> Common {
        let version = |(&arm, versions): (&u32, &Vec<(u64, Totals)>)| {
            versions
                .iter()
                .map(move |(epoch, totals)| Version { epoch: *epoch, arm, totals: totals.clone() })
                .collect::<Vec<_>>()
        };
        Common {
            arms: self.arms.iter().flat_map(version).collect(),
            arm_days: self.arm_days.values().copied().collect(),
            segments: self.segments.values().copied().collect(),
            ..self.common.clone()
        }
    }
}
