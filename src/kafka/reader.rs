//! A consumer's side towards the broker: starts partitions, takes their messages, and makes
//! arrivals of them.

mod fault;
mod opening;

use super::blocks::BlockBuilder;
use super::consumer::{Arrival, Assigned, ConsumerCommand};
use super::error::KafkaError;
use super::identify;
use super::settings::KafkaSettings;
use super::status::{CallbackContext, PartitionStatus, Shared};
use super::sys::batch::{BatchQueue, Message, PartitionQueue};
use crate::source::TopicUuids;
use dataflows::source::TopicId;
use fault::PartitionError;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::{BaseConsumer, CommitMode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages that are taken at a time.
const BATCH: usize = 2_000;

/// How long messages are waited for before the connection is cared for again.
const WAIT: Duration = Duration::from_millis(10);

/// How long after a failed look-up the next is tried.
const RETRY: Duration = Duration::from_millis(500);
/// How long a broker is asked for where none is connected, and how long after that again.
const ASK_FOR: Duration = Duration::from_millis(500);
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// How long a topic may be unknown: one that was just made takes a moment to be known to every
/// broker.
const UNKNOWN_TOPIC: Duration = Duration::from_secs(3);

/// How long the broker may take to say whether a topic that cannot be read is another one.
const EXPLANATION: Duration = Duration::from_secs(3);

/// The broker's side of a consumer. Fields are dropped in their order: queues before the client.
pub(super) struct Reader {
    lanes: Vec<Lane>,
    queue: BatchQueue<CallbackContext>,
    consumer: Arc<BaseConsumer<CallbackContext>>,
    shared: Arc<Shared>,
    settings: KafkaSettings,
    /// Partitions that are kept back, read already or not.
    held: BTreeSet<(TopicId, u32)>,
    waiting: Vec<Waiting>,
    /// When the waiting ones are looked up next.
    retry: Instant,
    /// When a broker is asked for next, while none is connected.
    asks: Instant,
    arrivals: Vec<Arrival>,
}

/// A partition that is read.
struct Lane {
    topic: TopicId,
    partition: u32,
    queue: PartitionQueue<CallbackContext>,
    gathering: BlockBuilder,
}

/// A partition of which it is not yet known where it begins.
struct Waiting {
    assigned: Assigned,
    /// Since when the broker says that there is no such topic.
    unknown: Option<Instant>,
}

impl Reader {
    /// Reads nothing yet.
    pub(super) fn new(
        settings: KafkaSettings,
        shared: Arc<Shared>,
        consumer: BaseConsumer<CallbackContext>,
    ) -> Result<Self, KafkaError> {
        let consumer = Arc::new(consumer);
        let queue = BatchQueue::new(Arc::clone(&consumer), BATCH)
            .ok_or_else(|| KafkaError::Configuration("no memory for a queue".to_string()))?;
        let (lanes, held, waiting, arrivals) =
            (Vec::new(), BTreeSet::new(), Vec::new(), Vec::new());
        Ok(Reader {
            lanes,
            queue,
            consumer,
            shared,
            settings,
            held,
            waiting,
            retry: Instant::now(),
            asks: Instant::now(),
            arrivals,
        })
    }

    /// What is shared with the handle.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Serves the client's own events: statistics, errors, commits. Records come through the
    /// partitions' queues.
    pub(super) fn serve(&self) {
        // Errors were noted by the context on their way here.
        let _ = self.consumer.poll(Duration::ZERO);
    }

    /// Does what the handle asks.
    pub(super) fn obey(&mut self, command: ConsumerCommand) {
        match command {
            ConsumerCommand::Add(assignment) => self.add(assignment),
            ConsumerCommand::Hold(topic, partition) => {
                self.held.insert((topic, partition));
                if let Some(lane) = self.lane(topic, partition) {
                    self.queue.hold(&lane.queue);
                }
            }
            ConsumerCommand::Release(topic, partition) => {
                self.held.remove(&(topic, partition));
                if let Some(lane) = self.lane(topic, partition) {
                    self.queue.release(&lane.queue);
                }
            }
            ConsumerCommand::ShowProgress(offsets) => self.show_progress(&offsets),
        }
    }

    fn lane(&self, topic: TopicId, partition: u32) -> Option<&Lane> {
        self.lanes.iter().find(|lane| (lane.topic, lane.partition) == (topic, partition))
    }

    /// A partition that is read already stays as it is.
    fn add(&mut self, assignment: Vec<Assigned>) {
        let now = Instant::now();
        for assigned in assignment {
            let (topic, partition) = (assigned.topic, assigned.partition);
            let known = self
                .shared
                .partitions()
                .insert((topic, partition), PartitionStatus::new(topic, partition, now));
            match known {
                Some(known) => drop(self.shared.partitions().insert((topic, partition), known)),
                None => self.waiting.push(Waiting { assigned, unknown: None }),
            }
        }
        self.retry = now;
    }

    fn show_progress(&self, offsets: &[(TopicId, u32, u64)]) {
        let mut list = TopicPartitionList::new();
        for (topic, partition, next) in offsets {
            // Both were made from the broker's own numbers.
            let added = list.add_partition_offset(
                self.settings.topic_name(*topic),
                *partition as i32,
                Offset::Offset(*next as i64),
            );
            if let Err(error) = added {
                return tracing::debug!(
                    "Progress could not be shown under the consumer group: {error}."
                );
            }
        }
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!("Progress could not be shown under the consumer group: {error}.");
        }
    }

    /// What has arrived since it was last taken.
    pub(super) fn take_arrivals(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut self.arrivals)
    }

    /// Starts what waits to be started, takes messages, and finishes the blocks that are full or
    /// have waited long enough.
    pub(super) fn read(&mut self) {
        if !self.waiting.is_empty()
            && Instant::now() >= self.retry
            && let Err(error) = self.start()
        {
            return self.fail(error);
        }
        let faults = self.take_messages();
        if let Some(error) = faults.into_iter().find_map(|fault| self.judge(fault)) {
            return self.fail(error);
        }
        let now = Instant::now();
        if self.shared.connection.is_down()
            && now >= self.asks
            && let Some(lane) = self.lanes.first()
        {
            // The client connects again only where it needs a broker: one that has read all, and no
            // longer knows who leads its partitions, may need none for minutes. Whether it is
            // answered, its statistics tell.
            let topic = self.settings.topic_name(lane.topic);
            let _ = self.consumer.fetch_metadata(Some(topic), ASK_FOR);
            self.asks = Instant::now() + ASK_AGAIN;
        }
        for lane in
            self.lanes.iter_mut().filter(|lane| lane.gathering.due().is_some_and(|due| due <= now))
        {
            lane.finish(&mut self.arrivals);
        }
    }

    /// Ends the reading. A topic that was made anew explains whatever else is found wrong with it.
    fn fail(&mut self, error: KafkaError) {
        let KafkaSettings { topic_ids, topics, .. } = &self.settings;
        let now = match *topic_ids == TopicUuids::UNKNOWN {
            true => TopicUuids::UNKNOWN,
            false => {
                identify::ask(self.consumer.client(), &self.settings, EXPLANATION)
                    .unwrap_or_default()
                    .0
            }
        };
        let error = topic_ids.compare(&now, topics).map_or_else(KafkaError::from, |()| error);
        self.arrivals.push(Arrival::Failed(error));
    }

    /// Gathers the messages that are there; returns the errors among them.
    fn take_messages(&mut self) -> Vec<PartitionError> {
        let now = Instant::now();
        let due = self.lanes.iter().filter_map(|lane| lane.gathering.due()).min();
        let wait = due.map_or(WAIT, |due| due.saturating_duration_since(now).min(WAIT));
        let messages = self.queue.poll(wait);
        let now = Instant::now();
        let mut faults = Vec::new();
        let mut before: Option<Message<'_>> = None;
        let mut place = None;
        for message in messages.iter() {
            if !before.is_some_and(|before| before.is_beside(&message)) {
                place = place_of(&self.lanes, &self.settings, &message);
            }
            before = Some(message);
            let lane = place.and_then(|place: usize| self.lanes.get_mut(place));
            match (message.error(), lane) {
                (None, Some(lane)) => {
                    if lane.gathering.add(&message, now) {
                        lane.finish(&mut self.arrivals);
                    }
                }
                (Some(RDKafkaErrorCode::PartitionEOF), Some(lane)) => {
                    lane.reach_end(message.offset(), &mut self.arrivals)
                }
                (Some(code), _) => faults.push(PartitionError {
                    lane: place,
                    code,
                    text: String::from_utf8_lossy(message.value().unwrap_or_default()).into(),
                }),
                (None, None) => {
                    tracing::debug!("Kafka sent a record of a partition that is not read.")
                }
            }
        }
        faults
    }
}

impl Lane {
    fn finish(&mut self, arrivals: &mut Vec<Arrival>) {
        arrivals.extend(self.gathering.finish().map(Arrival::Records));
    }

    fn reach_end(&mut self, offset: i64, arrivals: &mut Vec<Arrival>) {
        self.finish(arrivals);
        self.gathering.advance(u64::try_from(offset).unwrap_or(0));
        arrivals.push(Arrival::CaughtUp {
            topic: self.topic,
            partition: self.partition,
            next: self.gathering.next(),
        });
    }
}

/// Which lane a message belongs to.
fn place_of(lanes: &[Lane], settings: &KafkaSettings, message: &Message<'_>) -> Option<usize> {
    let name = message.topic()?.to_bytes();
    let partition = u32::try_from(message.partition()).ok()?;
    lanes.iter().position(|lane| {
        lane.partition == partition && settings.topic_name(lane.topic).as_bytes() == name
    })
}
