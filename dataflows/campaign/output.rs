//! What the campaign dataflow hands to the sinks, epoch by epoch: batches of rows, all plain
//! values.
//!
//! Every worker sends [`Output`]s at the time of their epoch; together with those of the other
//! workers they are the whole of what the epoch changed. Sums of [`Counts`] and the rows of one
//! epoch are the same on any number of workers, only their order and grouping differ.

use crate::bandit::policy::{Chosen, Parameters};
use crate::bandit::ridge::ArmModel;
use crate::bandit::totals::Totals;
pub use crate::campaign::counts::{Count, Counts};
use crate::campaign::feed::Save;
use crate::event::unlisted::List;
use crate::event::{CustomerId, Kept, Millis, Names, Rejected, Topic};
pub use crate::table::Change;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Days since 1970-01-01.
pub type Day = i32;

/// One batch of an epoch's results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Rows of interactions that appeared, changed or went.
    Interactions(InteractionRows),
    /// Texts of the ids of interactions that arrived.
    Names(Names),
    /// Features of customers that changed.
    Features(FeatureRows),
    /// Features of customers at the end of a bounded input.
    LastFeatures(LastRows),
    /// Decisions made.
    Decisions(Vec<Decision>),
    /// An arm's statistics after the epoch, and its solved model.
    Arm(Box<ArmUpdate>),
    /// A daily high-value threshold that closed: the day it holds for, and the total in minor
    /// units.
    Threshold(Day, u64),
    /// Records that were rejected.
    Rejected(Vec<Rejected>),
    /// Fields of valid records that could not be read and were left out, since nothing depends on
    /// them: topic, name, and in how many records.
    Ignored(Vec<(Topic, String, u64)>),
    /// Hashes of names of purchases that are not in their lists, some of them seen before.
    Unlisted(Vec<(List, u64)>),
    /// Contacts and rewards of a day and arm, as they now stand.
    ArmDay(ArmDay),
    /// Customers in a segment, as they now stand.
    Segment(Segment),
    /// Customers that were erased.
    Erasures(Vec<Erasure>),
    /// Customers of whom there was a profile, where that is asked for.
    Profiled(Vec<CustomerId>),
    /// Raw records of the epoch that are kept with its results.
    Kept(Vec<Kept>),
    /// What was counted.
    Counts(Counts),
    /// Of the rewards without an interaction, those that name one of another customer, as was found
    /// last: exact at the end of the input.
    OfOtherCustomers(u64),
    /// The epoch's end: its watermark and offsets. One a process-wide epoch, from worker 0.
    Closed(Closed),
}

/// Rows of interactions; the contexts lie in one vector, a row with `learned` taking the next
/// `dimension` values of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InteractionRows {
    /// The rows.
    pub rows: Vec<InteractionRow>,
    /// Their contexts in Q12, those of learned rows in the order of the rows.
    pub contexts: Vec<i16>,
}

/// One interaction as a sink shows it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InteractionRow {
    /// What happened.
    pub change: Change,
    /// Whose.
    pub customer: CustomerId,
    /// Frozen hash of its id.
    pub key: u64,
    /// Its instant.
    pub timestamp: Millis,
    /// The arm played.
    pub arm: u16,
    /// Probability with which the arm was chosen.
    pub propensity: f64,
    /// What it counts, in Q16; `None` while unknown.
    pub reward: Option<i64>,
    /// Whether it has entered the model; its context is then in `contexts`.
    pub learned: bool,
    /// The decision that it carried out: key, and model version where that is known.
    pub decision: Option<(u64, Option<u64>)>,
}

/// Features of customers; each row's values are the next `features` values (none for a row that
/// went).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FeatureRows {
    /// The rows.
    pub rows: Vec<FeatureRow>,
    /// Their values, row by row, in the order of the table of features.
    pub values: Vec<f64>,
}

impl FeatureRows {
    /// Takes back the last row, with its so many values.
    pub(crate) fn take_back(&mut self, width: usize) {
        self.rows.pop();
        self.values.truncate(self.values.len().saturating_sub(width));
    }
}

