//! Names that are in no list: what a purchase tells of them, and which ones were seen.
//!
//! A purchase whose category, device or payment method is not listed counts as `other`. So that the
//! name can be listed later, its [`Code`] has one of [`Code::BUCKETS`] buckets, a function of the
//! name alone: the same on every worker and after every restart. Which names a bucket stands for is
//! noted beside ([`Unlisted`]), by their hashes of 64 bits, as long as it is only one. Two names in
//! one bucket cannot be told apart, which is known, and told where it matters.

use super::text::{HASH_BLOCK, IdHash, block_words};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The lists whose names a purchase bears, by their order in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum List {
    /// Purchase categories.
    Categories,
    /// Devices.
    Devices,
    /// Payment methods.
    Payments,
}

impl List {
    /// Every list.
    pub const ALL: [List; 3] = [List::Categories, List::Devices, List::Payments];
}

/// What a purchase says of one list.
///
/// The lower 7 bits alone are an index in the list, or beyond its end for `other`. The upper 7 bits
/// are zero where nothing is known of a name that is not listed; together with 6 of the lower ones
/// they are its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(u16);

impl Code {
    /// Buckets of names: their numbers are at least [`Code::NONE`]'s and less than this.
    pub const BUCKETS: u16 = 1 << 13;
    /// The longest list of which names are told apart that are not in it.
    pub const LONGEST: usize = 64;
    /// Not listed, and nothing is known of its name.
    pub const UNKNOWN: Code = Code(127);
    /// There is no name.
    pub const NONE: Code = Code::of_bucket(Code::LONGEST as u16);

    /// The name with this index in its list.
    #[inline(always)]
    pub const fn listed(index: usize) -> Code {
        Code(index as u16)
    }

    /// A name that is not listed, by its hash.
    pub const fn of_name(hash: u64) -> Code {
        let first = Code::LONGEST as u64 + 1;
        let buckets = Code::BUCKETS as u64 - first;
        Code::of_bucket((first + ((hash as u128 * buckets as u128) >> 64) as u64) as u16)
    }

    const fn of_bucket(bucket: u16) -> Code {
        Code((bucket >> 6) << 7 | 64 | bucket & 63)
    }

    /// The code of these two parts.
    #[inline(always)]
    pub(super) const fn of_parts(lower: u64, upper: u64) -> Code {
        Code(((upper & 127) << 7 | lower & 127) as u16)
    }

    /// The index in the list, or beyond its end.
    #[inline(always)]
    pub const fn index(self) -> usize {
        (self.0 & 127) as usize
    }

    /// The upper part: zero where there is no bucket.
    #[inline(always)]
    pub(super) const fn upper(self) -> u64 {
        (self.0 >> 7) as u64
    }

    /// The bucket of a name that is not listed, or of none.
    pub const fn bucket(self) -> Option<u16> {
        if self.upper() == 0 { None } else { Some((self.0 >> 7) << 6 | self.0 & 63) }
    }

    /// What counts now: all that is not listed is alike.
    pub(crate) const fn counted(self) -> Code {
        if self.upper() == 0 { self } else { Code::UNKNOWN }
    }
}

/// The hash of a name, whatever the case that it is written in. Frozen: checkpoints have it.
pub fn name_hash(name: &str) -> u64 {
    let mut hash = Hashing { hash: IdHash::new(), block: [0; HASH_BLOCK], length: 0 };
    if name.is_ascii() {
        name.bytes().for_each(|byte| hash.take(byte.to_ascii_lowercase()));
    } else {
        lower_case(name).for_each(|letter| {
            letter.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| hash.take(byte))
        });
    }
    hash.finish()
}

/// Whether two names are one, whatever the case that they are written in.
pub fn is_same_name(one: &str, other: &str) -> bool {
    lower_case(one).eq(lower_case(other))
}

pub(super) fn lower_case(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// A hash of bytes that come one by one: that of an id of these bytes.
struct Hashing {
    hash: IdHash,
    block: [u8; HASH_BLOCK],
    length: usize,
}

impl Hashing {
    fn take(&mut self, byte: u8) {
        self.block[self.length % HASH_BLOCK] = byte;
        self.length += 1;
        if self.length.is_multiple_of(HASH_BLOCK) {
            self.take_block();
        }
    }

    fn take_block(&mut self) {
        let (low, high) = block_words(&self.block);
        self.hash.block(low, high);
        self.block = [0; HASH_BLOCK];
    }

    fn finish(mut self) -> u64 {
        self.take_block();
        self.hash.finish(self.length)
    }
}

/// What the names of a bucket are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bucket {
    /// One name, by its hash.
    One(u64),
    /// More than one.
    Several,
}

