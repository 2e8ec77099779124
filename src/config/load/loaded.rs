//! A configuration that was read: what it is worth, and where each value is from.

use super::{Leaf, shown};
use crate::config::Check;
use crate::config::fault::{Fault, Faults, ValueSource};
use crate::config::shown::masked;
use crate::config::terms;
use crate::config::types::Config;
use std::collections::BTreeMap;

/// A configuration and everything that is wrong with it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; faulty keys have their defaults.
    pub config: Config,
    /// What is wrong; empty for a valid configuration.
    pub faults: Vec<Fault>,
    /// What is odd but no fault.
    pub warnings: Vec<String>,
    pub(super) leaves: BTreeMap<String, Leaf>,
}

impl Loaded {
    /// The configuration, if nothing is wrong with it.
    pub fn accept(self) -> Result<Config, Faults> {
        if self.faults.is_empty() { Ok(self.config) } else { Err(Faults(self.faults)) }
    }

    /// Adds faults as (key, problem), with value and origin of the key, unless the key has a fault
    /// already.
    pub fn add_faults(&mut self, found: Vec<(&'static str, String)>) {
        for (key, problem) in
            found.into_iter().filter(|(key, _)| !self.is_faulty(key)).collect::<Vec<_>>()
        {
            let (value, origin) = match self.leaves.get(key) {
                Some(leaf) => (Some(shown(key, &leaf.value)), leaf.origin.clone()),
                None => (None, ValueSource::Default),
            };
            self.faults.push(Fault { key: key.to_string(), value, origin, problem });
        }
    }

    /// Terms of the context that cannot be read name features all the same, and both is said at
    /// once.
    pub(super) fn add_faults_of_names(&mut self, rooms: &[Check]) {
        const TERMS: &str = "context.terms";
        let named = self
            .leaves
            .get(TERMS)
            .filter(|_| self.faults.iter().any(|fault| fault.key == TERMS))
            .map(|leaf| terms::named(&leaf.value));
        let Some(named) = named.filter(|named| !named.is_empty()) else { return };
        let mut config = self.config.clone();
        config.context.terms = named;
        let known: Vec<Fault> =
            self.faults.iter().filter(|fault| fault.key == TERMS).cloned().collect();
        self.faults.retain(|fault| fault.key != TERMS);
        self.add_faults(
            config.faults_between(rooms).into_iter().filter(|(key, _)| *key == TERMS).collect(),
        );
        self.faults.extend(known);
    }

    /// Whether a key or section has a fault, or the file as a whole.
    pub fn is_faulty(&self, key: &str) -> bool {
        let within = |fault: &Fault| {
            fault.key == key
                || fault.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
        };
        self.faults.iter().any(|fault| fault.key.is_empty() || within(fault))
    }

    /// Every key with its value, each value that is no default with its origin. Secrets are masked.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        let depth = |key: &str| key.rfind('.').map_or("", |end| &key[..end]).to_string();
        let mut keys: Vec<&String> = self.leaves.keys().collect();
        keys.sort_by_key(|key| (depth(key), key.to_string()));
        for key in keys {
            let leaf = &self.leaves[key];
            let (within, name) = key.rsplit_once('.').unwrap_or(("", key));
            if within != section {
                text.push_str(&format!("\n[{within}]\n"));
                section = within;
            }
            let origin = if leaf.origin == ValueSource::Default {
                String::new()
            } else {
                format!("  # {}", leaf.origin)
            };
            text.push_str(&format!("{name} = {}{origin}\n", masked(key, &leaf.value)));
        }
        text
    }

    /// The same as an object: key to value and origin.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |(key, leaf): (&String, &Leaf)| {
            let value = serde_json::to_value(masked(key, &leaf.value)).unwrap_or_default();
            (key.clone(), serde_json::json!({ "value": value, "origin": leaf.origin.to_string() }))
        };
        serde_json::Value::Object(self.leaves.iter().map(entry).collect())
    }
}
