//! The watermark of each epoch, from where its partitions stand.

use super::Closed;
use crate::source::{Mark, TopicId};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a partition stands at an epoch's end, with the greatest valid timestamp that was seen
/// there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionStanding {
    /// As the source says.
    pub mark: Mark,
    /// The greatest valid event time, if any record was valid.
    pub high: Option<Millis>,
    /// Records of the epoch, valid or not.
    pub read: u64,
}

/// All partitions of the job.
#[derive(Debug)]
pub struct Partitions {
    lateness: Millis,
    standing: BTreeMap<(TopicId, u32), PartitionStanding>,
    watermark: Option<Millis>,
}

impl Partitions {
    /// None yet; events may come this late. `watermark` is where it stood before, if the job goes
    /// on.
    pub fn new(lateness: Millis, watermark: Option<Millis>) -> Self {
        Partitions { lateness, standing: BTreeMap::new(), watermark }
    }

    /// Closes an epoch with the standings of its marks.
    pub fn close(&mut self, marks: impl IntoIterator<Item = PartitionStanding>) -> Closed {
        let mut last = false;
        let mut save = None;
        let mut recorded = None;
        let mut read = Vec::new();
        for standing in marks {
            last |= standing.mark.last;
            save = save.max(standing.mark.save);
            recorded = recorded.or(standing.mark.recorded);
            if standing.read > 0 {
                read.push((standing.mark.topic, standing.mark.partition, standing.read));
            }
            self.standing.insert((standing.mark.topic, standing.mark.partition), standing);
        }
        let watermark = match recorded {
            Some(recorded) => recorded.0,
            None => self.observe(),
        };
        let held_by = self.holder();
        self.watermark = self.watermark.max(watermark);
        let offsets = self
            .standing
            .iter()
            .map(|(&(topic, partition), standing)| (topic, partition, standing.mark.next))
            .collect();
        let highs = self
            .standing
            .iter()
            .filter_map(|(&(topic, partition), standing)| Some((topic, partition, standing.high?)))
            .collect();
        read.sort_unstable();
        Closed { watermark: self.watermark, held_by, offsets, read, highs, last, save }
    }

    /// The partition that holds time back: of those that are not idle the one with the least
    /// greatest timestamp, or without any.
    fn holder(&self) -> Option<(TopicId, u32)> {
        let moving = self
            .standing
            .iter()
            .filter(|((topic, _), standing)| topic.moves_watermark() && !standing.mark.idle);
        moving.min_by_key(|(_, standing)| standing.high).map(|(&partition, _)| partition)
    }

    /// The least over the partitions that are not idle of the greatest valid timestamp seen there,
    /// less the lateness; if all are idle, the greatest of all. `None` while a partition that is
    /// not idle has had no valid record.
    fn observe(&self) -> Option<Millis> {
        let moving =
            || self.standing.values().filter(|standing| standing.mark.topic.moves_watermark());
        let high = if moving().all(|standing| standing.mark.idle) {
            moving().filter_map(|standing| standing.high).max()?
        } else {
            moving()
                .filter(|standing| !standing.mark.idle)
                .map(|standing| standing.high)
                .min()??
        };
        Some(high.saturating_sub(self.lateness))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Topic;
    use crate::source::RecordedWatermark;

    fn at(partition: u32, high: Option<Millis>, idle: bool) -> PartitionStanding {
        PartitionStanding {
            mark: Mark {
                topic: Topic::Transactions.id(),
                partition,
                next: 7,
                idle,
                recorded: None,
                last: false,
                save: None,
            },
            high,
            read: 0,
        }
    }

    fn watermark(marks: &[PartitionStanding]) -> Option<Millis> {
        Partitions::new(10, None).close(marks.iter().copied()).watermark
    }

    #[test]
    fn the_slowest_partition_that_is_not_idle_holds_time_back() {
        assert_eq!(watermark(&[at(0, Some(100), false), at(1, Some(50), false)]), Some(40));
        assert_eq!(watermark(&[at(0, Some(100), false), at(1, Some(50), true)]), Some(90));
        assert_eq!(watermark(&[at(0, Some(100), true), at(1, Some(50), true)]), Some(90));
        assert_eq!(watermark(&[at(0, Some(100), false), at(1, None, false)]), None);
        assert_eq!(watermark(&[at(0, Some(100), false), at(1, None, true)]), Some(90));
        assert_eq!(watermark(&[]), None);
    }

    #[test]
    fn the_partition_that_holds_time_back_is_named() {
        let held_by = |marks: &[PartitionStanding]| {
            Partitions::new(10, None).close(marks.iter().copied()).held_by
        };
        assert_eq!(
            held_by(&[at(0, Some(100), false), at(1, Some(50), false)]),
            Some((Topic::Transactions.id(), 1))
        );
        assert_eq!(
            held_by(&[at(0, Some(100), false), at(1, None, false)]),
            Some((Topic::Transactions.id(), 1))
        );
        assert_eq!(
            held_by(&[at(0, Some(100), false), at(1, Some(50), true)]),
            Some((Topic::Transactions.id(), 0))
        );
        assert_eq!(held_by(&[at(0, Some(100), true)]), None);
    }

    #[test]
    fn profiles_do_not_move_time() {
        let mut profile = at(0, Some(1), false);
        profile.mark.topic = Topic::Customers.id();
        assert_eq!(watermark(&[at(0, Some(100), false), profile]), Some(90));
    }

    #[test]
    fn it_never_falls_and_a_recorded_one_is_taken_as_it_is() {
        let mut partitions = Partitions::new(10, None);
        assert_eq!(partitions.close([at(0, Some(100), false)]).watermark, Some(90));
        assert_eq!(partitions.close([at(1, Some(50), false)]).watermark, Some(90));
        let mut recorded = at(0, Some(500), false);
        recorded.mark.recorded = Some(RecordedWatermark(Some(95)));
        assert_eq!(partitions.close([recorded]).watermark, Some(95));
    }
}
