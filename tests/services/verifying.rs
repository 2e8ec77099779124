//! `sluice verify` asked, and what it advises done.

use super::program;
use serde_json::{Value, json};
use std::path::Path;

/// What `sluice verify` says, and its exit code.
pub(crate) fn verify(config: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let output = program()
        .arg("verify")
        .arg(config)
        .arg("--json")
        .args(more)
        .output()
        .expect("the program can be started");
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&output.stderr).into_owned()));
    (output.status.code(), said)
}

/// What it says where nothing differs.
pub(crate) fn verified(config: &Path, more: &[&str]) -> Value {
    let (code, said) = verify(config, more);
    assert_eq!((code, &said["ok"]), (Some(0), &json!(true)), "{more:?}: {said:#}");
    said
}

/// It cannot begin where it is asked to, says this, and advises something, which does: that is
/// done, and what is said then given back.
pub(crate) fn follow(config: &Path, asked: &[&str], wanted: &str, advised: &[&str]) -> Value {
    let (code, said) = verify(config, asked);
    let text = said.as_str().unwrap_or_else(|| panic!("{asked:?}: {said:#}"));
    assert!(code == Some(1) && text.contains(wanted), "{asked:?}: {text}");
    assert_eq!(advice(text), advised, "{asked:?}: {text}");
    verified(config, advised)
}

/// The flags of the last command that a text names.
fn advice(text: &str) -> Vec<&str> {
    let (_, command) =
        text.rsplit_once("`sluice verify").unwrap_or_else(|| panic!("it advises nothing: {text}"));
    let (flags, _) = command.split_once('`').expect("the end of a command");
    flags.split_whitespace().collect()
}
