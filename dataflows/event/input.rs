//! How records are read: lists, names and limits.

use super::instant::TimeUnit;
use super::{DAY, Millis, Topic};
use serde::{Deserialize, Serialize};

/// How records are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputSettings {
    /// Purchase categories that are told apart; anything else counts as one `other`.
    pub categories: Vec<String>,
    /// Devices, likewise.
    pub devices: Vec<String>,
    /// Payment methods, likewise.
    pub payments: Vec<String>,
    /// Names of the arms; an interaction's action is an index into them or one of them.
    pub arms: Vec<String>,
    /// Decimals of the currency (0 to 4).
    pub decimals: u32,
    /// Bytes of one record at most; a longer one is rejected.
    pub max_record: usize,
    /// Fields that are called otherwise in the source: topic, name here, name there.
    pub aliases: Vec<(Topic, String, String)>,
    /// Length of the `features` that an event may carry (the dimension of the context); others are
    /// rejected.
    pub dimension: usize,
    /// Whether [`Names`](super::Names) are wanted.
    pub names: bool,
    /// How far past the broker's timestamp an event may be dated.
    pub future: Millis,
    /// What numbers that are instants count; `None`: milliseconds, but those that would lie in
    /// January 1970 are rejected.
    pub time_unit: Option<TimeUnit>,
    /// Forms of dates (of strptime) that are read beside those that everybody knows.
    pub date_formats: Vec<String>,
    /// Whether the `features` that an event carries take the place of the joined context.
    pub own_features: bool,
}

impl Default for InputSettings {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        InputSettings {
            categories: list(&["Electronics", "Fashion", "Groceries", "Travel"]),
            devices: list(&["Mobile", "Desktop", "Tablet"]),
            payments: list(&["Credit Card", "Debit Card", "E-wallet"]),
            arms: list(&["Email", "SMS", "Push", "Direct Mail"]),
            decimals: 2,
            max_record: 1 << 20,
            aliases: Vec::new(),
            dimension: 32,
            names: false,
            future: DAY,
            time_unit: None,
            date_formats: Vec::new(),
            own_features: false,
        }
    }
}
