//! Every table that the campaign dataflow fills.

mod customers;
mod events;
pub mod sums;

use crate::event::tables as common;
use crate::table::{Column, ColumnType, Table, When};

/// Names of the tables.
pub mod name {
    use super::common;

    /// One row an interaction.
    pub const INTERACTIONS: &str = "interactions";
    /// One row a customer.
    pub const CUSTOMER_FEATURES: &str = "customer_features";
    /// One row a decision.
    pub const DECISIONS: &str = "decisions";
    /// One row a version of an arm's model.
    pub const MODEL_VERSIONS: &str = "model_versions";
    /// One row a day.
    pub const THRESHOLDS: &str = "thresholds";
    /// One row an erasure.
    pub const ERASURES: &str = common::ERASURES;
    /// One row a day and arm.
    pub const ARM_STATS: &str = "arm_stats";
    /// One row a combination of flags.
    pub const SEGMENTS: &str = "segments";
    /// One row a record that could not be taken.
    pub const DEAD_LETTERS: &str = common::DEAD_LETTERS;
    /// One row an epoch.
    pub const MODEL_METRICS: &str = "model_metrics";
}

/// All of them, for customers with these features and a currency of so many decimals; in the order
/// in which an epoch's rows are told.
pub fn tables(features: &[String], decimals: u32) -> Vec<Table> {
    let mut tables = vec![
        events::interactions(),
        customers::customer_features(features),
        events::decisions(),
        sums::model_versions(),
        sums::thresholds(),
        events::erasures(),
    ];
    tables.extend(sums::of_groups(decimals));
    tables.extend([common::dead_letters(), sums::model_metrics()]);
    tables
}

/// Rows of the oldest epochs that go with one commit, in epochs.
const FEW: u64 = 4;

/// Epochs whose small rows go together.
const MANY: u64 = 64;

// Profiles are what a compacted topic has: a column says where it follows from one.

/// Rows of people whose profiles may be gone.
const OF_THEIRS: &[When] = &[When::Of("customer_id")];

/// Rows that were written when profiles were gone already.
const LATER: &[When] = &[When::Since("epoch")];

/// The column of the epoch that wrote a row last.
fn epoch() -> Column {
    Column::of("epoch", ColumnType::Bigint, "The epoch that wrote it last.")
}

fn customer() -> Column {
    Column::of("customer_id", ColumnType::Bigint, "Whose.")
}

#[cfg(test)]
mod tests {
    use super::customers::MOVING;
    use super::*;
    use crate::customer::features::Features;
    use crate::settings::{CustomerSettings, InputSettings};
    use crate::table::Erase;

    #[test]
    fn every_declaration_fits_together() {
        let features =
            Features::new(&InputSettings::default(), &CustomerSettings::default()).unwrap();
        let tables = tables(features.names(), 2);
        let faults: Vec<String> = tables.iter().flat_map(Table::faults).collect();
        assert_eq!(faults, Vec::<String>::new());
        let unknown: Vec<&str> = MOVING
            .iter()
            .map(|(feature, _)| *feature)
            .filter(|feature| !features.names().iter().any(|name| name == feature))
            .collect();
        assert_eq!(unknown, Vec::<&str>::new(), "no such feature moves with the clock");
    }

    #[test]
    fn whatever_has_a_customer_says_what_an_erasure_does_to_it() {
        for table in tables(&[], 2) {
            let is_nobodys = matches!(table.erase, Erase::Nobody { .. } | Erase::Sums { .. });
            let has_customer = table.place("customer_id").is_some();
            assert_eq!(is_nobodys, !has_customer, "{}", table.name);
        }
    }
}
