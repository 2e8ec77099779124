//! A table is data: its columns and its key, what a row does to the one that is there, how long
//! rows are kept, and what an erasure does to them; declared once, beside the dataflow that fills
//! it.
//!
//! Whatever holds rows of it follows from the declaration: the statements of a database, files of
//! changes, and what a verification expects.

mod cells;
mod column;
mod decimal;
mod erase;
mod keep;
mod untold;

pub use cells::{Cell, TableRow, TableRows};
pub use column::{Column, ColumnType, Filler, Own};
pub use decimal::{decimal, decimal_q16, decimal_q32};
pub use erase::{Blank, Erase};
pub use keep::{Dated, Keep};
pub use untold::{Untold, When};

use serde::{Deserialize, Serialize};

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub help: &'static str,
    /// The columns of a row, in the order in which it is written.
    pub columns: Vec<Column>,
    /// Those that no row has: the place that keeps the table fills them.
    pub own: Vec<Own>,
    /// The columns that tell a row from every other one.
    pub key: &'static [&'static str],
    /// What a row does to the one of its key that is there.
    pub rule: Rule,
    /// How long a row is kept.
    pub keep: Keep,
    /// What becomes of the rows of a person who is erased.
    pub erase: Erase,
    /// Which rows cannot be told where records are gone that were read.
    pub untold: Untold,
}

/// What a row does to the one of its key that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Rows appear, change and go, and each says which of these it does.
    Changes {
        /// Whether a row of a key that is there may come as a new one, where old events are
        /// folded: what told them apart is forgotten.
        again: bool,
    },
    /// It takes its place. Where there is such a column, a row that has 0 in it takes it away.
    Replaces {
        /// What counts that of which a row without any is none.
        counts: Option<&'static str>,
    },
    /// There is none: no key comes twice.
    Adds,
    /// Nothing: the one that is there stays.
    Stays,
    /// Nothing: the one that is there stays, and has the same in it but for its epoch.
    Agrees,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It is new.
    Insert,
    /// It was there and is now so.
    Update,
    /// It was there and is gone.
    Delete,
}

impl Table {
    /// Where a column stands in a row.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|own| own.name == column)
    }

    /// Where these columns stand in a row, as far as it has them.
    pub fn places(&self, columns: &[&str]) -> Vec<usize> {
        columns.iter().filter_map(|column| self.place(column)).collect()
    }

    /// Where its key stands in a row.
    pub fn key_places(&self) -> Vec<usize> {
        self.places(self.key)
    }

    /// Whether a column is of the key.
    pub fn is_key(&self, column: &str) -> bool {
        self.key.contains(&column)
    }

    /// The columns that are there once a row is written: all but those that only number rows.
    pub fn written(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.numbers)
    }

    /// The column of the epoch that wrote a row last.
    pub fn epoch(&self) -> Option<&'static str> {
        match self.keep {
            Keep::Epochs { epoch, .. } => Some(epoch),
            Keep::Versions { version, .. } => Some(version),
            Keep::All | Keep::Days { .. } => self.place("epoch").map(|_| "epoch"),
        }
    }

    /// The column that numbers all rows, where there is one.
    pub fn number(&self) -> Option<&'static str> {
        self.own.iter().find(|own| own.by == Filler::Number).map(|own| own.name)
    }

    /// Names of the columns that are there once a row is written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.written().map(|column| &*column.name)
    }

    /// What in the declaration does not fit together, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let (mut names, mut faults) = (std::collections::BTreeSet::new(), Vec::new());
        let all = self.columns.iter().map(|column| &*column.name);
        for name in all.chain(self.own.iter().map(|own| own.name)) {
            if name.is_empty() || !names.insert(name) {
                faults.push(format!("{}: a column is called `{name}`, as another one", self.name));
            }
        }
        let mut wanted: Vec<&str> = self.key.to_vec();
        wanted.extend(self.keep.columns());
        wanted.extend(self.erase.columns());
        let of_columns = self.columns.iter().filter_map(|column| column.untold).flatten();
        wanted.extend(self.untold.conditions().chain(of_columns).map(|when| when.column()));
        if let Rule::Replaces { counts } = self.rule {
            wanted.extend(counts);
        }
        let unknown = wanted.iter().filter(|name| !names.contains(*name));
        faults.extend(unknown.map(|name| format!("{}: there is no column `{name}`", self.name)));
        let running = self.columns.iter().find(|column| column.running);
        if let Some(column) =
            running.filter(|_| self.key.len() != 1 || self.epoch() != self.key.first().copied())
        {
            let Column { name, .. } = column;
            faults.push(format!("{}: `{name}` adds up, and the key is not the epoch", self.name));
        }
        if self.key.is_empty() {
            faults.push(format!("{}: it has no key", self.name));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            name: "visits",
            help: "A visit.",
            columns: vec![
                Column::of("customer_id", ColumnType::Bigint, "Whose."),
                Column::of("epoch", ColumnType::Bigint, "The epoch that wrote it."),
            ],
            own: vec![Own::number("id")],
            key: &["customer_id"],
            rule: Rule::Replaces { counts: None },
            keep: Keep::All,
            erase: Erase::Rows { customer: "customer_id", instant: None, of_before: &[] },
            untold: Untold::NONE,
        }
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        assert_eq!(table().faults(), Vec::<String>::new());
        let twice = Table { own: vec![Own::number("epoch")], ..table() };
        assert!(twice.faults()[0].contains("`epoch`, as another one"));
        let keyless = Table { key: &[], ..table() };
        assert!(keyless.faults()[0].contains("no key"));
        let mut adding = table();
        adding.columns.push(Column::of("waiting", ColumnType::Bigint, "How many wait.").running());
        assert!(adding.faults()[0].contains("`waiting` adds up"));
        assert_eq!(Table { key: &["epoch"], ..adding }.faults(), Vec::<String>::new());
        for unknown in [
            Table { key: &["nobody"], ..table() },
            Table { rule: Rule::Replaces { counts: Some("nobody") }, ..table() },
            Table { keep: Keep::Days { since: "nobody", epochs: &[], setting: "keep" }, ..table() },
            Table {
                erase: Erase::Rows {
                    customer: "customer_id",
                    instant: None,
                    of_before: &["nobody"],
                },
                ..table()
            },
            Table { untold: Untold::surplus(&[When::With("nobody")]), ..table() },
        ] {
            assert_eq!(unknown.faults(), ["visits: there is no column `nobody`"]);
        }
    }
}
