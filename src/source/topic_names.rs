//! What the topics are called at the broker.

use dataflows::event::Topic;

/// Names of the topics at the broker, in the order of [`Topic::ALL`].
pub type TopicNames = [String; Topic::ALL.len()];

/// The topic that has this name at the broker.
pub fn topic_named(names: &TopicNames, name: &str) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| names[*topic as usize] == name)
}
