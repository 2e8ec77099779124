//! What the features compute: a customer by itself and a customer at an instant, each with its
//! quantities.

use super::counts::CountTables;
use super::summary::{Layout, Summary};
use crate::event::{DAY, Millis, Profile};
use crate::settings::{CustomerSettings, HighValue, InputSettings};
use std::ops::Range;

/// What is known of a customer: the purchases so far, summed, and the profile that holds.
#[derive(Clone, Copy, Debug)]
pub struct CustomerState<'a> {
    /// The purchases.
    pub summary: &'a Summary,
    /// Their counts, by [`Layout`].
    pub counts: &'a [u32],
    /// The profile, if there is one.
    pub profile: Option<&'a Profile>,
}

/// Decimals that a currency may have.
pub(super) const MAX_DECIMALS: u32 = 4;

/// How a feature comes about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Formula {
    /// The share of the purchases that are in this count.
    Share(usize),
    /// From purchases alone.
    Settled(fn(&FormulaInput<'_>) -> f64),
    /// From the profile too.
    OfProfile(fn(&FormulaInput<'_>) -> f64),
    /// From the instant too, which may be that of a profile.
    AtInstant(fn(&Moment<'_>) -> f64),
}

/// What the formulas need beside a customer: where the counts lie, limits, tables.
#[derive(Debug)]
pub(super) struct FeatureRules {
    pub(super) layout: Layout,
    /// Minor units to one unit of the currency.
    minor_units: f64,
    high_value: HighValue,
    at_risk_days: f64,
    frequent_purchases: u32,
    recent_days: f64,
    pub(super) tables: CountTables,
}

impl FeatureRules {
    pub(super) fn new(input: &InputSettings, customer: &CustomerSettings, layout: Layout) -> Self {
        FeatureRules {
            layout,
            minor_units: (0..input.decimals.min(MAX_DECIMALS)).fold(1.0, |units, _| units * 10.0),
            high_value: customer.high_value,
            at_risk_days: customer.at_risk_days,
            frequent_purchases: customer.frequent_purchases,
            recent_days: customer.recent_days,
            tables: CountTables::new(),
        }
    }

    /// Whether high value goes by a threshold that is taken daily.
    pub(super) fn has_daily_threshold(&self) -> bool {
        matches!(self.high_value, HighValue::Percentile(_))
    }
}

/// A customer with the rules: what the features see that depend on purchases and profile alone.
pub(super) struct FormulaInput<'a> {
    pub(super) rules: &'a FeatureRules,
    pub(super) state: &'a CustomerState<'a>,
    /// Number of purchases.
    pub(super) purchases: f64,
}

impl<'a> FormulaInput<'a> {
    #[inline]
    pub(super) fn new(rules: &'a FeatureRules, state: &'a CustomerState<'a>) -> Self {
        FormulaInput { rules, state, purchases: f64::from(state.summary.purchases) }
    }

    /// The share of the purchases that are in this count.
    #[inline]
    pub(super) fn share(&self, count: usize) -> f64 {
        self.per_purchase(f64::from(self.state.counts[count]))
    }

    #[inline]
    pub(super) fn per_purchase(&self, sum: f64) -> f64 {
        if self.state.summary.purchases == 0 { 0.0 } else { sum / self.purchases }
    }

    /// Minor units as units of the currency.
    #[inline]
    pub(super) fn units(&self, minor: u64) -> f64 {
        minor as f64 / self.rules.minor_units
    }

    #[inline]
    pub(super) fn monetary(&self) -> f64 {
        self.units(self.state.summary.amount)
    }

    /// The square root of (n sum x^2 - (sum x)^2) / (n (n - 1)), with the difference taken in
    /// integers, so that nothing cancels.
    pub(super) fn monetary_std(&self) -> f64 {
        let Summary { purchases, amount, squares, .. } = *self.state.summary;
        if purchases < 2 {
            return 0.0;
        }
        // Taken around the whole part of the mean, the difference stays small: sum (x - mean)^2 =
        // around - remainder^2 / n. No term of `around` passes 2^113, being at most n = 2^32
        // squares of 40 bits, twice.
        let n = u128::from(purchases);
        let (mean, remainder) = (u128::from(amount) / n, u128::from(amount) % n);
        let around = squares + n * mean * mean - 2 * mean * u128::from(amount);
        let difference = match around.checked_mul(n) {
            Some(product) => (product - remainder * remainder) as f64,
            // Then around >= 2^96, and the remainder^2 / n < 2^32 left out is far below the last
            // bit of an f64.
            None => around as f64 * self.purchases,
        };
        (difference / (self.purchases * (self.purchases - 1.0))).sqrt() / self.rules.minor_units
    }

    pub(super) fn lifetime_days(&self) -> f64 {
        days(self.state.summary.first, self.state.summary.last)
    }

    pub(super) fn days_between_purchases(&self) -> f64 {
        if self.state.summary.purchases < 2 {
            0.0
        } else {
            self.lifetime_days() / (self.purchases - 1.0)
        }
    }

    /// Shannon entropy of these counts in nats: -sum p ln p = (n ln n - sum k ln k) / n. Their sum
    /// is the number of purchases.
    #[inline]
    pub(super) fn entropy(&self, counts: Range<usize>) -> f64 {
        let tables = &self.rules.tables;
        let listed: f64 = self.state.counts[counts].iter().map(|&count| tables.n_ln_n(count)).sum();
        self.per_purchase((tables.n_ln_n(self.state.summary.purchases) - listed).max(0.0))
    }

    #[inline]
    pub(super) fn of_profile(&self, fact: impl Fn(&Profile) -> f64) -> f64 {
        self.state.profile.map_or(0.0, fact)
    }

    #[inline]
    pub(super) fn avg_discount(&self) -> f64 {
        self.of_profile(|profile| profile.avg_discount)
    }

    pub(super) fn discount_sensitivity(&self) -> f64 {
        self.avg_discount() * self.rules.tables.saturation(self.state.summary.purchases)
    }

    pub(super) fn is_frequent_buyer(&self) -> f64 {
        let purchases = self.state.summary.purchases;
        flag(purchases > 0 && purchases >= self.rules.frequent_purchases)
    }
}

/// A customer at an instant: what the features see that depend on time.
pub(super) struct Moment<'a> {
    pub(super) standing: FormulaInput<'a>,
    pub(super) recency: f64,
    pub(super) days_since_signup: f64,
    /// The total in minor units from which a customer is of high value.
    high_value: Option<u64>,
}

impl<'a> Moment<'a> {
    #[inline]
    pub(super) fn new(standing: FormulaInput<'a>, at: Millis, threshold: Option<u64>) -> Self {
        let signup = standing
            .state
            .profile
            .map(|profile| profile.signup)
            .filter(|&signup| signup != Millis::MIN);
        let days_since_signup = signup.map_or(0.0, |signup| days(signup, at));
        let recency = if standing.state.summary.purchases == 0 {
            days_since_signup
        } else {
            days(standing.state.summary.last, at)
        };
        let high_value = match standing.rules.high_value {
            HighValue::Fixed(total) => Some(total),
            HighValue::Percentile(_) => threshold,
        };
        Moment { standing, recency, days_since_signup, high_value }
    }

    #[inline]
    fn has_purchase(&self) -> bool {
        self.standing.state.summary.purchases > 0
    }

    pub(super) fn is_high_value(&self) -> f64 {
        let total = self.standing.state.summary.amount;
        flag(self.has_purchase() && self.high_value.is_some_and(|threshold| total >= threshold))
    }

    pub(super) fn is_at_risk(&self) -> f64 {
        flag(self.has_purchase() && self.recency >= self.standing.rules.at_risk_days)
    }

    pub(super) fn is_recent_active(&self) -> f64 {
        flag(self.has_purchase() && self.recency <= self.standing.rules.recent_days)
    }

    pub(super) fn clv_score(&self) -> f64 {
        self.standing.monetary() * self.standing.purchases / (self.recency + 1.0)
    }
}

/// Days from one instant to a later one; 0 to an earlier one.
#[inline]
fn days(from: Millis, to: Millis) -> f64 {
    to.saturating_sub(from).max(0) as f64 / DAY as f64
}

#[inline]
pub(super) fn flag(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}
