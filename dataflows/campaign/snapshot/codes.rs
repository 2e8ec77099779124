//! What becomes of the codes of purchases where a list of names is another one.
//!
//! A name that goes from the list has the code of a name that is not in it, and one that comes to
//! the list takes what has its code. That is exact as long as the name is the only one of its
//! bucket that was seen; where it is not, or where nothing is known of names, purchases may be of
//! it or not.

use crate::event::unlisted::{Bucket, Code, UnlistedNames, is_same_name, name_hash, note};
use std::collections::BTreeMap;

/// The codes of one list's values, before and after.
#[derive(Clone, Debug)]
pub(super) struct Codes {
    /// The new code of each listed name, by the old one.
    to: Vec<Code>,
    /// By their buckets, the new codes of names that have come to the list; `None` where some
    /// purchases of the bucket have another name.
    come: BTreeMap<u16, Option<Code>>,
    /// Some have.
    grows: bool,
    /// Names that are not in the list after it are told apart.
    is_open: bool,
}

/// Purchases of which it is not known whether their name has come to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Nothing is known of their names.
    pub unknown: u64,
    /// Their name is one of several that are not told apart.
    pub several: u64,
}

impl Codes {
    /// From one list to another. The names that were seen and are not listed become those that are
    /// not in the other list.
    pub(super) fn new(old: &[String], new: &[String], unlisted: &mut UnlistedNames) -> Self {
        let mut codes = Codes {
            to: Vec::new(),
            come: BTreeMap::new(),
            grows: false,
            is_open: new.len() <= Code::LONGEST,
        };
        for (index, name) in
            new.iter().enumerate().filter(|(_, name)| position(name, old).is_none())
        {
            codes.grows = true;
            codes.come(Code::listed(index), name_hash(name), unlisted);
        }
        if !codes.is_open {
            unlisted.clear();
        }
        for name in old {
            let to = position(name, new).map_or_else(|| codes.go(name, unlisted), Code::listed);
            codes.to.push(to);
        }
        codes
    }

    /// A name comes: it takes the purchases of its bucket, if they are all of it.
    fn come(&mut self, code: Code, hash: u64, unlisted: &mut UnlistedNames) {
        let Some(bucket) = Code::of_name(hash).bucket() else { return };
        let takes = match unlisted.get(&bucket) {
            Some(Bucket::One(one)) if *one == hash => Some(code),
            Some(Bucket::Several) => None,
            Some(Bucket::One(_)) | None => return,
        };
        unlisted.remove(&bucket);
        self.come.insert(bucket, takes);
    }

    /// A name goes.
    fn go(&self, name: &str, unlisted: &mut UnlistedNames) -> Code {
        if !self.is_open {
            return Code::UNKNOWN;
        }
        let hash = name_hash(name);
        note(unlisted, hash);
        Code::of_name(hash)
    }

    /// The code after it.
    pub(super) fn translate(&self, code: Code) -> Code {
        match code.bucket() {
            None => self.to.get(code.index()).copied().unwrap_or(Code::UNKNOWN),
            Some(bucket) => match self.come.get(&bucket) {
                Some(Some(listed)) => *listed,
                _ if self.is_open => code,
                _ => Code::UNKNOWN,
            },
        }
    }
}

/// The index of a name in a list; of two that differ in case only, the first holds.
fn position(name: &str, of: &[String]) -> Option<usize> {
    of.iter().position(|other| is_same_name(other, name))
}

impl Hidden {
    /// Looks at the code of one purchase.
    pub(super) fn take_in(&mut self, codes: &Codes, code: Code) {
        match code.bucket() {
            None => self.unknown += u64::from(codes.grows && code.index() >= codes.to.len()),
            Some(bucket) => self.several += u64::from(codes.come.get(&bucket) == Some(&None)),
        }
    }

    /// How many they are.
    pub fn purchases(&self) -> u64 {
        self.unknown + self.several
    }