/// Names that were seen and are not in a list, as far as buckets tell them apart.
pub type UnlistedNames = BTreeMap<u16, Bucket>;

/// Notes that a purchase bears a name with this hash. Whatever the order, and however often: the
/// same comes of it.
pub fn note(names: &mut UnlistedNames, hash: u64) {
    let Some(bucket) = Code::of_name(hash).bucket() else { return };
    let held = names.entry(bucket).or_insert(Bucket::One(hash));
    if *held != Bucket::One(hash) {
        *held = Bucket::Several;
    }
}

/// The names of purchases that are not listed, by list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlisted {
    categories: UnlistedNames,
    devices: UnlistedNames,
    payments: UnlistedNames,
}

impl Unlisted {
    /// Those of a list.
    pub fn of_mut(&mut self, list: List) -> &mut UnlistedNames {
        match list {
            List::Categories => &mut self.categories,
            List::Devices => &mut self.devices,
            List::Payments => &mut self.payments,
        }
    }
}

/// The names that one parser has seen of a list, so that each is told once.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenNames {
    /// By bucket; empty until there is one.
    buckets: Vec<Option<Bucket>>,
}

impl SeenNames {
    /// Notes that a purchase bears a name with this hash, and whether that says anything new of its
    /// bucket.
    pub(super) fn note(&mut self, bucket: u16, hash: u64) -> bool {
        if self.buckets.is_empty() {
            self.buckets.resize(usize::from(Code::BUCKETS), None);
        }
        let held = &mut self.buckets[usize::from(bucket)];
        let now = match held {
            None => Bucket::One(hash),
            Some(Bucket::One(one)) if *one == hash => Bucket::One(hash),
            Some(Bucket::One(_) | Bucket::Several) => Bucket::Several,
        };
        held.replace(now) != Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::id_hash;
    use super::*;

    #[test]
    fn a_code_is_its_parts() {
        let mut codes: Vec<Code> = (0..127).map(Code::listed).chain([Code::UNKNOWN]).collect();
        codes.extend((Code::LONGEST as u16..Code::BUCKETS).map(Code::of_bucket));
        for (at, code) in codes.iter().enumerate() {
            assert_eq!(Code::of_parts(code.index() as u64, code.upper()), *code);
            assert_eq!(code.bucket().map(Code::of_bucket).unwrap_or(*code), *code);
            assert_eq!(code.bucket().is_some(), at > 127, "{code:?}");
            assert!(
                code.bucket().is_none() || code.index() >= Code::LONGEST,
                "{code:?} counts as `other` of every list with names of others"
            );
            assert!(codes[..at].iter().all(|before| before != code));
        }
        assert_eq!(
            (Code::of_name(0).bucket(), Code::of_name(u64::MAX).bucket()),
            (Some(65), Some(Code::BUCKETS - 1))
        );
    }

    #[test]
    fn the_hash_of_a_name_is_frozen_and_ignores_case() {
        for name in
            ["", "a", "fifteen letters", "sixteen letters.", "seventeen letters", "été", "σας ς"]
        {
            assert_eq!(name_hash(name), id_hash(name.as_bytes()), "{name}");
        }
        assert_eq!(name_hash("GaMes"), name_hash("games"));
        assert_eq!(name_hash("ÉTÉ"), name_hash("été"));
        assert_eq!(name_hash("\u{212a}"), name_hash("k"), "the sign for Kelvin");
        assert_eq!(Code::of_name(name_hash("games")), Code::of_bucket(5_130));
    }

    #[test]
    fn whatever_the_order_the_same_names_are_noted() {
        let one = 1 << 60;
        // In the same bucket, and in another one.
        let (same, other) = (one + 1, one << 1);
        assert_eq!(Code::of_name(one), Code::of_name(same));
        let noted = |hashes: &[u64]| {
            let mut names = UnlistedNames::new();
            hashes.iter().for_each(|hash| note(&mut names, *hash));
            names.into_values().collect::<Vec<_>>()
        };
        assert_eq!(noted(&[one, other, same, one]), [Bucket::Several, Bucket::One(other)]);
        assert_eq!(noted(&[same, one, other]), [Bucket::Several, Bucket::One(other)]);
        assert_eq!(noted(&[one, other, one]), [Bucket::One(one), Bucket::One(other)]);
    }

    #[test]
    fn a_name_is_told_once() {
        let mut seen = SeenNames::default();
        let told =
            [(70, 1), (71, 2), (70, 1), (70, 3), (70, 1), (70, 4), (71, 2), (Code::BUCKETS - 1, 1)];
        let told = told.map(|(bucket, hash)| seen.note(bucket, hash));
        assert_eq!(told, [true, true, false, true, false, false, false, true]);
    }
}
