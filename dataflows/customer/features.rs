//! The features of a customer as of an instant: a table of names, functions and documentation.
//!
//! The table is read by whatever shows features (a header, a row, the console) and by the
//! [context](super::context), which calls the same functions.

use super::ContextMap;
use super::formulas::Formula::{self, AtInstant, Settled, Share};
use super::formulas::{MAX_DECIMALS, Moment, Rules, Standing, State, flag};
use super::summary::Layout;
use crate::event::{Millis, Purchase};
use crate::settings::{CustomerSettings, HighValue, InputSettings};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// A part of the table.
enum Entry {
    /// One feature: name, formula, documentation.
    One(&'static str, Formula, &'static str),
    /// A share for every value of a list.
    Shares(List),
}
use Entry::{One, Shares};

/// The lists of the settings.
#[derive(Clone, Copy)]
enum List {
    Categories,
    Devices,
    Payments,
}

/// The features in the order of their columns. Each is 0 where there is no purchase, unless its
/// documentation says otherwise.
const TABLE: &[Entry] = &[
    One(
        "recency",
        AtInstant(|m| m.recency),
        "Days since the last purchase, or since signup where there is none, or 0 without a \
         profile; >= 0.",
    ),
    One("frequency", Settled(|s| s.purchases), "Number of purchases; >= 0."),
    One("total_transactions", Settled(|s| s.purchases), "Number of purchases; >= 0."),
    One("monetary", Settled(|s| s.monetary()), "Sum of the amounts, in currency units; >= 0."),
    One(
        "avg_transaction_value",
        Settled(|s| s.per_purchase(s.monetary())),
        "Mean amount, in currency units; >= 0.",
    ),
    One(
        "monetary_std",
        Settled(|s| s.monetary_std()),
        "Sample standard deviation of the amounts, in currency units; 0 below two purchases; >= 0.",
    ),
    One(
        "monetary_min",
        Settled(|s| s.units(s.state.summary.least)),
        "Least amount, in currency units; >= 0.",
    ),
    One(
        "monetary_max",
        Settled(|s| s.units(s.state.summary.greatest)),
        "Greatest amount, in currency units; >= 0.",
    ),
    One(
        "days_since_signup",
        AtInstant(|m| m.days_since_signup),
        "Days since the signup date; 0 before it, or while it is unknown; >= 0.",
    ),
    One(
        "customer_lifetime_days",
        Settled(|s| s.lifetime_days()),
        "Days from the first purchase to the last; >= 0.",
    ),
    One(
        "avg_days_between_purchases",
        Settled(|s| s.days_between_purchases()),
        "Mean days from one purchase to the next; 0 below two purchases; >= 0.",
    ),
    One(
        "weekend_shopper_pct",
        Share(Layout::WEEKEND),
        "Share of the purchases on a Saturday or Sunday (UTC); 0 to 1.",
    ),
    One(
        "holiday_shopper_pct",
        Share(Layout::HOLIDAY),
        "Share of the purchases in the holiday months (UTC); 0 to 1.",
    ),
    Shares(List::Categories),
    One(
        "category_diversity",
        Settled(|s| s.entropy(s.rules.layout.categories())),
        "Shannon entropy over the categories and `other`, in nats; >= 0.",
    ),
    One(
        "device_diversity",
        Settled(|s| s.entropy(s.rules.layout.devices())),
        "Shannon entropy over the devices and `other`, in nats; >= 0.",
    ),
    One(
        "payment_diversity",
        Settled(|s| s.entropy(s.rules.layout.payments())),
        "Shannon entropy over the payment methods and `other`, in nats; >= 0.",
    ),
    Shares(List::Devices),
    Shares(List::Payments),
    One(
        "discount_usage_rate",
        Share(Layout::DISCOUNT),
        "Share of the purchases with a discount; 0 to 1.",
    ),
    One(
        "email_open_rate",
        Settled(|s| s.of_profile(|p| p.email_open_rate)),
        "Share of mails opened, by the profile; 0 without one; 0 to 1.",
    ),
    One(
        "complaint_count",
        Settled(|s| s.of_profile(|p| p.complaint_count)),
        "Complaints, by the profile; 0 without one; >= 0.",
    ),
    One(
        "is_premium_member",
        Settled(|s| s.of_profile(|p| flag(p.premium))),
        "1 for a premium member, by the profile; 0 without one.",
    ),
    One(
        "avg_discount_pct",
        Settled(|s| s.avg_discount()),
        "Share of purchases with a discount, by the profile; 0 without one; 0 to 1.",
    ),
    One(
        "discount_sensitivity",
        Settled(|s| s.discount_sensitivity()),
        "avg_discount_pct x (1 - exp(-frequency/10)); 0 to 1.",
    ),
    One(
        "is_high_value",
        AtInstant(|m| m.is_high_value()),
        "1 from the high-value total on; 0 while there is none.",
    ),
    One(
        "is_at_risk",
        AtInstant(|m| m.is_at_risk()),
        "1 for a customer with a purchase and a recency from the at-risk limit on.",
    ),
    One(
        "is_frequent_buyer",
        Settled(|s| s.is_frequent_buyer()),
        "1 from the configured number of purchases on.",
    ),
    One(
        "is_recent_active",
        AtInstant(|m| m.is_recent_active()),
        "1 for a customer with a purchase and a recency up to the recently-active limit.",
    ),
    One(
        "clv_score",
        AtInstant(|m| m.clv_score()),
        "monetary x frequency / (recency + 1), in currency units a day; >= 0.",
    ),
];

