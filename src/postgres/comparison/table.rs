//! The rows that a table should have, packed, and compared with those that it has.
//!
//! A row comes as PostgreSQL's binary COPY format has it: each value behind its length. Packed, a length takes one byte for nearly every value, and
//! an array only the bytes of its elements.

use super::difference::Findings;
use super::doubt::{Doubt, Row, What};
use super::value::{Kind, number, show};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
}

/// What a table looks like to the comparison.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its name.
    pub table: &'static str,
    /// Its columns, in the order in which both sides give them.
    pub columns: Vec<Column>,
    /// Which of them are its key.
    pub key: Vec<usize>,
    /// The query that gives its rows.
    pub select: String,
}

/// A row's key: its first two numbers, and whatever else belongs to it as bytes.
pub type Key = (i64, i64, Box<[u8]>);

/// A row's values, each as its bytes; `None`: NULL.
pub type Values<'a> = Vec<Option<&'a [u8]>>;

/// A table as it should be.
#[derive(Debug)]
pub struct Table {
    shape: Shape,
    rows: BTreeMap<Key, Box<[u8]>>,
}

impl Table {
    /// A table that should be empty.
    pub fn new(shape: Shape) -> Self {
        Table { shape, rows: BTreeMap::new() }
    }

    /// What it looks like.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The keys that should be there, in order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.rows.keys()
    }

    /// The rows that should be there, packed, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &[u8])> {
        self.rows.iter().map(|(key, packed)| (key, &**packed))
    }

    /// The rows that should be there, with their values.
    pub fn each(&self) -> impl Iterator<Item = (&Key, Values<'_>)> {
        self.rows.iter().map(|(key, packed)| (key, unpack(packed).collect()))
    }

    /// A row that is packed already should be there.
    pub fn put_packed(&mut self, key: Key, packed: Box<[u8]>) {
        self.rows.insert(key, packed);
    }

    /// A row should be there, in the place of any other of its key.
    pub fn put(&mut self, row: &[u8]) {
        let values = values(row);
        let key = self.key(&values);
        self.rows.insert(key, pack(&self.shape.columns, &values));
    }

    /// A row should be there, unless one of its key is there already; gives its key where it is
    /// new.
    pub fn put_new(&mut self, row: &[u8]) -> Option<Key> {
        let values = values(row);
        let key = self.key(&values);
        let Entry::Vacant(vacant) = self.rows.entry(key) else { return None };
        let key = vacant.key().clone();
        vacant.insert(pack(&self.shape.columns, &values));
        Some(key)
    }

    /// Some columns of a row that is there should have these values.
    pub fn set(&mut self, key: &Key, columns: &[(usize, Option<&[u8]>)]) {
        let Some(packed) = self.rows.get_mut(key) else { return };
        let new = |place: usize| columns.iter().find(|(of, _)| *of == place).map(|(_, value)| *value);
        *packed = join(unpack(packed).enumerate().map(|(place, value)| new(place).unwrap_or(value)));
    }

    /// A row that is there should now be so, but for the column `kept`, which stays.
    pub fn update(&mut self, row: &[u8], kept: Option<usize>) {
        let values = values(row);
        let key = self.key(&values);
        let columns = &self.shape.columns;
        let Some(standing) = self.rows.get_mut(&key) else { return };
        let new = pack(columns, &values);
        let kept_or_new = |(place, (old, new))| if kept == Some(place) { old } else { new };
        *standing = join(unpack(standing).zip(unpack(&new)).enumerate().map(kept_or_new));
    }

    /// The row of this row's key should be gone if the number in this column is at most `through`.
    pub fn retire(&mut self, row: &[u8], column: usize, through: u64) {
        let key = self.key(&values(row));
        let kind = self.shape.columns[column].kind;
        if self.rows.get(&key).is_some_and(|packed| is_gone(kind, packed, column, through)) {
            self.rows.remove(&key);
        }
    }

    /// All rows should be gone of which the number in this column is at most `through`.
    pub fn retire_all(&mut self, column: usize, through: u64) {
        let kind = self.shape.columns[column].kind;
        self.rows.retain(|_, packed| !is_gone(kind, packed, column, through));
    }

    /// No row of this key should be there.
    pub fn remove(&mut self, key: &Key) {
        self.rows.remove(key);
    }

    /// No row of this row's key should be there.
    pub fn remove_row(&mut self, row: &[u8]) {
        let key = self.key(&values(row));
        self.rows.remove(&key);
    }

    /// Of the rows whose key begins with `first` only those stay of which `stays` says so, given their values.
    pub fn retain_of(&mut self, first: i64, stays: impl Fn(&[Option<&[u8]>]) -> bool) {
        let of = self.rows.range((first, i64::MIN, Box::from([]))..).take_while(|(key, _)| key.0 == first);
        let gone: Vec<Key> = of.filter(|(_, packed)| !stays(&unpack(packed).collect::<Vec<_>>())).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| self.remove(key));
    }

    /// These columns of the rows that `chosen` names should be NULL.
    pub fn set_null(&mut self, columns: &[usize], chosen: impl Fn(&Key) -> bool) {
        for (_, packed) in self.rows.iter_mut().filter(|(key, _)| chosen(key)) {
            let null = |(place, value): (usize, Option<_>)| value.filter(|_| !columns.contains(&place));
            *packed = join(unpack(packed).enumerate().map(null));
        }
    }

    /// Compares a row that is there with the one that should be, but for what is in doubt; a row is not asked for twice.
    pub fn check(&mut self, row: &[u8], findings: &mut Findings, doubt: Option<&Doubt>) {
        findings.rows += 1;
        let values = values(row);
        let key = self.key(&values);
        let found = pack(&self.shape.columns, &values);
        let unpacked: Vec<_> = unpack(&found).collect();
        let is_untold = |what: What<'_>| doubt.is_some_and(|doubt| doubt.covers(&Row { shape: &self.shape, values: &unpacked }, what));
        let Some(expected) = self.rows.remove(&key) else {
            match is_untold(What::Surplus) {
                true => findings.untold += 1,
                false => findings.is_surplus(|| self.label(&unpacked)),
            }
            return;
        };
        if expected == found {
            return;
        }
        let label = self.label(&unpacked);
        for ((column, expected), found) in self.shape.columns.iter().zip(unpack(&expected)).zip(unpack(&found)) {
            if expected != found && is_untold(What::Column(&column.name)) {
                findings.untold += 1;
            } else if expected != found {
                findings.differs(&label, &column.name, show(column.kind, expected), show(column.kind, found));
            }
        }
    }

    /// Names the rows that were not found, of those that must be there and are not in doubt.
    pub fn finish(self, findings: &mut Findings, doubt: Option<&Doubt>, must_be_there: impl Fn(&[Option<&[u8]>]) -> bool) {
        for packed in self.rows.values() {
            let values: Vec<_> = unpack(packed).collect();
            let is_untold = || doubt.is_some_and(|doubt| doubt.covers(&Row { shape: &self.shape, values: &values }, What::Missing));
            if must_be_there(&values) && is_untold() {
                findings.untold += 1;
            } else if must_be_there(&values) {
                findings.is_missing(|| self.label(&values));
            }
        }
    }

    fn key(&self, values: &Values<'_>) -> Key {
        let mut numbers = Vec::with_capacity(2);
        let mut rest = Vec::new();
        for &place in &self.shape.key {
            let value = values.get(place).copied().flatten().unwrap_or_default();
            match number(self.shape.columns[place].kind, value) {
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

    /// A row's key as people read it.
    fn label(&self, unpacked: &[Option<&[u8]>]) -> String {
        let part = |&place: &usize| {
            let Column { name, kind } = &self.shape.columns[place];
            format!("{name} {}", show(*kind, unpacked.get(place).copied().flatten()))
        };
        self.shape.key.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

fn is_gone(kind: Kind, packed: &[u8], column: usize, through: u64) -> bool {
    let value = unpack(packed).nth(column).flatten().and_then(|value| number(kind, value));
    value.is_some_and(|value| value <= through as i64)
}

/// The values of a row: each behind its length, which is negative for NULL.
pub fn values(row: &[u8]) -> Values<'_> {
    let mut values = Vec::new();
    let mut rest = row;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (value, after) = after.split_at(length.unwrap_or(0).min(after.len()));
        values.push(length.map(|_| value));
        rest = after;
    }
    values
}

fn pack(columns: &[Column], values: &Values<'_>) -> Box<[u8]> {
    let mut out = Vec::new();
    for (column, value) in columns.iter().zip(values) {
        match (column.kind, value) {
            (Kind::Smallints, Some(value)) => push(&mut out, Some(&elements::<2>(value))),
            (Kind::Float8s, Some(value)) => push(&mut out, Some(&elements::<8>(value))),
            (_, value) => push(&mut out, *value),
        }
    }
    out.into_boxed_slice()
}

/// Packed values, out of values that are as in packed rows.
fn join<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Box<[u8]> {
    let mut out = Vec::new();
    values.for_each(|value| push(&mut out, value));
    out.into_boxed_slice()
}

/// A length of less than 254 takes a byte; 255 says NULL.
fn push(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => out.push(255),
        Some(value) => {
            if value.len() < 254 {
                out.push(value.len() as u8);
            } else {
                out.push(254);
                out.extend_from_slice(&(value.len() as u32).to_be_bytes());
            }
            out.extend_from_slice(value);
        }
    }
}

/// The values of a packed row; arrays as the bytes of their elements behind the byte 1, or as they came behind 0.
fn unpack(packed: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        let (length, after) = match first {
            255 => {
                rest = after;
                return Some(None);
            }
            254 => {
                let (length, after) = after.split_first_chunk::<4>()?;
                (u32::from_be_bytes(*length) as usize, after)
            }
            length => (usize::from(length), after),
        };
        let (value, after) = after.split_at_checked(length)?;
        rest = after;
        Some(Some(value))
    })
}

