//! Which topics they are: the broker gives each an id when it is made. One that was deleted and
//! made anew has another, and its offsets mean other records.

use super::topic_names::TopicNames;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use dataflows::source::TopicId;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// The id of a topic, written as Kafka's own tools write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicUuid([u8; 16]);

impl TopicUuid {
    /// By its two halves; `None` for the id of no topic.
    pub fn of(most_significant: i64, least_significant: i64) -> Option<TopicUuid> {
        let id = u128::from(most_significant as u64) << 64 | u128::from(least_significant as u64);
        (id != 0).then_some(TopicUuid(id.to_be_bytes()))
    }

    /// Its bytes, most significant first.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    fn from_text(text: &str) -> Option<TopicUuid> {
        let bytes: [u8; 16] = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        Some(TopicUuid(bytes))
    }
}

impl fmt::Display for TopicUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.bytes()))
    }
}

/// The ids of the topics that are read, as far as they are known: an old broker gives none, and one
/// may not let everybody ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicUuids([Option<(TopicId, TopicUuid)>; TopicUuids::TOPICS]);

/// A topic is not the one that was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "topic `{topic}` was deleted and made anew: it has the id {now}, and what was read of it \
     before had {before}. Offsets mean other records in it, so the \
     job cannot go on where it was; make everything anew from the topics with --rebuild"
)]
pub struct Remade {
    /// Its name at the broker.
    pub topic: String,
    /// The id of what was read.
    pub before: TopicUuid,
    /// The id that it has now.
    pub now: TopicUuid,
}

impl TopicUuids {
    /// None known.
    pub const UNKNOWN: TopicUuids = TopicUuids([None; TopicUuids::TOPICS]);

    /// Topics that a dataflow may have.
    const TOPICS: usize = 16;

    /// With the id of a topic.
    pub fn with(mut self, topic: TopicId, id: Option<TopicUuid>) -> TopicUuids {
        self.0[topic.number()] = id.map(|id| (topic, id));
        self
    }

    /// The id of a topic, where it is known.
    pub fn get(&self, topic: TopicId) -> Option<TopicUuid> {
        self.0[topic.number()].filter(|(own, _)| *own == topic).map(|(_, id)| id)
    }

    /// Those of these topics of which none is known.
    pub fn unknown(&self, names: &TopicNames) -> impl Iterator<Item = TopicId> {
        names.topics().filter(|topic| self.get(*topic).is_none())
    }

    /// By the number of their topics: that of no topic, and one that is not known, is all zeros.
    pub fn bytes(&self) -> impl Iterator<Item = [u8; 16]> {
        let last = self.0.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let all = self.0.iter().take(last.max(Self::ALWAYS));
        all.map(|id| id.map_or([0; 16], |(_, id)| id.bytes()))
    }

    /// So many are told of, known or not.
    const ALWAYS: usize = 5;

    /// These, and of the topics of which none is known the others'.
    pub fn or(self, others: &TopicUuids) -> TopicUuids {
        let mut both = self;
        both.0.iter_mut().zip(others.0).for_each(|(id, other)| *id = id.or(other));
        both
    }

    /// Makes sure that the topics are `now` those that these are the ids of; where one of both is
    /// not known, nothing can be said.
    ///
    /// # Errors
    /// The first that is another one.
    pub fn compare(&self, now: &TopicUuids, names: &TopicNames) -> Result<(), Remade> {
        let remade = |topic: TopicId| {
            let (before, now) = (self.get(topic)?, now.get(topic)?);
            (before != now).then(|| Remade { topic: names[topic].to_string(), before, now })
        };
        names.topics().find_map(remade).map_or(Ok(()), Err)
    }

    /// By the names of the topics at the broker, as they are kept for people and programs.
    pub fn named(&self, names: &TopicNames) -> BTreeMap<String, String> {
        let named = |topic| Some((names[topic].to_string(), self.get(topic)?.to_string()));
        names.topics().filter_map(named).collect()
    }

