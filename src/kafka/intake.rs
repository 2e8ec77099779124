//! One worker's partitions as a live source: merged by time, so that a fast partition does not run
//! ahead of a slow one.

mod sight;

pub use sight::Sight;

use super::consumer::spawn;
use super::partition::Partition;
use super::{Arrival, Assigned, ConsumerHandle, KafkaSettings, Position};
use crate::kafka::losses::behind;
use crate::source::{Bounds, Intake};
use crossbeam_channel::{Receiver, bounded};
use dataflows::event::Millis;
use dataflows::source::{Mark, Messages, TopicId};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Blocks on their way from the consumer's thread.
const ARRIVALS: usize = 16;

/// Blocks of one partition that wait here before it is held back, and below which it goes on.
const HOLD_AT: usize = 8;

const RELEASE_AT: usize = 4;

/// One worker's partitions.
pub struct KafkaIntake {
    /// `None` when it could not be started, which `sight` tells.
    consumer: Option<ConsumerHandle>,
    arrivals: Receiver<Arrival>,
    partitions: RefCell<BTreeMap<(TopicId, u32), Partition>>,
    /// What is handed out once the customers have been read to their end.
    later: Vec<(TopicId, u32)>,
    idle_after: Duration,
    sight: Sight,
    shown: RefCell<Instant>,
    /// The committed offsets that the consumer group was last told.
    progress: RefCell<Vec<(TopicId, u32, u64)>>,
    seat: Seat,
    /// How many of the partitions that were found after the start have been looked at.
    adopted: Cell<usize>,
}

/// Which worker this is, of how many: partition p is read by worker p mod peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The worker.
    pub index: usize,
    /// All workers of all processes.
    pub peers: usize,
}

impl Seat {
    /// Whether the partition is this worker's to read.
    pub fn has(self, partition: u32) -> bool {
        partition as usize % self.peers == self.index
    }
}

impl KafkaIntake {
    /// Reads the assigned partitions, customers first. `wake` is called when something has arrived.
    /// What goes wrong, now or later, is told by `sight`.
    pub fn start(
        settings: &KafkaSettings,
        assigned: Vec<Assigned>,
        seat: Seat,
        idle_after: Duration,
        sight: Sight,
        wake: impl Fn() + Send + 'static,
    ) -> Self {
        let (sender, arrivals) = bounded(ARRIVALS);
        let behind =
            |assigned: Assigned| Assigned { from: behind(&settings.losses, &assigned), ..assigned };
        let assigned: Vec<Assigned> = assigned.into_iter().map(behind).collect();
        // All are started at once, for a broker answers questions about offsets slowly once it is
        // being read from; what is not wanted yet is held back.
        let consumer =
            spawn(settings, assigned.clone(), sender, wake).map_err(|error| sight.fail(error)).ok();
        let intake = KafkaIntake::over(consumer, arrivals, &assigned, seat, idle_after, sight);
        if let Some(consumer) = &intake.consumer {
            intake.later.iter().for_each(|(topic, partition)| consumer.hold(*topic, *partition));
        }
        intake
    }

    /// Over what a consumer hands over.
    pub(crate) fn over(
        consumer: Option<ConsumerHandle>,
        arrivals: Receiver<Arrival>,
        assigned: &[Assigned],
        seat: Seat,
        idle_after: Duration,
        sight: Sight,
    ) -> Self {
        let partitions = assigned
            .iter()
            .map(|a| ((a.topic, a.partition), Partition::from(a.from.offset())))
            .collect();
        let later = assigned
            .iter()
            .filter(|a| !a.topic.comes_first())
            .map(|a| (a.topic, a.partition))
            .collect();
        KafkaIntake {
            consumer,
            arrivals,
            partitions: RefCell::new(partitions),
            later,
            idle_after,
            sight,
            shown: RefCell::new(Instant::now()),
            progress: RefCell::default(),
            seat,
            adopted: Cell::new(0),
        }
    }

    /// Sorts what has arrived into its partitions, and holds back those that run ahead.
    fn receive(&self) {
        let mut partitions = self.partitions.borrow_mut();
        for arrival in self.arrivals.try_iter() {
            match arrival {
                Arrival::Records(messages) => {
                    let key = (messages.topic, messages.partition);
                    let partition = partitions.entry(key).or_default();
                    partition.arrive(messages);
                    if partition.waiting() >= HOLD_AT && !partition.is_held {
                        partition.is_held = true;
                        self.consumer.iter().for_each(|consumer| consumer.hold(key.0, key.1));
                    }
                }
                Arrival::CaughtUp { topic, partition, next } => {
                    partitions.entry((topic, partition)).or_default().reach_end(next);
                }
                Arrival::Failed(error) => self.sight.fail(error),
            }
        }
        self.adopt(&mut partitions);
        let mut shown = self.shown.borrow_mut();
        if shown.elapsed() > Duration::from_millis(200) {
            *shown = Instant::now();
            if let Some(consumer) = &self.consumer {
                self.sight.show(self.seat.index, consumer.status(), consumer.trouble());
                let committed = self.sight.committed_among(&partitions);
                if *self.progress.borrow() != committed {
                    consumer.show_progress(committed.clone());
                    *self.progress.borrow_mut() = committed;
                }
            }
        }
    }

