//! Which ids are known: a filter that says "certainly new" for nearly every id that is new, so that
//! histories are searched only for the others.
//!
//! A Bloom filter in which all bits of a key lie in one word (Putze, Sanders, Singler 2007,
//! "Cache-, hash- and space-efficient Bloom filters"): one cache line a question. With 16 bits a
//! key, about one new id in a hundred is taken for a known one and searched for in vain.

use super::Slot;
use crate::customer::history::History;
use crate::event::{Kind, Record};
use crate::state::blocks::Blocks;
use crate::state::turns::Budget;

/// A one-word-a-key Bloom filter over 64-bit keys.
#[derive(Debug)]
pub(super) struct BloomFilter {
    words: Vec<u64>,
    keys: usize,
    /// It is being made anew.
    growing: Option<Growing>,
}

/// How far a filter is that is being made anew.
#[derive(Clone, Copy, Debug)]
enum Growing {
    /// The ids of customers before this one are counted: there are so many.
    Counting(usize, usize),
    /// It gets so many words, all of them empty.
    Clearing(usize),
    /// The ids of customers before this one are in it.
    Filling(usize),
}

/// What meeting the id of a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// It has none: the record is neither a purchase nor an interaction.
    NoEvent,
    /// It is new.
    New,
    /// It was not settled before the epoch, but may have been met in it.
    Perhaps(u64),
    /// It was settled before the epoch.
    Settled,
}

/// Bits of the filter a key, below which it must grow.
const BITS_PER_KEY: usize = 16;

/// Words of the smallest filter.
const FEWEST_WORDS: usize = 1 << 12;

/// Words that are cleared in a unit of work.
const WORDS_A_UNIT: usize = 16;

/// Names of the topics in keys of the filter: any two different odd constants.
const TRANSACTIONS: u64 = 0x51ED_270B;
const INTERACTIONS: u64 = 0x2545_F491;

/// The key by which the filter has a purchase or an interaction; `None` for any other record.
#[inline]
pub(crate) fn id_key(record: &Record, slot: Slot) -> Option<u64> {
    match record.kind() {
        Kind::Transaction => Some(BloomFilter::key(TRANSACTIONS, slot, record.id)),
        Kind::Interaction => Some(BloomFilter::key(INTERACTIONS, slot, record.id)),
        Kind::Reward
        | Kind::RetractTransaction
        | Kind::RetractInteraction
        | Kind::RetractReward
        | Kind::Erase => None,
    }
}

/// Whether the id of a purchase or an interaction is in a history.
pub(super) fn has(history: &History, record: &Record) -> bool {
    match record.kind() {
        Kind::Transaction => {
            history.transactions.iter().any(|transaction| transaction.id == record.id)
        }
        _ => history.interactions.iter().any(|interaction| interaction.id == record.id),
    }
}

/// Ids of purchases and interactions that are kept of a customer.
fn ids(history: &History) -> usize {
    history.transactions.len() + history.interactions.len()
}

impl BloomFilter {
    /// An empty filter with room for some thousands of keys.
    pub(super) fn new() -> Self {
        BloomFilter::of_words(FEWEST_WORDS)
    }

    /// The key of an id within its topic and customer.
    #[inline]
    pub(super) fn key(topic: u64, slot: u32, id: u64) -> u64 {
        let product =
            u128::from(id ^ topic) * u128::from((u64::from(slot) << 1) ^ 0x9E37_79B9_7F4A_7C15);
        ((product as u64) ^ (product >> 64) as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93)
    }

    /// Whether the key may have been here before; it has been from now on.
    #[inline]
    pub(super) fn insert(&mut self, key: u64) -> bool {
        let at = (key >> 32) as usize & (self.words.len() - 1);
        let word = &mut self.words[at];
        let bits = (0..5).fold(0u64, |bits, i| bits | 1 << (key >> (6 * i) & 63));
        let seen = *word & bits == bits;
        *word |= bits;
        self.keys += usize::from(!seen);
        seen
    }

    fn of_words(words: usize) -> Self {
        BloomFilter { words: vec![0; words], keys: 0, growing: None }
    }

    /// Whether so many more keys would make it say "perhaps" too often.
    fn is_short_of(&self, more: usize) -> bool {
        (self.keys + more) * BITS_PER_KEY > self.words.len() * 64
    }

    /// Words of a filter with room for so many keys.
    fn words_for(keys: usize) -> usize {
        (keys * BITS_PER_KEY).div_ceil(64).next_power_of_two().max(FEWEST_WORDS)
    }

    /// Words of a filter with room for so many more keys than this one has, to be filled again from
    /// the histories. It is larger by four times at least.
    fn words_grown_for(&self, more: usize) -> usize {
        BloomFilter::words_for(self.keys + more).max(self.words.len() * 4)
    }

    /// Makes it anew from histories that were loaded.
    pub(super) fn know_all(&mut self, histories: &Blocks<History>) {
        *self = BloomFilter::of_words(self.words_grown_for(histories.iter().map(ids).sum()));
        self.fill(0, histories, &mut Budget::unbounded());
    }

