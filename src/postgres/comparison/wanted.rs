//! The rows that a table should have, packed, and compared with those that it has.
//!
//! Every table is folded by what its declaration says: what a row does to the one that is there,
//! how long it is kept, and what an erasure does to it.

mod checking;
mod erasing;
mod later;
#[cfg(test)]
mod tests;

use super::trust::Trust;
use crate::table::Changes;
use crate::table::packed::{Values, join, pack, unpack, values};
use crate::table::value::number;
use dataflows::event::CustomerId;
use dataflows::table::{ColumnType, Rule, Table};
use later::LaterColumns;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row's key: its first two numbers, and whatever else belongs to it as bytes.
pub type Key = (i64, i64, Box<[u8]>);

/// A table as it should be.
#[derive(Debug)]
pub struct Wanted {
    table: Arc<Table>,
    /// Where its key stands in a row.
    key: Vec<usize>,
    /// Of a table that has rows on trust, one that should be gone has no values.
    rows: BTreeMap<Key, Box<[u8]>>,
    trust: Option<Trust>,
    /// The next epoch tells every row that stands, whether it is known here or not.
    anew: bool,
    /// Where rows are blanked: those of each customer, with when they are dated, in microseconds;
    /// made when somebody is first erased.
    rows_of: Option<BTreeMap<CustomerId, Vec<(Key, i64)>>>,
    /// Where it has columns that came after it.
    later: LaterColumns,
}

impl Wanted {
    /// A table that should be empty.
    pub fn new(table: Arc<Table>) -> Self {
        let key = table.key_places();
        let (rows, later) = (BTreeMap::new(), LaterColumns::default());
        Wanted { table, key, rows, trust: None, anew: false, rows_of: None, later }
    }

    /// One of which the next epoch tells every row that stands, whether it is known here or not.
    pub fn told_anew(table: Arc<Table>) -> Self {
        Wanted { anew: true, ..Wanted::new(table) }
    }

    /// Takes an epoch's changes in. Rows of the epochs up to `gone` are gone.
    pub fn apply(&mut self, changes: &Changes, gone: u64) {
        let anew = std::mem::take(&mut self.anew);
        for key in changes.gone.each_row() {
            let key = self.key_of(&values(key), 0..self.key.len());
            self.remove(&key);
        }
        match self.table.rule {
            Rule::Stays | Rule::Agrees => {
                changes.new.each_row().for_each(|row| drop(self.put_new(row)))
            }
            Rule::Changes { .. } | Rule::Replaces { .. } | Rule::Adds => {
                changes.new.each_row().for_each(|row| self.put(row))
            }
        }
        for row in changes.changed.each_row() {
            match self.table.rule {
                Rule::Changes { .. } if !anew => {
                    // A correction of a row that is gone brings none back.
                    if gone > 0 {
                        self.retire(row, gone);
                    }
                    self.update(row, gone > 0);
                }
                _ => self.put(row),
            }
        }
    }

    /// Rows of which nothing else is said are taken on trust.
    pub fn trust(&mut self, trust: Trust) {
        self.trust = Some(trust);
    }

    /// What of it is taken on trust.
    pub fn trusted(&self) -> Option<&Trust> {
        self.trust.as_ref()
    }

