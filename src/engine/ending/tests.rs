//! The table of ends: every error in every phase gives its exit code, its line in the log and its
//! text at `/readyz`; nothing else ends the program.
#![cfg(feature = "demo")]

mod every;
mod followed;

use super::super::watch::{Phase, Reaction, Vitals};
use super::*;
use crate::cli::error::ProgramError;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().expect("no panic"))).expect("text")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;
    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// Runs something; gives what it logged too.
fn logged<T>(work: impl FnOnce(&Log) -> T) -> T {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, || work(&log))
}

fn ending() -> Ending {
    Ending::new(Control::default(), Arc::new(Status::new("campaign", &[], Box::new(()))))
}

/// The variants' names, outermost first, as the debug form of an error has them.
pub fn name(error: &impl std::fmt::Debug) -> String {
    let debug = format!("{error:?}");
    let names = debug.split(|c: char| !c.is_alphanumeric() && c != '(').next().unwrap_or_default();
    let mut names: Vec<&str> =
        names.split('(').filter(|name| name.starts_with(|c: char| c.is_uppercase())).collect();
    names.dedup();
    names.join("/")
}

/// When something fails.
const PHASES: [(&str, Phase, bool); 4] = [
    ("starting", Phase::Starting, false),
    ("repeating", Phase::Repeating, false),
    ("running", Phase::Running, false),
    ("draining", Phase::Running, true),
];

/// What a phase adds: whether what was read can still be finished, which is waited for.
fn step(phase: Phase, drains: bool) -> Reaction {
    let draining = drains.then_some(Duration::from_secs(1));
    Vitals {
        phase,
        failed: true,
        asked: drains,
        draining,
        uncommitted: false,
        silent: Duration::ZERO,
    }
    .step()
}

/// Fails in a phase; gives exit code, log and `/readyz` as they are then.
fn fail(error: RunError, phase: Phase, drains: bool) -> (u8, String, String) {
    logged(|log| {
        let ending = ending();
        if drains {
            ending.control.drain.store(true, Ordering::Release);
            ending.status.enter(State::Draining);
        }
        ending.fail(error);
        ending.fail(RunError::Hung(Duration::from_secs(31)));
        ending.status.enter(State::Draining);
        let ready = ending.status.state().unready().expect("it is not ready");
        let how = match step(phase, drains) {
            Reaction::End(how) => how,
            Reaction::Watch | Reaction::Drain => Drained::Finished,
            Reaction::Fail(error) => panic!("{error}"),
        };
        let error = ending.end(how).expect_err("a failure is no drain, whatever was asked for");
        (ProgramError::from(error).code(), log.take(), ready)
    })
}

#[test]
fn every_error_in_every_phase_has_its_exit_code_log_line_and_readyz_text() {
    let mut table = Vec::new();
    for error in every::run() {
        let (name, sentence) = (name(&error), error.to_string());
        let ExitReport { code, line, state } = told(ExitReason::Failed(&error));
        let ready = state.unready().unwrap_or_default();
        assert!(line.contains(&sentence) && ready.contains(&sentence), "{name}");
        table.push((name, code, line, ready));
    }
    for (word, phase, drains) in PHASES {
        let failed = every::run();
        assert_eq!(failed.len(), table.len());
        for (error, (name, code, line, ready)) in failed.into_iter().zip(&table) {
            let (found, log, shown) = fail(error, phase, drains);
            assert_eq!((found, &shown), (*code, ready), "{name} {word}");
            assert!(log.starts_with(&format!("ERROR {line}\n")), "{name} {word}: {log}");
            assert_eq!(log.matches("ERROR").count(), 1, "only the first cause is an error: {log}");
        }
    }
    let table: Vec<String> = table
        .iter()
        .map(|(name, code, line, ready)| {
            format!("{name}: {code}\n  log     {line}\n  readyz  {ready}")
        })
        .collect();
    insta::assert_snapshot!("run", table.join("\n"));
}

#[test]
fn every_error_of_the_other_commands_has_its_exit_code() {
    let table = every::program()
        .into_iter()
        .map(|error| format!("{}: {}\n  error: {error}", name(&error), error.code()));
    let table: Vec<String> = table.collect();
    insta::assert_snapshot!("others", table.join("\n"));
}

#[test]
fn every_drain_has_its_exit_code_log_line_and_readyz_text() {
    let mut table = Vec::new();
    for how in [
        Drained::Finished,
        Drained::Unread,
        Drained::Unconnected,
        Drained::Repeating,
        Drained::Late,
    ] {
        let ExitReport { code, line, state } = told(ExitReason::Drained(how));
        logged(|log| {
            let ending = ending();
            ending.end(how).expect("nothing failed");
            assert!(log.take().contains(&line));
            assert_eq!(ending.status.state(), state);
        });
        table.push(format!(
            "{how:?}: {code}\n  log     {line}\n  readyz  {}",
            state.unready().unwrap_or_default()
        ));
    }
    insta::assert_snapshot!("drains", table.join("\n"));
}

