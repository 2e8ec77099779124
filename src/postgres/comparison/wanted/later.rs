//! Columns that came after their table. Rows of before have nothing in them, and nobody can say
//! when that ended; but it did not come back, so of each group such rows are older than all others.

use crate::postgres::comparison::difference::Findings;
use crate::table::value::{number, show};
use dataflows::table::{Keep, Table};
use std::collections::BTreeMap;

/// What was found in columns that came after their table, by column and group.
#[derive(Debug, Default)]
pub(super) struct LaterColumns {
    found: BTreeMap<(usize, Group), Bounds>,
}

/// What tells a group, where the table has groups.
type Group = Option<Box<[u8]>>;

/// Of one of them.
#[derive(Debug, Default)]
struct Bounds {
    /// The newest row that has nothing in it, though it should: its epoch, its key, and what it
    /// should have.
    without: Option<(i64, String, String)>,
    /// The epoch of the oldest row that has something in it.
    with: Option<i64>,
}

impl LaterColumns {
    /// Takes note of a row that is there; `label` names it.
    pub(super) fn note(
        &mut self,
        table: &Table,
        expected: &[Option<&[u8]>],
        found: &[Option<&[u8]>],
        label: impl Fn() -> String,
    ) {
        let number_of = |column: &str| {
            let place = table.place(column)?;
            number(table.columns[place].kind, found.get(place).copied().flatten()?)
        };
        let Some(epoch) = table.epoch().and_then(number_of) else { return };
        let group = match table.keep {
            Keep::Versions { group, .. } => table.place(group),
            _ => None,
        };
        let group = group.and_then(|place| found.get(place).copied().flatten());
        for (place, column) in table.columns.iter().enumerate().filter(|(_, column)| column.later) {
            let (expected, found) = (expected.get(place), found.get(place).copied().flatten());
            let bounds = self.found.entry((place, group.map(Box::from))).or_default();
            if found.is_some() {
                bounds.with = Some(bounds.with.map_or(epoch, |with| with.min(epoch)));
            } else if let Some(Some(expected)) = expected
                && bounds.without.as_ref().is_none_or(|(newest, ..)| *newest < epoch)
            {
                bounds.without = Some((epoch, label(), show(column.kind, Some(expected))));
            }
        }
    }

    /// Names the rows that have nothing in them though older ones have.
    pub(super) fn finish(self, table: &Table, findings: &mut Findings) {
        for ((place, _), Bounds { without, with }) in self.found {
            if let (Some((epoch, label, expected)), Some(with)) = (without, with)
                && with < epoch
            {
                let column = &table.columns[place].name;
                findings.differs(&label, column, expected, show(table.columns[place].kind, None));
            }
        }
    }
}
