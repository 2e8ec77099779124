//! A stretch of the topics through the dataflow, beside a job that may be running.
//!
//! Partitions are read side by side by the timestamps of their records, so none runs ahead of the others by more than a few blocks. Without recorded epochs
//! all of it is one epoch, in which nothing is late, as with files.

use crate::blame::Blame;
use crate::cluster::Cluster;
use crate::files::epochs::{NamedEpoch, NamedOffsets, read_epochs, read_offsets};
use crate::files::error::FileError;
use crate::first::First;
use crate::jobs::history::{Decided, History, HistoryError, Stretch};
use crate::jobs::live::{Control, Replayed};
use crate::kafka::bounded::Read;
use crate::kafka::intake::Sight;
use crate::kafka::{Assigned, KafkaError, KafkaSettings, Position, admin};
use crate::results::EpochResults;
use crate::telemetry::progress::{Progress, Unit};
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::Output;
use dataflows::event::{Millis, Topic};
use dataflows::operators::deliver::Delivery;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A place in the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Their first records.
    Earliest,
    /// Their ends as they are at the start.
    Latest,
    /// The first record of each partition that the broker dates at this instant or later.
    Instant(Millis),
    /// An offset for each partition; one that is not named is read from its beginning, or to its end.
    Offsets(NamedOffsets),
    /// The same, in a file.
    File(PathBuf),
}

/// Which records are replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first ones.
    pub from: Place,
    /// Those after the last ones.
    pub until: Place,
    /// A file of epochs as they were recorded; the last one is where it ends.
    pub epochs: Option<PathBuf>,
}

/// Why topics cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The broker or a worker.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A file of offsets or epochs.
    #[error(transparent)]
    Files(#[from] FileError),
    /// Offsets of a topic that is not read.
    #[error("offsets are given of topic `{0}`, which the configuration does not name; correct them, or kafka.topics")]
    UnknownTopic(String),
    /// Offsets of a partition that is not there.
    #[error("offsets are given of partition {partition} of `{topic}`, which has no such partition; leave it out")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// The recorded epochs go back.
    #[error("epoch {epoch} ends at offset {next} of partition {partition} of `{topic}`, before the epoch in front of it")]
    Backwards {
        /// The epoch.
        epoch: u64,
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Its end.
        next: u64,
    },
}

impl TopicsError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            TopicsError::History(error) => error.blame(),
            TopicsError::Files(error) => error.blame(),
            TopicsError::UnknownTopic(_) | TopicsError::UnknownPartition { .. } | TopicsError::Backwards { .. } => Blame::Usage,
        }
    }
}

impl From<KafkaError> for TopicsError {
    fn from(error: KafkaError) -> Self {
        TopicsError::History(error.into())
    }
}

/// Replays the span; in processes other than the first nothing comes of it.
///
/// # Errors
/// The span is not there, or the broker or a worker cannot go on.
pub fn replay(cluster: &Cluster, kafka: &KafkaSettings, described: &Campaign, span: &Span) -> Result<EpochResults, TopicsError> {
    let control = Control::default();
    let results = Arc::new(Mutex::new(EpochResults::new(0)));
    let mut read: Arc<dyn Fn(Read) + Send + Sync> = Arc::new(|_| ());
    let mut decided = None;
    let mut shown = None;
    if cluster.is_first() {
        let (stretch, epochs) = Asked::new(kafka)?.decide(span)?;
        let progress = Arc::new(Shown::start(stretch.len()));
        shown = Some(Arc::clone(&progress));
        read = Arc::new(move |read| progress.add(read));
        decided = Some(Decided { stretch, receive: collect(epochs.len() as u64, Arc::clone(&results), control.clone()), epochs });
    }
    let failure = First::default();
    let sight = Sight::new(failure.teller());
    let history = History { kafka: kafka.clone(), described: described.clone(), closes: true, control, sight, failure, read };
    history.run(cluster, decided)?;
    shown.iter().for_each(|shown| shown.finish());
    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::replace(&mut results, EpochResults::new(0)))
}

/// Collects what comes of the `recorded` epochs, or of the only one. Of the one in which the input ends after recorded ones only the features of all
/// customers are taken, and the range of times: the model stays as it was recorded.
fn collect(recorded: u64, results: Arc<Mutex<EpochResults>>, control: Control) -> Box<dyn FnMut(Delivery<Output>) + Send> {
    Box::new(move |delivery| match delivery {
        Delivery::Item(epoch, output) => {
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            match output {
                output if recorded == 0 || epoch <= recorded => results.add(output),
                Output::LastFeatures(rows) => results.last_features.push(rows),
                Output::OfOtherCustomers(number) => results.of_other_customers = Some(number),
                Output::Counts(counts) => {
                    results.counts.first = results.counts.first.min(counts.first);
                    results.counts.last = results.counts.last.max(counts.last);
                }
                _ => {}
            }
        }
        Delivery::CompleteBefore(epoch) => control.committed.store(epoch.saturating_sub(1), Ordering::Release),
        Delivery::End => {}
    })
}

