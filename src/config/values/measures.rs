//! Numbers, durations and sizes, each within its limits.

use super::value;
use crate::units::{format_duration, format_size, parse_duration, parse_size};
use dataflows::event::Millis;
use serde::de::Deserializer;
use std::time::Duration;
use toml::Value;

/// A whole number in a range.
pub fn whole<'de, D: Deserializer<'de>, T: TryFrom<i64>, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<T, D::Error> {
    let read = |v: &Value| {
        v.as_integer().filter(|n| (MIN..=MAX).contains(n)).and_then(|n| T::try_from(n).ok())
    };
    value(deserializer, read, format!("a whole number from {MIN} to {MAX}"))
}

/// A number, whole or not.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

/// A number in a range of whole ends.
pub fn real<'de, D: Deserializer<'de>, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<f64, D::Error> {
    let read = |v: &Value| number(v).filter(|n| (MIN as f64..=MAX as f64).contains(n));
    value(deserializer, read, format!("a number from {MIN} to {MAX}"))
}

/// A number above zero.
pub fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    value(
        deserializer,
        |v| number(v).filter(|n| *n > 0.0 && *n <= 1e9),
        "a number above 0, up to 1e9",
    )
}

/// How many times as much.
pub fn factor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let read = |v: &Value| number(v).filter(|n| (0.001..=1000.0).contains(n));
    value(deserializer, read, "a number from 0.001 to 1000")
}

/// A duration between two limits in milliseconds.
pub fn millis<'de, D: Deserializer<'de>, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<Millis, D::Error> {
    let read = |v: &Value| v.as_str().and_then(parse_duration).filter(|n| (MIN..=MAX).contains(n));
    value(
        deserializer,
        read,
        format!(
            "a duration such as \"500ms\", \"10s\" or \"24h\", from {} to {}",
            format_duration(MIN),
            format_duration(MAX)
        ),
    )
}

/// As [`millis`], or empty.
pub fn optional_millis<'de, D: Deserializer<'de>, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<Option<Millis>, D::Error> {
    let read = |v: &Value| match v.as_str()? {
        "" => Some(None),
        text => parse_duration(text).filter(|n| (MIN..=MAX).contains(n)).map(Some),
    };
    value(
        deserializer,
        read,
        format!(
            "empty, or a duration such as \"400d\", from {} to {}",
            format_duration(MIN),
            format_duration(MAX)
        ),
    )
}

/// A duration of the clock on the wall, with limits as for [`millis`].
pub fn duration<'de, D: Deserializer<'de>, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    millis::<D, MIN, MAX>(deserializer).map(|millis| Duration::from_millis(millis.unsigned_abs()))
}

/// A duration of the clock on the wall, or empty for none; with limits as for [`millis`].
pub fn optional_duration<'de, D: Deserializer<'de>, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let read = |v: &Value| match v.as_str()? {
        "" => Some(None),
        text => parse_duration(text)
            .filter(|n| (MIN..=MAX).contains(n))
            .map(|millis| Some(Duration::from_millis(millis.unsigned_abs()))),
    };
    value(
        deserializer,
        read,
        format!(
            "empty, or a duration such as \"60s\", from {} to {}",
            format_duration(MIN),
            format_duration(MAX)
        ),
    )
}

/// A size in bytes between two limits.
pub fn size<'de, D: Deserializer<'de>, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<usize, D::Error> {
    let read = |v: &Value| {
        let bytes = v.as_integer().or_else(|| v.as_str().and_then(parse_size));
        bytes.filter(|n| (MIN..=MAX).contains(n)).and_then(|n| usize::try_from(n).ok())
    };
    value(
        deserializer,
        read,
        format!(
            "a size such as \"64KiB\" or \"1MiB\", from {} to {}",
            format_size(MIN),
            format_size(MAX)
        ),
    )
}
