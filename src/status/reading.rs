//! How far the partitions have been read, and how far they go.

use super::report::PartitionProgress;
use dataflows::epoch::Closed;
use dataflows::source::TopicId;
use std::collections::{BTreeMap, BTreeSet};

/// Where a partition ends at the broker, where that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndOffsets {
    /// After the last record that there is.
    pub high_watermark: Option<u64>,
    /// After the last record that can be read: before it every transaction has ended.
    pub last_stable: Option<u64>,
}

/// What is known of all partitions.
#[derive(Debug, Default)]
pub(super) struct PartitionsRead {
    next_offsets: BTreeMap<(TopicId, u32), u64>,
    ends: BTreeMap<(TopicId, u32), EndOffsets>,
}

impl PartitionsRead {
    /// An epoch is committed.
    pub(super) fn committed(&mut self, closed: &Closed) {
        let next = |(topic, partition, next): &(TopicId, u32, u64)| ((*topic, *partition), *next);
        self.next_offsets.extend(closed.offsets.iter().map(next));
    }

    /// Where partitions end at the broker.
    pub(super) fn ends(&mut self, ends: impl IntoIterator<Item = ((TopicId, u32), EndOffsets)>) {
        self.ends.extend(ends);
    }

    /// Those that the broker has, and those that are committed, for what has an end need not have
    /// been read yet.
    pub(super) fn shown(&self) -> Vec<PartitionProgress> {
        let all: BTreeSet<(TopicId, u32)> =
            self.ends.keys().chain(self.next_offsets.keys()).copied().collect();
        let partition = |at: (TopicId, u32)| {
            let EndOffsets { high_watermark, last_stable } =
                self.ends.get(&at).copied().unwrap_or_default();
            let next_offset = self.next_offsets.get(&at).copied();
            PartitionProgress {
                topic: at.0.name(),
                partition: at.1,
                next_offset,
                last_stable_offset: last_stable,
                high_watermark,
                // The ends were asked for before the latest records were read.
                lag: last_stable.zip(next_offset).map(|(end, next)| end.saturating_sub(next)),
                held_back: high_watermark
                    .zip(last_stable)
                    .map(|(high, stable)| high.saturating_sub(stable)),
            }
        };
        all.into_iter().map(partition).collect()
    }
}
