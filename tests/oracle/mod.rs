//! The campaign dataflow computed naively, in one batch: what every run of the program is compared
//! with.
//!
//! files ─ read ─▶ records ─ settle ─▶ the events that stand ─┬─▶ daily thresholds ─┐
//!                                                            ├─▶ features as of T ◀┤
//!                                                            └─▶ contexts, sums  ◀─┘
//!
//! Written from the specification's sentences (each rule stands below the sentence it comes from,
//! retold), plainly and slowly, and sharing no code with the program: it scans all events of a
//! customer for every answer, counts days in loops and keeps every sum as an exact integer. What it
//! can catch: any difference in reading, settling, features, thresholds, contexts, rewards and sums
//! of a bounded run. What it cannot: lateness, decisions, and the columns of [`features::OPEN`],
//! whose values the specification leaves to configuration.

pub(crate) mod features;
pub(crate) mod learn;
pub(crate) mod read;
pub(crate) mod run;
pub(crate) mod settle;
pub(crate) mod thresholds;
pub(crate) mod written;

use std::collections::BTreeMap;

/// Milliseconds in a day.
pub(crate) const DAY: i64 = 86_400_000;

/// An input directory: file names and contents.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// What the oracle must be told; the defaults are the specification's.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Values of `category` that are told apart, and likewise below.
    pub(crate) categories: Vec<String>,
    pub(crate) devices: Vec<String>,
    pub(crate) payments: Vec<String>,
    /// Names of the arms by number.
    pub(crate) arms: Vec<String>,
    /// Decimals of the currency.
    pub(crate) decimals: i64,
    /// Bytes of the longest record.
    pub(crate) max_record: usize,
    /// Holiday months, 1 to 12.
    pub(crate) holiday_months: Vec<u32>,
    pub(crate) high_value: HighValue,
    pub(crate) at_risk_days: f64,
    pub(crate) frequent_purchases: usize,
    pub(crate) recent_days: f64,
    /// Milliseconds after its interaction within which a reward belongs to it.
    pub(crate) attribution_window: i64,
    /// What an interaction counts that nobody answered.
    pub(crate) no_response_reward: f64,
    /// Features of the context, in order, with their transforms; `intercept` is the constant 1.
    pub(crate) context: Vec<(String, Transform)>,
    /// Whether an interaction's own `features` take the place of the joined context.
    pub(crate) own_features: bool,
    /// Added to the diagonal of every arm's matrix in `model.json`.
    pub(crate) ridge: f64,
    /// Whether numbers that would lie in January 1970 are taken for milliseconds too.
    pub(crate) numbers_are_milliseconds: bool,
    /// The instant of the feature rows; none: that of the latest settled transaction or
    /// interaction.
    pub(crate) as_of: Option<i64>,
}

/// What makes a customer one of high value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HighValue {
    /// A fixed total, in minor units.
    Fixed(i128),
    /// A percentile of all customers' totals, taken daily.
    Percentile(usize),
}

/// What is done to a feature before it enters the context.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transform {
    Identity,
    /// v / scale
    Scale(f64),
    /// min(v, cap) / cap
    Cap(f64),
    /// ln(1 + v) / scale
    Log(f64),
}

impl Default for Config {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Config {
            categories: list(&["Electronics", "Fashion", "Groceries", "Travel"]),
            devices: list(&["Mobile", "Desktop", "Tablet"]),
            payments: list(&["Credit Card", "Debit Card", "E-wallet"]),
            arms: list(&["Email", "SMS", "Push", "Direct Mail"]),
            decimals: 2,
            max_record: 1 << 20,
            holiday_months: vec![11, 12],
            high_value: HighValue::Percentile(90),
            at_risk_days: 180.0,
            frequent_purchases: 10,
            recent_days: 30.0,
            attribution_window: 7 * DAY,
            no_response_reward: 0.0,
            context: learn::default_context(),
            own_features: false,
            ridge: 1.0,
            numbers_are_milliseconds: false,
            as_of: None,
        }
    }
}