    /// Goes on to make it large enough for so many keys more; says whether that is done.
    pub(super) fn make_room(
        &mut self,
        histories: &Blocks<History>,
        more: usize,
        folds: bool,
        budget: &mut Budget,
    ) -> bool {
        loop {
            match self.growing {
                None if !self.is_short_of(more) => return true,
                // Most of the ids that it has may have been folded: those that are kept are
                // counted.
                None if folds => self.growing = Some(Growing::Counting(0, 0)),
                None => self.begin_anew(self.words_grown_for(more)),
                Some(Growing::Counting(next, found)) if next == histories.len() => {
                    // With room for as many again as are there, it is not made anew all the time.
                    self.begin_anew(BloomFilter::words_for(2 * found + more));
                }
                Some(Growing::Counting(next, found)) => {
                    let share = budget.share(next, histories.len(), 1);
                    let end = share.end;
                    let found = found + share.map(|slot| ids(&histories[slot])).sum::<usize>();
                    self.growing = Some(Growing::Counting(end, found));
                }
                Some(Growing::Clearing(words)) if words == self.words.len() => {
                    self.growing = Some(Growing::Filling(0));
                }
                Some(Growing::Clearing(words)) => {
                    let share =
                        budget.share(self.words.len() / WORDS_A_UNIT, words / WORDS_A_UNIT, 1);
                    self.words.resize(share.end * WORDS_A_UNIT, 0);
                }
                Some(Growing::Filling(next)) => {
                    let next = self.fill(next, histories, budget);
                    self.growing = Some(Growing::Filling(next));
                    if next == histories.len() {
                        self.growing = None;
                        return true;
                    }
                }
            }
            if !budget.is_left() {
                return false;
            }
        }
    }

    /// Begins to be one of so many words. What is empty is written too, in its turns: a filter of
    /// millions of keys has tens of megabytes.
    fn begin_anew(&mut self, words: usize) {
        let empty = Vec::with_capacity(words);
        *self = BloomFilter { words: empty, keys: 0, growing: Some(Growing::Clearing(words)) };
    }

    /// Fills in the ids of customers from `next` on; says before which one that ended.
    fn fill(&mut self, next: usize, histories: &Blocks<History>, budget: &mut Budget) -> usize {
        for slot in next..histories.len() {
            if !budget.is_left() {
                return slot;
            }
            let history = &histories[slot];
            for transaction in &history.transactions {
                self.insert(BloomFilter::key(TRANSACTIONS, slot as Slot, transaction.id));
            }
            for interaction in &history.interactions {
                self.insert(BloomFilter::key(INTERACTIONS, slot as Slot, interaction.id));
            }
            budget.spend(1 + ids(history));
        }
        histories.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::Transaction;
    use crate::event::Purchase;

    #[test]
    fn what_was_inserted_is_always_known() {
        let mut known = BloomFilter::new();
        let keys: Vec<u64> = (0..10_000u64)
            .map(|i| BloomFilter::key(1, (i % 97) as u32, i.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            .collect();
        for &key in &keys {
            known.insert(key);
        }
        assert!(keys.iter().all(|&key| known.insert(key)));
    }

    #[test]
    fn a_filter_may_be_made_anew_as_large_as_is_needed() {
        for (keys, words) in [
            (0, FEWEST_WORDS),
            (FEWEST_WORDS * 4, FEWEST_WORDS),
            (FEWEST_WORDS * 4 + 1, FEWEST_WORDS * 2),
        ] {
            let known = BloomFilter::of_words(BloomFilter::words_for(keys));
            assert_eq!((known.words.len(), known.is_short_of(keys)), (words, false));
        }
    }

    #[test]
    fn it_grows_in_turns_and_knows_what_is_kept() {
        for folds in [false, true] {
            let mut histories = Blocks::new();
            for customer in 0..50 {
                let mut history = History::new(customer);
                history.transactions = (0..customer as u64 % 7)
                    .map(|id| Transaction::new(id, 0, Purchase::new(1, 0, 0, 0, false)))
                    .collect();
                histories.push(history);
            }
            let more = FEWEST_WORDS * 60;
            let (mut known, mut turns) = (BloomFilter::new(), 0);
            while !known.make_room(&histories, more, folds, &mut Budget::of(10)) {
                turns += 1;
            }
            assert!(turns > 10 && !known.is_short_of(more), "{turns} turns");
            for (slot, history) in histories.iter().enumerate() {
                let key = |id| BloomFilter::key(TRANSACTIONS, slot as Slot, id);
                assert!(history.transactions.iter().all(|bought| known.insert(key(bought.id))));
            }
            assert!(known.make_room(&histories, 0, folds, &mut Budget::of(0)), "there is room");
        }
    }

    #[test]
    fn few_new_ids_are_taken_for_known_ones() {
        let mut known = BloomFilter::new();
        let new =
            |i: u64| BloomFilter::key(2, (i % 1000) as u32, i.wrapping_mul(0xD134_2543_DE82_EF95));
        (0..16_000).for_each(|i| {
            known.insert(new(i));
        });
        let mistaken = (1_000_000..1_016_000).filter(|&i| known.insert(new(i))).count();
        assert!(mistaken < 1_600, "{mistaken} of 16,000 new ids were taken for known ones");
    }
}