    /// From the form in which they are kept. One of a topic that is not read any more says nothing.
    ///
    /// # Errors
    /// A sentence about what is no id.
    pub fn of_named(
        named: &BTreeMap<String, String>,
        names: &TopicNames,
    ) -> Result<TopicUuids, String> {
        let of = |topic: TopicId| {
            named
                .get(&names[topic])
                .map(|text| TopicUuid::from_text(text).ok_or_else(|| no_id(text)))
                .transpose()
        };
        // What is not there is of no topic, and may have the number of one that is.
        names.topics().try_fold(TopicUuids::UNKNOWN, |ids, topic| match of(topic)? {
            Some(id) => Ok(ids.with(topic, Some(id))),
            None => Ok(ids),
        })
    }

    fn known(&self) -> impl Iterator<Item = (TopicId, TopicUuid)> {
        self.0.iter().flatten().copied()
    }
}

fn no_id(text: &str) -> String {
    format!("{text:?} is no id of a topic")
}

/// By the topics' own names, whatever they are called at the broker.
impl Serialize for TopicUuids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.known().map(|(topic, id)| (topic.name(), id.to_string())))
    }
}

impl<'de> Deserialize<'de> for TopicUuids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TopicUuids, D::Error> {
        let named: BTreeMap<String, String> = BTreeMap::deserialize(deserializer)?;
        // One of a topic that no dataflow reads any more says nothing.
        let known = named.keys().filter_map(|name| TopicId::named(name));
        TopicUuids::of_named(&named, &TopicNames::own(known)).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    fn ids(transactions: u128, rewards: u128) -> TopicUuids {
        let id = |id: u128| (id != 0).then_some(TopicUuid(id.to_be_bytes()));
        TopicUuids::UNKNOWN
            .with(Topic::Transactions.id(), id(transactions))
            .with(Topic::Rewards.id(), id(rewards))
    }

    fn names() -> TopicNames {
        TopicNames::of(Topic::ids().map(|topic| (topic, format!("shop.{}", topic.name()))))
    }

    #[test]
    fn an_id_reads_back_and_is_written_as_kafka_does() {
        let id = TopicUuid::of(0x1f15_58c7_7526_492c, -0x6b8f_9f06_7de1_e1f5).expect("an id");
        assert_eq!(TopicUuid::from_text(&id.to_string()), Some(id));
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(TopicUuid::of(0, 0), None);
        for bad in ["", "AAAA", "no id at all, but long", "AAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(TopicUuid::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_are_kept_by_name_and_a_topic_that_is_not_read_says_nothing() {
        let known = ids(5, 7);
        let mut named = known.named(&names());
        assert_eq!(named.keys().collect::<Vec<_>>(), ["shop.rewards", "shop.transactions"]);
        named.insert("shop.former".to_string(), "anything".to_string());
        assert_eq!(TopicUuids::of_named(&named, &names()), Ok(known));
        named.insert("shop.rewards".to_string(), "anything".to_string());
        assert!(TopicUuids::of_named(&named, &names()).is_err_and(|why| why.contains("anything")));
        assert_eq!(
            serde_json::from_str::<TopicUuids>(&serde_json::to_string(&known).unwrap()).unwrap(),
            known
        );
    }

    #[test]
    fn only_two_ids_that_are_known_can_differ() {
        for (before, now) in [
            (ids(5, 7), ids(5, 7)),
            (ids(0, 7), ids(5, 7)),
            (ids(5, 7), ids(5, 0)),
            (TopicUuids::UNKNOWN, ids(5, 7)),
        ] {
            assert_eq!(before.compare(&now, &names()), Ok(()));
        }
        let remade = ids(5, 7).compare(&ids(5, 8), &names()).expect_err("another one").to_string();
        assert!(
            remade.contains("`shop.rewards` was deleted and made anew")
                && remade.contains("--rebuild"),
            "{remade}"
        );
        assert_eq!(ids(5, 0).or(&ids(6, 7)), ids(5, 7));
        assert_eq!(ids(5, 0).unknown(&names()).count(), 4);
    }
}