/// Everything that a bounded run must bring out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// By customer the values of [`features::names`].
    pub(crate) features: BTreeMap<i64, Vec<f64>>,
    /// By day (days since 1970) the total, in minor units, from which a customer is of high value.
    pub(crate) thresholds: BTreeMap<i64, i128>,
    /// By arm the sums of the model.
    pub(crate) arms: Vec<learn::Sums>,
    /// Transactions that stand in the end.
    pub(crate) transactions: usize,
    /// Interactions that stand in the end.
    pub(crate) interactions: usize,
    /// Delayed rewards that stand in the end.
    pub(crate) rewards: usize,
    /// Of these, those that join nothing, by reason.
    pub(crate) unmatched: BTreeMap<&'static str, usize>,
    /// Records that took the place of an earlier one of their id.
    pub(crate) replaced: usize,
    /// Events taken back.
    pub(crate) retracted: usize,
    /// Records that repeated what their id said already.
    pub(crate) duplicates: usize,
    /// Settled events and profile versions dropped because of an erasure, and retractions of
    /// unknown ids of erased customers.
    pub(crate) erased: usize,
    /// Rejected records, sorted.
    pub(crate) dead_letters: Vec<DeadLetter>,
}

impl Outcome {
    /// One feature of one customer, of a run with the default lists.
    pub(crate) fn feature(&self, customer: i64, name: &str) -> f64 {
        let names = features::names(&Config::default());
        let index = names
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| panic!("there is no feature {name}"));
        self.features[&customer][index]
    }
}

/// A rejected record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadLetter {
    /// The file's name without its extension.
    pub(crate) file: String,
    /// Byte offset of the line.
    pub(crate) position: u64,
    /// Why, in the program's word.
    pub(crate) reason: &'static str,
}

/// What must come out of a bounded run over these files.
pub(crate) fn outcome(files: &Files, config: &Config) -> Outcome {
    let mut records = read::Records::default();
    for (name, bytes) in files {
        read::read(name, bytes, config, &mut records);
    }
    let settled = settle::settle(&records);
    let mut dead_letters = records.dead_letters;
    dead_letters.extend(settled.unknown.iter().cloned());
    dead_letters.sort();

    Outcome {
        features: features_of_all(&settled, config),
        thresholds: thresholds::daily(&settled, config),
        arms: learn::sums(&settled, config),
        transactions: settled.transactions.len(),
        interactions: settled.interactions.len(),
        rewards: settled.rewards.len(),
        unmatched: learn::unmatched(&settled, config),
        replaced: settled.replaced,
        retracted: settled.retracted,
        duplicates: settled.duplicates,
        erased: settled.erased,
        dead_letters,
    }
}

/// "One row a customer with a settled transaction or a profile; as of T, which changes nothing
/// else; by default the latest timestamp among the settled transactions and interactions."
fn features_of_all(settled: &settle::Settled, config: &Config) -> BTreeMap<i64, Vec<f64>> {
    let Some(t) = config.as_of.or(settled.latest()) else {
        // Nothing happened at all: profiles alone have no instant, and 1970 is as good as any
        // other.
        return rows_as_of(settled, 0, config);
    };
    rows_as_of(settled, t, config)
}

fn rows_as_of(settled: &settle::Settled, t: i64, config: &Config) -> BTreeMap<i64, Vec<f64>> {
    let mut customers: Vec<i64> =
        settled.transactions.keys().map(|(customer, _)| *customer).collect();
    customers.extend(settled.profiles.iter().map(|(customer, _)| *customer));
    let threshold = thresholds::of_day(t.div_euclid(DAY), settled, config);
    customers
        .into_iter()
        .map(|customer| (customer, features::as_of(customer, t, threshold, settled, config)))
        .collect()
}
