//! What a small dataflow hands to whoever gathers its epochs.

use super::ViewSum;
use crate::epoch::Closed;
use crate::event::Rejected;
use crate::source::{CustomerId, Kept};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// One batch of an epoch's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum KeyedOutput<V> {
    /// What is seen of customers, where that changed; each at most once an epoch.
    Views(Vec<ViewChange<V>>),
    /// What these changes add to the sum of all views.
    Sum(ViewSum),
    /// Records that were rejected.
    Rejected(Vec<Rejected>),
    /// Customers that were erased.
    Erasures(Vec<KeyedErasure>),
    /// Raw records of the epoch that are kept with its results.
    Kept(Vec<Kept>),
    /// What was counted.
    Counts(KeyedCounts),
    /// The epoch's end. One a process-wide epoch, from worker 0.
    Closed(Closed),
}

/// What is seen of a customer, before an epoch and after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewChange<V> {
    /// Whose.
    pub customer: CustomerId,
    /// Before; `None`: nothing.
    pub before: Option<V>,
    /// After; `None`: nothing any more.
    pub after: Option<V>,
}

/// A customer that was erased in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyedErasure {
    /// Whose.
    pub customer: CustomerId,
    /// Everything dated up to then; `Millis::MAX`: for ever.
    pub until: Millis,
    /// How many events went: of before the epoch, and of its own records.
    pub events: u64,
}

/// What was counted in an epoch; sums over epochs and workers are totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyedCounts {
    /// Records that were read and valid.
    pub records: u64,
    /// Events dropped because their customer was erased.
    pub erased: u64,
    /// Erasures that could not be read: their customers are still there.
    pub unread_erasures: u64,
}

impl KeyedCounts {
    /// Adds another count.
    pub fn add(&mut self, other: &KeyedCounts) {
        let KeyedCounts { records, erased, unread_erasures } = other;
        self.records += records;
        self.erased += erased;
        self.unread_erasures += unread_erasures;
    }
}
