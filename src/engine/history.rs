//! A dataflow over a stretch of the topics that is there already. Nothing is committed
//! and nothing published, so a running job is not disturbed.

use super::gather::GatherError;
use super::live::{Control, Pace, Replayed, live};
use super::plan::agree;
use super::saving::ResumeError;
use crate::blame::Blame;
use crate::cluster::{Cluster, ClusterError};
use crate::first::{First, Panicked};
use crate::kafka::bounded::{Bounded, Read, ReadMode};
use crate::kafka::intake::{Seat, Sight};
use crate::kafka::{KafkaError, KafkaSettings};
use crate::source::Bounds;
use dataflows::Dataflow;
use dataflows::operators::deliver::{Delivery, deliver};
use dataflows::source::TopicId;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use timely::worker::Worker;

/// Epochs at most that are read and not yet taken in by whoever receives them.
pub const AHEAD: u64 = 64;

/// About how many records may be in them: large epochs are fewer, for what comes of them lies in
/// memory.
const RECORDS_AHEAD: u64 = 250_000;

/// Why a stretch cannot be put through the dataflow.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The broker or its topics.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The workers.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The epochs.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// A thread beside the workers.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// What the workers were to go on from.
    #[error(transparent)]
    Load(#[from] ResumeError),
}

impl HistoryError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            HistoryError::Kafka(error) => error.blame(),
            HistoryError::Cluster(error) => error.blame(),
            HistoryError::Gather(error) => error.blame(),
            HistoryError::Panicked(_) => Blame::World,
            HistoryError::Load(error) => error.blame(),
        }
    }
}

/// A stretch of the topics: for each partition the first offset, and the one after the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetRanges(pub Vec<(TopicId, u32, u64, u64)>);

impl OffsetRanges {
    /// How many offsets it has: as many records at most, for some may be gaps.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(.., from, until)| until.saturating_sub(*from)).sum()
    }

    /// How many of its epochs may be on their way.
    fn ahead(&self, epochs: usize) -> u64 {
        let each = self.len() / (epochs as u64).max(1);
        (RECORDS_AHEAD / each.max(1)).clamp(2, AHEAD)
    }

    /// What a worker reads of it: the first offset of each of its partitions, and their bounds.
    fn share(&self, seat: Seat) -> (Bounds, Bounds) {
        let mine = || self.0.iter().filter(|(_, partition, ..)| seat.has(*partition));
        (
            mine().map(|&(topic, partition, from, _)| ((topic, partition), from)).collect(),
            mine().map(|&(topic, partition, _, until)| ((topic, partition), until)).collect(),
        )
    }
}

/// What the first process decides.
pub struct ReadPlan<O> {
    /// What is read.
    pub stretch: OffsetRanges,
    /// How it is cut; without any all of it is one epoch.
    pub epochs: Vec<Replayed>,
    /// Called on the first worker with what comes of it.
    pub receive: Box<dyn FnMut(Delivery<O>) + Send>,
}

/// Gives a worker, by its number and that of all, what it begins with.
pub type Begin<D> =
    Arc<dyn Fn(usize, usize) -> Result<<D as Dataflow>::Beginning, ResumeError> + Send + Sync>;

/// Everything that all workers are told.
#[derive(Clone)]
pub struct HistoryPass<D: Dataflow> {
    /// The broker.
    pub kafka: KafkaSettings,
    /// The dataflow.
    pub described: D,
    /// At the end of the stretch the input ends, in an epoch of its own where epochs are given;
    /// otherwise it is left as if more were to come.
    pub closes: bool,
    /// `committed` must be moved by whoever receives epochs, for no more than [`AHEAD`] are read
    /// beyond it.
    pub control: Control,
    /// Where the partitions stand.
    pub sight: Sight,
    /// What failed first, in whichever thread: `sight` tells it too. With it the workers end at
    /// once, for what came of them is not the whole.
    pub failure: First<HistoryError>,
    /// Told on the first process of what more was read.
    pub read: Arc<dyn Fn(Read) + Send + Sync>,
    /// The epoch that the stretch goes on after; 0: it begins with nothing.
    pub after: u64,
    /// What worker so many of so many begins with.
    pub begin: Begin<D>,
}

