//! Calls that are made in few places, each with what all others use instead. Those that are made
//! nowhere are in `clippy.toml`.

use super::source::{Source, is_of_tests, production, words};
use super::{SOURCES, root, sources};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A call, and who may make it.
struct Banned {
    /// Its words, each of which follows the one before.
    calls: &'static [&'static [&'static str]],
    why: &'static str,
    instead: &'static str,
    /// The files, or folders, that make it.
    homes: &'static [&'static str],
}

const BANNED: &[Banned] = &[
    Banned {
        calls: &[
            &["File", "::", "create"],
            &["OpenOptions", "::", "new"],
            &["fs", "::", "write"],
            &["fs", "::", "rename"],
            &["create_dir"],
            &["create_dir_all"],
        ],
        why: "the file may be read by others, and lost with the power",
        instead: "what `src/durable.rs` has",
        homes: &[
            "src/durable",
            // Results that are asked for, what is made up, and trials.
            "src/files/output.rs",
            "src/jobs/bench/",
            "world/write.rs",
            // A part of the build.
            "dataflows/bandit/policies.rs",
        ],
    },
    Banned {
        calls: &[&["thread", "::", "sleep"]],
        why: "whoever waits for a time waits too long or not long enough",
        instead: "a channel's `recv_timeout`, or a `Backoff` that looks again",
        homes: &[
            "src/checkpoint/assembly.rs",
            "src/cli/generate.rs",
            "src/jobs/bench/",
            "src/engine/topics.rs",
            "src/journal/shared.rs",
            "src/kafka/admin.rs",
            "src/kafka/paced.rs",
            "src/postgres/waiting.rs",
            "src/postgres/patience.rs",
            "src/postgres/writer.rs",
        ],
    },
    Banned {
        calls: &[&["env", "::", "var"], &["env", "::", "var_os"], &["env", "::", "vars"]],
        why: "what is read of the environment is neither checked nor shown with the settings",
        instead: "a key of the configuration, which `SLUICE_` reaches",
        homes: &[
            "dataflows/bandit/policies.rs",
            "src/checkpoint/store/objects.rs",
            "src/postgres/passwords.rs",
            "src/postgres/target.rs",
            "src/telemetry/logging.rs",
        ],
    },
    Banned {
        calls: &[&["NoTls"], &["Client", "::", "connect"]],
        why: "certificates and passwords are looked at in one place",
        instead: "`postgres::target`",
        homes: &["src/postgres/target.rs"],
    },
];

#[test]
fn calls_are_made_where_they_belong() {
    let packages = ["src", "dataflows", "world"];
    let files: Vec<Source> = packages.iter().flat_map(|p| production(&root().join(p))).collect();
    let mut faults = Vec::new();
    for banned in BANNED {
        let mut made = BTreeSet::new();
        for file in &files {
            let path = file.path.strip_prefix(root()).expect("below the root");
            let path = path.display().to_string();
            let Some(call) = call(&file.words, banned.calls) else { continue };
            match banned.homes.iter().find(|home| path.starts_with(**home)) {
                Some(home) => drop(made.insert(*home)),
                None => faults.push(told(&path, &call, banned)),
            }
        }
        let unused = banned.homes.iter().filter(|home| !made.contains(*home));
        faults.extend(unused.map(|home| format!("{home} makes no such call: out of `homes`")));
    }
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
}

/// A test that sleeps is slow where the machine is fast, and fails where it is slow.
#[test]
fn no_test_sleeps() {
    let files = SOURCES.iter().flat_map(|folder| sources(&root().join(folder)));
    // Wherever the project itself lies.
    let own = |file: &Path| file.strip_prefix(root()).map(|own| own.display().to_string());
    let tests = files.filter(|file| own(file).is_ok_and(|own| is_of_tests(&own)));
    let sleeping = tests.filter(|file| {
        let text = fs::read_to_string(file).expect("a source");
        call(&words(&text), &[&["thread", "::", "sleep"]]).is_some()
    });
    let sleeping: Vec<_> = sleeping.collect();
    assert!(sleeping.is_empty(), "these sleep: {sleeping:?}; wait for what they are to see");
}

fn told(path: &str, call: &str, banned: &Banned) -> String {
    format!("{path} has {call}: {}; use {}", banned.why, banned.instead)
}

/// The first of these calls that is among the words.
fn call(words: &[String], calls: &[&[&str]]) -> Option<String> {
    let is_made = |call: &&&[&str]| words.windows(call.len()).any(|words| words == **call);
    calls.iter().find(is_made).map(|call| call.concat())
}

#[test]
fn a_call_is_found_as_words_and_not_in_texts() {
    let of = |text: &str| call(&words(text), &[&["fs", "::", "write"], &["create_dir"]]);
    assert_eq!(of("std::fs::write(path, b\"\")?; // why"), Some("fs::write".to_string()));
    assert_eq!(of("fs :: create_dir(path)"), Some("create_dir".to_string()));
    assert_eq!(
        of("// fs::write\n \"fs::write\"; my_fs::write(); fs::writer(); create_dirs()"),
        None
    );
}
