//! What the topics are called at the broker.

use dataflows::source::TopicId;
use std::ops::Index;

/// The topics that a job reads, in the order of their numbers, each with its name at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames(Vec<(TopicId, String)>);

impl TopicNames {
    /// These.
    pub fn of(names: impl IntoIterator<Item = (TopicId, String)>) -> TopicNames {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        TopicNames(names)
    }

    /// Each by its own name.
    pub fn own(topics: impl IntoIterator<Item = TopicId>) -> TopicNames {
        TopicNames::of(topics.into_iter().map(|topic| (topic, topic.name().to_string())))
    }

    /// With this name of one of them.
    #[cfg(test)]
    pub fn with(self, topic: TopicId, name: &str) -> TopicNames {
        let others = self.0.into_iter().filter(|(other, _)| *other != topic);
        TopicNames::of(others.chain([(topic, name.to_string())]))
    }

    /// The topics.
    pub fn topics(&self) -> impl Iterator<Item = TopicId> + Clone {
        self.0.iter().map(|(topic, _)| *topic)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|(_, name)| name.as_str())
    }

    /// The topic of this name.
    pub fn named(&self, name: &str) -> Option<TopicId> {
        self.0.iter().find(|(_, own)| own == name).map(|(topic, _)| *topic)
    }
}

impl Index<TopicId> for TopicNames {
    type Output = str;

    /// One that the job does not read has its own name.
    fn index(&self, topic: TopicId) -> &str {
        let found = self.0.iter().find(|(own, _)| *own == topic);
        found.map_or(topic.name(), |(_, name)| name)
    }
}