impl<D: Dataflow> HistoryPass<D> {
    /// Puts it all through the dataflow; `decided` is given by the first process.
    ///
    /// # Errors
    /// The broker or a worker cannot go on.
    pub fn run(
        &self,
        cluster: &Cluster,
        decided: Option<ReadPlan<D::Output>>,
    ) -> Result<(), HistoryError> {
        let history = self.clone();
        // A job that is told to drain repeats its recorded epochs, and ends.
        self.control.drain.store(!self.closes, std::sync::atomic::Ordering::Release);
        let decided = Mutex::new(decided);
        let outcome = cluster.run(move |worker| {
            let decided = if worker.index() == 0 {
                decided.lock().ok().and_then(|mut decided| decided.take())
            } else {
                None
            };
            history.work(worker, decided)
        });
        self.sound().and(outcome.map(drop))
    }

    /// What failed, if anything did.
    fn sound(&self) -> Result<(), HistoryError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn work(
        &self,
        worker: &mut Worker,
        decided: Option<ReadPlan<D::Output>>,
    ) -> Result<(), HistoryError> {
        let (plan, epochs, mut receive) = match decided {
            Some(ReadPlan { stretch, epochs, receive }) => {
                (Some((stretch, !epochs.is_empty())), epochs, Some(receive))
            }
            None => (None, Vec::new(), None),
        };
        let seat = Seat { index: worker.index(), peers: worker.peers() };
        let (stretch, recorded) = agree(worker, plan);
        let (from, until) = stretch.share(seat);
        let manner = ReadMode { recorded, closes: self.closes };
        // No epoch ends by time or number: each where it ended before, and the last with the input.
        let ahead = stretch.ahead(epochs.len());
        let beginning = (self.begin)(worker.index(), worker.peers())?;
        let pace = Pace {
            interval: Duration::MAX,
            max_events: u64::MAX,
            ahead,
            first: self.after + 1,
            repeats: manner.recorded,
            replayed: epochs,
            erased: Vec::new(),
            saves: None,
        };
        worker.dataflow::<u64, _, _>(|scope| {
            let feed = live(scope, pace, self.control.clone(), |activator| {
                let wake = move || {
                    // A worker that has ended needs no waking.
                    let _ = activator.activate();
                };
                let read = Arc::clone(&self.read);
                Bounded::start(
                    &self.kafka,
                    from,
                    until,
                    seat,
                    manner,
                    self.sight.clone(),
                    move |more| read(more),
                    wake,
                )
            });
            deliver(self.described.build(feed, beginning), move |delivery| {
                if let Some(receive) = &mut receive {
                    receive(delivery);
                }
            });
        });
        while worker.step_or_park(Some(Duration::from_millis(100))) {
            self.sound()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    #[test]
    fn large_epochs_are_fewer_on_their_way() {
        let stretch = OffsetRanges(vec![
            (Topic::Transactions.id(), 0, 50, 600_050),
            (Topic::Rewards.id(), 3, 7, 400_007),
        ]);
        assert_eq!(stretch.len(), 1_000_000);
        for (epochs, ahead) in [(1, 2), (10, 2), (100, 25), (100_000, AHEAD)] {
            assert_eq!(stretch.ahead(epochs), ahead, "{epochs} epochs");
        }
    }

    #[test]
    fn each_partition_is_read_by_one_worker() {
        let stretch = OffsetRanges(
            (0..5).map(|partition| (Topic::Customers.id(), partition, 0, 9)).collect(),
        );
        let shares: Vec<_> = (0..3).map(|index| stretch.share(Seat { index, peers: 3 })).collect();
        let mut all: Vec<u32> = shares
            .iter()
            .flat_map(|(from, _)| from.keys().map(|(_, partition)| *partition))
            .collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert!(shares.iter().all(|(from, until)| from.keys().eq(until.keys())));
    }
}
