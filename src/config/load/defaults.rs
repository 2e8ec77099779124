//! Every key with its default and its comment: `default.toml`, and in it what policies say of
//! themselves and of what they may be told.

use dataflows::bandit::policy::{Chosen, KINDS, PolicyKind, declared};
use std::fmt::Write;
use std::sync::LazyLock;

/// Where `default.toml` leaves room for the policies.
const PLACE: &str = "# POLICIES\n";

/// What is said once, with the first parameter.
const SCHEDULES: &str = "{steps = [[0, 1.0], [1000, 0.5]]}, the number from so many observations \
    in the model on, or {start = 1.0, half = 10000, power = 0.5, least = 0.1} for max(least, \
    start (1 + n / half)^-power) with n observations.";

/// Columns of a comment.
const WIDTH: usize = 100;

/// Every key with its default and its comment, as `sluice config --defaults` prints them.
pub static DEFAULTS: LazyLock<String> =
    LazyLock::new(|| include_str!("../default.toml").replacen(PLACE, &policies(), 1));

/// The key of the policy, and those of what policies may be told.
fn policies() -> String {
    let mut text = comment("How an arm is chosen:");
    for PolicyKind { name, help, source, .. } in KINDS {
        text += &comment(&format!("- {name:?}: {help} ({source})."));
    }
    text += &comment("Or the name of one of [policies].");
    let _ = writeln!(text, "policy = {:?}", Chosen::default().name());
    for (at, parameter) in declared().enumerate() {
        let help = parameter.help;
        let help = if at == 0 { format!("{help} {}", schedules()) } else { help.to_string() };
        text += &format!("\n{}", comment(&help));
        let _ = writeln!(text, "{} = {:?}", parameter.name(), parameter.default);
    }
    text
}

/// Which parameters may change with what has been learned, and how that is written.
fn schedules() -> String {
    let scheduled = declared().filter(|parameter| parameter.scheduled);
    let names: Vec<&str> = scheduled.map(|parameter| parameter.name()).collect();
    format!("In place of a number {} may be {SCHEDULES}", names.join(", "))
}

/// A text as a comment, in lines that are not too wide.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_string()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => *line += &format!(" {word}"),
            _ => lines.push(format!("#   {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_say_what_they_do_and_what_they_may_be_told() {
        assert!(DEFAULTS.contains(&policies()));
        insta::assert_snapshot!(policies());
    }
}
