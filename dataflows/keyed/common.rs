//! What belongs to no customer, as it stands at the end of an epoch.

use super::{Keyed, KeyedCounts, ViewSum};
use crate::epoch::Closed;
use crate::snapshot::SnapshotError;
use crate::source::TopicId;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What belongs to no customer, as it stands at the end of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedCommon {
    /// The epoch; 0 before the first.
    pub epoch: u64,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// The greatest valid event time of each partition.
    pub highs: Vec<(TopicId, u32, Millis)>,
    /// The sum of all views.
    pub sum: ViewSum,
    /// What was counted since the first epoch.
    pub counts: KeyedCounts,
}

impl KeyedCommon {
    /// Takes in the end of an epoch, how the sum of all views changed in it, and what was counted.
    /// Epochs follow each other.
    pub fn end(&mut self, epoch: u64, closed: &Closed, change: &ViewSum, counts: &KeyedCounts) {
        (self.epoch, self.watermark) = (epoch, closed.watermark);
        self.highs.clone_from(&closed.highs);
        self.sum.add(change);
        self.counts.add(counts);
    }

    /// The digest of what stands.
    pub fn digest<K: Keyed>(&self) -> [u8; 32] {
        self.sum.digest(K::NAME)
    }

    /// Customers of whom anything is seen.
    pub fn customers(&self) -> u64 {
        self.sum.views.max(0) as u64
    }

    /// It as bytes: JSON, to be looked at with common tools.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain values have a form in JSON")
    }

    /// It from bytes.
    ///
    /// # Errors
    /// Anything but what [`KeyedCommon::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<KeyedCommon, SnapshotError> {
        serde_json::from_slice(bytes).map_err(|error| SnapshotError::Common(error.to_string()))
    }
}
