//! A topic, as the dataflow that reads it declares it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::{fmt, ptr};

/// What a dataflow says of one of its topics, once.
#[derive(Debug, PartialEq, Eq)]
pub struct TopicOf {
    /// Its own name, which no other topic of any dataflow has; also the name that it has at the
    /// broker where no other one is configured.
    pub name: &'static str,
    /// What it was written as before it had a name of its own, where it was.
    pub former: Option<&'static str>,
    /// The stem of its files where a dataflow reads files.
    pub file_stem: &'static str,
    /// Its number in the dataflow, from 0: topics are in this order.
    pub number: u8,
    /// Whether the event time of its records moves the watermark.
    pub moves_watermark: bool,
    /// Whether what is there of it when a job begins is read before everything else.
    pub comes_first: bool,
    /// Whether a record without a value erases the customer of its key. In every dataflow there is
    /// one of which they do.
    pub erases: bool,
}

/// A topic of some dataflow. It is written as its own name.
#[derive(Clone, Copy)]
pub struct TopicId(&'static TopicOf);

impl TopicId {
    /// The one that is declared so.
    pub const fn of(declared: &'static TopicOf) -> TopicId {
        TopicId(declared)
    }

    /// The one that has this name of its own, in any dataflow.
    pub fn named(name: &str) -> Option<TopicId> {
        crate::topics().find(|topic| topic.name() == name)
    }

    /// Its own name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The stem of its files.
    pub fn file_stem(self) -> &'static str {
        self.0.file_stem
    }

    /// Its number in its dataflow, from 0.
    pub fn number(self) -> usize {
        usize::from(self.0.number)
    }

    /// Whether the event time of its records moves the watermark.
    pub fn moves_watermark(self) -> bool {
        self.0.moves_watermark
    }

    /// Whether what is there of it when a job begins is read before everything else.
    pub fn comes_first(self) -> bool {
        self.0.comes_first
    }

    /// Whether a record without a value erases the customer of its key.
    pub fn erases(self) -> bool {
        self.0.erases
    }

    /// What tells it apart, and sorts it: a job has topics of one dataflow.
    fn key(self) -> (u8, &'static str) {
        (self.0.number, self.0.name)
    }
}

impl PartialEq for TopicId {
    fn eq(&self, other: &TopicId) -> bool {
        ptr::eq(self.0, other.0) || self.key() == other.key()
    }
}

impl Eq for TopicId {}

impl PartialOrd for TopicId {
    fn partial_cmp(&self, other: &TopicId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TopicId {
    fn cmp(&self, other: &TopicId) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for TopicId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.number.hash(state);
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for TopicId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for TopicId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TopicId, D::Error> {
        let name = String::deserialize(deserializer)?;
        let is_so = |topic: &TopicId| topic.name() == name || topic.0.former == Some(&name);
        crate::topics()
            .find(is_so)
            .ok_or_else(|| D::Error::custom(format_args!("{name:?} is no topic of any dataflow")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_is_of_one_topic_and_leads_back_to_it() {
        let names: BTreeSet<&str> = crate::topics().map(TopicId::name).collect();
        assert_eq!(names.len(), crate::topics().count());
        for topic in crate::topics() {
            let text = serde_json::to_string(&topic).expect("it is written");
            assert_eq!(serde_json::from_str::<TopicId>(&text).ok(), Some(topic), "{text}");
        }
        assert!(serde_json::from_str::<TopicId>("\"orders\"").is_err());
    }

    #[test]
    fn what_was_written_before_is_read() {
        let read = |text| serde_json::from_str::<TopicId>(text).ok();
        assert_eq!(read("\"Requests\""), read("\"decision-requests\""));
        assert!(read("\"Requests\"").is_some());
    }

    #[test]
    fn topics_are_in_the_order_of_their_dataflow() {
        let all: Vec<TopicId> = crate::topics().collect();
        for own in all.chunk_by(|before, after| after.number() == before.number() + 1) {
            assert_eq!(own[0].number(), 0, "{own:?} of {all:?}");
            assert!(own.is_sorted(), "{own:?}");
        }
    }
}
