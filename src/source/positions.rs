//! Offsets as they are kept for people and programs: by the names of the topics at the broker.

use super::TopicNames;
use dataflows::source::TopicId;
use std::collections::BTreeMap;

/// Next offset of every partition, sorted.
pub type Positions = Vec<(TopicId, u32, u64)>;

/// The form in which offsets are kept: topic, partition, next offset.
pub type Offsets = BTreeMap<String, BTreeMap<u32, u64>>;

/// Offsets in the form in which they are kept.
pub fn offsets_by_name(offsets: &[(TopicId, u32, u64)], names: &TopicNames) -> Offsets {
    let mut named = Offsets::new();
    for &(topic, partition, next) in offsets {
        named.entry(names[topic].to_string()).or_default().insert(partition, next);
    }
    named
}

/// Offsets from the form in which they are kept.
///
/// # Errors
/// A sentence about an epoch that has read a topic of another name.
pub fn offsets_of(named: &Offsets, names: &TopicNames) -> Result<Positions, String> {
    let mut offsets = Vec::new();
    for (name, partitions) in named {
        let topic = names
            .named(name)
            .ok_or_else(|| format!("it has read topic `{name}`, which is not configured"))?;
        offsets.extend(partitions.iter().map(|(&partition, &next)| (topic, partition, next)));
    }
    offsets.sort_unstable();
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    #[test]
    fn offsets_are_kept_by_topic_and_partition() {
        let names = TopicNames::own(Topic::ids());
        let offsets = vec![
            (Topic::Transactions.id(), 2, 5),
            (Topic::Transactions.id(), 10, 1),
            (Topic::Rewards.id(), 0, 7),
        ];
        let named = offsets_by_name(&offsets, &names);
        assert_eq!(
            serde_json::to_string(&named).unwrap(),
            r#"{"rewards":{"0":7},"transactions":{"2":5,"10":1}}"#
        );
        assert_eq!(offsets_of(&named, &names), Ok(offsets));
        let other =
            TopicNames::of(Topic::ids().map(|topic| (topic, format!("{}-2", topic.name()))));
        assert!(offsets_of(&named, &other).is_err_and(|why| why.contains("`rewards`")));
    }
}
