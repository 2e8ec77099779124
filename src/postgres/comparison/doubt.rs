//! What cannot be told: a compacted topic no longer has some records that the job has read, so that
//! what followed from them is not computed again.
//!
//! Which records they were is not known. Only profiles are in topics that may be compacted, and the
//! cleaner removes a record when a newer one of its key is there: so it is known whose they may
//! have been, and what may follow from a profile. Purchases, contacts, rewards, their counts and
//! sums, thresholds, and everything of customers who have no profile do not: these are compared as
//! ever.

use super::table::Shape;
use super::value::number;
use dataflows::event::CustomerId;
use std::collections::BTreeSet;

/// What cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The first epoch that has read records which are gone.
    pub from: u64,
    /// Whose they may be; `None`: anybody's.
    pub customers: Option<BTreeSet<CustomerId>>,
    /// Names of their topics at the broker.
    pub topics: Vec<String>,
}

/// What is otherwise than computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A column of a row.
    Column(&'a str),
    /// A row that is there.
    Surplus,
    /// A row that is not there.
    Missing,
}

/// A row: as it is there, or where it is not, as it was computed again.
pub struct Row<'a> {
    /// Its table.
    pub shape: &'a Shape,
    /// Its values.
    pub values: &'a [Option<&'a [u8]>],
}

/// Columns of `customer_features` that follow from profiles, or from the instant that a row holds
/// for, which a profile may have set.
const OF_PROFILES: [&str; 14] = [
    "recency",
    "days_since_signup",
    "email_open_rate",
    "complaint_count",
    "is_premium_member",
    "avg_discount_pct",
    "discount_sensitivity",
    "is_high_value",
    "is_at_risk",
    "is_recent_active",
    "clv_score",
    "as_of",
    "signup",
    "epoch",
];

/// Columns of `decisions` that follow from the model or the context.
const DECIDED: [&str; 8] = [
    "arm",
    "campaign_name",
    "propensity",
    "expected_reward",
    "uncertainty",
    "scores",
    "model_version",
    "context",
];

/// Columns of `model_metrics` that count profiles too.
const COUNTED: [&str; 5] = ["events", "mean_reward", "duplicates", "corrected", "dead_letters"];

/// What is counted of an epoch that counts profiles too.
pub const COUNTS: [&str; 6] =
    ["records", "duplicates", "replaced", "corrected", "erased", "unread_erasures"];

impl Doubt {
    /// Whether it cannot be told what should be there instead.
    pub fn covers(&self, row: &Row<'_>, what: What<'_>) -> bool {
        use What::{Column, Missing, Surplus};
        let is_later =
            |column: &str| row.number(column).is_some_and(|epoch| epoch >= self.from as i64);
        match (row.shape.table, what) {
            ("customer_features", Column(column)) => {
                OF_PROFILES.contains(&column) && self.may_be_of(row)
            }
            // One who has nothing but a profile is there because of it.
            ("customer_features", Surplus) => {
                self.may_be_of(row) && row.number("last_purchase").is_none()
            }
            ("interactions", Column("context" | "epoch")) => self.may_be_of(row),
            ("interactions", Column("propensity" | "model_version")) => {
                row.number("decision_key").is_some()
            }
            ("decisions", Column(column)) => DECIDED.contains(&column) && is_later("epoch"),
            ("segments", _) => true,
            ("arm_stats", Column("epoch")) => is_later("epoch"),
            ("model_versions", Column("a" | "b" | "theta") | Surplus | Missing) => {
                is_later("version")
            }
            ("model_metrics", Column(column)) => COUNTED.contains(&column) && is_later("epoch"),
            ("dead_letters", Surplus) => {
                is_later("epoch") && self.topics.iter().any(|topic| row.is("topic", topic))
            }
            ("erasures", Column("profiles" | "digest_before" | "digest_after")) => {
                is_later("epoch")
            }
            _ => false,
        }
    }

