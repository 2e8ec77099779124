//! The sections on what is computed: customers, contexts and bandits.

use super::{DAY, SECOND};
use crate::config::values;
use dataflows::bandit::parameters::Parameters;
use dataflows::bandit::policy::RewardUnit;
use dataflows::event::Millis;
use dataflows::settings::Term;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Table;

/// What is kept of customers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySection {
    /// How long events are kept one by one; `None`: for ever.
    #[serde(deserialize_with = "values::optional_millis::<_, DAY, { 36_500 * DAY }>")]
    pub keep: Option<Millis>,
}

/// Customers and their features.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomersSection {
    /// Categories that are told apart.
    #[serde(deserialize_with = "values::names::<_, { values::MAX_LISTED }>")]
    pub categories: Vec<String>,
    /// Devices that are told apart.
    #[serde(deserialize_with = "values::names::<_, { values::MAX_LISTED }>")]
    pub devices: Vec<String>,
    /// Payment methods that are told apart.
    #[serde(deserialize_with = "values::names::<_, { values::MAX_LISTED }>")]
    pub payments: Vec<String>,
    /// Holiday season, one bit a month (bit 1 = January).
    #[serde(deserialize_with = "values::months")]
    pub holiday_months: u16,
    /// Who is of high value.
    #[serde(deserialize_with = "values::high_value")]
    pub high_value: HighValueRule,
    /// Days of recency from which a customer is at risk.
    #[serde(deserialize_with = "values::real::<_, 0, 36_500>")]
    pub at_risk_days: f64,
    /// Days of recency up to which a customer is recently active.
    #[serde(deserialize_with = "values::real::<_, 0, 36_500>")]
    pub recent_days: f64,
    /// Purchases from which a customer is a frequent buyer.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1_000_000>")]
    pub frequent_purchases: u32,
}

/// Who is of high value, before the currency's decimals are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HighValueRule {
    /// The percentile of all customers.
    Percentile(u8),
    /// A fixed sum, in ten-thousandths of the currency: the finest that any currency here has.
    Amount {
        /// The sum.
        ten_thousandths: u64,
    },
}

/// The context vector.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextSection {
    /// Its terms.
    #[serde(deserialize_with = "values::context_terms")]
    pub terms: Vec<Term>,
}

/// The learner.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BanditSection {
    /// Names of the arms.
    #[serde(deserialize_with = "values::names::<_, { values::MAX_ARMS }>")]
    pub arms: Vec<String>,
    /// Names of those among them that are not chosen any more.
    #[serde(deserialize_with = "values::names_or_none::<_, { values::MAX_ARMS }>")]
    pub retired: Vec<String>,
    /// Ridge of the solved model.
    #[serde(deserialize_with = "values::positive")]
    pub ridge: f64,
    /// The policy that decides: a kind, or the name of one of `policies`.
    #[serde(deserialize_with = "values::text")]
    pub policy: String,
    /// What a kind measures in; `None`: as it does by itself.
    #[serde(deserialize_with = "values::reward_unit")]
    pub unit: Option<RewardUnit>,
    /// The least probability of an arm that may be chosen.
    #[serde(deserialize_with = "values::real::<_, 0, 1>")]
    pub floor: f64,
    /// Whom little is known of.
    pub cold: ColdSection,
    /// What policies are told: every key that is not named here, and no others than they declare.
    #[serde(flatten, deserialize_with = "values::parameters")]
    pub parameters: Parameters,
    /// What the draws of decisions begin with.
    #[serde(deserialize_with = "values::whole::<_, _, 0, { i64::MAX }>")]
    pub seed: u64,
    /// Epochs from learning to deciding.
    #[serde(deserialize_with = "values::whole::<_, _, 1, 1_000>")]
    pub model_lag: u64,
    /// What asks for a decision.
    #[serde(deserialize_with = "values::decide_on")]
    pub decide_on: DecideOn,
    /// Whether an event's own features are used.
    #[serde(deserialize_with = "values::truth")]
    pub own_features: bool,
    /// How long a reward belongs to its interaction.
    #[serde(deserialize_with = "values::millis::<_, SECOND, { 3_650 * DAY }>")]
    pub attribution_window: Millis,
    /// What an interaction without any reward counts.
    #[serde(deserialize_with = "values::real::<_, -10_000_000, 10_000_000>")]
    pub no_response_reward: f64,
}

/// Whom little is known of.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColdSection {
    /// Who has fewer settled interactions than so many.
    #[serde(deserialize_with = "values::whole::<_, _, 0, 1_000_000>")]
    pub interactions: u32,
    /// How much more is explored with them.
    #[serde(deserialize_with = "values::factor")]
    pub factor: f64,
}

/// Tables of policies with names of their own, as they are written: what is wrong with them, the
/// room says that knows policies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyTables(pub BTreeMap<String, Table>);

/// What asks for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecideOn {
    /// The topic of requests, and the API.
    Request,
    /// Every purchase as well.
    Transaction,
}
