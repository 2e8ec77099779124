//! Which part of the topics is replayed: places, as they are given, become offsets that are there.

#[cfg(test)]
mod tests;

use super::topics::TopicsError;
use crate::engine::history::OffsetRanges;
use crate::engine::live::Replayed;
use crate::files::epochs::{NamedEpoch, NamedOffsets, read_epochs, read_offsets};
use crate::kafka::admin::Isolation;
use crate::kafka::{Assigned, KafkaSettings, Position, admin};
use dataflows::event::Millis;
use dataflows::source::TopicId;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A place in the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanBound {
    /// Their first records.
    Earliest,
    /// Their ends as they are at the start.
    Latest,
    /// The first record of each partition that the broker dates at this instant or later.
    Instant(Millis),
    /// An offset for each partition; one that is not named is read from its beginning, or to its
    /// end.
    Offsets(NamedOffsets),
    /// The same, in a file.
    File(PathBuf),
}

/// Which records are replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first ones.
    pub from: SpanBound,
    /// Those after the last ones.
    pub until: SpanBound,
    /// A file of epochs as they were recorded; the last one is where it ends.
    pub epochs: Option<PathBuf>,
}

/// A span that ends before it begins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crossed {
    /// In these partitions: topic, partition, the first offset, and the one after the last.
    #[error("{}: that ends before it begins; correct --from or what it ends with", named(.0))]
    Offsets(Vec<(String, u32, u64, u64)>),
    /// In time.
    #[error("the topics would be read from {} until {}: that ends before it begins; correct --from \
        or --until", instant(*from), instant(*until))]
    Instants {
        /// The first instant.
        from: Millis,
        /// The one after the last.
        until: Millis,
    },
}

fn named(partitions: &[(String, u32, u64, u64)]) -> String {
    let each = partitions.iter().map(|(topic, partition, from, until)| {
        format!(
            "partition {partition} of `{topic}` would \
            be read from offset {from} until offset {until}"
        )
    });
    each.collect::<Vec<_>>().join(", ")
}

fn instant(millis: Millis) -> String {
    Timestamp::from_millisecond(millis)
        .map_or_else(|_| millis.to_string(), |timestamp| timestamp.to_string())
}

/// What is read of the topics.
#[derive(Debug)]
pub(super) struct TopicsRead {
    /// The offsets.
    pub(super) stretch: OffsetRanges,
    /// The epochs that they are cut into, if any.
    pub(super) epochs: Vec<Replayed>,
    /// How many offsets of each partition would be in the span, and cannot be read while a
    /// transaction is open.
    pub(super) held_back: NamedOffsets,
}

/// The topics as they are at the start.
pub(super) struct TopicsNow<'a> {
    kafka: &'a KafkaSettings,
    partitions: BTreeMap<TopicId, Vec<u32>>,
}

type Offsets = BTreeMap<(TopicId, u32), u64>;

impl<'a> TopicsNow<'a> {
    pub(super) fn ask(kafka: &'a KafkaSettings) -> Result<Self, TopicsError> {
        Ok(TopicsNow { kafka, partitions: admin::partitions(kafka)? })
    }

    pub(super) fn decide(&self, span: &Span) -> Result<TopicsRead, TopicsError> {
        let (first, last) = (self.named(&span.from)?, self.named(&span.until)?);
        let cut = span.epochs.as_ref().map(|path| self.cut(&read_epochs(path)?)).transpose()?;
        self.compare(&first, cut.as_ref().map_or(&last, |(ends, _)| ends))?;
        if let (SpanBound::Instant(from), SpanBound::Instant(until)) = (&span.from, &span.until)
            && until < from
        {
            return Err(Crossed::Instants { from: *from, until: *until }.into());
        }
        // What there is comes first: what is written between the two questions does not count as
        // held back.
        let there = match cut {
            Some(_) => Offsets::new(),
            None => self.find(&span.until, &last, Position::Latest, Isolation::Uncommitted)?,
        };
        // Only an instant may lie behind the beginning of an open transaction.
        let there_from = match span.from {
            SpanBound::Instant(_) => {
                self.find(&span.from, &first, Position::Earliest, Isolation::Uncommitted)?
            }
            _ => Offsets::new(),
        };
        let from = self.find(&span.from, &first, Position::Earliest, Isolation::Committed)?;
        let (until, epochs) = match cut {
            Some(cut) => cut,
            None => {
                (self.find(&span.until, &last, Position::Latest, Isolation::Committed)?, Vec::new())
            }
        };
        let mut held_back = NamedOffsets::new();
        for ((topic, partition), there) in there {
            let at = (topic, partition);
            let begins = until
                .get(&at)
                .copied()
                .unwrap_or(there)
                .max(there_from.get(&at).copied().unwrap_or(0));
            if begins < there {
                held_back
                    .entry(self.kafka.topic_name(topic).to_string())
                    .or_default()
                    .insert(partition, there - begins);
            }
        }
        let stretch = from.into_iter().map(|((topic, partition), from)| {
            // A partition that no epoch names was not there yet.
            let until = until.get(&(topic, partition)).copied().unwrap_or(from);
            (topic, partition, from, until.max(from))
        });
        Ok(TopicsRead { stretch: OffsetRanges(stretch.collect()), epochs, held_back })
    }

