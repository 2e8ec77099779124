//! The exact percentile of a changing multiset of totals, one total a customer.
//!
//! Totals are kept in log-linear buckets: 512 to each power of two, so that a bucket spans a
//! five-hundredth of its values and below 1,024 a single one. A bucket is a list through the
//! customers' own nodes, so that a total moves in constant time. A cursor stays at the bucket that
//! was last asked for and knows how many totals lie below it; the answer is then selected among the
//! members of one bucket.

use crate::state::sparse::Sparse;

/// Linear buckets to a power of two, as a power of two.
const LINEAR_BITS: u32 = 9;
/// Enough for every u64.
const BUCKETS: usize = bucket_of(u64::MAX) + 1;

/// No node: the end of a list.
const END: u32 = u32::MAX;
/// As a node's `previous`: it is in no list.
const ABSENT: u32 = u32::MAX - 1;

/// The bucket of a total; buckets are in the order of their totals.
#[inline]
const fn bucket_of(total: u64) -> usize {
    if total < 1 << LINEAR_BITS {
        return total as usize;
    }
    let shift = total.ilog2() - LINEAR_BITS;
    // The bits after the leading one count within the power of two; the leading one itself moves on
    // by one power.
    (((shift as u64) << LINEAR_BITS) + (total >> shift)) as usize
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    head: u32,
    members: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    total: u64,
    next: u32,
    previous: u32,
}

/// Totals by customer slot, with their exact percentiles.
#[derive(Clone, Debug)]
pub struct Ranks {
    buckets: Vec<Bucket>,
    nodes: Sparse<Node>,
    /// How many slots have a total.
    present: u64,
    /// The bucket that the last percentile lay in.
    cursor: usize,
    /// How many totals are in buckets below the cursor.
    below: u64,
    /// The members of one bucket, while selecting among them.
    selection: Vec<u64>,
}

impl Default for Ranks {
    fn default() -> Self {
        Ranks::new()
    }
}

impl Ranks {
    /// No totals yet.
    pub fn new() -> Self {
        Ranks {
            buckets: vec![Bucket { head: END, members: 0 }; BUCKETS],
            nodes: Sparse::of(Node { total: 0, next: END, previous: ABSENT }),
            present: 0,
            cursor: 0,
            below: 0,
            selection: Vec::new(),
        }
    }

    /// How many slots have a total.
    pub fn len(&self) -> u64 {
        self.present
    }

    /// Whether no slot has a total.
    pub fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// Gives a slot its total, in place of the one before; `None` takes it out. Slots are dense
    /// indices, below 2^32 - 2.
    #[inline]
    pub fn set(&mut self, slot: u32, total: Option<u64>) {
        debug_assert!(slot < ABSENT);
        let node = self.nodes.get(slot as usize);
        if node.previous != ABSENT {
            let bucket = bucket_of(node.total);
            if let Some(total) = total
                && bucket_of(total) == bucket
            {
                self.nodes.get_mut(slot as usize).total = total;
                return;
            }
            self.unlink(slot, node, bucket);
        }
        if let Some(total) = total {
            self.link(slot, total);
        }
    }

    /// The percentile, 1 to 100, by nearest rank: of n totals in ascending order the one at
    /// ceil(percent/100 * n), counted from 1. `None` without any.
    pub fn percentile(&mut self, percent: u8) -> Option<u64> {
        if self.present == 0 {
            return None;
        }
        let percent = u64::from(percent.clamp(1, 100));
        let rank = (self.present * percent).div_ceil(100) - 1;
        self.seek(rank);
        self.selection.clear();
        let mut at = self.buckets[self.cursor].head;
        while at != END {
            let node = self.nodes.get(at as usize);
            self.selection.push(node.total);
            at = node.next;
        }
        let within = (rank - self.below) as usize;
        Some(*self.selection.select_nth_unstable(within).1)
    }

    /// How many totals the last percentile was selected among.
    pub fn looked_at(&self) -> usize {
        self.selection.len()
    }

    /// Moves the cursor to the bucket with the total of this rank, counted from 0; there must be
    /// more totals than that.
    fn seek(&mut self, rank: u64) {
        while self.below > rank {
            self.cursor -= 1;
            self.below -= u64::from(self.buckets[self.cursor].members);
        }
        while self.below + u64::from(self.buckets[self.cursor].members) <= rank {
            self.below += u64::from(self.buckets[self.cursor].members);
            self.cursor += 1;
        }
    }

