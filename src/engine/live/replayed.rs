//! Epochs that were committed before, as they are run again.

use dataflows::event::{CustomerId, Millis};
use dataflows::source::{Save, TopicId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An epoch that was committed before and is replayed as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Where its partitions stood at its end.
    pub bounds: Vec<(TopicId, u32, u64)>,
    /// Its watermark.
    pub watermark: Option<Millis>,
    /// The customers that it erased, each up to an instant: its records may no longer say so.
    pub erased: Vec<(CustomerId, Millis)>,
    /// What is saved with it: something only where a verification leaves a checkpoint.
    pub save: Option<Save>,
}

impl Replayed {
    /// Committed epochs, each by its number, offsets and watermark, with what it has erased of all
    /// that they have.
    pub fn each<'a>(
        epochs: impl Iterator<Item = (u64, &'a [(TopicId, u32, u64)], Option<Millis>)>,
        erasures: impl IntoIterator<Item = (u64, CustomerId, Millis)>,
    ) -> Vec<Replayed> {
        let mut erased: BTreeMap<u64, Vec<(CustomerId, Millis)>> = BTreeMap::new();
        for (epoch, customer, until) in erasures {
            erased.entry(epoch).or_default().push((customer, until));
        }
        let replayed = |(epoch, bounds, watermark): (u64, &[_], _)| Replayed {
            bounds: bounds.to_vec(),
            watermark,
            erased: erased.remove(&epoch).unwrap_or_default(),
            save: None,
        };
        epochs.map(replayed).collect()
    }
}
