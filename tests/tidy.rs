//! The rules of the house, read from its own sources: what a reader relies on, and no compiler
//! checks.

mod calls;
mod exceptions;
mod lengths;
mod names;
mod rooms;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders with sources that are the project's own.
const SOURCES: [&str; 5] = ["benches", "dataflows", "src", "tests", "world"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    paths
        .flat_map(below)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The tests are one program, to be linked once: a file that it does not name would never run.
#[test]
fn every_file_of_tests_is_a_module_of_the_one_program() {
    let main = fs::read_to_string(root().join("tests/main.rs")).expect("tests/main.rs");
    let files = fs::read_dir(root().join("tests"))
        .expect("tests")
        .map(|entry| entry.expect("an entry").path());
    let forgotten: Vec<PathBuf> = files
        .filter(|file| {
            let name = file.file_stem().and_then(|stem| stem.to_str()).expect("UTF-8");
            let is_module = file.extension().is_some_and(|extension| extension == "rs")
                || file.join("mod.rs").exists();
            is_module && name != "main" && !main.contains(&format!("mod {name};\n"))
        })
        .collect();
    assert!(forgotten.is_empty(), "tests/main.rs does not name {forgotten:?}");
}

#[test]
fn every_file_says_its_subject_in_its_first_line() {
    let silent: Vec<PathBuf> = SOURCES
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .filter(|file| !fs::read_to_string(file).expect("a source").starts_with("//! "))
        .collect();
    assert!(silent.is_empty(), "these do not begin with `//!`: {silent:?}");
}

/// Where the program, its packages, tests and benches begin.
const BEGINNINGS: [&str; 6] = [
    "src/main.rs",
    "dataflows/lib.rs",
    "dataflows/bandit/policies.rs",
    "world/lib.rs",
    "tests/main.rs",
    "benches/core.rs",
];

/// The build finds what lies here.
const FOUND: &str = "dataflows/bandit/policy";

#[test]
fn every_file_is_a_module_of_something() {
    let reached: BTreeSet<PathBuf> =
        BEGINNINGS.iter().flat_map(|begin| source::reached_from(&root().join(begin))).collect();
    let forgotten: Vec<PathBuf> = SOURCES
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .filter(|file| !reached.contains(file) && !file.starts_with(root().join(FOUND)))
        .collect();
    assert!(forgotten.is_empty(), "no module names {forgotten:?}: nothing compiles them");
}
