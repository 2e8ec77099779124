//! The table of customers, of whose features some move with the clock.

use super::{OF_THEIRS, customer, epoch, name};
use crate::customer::features::follows_profile;
use crate::table::{Column, ColumnType, Erase, Keep, Rule, Table, Untold, When};
use ColumnType::{Float8, Timestamp};

pub(super) fn customer_features(features: &[String]) -> Table {
    let feature = |name: &String| {
        let column = Column::of(name.clone(), Float8, "The feature of that name.").or_null();
        let moving = MOVING.iter().find(|(moving, _)| moving == name);
        let column = column.now(moving.map(|(_, now)| *now));
        if follows_profile(name) { column.untold(OF_THEIRS) } else { column }
    };
    let as_of = Column::of("as_of", Timestamp, "The instant that its values hold for.");
    let ends = [
        as_of.now(Some("n.instant")).untold(OF_THEIRS),
        Column::of("last_purchase", Timestamp, "The last purchase.").or_null(),
        Column::of("signup", Timestamp, "The signup.").or_null().untold(OF_THEIRS),
        epoch().untold(OF_THEIRS),
    ];
    Table {
        name: name::CUSTOMER_FEATURES,
        help: "A customer, rewritten when its features change.",
        columns: [customer()].into_iter().chain(features.iter().map(feature)).chain(ends).collect(),
        own: Vec::new(),
        key: &["customer_id"],
        rule: Rule::Changes { again: false },
        keep: Keep::All,
        erase: Erase::Rows { customer: "customer_id", instant: None, of_before: &[] },
        // One who has nothing but a profile is there because of it.
        untold: Untold::surplus(&[When::Of("customer_id"), When::Without("last_purchase")]),
    }
}

/// Days from an instant of the row to now. They are milliseconds divided once, as the features are,
/// so that both have the same bits. `greatest` passes over NULL, so an instant that is not known is
/// asked for first.
macro_rules! days_since {
    ($instant:literal) => {
        concat!(
            "CASE WHEN f.",
            $instant,
            " IS NOT NULL THEN (greatest(0, extract(epoch FROM n.instant - f.",
            $instant,
            ")) * 1000)::float8 / 86400000 END"
        )
    };
}

macro_rules! recency {
    () => {
        concat!("coalesce(", days_since!("last_purchase"), ", ", days_since!("signup"), ", 0)")
    };
}

/// Features that move with the clock.
pub(super) const MOVING: [(&str, &str); 5] = [
    ("recency", recency!()),
    ("days_since_signup", concat!("coalesce(", days_since!("signup"), ", 0)")),
    (
        "clv_score",
        concat!(
            "CASE WHEN f.last_purchase IS NULL THEN 0 ELSE f.monetary * f.frequency / (",
            recency!(),
            " + 1) END"
        ),
    ),
    (
        "is_at_risk",
        concat!(
            "(f.last_purchase IS NOT NULL AND ",
            recency!(),
            " >= c.at_risk_days)::int::float8"
        ),
    ),
    (
        "is_recent_active",
        concat!("(f.last_purchase IS NOT NULL AND ", recency!(), " <= c.recent_days)::int::float8"),
    ),
];
