//! What the core must be told: lists, limits, features and learner of the campaign dataflow,
//! validated before it starts.

mod serving;

pub use self::serving::{Cold, NamedPolicy, Serving};
pub use crate::event::input::InputSettings;
use crate::event::{DAY, Horizon, Millis};
use serde::{Deserialize, Serialize};

/// Settings of the campaign dataflow. The program reads them from its configuration; the defaults
/// are those of the specification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Reading of records.
    pub input: InputSettings,
    /// Customers and their features.
    pub customer: CustomerSettings,
    /// The learner.
    pub bandit: BanditSettings,
    /// Time: lateness and windows.
    pub time: TimeSettings,
    /// What the sinks want to have.
    #[serde(skip)]
    pub emit: Emit,
    /// What served before, where that was otherwise: each with the last epoch that it held for, in
    /// ascending order.
    #[serde(skip)]
    pub earlier: Vec<(u64, Serving)>,
}

impl Settings {
    /// What serves in an epoch.
    pub fn serving(&self, epoch: u64) -> &Serving {
        self.earlier
            .iter()
            .find(|(last, _)| epoch <= *last)
            .map_or(&self.bandit.serving, |(_, serving)| serving)
    }

    /// The epochs after this one with which the ridge becomes another one, and that ridge.
    pub fn ridges_after(&self, epoch: u64) -> impl Iterator<Item = (u64, f64)> {
        let changes =
            self.earlier.iter().map(|(last, _)| last + 1).filter(move |first| *first > epoch);
        let ridges =
            move |first: u64| (first, self.serving(first - 1).ridge, self.serving(first).ridge);
        changes
            .map(ridges)
            .filter(|(_, before, now)| before != now)
            .map(|(first, _, now)| (first, now))
    }
}

/// Customers and their features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomerSettings {
    /// Months (1 to 12) that count as holiday season, one bit each (bit 1 = January).
    pub holiday_months: u16,
    /// What makes a customer one of high value.
    pub high_value: HighValue,
    /// Days of recency from which a customer is at risk.
    pub at_risk_days: f64,
    /// Purchases from which a customer is a frequent buyer.
    pub frequent_purchases: u32,
    /// Days of recency up to which a customer is recently active.
    pub recent_days: f64,
    /// The context vector, term by term.
    pub context: Vec<Term>,
}

/// What makes a customer one of high value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HighValue {
    /// A fixed total in minor units: monetary >= it.
    Fixed(u64),
    /// The percentile (1 to 99, nearest rank) of monetary over all customers, taken daily.
    Percentile(u8),
}

/// One term of the context vector: a feature and its transform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// Name of the feature, or `intercept`.
    pub feature: String,
    /// What is done to it.
    pub transform: Transform,
}

/// What is done to a feature before it enters the context.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Transform {
    /// As it is.
    Identity,
    /// v / scale.
    Scale(f64),
    /// min(v, cap) / cap.
    Cap(f64),
    /// ln(1 + v) / scale.
    Log(f64),
}

/// The learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BanditSettings {
    /// What may change from one epoch to the next.
    pub serving: Serving,
    /// K: a model learned in epoch e decides from epoch e + K on; at least 1.
    pub model_lag: u64,
    /// Whether an event's own `features` take the place of the joined context.
    pub own_features: bool,
}

/// Lateness and windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeSettings {
    /// How late an event may come and still count as in order.
    pub lateness: Millis,
    /// How long after its interaction a reward still belongs to it.
    pub attribution_window: Millis,
    /// What an interaction without any reward counts, in Q16.
    pub no_response_reward: i64,
    /// How long before the watermark's day events are kept one by one; older ones are folded into
    /// sums. `None`: for ever.
    ///
    /// Less than [`TimeSettings::least_keep`] counts as that: what is folded has then been learned
    /// from, and nothing that is in order can change it.
    pub keep: Option<Millis>,
}

impl TimeSettings {
    /// The least time that events must be kept: until nothing can be in order any more that belongs
    /// to them.
    pub fn least_keep(&self) -> Millis {
        self.lateness.saturating_add(self.attribution_window).saturating_add(3 * DAY)
    }

    /// How long events are kept one by one; `Millis::MAX`: for ever.
    pub fn kept(&self) -> Millis {
        self.keep.map_or(Millis::MAX, |keep| keep.max(self.least_keep()))
    }

    /// Up to when events are folded in an epoch, given the watermark of the epoch before: nothing
    /// else may be asked, so that an epoch that is repeated has the same horizon.
    pub fn horizon(&self, watermark: Option<Millis>) -> Horizon {
        let (Some(_), Some(watermark)) = (self.keep, watermark) else { return Horizon::NONE };
        let events = watermark.div_euclid(DAY).saturating_mul(DAY).saturating_sub(self.kept());
        Horizon { events, rewards: events.saturating_add(self.attribution_window) }
    }
}

/// What the sinks want to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emit {
    /// Rows of interactions, with their contexts, as they settle and change.
    pub interactions: bool,
    /// Rows of features of each changed customer, each epoch.
    pub features: bool,
    /// Rows of features of every customer at the end, as of an instant (`None`: the latest event).
    pub final_features: Option<Option<Millis>>,
    /// Which customers have profiles.
    pub profiled: bool,
    /// Images for snapshots, when an epoch says so.
    pub snapshots: bool,
}

impl Default for CustomerSettings {
    fn default() -> Self {
        CustomerSettings {
            holiday_months: 1 << 11 | 1 << 12,
            high_value: HighValue::Percentile(90),
            at_risk_days: 180.0,
            frequent_purchases: 10,
            recent_days: 30.0,
            context: default_context(),
        }
    }
}

/// The default context of the specification, d = 32.
pub fn default_context() -> Vec<Term> {
    use Transform::*;
    let terms: [(&str, Transform); 32] = [
        ("intercept", Identity),
        ("recency", Cap(365.0)),
        ("frequency", Log(4.0)),
        ("monetary", Log(12.0)),
        ("avg_transaction_value", Log(10.0)),
        ("days_since_signup", Cap(1460.0)),
        ("weekend_shopper_pct", Identity),
        ("holiday_shopper_pct", Identity),
        ("electronics_pct", Identity),
        ("fashion_pct", Identity),
        ("groceries_pct", Identity),
        ("travel_pct", Identity),
        ("category_diversity", Identity),
        ("mobile_pct", Identity),
        ("desktop_pct", Identity),
        ("tablet_pct", Identity),
        ("device_diversity", Identity),
        ("credit_card_pct", Identity),
        ("debit_card_pct", Identity),
        ("ewallet_pct", Identity),
        ("payment_diversity", Identity),
        ("email_open_rate", Identity),
        ("complaint_count", Log(1.0)),
        ("is_premium_member", Identity),
        ("avg_discount_pct", Identity),
        ("discount_sensitivity", Identity),
        ("is_high_value", Identity),
        ("is_at_risk", Identity),
        ("is_frequent_buyer", Identity),
        ("is_recent_active", Identity),
        ("clv_score", Log(16.0)),
        ("discount_usage_rate", Identity),
    ];
    terms
        .into_iter()
        .map(|(feature, transform)| Term { feature: feature.to_string(), transform })
        .collect()
}

impl Default for BanditSettings {
    fn default() -> Self {
        BanditSettings { serving: Serving::default(), model_lag: 1, own_features: false }
    }
}

impl Default for TimeSettings {
    fn default() -> Self {
        TimeSettings {
            lateness: DAY,
            attribution_window: 7 * DAY,
            no_response_reward: 0,
            keep: None,
        }
    }
}