    #[inline]
    fn unlink(&mut self, slot: u32, node: Node, bucket: usize) {
        if node.next != END {
            self.nodes.get_mut(node.next as usize).previous = node.previous;
        }
        if node.previous == END {
            self.buckets[bucket].head = node.next;
        } else {
            self.nodes.get_mut(node.previous as usize).next = node.next;
        }
        self.nodes.get_mut(slot as usize).previous = ABSENT;
        self.buckets[bucket].members -= 1;
        self.below -= u64::from(bucket < self.cursor);
        self.present -= 1;
    }

    #[inline]
    fn link(&mut self, slot: u32, total: u64) {
        let bucket = bucket_of(total);
        let next = std::mem::replace(&mut self.buckets[bucket].head, slot);
        if next != END {
            self.nodes.get_mut(next as usize).previous = slot;
        }
        *self.nodes.get_mut(slot as usize) = Node { total, next, previous: END };
        self.buckets[bucket].members += 1;
        self.below += u64::from(bucket < self.cursor);
        self.present += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The definition: sort, and take the nearest rank.
    fn sorted_percentile(totals: &BTreeMap<u32, u64>, percent: u8) -> Option<u64> {
        let mut ascending: Vec<u64> = totals.values().copied().collect();
        ascending.sort_unstable();
        let rank = (ascending.len() * usize::from(percent)).div_ceil(100);
        ascending.get(rank.checked_sub(1)?).copied()
    }

    #[test]
    fn buckets_follow_the_order_of_their_totals() {
        assert_eq!(BUCKETS, 28_672);
        let edges: Vec<u64> = (0..64)
            .flat_map(|bit| {
                [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1, (1 << bit) | (1 << bit >> 9)]
            })
            .chain([u64::MAX])
            .collect();
        let mut ascending = edges.clone();
        ascending.sort_unstable();
        assert!(ascending.windows(2).all(|pair| bucket_of(pair[0]) <= bucket_of(pair[1])));
        assert_eq!(
            (bucket_of(511), bucket_of(512), bucket_of(1_023), bucket_of(1_024), bucket_of(1_025)),
            (511, 512, 1_023, 1_024, 1_024)
        );
    }

    #[test]
    fn one_customer_is_every_percentile() {
        let mut ranks = Ranks::new();
        assert_eq!(ranks.percentile(90), None);
        ranks.set(7, Some(1 << 63));
        for percent in [1, 50, 90, 99, 100] {
            assert_eq!(ranks.percentile(percent), Some(1 << 63));
        }
        ranks.set(7, None);
        assert_eq!((ranks.percentile(90), ranks.is_empty()), (None, true));
        ranks.set(7, None);
        ranks.set(1_000, None);
        assert!(ranks.is_empty(), "removing what is not there changes nothing");
    }

    #[test]
    fn the_ninetieth_of_ten_is_the_ninth() {
        let mut ranks = Ranks::new();
        for slot in 0..10 {
            ranks.set(slot, Some(u64::from(slot + 1) * 1_000_000));
        }
        assert_eq!(ranks.percentile(90), Some(9_000_000));
        assert_eq!(ranks.percentile(91), Some(10_000_000));
        ranks.set(10, Some(9_500_000));
        assert_eq!(ranks.percentile(90), Some(9_500_000), "of eleven it is the tenth");
    }

    /// Totals that meet in a bucket, are equal, cross many buckets, or are huge.
    fn total() -> impl Strategy<Value = u64> {
        prop_oneof![
            0..8u64,
            1_000..1_100u64,
            50_000..50_400u64,
            0..10_000_000u64,
            (1u64 << 62)..=(1 << 63),
            Just(u64::MAX)
        ]
    }

    proptest! {
        #[test]
        fn percentiles_equal_those_of_sorting(
            rounds in prop::collection::vec(
                (
                    0..40u32,
                    prop::option::weighted(0.8, total()),
                    prop::option::weighted(0.5, 1..=100u8),
                ),
                1..300,
            ),
        ) {
            let mut ranks = Ranks::new();
            let mut totals = BTreeMap::new();
            for (slot, total, percent) in rounds {
                ranks.set(slot, total);
                match total {
                    Some(total) => totals.insert(slot, total),
                    None => totals.remove(&slot),
                };
                prop_assert_eq!(ranks.len(), totals.len() as u64);
                if let Some(percent) = percent {
                    prop_assert_eq!(ranks.percentile(percent), sorted_percentile(&totals, percent));
                }
            }
            for percent in 1..=100 {
                prop_assert_eq!(ranks.percentile(percent), sorted_percentile(&totals, percent));
            }
        }
    }
}
