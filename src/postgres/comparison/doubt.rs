//! What cannot be told: a compacted topic no longer has some records that the job has read, so that
//! what followed from them is not computed again.
//!
//! Which records they were is not known, but whose they may have been: the cleaner removes a record
//! when a newer one of its key is there. What of a table follows from them is declared with it
//! ([`When`]): all else is compared as ever.

use crate::table::value::number;
use dataflows::event::CustomerId;
use dataflows::table::{ColumnType, Table, When};
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
pub struct DoubtedRow<'a> {
    /// Its table.
    pub table: &'a Table,
    /// Its values.
    pub values: &'a [Option<&'a [u8]>],
}

impl Doubt {
    /// Whether it cannot be told what should be there instead.
    pub fn covers(&self, row: &DoubtedRow<'_>, what: What<'_>) -> bool {
        let untold = match what {
            What::Column(name) => row.table.place(name).and_then(|at| row.table.columns[at].untold),
            What::Surplus => row.table.untold.surplus,
            What::Missing => row.table.untold.missing,
        };
        untold.is_some_and(|all| all.iter().all(|when| self.holds(row, *when)))
    }

    fn holds(&self, row: &DoubtedRow<'_>, when: When) -> bool {
        let value = row.value(when.column());
        let number = value.and_then(|(kind, value)| number(kind, value));
        match when {
            When::Of(_) => self.customers.as_ref().is_none_or(|customers| {
                number.is_some_and(|customer| customers.contains(&customer))
            }),
            When::Since(_) => number.is_some_and(|epoch| epoch >= self.from as i64),
            When::With(_) => value.is_some(),
            When::Without(_) => value.is_none(),
            When::From(_) => {
                value.is_some_and(|(_, topic)| self.topics.iter().any(|of| of.as_bytes() == topic))
            }
        }
    }
}

impl<'a> DoubtedRow<'a> {
    /// What is in a column, with its type; `None`: NULL.
    fn value(&self, column: &str) -> Option<(ColumnType, &'a [u8])> {
        let place = self.table.place(column)?;
        let value = self.values.get(place).copied().flatten()?;
        Some((self.table.columns[place].kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::arrivals::Arrivals;
    use dataflows::campaign::tables::{name, tables};
    use dataflows::keyed;

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
        doubt.covers(&DoubtedRow { table, values: &values }, what)
    }

    #[test]
    fn only_what_is_declared_to_follow_from_what_is_gone_is_in_doubt() {
        use What::{Column, Missing, Surplus};
        let all = tables(&["monetary".to_string(), "email_open_rate".to_string()], 2);
        let named = |name| all.iter().find(|table| table.name == name).expect("it is declared");
        let (interactions, features) = (named(name::INTERACTIONS), named(name::CUSTOMER_FEATURES));
        let (decisions, models) = (named(name::DECISIONS), named(name::MODEL_VERSIONS));
        let (thresholds, erasures) = (named(name::THRESHOLDS), named(name::ERASURES));
        let (arms, segments) = (named(name::ARM_STATS), named(name::SEGMENTS));
        let (letters, metrics) = (named(name::DEAD_LETTERS), named(name::MODEL_METRICS));
        let of = |from: u64, customers: &[i64]| Doubt {
            from,
            customers: Some(customers.iter().copied().collect()),
            topics: vec!["profiles".to_string()],
        };
        let doubt = of(5, &[7]);
        let [arrivals, their_erasures, _] = &keyed::tables::<Arrivals>();
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
            (segments, vec![Column("customers"), Missing, Surplus], vec![]),
            (letters, vec![Surplus], vec![Missing, Column("raw")]),
            (arms, vec![Column("epoch")], vec![Column("reward"), Missing]),
            (erasures, vec![Column("profiles")], vec![Column("transactions"), Missing]),
            (thresholds, vec![], vec![Column("high_value"), Column("epoch"), Missing, Surplus]),
            (arrivals, vec![Column("arrivals"), Column("epoch"), Missing, Surplus], vec![]),
            (their_erasures, vec![Column("events")], vec![Column("instant"), Missing]),
        ] {
            covered
                .into_iter()
                .for_each(|what| assert!(covers(&doubt, table, what), "{}: {what:?}", table.name));
            told.into_iter()
                .for_each(|what| assert!(!covers(&doubt, table, what), "{}: {what:?}", table.name));
        }
        assert!(!covers(&of(5, &[8]), features, Column("email_open_rate")), "somebody else's");
        assert!(!covers(&of(5, &[8]), arrivals, Missing), "somebody else's");
        assert!(
            covers(&Doubt { customers: None, ..of(5, &[]) }, features, Column("email_open_rate")),
            "anybody's"
        );
        assert!(!covers(&of(6, &[7]), decisions, Column("scores")), "decided before");
        let other = Doubt { topics: vec!["others".to_string()], ..of(5, &[7]) };
        assert!(!covers(&other, letters, Surplus), "of a topic that lacks nothing");
    }
}
