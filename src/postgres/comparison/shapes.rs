//! The tables that are compared: their columns, their keys, and how they are read.
//!
//! When something was written, ids that only count, and what people may edit are left out.

use super::table::{Column, Shape};
use super::value::Kind;
use crate::identifiers::quote_all;
use crate::postgres::rows::{
    DEAD_LETTER_COLUMNS, DECISION_COLUMNS, INTERACTION_COLUMNS, MODEL_COLUMNS,
};
use crate::postgres::schema::feature_columns;
use Kind::{
    Bigint, Boolean, Bytes, Day, Float8, Float8s, Integer, Smallint, Smallints, Text, Timestamp,
};

/// A column that is read under its own name.
fn named((name, kind): (&str, Kind)) -> Column {
    Column { name: name.to_string(), kind }
}

/// A table of which columns are read as they are, with the kinds of all of them.
fn plain<'a>(
    table: &'static str,
    columns: impl IntoIterator<Item = &'a str>,
    kinds: impl IntoIterator<Item = Kind>,
    key: &[usize],
) -> Shape {
    let columns: Vec<Column> = columns.into_iter().zip(kinds).map(named).collect();
    let select = format!(
        "SELECT {} FROM {table}",
        quote_all(columns.iter().map(|column| column.name.as_str()))
    );
    Shape { table, columns, key: key.to_vec(), select }
}

/// A table of which the columns are read by this query.
fn queried(table: &'static str, columns: &[(&str, Kind)], key: &[usize], select: &str) -> Shape {
    Shape {
        table,
        columns: columns.iter().copied().map(named).collect(),
        key: key.to_vec(),
        select: select.to_string(),
    }
}

/// `interactions`, by customer and key.
pub fn interactions() -> Shape {
    let kinds = [
        Bigint, Bigint, Text, Timestamp, Smallint, Float8, Float8, Boolean, Bigint, Bigint,
        Smallints, Bigint,
    ];
    plain("interactions", INTERACTION_COLUMNS, kinds, &[0, 1])
}

/// Where the text of its id stands among the columns of `interactions`: it is written once.
pub const INTERACTION_NAME: usize = 2;

/// Where its instant stands among the columns of `interactions`.
pub const INTERACTION_INSTANT: usize = 3;

/// Where its epoch stands among the columns of `interactions`.
pub const INTERACTION_EPOCH: usize = 11;

/// `customer_features`, by customer.
pub fn customer_features(features: &[String]) -> Shape {
    let kinds = [Bigint]
        .into_iter()
        .chain(features.iter().map(|_| Float8))
        .chain([Timestamp, Timestamp, Timestamp, Bigint]);
    plain("customer_features", feature_columns(features), kinds, &[0])
}

/// `decisions`, by customer and key.
pub fn decisions() -> Shape {
    let kinds = [
        Text, Bigint, Bigint, Timestamp, Smallint, Text, Float8, Float8, Float8, Float8s, Bigint,
        Text, Smallints, Bigint,
    ];
    plain("decisions", DECISION_COLUMNS, kinds, &[1, 2])
}

/// Where its instant stands among the columns of `decisions`.
pub const DECISION_INSTANT: usize = 3;

/// Where its epoch stands among the columns of `decisions`.
pub const DECISION_EPOCH: usize = 13;

/// `model_versions`, by version and arm.
pub fn model_versions() -> Shape {
    plain(
        "model_versions",
        MODEL_COLUMNS,
        [Bigint, Smallint, Bigint, Bytes, Bytes, Float8s],
        &[0, 1],
    )
}

/// Where the sums stand among the columns of `model_versions`.
pub const MODEL_SUMS: [usize; 2] = [3, 4];

