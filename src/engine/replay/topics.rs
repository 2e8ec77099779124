//! A stretch of the topics through the dataflow, beside a job that may be running.
//!
//! Partitions are read side by side by the timestamps of their records, so none runs ahead of the
//! others by more than a few blocks. Without recorded epochs all of it is one epoch, in which
//! nothing is late, as with files.

use super::collected::Collected;
use super::span::{Crossed, Span, TopicsNow, TopicsRead};
use crate::blame::Blame;
use crate::cluster::Cluster;
use crate::engine::history::{HistoryError, HistoryPass, ReadPlan};
use crate::engine::live::Control;
use crate::files::epochs::NamedOffsets;
use crate::files::error::FileError;
use crate::first::First;
use crate::hosting::ResultsOf;
use crate::hosting::replaying::Replays;
use crate::kafka::bounded::Read;
use crate::kafka::intake::Sight;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::telemetry::progress::{ProgressMeter, Unit};
use dataflows::operators::deliver::Delivery;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    #[error(
        "offsets are given of topic `{0}`, which the configuration does not name; correct them, or \
         kafka.topics"
    )]
    UnknownTopic(String),
    /// Offsets of a partition that is not there.
    #[error(
        "offsets are given of partition {partition} of `{topic}`, which has no such partition; \
         leave it out"
    )]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// It ends before it begins.
    #[error(transparent)]
    Crossed(#[from] Crossed),
    /// The recorded epochs go back.
    #[error(
        "epoch {epoch} ends at offset {next} of partition {partition} of `{topic}`, before the \
         epoch in front of it"
    )]
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
            TopicsError::UnknownTopic(_)
            | TopicsError::UnknownPartition { .. }
            | TopicsError::Crossed(_)
            | TopicsError::Backwards { .. } => Blame::Usage,
        }
    }
}

impl From<KafkaError> for TopicsError {
    fn from(error: KafkaError) -> Self {
        TopicsError::History(error.into())
    }
}

/// Replays the span; in processes other than the first nothing comes of it. With the results comes
/// what open transactions held back.
///
/// # Errors
/// The span is not there, or the broker or a worker cannot go on.
pub fn replay<D: Replays>(
    cluster: &Cluster,
    kafka: &KafkaSettings,
    described: &D,
    span: &Span,
) -> Result<(ResultsOf<D>, NamedOffsets), TopicsError> {
    let control = Control::default();
    let collected = Collected::of(described);
    let mut read: Arc<dyn Fn(Read) + Send + Sync> = Arc::new(|_| ());
    let mut decided = None;
    let mut shown = None;
    let mut held_back = NamedOffsets::new();
    if cluster.is_first() {
        let TopicsRead { stretch, epochs, held_back: held } =
            TopicsNow::ask(kafka)?.decide(span)?;
        held_back = held;
        warning(&held_back).iter().for_each(|warning| tracing::warn!("{warning}"));
        let progress = Arc::new(Shown::start(stretch.len()));
        shown = Some(Arc::clone(&progress));
        read = Arc::new(move |read| progress.add(read));
        decided = Some(ReadPlan {
            stretch,
            receive: collect(epochs.len() as u64, collected.clone(), control.clone()),
            epochs,
        });
    }
    let failure = First::default();
    let sight = Sight::new(&kafka.brokers, failure.teller());
    let beginning = described.clone();
    let history = HistoryPass {
        kafka: kafka.clone(),
        described: described.clone(),
        closes: true,
        control,
        sight,
        failure,
        read,
        after: 0,
        begin: Arc::new(move |worker, peers| Ok(beginning.anew(worker, peers))),
    };
    history.run(cluster, decided)?;
    shown.iter().for_each(|shown| shown.finish());
    Ok((collected.take(), held_back))
}

/// Which offsets are there and cannot be read, in one line; `None`: all can be.
fn warning(held_back: &NamedOffsets) -> Option<String> {
    let partitions = held_back.iter().flat_map(|(topic, partitions)| {
        partitions.iter().map(move |(partition, offsets)| (topic, partition, offsets))
    });
    let named: Vec<String> = partitions
        .map(|(topic, partition, offsets)| format!("{offsets} of {topic}[{partition}]"))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "Offsets that lie behind the first record of an open transaction are not replayed: {}. \
             Replay again once it has ended. The broker ends one that \
             was left open after its transaction.timeout.ms; `kafka-transactions.sh find-hanging` \
             shows it.",
            named.join(", ")
        )
    })
}

/// Collects what comes of the `recorded` epochs, or of the only one, and what the end of the input
/// brings behind recorded ones.
fn collect<D: Replays>(
    recorded: u64,
    collected: Collected<D>,
    control: Control,
) -> Box<dyn FnMut(Delivery<D::Output>) + Send> {
    Box::new(move |delivery| match delivery {
        Delivery::Item(epoch, output) if recorded == 0 || epoch <= recorded => {
            collected.add(output);
        }
        Delivery::Item(_, output) => collected.add_at_end(output),
        Delivery::CompleteBefore(epoch) => {
            control.committed.store(epoch.saturating_sub(1), Ordering::Release)
        }
        Delivery::End => {}
    })
}

/// A bar over the records of this process. How many there are shows as they are read: at first each
/// offset is taken for one.
struct Shown {
    records: AtomicU64,
    total: AtomicU64,
    progress: Mutex<Option<ProgressMeter>>,
}

impl Shown {
    fn start(total: u64) -> Self {
        Shown {
            records: AtomicU64::new(0),
            total: AtomicU64::new(total),
            progress: Mutex::new(Some(ProgressMeter::start("replay", Unit::Events, total))),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn partitions_that_are_held_back_are_named() {
        assert_eq!(warning(&NamedOffsets::new()), None);
        let partitions =
            |partitions: &[(u32, u64)]| BTreeMap::from_iter(partitions.iter().copied());
        let held_back = NamedOffsets::from([
            ("orders".to_string(), partitions(&[(0, 7), (2, 1)])),
            ("rewards".to_string(), partitions(&[(1, 5)])),
        ]);
        let said = warning(&held_back).expect("a warning");
        assert!(
            said.contains(" are not replayed: 7 of orders[0], 1 of orders[2], 5 of rewards[1]. "),
            "{said}"
        );
        assert!(!said.contains('\n'));
    }
}
