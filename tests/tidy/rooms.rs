//! Rooms know only those below them: the top-level modules of a package, in the order in which
//! ARCHITECTURE.md names them.

use super::root;
use super::source::{production, words};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Arrows that still go upward: (package, from, to). Only ever to shrink.
const UPWARD: &[(&str, &str, &str)] = &[];

/// The dataflows, and what small ones are made of: each has a room of its name in both packages.
const DATAFLOWS: [&str; 3] = ["campaign", "arrivals", "keyed"];

/// Arrows between rooms, each with the files that it comes from.
type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

#[test]
fn rooms_know_only_those_below_them() {
    let mut faults = String::new();
    for package in ["src", "dataflows"] {
        let order = order(package);
        let rooms = rooms(package);
        let arrows = arrows(package, &rooms);
        let named: BTreeSet<String> = order.iter().cloned().collect();
        assert_eq!(named.len(), order.len(), "ARCHITECTURE.md names a room of {package}/ twice");
        assert_eq!(named, rooms, "the rooms that ARCHITECTURE.md names, and those of {package}/");
        let place = |room: &String| order.iter().position(|other| other == room);
        let goes_up = |(from, to): &(String, String)| place(from) > place(to);
        let is_allowed =
            |(from, to): &(String, String)| UPWARD.contains(&(package, from.as_str(), to.as_str()));
        for (arrow, files) in arrows.iter().filter(|(a, _)| goes_up(a) && !is_allowed(a)) {
            let _ = writeln!(faults, "{package}: {} -> {} goes up, in {files:?}", arrow.0, arrow.1);
        }
        for (_, from, to) in UPWARD.iter().filter(|(of, _, _)| *of == package) {
            let arrow = (from.to_string(), to.to_string());
            if !arrows.contains_key(&arrow) || !goes_up(&arrow) {
                let _ = writeln!(faults, "{package}: {from} -> {to} does not go up: out of UPWARD");
            }
        }
        if !faults.is_empty() {
            faults += &drawn(package, &order, &arrows);
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn a_dataflow_is_known_to_its_own_room_and_those_above_and_not_to_whoever_runs_it() {
    let (order, folder) = (order("src"), root().join("src"));
    let place = |room: &str| order.iter().position(|other| other == room);
    let mut faults = String::new();
    for source in production(&folder) {
        let file = source.path.strip_prefix(&folder).expect("below its package").with_extension("");
        let room = file.iter().next().expect("a name").to_string_lossy().into_owned();
        let (file, all) = (file.display().to_string(), of_core(&source.words));
        for dataflow in all.iter().filter(|name| DATAFLOWS.contains(&name.as_str())) {
            if place(&room) > place(dataflow) {
                let _ = writeln!(faults, "src/{file}: dataflows::{dataflow} is named");
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// What is named right below the root of the core.
fn of_core(words: &[String]) -> BTreeSet<String> {
    let paths = words.windows(2).enumerate().filter(|(_, pair)| *pair == ["dataflows", "::"]);
    paths.flat_map(|(at, _)| heads(&words[at + 2..])).collect()
}

/// The rooms of a package from the top, as ARCHITECTURE.md has them.
fn order(package: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let beginning = format!("- `{package}/`, from the top: ");
    let lines = text.lines().skip_while(|line| !line.starts_with(&beginning));
    let paragraph: Vec<&str> = lines
        .enumerate()
        .take_while(|(at, line)| *at == 0 || line.starts_with("  "))
        .map(|(_, line)| line.strip_prefix(&beginning).unwrap_or(line))
        .collect();
    assert!(!paragraph.is_empty(), "ARCHITECTURE.md has no line that begins with {beginning:?}");
    let paragraph = paragraph.concat();
    paragraph.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

/// The top-level modules of a package.
fn rooms(package: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(package)).expect("a package");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.is_dir() || path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|room| room != "main" && room != "lib")
        .collect()
}

/// Who names whom, in code that is not of tests.
fn arrows(package: &str, rooms: &BTreeSet<String>) -> Arrows {
    let folder = root().join(package);
    let mut arrows = Arrows::new();
    for source in production(&folder) {
        let file = source.path.strip_prefix(&folder).expect("below its package").with_extension("");
        let from = file.iter().next().expect("a name").to_string_lossy().into_owned();
        if !rooms.contains(&from) {
            continue;
        }
        for to in named(&source.words, depth(&file)) {
            if to != from && rooms.contains(&to) {
                let files = arrows.entry((from.clone(), to)).or_default();
                files.insert(file.display().to_string());
            }
        }
    }
    arrows
}

/// How far below the root of its package a module is.
fn depth(file: &Path) -> usize {
    file.iter().filter(|part| *part != "mod").count()
}

/// What is named right below the root of the package, by a module that is so far below it.
fn named(words: &[String], depth: usize) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut at = 0;
    while at < words.len() {
        let path = &words[at..];
        let supers = path.chunks(2).take_while(|pair| *pair == ["super", "::"]).count();
        if path.len() > 2 && path[0] == "crate" && path[1] == "::" {
            named.extend(heads(&path[2..]));
        } else if supers > 0 && supers >= depth {
            named.extend(heads(&path[2 * supers..]));
        }
        at += (2 * supers).max(1);
    }
    named
}

/// The first names of a path: one, or those of a group in braces.
fn heads(path: &[String]) -> Vec<String> {
    if path.first().is_none_or(|word| word != "{") {
        return path.first().cloned().into_iter().collect();
    }
    let (mut heads, mut depth) = (Vec::new(), 0);
    for pair in path.windows(2) {
        match pair[0].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        match pair[0].as_str() {
            _ if depth == 0 => break,
            "{" | "," if depth == 1 => heads.push(pair[1].clone()),
            _ => {}
        }
    }
    heads
}

/// The whole graph, a room a line.
fn drawn(package: &str, order: &[String], arrows: &Arrows) -> String {
    let mut text = format!("The rooms of {package}/, from the top, and those that each names:\n");
    for room in order {
        let below: Vec<&str> = order
            .iter()
            .filter(|to| arrows.contains_key(&(room.clone(), (*to).clone())))
            .map(String::as_str)
            .collect();
        let _ = writeln!(text, "  {room} -> {}", below.join(", "));
    }
    text
}

#[test]
fn a_room_is_named_by_every_form_of_a_path() {
    let text = "use crate::{a::{x, y}, b, c::z}; fn f() { crate::d::g(super::super::e::h) } \
        pub(crate) fn k(self: super::n::M) {} pub(in crate::o) struct P;";
    let of = |depth| named(&words(text), depth).into_iter().collect::<Vec<_>>().concat();
    assert_eq!((of(3), of(2), of(1)), ("abcdo".into(), "abcdeo".into(), "abcdeno".into()));
    let core = of_core(&words("use dataflows::a::b; fn f() { dataflows::{c::d, e}::g() }"));
    assert_eq!(core.into_iter().collect::<String>(), "ace");
    assert_eq!(["a", "a/mod", "a/b", "a/b/c"].map(|file| depth(Path::new(file))), [1, 1, 2, 3]);
}