    /// What it looks like.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The keys that should be there, in order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.rows.iter().filter(|(_, packed)| !packed.is_empty()).map(|(key, _)| key)
    }

    /// The rows that should be there, packed, in the order of their keys, and those that should be
    /// gone.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &[u8])> {
        self.rows.iter().map(|(key, packed)| (key, &**packed))
    }

    /// The rows that should be there, with their values.
    pub fn each(&self) -> impl Iterator<Item = (&Key, Values<'_>)> {
        self.rows
            .iter()
            .filter(|(_, packed)| !packed.is_empty())
            .map(|(key, packed)| (key, unpack(packed).collect()))
    }

    /// A row that is packed already should be there.
    pub fn put_packed(&mut self, key: Key, packed: Box<[u8]>) {
        self.rows.insert(key, packed);
    }

    /// A row should be there, in the place of any other of its key.
    pub fn put(&mut self, row: &[u8]) {
        let values = values(row);
        let key = self.key(&values);
        self.rows.insert(key, pack(&self.table.columns, &values));
    }

    /// A row should be there, unless one of its key is there already; gives its key where it is
    /// new.
    pub fn put_new(&mut self, row: &[u8]) -> Option<Key> {
        let values = values(row);
        let key = self.key(&values);
        if self.rows.get(&key).is_some_and(|packed| !packed.is_empty()) {
            return None;
        }
        let whose = self.whose(&values);
        if let (Some((customer, dated)), Some(rows_of)) = (whose, &mut self.rows_of) {
            rows_of.entry(customer).or_default().push((key.clone(), dated));
        }
        self.rows.insert(key.clone(), pack(&self.table.columns, &values));
        Some(key)
    }

    /// Some columns of a row that is there should have these values.
    pub fn set(&mut self, key: &Key, columns: &[(usize, Option<&[u8]>)]) {
        let Some(packed) = self.rows.get_mut(key) else { return };
        let new =
            |place: usize| columns.iter().find(|(of, _)| *of == place).map(|(_, value)| *value);
        *packed =
            join(unpack(packed).enumerate().map(|(place, value)| new(place).unwrap_or(value)));
    }

    /// A row that is there should now be so, but for what only a new row has, which stays. Of one
    /// that is taken on trust that is not known, nor, where it `may_be_gone`, whether it is there.
    pub fn update(&mut self, row: &[u8], may_be_gone: bool) {
        let values = values(row);
        let key = self.key(&values);
        let columns = &self.table.columns;
        let new = pack(columns, &values);
        let Some(standing) = self.rows.get_mut(&key) else {
            if self.trust.is_some() {
                let unknown = if may_be_gone { UNKNOWN_IF_THERE } else { UNKNOWN };
                let new =
                    join(unpack(&new).enumerate().map(|(place, value)| {
                        if columns[place].once { Some(unknown) } else { value }
                    }));
                self.rows.insert(key, new);
            }
            return;
        };
        let kept_or_new =
            |(place, (old, new)): (usize, (_, _))| if columns[place].once { old } else { new };
        *standing = join(unpack(standing).zip(unpack(&new)).enumerate().map(kept_or_new));
    }

    /// The row of this row's key should be gone if its epoch is at most `through`.
    fn retire(&mut self, row: &[u8], through: u64) {
        let Some(column) = self.table.epoch().and_then(|epoch| self.table.place(epoch)) else {
            return;
        };
        let key = self.key(&values(row));
        let kind = self.table.columns[column].kind;
        if self.rows.get(&key).is_some_and(|packed| is_gone(kind, packed, column, through)) {
            self.rows.remove(&key);
        }
    }

    /// All rows should be gone of which the epoch is at most `through`.
    pub fn retire_all(&mut self, through: u64) {
        let Some(column) = self.table.epoch().and_then(|epoch| self.table.place(epoch)) else {
            return;
        };
        let kind = self.table.columns[column].kind;
        self.rows.retain(|_, packed| !is_gone(kind, packed, column, through));
    }

    /// No row of this key should be there.
    pub fn remove(&mut self, key: &Key) {
        match self.trust {
            Some(_) => self.rows.insert(key.clone(), Box::from([])),
            None => self.rows.remove(key),
        };
    }

    fn key(&self, values: &Values<'_>) -> Key {
        self.key_of(values, self.key.iter().copied())
    }

    /// The key of a row that has its parts in these places.
    fn key_of(&self, values: &Values<'_>, places: impl IntoIterator<Item = usize>) -> Key {
        let mut numbers = Vec::with_capacity(2);
        let mut rest = Vec::new();
        for (&of, place) in self.key.iter().zip(places) {
            let value = values.get(place).copied().flatten().unwrap_or_default();
            match number(self.table.columns[of].kind, value) {
                Some(number) if numbers.len() < 2 => numbers.push(number),
                _ => {
                    rest.extend_from_slice(&(value.len() as u32).to_be_bytes());
                    rest.extend_from_slice(value);
                }
            }
        }
        let number = |place: usize| numbers.get(place).copied().unwrap_or_default();
        (number(0), number(1), rest.into_boxed_slice())
    }
}

/// What stands for the value of a column that is not known; no text begins with this byte.
const UNKNOWN: &[u8] = b"\xff";

/// The same, in a row that may have gone with the epochs that are not kept.
const UNKNOWN_IF_THERE: &[u8] = b"\xfe";

fn nth(kind: ColumnType, packed: &[u8], column: usize) -> Option<i64> {
    unpack(packed).nth(column).flatten().and_then(|value| number(kind, value))
}

fn is_gone(kind: ColumnType, packed: &[u8], column: usize, through: u64) -> bool {
    nth(kind, packed, column).is_some_and(|value| value <= through as i64)
}
