//! The rows that are there, against those that should be.

use super::{UNKNOWN, UNKNOWN_IF_THERE, Wanted};
use crate::postgres::comparison::difference::Findings;
use crate::postgres::comparison::doubt::{Doubt, DoubtedRow, What};
use crate::table::packed::{pack, unpack, values};
use crate::table::value::show;
use dataflows::table::Column;

impl Wanted {
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
                doubt.covers(&DoubtedRow { table: &self.table, values: &unpacked }, what)
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
        if self.table.columns.iter().any(|column| column.later) {
            let expected: Vec<_> = unpack(&expected).collect();
            let mut later = std::mem::take(&mut self.later);
            later.note(&self.table, &expected, &unpacked, || self.label(&unpacked));
            self.later = later;
        }
        if expected == found {
            return;
        }
        let label = self.label(&unpacked);
        for ((column, expected), found) in
            self.table.columns.iter().zip(unpack(&expected)).zip(unpack(&found))
        {
            if is_unknown(expected) || column.later && found.is_none() {
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
                    doubt.covers(&DoubtedRow { table: &self.table, values: &values }, What::Missing)
                })
            };
            if must_be_there(&values) && is_untold() {
                findings.untold += 1;
            } else if must_be_there(&values) {
                findings.is_missing(|| self.label(&values));
            }
        }
        self.later.finish(&self.table, findings);
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

fn is_unknown(value: Option<&[u8]>) -> bool {
    value == Some(UNKNOWN) || value == Some(UNKNOWN_IF_THERE)
}