    /// Reads partitions that have come since the start, from their first record on.
    fn adopt(&self, partitions: &mut BTreeMap<(TopicId, u32), Partition>) {
        // Nobody else's may be adopted, and a partition is new only once.
        for key in self.sight.found_after(self.adopted.get()) {
            self.adopted.set(self.adopted.get() + 1);
            if self.seat.has(key.1) && !partitions.contains_key(&key) {
                tracing::info!(topic = key.0.name(), partition = key.1, "A new partition is read.");
                let from = Position::OF_ADDED;
                partitions.insert(key, Partition::from(from.offset()));
                self.consumer.iter().for_each(|consumer| {
                    consumer.add(vec![Assigned { topic: key.0, partition: key.1, from }])
                });
            }
        }
    }

    /// Whether the broker has records of the partition that have not arrived. That it has none the
    /// consumer itself says late, after a pause of the broker's in which live partitions must not
    /// wait for each other.
    fn has_more(&self, key: (TopicId, u32)) -> bool {
        let status = self
            .consumer
            .iter()
            .flat_map(ConsumerHandle::status)
            .find(|status| (status.topic, status.partition) == key);
        status.is_none_or(|status| status.lag() != Some(0))
    }

    /// The partition whose first waiting record is the earliest, unless one that is behind may
    /// still bring an earlier one.
    fn pick(&self, until: Option<&Bounds>) -> Option<(TopicId, u32)> {
        let partitions = self.partitions.borrow();
        let open = |key: &(TopicId, u32)| !self.later.contains(key);
        let mut best: Option<(Millis, (TopicId, u32))> = None;
        for (key, partition) in partitions.iter().filter(|(key, _)| open(key)) {
            let Some(bound) = bound_of(until, key) else { continue };
            if bound.is_some_and(|bound| partition.has_reached(bound)) {
                continue;
            }
            match partition.first() {
                Some(head) if best.is_none_or(|(at, _)| head.timestamp < at) => {
                    best = Some((head.timestamp, *key))
                }
                Some(_) => {}
                // Nothing is here of a partition that has more: waiting for it keeps partitions
                // side by side.
                None if !partition.is_caught_up() && self.has_more(*key) => return None,
                None => {}
            }
        }
        best.map(|(_, key)| key)
    }
}

impl Drop for KafkaIntake {
    fn drop(&mut self) {
        // A client that does not close in time is left to the end of the process.
        if let Some(consumer) = self.consumer.take() {
            consumer.stop(Duration::from_secs(2));
        }
    }
}

impl Intake for KafkaIntake {
    fn next(&mut self, until: Option<&Bounds>) -> Option<Messages> {
        self.receive();
        let key = self.pick(until)?;
        let mut partitions = self.partitions.borrow_mut();
        let partition = partitions.get_mut(&key)?;
        let messages = partition.take(bound_of(until, &key)?)?;
        if partition.is_held && partition.waiting() < RELEASE_AT {
            partition.is_held = false;
            self.consumer.iter().for_each(|consumer| consumer.release(key.0, key.1));
        }
        Some(messages)
    }

    fn has_reached(&self, bounds: &Bounds) -> bool {
        self.receive();
        let partitions = self.partitions.borrow();
        partitions.iter().all(|(key, partition)| {
            bounds.get(key).is_none_or(|&bound| partition.has_reached(bound))
        })
    }

    fn marks(&self, until: Option<&Bounds>) -> Vec<Mark> {
        self.receive();
        let now = Instant::now();
        let quiet: BTreeMap<(TopicId, u32), bool> = self
            .consumer
            .iter()
            .flat_map(ConsumerHandle::status)
            .map(|status| {
                (
                    (status.topic, status.partition),
                    status.idle_for(now).is_some_and(|idle| idle >= self.idle_after),
                )
            })
            .collect();
        let partitions = self.partitions.borrow();
        // A partition whose start is not known yet has no place in an epoch.
        let mark = |(&(topic, partition), of): (&(TopicId, u32), &Partition)| {
            let next = of.stands_at(bound_of(until, &(topic, partition))?)?;
            let idle =
                of.waiting() == 0 && quiet.get(&(topic, partition)).copied().unwrap_or(false);
            Some(Mark { topic, partition, next, idle, recorded: None, last: false, save: None })
        };
        partitions.iter().filter_map(mark).collect()
    }

    fn is_prepared(&self) -> bool {
        self.receive();
        let partitions = self.partitions.borrow();
        let mut customers = partitions.iter().filter(|((topic, _), _)| topic.comes_first());
        customers.all(|(_, partition)| partition.is_caught_up() && partition.waiting() == 0)
    }

    fn open(&mut self) {
        let partitions = self.partitions.borrow();
        for (topic, partition) in std::mem::take(&mut self.later) {
            let held = partitions.get(&(topic, partition)).is_some_and(|of| of.is_held);
            if let (Some(consumer), false) = (&self.consumer, held) {
                consumer.release(topic, partition);
            }
        }
    }

    fn is_ended(&self) -> bool {
        false
    }
}

/// Up to where a partition is read, if it has a bound at all; `None` for one that is not among the
/// bounds, for it was not there yet.
fn bound_of(until: Option<&Bounds>, key: &(TopicId, u32)) -> Option<Option<u64>> {
    match until {
        Some(until) => until.get(key).map(|&bound| Some(bound)),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests;
