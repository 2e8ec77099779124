//! Tables that every dataflow has: of records that could not be taken, and of erasures.

use super::Rejected;
use crate::table::{Blank, Column, ColumnType, Erase, Keep, Own, Rule, Table, Untold, When};
use ColumnType::{Bigint, Bytes, Integer, Text, Timestamp};

/// The table of records that could not be taken.
pub const DEAD_LETTERS: &str = "dead_letters";

/// The table of erasures.
pub const ERASURES: &str = "erasures";

/// Records that could not be taken.
pub fn dead_letters() -> Table {
    Table {
        name: DEAD_LETTERS,
        help: "A record that could not be taken, and why.",
        columns: vec![
            Column::of("topic", Text, "Its topic, by the name at the broker."),
            Column::of("partition", Integer, "Its partition."),
            Column::of("position", Bigint, "Its offset, or where it stands in a file."),
            Column::of("reason", Text, "Why it was rejected, in a word."),
            Column::of("detail", Text, "Why, in a sentence."),
            Column::of("raw", Bytes, "The record."),
            Column::of("epoch", Bigint, "The epoch that wrote it last."),
            Column::of("customer_id", Bigint, "Whose, where that can be told.").or_null(),
            Column::of("dated", Timestamp, "When; -infinity: nobody knows.").or_null(),
            Column::of("blanked", Bigint, "The epoch that erased its customer.").or_null(),
        ],
        own: vec![Own::number("id"), Own::clock("received_at")],
        key: &["topic", "partition", "position", "reason"],
        rule: Rule::Stays,
        keep: Keep::Days {
            since: "received_at",
            epochs: &["epoch", "blanked"],
            setting: "keep_dead_letters",
        },
        erase: Erase::Blanks {
            customer: "customer_id",
            instant: "dated",
            columns: &[
                ("detail", Blank::Text(Rejected::BLANKED)),
                ("raw", Blank::NoBytes),
                ("customer_id", Blank::Null),
                ("dated", Blank::Null),
                ("blanked", Blank::Epoch),
            ],
            remains: "place and reason; letters that name nobody, neither by a field nor by their \
                key",
        },
        untold: Untold::surplus(&[When::Since("epoch"), When::From("topic")]),
    }
}

/// Reports of erasures, with these numbers of what went; `learned` is the one that says how many
/// of them had entered sums over many.
pub fn erasures(counts: Vec<Column>, learned: &'static str) -> Table {
    let begins = [
        Column::of("epoch", Bigint, "The epoch that did it.").or_null(),
        Column::of("customer_id", Bigint, "Whose."),
        Column::of("instant", Timestamp, "Up to when; infinity: for ever."),
    ];
    let ends = [
        Column::of("digest_before", Text, "That of the model before the epoch.")
            .or_null()
            .untold(&[When::Since("epoch")]),
        Column::of("digest_after", Text, "That of the model after the epoch.")
            .or_null()
            .untold(&[When::Since("epoch")]),
        Column::of("repetition", Bigint, "Which of those of an epoch.").numbering(),
    ];
    Table {
        name: ERASURES,
        help: "That a customer was erased, up to which instant, and what went with it.",
        columns: begins.into_iter().chain(counts).chain(ends).collect(),
        own: vec![Own::number("id"), Own::clock("requested_at"), Own::count("dead_letters")],
        key: &["epoch", "customer_id", "instant", "repetition"],
        rule: Rule::Adds,
        keep: Keep::All,
        erase: Erase::Reports {
            because: "without it an old record would bring the customer back",
            customer: "customer_id",
            instant: "instant",
            learned,
        },
        untold: Untold::NONE,
    }
}
