//! What cannot be told: a compacted topic no longer has some records that the job has read, so that
//! what followed from them is not computed again.
//!
//! Which records they were is not known. Only profiles are in topics that may be compacted, and the
//! cleaner removes a record when a newer one of its key is there: so it is known whose they may
//! have been, and what may follow from a profile. Purchases, contacts, rewards, their counts and
//! sums, thresholds, and everything of customers who have no profile do not: these are compared as
//! ever.

use crate::table::value::number;
use dataflows::campaign::tables::name;
use dataflows::event::CustomerId;
use dataflows::table::Table;
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
    pub table: &'a Table,
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
        match (row.table.name, what) {
            (name::CUSTOMER_FEATURES, Column(column)) => {
                OF_PROFILES.contains(&column) && self.may_be_of(row)
            }
            // One who has nothing but a profile is there because of it.
            (name::CUSTOMER_FEATURES, Surplus) => {
                self.may_be_of(row) && row.number("last_purchase").is_none()
            }
            (name::INTERACTIONS, Column("context" | "epoch")) => self.may_be_of(row),
            (name::INTERACTIONS, Column("propensity" | "model_version")) => {
                row.number("decision_key").is_some()
            }
            (name::DECISIONS, Column(column)) => DECIDED.contains(&column) && is_later("epoch"),
            (name::SEGMENTS, _) => true,
            (name::ARM_STATS, Column("epoch")) => is_later("epoch"),
            (name::MODEL_VERSIONS, Column("a" | "b" | "theta") | Surplus | Missing) => {
                is_later("version")
            }
            (name::MODEL_METRICS, Column(column)) => COUNTED.contains(&column) && is_later("epoch"),
            (name::DEAD_LETTERS, Surplus) => {
                is_later("epoch") && self.topics.iter().any(|topic| row.is("topic", topic))
            }
            (name::ERASURES, Column("profiles" | "digest_before" | "digest_after")) => {
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
        let place = self.table.place(column)?;
        Some((place, self.values.get(place).copied().flatten()?))
    }

    /// A number or an instant; `None`: NULL.
    fn number(&self, column: &str) -> Option<i64> {
        let (place, value) = self.value(column)?;
        number(self.table.columns[place].kind, value)
    }

    fn is(&self, column: &str, text: &str) -> bool {
        self.value(column).is_some_and(|(_, value)| value == text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::campaign::tables::tables;

    /// Whether something of a row of customer 7, epoch 5, is covered.
    fn covers(doubt: &Doubt, table: &Table, what: What<'_>) -> bool {
        let (customer, epoch) = (7i64.to_be_bytes(), 5i64.to_be_bytes());
        let value = |name: &str| match name {
            "customer_id" => Some(&customer[..]),
            "epoch" | "version" => Some(&epoch[..]),
            "topic" => Some(&b"profiles"[..]),
            _ => None,
        };
        let values: Vec<_> = table.columns.iter().map(|column| value(&column.name)).collect();
        doubt.covers(&Row { table, values: &values }, what)
    }

    #[test]
    fn only_what_may_follow_from_a_profile_is_in_doubt() {
        use What::{Column, Missing, Surplus};
        let all = tables(&["monetary".to_string(), "email_open_rate".to_string()], 2);
        let [
            interactions,
            features,
            decisions,
            models,
            thresholds,
            erasures,
            arms,
            _,
            letters,
            metrics,
        ] = &all[..]
        else {
            panic!("ten tables")
        };
        let of = |from: u64, customers: &[i64]| Doubt {
            from,
            customers: Some(customers.iter().copied().collect()),
            topics: vec!["profiles".to_string()],
        };
        let doubt = of(5, &[7]);
        for (table, covered, told) in [
            (
                features,
                vec![Column("email_open_rate"), Column("epoch"), Surplus],
                vec![Column("monetary"), Column("last_purchase"), Missing],
            ),
            (
                interactions,
                vec![Column("context")],
                vec![Column("reward"), Column("learned"), Column("propensity"), Surplus, Missing],
            ),
            (
                decisions,
                vec![Column("scores"), Column("arm")],
                vec![Column("ts"), Surplus, Missing],
            ),
            (models, vec![Column("theta"), Missing, Surplus], vec![Column("n")]),
            (
                metrics,
                vec![Column("events")],
                vec![Column("interactions"), Column("pending"), Surplus],
            ),
            (letters, vec![Surplus], vec![Missing, Column("raw")]),
            (arms, vec![Column("epoch")], vec![Column("reward"), Missing]),
            (erasures, vec![Column("profiles")], vec![Column("transactions"), Missing]),
            (thresholds, vec![], vec![Column("high_value"), Column("epoch"), Missing, Surplus]),
        ] {
            covered
                .into_iter()
                .for_each(|what| assert!(covers(&doubt, table, what), "{}: {what:?}", table.name));
            told.into_iter()
                .for_each(|what| assert!(!covers(&doubt, table, what), "{}: {what:?}", table.name));
        }
        assert!(!covers(&of(5, &[8]), features, Column("email_open_rate")), "somebody else's");
        assert!(
            covers(&Doubt { customers: None, ..of(5, &[]) }, features, Column("email_open_rate")),
            "anybody's"
        );
        assert!(!covers(&of(6, &[7]), decisions, Column("scores")), "decided before");
        let other = Doubt { topics: vec!["others".to_string()], ..of(5, &[7]) };
        assert!(!covers(&other, letters, Surplus), "of a topic that lacks nothing");
    }
}