#[test]
fn what_can_still_be_finished_is_waited_for_and_nothing_else() {
    let seen = Vitals {
        phase: Phase::Running,
        failed: false,
        asked: false,
        draining: None,
        uncommitted: true,
        silent: Duration::ZERO,
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let word = |seen: Vitals| match seen.step() {
        Reaction::Watch => "watch".to_string(),
        Reaction::Drain => "drain".to_string(),
        Reaction::End(how) => format!("{how:?}"),
        Reaction::Fail(error) => name(&error),
    };
    for (seen, wanted) in [
        (seen, "watch"),
        (Vitals { asked: true, ..seen }, "drain"),
        (Vitals { failed: true, ..seen }, "drain"),
        (Vitals { asked: true, draining: seconds(8), ..seen }, "watch"),
        (Vitals { asked: true, draining: seconds(10), ..seen }, "Undrained"),
        (Vitals { asked: true, draining: seconds(10), uncommitted: false, ..seen }, "Late"),
        (Vitals { phase: Phase::Starting, asked: true, ..seen }, "Unread"),
        (Vitals { phase: Phase::Repeating, asked: true, ..seen }, "Repeating"),
        (Vitals { phase: Phase::Connecting, asked: true, ..seen }, "drain"),
        (
            Vitals { phase: Phase::Connecting, asked: true, draining: seconds(4), ..seen },
            "Unconnected",
        ),
        (Vitals { phase: Phase::Connecting, failed: true, ..seen }, "Unconnected"),
        (Vitals { silent: Duration::from_secs(31), ..seen }, "Hung"),
        (Vitals { phase: Phase::Repeating, silent: Duration::from_secs(31), ..seen }, "Hung"),
    ] {
        assert_eq!(word(seen), wanted, "{seen:?}");
    }
}

#[test]
fn a_thread_that_fails_or_panics_has_said_so_when_it_is_over() {
    for (work, wanted) in [
        ((|| Err(RunError::Hung(Duration::ZERO))) as fn() -> Result<(), RunError>, "Hung"),
        (|| panic!("row 3 is gone"), "Panicked"),
    ] {
        let ending = ending();
        let over = ending.spawn("job", work).expect("a thread");
        assert!(over.recv().is_err(), "it closes");
        assert!(
            ending.has_failed() && ending.control.failed.load(Ordering::Acquire),
            "the other processes hear of it"
        );
        assert_eq!(name(&ending.end(Drained::Finished).expect_err("it failed")), wanted);
    }
}

/// Sources, below a folder of the package.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources") {
            let path = entry.expect("an entry").path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("rs") => {
                    found.push((path.clone(), std::fs::read_to_string(&path).expect("a source")))
                }
                _ => {}
            }
        }
    }
    found
}

/// Errors that are a value of their own in the table, for there is only one of each.
const SINGLE: [&str; 7] =
    ["Faults", "Panicked", "Remade", "SourceFaults", "UnknownSettings", "Unsaved", "WriteError"];

/// Errors of a value in a record: they make it a dead letter, and end nothing.
const OF_VALUES: [&str; 2] = ["AmountError", "TimestampError"];

#[test]
fn every_kind_of_error_is_in_the_table() {
    let table = [
        include_str!("tests/every.rs"),
        include_str!("tests/every/commands.rs"),
        include_str!("tests/every/places.rs"),
        include_str!("tests/every/worlds.rs"),
    ]
    .concat();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (_, text) in [sources("src"), sources("dataflows")].concat() {
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        for (at, line) in lines.iter().enumerate() {
            let words: Vec<&str> = line.split_whitespace().take(3).collect();
            let (word, kind) = match words[..] {
                [word @ ("enum" | "struct"), kind, ..] => (word, kind),
                [visible, word @ ("enum" | "struct"), kind] if visible.starts_with("pub") => {
                    (word, kind)
                }
                _ => continue,
            };
            let kind = kind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            // Attributes and comments stand between the derivation and the name.
            let before =
                lines[..at].iter().rev().take_while(|line| !line.is_empty() && **line != "}");
            if kind.ends_with("Error") && word == "enum"
                || before
                    .into_iter()
                    .any(|line| line.starts_with("#[derive(") && line.contains("thiserror::Error"))
            {
                *kinds.entry(kind.to_string()).or_default() += 1;
            }
        }
    }
    assert!(kinds.len() > 30, "{kinds:?}");
    let listed = |kind: &str| table.matches(&format!("every![{kind};")).count();
    let missing: Vec<_> = kinds
        .iter()
        .filter(|(kind, number)| {
            let single = SINGLE.contains(&kind.as_str()) && table.contains(kind.as_str());
            !single && !OF_VALUES.contains(&kind.as_str()) && listed(kind) < **number
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}: give each of their variants a row in `every.rs`");
}