/// A bar over the records of this process. How many there are shows as they are read: at first each offset is taken for one.
struct Shown {
    records: AtomicU64,
    total: AtomicU64,
    progress: Mutex<Option<Progress>>,
}

impl Shown {
    fn start(total: u64) -> Self {
        Shown { records: AtomicU64::new(0), total: AtomicU64::new(total), progress: Mutex::new(Some(Progress::start("replay", Unit::Events, total))) }
    }

    fn add(&self, read: Read) {
        let records = self.records.fetch_add(read.records, Ordering::Relaxed) + read.records;
        let total = self.total.fetch_sub(read.gaps, Ordering::Relaxed) - read.gaps;
        // Whoever finds it taken leaves it to the next block.
        if let Ok(Some(progress)) = self.progress.try_lock().as_deref_mut() {
            progress.expect(total);
            progress.set(records);
        }
    }

    fn finish(&self) {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut progress) = progress {
            progress.expect(self.total.load(Ordering::Relaxed));
            progress.finish();
        }
    }
}

/// The topics as they are at the start.
struct Asked<'a> {
    kafka: &'a KafkaSettings,
    partitions: BTreeMap<Topic, Vec<u32>>,
}

type Offsets = BTreeMap<(Topic, u32), u64>;

impl<'a> Asked<'a> {
    fn new(kafka: &'a KafkaSettings) -> Result<Self, TopicsError> {
        Ok(Asked { kafka, partitions: admin::partitions(kafka)? })
    }

    fn decide(&self, span: &Span) -> Result<(Stretch, Vec<Replayed>), TopicsError> {
        let from = self.find(&span.from, Position::Earliest)?;
        let (until, epochs) = match &span.epochs {
            Some(path) => self.cut(&read_epochs(path)?)?,
            None => (self.find(&span.until, Position::Latest)?, Vec::new()),
        };
        let stretch = from.into_iter().map(|((topic, partition), from)| {
            // A partition that no epoch names was not there yet.
            let until = until.get(&(topic, partition)).copied().unwrap_or(from);
            (topic, partition, from, until.max(from))
        });
        Ok((Stretch(stretch.collect()), epochs))
    }

    /// The place as offsets that are there, of every partition.
    fn find(&self, place: &Place, otherwise: Position) -> Result<Offsets, TopicsError> {
        let named = match place {
            Place::Earliest => return self.all(|_| Position::Earliest),
            Place::Latest => return self.all(|_| Position::Latest),
            Place::Instant(instant) => return self.all(|_| Position::Timestamp(*instant)),
            Place::Offsets(offsets) => self.known(offsets)?,
            Place::File(path) => self.known(&read_offsets(path)?)?,
        };
        self.all(|at| named.get(&at).map_or(otherwise, |&offset| Position::Offset(offset)))
    }

    fn all(&self, from: impl Fn((Topic, u32)) -> Position) -> Result<Offsets, TopicsError> {
        let all = self.partitions.iter().flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)));
        let found = admin::find(self.kafka, all.map(|(topic, partition)| Assigned { topic, partition, from: from((topic, partition)) }))?;
        Ok(found.into_iter().map(|(at, range)| (at, range.start)).collect())
    }

    /// Offsets by topic instead of its name.
    fn known(&self, named: &NamedOffsets) -> Result<Offsets, TopicsError> {
        let mut offsets = Offsets::new();
        for (name, partitions) in named {
            let topic = self.kafka.topic_named(name).ok_or_else(|| TopicsError::UnknownTopic(name.clone()))?;
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
            let bounds = offsets.into_iter().map(|((topic, partition), next)| (topic, partition, next)).collect();
            replayed.push(Replayed { bounds, watermark: *watermark, erased: Vec::new() });
        }
        // That they are there shows now, and not when the reading stands still.
        self.all(|at| ends.get(&at).map_or(Position::Latest, |&next| Position::Offset(next)))?;
        Ok((ends, replayed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_that_go_back_and_topics_that_are_not_read_are_refused() {
        let kafka = KafkaSettings::new("127.0.0.1:1");
        let asked = Asked { kafka: &kafka, partitions: BTreeMap::from([(Topic::Transactions, vec![0, 1])]) };
        let offsets = |name: &str, partition, next| NamedOffsets::from([(name.to_string(), BTreeMap::from([(partition, next)]))]);
        assert!(matches!(asked.known(&offsets("orders", 0, 1)), Err(TopicsError::UnknownTopic(name)) if name == "orders"));
        assert!(matches!(asked.known(&offsets("transactions", 2, 1)), Err(TopicsError::UnknownPartition { partition: 2, .. })));
        assert_eq!(asked.known(&offsets("transactions", 1, 9)).unwrap(), Offsets::from([((Topic::Transactions, 1), 9)]));
        let epoch = |epoch, next| NamedEpoch { epoch, watermark: None, offsets: offsets("transactions", 1, next) };
        assert!(matches!(asked.cut(&[epoch(1, 9), epoch(2, 8)]), Err(TopicsError::Backwards { epoch: 2, next: 8, .. })));
    }
}
