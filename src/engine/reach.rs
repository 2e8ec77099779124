//! Whether the topics still have what a start has to read, and what is gone of it.

use super::restart::{Restart, RestartError, Sources, first_offsets};
use super::topics::keys;
use crate::kafka::intake::Seat;
use crate::kafka::losses::behind;
use crate::kafka::{KafkaError, Position, admin};
use crate::sink::Records;
use crate::source::{Loss, Positions, TopicUuids, bounds_of};
use dataflows::source::TopicId;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// Records of a partition that are wanted and not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingRecords {
    /// The topic, by its name at the broker.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The first offset that is wanted.
    pub wanted: u64,
    /// What there is instead.
    pub instead: Instead,
}

/// What there is instead of records that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// The partition starts later.
    Starts(u64),
    /// The partition ends before.
    Ends(u64),
    /// Where the job began is not known, and the configuration says to begin here.
    Begins(u64),
}

impl fmt::Display for MissingRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MissingRecords { topic, partition, wanted, instead } = self;
        match instead {
            Instead::Starts(low) => write!(
                f,
                "partition {partition} of `{topic}` starts at offset {low}, but offset {wanted} is \
                 wanted"
            ),
            Instead::Ends(high) => write!(
                f,
                "partition {partition} of `{topic}` ends at offset {high}, but offset {wanted} is \
                 wanted"
            ),
            Instead::Begins(from) => {
                write!(
                    f,
                    "partition {partition} of `{topic}` is read from offset {from} on, as \
                     kafka.start says, for where the job began is not recorded"
                )
            }
        }
    }
}

/// The offsets that the partitions have, up to the last that can be read.
type There = BTreeMap<(TopicId, u32), Range<u64>>;

/// Makes sure that everything can be read from where a job goes on, and up to where it stood. Where
/// `accepts_loss`, records may be gone that no epoch has read: those are returned.
///
/// # Errors
/// [`RestartError::Passed`], [`RestartError::Unreadable`], or the broker: it does not answer, or
/// has lost a partition or the end of one.
pub fn check(
    restart: &Restart,
    sources: &Sources<'_>,
    accepts_loss: bool,
) -> Result<Vec<Loss>, RestartError> {
    let Sources { kafka, partitions, .. } = sources;
    let there = admin::positions(kafka, partitions, Position::Earliest)?;
    let topic = |topic: TopicId| kafka.topic_name(topic).to_string();
    let last = restart.committed.last_key_value().map(|(_, epoch)| epoch.offsets.as_slice());
    let committed = bounds_of(last.unwrap_or_default());
    let (mut repeated, mut unread, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for assigned in restart.plan.assigned(&keys(partitions), Seat { index: 0, peers: 1 }) {
        let (of, partition) = (assigned.topic, assigned.partition);
        let (Some(wanted), Some(range)) =
            (behind(restart.plan.losses(), &assigned).first(), there.get(&(of, partition)))
        else {
            continue;
        };
        if wanted >= range.start {
            continue;
        }
        let instead = Instead::Starts(range.start);
        let gone = MissingRecords { topic: topic(of), partition, wanted, instead };
        match committed.get(&(of, partition)).is_some_and(|end| *end > wanted) {
            true => repeated.push(gone),
            false => {
                unread.push(gone);
                let epoch = restart.next();
                losses.push(Loss { epoch, topic: of, partition, first: wanted, next: range.start });
            }
        }
    }
    let ends = restart
        .plan
        .starts()
        .into_iter()
        .map(|((topic, partition), next)| (topic, partition, next));
    for (of, partition, wanted) in ends.chain(last.into_iter().flatten().copied()) {
        match there.get(&(of, partition)) {
            Some(range) if wanted <= range.end => {}
            Some(range) => {
                return Err(KafkaError::PastEnd {
                    topic: topic(of),
                    partition,
                    wanted,
                    high: range.end,
                }
                .into());
            }
            None => {
                let (brokers, found) =
                    (kafka.brokers.clone(), partitions.get(&of).map_or(0, Vec::len));
                return Err(KafkaError::MissingPartition {
                    brokers,
                    topic: topic(of),
                    partition,
                    found,
                }
                .into());
            }
        }
    }
    match (repeated.is_empty(), unread.is_empty() || accepts_loss) {
        (false, _) => Err(RestartError::Unreadable { needed: restart.after() + 1, gone: repeated }),
        (true, false) => Err(RestartError::Passed(unread)),
        (true, true) => Ok(losses),
    }
}

/// The offsets that a job begins anew with: those that it began with, where the topic is still the
/// same and has them; else the first that are there. Also what is gone of what it has read before.
///
/// # Errors
/// The broker does not say what is there.
pub fn anew(
    records: &mut dyn Records,
    sources: &Sources<'_>,
    now: &TopicUuids,
) -> Result<(Positions, Vec<MissingRecords>), RestartError> {
    let Sources { kafka, partitions, checkpoints } = sources;
    // What cannot be read is of other topics, or damaged, and is about to be forgotten.
    let (before, recorded) =
        (records.topic_ids().unwrap_or_default(), records.starts().unwrap_or_default());
    let has_read = records.progress().epoch > 0 || !checkpoints.unnamed().epochs()?.is_empty();
    let there = admin::positions(kafka, partitions, Position::Earliest)?;
    let is_remade =
        |topic| before.get(topic).zip(now.get(topic)).is_some_and(|(before, now)| before != now);
    for topic in partitions.keys().copied().filter(|topic| is_remade(*topic)) {
        let topic = kafka.topic_name(topic);
        tracing::warn!(
            topic,
            "The topic was deleted and made anew: what was read of the former one is not made \
             again."
        );
    }
    let (starts, from_start) = match recorded {
        Some(recorded) => (began(&there, &recorded, is_remade), false),
        // Nothing says that it did not begin with the first record that there ever was.
        None if Position::from(kafka.start) == Position::Earliest => {
            (began(&there, &Vec::new(), is_remade), false)
        }
        None => (first_offsets(sources, Position::from(kafka.start))?, true),
    };
    let mut gone = Vec::new();
    let mut begins = Vec::new();
    for (topic, partition, wanted) in starts {
        let range = there.get(&(topic, partition)).cloned().unwrap_or_default();
        let (from, instead) = match wanted {
            wanted if from_start => (wanted, (wanted > 0).then_some(Instead::Begins(wanted))),
            wanted if wanted < range.start => (range.start, Some(Instead::Starts(range.start))),
            wanted if wanted > range.end => (range.start, Some(Instead::Ends(range.end))),
            wanted => (wanted, None),
        };
        let wanted = if from_start { 0 } else { wanted };
        gone.extend(instead.map(|instead| MissingRecords {
            topic: kafka.topic_name(topic).to_string(),
            partition,
            wanted,
            instead,
        }));
        begins.push((topic, partition, from));
    }
    Ok((begins, if has_read { gone } else { Vec::new() }))
}

/// Where each partition that is there began: as recorded, or with its first record where it was
/// added later. One of a topic that was made anew begins with what there is.
fn began(there: &There, recorded: &Positions, is_remade: impl Fn(TopicId) -> bool) -> Positions {
    let recorded = bounds_of(recorded);
    let of = |(&(topic, partition), range): (&(TopicId, u32), &Range<u64>)| {
        let began = if is_remade(topic) {
            range.start
        } else {
            recorded.get(&(topic, partition)).copied().unwrap_or(0)
        };
        (topic, partition, began)
    };
    there.iter().map(of).collect()
}
