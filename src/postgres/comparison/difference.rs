//! What differs, by table: a few of each by name, and how many in all.

use serde::Serialize;

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The row, by its key.
    pub key: String,
    /// The column; `None`: the row as a whole.
    pub column: Option<String>,
    /// What should be there; `None`: no such row.
    pub expected: Option<String>,
    /// What is there; `None`: no such row.
    pub found: Option<String>,
}

/// Differences of one table that are named; of more than these only their number is told.
pub const NAMED: usize = 20;

/// What was found in one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The table.
    pub table: &'static str,
    /// Rows that were compared.
    pub rows: u64,
    /// Differences: columns that differ, and rows that are missing or should not be there.
    pub total: u64,
    /// The first of them.
    pub named: Vec<Difference>,
    /// What is otherwise than computed again, and may be right: of what it follows from, the topics
    /// no longer have everything.
    pub untold: u64,
    /// Rows that were last written before the checkpoint that was begun at, and are not compared.
    pub trusted: u64,
}

impl Findings {
    /// Nothing found yet.
    pub fn new(table: &'static str) -> Self {
        Findings { table, rows: 0, total: 0, named: Vec::new(), untold: 0, trusted: 0 }
    }

    /// Notes a difference; it is made only if it will be named.
    pub fn note(&mut self, difference: impl FnOnce() -> Difference) {
        self.total += 1;
        if self.named.len() < NAMED {
            self.named.push(difference());
        }
    }

    /// A column has another value than it should.
    pub fn differs(&mut self, key: &str, column: &str, expected: String, found: String) {
        self.note(|| Difference {
            key: key.to_string(),
            column: Some(column.to_string()),
            expected: Some(expected),
            found: Some(found),
        });
    }

    /// A row is not there.
    pub fn is_missing(&mut self, key: impl FnOnce() -> String) {
        self.note(|| Difference {
            key: key(),
            column: None,
            expected: Some("a row".to_string()),
            found: None,
        });
    }

    /// A row is there that should not.
    pub fn is_surplus(&mut self, key: impl FnOnce() -> String) {
        self.note(|| Difference {
            key: key(),
            column: None,
            expected: None,
            found: Some("a row".to_string()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_are_named_and_all_are_counted() {
        let mut findings = Findings::new("segments");
        for flags in 0..50 {
            findings.is_missing(|| format!("flags {flags}"));
        }
        assert_eq!((findings.total, findings.named.len()), (50, NAMED));
        assert_eq!(findings.named[1].key, "flags 1");
    }
}
