//! What an erasure takes out of a table that should be so.

use super::{Key, Wanted, nth};
use crate::table::encode::microseconds;
use crate::table::packed::{Values, join, unpack};
use crate::table::value::number;
use dataflows::event::{CustomerId, Millis};
use dataflows::table::{Blank, Erase};
use std::collections::BTreeMap;

impl Wanted {
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
    pub(super) fn whose(&self, values: &Values<'_>) -> Option<(CustomerId, i64)> {
        let Erase::Blanks { customer, instant, .. } = self.table.erase else { return None };
        let of = |column: &str| {
            let place = self.table.place(column)?;
            number(self.table.columns[place].kind, values.get(place).copied().flatten()?)
        };
        Some((of(customer)?, of(instant)?))
    }

    /// Of the rows whose key begins with `first` only those stay of which the instant in this
    /// column is later than `until`.
    pub(super) fn take_until(&mut self, first: i64, column: usize, until: i64) {
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
    pub(super) fn set_null(&mut self, columns: &[usize], chosen: impl Fn(&Key) -> bool) {
        for (_, packed) in self.rows.iter_mut().filter(|(key, _)| chosen(key)) {
            let null =
                |(place, value): (usize, Option<_>)| value.filter(|_| !columns.contains(&place));
            *packed = join(unpack(packed).enumerate().map(null));
        }
    }
}
