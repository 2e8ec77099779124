//! Offsets that a job goes on behind without having read them: retention had removed their records
//! first, and whoever started the job has accepted that.
//!
//! Each loss is recorded before the epoch in which it is crossed, so that a restart, an epoch that
//! is repeated and whoever computes everything again cross it in the same way.

use dataflows::source::TopicId;
use serde::{Deserialize, Serialize};

/// Offsets of a partition that no epoch has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Loss {
    /// The epoch that goes on behind them.
    pub epoch: u64,
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: u32,
    /// The first of them.
    pub first: u64,
    /// The offset that is read next.
    pub next: u64,
}

impl Loss {
    /// How many offsets.
    pub fn offsets(&self) -> u64 {
        self.next.saturating_sub(self.first)
    }

    /// As people are told of it, with the topic's name at the broker.
    pub fn told(&self, topic: &str) -> String {
        let Loss { partition, first, next, .. } = self;
        format!(
            "{} offsets of partition {partition} of `{topic}`, from {first} to before {next}",
            self.offsets()
        )
    }
}
