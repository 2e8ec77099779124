//! Says that a transaction of a producer stays open: all that comes behind it in its partition is held back, and the job looks as if nothing came.

use crate::kafka::PartitionStatus;
use dataflows::event::Topic;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Most producers end a transaction within seconds: what stays open for longer was perhaps left by one that is gone.
const LONG: Duration = Duration::from_secs(30);

/// At most one line in this time.
const PAUSE: Duration = Duration::from_secs(60);

/// The partitions in which a transaction is open.
#[derive(Debug, Default)]
pub struct HeldBack {
    /// The offset before which all transactions have ended, and since when it has been the same.
    open: BTreeMap<(Topic, u32), (u64, Instant)>,
    said: Option<Instant>,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    /// Partitions that have been held back for long.
    partitions: usize,
    /// Offsets in all of them.
    offsets: u64,
    /// The one that has been for the longest, the offset of its open transaction, and since when.
    longest: (Topic, u32, u64, Duration),
}

impl HeldBack {
    /// Says what is held back, where that is due.
    pub fn look(&mut self, partitions: &[PartitionStatus], now: Instant) {
        if let Some(Line { partitions, offsets, longest: (topic, partition, offset, open) }) = self.due(partitions, now) {
            tracing::warn!(
                offsets,
                partitions,
                topic = topic.name(),
                partition,
                offset,
                open = ?Duration::from_secs(open.as_secs()),
                "A transaction of a producer is open: whatever lies behind its first record is read once it has ended. The broker ends one that was left open after \
                 its transaction.timeout.ms; `kafka-transactions.sh find-hanging` shows it."
            );
        }
    }

    fn due(&mut self, partitions: &[PartitionStatus], now: Instant) -> Option<Line> {
        let mut long = Vec::new();
        for status in partitions {
            let key = (status.topic, status.partition);
            match (status.held_back(), status.end) {
                (Some(offsets), Some(end)) if offsets > 0 => {
                    let (at, since) = self.open.entry(key).or_insert((end, now));
                    if *at != end {
                        (*at, *since) = (end, now);
                    }
                    let open = now.saturating_duration_since(*since);
                    if open >= LONG {
                        long.push((offsets, (status.topic, status.partition, end, open)));
                    }
                }
                _ => drop(self.open.remove(&key)),
            }
        }
        let Some(&(_, longest)) = long.iter().max_by_key(|(_, (.., open))| *open) else {
            // What comes next is news again.
            self.said = None;
            return None;
        };
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < PAUSE) {
            return None;
        }
        self.said = Some(now);
        Some(Line { partitions: long.len(), offsets: long.iter().map(|(offsets, _)| offsets).sum(), longest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition of purchases that can be read up to an offset, and has more.
    fn partition(partition: u32, end: u64, high: u64, now: Instant) -> PartitionStatus {
        PartitionStatus { end: Some(end), high: Some(high), ..PartitionStatus::new(Topic::Transactions, partition, now) }
    }

    #[test]
    fn it_is_said_once_it_has_lasted_and_then_each_minute_while_it_lasts() {
        let start = Instant::now();
        let mut held = HeldBack::default();
        // The second after the start, the end of partition 1 and its high watermark; beside it partition 0, in which transactions come and go.
        let rounds = [
            (0, 7, 7, None),
            (10, 7, 507, None),
            (39, 7, 600, None),
            (40, 7, 600, Some(593)),
            (41, 7, 601, None),
            (99, 7, 650, None),
            (100, 7, 650, Some(643)),
            (130, 650, 650, None),
            (131, 650, 655, None),
            (161, 650, 655, Some(5)),
            (170, 652, 655, None),
            (199, 652, 655, None),
            (200, 652, 655, Some(3)),
        ];
        for (second, end, high, said) in rounds {
            let now = start + Duration::from_secs(second);
            let busy = partition(0, 10 * second, 10 * second + 4, now);
            let line = held.due(&[busy, partition(1, end, high, now)], now);
            assert_eq!(line.map(|line| line.offsets), said, "after {second} s");
            if let Some(line) = line {
                assert_eq!((line.partitions, line.longest.1, line.longest.2), (1, 1, end));
            }
        }
    }

    #[test]
    fn the_longest_of_several_is_named() {
        let start = Instant::now();
        let mut held = HeldBack::default();
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(held.due(&[partition(0, 4, 4, start), partition(1, 5, 6, start), partition(2, 1, 2, start)], at(0)), None);
        assert_eq!(held.due(&[partition(0, 4, 9, start), partition(1, 5, 9, start), partition(2, 1, 2, start)], at(5)), None);
        let line = held.due(&[partition(0, 4, 9, start), partition(1, 5, 9, start), partition(2, 2, 2, start)], at(36));
        let longest = (Topic::Transactions, 1, 5, Duration::from_secs(36));
        assert_eq!(line, Some(Line { partitions: 2, offsets: 9, longest }));
    }
}