/// `dead_letters`, by place and reason; but for those of before it was recorded whose they are, of
/// which it is not known what was to be blanked.
pub fn dead_letters() -> Shape {
    let kinds = [Text, Integer, Bigint, Text, Text, Bytes, Bigint, Bigint, Timestamp, Bigint];
    let shape = plain("dead_letters", DEAD_LETTER_COLUMNS, kinds, &[0, 1, 2, 3]);
    let select = format!(
        "{} WHERE epoch > (SELECT coalesce(max(attributed_after), 0) FROM progress)",
        shape.select
    );
    Shape { select, ..shape }
}

/// Where what an erasure takes out of a dead letter stands among the columns: detail, raw,
/// customer, date; and the epoch that did it.
pub const DEAD_LETTER_BLANKS: [usize; 5] = [4, 5, 7, 8, 9];

/// Where its epoch stands among the columns of `dead_letters`.
pub const DEAD_LETTER_EPOCH: usize = 6;

/// `thresholds`, by day.
pub fn thresholds() -> Shape {
    let columns = [("day", Day), ("high_value", Bigint), ("epoch", Bigint)];
    queried(
        "thresholds",
        &columns,
        &[0],
        "SELECT day - date '1970-01-01', high_value, epoch FROM thresholds",
    )
}

/// `arm_stats`, by day and arm; rewards as text, without the zeros at their end.
pub fn arm_stats() -> Shape {
    let columns = [
        ("day", Day),
        ("arm", Smallint),
        ("campaign_name", Text),
        ("interactions", Bigint),
        ("responses", Bigint),
        ("reward", Text),
        ("epoch", Bigint),
    ];
    let select = "SELECT day - date '1970-01-01', arm, campaign_name, interactions, responses, \
        trim_scale(reward)::text, epoch FROM arm_stats";
    queried("arm_stats", &columns, &[0, 1], select)
}

/// `segments`, by their flags; amounts as text, without the zeros at their end.
pub fn segments() -> Shape {
    let columns = [
        ("is_high_value", Boolean),
        ("is_at_risk", Boolean),
        ("is_frequent_buyer", Boolean),
        ("is_recent_active", Boolean),
        ("customers", Bigint),
        ("monetary", Text),
        ("epoch", Bigint),
    ];
    let select = "SELECT is_high_value, is_at_risk, is_frequent_buyer, is_recent_active, \
        customers, trim_scale(monetary)::text, epoch FROM segments";
    queried("segments", &columns, &[0, 1, 2, 3], select)
}

/// Columns of `model_metrics` that follow from the records.
const METRICS: [&str; 10] = [
    "epoch",
    "events",
    "interactions",
    "decisions",
    "mean_reward",
    "late",
    "duplicates",
    "corrected",
    "pending",
    "dead_letters",
];

/// Where their epoch stands among the columns of `model_metrics`.
pub const METRICS_EPOCH: usize = 0;

/// `model_metrics`, by epoch.
pub fn model_metrics() -> Shape {
    plain(
        "model_metrics",
        METRICS,
        [Bigint, Bigint, Bigint, Bigint, Float8, Bigint, Bigint, Bigint, Bigint, Bigint],
        &[0],
    )
}

/// Columns of `erasures` that follow from the records.
const ERASURES: [&str; 12] = [
    "epoch",
    "customer_id",
    "instant",
    "transactions",
    "interactions",
    "rewards",
    "profiles",
    "learned",
    "decisions",
    "folded",
    "digest_before",
    "digest_after",
];

/// `erasures` that have been carried out, by epoch, customer, instant and which of these it is.
pub fn erasures() -> Shape {
    let kinds = [
        Bigint, Bigint, Timestamp, Bigint, Bigint, Bigint, Bigint, Bigint, Bigint, Bigint, Text,
        Text,
    ];
    let columns: Vec<(&str, Kind)> =
        ERASURES.into_iter().zip(kinds).chain([("repetition", Bigint)]).collect();
    let select = format!(
        "SELECT {}, row_number() OVER (PARTITION BY epoch, customer_id, instant ORDER BY id) FROM \
         erasures WHERE epoch IS NOT NULL",
        quote_all(ERASURES)
    );
    queried("erasures", &columns, &[0, 1, 2, ERASURES.len()], &select)
}
