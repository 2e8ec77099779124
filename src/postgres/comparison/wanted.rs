//! The rows that a table should have, packed, and compared with those that it has.
//!
//! Every table is folded by what its declaration says: what a row does to the one that is there,
//! how long it is kept, and what an erasure does to it.

use super::difference::Findings;
use super::doubt::{Doubt, Row, What};
use crate::table::Changes;
use crate::table::encode::microseconds;
use crate::table::packed::{Values, join, pack, unpack, values};
use crate::table::value::{number, show};
use dataflows::event::{CustomerId, Millis};
use dataflows::table::{Blank, Column, Erase, Kind, Rule, Table};
use serde::{Deserialize, Serialize};
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
}

impl Wanted {
    /// A table that should be empty.
    pub fn new(table: Arc<Table>) -> Self {
        let key = table.key_places();
        Wanted { table, key, rows: BTreeMap::new(), trust: None, anew: false, rows_of: None }
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

    /// Takes out what an epoch erases of a customer, up to an instant.
    pub fn erase(&mut self, customer: CustomerId, until: Millis, epoch: u64) {
        match self.table.erase {
            Erase::Rows { instant: Some(instant), .. } => {
                if let Some(column) = self.table.place(instant) {
                    self.take_until(customer, column, microseconds(until));
                }
            }
            Erase::Blanks { columns, .. } => self.blank(customer, until, columns, epoch),
            _ => {}
        }
    }

    /// Of sums, only the newest of each group have nothing of the erased in them.
    pub fn empty_sums(&mut self) {
        let Erase::Sums { columns, .. } = self.table.erase else { return };
        let columns = self.table.places(columns);
        let newest: BTreeMap<i64, i64> =
            self.keys().map(|&(version, group, _)| (group, version)).collect();
        self.set_null(&columns, |(version, group, _)| {
            newest.get(group).is_some_and(|newest| version < newest)
        });
    }

    /// What is left of the rows of a customer that are dated up to an instant.
    fn blank(
        &mut self,
        customer: CustomerId,
        until: Millis,
        columns: &[(&str, Blank)],
        epoch: u64,
    ) {
        let of_before = self.rows_of.take().unwrap_or_else(|| self.find_rows_of());
        let rows_of = self.rows_of.insert(of_before);
        let Some(rows) = rows_of.get_mut(&customer) else { return };
        let gone: Vec<Key> = rows
            .extract_if(.., |(_, dated)| *dated <= microseconds(until))
            .map(|(key, _)| key)
            .collect();
        let epoch = (epoch as i64).to_be_bytes();
        let blanks: Vec<(usize, Option<&[u8]>)> = columns
            .iter()
            .filter_map(|(column, blank)| {
                let value = match blank {
                    Blank::Text(text) => Some(text.as_bytes()),
                    Blank::NoBytes => Some(&[][..]),
                    Blank::Null => None,
                    Blank::Epoch => Some(&epoch[..]),
                };
                Some((self.table.place(column)?, value))
            })
            .collect();
        gone.iter().for_each(|key| self.set(key, &blanks));
    }

    /// The rows that are somebody's.
    fn find_rows_of(&self) -> BTreeMap<CustomerId, Vec<(Key, i64)>> {
        let mut rows: BTreeMap<CustomerId, Vec<(Key, i64)>> = BTreeMap::new();
        for (key, values) in self.each() {
            if let Some((customer, dated)) = self.whose(&values) {
                rows.entry(customer).or_default().push((key.clone(), dated));
            }
        }
        rows
    }

    /// Whose a row is that is blanked, and when it is dated.
    fn whose(&self, values: &Values<'_>) -> Option<(CustomerId, i64)> {
        let Erase::Blanks { customer, instant, .. } = self.table.erase else { return None };
        let of = |column: &str| {
            let place = self.table.place(column)?;
            number(self.table.columns[place].kind, values.get(place).copied().flatten()?)
        };
        Some((of(customer)?, of(instant)?))
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

    /// Of the rows whose key begins with `first` only those stay of which the instant in this
    /// column is later than `until`.
    pub fn take_until(&mut self, first: i64, column: usize, until: i64) {
        let kind = self.table.columns[column].kind;
        let of = self
            .rows
            .range((first, i64::MIN, Box::from([]))..)
            .take_while(|(key, _)| key.0 == first);
        let goes = |packed: &[u8]| !packed.is_empty() && nth(kind, packed, column) <= Some(until);
        let gone: Vec<Key> =
            of.filter(|(_, packed)| goes(packed)).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| self.remove(key));
        if let Some(trust) = &mut self.trust {
            let taken = trust.taken.entry(first).or_insert((column, until));
            taken.1 = taken.1.max(until);
        }
    }

    /// These columns of the rows that `chosen` names should be NULL.
    pub fn set_null(&mut self, columns: &[usize], chosen: impl Fn(&Key) -> bool) {
        for (_, packed) in self.rows.iter_mut().filter(|(key, _)| chosen(key)) {
            let null =
                |(place, value): (usize, Option<_>)| value.filter(|_| !columns.contains(&place));
            *packed = join(unpack(packed).enumerate().map(null));
        }
    }

    /// Compares a row that is there with the one that should be, but for what is in doubt; a row is
    /// not asked for twice.
    pub fn check(&mut self, row: &[u8], findings: &mut Findings, doubt: Option<&Doubt>) {
        findings.rows += 1;
        let values = values(row);
        let key = self.key(&values);
        let found = pack(&self.table.columns, &values);
        let unpacked: Vec<_> = unpack(&found).collect();
        let is_untold = |what: What<'_>| {
            doubt.is_some_and(|doubt| {
                doubt.covers(&Row { table: &self.table, values: &unpacked }, what)
            })
        };
        let standing = self.rows.remove(&key);
        let should_be_gone = standing.as_ref().is_some_and(|packed| packed.is_empty());
        let Some(expected) = standing.filter(|packed| !packed.is_empty()) else {
            if !should_be_gone
                && self
                    .trust
                    .as_ref()
                    .is_some_and(|trust| trust.covers(&self.table, key.0, &unpacked))
            {
                findings.trusted += 1;
                findings.rows -= 1;
            } else if is_untold(What::Surplus) {
                findings.untold += 1;
            } else {
                findings.is_surplus(|| self.label(&unpacked));
            }
            return;
        };
        if expected == found {
            return;
        }
        let label = self.label(&unpacked);
        for ((column, expected), found) in
            self.table.columns.iter().zip(unpack(&expected)).zip(unpack(&found))
        {
            if is_unknown(expected) {
                continue;
            }
            if expected != found && is_untold(What::Column(&column.name)) {
                findings.untold += 1;
            } else if expected != found {
                findings.differs(
                    &label,
                    &column.name,
                    show(column.kind, expected),
                    show(column.kind, found),
                );
            }
        }
    }

