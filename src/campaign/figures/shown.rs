//! What `/status` says of the campaign, as plain values: rewards in their own unit, shares from 0
//! to 1.

use crate::campaign::counted::Counted;
use dataflows::event::Millis;
use serde::Serialize;

/// The campaign at one instant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CampaignShown {
    /// Decisions made.
    pub decisions: u64,
    /// Rewards of all arms together.
    pub reward: RewardFigures,
    /// Arms, in the order of the configuration.
    pub arms: Vec<Arm>,
    /// The newest daily threshold.
    pub threshold: Option<Threshold>,
    /// What was counted since the job's first epoch, and rejected since the start.
    pub counts: Counted,
    /// Segments, the largest first.
    pub segments: Vec<SegmentSize>,
}

/// Rewards of all arms together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RewardFigures {
    /// Of every interaction learned.
    pub mean: Option<f64>,
    /// Of the last decisions whose outcome is known.
    pub recent_mean: Option<f64>,
    /// How many those are.
    pub recent_outcomes: u64,
    /// What the best arm for each customer would give, where that is known.
    pub best_possible: Option<f64>,
    /// What the best single arm for all would give, where that is known.
    pub best_fixed: Option<f64>,
}

/// An arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arm {
    /// Its number.
    pub arm: usize,
    /// Its name.
    pub name: String,
    /// Observations in its model.
    pub n: i64,
    /// Decisions for it since the start.
    pub decisions: u64,
    /// Its share of the decisions since the start.
    pub decisions_share: Option<f64>,
    /// Its share of the last decisions.
    pub recent_decisions_share: Option<f64>,
    /// Interactions learned.
    pub interactions: i64,
    /// Its share of them.
    pub interactions_share: Option<f64>,
    /// Mean reward of its interactions.
    pub mean_reward: Option<f64>,
    /// Mean reward of its last decisions whose outcome is known.
    pub recent_mean_reward: Option<f64>,
}

/// A daily threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// Midnight of the day that it holds for.
    pub day_ms: Millis,
    /// Total from which a customer is of high value, in the currency.
    pub high_value: f64,
}

/// Customers that share the four flags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentSize {
    /// Which flags they have.
    pub flags: Vec<&'static str>,
    /// How many they are.
    pub customers: i64,
}
