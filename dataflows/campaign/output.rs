//! What the campaign dataflow hands to the sinks, epoch by epoch: batches of rows, all plain
//! values.
//!
//! Every worker sends [`Output`]s at the time of their epoch; together with those of the other
//! workers they are the whole of what the epoch changed. Sums of [`Counts`] and the rows of one
//! epoch are the same on any number of workers, only their order and grouping differ.

use crate::bandit::acting::Exploration;
use crate::bandit::policy::Chosen;
use crate::bandit::rewards::RewardSums;
use crate::bandit::ridge::ArmModel;
use crate::bandit::totals::Totals;
pub use crate::campaign::counts::{Count, Counts};
pub use crate::campaign::rows::{
    FeatureRow, FeatureRows, InteractionRow, InteractionRows, LastRow, LastRows,
};
use crate::epoch::Closed;
use crate::event::unlisted::List;
use crate::event::{CustomerId, Millis, Names, Rejected};
use crate::source::{Kept, TopicId};
pub use crate::table::Change;
use crate::table::TableRows;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

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
    /// The rewards of an arm's sums as they stood before the epoch, which were not known.
    Recounted(u32, RewardSums),
    /// A daily high-value threshold that closed: the day it holds for, and the total in minor
    /// units.
    Threshold(Day, u64),
    /// Records that were rejected.
    Rejected(Vec<Rejected>),
    /// Fields of valid records that could not be read and were left out, since nothing depends on
    /// them: topic, name, and in how many records.
    Ignored(Vec<(TopicId, String, u64)>),
    /// Hashes of names of purchases that are not in their lists, some of them seen before.
    Unlisted(Vec<(List, u64)>),
    /// Contacts and rewards of a day and arm, as they now stand.
    ArmDay(ArmDay),
    /// Customers in a segment, as they now stand.
    Segment(Segment),
    /// Rows of a small table that nobody but those who keep it asks for.
    Rows(TableRows),
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
    /// Probability of every arm, in their order.
    #[serde(default)]
    pub propensities: Vec<f64>,
    /// Why each arm could not be chosen; empty for one that could.
    #[serde(default)]
    pub reasons: Vec<Cow<'static, str>>,
    /// By how much the policy explored.
    #[serde(default)]
    pub exploration: Exploration,
    /// What the policy was told, by its names, where the decision was made before its epoch and
    /// taken as made.
    #[serde(default)]
    pub answered: Option<BTreeMap<String, f64>>,
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
            propensities: Vec::new(),
            reasons: Vec::new(),
            exploration: Exploration::default(),
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
