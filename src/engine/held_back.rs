//! Sees that a transaction of a producer stays open: all that comes behind it in its partition is
//! held back, and the job looks as if nothing came.

use crate::kafka::PartitionStatus;
use crate::telemetry::stalls::{Cause, Seen};
use dataflows::source::TopicId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Most producers end a transaction within seconds: what stays open for longer was perhaps left by
/// one that is gone.
const LONG: Duration = Duration::from_secs(30);

/// The partitions in which a transaction is open.
#[derive(Debug, Default)]
pub struct HeldBack {
    /// The offset before which all transactions have ended, and since when it has been the same.
    open: BTreeMap<(TopicId, u32), (u64, Instant)>,
}

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    /// Partitions that have been held back for long.
    partitions: usize,
    /// Offsets in all of them.
    offsets: u64,
    /// The one that has been for the longest, the offset of its open transaction, and since when.
    longest: (TopicId, u32, u64, Instant),
}

impl HeldBack {
    /// What has been held back for long.
    pub fn look(&mut self, partitions: &[PartitionStatus], now: Instant) -> Option<Seen> {
        let Held { partitions, offsets, longest: (topic, partition, offset, since) } =
            self.held(partitions, now)?;
        let (topic, of) = (topic.name(), if partitions == 1 { "partition" } else { "partitions" });
        let what = format!(
            "{offsets} offsets of {partitions} {of}, the longest in partition {partition} of \
             {topic} from offset {offset} on"
        );
        Some(Seen::of(Cause::HeldBack, what).since(since))
    }

    fn held(&mut self, partitions: &[PartitionStatus], now: Instant) -> Option<Held> {
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
                        long.push((offsets, (status.topic, status.partition, end, *since)));
                    }
                }
                _ => drop(self.open.remove(&key)),
            }
        }
        let &(_, longest) = long.iter().min_by_key(|(_, (.., since))| *since)?;
        Some(Held {
            partitions: long.len(),
            offsets: long.iter().map(|(offsets, _)| offsets).sum(),
            longest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    /// A partition of purchases that can be read up to an offset, and has more.
    fn partition(partition: u32, end: u64, high: u64, now: Instant) -> PartitionStatus {
        PartitionStatus {
            end: Some(end),
            high: Some(high),
            ..PartitionStatus::new(Topic::Transactions.id(), partition, now)
        }
    }

    #[test]
    fn it_is_seen_once_it_has_lasted_and_for_as_long_as_it_lasts() {
        let start = Instant::now();
        let mut held = HeldBack::default();
        // The second after the start, the end of partition 1 and its high watermark; beside it
        // partition 0, in which transactions come and go.
        let rounds = [
            (0, 7, 7, None),
            (10, 7, 507, None),
            (39, 7, 600, None),
            (40, 7, 600, Some((593, 10))),
            (99, 7, 650, Some((643, 10))),
            (130, 650, 650, None),
            (131, 650, 655, None),
            (161, 650, 655, Some((5, 131))),
            (170, 652, 655, None),
            (199, 652, 655, None),
            (200, 652, 655, Some((3, 170))),
        ];
        for (second, end, high, seen) in rounds {
            let now = start + Duration::from_secs(second);
            let busy = partition(0, 10 * second, 10 * second + 4, now);
            let found = held.held(&[busy, partition(1, end, high, now)], now);
            assert_eq!(
                found.map(|held| (held.offsets, (held.longest.3 - start).as_secs())),
                seen,
                "after {second} s"
            );
            if let Some(found) = found {
                assert_eq!((found.partitions, found.longest.1, found.longest.2), (1, 1, end));
            }
        }
    }

    #[test]
    fn the_longest_of_several_is_named() {
        let start = Instant::now();
        let mut held = HeldBack::default();
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(
            held.held(
                &[partition(0, 4, 4, start), partition(1, 5, 6, start), partition(2, 1, 2, start)],
                at(0)
            ),
            None
        );
        assert_eq!(
            held.held(
                &[partition(0, 4, 9, start), partition(1, 5, 9, start), partition(2, 1, 2, start)],
                at(5)
            ),
            None
        );
        let found =
            [partition(0, 4, 9, start), partition(1, 5, 9, start), partition(2, 2, 2, start)];
        assert_eq!(
            held.held(&found, at(36)),
            Some(Held {
                partitions: 2,
                offsets: 9,
                longest: (Topic::Transactions.id(), 1, 5, start)
            })
        );
        let seen = held.look(&found, at(37)).expect("it lasts");
        assert_eq!(
            seen.what,
            "9 offsets of 2 partitions, the longest in partition 1 of transactions from offset 5 on"
        );
    }
}
