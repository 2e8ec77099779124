//! Maps in parts: a map is moved whole when it grows, and one of a million keys keeps everybody
//! waiting meanwhile. Of a map in parts only the part moves that grows.

use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use std::hash::{BuildHasher, Hash};
use std::iter::Flatten;

/// Parts of a map. Each has some thousands of a million keys.
const PARTS: usize = 256;

/// A map in parts.
#[derive(Debug)]
pub struct Parts<K, V, S = DefaultHashBuilder> {
    hashes: S,
    /// None before the first key comes.
    parts: Vec<HashTable<(K, V)>>,
}

/// The part of a key with this hash: told by other bits than those by which it has its place there.
#[inline]
fn part_of(hash: u64) -> usize {
    (hash >> 32) as usize % PARTS
}

impl<K: Hash + Eq, V, S: BuildHasher> Parts<K, V, S> {
    /// The value of a key.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        let hash = self.hashes.hash_one(key);
        let part = self.parts.get(part_of(hash))?;
        part.find(hash, |(of, _)| of == key).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.hashes.hash_one(key);
        let part = self.parts.get_mut(part_of(hash))?;
        part.find_mut(hash, |(of, _)| of == key).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    #[inline]
    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key, made if it is new.
    #[inline]
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let Parts { hashes, parts } = self;
        let hash = hashes.hash_one(&key);
        if parts.is_empty() {
            parts.resize_with(PARTS, HashTable::new);
        }
        let part = &mut parts[part_of(hash)];
        match part.entry(hash, |(of, _)| *of == key, |(of, _)| hashes.hash_one(of)) {
            Entry::Occupied(there) => &mut there.into_mut().1,
            Entry::Vacant(place) => &mut place.insert((key, make())).into_mut().1,
        }
    }

    /// Gives a key this value, in place of the one before.
    pub fn insert(&mut self, key: K, value: V) {
        let mut value = Some(value);
        let there = self.or_insert_with(key, || value.take().expect("it is made once"));
        if let Some(value) = value {
            *there = value;
        }
    }

    /// Takes a key and its value out.
    #[inline]
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hashes.hash_one(key);
        let part = self.parts.get_mut(part_of(hash))?;
        let found = part.find_entry(hash, |(of, _)| of == key).ok()?;
        Some(found.remove().0.1)
    }
}

impl<K, V, S> Parts<K, V, S> {
    /// Takes out whatever is not to stay.
    pub fn retain(&mut self, mut stays: impl FnMut(&K, &mut V) -> bool) {
        self.parts.iter_mut().for_each(|part| part.retain(|(key, value)| stays(key, value)));
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(HashTable::is_empty)
    }
}

impl<K, V, S: Default> Default for Parts<K, V, S> {
    fn default() -> Self {
        Parts { hashes: S::default(), parts: Vec::new() }
    }
}

impl<K, V, S> IntoIterator for Parts<K, V, S> {
    type Item = (K, V);
    type IntoIter = IntoPairs<K, V>;

    fn into_iter(self) -> IntoPairs<K, V> {
        self.parts.into_iter().flatten()
    }
}

/// Keys with their values, part by part: a part that was gone through gives its memory back.
pub type IntoPairs<K, V> = Flatten<std::vec::IntoIter<HashTable<(K, V)>>>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(
            changes in prop::collection::vec((0..40u32, prop::option::of(0..9u8)), 0..200),
        ) {
            let (mut parts, mut map) = (Parts::<u32, u8>::default(), BTreeMap::new());
            for (key, value) in changes {
                match value {
                    Some(0) => prop_assert_eq!(
                        *parts.or_insert_with(key, || 7),
                        *map.entry(key).or_insert(7)
                    ),
                    Some(value) => {
                        parts.insert(key, value);
                        map.insert(key, value);
                    }
                    None => prop_assert_eq!(parts.remove(&key), map.remove(&key)),
                }
                prop_assert_eq!(parts.get(&key).copied(), map.get(&key).copied());
                prop_assert_eq!(parts.get_mut(&key).copied(), map.get(&key).copied());
                prop_assert_eq!(parts.contains(&key), map.contains_key(&key));
                prop_assert_eq!(parts.is_empty(), map.is_empty());
            }
            parts.retain(|key, _| key % 2 == 0);
            map.retain(|key, _| key % 2 == 0);
            prop_assert_eq!(parts.into_iter().collect::<BTreeMap<_, _>>(), map);
        }
    }

    #[test]
    fn no_part_has_much_of_it() {
        let mut parts = Parts::<u32, ()>::default();
        (0..100_000).for_each(|key| parts.insert(key, ()));
        let most = parts.parts.iter().map(HashTable::len).max().unwrap_or(0);
        assert!(most < 2 * 100_000 / PARTS, "{most} keys in a part");
    }
}
