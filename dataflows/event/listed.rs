//! The configured lists of names (categories, devices, payment methods, arms) and the code of a
//! name in them.

use super::unlisted::{Code, SeenNames, is_same_name, lower_case, name_hash};
use std::cell::{Cell, RefCell};

/// A list of names in which case is ignored; of two that differ in case only, the first holds.
#[derive(Clone, Debug)]
pub(super) struct NameList {
    names: Vec<String>,
    ascii: bool,
    by_letter: [Spelling; 32],
    /// Of a long list the hash of each name and its index, sorted.
    by_hash: Vec<(u64, usize)>,
}

/// Names up to which a list is looked through one by one.
const SHORT: usize = 16;

/// A name as it usually stands in JSON, up to and including the closing quote; one a first letter,
/// for the fast parser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelling {
    pattern: u128,
    mask: u128,
    /// Bytes of the name and the quote.
    pub(super) length: usize,
    /// Index in the list.
    pub(super) code: usize,
}

impl Spelling {
    /// Matches nothing.
    const NONE: Spelling = Spelling { pattern: 1, mask: 0, length: 0, code: 0 };

    /// The spelling of a name that needs no escape in JSON and fits in 16 bytes with its quote.
    fn new(name: &str, code: usize) -> Option<Self> {
        let plain =
            name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        let length = name.len() + 1;
        if !plain || name.is_empty() || length > 16 {
            return None;
        }
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[name.len()] = b'"';
        let mask = u128::MAX >> (8 * (16 - length));
        Some(Spelling { pattern: u128::from_le_bytes(bytes), mask, length, code })
    }

    /// Whether these 16 bytes of JSON begin with the name and the quote.
    #[inline(always)]
    pub(super) fn matches(&self, bytes: u128) -> bool {
        bytes & self.mask == self.pattern
    }
}

impl NameList {
    /// The list of these names.
    pub(super) fn new(names: &[String]) -> Self {
        let mut by_hash: Vec<(u64, usize)> = match names.len() {
            ..=SHORT => Vec::new(),
            _ => names.iter().map(|name| name_hash(name)).zip(0..).collect(),
        };
        by_hash.sort_unstable();
        let mut listed = NameList {
            names: names.to_vec(),
            ascii: names.iter().all(|name| name.is_ascii()),
            by_letter: [Spelling::NONE; 32],
            by_hash,
        };
        for (index, name) in names.iter().enumerate() {
            // A name that only differs in case from one before has the code of that one; one whose
            // letter is taken is found by `code`.
            let first = listed.code(name) == index;
            if let Some(spelling) = Spelling::new(name, index).filter(|_| first) {
                let place = &mut listed.by_letter[usize::from(name.as_bytes()[0] & 31)];
                if place.mask == 0 {
                    *place = spelling;
                }
            }
        }
        listed
    }

    /// How many names; also the code of what is not listed.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The one spelling that a name beginning with this byte may have to be found at once.
    #[inline(always)]
    pub(super) fn spelling(&self, first: u8) -> &Spelling {
        &self.by_letter[usize::from(first & 31)]
    }

    /// The index of a name, or the list's length.
    pub(super) fn code(&self, name: &str) -> usize {
        let found = if !self.by_hash.is_empty() {
            self.hashed(name)
        } else if self.ascii && name.is_ascii() {
            self.names.iter().position(|listed| listed.eq_ignore_ascii_case(name))
        } else {
            self.names.iter().position(|listed| lower_case(listed).eq(lower_case(name)))
        };
        found.unwrap_or(self.names.len())
    }

    /// The index of a name in a long list.
    fn hashed(&self, name: &str) -> Option<usize> {
        let hash = name_hash(name);
        let from = self.by_hash.partition_point(|(listed, _)| *listed < hash);
        let alike = self.by_hash[from..].iter().take_while(|(listed, _)| *listed == hash);
        alike.map(|&(_, index)| index).find(|&index| is_same_name(&self.names[index], name))
    }
}

/// A list whose names are told apart even where they are not in it.
#[derive(Clone, Debug)]
pub(super) struct OpenList {
    pub(super) listed: NameList,
    /// The code where there is no name.
    pub(super) none: Code,
    /// The hash of the name that was read last and is not listed.
    last: Cell<u64>,
    /// Such names of purchases that were taken.
    seen: RefCell<SeenNames>,
}

impl OpenList {
    /// The list of these names.
    pub(super) fn new(names: &[String]) -> Self {
        let none = if names.len() <= Code::LONGEST { Code::NONE } else { Code::UNKNOWN };
        OpenList {
            listed: NameList::new(names),
            none,
            last: Cell::default(),
            seen: RefCell::default(),
        }
    }

    /// The code of a name.
    pub(super) fn code(&self, name: &str) -> Code {
        let index = self.listed.code(name);
        if index < self.listed.len() {
            return Code::listed(index);
        }
        if name.is_empty() || self.none == Code::UNKNOWN {
            return self.none;
        }
        self.last.set(name_hash(name));
        Code::of_name(self.last.get())
    }

    /// Notes the name that was read last, whose code is this one, if it is not listed. Says its
    /// hash where it need be told.
    pub(super) fn note(&self, code: Code) -> Option<u64> {
        let bucket = code.bucket().filter(|_| code != Code::NONE)?;
        let hash = self.last.get();
        self.seen.borrow_mut().note(bucket, hash).then_some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> NameList {
        NameList::new(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn case_is_ignored_and_the_first_of_two_holds() {
        let list = listed(&["Fashion", "FASHION", "Été", "Food"]);
        let codes = ["fashion", "FASHION", "éTÉ", "FooD", "Books", ""].map(|name| list.code(name));
        assert_eq!(codes, [0, 0, 2, 3, 4, 4]);
    }

    #[test]
    fn long_lists_are_searched_as_short_ones_are() {
        let mut names: Vec<String> = (0..1_000).map(|number| format!("Arm {number}")).collect();
        names.extend(["ÉTÉ", "arm 7", "été"].map(String::from));
        let long = NameList::new(&names);
        for (at, name) in names[..1_001].iter().enumerate() {
            assert_eq!([long.code(name), long.code(&name.to_uppercase())], [at, at], "{name}");
        }
        let found = ["arm 7", "été", "Arm 1000", "", "\u{212a}"].map(|name| long.code(name));
        assert_eq!(found, [7, 1_000, 1_003, 1_003, 1_003]);
    }

    #[test]
    fn a_spelling_is_only_offered_where_it_is_exact() {
        let list =
            listed(&["Fashion", "fashion", "Food", "quote\"", "a name of more than 15 bytes", ""]);
        let bytes = |text: &str| {
            u128::from_le_bytes(format!("{text:<16}").as_bytes()[..16].try_into().unwrap())
        };
        let found = |text: &str| list.spelling(text.as_bytes()[0]).matches(bytes(text));
        assert!(found("Fashion\", \"dev"));
        assert_eq!(list.spelling(b'F').code, 0);
        for text in [
            "fashion\"",
            "Food\"",
            "Fashionable\"",
            "quote\"\"",
            "a name of more than",
            "Zoo\"",
            "\"",
        ] {
            assert!(!found(text), "{text}");
        }
    }
}
