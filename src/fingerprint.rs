//! The part of a configuration that a state depends on, as texts.
//!
//! What is in it changes the meaning of what is stored, of what has been summed, or of the recorded
//! epochs that a restart runs again. A job that went on under another value would have a state that
//! no replay of its topics gives. Which keys those are its dataflow says.

use dataflows::event::instant::TimeUnit;
use dataflows::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A key and its value.
pub type KeyValue = (&'static str, String);

/// The keys that a state depends on, each with its value as a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(BTreeMap<String, String>);

impl FromIterator<KeyValue> for Fingerprint {
    fn from_iter<I: IntoIterator<Item = KeyValue>>(values: I) -> Self {
        Fingerprint(values.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
    }
}

impl Fingerprint {
    /// Every key with its value.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What differs between this one, of a checkpoint, and `configured`: a sentence for each key.
    pub fn differences(&self, configured: &Fingerprint) -> Vec<String> {
        self.differing(configured).into_iter().map(|(_, said)| said).collect()
    }

    /// The same, each with its key.
    pub fn differing<'a>(&'a self, configured: &'a Fingerprint) -> Vec<(&'a str, String)> {
        let keys: std::collections::BTreeSet<&String> =
            self.0.keys().chain(configured.0.keys()).collect();
        let differing = keys.into_iter().filter(|key| self.0.get(*key) != configured.0.get(*key));
        differing
            .map(|key| (key.as_str(), difference(key, self.0.get(key), configured.0.get(key))))
            .collect()
    }
}

/// The keys of `[input]` that say how records of any dataflow are read.
pub fn reading_values(
    max_record: usize,
    future: Millis,
    time_unit: Option<TimeUnit>,
    date_formats: &[String],
) -> Vec<KeyValue> {
    let mut values =
        vec![("input.max_record", format!("{max_record} bytes")), ("input.future", millis(future))];
    // Only where they are set: checkpoints of before there were such keys read as they do without.
    values.extend(time_unit.map(|unit| ("input.time_unit", unit.name().to_string())));
    values.extend((!date_formats.is_empty()).then(|| ("input.date_format", list(date_formats))));
    values
}

/// A list as JSON, which keeps items with commas apart.
pub fn list(items: &[String]) -> String {
    serde_json::Value::from(items).to_string()
}

/// A duration as the configuration has it.
pub fn millis(duration: Millis) -> String {
    crate::units::format_duration(duration)
}

fn difference(key: &str, there: Option<&String>, here: Option<&String>) -> String {
    let list = |value: Option<&String>| serde_json::from_str::<Vec<String>>(value?).ok();
    if let (Some(there), Some(here)) = (list(there), list(here)) {
        return format!("{key} {}", list_difference(&there, &here));
    }
    let shown = |value: Option<&String>| value.map_or("unknown", String::as_str).to_string();
    format!("{key} was {} and is {}", shown(there), shown(here))
}

/// What is gone from a list and what has come, or that only its order is another.
fn list_difference(there: &[String], here: &[String]) -> String {
    let missing = |from: &[String], of: &[String]| {
        of.iter()
            .filter(|item| !from.contains(item))
            .map(|item| format!("{item:?}"))
            .collect::<Vec<_>>()
    };
    let (gone, come) = (missing(here, there), missing(there, here));
    let told = [("had", gone), ("has now", come)];
    let told: Vec<String> = told
        .into_iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(verb, items)| format!("{verb} {}", items.join(", ")))
        .collect();
    match told.is_empty() {
        true => "has another order".to_string(),
        false => told.join(" and "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(&'static str, &str)]) -> Fingerprint {
        values.iter().map(|(key, value)| (*key, value.to_string())).collect()
    }

    #[test]
    fn a_key_that_one_side_does_not_know_is_a_difference() {
        let (there, here) =
            (of(&[("a", "1"), ("old.key", "5")]), of(&[("a", "1"), ("fields", "[]")]));
        assert_eq!(
            there.differences(&here),
            ["fields was unknown and is []", "old.key was 5 and is unknown"]
        );
        assert_eq!(here.differences(&here), Vec::<String>::new());
    }
}
