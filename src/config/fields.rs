//! The sections `[fields.*]`: fields that are called otherwise in the source.

use dataflows::event::{Topic, alias_fault, field_names};

/// The key of a topic's section.
pub fn key(topic: Topic) -> &'static str {
    match topic {
        Topic::Transactions => "fields.transactions",
        Topic::Customers => "fields.customers",
        Topic::Interactions => "fields.interactions",
        Topic::Rewards => "fields.rewards",
        Topic::Requests => "fields.requests",
    }
}

/// What is wrong with calling the field `here` by the name `there`.
pub fn fault(topic: Topic, here: &str, there: &str) -> Option<String> {
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
