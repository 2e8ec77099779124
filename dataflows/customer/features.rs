//! The features of a customer as of an instant: a table of names, functions and documentation.
//!
//! The table is read by whatever shows features (a header, a row, the console) and by the
//! [context](super::context), which calls the same functions.

mod table;

use super::ContextMap;
use super::formulas::Formula::{self, AtInstant, OfProfile, Settled, Share};
use super::formulas::{CustomerState, FeatureRules, FormulaInput, MAX_DECIMALS, Moment};
use super::summary::Layout;
use crate::event::{Millis, Purchase};
use crate::settings::{CustomerSettings, HighValue, InputSettings};
use std::collections::HashSet;
use std::sync::Arc;
use table::FeatureGroup::{One, Shares};
use table::TABLE;

/// All features under the settings, ready to be computed.
#[derive(Clone, Debug)]
pub struct Features {
    rules: Arc<FeatureRules>,
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
    /// Every fault of the settings, a sentence each: lists that are empty, too long or give one
    /// name twice, limits out of their range, and terms of the context that name no feature or
    /// cannot be computed.
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
        let rules = Arc::new(FeatureRules::new(input, customer, layout));
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
    pub fn row(
        &self,
        state: &CustomerState<'_>,
        at: Millis,
        threshold: Option<u64>,
        out: &mut Vec<f64>,
    ) {
        let moment = Moment::new(FormulaInput::new(&self.rules, state), at, threshold);
        out.extend(self.columns.iter().map(|column| match column.formula {
            Share(count) => moment.standing.share(count),
            Settled(function) | OfProfile(function) => function(&moment.standing),
            AtInstant(function) => function(&moment),
        }));
    }
}

/// Whether a feature follows from the profile of a customer, or from the instant that its row holds
/// for, which a profile may have set.
pub fn follows_profile(name: &str) -> bool {
    TABLE
        .iter()
        .any(|entry| matches!(entry, One(of, AtInstant(_) | OfProfile(_), _) if *of == name))
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