    /// The offsets that a place names.
    fn named(&self, place: &SpanBound) -> Result<Offsets, TopicsError> {
        match place {
            SpanBound::Earliest | SpanBound::Latest | SpanBound::Instant(_) => Ok(Offsets::new()),
            SpanBound::Offsets(offsets) => self.known(offsets),
            SpanBound::File(path) => self.known(&read_offsets(path)?),
        }
    }

    /// That no partition ends before it begins: nothing would be read of it, and nothing said.
    fn compare(&self, from: &Offsets, until: &Offsets) -> Result<(), Crossed> {
        let both = from.iter().filter_map(|(at, from)| Some((at, *from, *until.get(at)?)));
        let crossed = both.filter(|(_, from, until)| until < from);
        let crossed: Vec<_> = crossed
            .map(|((topic, partition), from, until)| {
                (self.kafka.topic_name(*topic).to_string(), *partition, from, until)
            })
            .collect();
        if crossed.is_empty() { Ok(()) } else { Err(Crossed::Offsets(crossed)) }
    }

    /// The place, which names these offsets, as offsets that are there, of every partition.
    fn find(
        &self,
        place: &SpanBound,
        named: &Offsets,
        otherwise: Position,
        isolation: Isolation,
    ) -> Result<Offsets, TopicsError> {
        self.all(isolation, |at| match place {
            SpanBound::Earliest => Position::Earliest,
            SpanBound::Latest => Position::Latest,
            SpanBound::Instant(instant) => Position::Timestamp(*instant),
            SpanBound::Offsets(_) | SpanBound::File(_) => {
                named.get(&at).map_or(otherwise, |&offset| Position::Offset(offset))
            }
        })
    }

    fn all(
        &self,
        isolation: Isolation,
        from: impl Fn((TopicId, u32)) -> Position,
    ) -> Result<Offsets, TopicsError> {
        let all = self.partitions.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|partition| (*topic, *partition))
        });
        let all = all.map(|(topic, partition)| Assigned {
            topic,
            partition,
            from: from((topic, partition)),
        });
        let found = admin::find_as(self.kafka, all, isolation)?;
        Ok(found.into_iter().map(|(at, range)| (at, range.start)).collect())
    }

    /// Offsets by topic instead of its name.
    fn known(&self, named: &NamedOffsets) -> Result<Offsets, TopicsError> {
        let mut offsets = Offsets::new();
        for (name, partitions) in named {
            let topic = self
                .kafka
                .topic_named(name)
                .ok_or_else(|| TopicsError::UnknownTopic(name.clone()))?;
            for (&partition, &next) in partitions {
                if !self.partitions.get(&topic).is_some_and(|there| there.contains(&partition)) {
                    return Err(TopicsError::UnknownPartition { topic: name.clone(), partition });
                }
                offsets.insert((topic, partition), next);
            }
        }
        Ok(offsets)
    }

    /// Where the last of the epochs ends, and how each is cut.
    fn cut(&self, epochs: &[NamedEpoch]) -> Result<(Offsets, Vec<Replayed>), TopicsError> {
        let mut ends = Offsets::new();
        let mut replayed = Vec::with_capacity(epochs.len());
        for NamedEpoch { epoch, watermark, offsets } in epochs {
            let offsets = self.known(offsets)?;
            for (&(topic, partition), &next) in &offsets {
                if ends.insert((topic, partition), next).is_some_and(|before| next < before) {
                    let topic = self.kafka.topic_name(topic).to_string();
                    return Err(TopicsError::Backwards { epoch: *epoch, topic, partition, next });
                }
            }
            let bounds = offsets
                .into_iter()
                .map(|((topic, partition), next)| (topic, partition, next))
                .collect();
            replayed.push(Replayed {
                bounds,
                watermark: *watermark,
                erased: Vec::new(),
                save: None,
            });
        }
        // That they are there shows now, and not when the reading stands still.
        self.all(Isolation::Committed, |at| {
            ends.get(&at).map_or(Position::Latest, |&next| Position::Offset(next))
        })?;
        Ok((ends, replayed))
    }
}