/// One customer's row of features.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureRow {
    /// What happened.
    pub change: Change,
    /// Whose.
    pub customer: CustomerId,
    /// The instant that the values hold for.
    pub as_of: Millis,
    /// The last purchase, if any.
    pub last_purchase: Option<Millis>,
    /// The signup, where the profile has it.
    pub signup: Option<Millis>,
}

/// Rows of features at the end of a bounded input. They are many at once, and about half of their
/// values are 0: those are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LastRows {
    customers: Vec<CustomerId>,
    /// Values in a row.
    width: usize,
    /// Of each row a bit for each value, set where it is not 0, in whole words.
    present: Vec<u64>,
    /// Of each row the end of its values in `values`.
    ends: Vec<u32>,
    values: Vec<f64>,
}

/// One row of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastRow<'a> {
    /// Whose.
    pub customer: CustomerId,
    present: &'a [u64],
    values: &'a [f64],
}

impl LastRows {
    /// No rows yet, each with so many values.
    pub fn new(width: usize) -> Self {
        LastRows { width, ..LastRows::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, customer: CustomerId, values: &[f64]) {
        debug_assert_eq!(values.len(), self.width);
        // The negative zero is another number than 0.
        let is_present = |value: &f64| value.to_bits() != 0;
        let word = |values: &[f64]| {
            values.iter().rev().fold(0, |word, value| word << 1 | u64::from(is_present(value)))
        };
        self.customers.push(customer);
        self.present.extend(values.chunks(64).map(word));
        self.values.extend(values.iter().copied().filter(is_present));
        self.ends.push(self.values.len() as u32);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.customers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = LastRow<'_>> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let values =
            starts.zip(&self.ends).map(|(&start, &end)| &self.values[start as usize..end as usize]);
        let words = self.width.div_ceil(64).max(1);
        let rows = self.customers.iter().zip(self.present.chunks_exact(words)).zip(values);
        rows.map(|((&customer, present), values)| LastRow { customer, present, values })
    }
}

impl LastRow<'_> {
    /// Its first `width` values.
    pub fn values(&self, width: usize) -> impl Iterator<Item = f64> + '_ {
        let mut left = self.values.iter();
        let is_present =
            |at: usize| self.present.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        (0..width)
            .map(move |at| if is_present(at) { left.next().copied().unwrap_or(0.0) } else { 0.0 })
    }
}

/// A decision: which arm, and everything needed to explain and repeat it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Whose.
    pub customer: CustomerId,
    /// Frozen hash of its id.
    pub key: u64,
    /// Its id.
    pub decision: String,
    /// The instant asked for.
    pub timestamp: Millis,
    /// Name of the policy that decided.
    #[serde(default = "by_default")]
    pub policy: Cow<'static, str>,
    /// The arm; `None` when every arm was excluded.
    pub arm: Option<u16>,
    /// Probability with which it was chosen.
    pub propensity: f64,
    /// theta'x of the arm.
    pub expected_reward: f64,
    /// sqrt(x' A^-1 x) of the arm.
    pub uncertainty: f64,
    /// Score of every arm, in their order.
    pub scores: Vec<f64>,
    /// The model that decided: the epoch that it was learned in; 0 before there is one.
    pub model_version: u64,
    /// The context in Q12.
    pub context: Vec<i16>,
    /// What the policy was told, where the decision was made before its epoch and taken as made.
    #[serde(default)]
    pub answered: Option<Parameters>,
}

impl Default for Decision {
    /// Of no arm, by the policy that decides where none is named.
    fn default() -> Self {
        Decision {
            customer: 0,
            key: 0,
            decision: String::new(),
            timestamp: 0,
            policy: by_default(),
            arm: None,
            propensity: 0.0,
            expected_reward: 0.0,
            uncertainty: 0.0,
            scores: Vec::new(),
            model_version: 0,
            context: Vec::new(),
            answered: None,
        }
    }
}

