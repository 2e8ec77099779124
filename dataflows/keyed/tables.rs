//! The tables of a small dataflow: its own, and what every one has beside it.

use super::Keyed;
use crate::event::tables::{dead_letters, erasures};
use crate::table::{Column, ColumnType, Table, When};

/// All of them, in the order in which an epoch's rows are told: its own, erasures, dead letters.
pub fn tables<K: Keyed>() -> [Table; 3] {
    let events = Column::of("events", ColumnType::Bigint, "How many events went.")
        .or_null()
        .untold(&[When::Since("epoch")]);
    [K::table(), erasures(vec![events], "events"), dead_letters()]
}
