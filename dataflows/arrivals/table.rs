//! The table of arrivals.

use crate::table::{Column, Erase, Keep, Kind, Rule, Table};

/// One row a customer.
pub(super) fn arrivals() -> Table {
    Table {
        name: "arrivals",
        help: "How often a customer came, and when first and last.",
        columns: vec![
            Column::of("customer_id", Kind::Bigint, "Whose."),
            Column::of("arrivals", Kind::Bigint, "How many arrivals."),
            Column::of("first", Kind::Timestamp, "When the first was."),
            Column::of("last", Kind::Timestamp, "When the last was."),
            Column::of("epoch", Kind::Bigint, "The epoch that wrote it last."),
        ],
        own: Vec::new(),
        key: &["customer_id"],
        rule: Rule::Changes { again: false },
        keep: Keep::All,
        erase: Erase::Rows { customer: "customer_id", instant: None, of_before: &[] },
    }
}
