//! What stands for a customer in the log: nobody who reads a log learns a customer's number.
//!
//! Lines of one run that concern one customer bear the same pseudonym. It is a hash under a key
//! that each process draws at its start and shows nobody, so that it cannot be found by trying all
//! numbers, and says nothing any more once the process has ended.

use dataflows::event::CustomerId;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A customer, as the log may show it.
#[derive(Clone, Copy)]
pub struct Pseudonym(pub CustomerId);

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", KEY.hash_one(self.0))
    }
}

/// As it is displayed: neither form shows the number.
impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    #[test]
    fn a_customer_has_one_pseudonym_that_does_not_show_the_number() {
        let shown = |customer| format!("{} {:?}", Pseudonym(customer), Pseudonym(customer));
        assert_eq!(shown(4_711), shown(4_711));
        assert_ne!(shown(4_711), shown(4_712));
        assert!(!shown(7_110_815_000_000).contains("7110815"));
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => sources(&path, found),
                false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
                false => {}
            }
        }
    }

    /// Of each call of a macro that logs, its arguments: fields, and what is written between
    /// braces.
    fn logged(text: &str) -> Vec<(usize, String)> {
        let mut calls = Vec::new();
        for macro_name in ["error!(", "warn!(", "info!(", "debug!(", "trace!("] {
            for (at, name) in text.match_indices(macro_name) {
                if !text[..at].ends_with("tracing::") {
                    continue;
                }
                let (mut depth, mut in_text, mut in_braces, mut escaped, mut shown) =
                    (1, false, false, false, String::new());
                for character in text[at + name.len()..].chars() {
                    match (in_text, character) {
                        (true, _) if escaped => escaped = false,
                        (true, '\\') => escaped = true,
                        (_, '"') => in_text = !in_text,
                        (true, '{' | '}') => {
                            in_braces = character == '{';
                            shown.push(' ');
                        }
                        (false, '(') => depth += 1,
                        (false, ')') => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    if !in_text || in_braces {
                        shown.push(character);
                    }
                }
                calls.push((text[..at].lines().count(), shown));
            }
        }
        calls
    }

    /// Words that stand for a customer, or for what a record says.
    const PERSONAL: [&str; 8] = [
        "customer",
        "customer_id",
        "detail",
        "raw",
        "value",
        "decision",
        "decision_id",
        "interaction_id",
    ];

    #[test]
    fn no_line_of_the_log_shows_a_customer_or_what_a_record_says() {
        let example =
            r#"tracing::info!(customer, raw = %x, "said {detail} of {} (here)", first.value);"#;
        let words = |shown: &str| {
            shown
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .map(str::to_string)
                .collect::<Vec<_>>()
        };
        let found = |shown: &str| {
            PERSONAL
                .into_iter()
                .filter(|personal| words(shown).iter().any(|word| word == personal))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found(&logged(example)[0].1),
            ["customer", "detail", "raw", "value"],
            "such a line is found"
        );
        let (mut files, mut calls) = (Vec::new(), 0);
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        for path in files.iter().filter(|path| !path.ends_with(file!())) {
            for (line, shown) in logged(&std::fs::read_to_string(path).expect("a source")) {
                calls += 1;
                let shown = shown.replace("Pseudonym(customer)", "").replace("customer = ", "");
                assert_eq!(
                    found(&shown),
                    [""; 0],
                    "{} line {line}: log a customer as a Pseudonym, and a record by its place",
                    path.display()
                );
            }
        }
        assert!(calls > 90, "only {calls} calls are found");
    }
}