    fn may_be_of(&self, row: &Row<'_>) -> bool {
        self.customers.as_ref().is_none_or(|customers| {
            row.number("customer_id").is_some_and(|customer| customers.contains(&customer))
        })
    }
}

impl Row<'_> {
    fn value(&self, column: &str) -> Option<(usize, &[u8])> {
        let place = self.shape.columns.iter().position(|of| of.name == column)?;
        Some((place, self.values.get(place).copied().flatten()?))
    }

    /// A number or an instant; `None`: NULL.
    fn number(&self, column: &str) -> Option<i64> {
        let (place, value) = self.value(column)?;
        number(self.shape.columns[place].kind, value)
    }

    fn is(&self, column: &str, text: &str) -> bool {
        self.value(column).is_some_and(|(_, value)| value == text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::comparison::shapes;

    /// Whether something of a row of customer 7, epoch 5, is covered.
    fn covers(doubt: &Doubt, shape: &Shape, what: What<'_>) -> bool {
        let (customer, epoch) = (7i64.to_be_bytes(), 5i64.to_be_bytes());
        let value = |name: &str| match name {
            "customer_id" => Some(&customer[..]),
            "epoch" | "version" => Some(&epoch[..]),
            "topic" => Some(&b"profiles"[..]),
            _ => None,
        };
        let values: Vec<_> = shape.columns.iter().map(|column| value(&column.name)).collect();
        doubt.covers(&Row { shape, values: &values }, what)
    }

    #[test]
    fn only_what_may_follow_from_a_profile_is_in_doubt() {
        use What::{Column, Missing, Surplus};
        let features =
            shapes::customer_features(&["monetary".to_string(), "email_open_rate".to_string()]);
        let of = |from: u64, customers: &[i64]| Doubt {
            from,
            customers: Some(customers.iter().copied().collect()),
            topics: vec!["profiles".to_string()],
        };
        let doubt = of(5, &[7]);
        for (shape, covered, told) in [
            (
                &features,
                vec![Column("email_open_rate"), Column("epoch"), Surplus],
                vec![Column("monetary"), Column("last_purchase"), Missing],
            ),
            (
                &shapes::interactions(),
                vec![Column("context")],
                vec![Column("reward"), Column("learned"), Column("propensity"), Surplus, Missing],
            ),
            (
                &shapes::decisions(),
                vec![Column("scores"), Column("arm")],
                vec![Column("ts"), Surplus, Missing],
            ),
            (&shapes::model_versions(), vec![Column("theta"), Missing, Surplus], vec![Column("n")]),
            (
                &shapes::model_metrics(),
                vec![Column("events")],
                vec![Column("interactions"), Column("pending"), Surplus],
            ),
            (&shapes::dead_letters(), vec![Surplus], vec![Missing, Column("raw")]),
            (&shapes::arm_stats(), vec![Column("epoch")], vec![Column("reward"), Missing]),
            (&shapes::erasures(), vec![Column("profiles")], vec![Column("transactions"), Missing]),
            (
                &shapes::thresholds(),
                vec![],
                vec![Column("high_value"), Column("epoch"), Missing, Surplus],
            ),
        ] {
            covered
                .into_iter()
                .for_each(|what| assert!(covers(&doubt, shape, what), "{}: {what:?}", shape.table));
            told.into_iter().for_each(|what| {
                assert!(!covers(&doubt, shape, what), "{}: {what:?}", shape.table)
            });
        }
        assert!(!covers(&of(5, &[8]), &features, Column("email_open_rate")), "somebody else's");
        assert!(
            covers(&Doubt { customers: None, ..of(5, &[]) }, &features, Column("email_open_rate")),
            "anybody's"
        );
        assert!(!covers(&of(6, &[7]), &shapes::decisions(), Column("scores")), "decided before");
        let other = Doubt { topics: vec!["others".to_string()], ..of(5, &[7]) };
        assert!(!covers(&other, &shapes::dead_letters(), Surplus), "of a topic that lacks nothing");
    }
}
