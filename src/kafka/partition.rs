//! One partition as a worker has it: the blocks that wait, and up to where it counts as read.
//!
//! Offsets have gaps: marks of transactions, aborted records, and what compaction or deletion took
//! away. Of a gap only the record behind it tells, or the end of the partition. So a partition
//! stands where its next record lies, wherever that is, or at its end, and never past a bound that
//! it is given.

use dataflows::source::{Head, Messages};
use std::collections::VecDeque;

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// None of them is empty.
    waiting: VecDeque<Messages>,
    /// After the last record that was handed out, or where the reading begins; `None` before that
    /// is known.
    next: Option<u64>,
    /// The end of the partition as it was when it was last reached, if nothing has come since.
    caught_up: Option<u64>,
    /// It is kept back, for too much of it waits.
    pub(super) is_held: bool,
}

impl Partition {
    /// Nothing yet, of a partition that is read from this offset on; `None`: from wherever it
    /// begins.
    pub(super) fn from(next: Option<u64>) -> Self {
        Partition { next, ..Partition::default() }
    }

    /// More records have come.
    pub(super) fn arrive(&mut self, messages: Messages) {
        if !messages.heads.is_empty() {
            self.caught_up = None;
            self.waiting.push_back(messages);
        }
    }

    /// All that the partition has has come: it ends before this offset.
    pub(super) fn reach_end(&mut self, end: u64) {
        self.caught_up = Some(end);
    }

    /// How many blocks wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether all that the partition has has come.
    pub(super) fn is_caught_up(&self) -> bool {
        self.caught_up.is_some()
    }

    /// The first record that waits.
    pub(super) fn first(&self) -> Option<&Head> {
        self.waiting.front().and_then(|messages| messages.heads.first())
    }

    /// The offset before which nothing is left to be handed out; one that is not past `bound`,
    /// unless the partition was past it before. `None` while it is not known where the reading
    /// begins.
    pub(super) fn stands_at(&self, bound: Option<u64>) -> Option<u64> {
        let known = self.first().map(|head| head.position).or(self.caught_up).max(self.next)?;
        Some(bound.map_or(known, |bound| known.min(bound)).max(self.next.unwrap_or(0)))
    }

    /// Whether nothing before the bound is left to be handed out.
    pub(super) fn has_reached(&self, bound: u64) -> bool {
        self.stands_at(Some(bound)).is_some_and(|at| at >= bound)
    }

