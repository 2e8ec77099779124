//! Which ids are known: a filter that says "certainly new" for nearly every id that is new, so that
//! histories are searched only for the others.
//!
//! A Bloom filter in which all bits of a key lie in one word (Putze, Sanders, Singler 2007,
//! "Cache-, hash- and space-efficient Bloom filters"): one cache line a question. With 16 bits a
//! key, about one new id in a hundred is taken for a known one and searched for in vain.

/// A one-word-a-key Bloom filter over 64-bit keys.
#[derive(Debug)]
pub(super) struct Known {
    words: Vec<u64>,
    keys: usize,
}

/// Bits of the filter a key, below which it must grow.
const BITS_PER_KEY: usize = 16;

/// Words of the smallest filter.
const FEWEST_WORDS: usize = 1 << 12;

impl Known {
    /// An empty filter with room for some thousands of keys.
    pub(super) fn new() -> Self {
        Known { words: vec![0; FEWEST_WORDS], keys: 0 }
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

    /// Whether so many more keys would make it say "perhaps" too often.
    pub(super) fn is_short_of(&self, more: usize) -> bool {
        (self.keys + more) * BITS_PER_KEY > self.words.len() * 64
    }

    /// An empty filter with room for so many keys.
    pub(super) fn with_room_for(keys: usize) -> Self {
        let words = (keys * BITS_PER_KEY).div_ceil(64).next_power_of_two();
        Known { words: vec![0; words.max(FEWEST_WORDS)], keys: 0 }
    }

    /// An empty filter with room for so many more keys than this one has, to be filled again from
    /// the histories. It is larger by four times at least.
    pub(super) fn grown_for(&self, more: usize) -> Self {
        let words = ((self.keys + more) * BITS_PER_KEY).div_ceil(64).next_power_of_two();
        Known { words: vec![0; words.max(self.words.len() * 4)], keys: 0 }
    }
}

impl Default for Known {
    fn default() -> Self {
        Known::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_always_known() {
        let mut known = Known::new();
        let keys: Vec<u64> = (0..10_000u64)
            .map(|i| Known::key(1, (i % 97) as u32, i.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
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
            let known = Known::with_room_for(keys);
            assert_eq!((known.words.len(), known.is_short_of(keys)), (words, false));
        }
    }

    #[test]
    fn few_new_ids_are_taken_for_known_ones() {
        let mut known = Known::new();
        let new = |i: u64| Known::key(2, (i % 1000) as u32, i.wrapping_mul(0xD134_2543_DE82_EF95));
        (0..16_000).for_each(|i| {
            known.insert(new(i));
        });
        let mistaken = (1_000_000..1_016_000).filter(|&i| known.insert(new(i))).count();
        assert!(mistaken < 1_600, "{mistaken} of 16,000 new ids were taken for known ones");
    }
}