/// Whose decisions those are that were recorded before there was a choice.
fn by_default() -> Cow<'static, str> {
    Cow::Borrowed(Chosen::default().name())
}

/// An arm's statistics after an epoch, and what was solved from them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ArmUpdate {
    /// The arm.
    pub arm: u32,
    /// The exact sums.
    pub totals: Totals,
    /// The solved model.
    pub model: ArmModel,
}

/// Contacts and rewards of one day of event time and arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmDay {
    /// The day.
    pub day: Day,
    /// The arm.
    pub arm: u16,
    /// Interactions learned.
    pub interactions: i64,
    /// Those with a reward above zero.
    pub responses: i64,
    /// Sum of their rewards in Q16.
    pub reward: i128,
}

/// Customers that share the four flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// is_high_value 8, is_at_risk 4, is_frequent_buyer 2, is_recent_active 1.
    pub flags: u8,
    /// How many customers.
    pub customers: i64,
    /// Sum of their purchases in minor units.
    pub amount: i64,
}

/// A customer that was erased in an epoch: what was there and is gone, before the epoch and with
/// its own records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose.
    pub customer: CustomerId,
    /// Everything dated up to then; `Millis::MAX`: for ever.
    pub until: Millis,
    /// Purchases.
    pub transactions: u64,
    /// Interactions.
    pub interactions: u64,
    /// Of these, those that had entered the model and were taken back out of it.
    pub learned: u64,
    /// Delayed rewards.
    pub rewards: u64,
    /// Profile versions.
    pub profiles: u64,
    /// Decisions.
    pub decisions: u64,
    /// Contributions to models that stay in them, because the interactions had been folded.
    pub folded: u64,
    /// Where folded events went too: everything dated before this instant is gone, though it was no
    /// longer kept one by one and is not counted here.
    pub folded_before: Option<Millis>,
}

impl Erasure {
    /// What went and what stays, in the order of the columns of a report: transactions,
    /// interactions, rewards, profiles, learned, decisions, folded.
    pub fn numbers(&self) -> [u64; 7] {
        [
            self.transactions,
            self.interactions,
            self.rewards,
            self.profiles,
            self.learned,
            self.decisions,
            self.folded,
        ]
    }

    /// Up to which instant every interaction and decision of the customer is gone, folded or not.
    pub fn gone_until(&self) -> Millis {
        self.folded_before.map_or(self.until, |before| self.until.max(before - 1))
    }
}

/// The end of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Event time below which nothing is expected any more; `None` before there is one.
    pub watermark: Option<Millis>,
    /// The partition that holds it back; `None` where all are idle.
    pub held_by: Option<(Topic, u32)>,
    /// Next offset of every partition.
    pub offsets: Vec<(Topic, u32, u64)>,
    /// How many records were read of every partition that had any, valid or not.
    pub read: Vec<(Topic, u32, u64)>,
    /// The greatest valid event time of every partition that has had one.
    pub highs: Vec<(Topic, u32, Millis)>,
    /// Whether the input ended with this epoch.
    pub last: bool,
    /// Whether a snapshot is taken of how things stand now.
    pub save: Option<Save>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_with_their_zeros() {
        for width in [1, 3, 64, 65, 130] {
            let row = |customer: i64| {
                (0..width)
                    .map(|at| {
                        [0.0, 1.5, -0.0, f64::from(at)][(customer as usize + at as usize) % 4]
                    })
                    .collect::<Vec<f64>>()
            };
            let mut rows = LastRows::new(width as usize);
            (0..5).for_each(|customer| rows.push(customer, &row(customer)));
            let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            let found: Vec<(i64, Vec<u64>)> = rows
                .iter()
                .map(|found| (found.customer, bits(found.values(width as usize).collect())))
                .collect();
            assert_eq!(
                (rows.len(), found),
                (5, (0..5).map(|customer| (customer, bits(row(customer)))).collect())
            );
        }
    }
}
