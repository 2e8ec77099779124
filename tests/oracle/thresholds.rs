//! The daily threshold of high value.

use super::settle::Settled;
use super::{Config, DAY, HighValue};
use std::collections::BTreeMap;

/// The threshold of a day (days since 1970), in minor units; none while nobody had bought.
///
/// "The 90th percentile, nearest rank, of monetary over all customers with a purchase before 00:00
/// UTC of the day BEFORE t's date, counting purchases before that instant only."
pub(crate) fn of_day(day: i64, settled: &Settled, config: &Config) -> Option<i128> {
    let percentile = match config.high_value {
        HighValue::Fixed(total) => return Some(total),
        HighValue::Percentile(percentile) => percentile,
    };
    let instant = (day - 1) * DAY;
    let mut monetary: BTreeMap<i64, i128> = BTreeMap::new();
    for ((customer, _), purchase) in &settled.transactions {
        if purchase.timestamp < instant {
            *monetary.entry(*customer).or_default() += i128::from(purchase.amount);
        }
    }
    let mut totals: Vec<i128> = monetary.into_values().collect();
    totals.sort_unstable();
    // Nearest rank: the least total such that at least that share of all lies at or below it.
    let rank = (percentile * totals.len()).div_ceil(100);
    rank.checked_sub(1).map(|index| totals[index])
}

/// The published thresholds: of every day from the first that has one to that of the latest settled
/// transaction or interaction, all closed at the end of a bounded run. A fixed threshold is not
/// published.
pub(crate) fn daily(settled: &Settled, config: &Config) -> BTreeMap<i64, i128> {
    let first_purchase = settled.transactions.values().map(|purchase| purchase.timestamp).min();
    let (Some(first), Some(latest), HighValue::Percentile(_)) =
        (first_purchase, settled.latest(), config.high_value)
    else {
        return BTreeMap::new();
    };
    let days = first.div_euclid(DAY)..=latest.div_euclid(DAY);
    days.filter_map(|day| Some((day, of_day(day, settled, config)?))).collect()
}