    /// Names the rows that were not found, of those that must be there and are not in doubt.
    pub fn finish(
        self,
        findings: &mut Findings,
        doubt: Option<&Doubt>,
        must_be_there: impl Fn(&[Option<&[u8]>]) -> bool,
    ) {
        for packed in self.rows.values().filter(|packed| !packed.is_empty()) {
            let values: Vec<_> = unpack(packed).collect();
            if values.contains(&Some(UNKNOWN_IF_THERE)) {
                continue;
            }
            let is_untold = || {
                doubt.is_some_and(|doubt| {
                    doubt.covers(&Row { table: &self.table, values: &values }, What::Missing)
                })
            };
            if must_be_there(&values) && is_untold() {
                findings.untold += 1;
            } else if must_be_there(&values) {
                findings.is_missing(|| self.label(&values));
            }
        }
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

    /// A row's key as people read it.
    fn label(&self, unpacked: &[Option<&[u8]>]) -> String {
        let part = |&place: &usize| {
            let Column { name, kind, .. } = &self.table.columns[place];
            format!("{name} {}", show(*kind, unpacked.get(place).copied().flatten()))
        };
        self.key.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

/// What stands for the value of a column that is not known; no text begins with this byte.
const UNKNOWN: &[u8] = b"\xff";

/// The same, in a row that may have gone with the epochs that are not kept.
const UNKNOWN_IF_THERE: &[u8] = b"\xfe";

fn is_unknown(value: Option<&[u8]>) -> bool {
    value == Some(UNKNOWN) || value == Some(UNKNOWN_IF_THERE)
}

/// Rows that are taken on trust: all that were last written up to an epoch, and of which nothing
/// that was computed since says that they are otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The epoch.
    pub through: u64,
    /// By the first number of the key, in which column and up to when a row should be gone.
    taken: BTreeMap<i64, (usize, i64)>,
}

impl Trust {
    /// Of everything up to an epoch.
    pub fn up_to(through: u64) -> Trust {
        Trust { through, taken: BTreeMap::new() }
    }

    fn covers(&self, table: &Table, first: i64, values: &[Option<&[u8]>]) -> bool {
        let value = |column: usize| {
            values
                .get(column)
                .copied()
                .flatten()
                .and_then(|value| number(table.columns[column].kind, value))
        };
        let written = table.epoch().and_then(|epoch| table.place(epoch));
        let is_taken =
            self.taken.get(&first).is_some_and(|(column, until)| value(*column) <= Some(*until));
        !is_taken && written.and_then(value).is_some_and(|epoch| epoch <= self.through as i64)
    }
}

fn nth(kind: Kind, packed: &[u8], column: usize) -> Option<i64> {
    unpack(packed).nth(column).flatten().and_then(|value| number(kind, value))
}

fn is_gone(kind: Kind, packed: &[u8], column: usize, through: u64) -> bool {
    nth(kind, packed, column).is_some_and(|value| value <= through as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::encode::CopyBuffer;
    use dataflows::table::Keep;

    fn declared(columns: Vec<Column>, key: &'static [&'static str]) -> Arc<Table> {
        Arc::new(Table {
            name: "interactions",
            help: "",
            columns,
            own: Vec::new(),
            key,
            rule: Rule::Changes { again: false },
            keep: Keep::All,
            erase: Erase::Nobody { because: "" },
        })
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

    fn compare(mut table: Wanted, found: &CopyBuffer) -> Vec<Named> {
        let mut findings = Findings::new("interactions");
        found.each_row().for_each(|row| table.check(row, &mut findings, None));
        table.finish(&mut findings, None, |_| true);
        assert_eq!(findings.total as usize, findings.named.len());
        findings.named.into_iter().map(|d| (d.key, d.column, d.expected, d.found)).collect()
    }

    fn table(of: &[(i64, &str, &[i16], Option<f64>)]) -> Wanted {
        let columns = vec![
            Column::of("customer_id", Kind::Bigint, ""),
            Column::of("name", Kind::Text, ""),
            Column::of("context", Kind::Smallints, "").once(),
            Column::of("reward", Kind::Float8, ""),
        ];
        let mut table = Wanted::new(declared(columns, &["customer_id", "name"]));
        rows(of).each_row().for_each(|row| table.put(row));
        table
    }

    #[test]
    fn equal_rows_in_another_order_do_not_differ() {
        let long = "x".repeat(300);
        let all: [(i64, &str, &[i16], Option<f64>); 3] =
            [(-1, "a", &[1, -2], Some(0.5)), (2, &long, &[], None), (2, "", &[7], Some(f64::MIN))];
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
        let mut own =
            table(&[(1, "a", &[1], Some(0.5)), (1, "b", &[2], None), (2, "a", &[3], Some(1.0))]);
        rows(&[(1, "a", &[9], Some(2.0)), (7, "not there", &[1], None)])
            .each_row()
            .for_each(|row| own.update(row, false));
        rows(&[(2, "a", &[4], None), (3, "c", &[5], Some(4.0))])
            .each_row()
            .for_each(|row| drop(own.put_new(row)));
        own.take_until(1, 0, 0);
        own.set_null(&[3], |key| key.0 == 2);
        assert_eq!(
            compare(
                own,
                &rows(&[
                    (1, "a", &[1], Some(2.0)),
                    (1, "b", &[2], None),
                    (2, "a", &[3], None),
                    (3, "c", &[5], Some(4.0))
                ])
            ),
            []
        );
    }

    /// A table of epochs, and its rows: customer, name, instant and epoch.
    fn dated(of: &[(i64, &str, i64, i64)]) -> (Wanted, CopyBuffer) {
        let columns = vec![
            Column::of("customer_id", Kind::Bigint, ""),
            Column::of("name", Kind::Text, "").once(),
            Column::of("ts", Kind::Bigint, ""),
            Column::of("epoch", Kind::Bigint, ""),
        ];
        let mut buffer = CopyBuffer::default();
        for (customer, name, at, epoch) in of {
            buffer.row(4);
            buffer.bigint(*customer);
            buffer.text(name.as_bytes());
            [at, epoch].into_iter().for_each(|number| buffer.bigint(*number));
        }
        (Wanted::new(declared(columns, &["customer_id"])), buffer)
    }

    /// What differs of rows that are there, and how many were not compared.
    fn on_trust(
        prepare: impl FnOnce(&mut Wanted),
        found: &[(i64, &str, i64, i64)],
    ) -> (Vec<String>, u64) {
        let (mut table, found) = dated(found);
        table.trust(Trust::up_to(7));
        prepare(&mut table);
        let mut findings = Findings::new("interactions");
        found.each_row().for_each(|row| table.check(row, &mut findings, None));
        let trusted = findings.trusted;
        assert_eq!(findings.rows + trusted, found.each_row().count() as u64);
        table.finish(&mut findings, None, |_| true);
        (
            findings
                .named
                .into_iter()
                .map(|named| format!("{} {}", named.key, named.column.unwrap_or_default()))
                .collect(),
            trusted,
        )
    }

    #[test]
    fn what_was_written_before_is_trusted_unless_something_since_says_otherwise() {
        let row = |row| dated(&[row]).1;
        let update = |table: &mut Wanted, may_be_gone| {
            row((1, "", 5, 9)).each_row().for_each(|row| table.update(row, may_be_gone))
        };
        let none = Vec::<String>::new;
        assert_eq!(on_trust(|_| (), &[(1, "a", 5, 7), (2, "b", 5, 3)]), (none(), 2));
        assert_eq!(
            on_trust(|_| (), &[(1, "a", 5, 8)]),
            (vec!["customer_id 1 ".to_string()], 0),
            "it was written since"
        );
        // What was corrected is known but for its name.
        assert_eq!(on_trust(|table| update(table, false), &[(1, "any", 5, 9)]), (none(), 0));
        assert_eq!(
            on_trust(|table| update(table, false), &[(1, "any", 5, 7)]),
            (vec!["customer_id 1 epoch".to_string()], 0)
        );
        assert_eq!(
            on_trust(|table| update(table, false), &[]),
            (vec!["customer_id 1 ".to_string()], 0)
        );
        assert_eq!(on_trust(|table| update(table, true), &[]), (none(), 0), "it may have been old");
        assert_eq!(
            on_trust(|table| update(table, true), &[(1, "any", 6, 9)]),
            (vec!["customer_id 1 ts".to_string()], 0)
        );
        // What was taken away must not be there, until it comes again.
        let remove = |table: &mut Wanted| table.remove(&(1, 0, Box::from([])));
        assert_eq!(
            on_trust(remove, &[(1, "a", 5, 7), (2, "b", 5, 7)]),
            (vec!["customer_id 1 ".to_string()], 1)
        );
        let again = |table: &mut Wanted| {
            remove(table);
            update(table, true);
            assert_eq!(
                (table.keys().count(), table.each().count()),
                (0, 0),
                "what is gone is not corrected"
            );
            row((1, "b", 6, 9))
                .each_row()
                .for_each(|row| drop(table.put_new(row).expect("it is new")));
        };
        assert_eq!(on_trust(again, &[(1, "b", 6, 9)]), (none(), 0));
        let take = |table: &mut Wanted| table.take_until(1, 2, 5);
        assert_eq!(
            on_trust(take, &[(1, "a", 5, 7), (2, "b", 5, 7)]),
            (vec!["customer_id 1 ".to_string()], 1)
        );
        assert_eq!(on_trust(take, &[(1, "a", 6, 7)]), (none(), 1), "it is dated later");
    }
}
