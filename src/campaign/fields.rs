//! The sections `[fields.*]`: fields that are called otherwise in the source.

use crate::config::types::FieldsSection;
use dataflows::event::{Topic, alias_fault, field_names};
use std::collections::BTreeMap;

impl FieldsSection {
    /// The names of one topic's fields.
    fn of(&self, topic: Topic) -> &BTreeMap<String, String> {
        match topic {
            Topic::Transactions => &self.transactions,
            Topic::Customers => &self.customers,
            Topic::Interactions => &self.interactions,
            Topic::Rewards => &self.rewards,
            Topic::Requests => &self.requests,
        }
    }

    /// All of them: topic, name here and name there.
    pub(super) fn aliases(&self) -> Vec<(Topic, String, String)> {
        let of = |topic| {
            self.of(topic).iter().map(move |(here, there)| (topic, here.clone(), there.clone()))
        };
        Topic::ALL.into_iter().flat_map(of).collect()
    }

    /// What is wrong with them: (key, problem).
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let of = |topic| {
            self.of(topic).iter().filter_map(move |(here, there)| {
                fault(topic, here, there).map(|problem| (key(topic), problem))
            })
        };
        Topic::ALL.into_iter().flat_map(of).collect()
    }
}

/// The key of a topic's section.
fn key(topic: Topic) -> &'static str {
    match topic {
        Topic::Transactions => "fields.transactions",
        Topic::Customers => "fields.customers",
        Topic::Interactions => "fields.interactions",
        Topic::Rewards => "fields.rewards",
        Topic::Requests => "fields.requests",
    }
}

/// What is wrong with calling the field `here` by the name `there`.
fn fault(topic: Topic, here: &str, there: &str) -> Option<String> {
    if field_names(topic).all(|name| name != here) {
        let names: Vec<&str> = field_names(topic).collect();
        return Some(format!(
            "`{here}` is no field here; the name on the left is one of {}",
            names.join(", ")
        ));
    }
    if there.is_empty() {
        return Some(format!("expected the name that `{here}` has in the source"));
    }
    alias_fault(topic, here, there)
}
