//! The segments of customers, and what those of each have in common.

use super::choices::{CATEGORIES, DEVICES, PAYMENTS};
use super::random::Weights;

/// Days without a purchase after which a customer counts as at risk; customers of that segment
/// stopped at least so long before the end.
pub const AT_RISK_DAYS: u16 = 180;

/// What kind of customer somebody is. No event says so: a learner has to see it in the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum HiddenSegment {
    /// Spends more, a purchase and in all.
    HighValue,
    /// Has stopped buying at least [`AT_RISK_DAYS`] before the end.
    AtRisk,
    /// Buys often.
    Frequent,
    /// Everybody else.
    Regular,
}

impl HiddenSegment {
    /// All of them, in the order of their numbers.
    pub const ALL: [HiddenSegment; 4] = [
        HiddenSegment::HighValue,
        HiddenSegment::AtRisk,
        HiddenSegment::Frequent,
        HiddenSegment::Regular,
    ];

    /// Its name.
    #[cfg(test)]
    pub fn name(self) -> &'static str {
        match self {
            HiddenSegment::HighValue => "high-value",
            HiddenSegment::AtRisk => "at-risk",
            HiddenSegment::Frequent => "frequent",
            HiddenSegment::Regular => "regular",
        }
    }

    /// Its share of the population, before chance.
    #[cfg(test)]
    pub fn share(self) -> f64 {
        self.character().share
    }

    pub(crate) fn character(self) -> &'static Character {
        &CHARACTERS[self as usize]
    }
}

/// What the customers of a segment have in common.
pub(crate) struct Character {
    /// Share of the population.
    pub(crate) share: f64,
    /// Purchases a day, relative to the other segments.
    pub(crate) purchase_rate: f64,
    /// How far the logarithm of an amount lies above that of other segments; only differences
    /// count.
    pub(crate) spending: f64,
    /// Probability of a premium membership.
    pub(crate) premium: f64,
    /// Mean email open rate; it follows the segment's conversion by email.
    pub(crate) open_rate: f64,
    /// Mean depth of the discounts taken.
    pub(crate) discount: f64,
    /// Mean number of complaints.
    pub(crate) complaints: f64,
    /// Mean age in years.
    pub(crate) age: f64,
    /// Days from signup to the world's start, least and most.
    pub(crate) tenure_days: (u16, u16),
    /// Days since the last login, least and most.
    pub(crate) login_days: (u16, u16),
    /// Weights of the favorite category.
    pub(crate) categories: Weights<{ CATEGORIES.len() }>,
    /// Weights of the preferred device.
    pub(crate) devices: Weights<{ DEVICES.len() }>,
    /// Weights of the preferred payment method.
    pub(crate) payments: Weights<{ PAYMENTS.len() }>,
}

/// The segments' characters. With 10 purchases a customer on average they come to about 16
/// (high-value), 4 (at-risk, before they stopped), 15 (frequent) and 5 (regular) a head.
static CHARACTERS: [Character; 4] = [
    Character {
        share: 0.10,
        purchase_rate: 1.6,
        spending: 0.75,
        premium: 0.70,
        open_rate: 0.22,
        discount: 0.05,
        complaints: 0.3,
        age: 46.0,
        tenure_days: (540, 1460),
        login_days: (0, 10),
        categories: Weights::new([0.34, 0.16, 0.08, 0.32, 0.05, 0.03, 0.02]),
        devices: Weights::new([0.40, 0.48, 0.12]),
        payments: Weights::new([0.78, 0.10, 0.11, 0.01]),
    },
    Character {
        share: 0.15,
        purchase_rate: 0.8,
        spending: 0.0,
        premium: 0.10,
        open_rate: 0.56,
        discount: 0.30,
        complaints: 2.2,
        age: 42.0,
        tenure_days: (180, 1200),
        login_days: (60, 400),
        categories: Weights::new([0.24, 0.30, 0.18, 0.10, 0.08, 0.06, 0.04]),
        devices: Weights::new([0.38, 0.44, 0.18]),
        payments: Weights::new([0.30, 0.42, 0.20, 0.08]),
    },
    Character {
        share: 0.40,
        purchase_rate: 1.5,
        spending: -0.15,
        premium: 0.35,
        open_rate: 0.40,
        discount: 0.15,
        complaints: 0.5,
        age: 34.0,
        tenure_days: (90, 1460),
        login_days: (0, 14),
        categories: Weights::new([0.16, 0.26, 0.42, 0.05, 0.05, 0.04, 0.02]),
        devices: Weights::new([0.74, 0.16, 0.10]),
        payments: Weights::new([0.28, 0.22, 0.46, 0.04]),
    },
    Character {
        share: 0.35,
        purchase_rate: 0.5,
        spending: -0.15,
        premium: 0.06,
        open_rate: 0.32,
        discount: 0.21,
        complaints: 0.9,
        age: 39.0,
        tenure_days: (1, 1000),
        login_days: (3, 60),
        categories: Weights::new([0.22, 0.28, 0.26, 0.08, 0.08, 0.05, 0.03]),
        devices: Weights::new([0.58, 0.28, 0.14]),
        payments: Weights::new([0.36, 0.36, 0.20, 0.08]),
    },
];

/// The segments' shares of the population.
pub(crate) static SHARES: Weights<4> = Weights::new([
    CHARACTERS[0].share,
    CHARACTERS[1].share,
    CHARACTERS[2].share,
    CHARACTERS[3].share,
]);