/// All features under the settings, ready to be computed.
#[derive(Clone, Debug)]
pub struct Features {
    rules: Arc<Rules>,
    names: Vec<String>,
    columns: Vec<Column>,
    context: ContextMap,
}

#[derive(Clone, Debug)]
struct Column {
    formula: Formula,
    documentation: String,
}

impl Features {
    /// The features for these lists and limits.
    ///
    /// # Errors
    /// Every fault of the settings, a sentence each: lists that are empty, too long or give one name twice, limits out of their range, and terms
    /// of the context that name no feature or cannot be computed.
    pub fn new(
        input: &InputSettings,
        customer: &CustomerSettings,
    ) -> Result<Features, Vec<String>> {
        let mut faults = faults(input, customer);
        let layout = Layout::new(input, customer);
        let (mut names, mut columns) = (Vec::new(), Vec::new());
        for entry in TABLE {
            match entry {
                One(name, formula, documentation) => {
                    names.push(name.to_string());
                    columns.push(Column {
                        formula: *formula,
                        documentation: documentation.to_string(),
                    });
                }
                Shares(list) => {
                    let (word, values, counts) = list.of(input, &layout);
                    for (value, count) in values.iter().zip(counts) {
                        names.push(share_name(value));
                        let documentation =
                            format!("Share of the purchases with {word} {value}; 0 to 1.");
                        columns.push(Column { formula: Share(count), documentation });
                    }
                }
            }
        }
        faults.extend(repeated(&names).map(|name| {
            format!(
                "two features would be called `{name}`: give the listed values \
                    names that differ in letters and digits"
            )
        }));
        let rules = Arc::new(Rules::new(input, customer, layout));
        let formula = |feature: &str| {
            names.iter().position(|name| name == feature).map(|column| columns[column].formula)
        };
        match ContextMap::new(&rules, formula, &customer.context) {
            Ok(context) if faults.is_empty() => Ok(Features { rules, names, columns, context }),
            Ok(_) => Err(faults),
            Err(of_context) => Err(faults.into_iter().chain(of_context).collect()),
        }
    }

