//! What of a table is taken on trust.

use crate::table::value::number;
use dataflows::table::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows that are taken on trust: all that were last written up to an epoch, and of which nothing
/// that was computed since says that they are otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The epoch.
    pub through: u64,
    /// By the first number of the key, in which column and up to when a row should be gone.
    pub(super) taken: BTreeMap<i64, (usize, i64)>,
}

impl Trust {
    /// Of everything up to an epoch.
    pub fn up_to(through: u64) -> Trust {
        Trust { through, taken: BTreeMap::new() }
    }

    pub(super) fn covers(&self, table: &Table, first: i64, values: &[Option<&[u8]>]) -> bool {
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
