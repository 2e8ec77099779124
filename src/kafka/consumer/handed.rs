//! What was handed over, noted in how partitions stand.

use super::Arrival;
use crate::kafka::reader::Reader;
use crate::kafka::status::PartitionStatus;
use dataflows::source::TopicId;
use std::time::Instant;

/// What a partition's status has to say of an arrival. What makes a partition busy is said before
/// the arrival can be seen, what makes it idle after: so a reader that has emptied the channel
/// never takes a partition for idle of which it has not seen the last.
pub(super) struct Handed {
    /// Topic, partition, next offset, and whether that is the end.
    pub(super) partition: Option<(TopicId, u32, u64, bool)>,
}

impl Handed {
    pub(super) fn of(arrival: &Arrival) -> Handed {
        let partition = match arrival {
            Arrival::Records(messages) => {
                messages.end().map(|next| (messages.topic, messages.partition, next, false))
            }
            Arrival::CaughtUp { topic, partition, next } => Some((*topic, *partition, *next, true)),
            Arrival::Failed(_) => None,
        };
        Handed { partition }
    }

    pub(super) fn before(&self, reader: &Reader) {
        self.note(reader, |status, _, end| {
            if !end {
                status.caught_up = false;
                status.last_news = Instant::now();
            }
        });
    }

    pub(super) fn after(&self, reader: &Reader) {
        self.note(reader, |status, next, end| {
            status.next = Some(next);
            status.end = status.end.map(|known| known.max(next));
            status.high = status.high.map(|known| known.max(next));
            status.caught_up = end;
            if !end {
                status.last_news = Instant::now();
            }
        });
    }

    fn note(&self, reader: &Reader, change: impl FnOnce(&mut PartitionStatus, u64, bool)) {
        if let Some((topic, partition, next, end)) = self.partition
            && let Some(status) = reader.shared().partitions().get_mut(&(topic, partition))
        {
            change(status, next, end);
        }
    }
}
