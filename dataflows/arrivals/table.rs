//! The table of arrivals.

use crate::table::{Column, ColumnType, Erase, Keep, Rule, Table, Untold, When};

/// All that is seen of a customer follows from records of one key.
const OF_THEIRS: &[When] = &[When::Of("customer_id")];

/// One row a customer.
pub(super) fn arrivals() -> Table {
    Table {
        name: "arrivals",
        help: "How often a customer came, and when first and last.",
        columns: vec![
            Column::of("customer_id", ColumnType::Bigint, "Whose."),
            Column::of("arrivals", ColumnType::Bigint, "How many arrivals.").untold(OF_THEIRS),
            Column::of("first", ColumnType::Timestamp, "When the first was.").untold(OF_THEIRS),
            Column::of("last", ColumnType::Timestamp, "When the last was.").untold(OF_THEIRS),
            Column::of("epoch", ColumnType::Bigint, "The epoch that wrote it last.")
                .untold(OF_THEIRS),
        ],
        own: Vec::new(),
        key: &["customer_id"],
        rule: Rule::Changes { again: false },
        keep: Keep::All,
        erase: Erase::Rows { customer: "customer_id", instant: None, of_before: &[] },
        untold: Untold::both(OF_THEIRS),
    }
}
