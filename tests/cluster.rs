//! `scripts/cluster`: what it starts again and what not. That a job goes on after each new start, and drains when the script is told to, `tests/chaos.rs` shows.

mod services;

use services::program;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the script to its end with something else in the program's place.
fn cluster(folder: &Path, arguments: &[&str], program: &str) -> Output {
    command(folder, arguments, program).output().expect("the script can be started")
}

/// The script, in a folder, with something else in the program's place.
fn command(folder: &Path, arguments: &[&str], program: &str) -> Command {
    let stand_in = folder.join("program");
    std::fs::write(&stand_in, format!("#!/bin/sh\n{program}\n")).expect("a program can be written");
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).expect("it can be made one");
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cluster"));
    command.current_dir(folder).env("PROGRAM", stand_in).env("PAUSE", "1").args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn when_one_process_fails_all_are_started_again_with_what_they_need() {
    let folder = tempfile::tempdir().expect("a folder");
    // The second process fails the first time, when the first one is still there: that one must be gone before there is another.
    let program = r#"
        echo "$*" >>starts
        shift 6
        if [ "$2" = 1 ] && [ ! -e failed ]; then while [ ! -e first ]; do sleep 0.05; done; touch failed; echo broken >&2; exit 1; fi
        [ "$2" = 1 ] || [ -e first ] || { echo $$ >first; exec sleep 600; }
        [ "$2" = 1 ] || ! kill -0 "$(cat first)" 2>/dev/null || exit 7
        cat "$4" >>ports"#;
    let output = cluster(folder.path(), &["2", "3", "job.toml", "--", "--rebuild"], program);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("1| broken") && said.contains("starting again in 1 s"), "{said}");
    let starts = std::fs::read_to_string(folder.path().join("starts")).expect("it was started");
    assert_eq!(starts.lines().count(), 4, "{starts}");
    for start in starts.lines() {
        assert!(start.starts_with("run job.toml --workers 3 --processes 2 --process ") && start.ends_with(" --rebuild"), "{start}");
    }
    let ports = std::fs::read_to_string(folder.path().join("ports")).expect("there was a hostfile");
    let ports: Vec<&str> = ports.lines().collect();
    assert!(ports.len() == 4 && ports[0] != ports[1] && ports[..2] == ports[2..], "{ports:?}");
}

#[test]
fn what_a_process_says_is_told_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    // Exit code 2 is not tried again.
    let program = r#"
        printf 'a line with \\ and * \nthe last one'
        tries=0
        while ! grep -q '^0| a line' said; do tries=$((tries + 1)); [ "$tries" -lt 1000 ] || exit 2; sleep 0.02; done"#;
    let said = std::fs::File::create(folder.path().join("said")).expect("a file");
    let status = command(folder.path(), &["1", "1", "job.toml"], program).stderr(said).status().expect("the script can be started");
    let said = text(&std::fs::read(folder.path().join("said")).expect("the file"));
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("0| a line with \\ and * \n0| the last one\n"), "{said}");
}

#[test]
fn a_wrong_configuration_is_not_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let real = program().get_program().to_string_lossy().into_owned();
    let output = cluster(folder.path(), &["1", "1", "missing.toml"], &format!("exec {real} \"$@\""));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("missing.toml") && !said.contains("starting again"), "{said}");
    assert_eq!(cluster(folder.path(), &["0", "1", "job.toml"], "exit 0").status.code(), Some(2));
}
