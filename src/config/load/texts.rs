//! Values as texts, as variables and flags have them.

use super::dotted;
use super::keys::default_of;
use toml::de::DeValue;
use toml::{Table, Value};

/// Reads a text by the type of the key's default. What does not fit stays a text, which the types
/// then refuse by name.
pub(super) fn from_text(key: &str, text: &str) -> Value {
    let as_text = || Value::String(text.to_string());
    match default_of(key) {
        Some(Value::Integer(_)) => text.trim().parse().map_or_else(|_| as_text(), Value::Integer),
        // What a number comes to may be told by a table.
        Some(Value::Float(_)) if text.trim_start().starts_with('{') => inline(text),
        Some(Value::Float(_)) => text.trim().parse().map_or_else(|_| as_text(), Value::Float),
        Some(Value::Boolean(_)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Value::Boolean(true),
            "false" | "0" => Value::Boolean(false),
            _ => as_text(),
        },
        Some(Value::Array(items)) => list_from_text(text, items.first()),
        Some(Value::Table(_)) => table_from_text(text),
        _ => as_text(),
    }
}

/// "a, b" or a list of TOML.
fn list_from_text(text: &str, example: Option<&Value>) -> Value {
    if text.trim_start().starts_with('[') {
        return inline(text);
    }
    let item = |item: &str| match example {
        Some(Value::Integer(_)) => {
            item.parse().map_or_else(|_| Value::String(item.to_string()), Value::Integer)
        }
        _ => Value::String(item.to_string()),
    };
    Value::Array(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(item).collect())
}

/// "a=b, c=d" or an inline table of TOML.
fn table_from_text(text: &str) -> Value {
    if text.trim_start().starts_with('{') {
        return match inline(text) {
            Value::Table(entries) => Value::Table(dotted(&entries)),
            other => other,
        };
    }
    let pairs = text.split(',').map(str::trim).filter(|s| !s.is_empty());
    let entries: Option<Table> = pairs
        .map(|pair| {
            pair.split_once('=')
                .map(|(n, v)| (n.trim().to_string(), Value::String(v.trim().to_string())))
        })
        .collect();
    entries.map_or_else(|| Value::String(text.to_string()), Value::Table)
}

/// A value of TOML; a text where it is none.
fn inline(text: &str) -> Value {
    DeValue::parse(text)
        .ok()
        .and_then(|_| format!("value = {text}").parse::<Table>().ok())
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_string()))
}
