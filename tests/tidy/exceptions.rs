//! What is over a rule of the house as yet: `exceptions.txt`, which may only shrink.

use super::root;
use std::collections::BTreeMap;
use std::fs;

/// What a line of the exceptions may begin with.
const RULES: [&str; 5] =
    ["lines", "lines-of-tests", "lines-of-a-function", "lines-too-wide", "meanings-of-a-name"];

/// Numbers by what they are of: a file, or a name in one.
pub(super) type Measured = BTreeMap<String, usize>;

/// Fails where something measures more than the rule allows and is no exception, where an
/// exception has grown, and where one is none any more.
pub(super) fn hold(rule: &str, limit: usize, measured: &Measured) {
    let text = fs::read_to_string(root().join("tests/tidy/exceptions.txt")).expect("exceptions");
    let faults = faults(limit, measured, &listed(rule, &text));
    let faults = faults.join("\n  ");
    assert!(faults.is_empty(), "{rule}: at most {limit}, but\n  {faults}\n");
}

/// The exceptions of a rule: lines of a rule, a subject, and how much it has.
fn listed(rule: &str, text: &str) -> Measured {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = |line: &str| {
        let (subject, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        let (of, subject) = subject.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        assert!(RULES.contains(&of), "{line:?}: there is no such rule");
        let number = number.parse().unwrap_or_else(|e| panic!("{line:?}: {e}"));
        (of == rule).then(|| (subject.to_string(), number))
    };
    lines.filter_map(split).collect()
}

fn faults(limit: usize, measured: &Measured, listed: &Measured) -> Vec<String> {
    let over = measured.iter().filter(|(_, number)| **number > limit);
    let worse = over.filter_map(|(subject, number)| match listed.get(subject) {
        None => Some(format!("{subject} has {number}")),
        Some(was) if number > was => Some(format!("{subject} has grown from {was} to {number}")),
        Some(_) => None,
    });
    let is_over = |subject: &String| measured.get(subject).is_some_and(|number| *number > limit);
    let mended = listed.keys().filter(|subject| !is_over(subject));
    let mended = mended.map(|subject| format!("{subject} keeps the rule: out of exceptions.txt"));
    worse.chain(mended).collect()
}

#[test]
fn an_exception_may_only_shrink() {
    let list = listed("lines", "# why\n\nlines a.rs 310\nlines-too-wide a.rs 1\nlines b.rs 400\n");
    let of = |numbers: &[(&str, usize)]| {
        let measured = numbers.iter().map(|(file, number)| (file.to_string(), *number)).collect();
        faults(300, &measured, &list)
    };
    assert_eq!(of(&[("a.rs", 310), ("b.rs", 399), ("c.rs", 300)]), [""; 0]);
    assert_eq!(of(&[("a.rs", 310), ("b.rs", 401)]), ["b.rs has grown from 400 to 401"]);
    assert_eq!(of(&[("a.rs", 310), ("b.rs", 301), ("c.rs", 301)]), ["c.rs has 301"]);
    assert_eq!(
        of(&[("a.rs", 300)]),
        ["a.rs", "b.rs"].map(|file| format!("{file} keeps the rule: out of exceptions.txt"))
    );
}
