//! What the values of a record mean to the oracle, whatever they are spelt like.

use super::*;

pub(super) fn required<T>(value: Option<T>) -> Result<T, Reason> {
    value.ok_or("missing_field")
}

pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Cell(text) => Some(text),
        _ => None,
    }
}

/// A number may be written as a text.
pub(super) fn digits(value: &Value) -> Option<&str> {
    match value {
        Value::Number(digits) | Value::Cell(digits) | Value::Text(digits) => Some(digits.trim()),
        _ => None,
    }
}

fn is_number(value: &Value) -> bool {
    digits(value).is_some_and(|digits| digits.parse::<f64>().is_ok())
}

pub(super) fn number(value: &Value) -> Option<f64> {
    digits(value)?.parse().ok().filter(|v: &f64| v.is_finite())
}

/// "customer_id: integer, 0 to 2^63 - 1."
pub(super) fn customer(fields: &Fields) -> Result<i64, Reason> {
    let value = fields.get("customer_id").ok_or("missing_field")?;
    let whole = |digits: &str| digits.parse().ok().or_else(|| integral_float(digits));
    digits(value).and_then(whole).filter(|customer| *customer >= 0).ok_or("bad_field")
}

/// "Integral floats below 2^53 are the integer."
fn integral_float(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

/// An id as it is kept: without the space around it, and an integral float as its integer.
fn kept_id(text: &str) -> String {
    let text = text.trim();
    let is_float = text.split_once('.').is_some_and(|(whole, zeros)| {
        whole.parse::<i64>().is_ok_and(|number| number.to_string() == whole)
            && !zeros.is_empty()
            && zeros.bytes().all(|byte| byte == b'0')
    });
    integral_float(text).filter(|_| is_float).map_or(text.to_owned(), |number| number.to_string())
}

/// "String or integer": an id is its text, so that 17 and "17" are one id (a CSV cell could not
/// tell them apart).
pub(super) fn id(fields: &Fields, name: &str) -> Result<Option<String>, Reason> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::Text(text) | Value::Cell(text)) => Ok(Some(kept_id(text))),
        Some(Value::Number(digits)) if digits.parse::<i128>().is_ok() => Ok(Some(digits.clone())),
        Some(Value::Number(digits)) if integral_float(digits).is_some() => {
            Ok(integral_float(digits).map(|number| number.to_string()))
        }
        Some(_) => Err("bad_field"),
    }
}

/// "The list is configuration; case ignored; anything else or absent counts as one `other`."
pub(super) fn code(fields: &Fields, name: &str, list: &[String]) -> usize {
    let written = fields.get(name).and_then(text).unwrap_or("").trim();
    list.iter()
        .position(|listed| listed.to_lowercase() == written.to_lowercase())
        .unwrap_or(list.len())
}

/// "Booleans 0/1, yes/no, t/f, true/false, y/n, in any case."
pub(super) fn flag(fields: &Fields, name: &str) -> Result<bool, Reason> {
    match fields.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::Cell(text) | Value::Text(text) | Value::Number(text)) => {
            match text.trim().to_lowercase().as_str() {
                "true" | "1" | "1.0" | "yes" | "t" | "y" => Ok(true),
                "false" | "0" | "0.0" | "no" | "f" | "n" => Ok(false),
                _ => Err("bad_field"),
            }
        }
        Some(_) => Err("bad_field"),
    }
}

/// "action: integer, or arm name in campaign_name"; "unknown arm: a dead letter".
pub(super) fn arm(fields: &Fields, config: &Config) -> Result<usize, Reason> {
    if let Some(value) = fields.get("action") {
        let whole = |digits: &str| {
            digits.parse::<i128>().ok().or_else(|| integral_float(digits).map(i128::from))
        };
        let action: i128 = digits(value).and_then(whole).ok_or("bad_field")?;
        return usize::try_from(action)
            .ok()
            .filter(|arm| *arm < config.arms.len())
            .ok_or("unknown_arm");
    }
    let name = text(fields.get("campaign_name").ok_or("missing_field")?).ok_or("bad_field")?;
    config.arms.iter().position(|arm| arm == name).ok_or("unknown_arm")
}

/// "reward: number, at most 10^7 in absolute value"; "rounded to the nearest multiple of 2^-16",
/// ties to even.
pub(super) fn reward_in_q16(value: &Value) -> Result<i128, Reason> {
    let reward = number(value).filter(|reward| reward.abs() <= 1e7).ok_or("bad_reward")?;
    Ok((reward * 65_536.0).round_ties_even() as i128)
}

/// "features (numbers: used instead of the join when configured)": as many as the context has.
pub(super) fn own_features(value: &Value, config: &Config) -> Result<Vec<i128>, Reason> {
    let (Value::Nested(written) | Value::Cell(written)) = value else { return Err("bad_field") };
    let list: Vec<f64> = serde_json::from_str(written).map_err(|_| "bad_field")?;
    if list.len() != config.context.len() {
        return Err("bad_field");
    }
    Ok(list.into_iter().map(crate::oracle::learn::to_q12).collect())
}

pub(super) fn timestamp(fields: &Fields, config: &Config) -> Result<Option<i64>, Reason> {
    // "Before 1970, from 2100 on: a bad record."
    let valid = 0..130 * 365 * DAY + 32 * DAY;
    match fields.get("timestamp") {
        None => Ok(None),
        Some(value) => match instant(value) {
            None => Err("bad_field"),
            // "A number that would lie in January 1970 as milliseconds."
            Some(t)
                if !config.numbers_are_milliseconds
                    && (0..31 * DAY).contains(&t)
                    && is_number(value) =>
            {
                Err("not_milliseconds")
            }
            Some(t) if valid.contains(&t) => Ok(Some(t)),
            Some(_) => Err("bad_timestamp"),
        },
    }
}

pub(super) fn optional_timestamp(fields: &Fields, config: &Config) -> Result<Option<i64>, Reason> {
    match fields.get("timestamp") {
        Some(Value::Text(text)) if text.is_empty() => Ok(None),
        _ => timestamp(fields, config),
    }
}

/// "RFC 3339, `YYYY-MM-DD[ HH:MM:SS]` read as UTC, or integer milliseconds since 1970."
pub(super) fn instant(value: &Value) -> Option<i64> {
    match value {
        Value::Number(text) | Value::Text(text) | Value::Cell(text) => {
            integer(text.trim()).or_else(|| written_instant(text.trim()))
        }
        Value::Bool(_) | Value::Nested(_) => None,
    }
}

/// "Number or decimal string, minor units exact"; "negative, NaN: bad", "over 10^12 minor units:
/// bad".
pub(super) fn amount(value: &Value, config: &Config) -> Result<i64, Reason> {
    let written = match value {
        Value::Text(text) | Value::Number(text) | Value::Cell(text) => text,
        Value::Bool(_) | Value::Nested(_) => return Err("bad_amount"),
    };
    minor_units(written, config.decimals)
        .filter(|amount| *amount <= 1_000_000_000_000)
        .ok_or("bad_amount")
}