    /// The next records before the bound.
    pub(super) fn take(&mut self, bound: Option<u64>) -> Option<Messages> {
        let bound = bound.unwrap_or(u64::MAX);
        let first = self.waiting.front_mut()?;
        if first.heads.first().is_none_or(|head| head.position >= bound) {
            return None;
        }
        let messages = if first.end() > Some(bound) {
            first.split_before(bound)
        } else {
            self.waiting.pop_front()?
        };
        self.next = messages.end();
        Some(messages)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use dataflows::event::Topic;
    use dataflows::source::TopicId;

    /// Messages without bytes at these offsets, each dated by its offset.
    pub(in crate::kafka) fn messages(
        topic: TopicId,
        partition: u32,
        positions: &[u64],
    ) -> Messages {
        let head = |&position: &u64| Head {
            position,
            timestamp: position as i64,
            start: 0,
            length: 0,
            null: false,
            key: 0,
        };
        Messages::new(topic, partition, Vec::new(), positions.iter().map(head).collect())
    }

    /// A partition that is read from an offset on, to which these blocks have come, and then its
    /// end.
    fn partition(next: Option<u64>, blocks: &[&[u64]], end: Option<u64>) -> Partition {
        let mut partition = Partition::from(next);
        blocks
            .iter()
            .for_each(|positions| partition.arrive(messages(Topic::Customers.id(), 0, positions)));
        end.into_iter().for_each(|end| partition.reach_end(end));
        partition
    }

    /// What is handed out before the bound, and where the partition then stands.
    fn read(partition: &mut Partition, bound: Option<u64>) -> (Vec<u64>, Option<u64>) {
        let mut handed = Vec::new();
        while let Some(messages) = partition.take(bound) {
            assert!(!messages.heads.is_empty());
            handed.extend(messages.heads.iter().map(|head| head.position));
        }
        (handed, partition.stands_at(bound))
    }

    #[test]
    fn every_relation_of_bound_records_and_end() {
        // From 3 on: a gap to 5, records at 5, 6 and 9, another block with 12, and the end at 15.
        let blocks: [&[u64]; 2] = [&[5, 6, 9], &[12]];
        for (bound, handed, at) in [
            (0, &[][..], 3),
            (3, &[], 3),
            (4, &[], 4),
            (5, &[], 5),
            (6, &[5], 6),
            (7, &[5, 6], 7),
            (8, &[5, 6], 8),
            (9, &[5, 6], 9),
            (10, &[5, 6, 9], 10),
            (11, &[5, 6, 9], 11),
            (12, &[5, 6, 9], 12),
            (13, &[5, 6, 9, 12], 13),
            (14, &[5, 6, 9, 12], 14),
            (15, &[5, 6, 9, 12], 15),
            (16, &[5, 6, 9, 12], 15),
        ] {
            let whole = partition(Some(3), &blocks, Some(15));
            assert_eq!(
                whole.has_reached(bound),
                bound <= 5,
                "{bound} before anything is handed out"
            );
            let mut partition = partition(Some(3), &blocks, Some(15));
            assert_eq!(
                read(&mut partition, Some(bound)),
                (handed.to_vec(), Some(at)),
                "up to {bound}"
            );
            assert_eq!(partition.has_reached(bound), bound < 16, "{bound}");
            // What was left comes with the next bound, or without one.
            let rest: Vec<u64> =
                [5, 6, 9, 12].into_iter().filter(|position| !handed.contains(position)).collect();
            assert_eq!(read(&mut partition, None), (rest, Some(15)), "after {bound}");
        }
    }

    #[test]
    fn a_gap_is_known_by_what_is_behind_it_only() {
        // All that has come ends at 7: what is behind that is not known.
        let mut open = partition(Some(5), &[&[5, 6]], None);
        assert_eq!(read(&mut open, Some(9)), (vec![5, 6], Some(7)));
        assert!(open.has_reached(7) && !open.has_reached(8));
        open.reach_end(8);
        assert_eq!(
            (open.stands_at(Some(9)), open.stands_at(Some(8)), open.stands_at(None)),
            (Some(8), Some(8), Some(8))
        );
        assert!(open.has_reached(8) && !open.has_reached(9));
        // A record behind the bound tells too.
        open.arrive(messages(Topic::Customers.id(), 0, &[11]));
        assert_eq!(read(&mut open, Some(9)), (vec![], Some(9)));
        assert_eq!(
            (open.first().map(|head| head.position), open.is_caught_up(), open.waiting()),
            (Some(11), false, 1)
        );
        assert_eq!((open.stands_at(None), read(&mut open, None)), (Some(11), (vec![11], Some(12))));
    }

    #[test]
    fn where_nothing_is_known_nothing_is_reached() {
        let mut unknown = partition(None, &[], None);
        assert_eq!((unknown.stands_at(Some(0)), unknown.stands_at(None)), (None, None));
        assert!(!unknown.has_reached(0) && !unknown.has_reached(4));
        unknown.reach_end(0);
        assert!(unknown.has_reached(0) && !unknown.has_reached(4));
        // One that begins with a gap.
        let mut later = partition(None, &[&[2, 3]], None);
        assert_eq!((later.has_reached(2), later.has_reached(3)), (true, false));
        assert_eq!(read(&mut later, Some(3)), (vec![2], Some(3)));
        // Nothing at all but marks and aborted records.
        assert_eq!(read(&mut partition(None, &[], Some(6)), Some(4)), (vec![], Some(4)));
        assert_eq!(read(&mut partition(Some(1), &[], Some(6)), None), (vec![], Some(6)));
    }

    #[test]
    fn a_block_without_records_is_nothing() {
        let mut partition = partition(Some(4), &[&[]], Some(4));
        assert_eq!((partition.waiting(), partition.is_caught_up()), (0, true));
        partition.arrive(messages(Topic::Customers.id(), 0, &[]));
        assert_eq!(
            (partition.is_caught_up(), read(&mut partition, None)),
            (true, (vec![], Some(4)))
        );
    }

    #[test]
    fn whatever_the_bounds_records_come_once_in_order_and_it_never_goes_back() {
        for cuts in 0_u32..1 << 12 {
            let mut partition = partition(Some(1), &[&[2, 3], &[6], &[7, 10]], Some(12));
            let (mut handed, mut at) = (Vec::new(), 1);
            for bound in (1..13).filter(|bound| cuts & 1 << (bound - 1) != 0) {
                let (more, stands) = read(&mut partition, Some(bound));
                assert!(
                    more.iter().all(|position| (at..bound).contains(position)),
                    "{more:?} between {at} and {bound}"
                );
                assert_eq!(stands, Some(bound));
                handed.extend(more);
                at = bound;
            }
            handed.extend(read(&mut partition, None).0);
            assert_eq!(handed, [2, 3, 6, 7, 10], "cut by {cuts:b}");
        }
    }
}
