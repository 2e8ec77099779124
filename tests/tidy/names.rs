//! One name, one meaning: no two types of production code are called the same.

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

/// The types and traits that are declared outside of bodies: not those that a trait wants.
fn types(words: &[String]) -> Vec<&str> {
    let (mut types, mut at) = (Vec::new(), 0);
    while at < words.len() {
        let item = &words[at..];
        at += match item[0].as_str() {
            "struct" | "enum" | "trait" | "type" | "union" => {
                types.extend(item.get(1).map(String::as_str));
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
        trait Y<A, B> { type Z; } pub type AA = BB; macro_rules! cc { () => { struct DD; } } \
        ee! { struct FF; } extern \"C\" fn gg() { enum HH {} } union II { a: u8 }";
    assert_eq!(types(&super::source::words(text)), ["F", "J", "Y", "AA", "II"]);
}
