//! How long files, their lines and their functions may be.

use super::exceptions::{Measured, hold};
use super::source::{is_of_tests, placed};
use super::{SOURCES, root, sources};
use std::fs;

const LINES: usize = 300;
/// Cases follow one another and need less of a map.
const LINES_OF_TESTS: usize = 400;
const LINES_OF_A_FUNCTION: usize = 70;
/// As in `rustfmt.toml`, which leaves texts and comments alone.
const COLUMNS: usize = 100;

/// Every source by its path from the root, with its text.
fn texts() -> impl Iterator<Item = (String, String)> {
    let files = SOURCES.iter().flat_map(|folder| sources(&root().join(folder)));
    files.map(|file| {
        let path = file.strip_prefix(root()).expect("below the root").display().to_string();
        (path, fs::read_to_string(file).expect("a source"))
    })
}

/// How many lines files have, of production or of tests.
fn lines(tests: bool) -> Measured {
    let texts = texts().filter(|(path, _)| is_of_tests(path) == tests);
    texts.map(|(path, text)| (path, text.lines().count())).collect()
}

#[test]
fn a_file_of_production_can_be_read_in_one_sitting() {
    hold("lines", LINES, &lines(false));
}

#[test]
fn a_file_of_tests_can_be_read_in_one_sitting() {
    hold("lines-of-tests", LINES_OF_TESTS, &lines(true));
}

#[test]
fn a_function_can_be_seen_at_once() {
    let mut longest = Measured::new();
    for (path, text) in texts() {
        for (name, lines) in functions(&text) {
            let most = longest.entry(format!("{path} {name}")).or_default();
            *most = lines.max(*most);
        }
    }
    hold("lines-of-a-function", LINES_OF_A_FUNCTION, &longest);
}

#[test]
fn a_line_needs_no_scrolling() {
    let is_long = |line: &&str| line.chars().count() > COLUMNS;
    let of = |text: &str| text.lines().filter(is_long).count();
    hold("lines-too-wide", 0, &texts().map(|(path, text)| (path, of(&text))).collect());
}

/// The functions of a file that have a body, each with its lines from `fn` to the last brace;
/// those within others are of the others, too.
fn functions(text: &str) -> Vec<(String, usize)> {
    let words = placed(text);
    let starts = words.windows(2).enumerate().filter(|(_, pair)| {
        pair[0].1 == "fn" && pair[1].1.starts_with(|c: char| c.is_alphabetic() || c == '_')
    });
    let measured = starts.filter_map(|(at, pair)| {
        let last = end_of_body(&words[at..])?;
        Some((pair[1].1.to_string(), last - pair[0].0 + 1))
    });
    measured.collect()
}

/// The line of the brace that ends the function that these words begin with, if it has a body.
fn end_of_body(words: &[(usize, &str)]) -> Option<usize> {
    let mut open = Vec::new();
    for (line, word) in words {
        match *word {
            "(" | "[" | "{" => open.push(*word),
            ")" | "]" => drop(open.pop()),
            "}" => {
                open.pop();
                if open.is_empty() {
                    return Some(*line);
                }
            }
            ";" if open.is_empty() => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn functions_are_measured_to_their_last_brace() {
    let text = r##"
        fn one() -> [u8; 2] { "}"; '}' }
        trait T { fn none(&self); }
        fn three<'a>(f: fn(u8) -> u8, // }
            text: &'a str,
        ) { r#" fn no() { " } "#; }
        fn five() {
            let closure = |x| { x };
            fn within() {
            }
        }
    "##;
    let found = functions(text);
    let found: Vec<_> = found.iter().map(|(name, lines)| (name.as_str(), *lines)).collect();
    assert_eq!(found, [("one", 1), ("three", 3), ("five", 5), ("within", 2)]);
}
