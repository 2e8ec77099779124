//! Which topics they are: the broker gives each an id when it is made. One that was deleted and
//! made anew has another, and its offsets mean other records.

use super::topic_names::TopicNames;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use dataflows::event::Topic;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// The id of a topic, written as Kafka's own tools write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicId([u8; 16]);

impl TopicId {
    /// By its two halves; `None` for the id of no topic.
    pub fn of(most_significant: i64, least_significant: i64) -> Option<TopicId> {
        let id = u128::from(most_significant as u64) << 64 | u128::from(least_significant as u64);
        (id != 0).then_some(TopicId(id.to_be_bytes()))
    }

    /// Its bytes, most significant first.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    fn from_text(text: &str) -> Option<TopicId> {
        let bytes: [u8; 16] = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        Some(TopicId(bytes))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.bytes()))
    }
}

/// The ids of the topics that are read, as far as they are known: an old broker gives none, and one
/// may not let everybody ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicIds([Option<TopicId>; Topic::ALL.len()]);

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
    pub before: TopicId,
    /// The id that it has now.
    pub now: TopicId,
}

impl TopicIds {
    /// None known.
    pub const UNKNOWN: TopicIds = TopicIds([None; Topic::ALL.len()]);

    /// With the id of a topic.
    pub fn with(mut self, topic: Topic, id: Option<TopicId>) -> TopicIds {
        self.0[topic as usize] = id;
        self
    }

    /// The id of a topic, where it is known.
    pub fn get(&self, topic: Topic) -> Option<TopicId> {
        self.0[topic as usize]
    }

    /// The topics of which none is known.
    pub fn unknown(&self) -> impl Iterator<Item = Topic> {
        Topic::ALL.into_iter().filter(|topic| self.get(*topic).is_none())
    }

    /// These, and of the topics of which none is known the others'.
    pub fn or(self, others: &TopicIds) -> TopicIds {
        Topic::ALL
            .into_iter()
            .fold(self, |ids, topic| ids.with(topic, ids.get(topic).or(others.get(topic))))
    }

    /// Makes sure that the topics are `now` those that these are the ids of; where one of both is
    /// not known, nothing can be said.
    ///
    /// # Errors
    /// The first that is another one.
    pub fn compare(&self, now: &TopicIds, names: &TopicNames) -> Result<(), Remade> {
        let remade = |topic: Topic| {
            let (before, now) = (self.get(topic)?, now.get(topic)?);
            (before != now).then(|| Remade { topic: names[topic as usize].clone(), before, now })
        };
        Topic::ALL.into_iter().find_map(remade).map_or(Ok(()), Err)
    }

    /// By the names of the topics at the broker, as they are kept for people and programs.
    pub fn named(&self, names: &TopicNames) -> BTreeMap<String, String> {
        self.known().map(|(topic, id)| (names[topic as usize].clone(), id.to_string())).collect()
    }

    /// From the form in which they are kept. One of a topic that is not read any more says nothing.
    ///
    /// # Errors
    /// A sentence about what is no id.
    pub fn of_named(
        named: &BTreeMap<String, String>,
        names: &TopicNames,
    ) -> Result<TopicIds, String> {
        let of = |topic: Topic| {
            named
                .get(&names[topic as usize])
                .map(|text| TopicId::from_text(text).ok_or_else(|| no_id(text)))
                .transpose()
        };
        Topic::ALL
            .into_iter()
            .try_fold(TopicIds::UNKNOWN, |ids, topic| Ok(ids.with(topic, of(topic)?)))
    }

    fn known(&self) -> impl Iterator<Item = (Topic, TopicId)> {
        Topic::ALL.into_iter().filter_map(|topic| Some((topic, self.get(topic)?)))
    }
}

fn no_id(text: &str) -> String {
    format!("{text:?} is no id of a topic")
}

/// By the topics' own names, whatever they are called at the broker.
impl Serialize for TopicIds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.known().map(|(topic, id)| (topic.name(), id.to_string())))
    }
}

impl<'de> Deserialize<'de> for TopicIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TopicIds, D::Error> {
        let named = BTreeMap::deserialize(deserializer)?;
        TopicIds::of_named(&named, &Topic::ALL.map(|topic| topic.name().to_string()))
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(transactions: u128, rewards: u128) -> TopicIds {
        let id = |id: u128| (id != 0).then_some(TopicId(id.to_be_bytes()));
        TopicIds::UNKNOWN
            .with(Topic::Transactions, id(transactions))
            .with(Topic::Rewards, id(rewards))
    }

    fn names() -> TopicNames {
        Topic::ALL.map(|topic| format!("shop.{}", topic.name()))
    }

    #[test]
    fn an_id_reads_back_and_is_written_as_kafka_does() {
        let id = TopicId::of(0x1f15_58c7_7526_492c, -0x6b8f_9f06_7de1_e1f5).expect("an id");
        assert_eq!(TopicId::from_text(&id.to_string()), Some(id));
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(TopicId::of(0, 0), None);
        for bad in ["", "AAAA", "no id at all, but long", "AAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(TopicId::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_are_kept_by_name_and_a_topic_that_is_not_read_says_nothing() {
        let known = ids(5, 7);
        let mut named = known.named(&names());
        assert_eq!(named.keys().collect::<Vec<_>>(), ["shop.rewards", "shop.transactions"]);
        named.insert("shop.former".to_string(), "anything".to_string());
        assert_eq!(TopicIds::of_named(&named, &names()), Ok(known));
        named.insert("shop.rewards".to_string(), "anything".to_string());
        assert!(TopicIds::of_named(&named, &names()).is_err_and(|why| why.contains("anything")));
        assert_eq!(
            serde_json::from_str::<TopicIds>(&serde_json::to_string(&known).unwrap()).unwrap(),
            known
        );
    }

    #[test]
    fn only_two_ids_that_are_known_can_differ() {
        for (before, now) in [
            (ids(5, 7), ids(5, 7)),
            (ids(0, 7), ids(5, 7)),
            (ids(5, 7), ids(5, 0)),
            (TopicIds::UNKNOWN, ids(5, 7)),
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
        assert_eq!(ids(5, 0).unknown().count(), 4);
    }
}