/// Bytes before the elements of an array of one dimension: dimensions, whether there are NULLs, type, length, first index.
pub const ARRAY_HEADER: usize = 20;

/// The elements of an array of one dimension, from index 1 and without NULL; anything else as it came.
fn elements<const N: usize>(array: &[u8]) -> Vec<u8> {
    let word = |place: usize| array.get(place * 4..place * 4 + 4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let is_plain = (word(0), word(1), word(4)) == (Some(1), Some(0), Some(1));
    let whole = word(3).is_some_and(|count| array.len() == ARRAY_HEADER + count as usize * (4 + N));
    let mut out = Vec::with_capacity(array.len());
    if is_plain && whole {
        out.push(1);
        array[ARRAY_HEADER..].chunks_exact(4 + N).for_each(|element| out.extend_from_slice(&element[4..]));
    } else {
        out.push(0);
        out.extend_from_slice(array);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::encode::CopyBuffer;

    fn shape() -> Shape {
        let column = |(name, kind): (&str, Kind)| Column { name: name.to_string(), kind };
        let columns = [("customer_id", Kind::Bigint), ("name", Kind::Text), ("context", Kind::Smallints), ("reward", Kind::Float8)];
        Shape { table: "interactions", columns: columns.map(column).to_vec(), key: vec![0, 1], select: String::new() }
    }

    fn rows(rows: &[(i64, &str, &[i16], Option<f64>)]) -> CopyBuffer {
        let mut buffer = CopyBuffer::default();
        for (customer, name, context, reward) in rows {
            buffer.row(4);
            buffer.bigint(*customer);
            buffer.text(name.as_bytes());
            buffer.smallints(context);
            buffer.optional(*reward, CopyBuffer::float8);
        }
        buffer
    }

    /// Key, column, what should be there, what is.
    type Named = (String, Option<String>, Option<String>, Option<String>);

    fn compare(mut table: Table, found: &CopyBuffer) -> Vec<Named> {
        let mut findings = Findings::new("interactions");
        found.each_row().for_each(|row| table.check(row, &mut findings, None));
        table.finish(&mut findings, None, |_| true);
        assert_eq!(findings.total as usize, findings.named.len());
        findings.named.into_iter().map(|d| (d.key, d.column, d.expected, d.found)).collect()
    }

    fn table(of: &[(i64, &str, &[i16], Option<f64>)]) -> Table {
        let mut table = Table::new(shape());
        rows(of).each_row().for_each(|row| table.put(row));
        table
    }

    #[test]
    fn equal_rows_in_another_order_do_not_differ() {
        let long = "x".repeat(300);
        let all: [(i64, &str, &[i16], Option<f64>); 3] = [(-1, "a", &[1, -2], Some(0.5)), (2, &long, &[], None), (2, "", &[7], Some(f64::MIN))];
        let mut other = all;
        other.reverse();
        assert_eq!(compare(table(&all), &rows(&other)), []);
    }

    #[test]
    fn a_value_a_missing_and_a_surplus_row_are_named() {
        let found = compare(
            table(&[(1, "a", &[1, 2], Some(0.5)), (2, "b", &[3], None), (3, "c", &[], Some(0.0))]),
            &rows(&[(1, "a", &[1, 3], None), (3, "c", &[], Some(-0.0)), (4, "d", &[], None)]),
        );
        let text = |text: &str| Some(text.to_string());
        let key = |customer: i64, name: &str| format!("customer_id {customer}, name {name:?}");
        assert_eq!(
            found,
            [
                (key(1, "a"), text("context"), text("{1,2}"), text("{1,3}")),
                (key(1, "a"), text("reward"), text("0.5"), text("NULL")),
                (key(3, "c"), text("reward"), text("0"), text("-0")),
                (key(4, "d"), None, None, text("a row")),
                (key(2, "b"), None, text("a row"), None),
            ]
        );
    }

    #[test]
    fn rows_are_updated_kept_removed_and_emptied() {
        let mut own = table(&[(1, "a", &[1], Some(0.5)), (1, "b", &[2], None), (2, "a", &[3], Some(1.0))]);
        rows(&[(1, "a", &[9], Some(2.0)), (7, "not there", &[1], None)]).each_row().for_each(|row| own.update(row, Some(2)));
        rows(&[(2, "a", &[4], None), (3, "c", &[5], Some(4.0))]).each_row().for_each(|row| drop(own.put_new(row)));
        own.retain_of(1, |values| values[3].is_some());
        own.set_null(&[3], |key| key.0 == 2);
        assert_eq!(compare(own, &rows(&[(1, "a", &[1], Some(2.0)), (2, "a", &[3], None), (3, "c", &[5], Some(4.0))])), []);
    }

    #[test]
    fn arrays_that_nobody_here_writes_are_told_apart() {
        let plain = values_of(&[1, 2]);
        let mut from_zero = plain.clone();
        from_zero[ARRAY_HEADER - 1] = 0;
        assert_ne!(elements::<2>(&plain), elements::<2>(&from_zero));
        assert_eq!(elements::<2>(&plain), [1, 0, 1, 0, 2]);
    }

    fn values_of(array: &[i16]) -> Vec<u8> {
        let buffer = rows(&[(0, "", array, None)]);
        let row = buffer.each_row().next().expect("a row");
        values(row)[2].expect("an array").to_vec()
    }
}