    /// Adds others.
    pub(super) fn add(&mut self, other: &Hidden) {
        self.unknown += other.unknown;
        self.several += other.several;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn noted(names: &[&str]) -> UnlistedNames {
        let mut noted = UnlistedNames::new();
        names.iter().for_each(|name| note(&mut noted, name_hash(name)));
        noted
    }

    fn of(name: &str) -> Code {
        Code::of_name(name_hash(name))
    }

    /// Two names of one bucket, and their code.
    fn alike() -> (String, String) {
        let mut seen: BTreeMap<u16, String> = BTreeMap::new();
        let names = (0..).map(|number: u32| format!("name {number}"));
        let mut met =
            names.filter_map(|name| Some((seen.insert(of(&name).bucket()?, name.clone())?, name)));
        met.next().expect("buckets are fewer than names")
    }

    #[test]
    fn names_come_go_and_change_places() {
        let mut unlisted = noted(&["Games", "Books"]);
        let (old, new) = (list(&["Travel", "ΣΑΣ", "Food"]), list(&["food", "GAMES", "TRAVEL"]));
        let codes = Codes::new(&old, &new, &mut unlisted);
        let before = [
            Code::listed(0),
            Code::listed(1),
            Code::listed(2),
            of("games"),
            of("books"),
            Code::NONE,
            Code::UNKNOWN,
            Code::listed(3),
        ];
        let after = [
            Code::listed(2),
            of("ΣΑΣ"),
            Code::listed(0),
            Code::listed(1),
            of("books"),
            Code::NONE,
            Code::UNKNOWN,
            Code::UNKNOWN,
        ];
        assert_eq!(before.map(|code| codes.translate(code)), after);
        assert_eq!(unlisted, noted(&["books", "σασ"]), "not the letter that ends a word");
        // And back.
        let back = Codes::new(&new, &old, &mut unlisted);
        assert_eq!(
            after[..6].iter().map(|code| back.translate(*code)).collect::<Vec<_>>(),
            before[..6]
        );
        assert_eq!(unlisted, noted(&["Games", "Books"]));
    }

    fn hidden(codes: &Codes, of: &[Code]) -> Hidden {
        let mut hidden = Hidden::default();
        of.iter().for_each(|code| hidden.take_in(codes, *code));
        hidden
    }

    #[test]
    fn what_cannot_be_told_apart_is_counted_where_a_name_comes_that_it_may_be() {
        let (one, other) = alike();
        let all =
            [Code::listed(0), Code::UNKNOWN, Code::listed(1), of(&one), of("books"), Code::NONE];
        let found = |seen: &[&str], new: &[&str]| {
            hidden(&Codes::new(&list(&["Travel"]), &list(new), &mut noted(seen)), &all)
        };
        assert_eq!(found(&[&one, &other], &["Travel"]), Hidden::default());
        assert_eq!(found(&[&one, &other], &[]), Hidden::default());
        assert_eq!(
            found(&[&one, &other, "Books"], &["Travel", "Books"]),
            Hidden { unknown: 2, several: 0 }
        );
        assert_eq!(
            found(&[&one], &["Travel", &other]),
            Hidden { unknown: 2, several: 0 },
            "all of the bucket are of the other name"
        );
        assert_eq!(found(&[&one, &other], &["Travel", &other]), Hidden { unknown: 2, several: 1 });
        // Of two that come, those that are there are of one.
        let codes = Codes::new(&[], &[one.clone(), other.clone()], &mut noted(&[&other]));
        assert_eq!(codes.translate(of(&one)), Code::listed(1));
        // What goes joins what is there.
        let mut unlisted = noted(&[&one]);
        assert_eq!(
            Codes::new(&list(&[&other]), &[], &mut unlisted).translate(Code::listed(0)),
            of(&one)
        );
        assert_eq!(
            hidden(&Codes::new(&[], &list(&[&other]), &mut unlisted), &[of(&one)]).several,
            1
        );
    }

    #[test]
    fn a_list_that_is_too_long_knows_no_names_of_others() {
        let long: Vec<String> = (0..=Code::LONGEST).map(|number| number.to_string()).collect();
        let mut unlisted = noted(&["Books", "0"]);
        let codes = Codes::new(&list(&["Travel"]), &long, &mut unlisted);
        assert_eq!(
            [of("0"), of("books"), Code::NONE, Code::listed(0)].map(|code| codes.translate(code)),
            [Code::listed(0), Code::UNKNOWN, Code::UNKNOWN, Code::UNKNOWN]
        );
        assert!(unlisted.is_empty());
        let back = Codes::new(&long, &list(&["0"]), &mut unlisted);
        assert_eq!(
            [0, 64, 127].map(|index| back.translate(Code::listed(index))),
            [Code::listed(0), of("64"), Code::UNKNOWN]
        );
    }
}
