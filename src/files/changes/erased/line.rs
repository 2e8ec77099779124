//! A line of a file of changes: its values, and what becomes of it.

use dataflows::event::Millis;
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// What becomes of a line.
pub(super) enum Fate {
    Stays,
    Goes,
    Becomes(String),
}

pub(super) fn text(content: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(content).map_err(|error| format!("it is no text: {error}"))
}

pub(super) fn parse(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).map_err(|error| format!("a line cannot be read: {error}"))
}

pub(super) fn integer(row: &Value, column: &str) -> Result<i64, String> {
    row[column].as_i64().ok_or_else(|| format!("{column} of a row is no whole number"))
}

pub(super) fn instant(row: &Value, column: &str) -> Result<Millis, String> {
    match row[column].as_str() {
        Some("infinity") => Ok(Millis::MAX),
        Some("-infinity") => Ok(Millis::MIN),
        other => {
            let instant = other.and_then(|text| text.parse::<Timestamp>().ok());
            instant
                .map(Timestamp::as_millisecond)
                .ok_or_else(|| format!("{column} of a row is no instant"))
        }
    }
}

/// The line with null in some columns.
pub(super) fn without(line: &str, columns: &[&str]) -> Result<Fate, String> {
    rewritten(line, |name, value| {
        Some(if columns.contains(&name) { "null".to_string() } else { value.to_string() })
    })
}

/// The line with some columns and no others.
pub(super) fn only(line: &str, columns: &[&str]) -> Result<Fate, String> {
    rewritten(line, |name, value| columns.contains(&name).then(|| value.to_string()))
}

/// The line with the values that `column` gives for its columns' names and values.
pub(super) fn rewritten(
    line: &str,
    column: impl Fn(&str, &str) -> Option<String>,
) -> Result<Fate, String> {
    let Fields(fields) =
        serde_json::from_str(line).map_err(|error| format!("a line cannot be read: {error}"))?;
    let fields = fields.iter().filter_map(|(name, value)| {
        Some(format!("{}:{}", Value::from(name.as_str()), column(name, value.get())?))
    });
    Ok(Fate::Becomes(format!("{{{}}}", fields.collect::<Vec<_>>().join(","))))
}

/// The fields of an object in their order, each value as it is written.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
