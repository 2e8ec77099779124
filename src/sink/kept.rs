//! Records that are kept beside the results of their epochs, because their topic may lose them
//! before a restart has to repeat those.
//!
//! The broker removes records of a compacted topic whenever it likes. An epoch that is repeated
//! must see what it saw, so of such a topic it is kept with the epoch's results: whatever is
//! committed can be repeated, up to the oldest checkpoint that a restart may have to take.

use crate::sink::SinkError;
use dataflows::source::{Kept, TopicId};
use std::collections::BTreeMap;

/// Where some kept records lie: what they are, without themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptAt {
    /// The epoch that has read them.
    pub epoch: u64,
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: u32,
    /// The first position.
    pub from: u64,
    /// The position after the last.
    pub until: u64,
}

/// Reads kept records in the order of their epochs, a few at a time.
///
/// # Contract
/// `next` gives what comes after `after`, in the order of [`KeptAt`]; nothing: that was all.
pub trait KeptReader: Send {
    /// The next of these partitions.
    ///
    /// # Errors
    /// They cannot be read.
    fn next(
        &mut self,
        after: KeptAt,
        of: &[(TopicId, u32)],
    ) -> Result<Vec<(KeptAt, Kept)>, SinkError>;
}

/// Up to where each partition can be read from what is kept, if it is read from its start on: as
/// far as nothing is missing between.
pub fn covered(
    kept: &[KeptAt],
    starts: &BTreeMap<(TopicId, u32), u64>,
) -> BTreeMap<(TopicId, u32), u64> {
    let mut covered: BTreeMap<(TopicId, u32), u64> = BTreeMap::new();
    let mut sorted = kept.to_vec();
    sorted.sort_unstable_by_key(|at| (at.topic, at.partition, at.from, at.until));
    for at in sorted {
        let key = (at.topic, at.partition);
        // A partition that came later was read from its first record on.
        let reached = covered.get(&key).or_else(|| starts.get(&key)).copied().unwrap_or(0);
        if at.from == reached {
            covered.insert(key, at.until);
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    #[test]
    fn what_is_kept_reaches_as_far_as_nothing_is_missing() {
        let at = |partition, from, until| KeptAt {
            epoch: from,
            topic: Topic::Customers.id(),
            partition,
            from,
            until,
        };
        let starts = BTreeMap::from([
            ((Topic::Customers.id(), 0), 5),
            ((Topic::Customers.id(), 1), 5),
            ((Topic::Customers.id(), 3), 2),
        ]);
        let kept = [
            at(0, 9, 12),
            at(0, 5, 9),
            at(0, 13, 20),
            at(1, 6, 9),
            at(2, 0, 4),
            at(3, 0, 2),
            at(3, 2, 2),
            at(3, 2, 7),
        ];
        let covered = covered(&kept, &starts);
        assert_eq!(covered.get(&(Topic::Customers.id(), 0)), Some(&12), "offset 12 is missing");
        assert_eq!(covered.get(&(Topic::Customers.id(), 1)), None, "offset 5 is missing");
        assert_eq!(
            covered.get(&(Topic::Customers.id(), 2)),
            Some(&4),
            "a partition that came later"
        );
        assert_eq!(
            covered.get(&(Topic::Customers.id(), 3)),
            Some(&7),
            "what is from before the start is not needed"
        );
    }
}
