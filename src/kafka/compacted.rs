//! Which topics the broker compacts, as it says itself: they may lose records that the job has read
//! and may have to read once more.

use super::KafkaSettings;
use super::properties::{self, Properties};
use dataflows::source::TopicId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// The topics that are compacted as far as this process knows, shared by all who ask.
#[derive(Clone, Debug, Default)]
pub struct Compacted(Arc<AtomicU16>);

/// Some of the topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicSet(u16);

impl TopicSet {
    /// Whether it is one of them.
    pub fn contains(self, topic: TopicId) -> bool {
        self.0 & bit(topic) != 0
    }
}

impl FromIterator<TopicId> for TopicSet {
    fn from_iter<T: IntoIterator<Item = TopicId>>(topics: T) -> Self {
        TopicSet(topics.into_iter().map(bit).fold(0, |all, bit| all | bit))
    }
}

fn bit(topic: TopicId) -> u16 {
    1 << topic.number()
}

impl Compacted {
    /// Asks the broker, and says which were not known to be compacted before.
    pub fn look(&self, settings: &KafkaSettings) -> Vec<TopicId> {
        let found = properties::of_read(settings);
        if let Err(error) = &found {
            tracing::debug!("The broker does not say how topics are cleaned up: {error}.");
        }
        self.learn(found.as_ref().ok(), settings)
    }

    /// Takes in what the broker says. Of topics of which it does not say, only those that come
    /// first are taken for compacted: no other topic may be without a warning, and to keep all that
    /// they have would cost much. Says which were not known to be compacted before.
    pub fn learn(&self, found: Option<&Properties<'_>>, settings: &KafkaSettings) -> Vec<TopicId> {
        let policies = found.map(|found| found.policies(&settings.topics)).unwrap_or_default();
        let is_compacted = |topic: &TopicId| {
            policies.get(topic).map_or(topic.comes_first(), |policy| policy.contains("compact"))
        };
        let now: Vec<TopicId> = settings.topics.topics().filter(is_compacted).collect();
        let before =
            TopicSet(self.0.swap(now.iter().copied().collect::<TopicSet>().0, Ordering::AcqRel));
        now.into_iter().filter(|topic| !before.contains(*topic)).collect()
    }

    /// Those that are compacted.
    pub fn topics(&self) -> TopicSet {
        TopicSet(self.0.load(Ordering::Acquire))
    }
}
