//! What customers and bandits are configured with.

use super::value;
use crate::config::terms;
use crate::config::types::{DecideOn, HighValueRule};
use dataflows::settings::Term;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Value;

/// What asks for a decision.
pub fn decide_on<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DecideOn, D::Error> {
    let read = |v: &Value| match v.as_str()? {
        "request" => Some(DecideOn::Request),
        "transaction" => Some(DecideOn::Transaction),
        _ => None,
    };
    value(deserializer, read, "\"request\" or \"transaction\"")
}

/// Months, as a set of bits (bit 1 = January).
pub fn months<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let month = |v: &Value| v.as_integer().filter(|n| (1..=12).contains(n));
    let read = |v: &Value| v.as_array()?.iter().try_fold(0u16, |set, v| Some(set | 1 << month(v)?));
    value(deserializer, read, "a list of months, 1 to 12")
}

/// Who is of high value.
pub fn high_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HighValueRule, D::Error> {
    let read = |v: &Value| match v {
        Value::String(text) => top_percent(text).or_else(|| decimal(text)),
        Value::Integer(amount) => decimal(&amount.to_string()),
        Value::Float(amount) => decimal(&amount.to_string()),
        _ => None,
    };
    value(
        deserializer,
        read,
        "\"top P%\" with P from 1 to 99, or a sum such as 50000 or \"49999.90\", up to 10000000000",
    )
}

fn top_percent(text: &str) -> Option<HighValueRule> {
    let percent: u8 =
        text.trim().strip_prefix("top")?.trim().strip_suffix('%')?.trim().parse().ok()?;
    (1..=99).contains(&percent).then(|| HighValueRule::Percentile(100 - percent))
}

/// A sum of money on its digits: whole units and at most four decimals.
fn decimal(text: &str) -> Option<HighValueRule> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 4 {
        return None;
    }
    let ten_thousandths = format!("{whole}{fraction:0<4}").parse::<u64>().ok()?;
    (ten_thousandths <= 10_000_000_000 * 10_000)
        .then_some(HighValueRule::Amount { ten_thousandths })
}

/// Terms of the context.
pub fn context_terms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Term>, D::Error> {
    let terms = Value::deserialize(deserializer)?;
    let list = terms.as_array().filter(|list| (1..=MAX_TERMS).contains(&list.len()));
    let list = list.ok_or_else(|| D::Error::custom(format!("a list of 1 to {MAX_TERMS} terms")))?;
    let (read, refused): (Vec<_>, Vec<_>) = list
        .iter()
        .map(|v| v.as_str().and_then(terms::parse_term).ok_or(v))
        .partition(Result::is_ok);
    let refused: Vec<String> =
        refused.into_iter().filter_map(Result::err).map(|v| format!("not {v}")).collect();
    if refused.is_empty() {
        Ok(read.into_iter().flatten().collect())
    } else {
        Err(D::Error::custom(format!("{}, {}", terms::ALLOWED, refused.join(" and "))))
    }
}

/// Terms of a context at most: a model takes their number squared for each arm.
const MAX_TERMS: usize = dataflows::bandit::MAX_DIMENSION;
