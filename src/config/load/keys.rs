//! Keys: their sections, their variables, and the one that was probably meant.

use super::{DEFAULT_TABLE, PREFIX};
#[cfg(test)]
use crate::config::load::Layers;
use toml::{Table, Value};

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "_"))
}

/// Every key, in alphabetical order.
#[cfg(test)]
pub fn keys() -> Vec<String> {
    Layers::default().leaves.into_keys().collect()
}

/// The default of a key.
pub(in crate::config) fn default_of(key: &str) -> Option<&'static Value> {
    let mut parts = key.split('.');
    let first = DEFAULT_TABLE.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// Whether a key is a table whose names are free.
pub(super) fn is_open(key: &str) -> bool {
    matches!(default_of(key), Some(Value::Table(entries)) if entries.is_empty())
}

/// Calls `visit` with every key of the table, and its value; open tables are one key.
pub(super) fn flatten(section: &str, table: &Table, visit: &mut dyn FnMut(String, &Value)) {
    for (name, value) in table {
        match value {
            Value::Table(entries) if !entries.is_empty() => {
                flatten(&join(section, name), entries, visit)
            }
            _ => visit(join(section, name), value),
        }
    }
}

/// Puts a value at a key, for which every section exists.
pub(super) fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_string(), value)),
        Some((section, rest)) => {
            if let Some(Value::Table(below)) = table.get_mut(section) {
                insert(below, rest, value);
            }
        }
    }
}

pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_string() } else { format!("{section}.{name}") }
}

/// A topic may also be called by its default name at the broker: `customer-interactions` for
/// `interactions`.
pub(super) fn canonical(section: &str, name: &str) -> String {
    let topics = default_of("kafka.topics").and_then(Value::as_table);
    let called = |(_, default): &(&String, &Value)| {
        default.as_str() == Some(name.replace('_', "-").as_str())
    };
    match topics
        .filter(|_| matches!(section, "kafka.topics" | "fields"))
        .and_then(|topics| topics.iter().find(called))
    {
        Some((topic, _)) => topic.clone(),
        None => name.to_string(),
    }
}

/// The name among `names` that is spelt most alike, if any is near.
pub(super) fn closest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 4).clamp(1, 4);
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, other)| other)
}