    /// The names in the order of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What each feature is, with its unit and range, in the order of the columns.
    pub fn documentation(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.documentation.as_str())
    }

    /// Where the counts of a customer lie.
    pub fn layout(&self) -> &Layout {
        &self.rules.layout
    }

    /// The context vector over these features.
    pub fn context(&self) -> &ContextMap {
        &self.context
    }

    /// Appends every feature of a customer as of `at`, in the order of the columns.
    ///
    /// `state` holds what is dated up to `at`. `threshold` is the total, in minor units, from which
    /// a customer is of high value on that day; `None` while there is none. With a fixed total in
    /// the settings it is not looked at.
    pub fn row(&self, state: &State<'_>, at: Millis, threshold: Option<u64>, out: &mut Vec<f64>) {
        let moment = Moment::new(Standing::new(&self.rules, state), at, threshold);
        out.extend(self.columns.iter().map(|column| match column.formula {
            Share(count) => moment.standing.share(count),
            Settled(function) => function(&moment.standing),
            AtInstant(function) => function(&moment),
        }));
    }
}

impl List {
    /// What a value of it is called, its values, and where their counts lie (`other` after the
    /// last).
    fn of<'i>(
        self,
        input: &'i InputSettings,
        layout: &Layout,
    ) -> (&'static str, &'i [String], Range<usize>) {
        match self {
            List::Categories => ("category", &input.categories, layout.categories()),
            List::Devices => ("device", &input.devices, layout.devices()),
            List::Payments => ("payment method", &input.payments, layout.payments()),
        }
    }
}

/// What is wrong with the settings themselves.
fn faults(input: &InputSettings, customer: &CustomerSettings) -> Vec<String> {
    let mut faults = Vec::new();
    for (list, values) in [
        ("categories", &input.categories),
        ("devices", &input.devices),
        ("payments", &input.payments),
    ] {
        if values.is_empty() {
            faults.push(format!("`{list}` is empty: list at least one value"));
        }
        if values.len() > Purchase::MAX_LISTED {
            faults.push(format!(
                "`{list}` has {} values: at most {} can be told apart",
                values.len(),
                Purchase::MAX_LISTED
            ));
        }
        let nameless = values.iter().filter(|value| share_name(value) == SHARE_SUFFIX);
        faults.extend(nameless.map(|value| {
            format!("`{value}` in `{list}` has no letter or digit to name its feature by")
        }));
    }
    if input.decimals > MAX_DECIMALS {
        faults.push(format!(
            "a currency with {} decimals: at most {MAX_DECIMALS} are kept",
            input.decimals
        ));
    }
    if customer.holiday_months & !0b1_1111_1111_1110 != 0 {
        faults.push(format!(
            "the holiday months have bits {:#x}: only bits 1 (January) to 12 (December) are months",
            customer.holiday_months
        ));
    }
    if let HighValue::Percentile(percent) = customer.high_value
        && !(1..=99).contains(&percent)
    {
        faults.push(format!("high value from percentile {percent}: it must lie in 1 to 99"));
    }
    for (limit, value) in
        [("at risk from", customer.at_risk_days), ("recently active up to", customer.recent_days)]
    {
        if !(value.is_finite() && value >= 0.0) {
            faults.push(format!("{limit} {value} days: it must be a number of days, 0 or more"));
        }
    }
    faults
}

const SHARE_SUFFIX: &str = "_pct";

/// The name of a listed value's share: letters in lower case, digits, a `_` for spaces, nothing for
/// other characters; then `_pct`.
fn share_name(value: &str) -> String {
    let kept: String = value
        .chars()
        .filter(|c| c.is_alphanumeric() || c.is_whitespace() || *c == '_')
        .flat_map(char::to_lowercase)
        .collect();
    let words: Vec<&str> = kept
        .split(|c: char| c.is_whitespace() || c == '_')
        .filter(|word| !word.is_empty())
        .collect();
    words.join("_") + SHARE_SUFFIX
}

/// The names that occur again after their first time.
fn repeated(names: &[String]) -> impl Iterator<Item = &String> {
    let mut seen = HashSet::new();
    names.iter().filter(move |name| !seen.insert(*name))
}

#[cfg(test)]
mod tests;
