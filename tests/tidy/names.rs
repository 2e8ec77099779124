//! One name, one meaning: no two types of production code that others can name are called the same.
//!
//! A type without `pub` is its file's alone, and of what lies below it: whoever reads the name has
//! the declaration at hand, and nobody else can come by it. Whatever has `pub`, and be it for the
//! module above only, is met in other files, where the name has to say which type it is.

use super::exceptions::{Measured, hold};
use super::root;
use super::source::production;

/// What every room may have of its own, as is the custom: `room::Error` says whose it is.
const OF_EVERY_ROOM: [&str; 2] = ["Error", "Result"];

#[test]
fn a_name_of_a_type_has_one_meaning() {
    let mut meanings = Measured::new();
    for package in ["src", "dataflows", "world"] {
        for source in production(&root().join(package)) {
            for name in types(&source.words) {
                *meanings.entry(name.to_string()).or_default() += 1;
            }
        }
    }
    meanings.retain(|name, _| !OF_EVERY_ROOM.contains(&name.as_str()));
    hold("meanings-of-a-name", 1, &meanings);
}

/// The types and traits that other files can name, and that are declared outside of bodies: not
/// those that a trait wants.
fn types(words: &[String]) -> Vec<&str> {
    let (mut types, mut at, mut is_public) = (Vec::new(), 0, false);
    while at < words.len() {
        let item = &words[at..];
        let was_public = std::mem::replace(&mut is_public, item[0] == "pub");
        at += match item[0].as_str() {
            "pub" => 1 + group_length(&item[1..]),
            "struct" | "enum" | "trait" | "type" | "union" => {
                types.extend(item.get(1).filter(|_| was_public).map(String::as_str));
                item_length(item)
            }
            "fn" | "impl" | "const" | "static" | "use" | "macro_rules" => item_length(item),
            // An attribute, or what a macro is given.
            "#" | "!" => 1 + group_length(&item[1..]),
            _ => 1,
        };
    }
    types
}

/// Words up to the mark or the brace that ends an item.
fn item_length(words: &[String]) -> usize {
    let mut depth = 0_usize;
    let ends = |word: &String| {
        match word.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (word == ";" || word == "}")
    };
    words.iter().position(ends).map_or(words.len(), |at| at + 1)
}

/// Words of the group in brackets that these begin with; none where they do not.
fn group_length(words: &[String]) -> usize {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return if at == 0 { 0 } else { at + 1 };
        }
    }
    words.len()
}

#[test]
fn types_are_found_wherever_they_are_declared() {
    let text = "#![allow(a)] use b::{C, D}; #[derive(E)] pub(crate) struct F<G, H>(u8, [u8; 2]); \
        mod i { pub enum J { K { l: M } } const N: O = O { p: 1 }; } \
        impl<Q, R> S<Q, R> for T { type U = V; fn w() { struct X; } } \
        pub(super) trait Y<A, B> { type Z; } pub type AA = BB; \
        macro_rules! cc { () => { pub struct DD; } } ee! { pub struct FF; } \
        pub extern \"C\" fn gg() { enum HH {} } pub(in crate::a) union II { a: u8 } \
        struct JJ; pub fn kk() {} enum LL {} pub mod mm { struct NN; }";
    assert_eq!(types(&super::source::words(text)), ["F", "J", "Y", "AA", "II"]);
}
