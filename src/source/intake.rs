//! What feeds a live source on one worker.

use dataflows::source::{Kept, Mark, Messages, TopicId};
use std::collections::BTreeMap;

/// Next offset of every partition.
pub type Bounds = BTreeMap<(TopicId, u32), u64>;

/// Positions as bounds.
pub fn bounds_of(positions: &[(TopicId, u32, u64)]) -> Bounds {
    positions.iter().map(|&(topic, partition, next)| ((topic, partition), next)).collect()
}

/// What feeds a live source on one worker.
pub trait Intake {
    /// The next records that have arrived, at least one; never waits. With `until` no partition
    /// goes past its bound, and one that is not named there was not there yet: nothing comes of it.
    fn next(&mut self, until: Option<&Bounds>) -> Option<Messages>;
    /// Whether all that this worker's partitions have before the bounds was handed out. A bound
    /// need not be where a record is.
    fn has_reached(&self, bounds: &Bounds) -> bool;
    /// Where each of this worker's partitions stands, after the records that were handed out. With
    /// `until` only those that are named there, and none past its bound.
    fn marks(&self, until: Option<&Bounds>) -> Vec<Mark>;
    /// What is to be kept of an epoch that ends with these marks.
    fn keep(&mut self, _marks: &[Mark]) -> Vec<Kept> {
        Vec::new()
    }
    /// Whether what must be read before everything else has been read.
    fn is_prepared(&self) -> bool;
    /// Lets everything else come.
    fn open(&mut self);
    /// Whether nothing more will ever come.
    fn is_ended(&self) -> bool;
}
