//! Where each partition stands, for metrics, readiness and the question whether a partition is
//! idle.

use super::connection::{self, Connection, code_of};
use crate::source::TopicNames;
use dataflows::source::TopicId;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: u32,
    /// The offset after the last that was handed over; `None` until the broker has said where the
    /// partition starts.
    pub next: Option<u64>,
    /// The last stable offset, as the broker last said: before it every transaction has ended, and
    /// no more can be read.
    pub end: Option<u64>,
    /// The high watermark, as the broker last said: the offset after the last record that there is.
    /// It is past `end` while a transaction is open.
    pub high: Option<u64>,
    /// Whether the last that was handed over is the partition's end.
    pub caught_up: bool,
    /// Whether the partition's leader is connected; of one that is not, nothing can be said.
    pub reachable: bool,
    /// When the last record was handed over, or the reading began, or the leader came back.
    pub last_news: Instant,
}

impl PartitionStatus {
    /// A partition of which nothing is known yet.
    pub(crate) fn new(topic: TopicId, partition: u32, now: Instant) -> Self {
        PartitionStatus {
            topic,
            partition,
            next: None,
            end: None,
            high: None,
            caught_up: false,
            reachable: false,
            last_news: now,
        }
    }

    /// How many records are left to be read, at most.
    pub fn lag(&self) -> Option<u64> {
        Some(self.end?.saturating_sub(self.next?))
    }

    /// How many offsets lie behind the first record of a transaction that has not ended: nothing
    /// there can be read, whoever wrote it.
    pub fn held_back(&self) -> Option<u64> {
        Some(self.high?.saturating_sub(self.end?))
    }

    /// For how long nothing new has come while the partition was read to its end and its leader
    /// connected; `None` otherwise.
    pub fn idle_for(&self, now: Instant) -> Option<Duration> {
        (self.caught_up && self.reachable && self.lag() == Some(0))
            .then(|| now.saturating_duration_since(self.last_news))
    }
}

/// What a consumer's thread, the client's callbacks and the handle share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: Connection,
    topics: TopicNames,
    partitions: Mutex<BTreeMap<(TopicId, u32), PartitionStatus>>,
}

impl Shared {
    pub(super) fn new(brokers: &str, topics: TopicNames) -> Self {
        Shared {
            connection: Connection::new(brokers, "consumer"),
            topics,
            partitions: Mutex::default(),
        }
    }

    pub(super) fn partitions(&self) -> MutexGuard<'_, BTreeMap<(TopicId, u32), PartitionStatus>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the client's statistics say of brokers and partitions.
    fn note(&self, statistics: &Statistics<'_>, now: Instant) {
        let up: Vec<i32> = statistics
            .brokers
            .values()
            .filter(|broker| broker.state == "UP")
            .map(|broker| broker.nodeid)
            .collect();
        if !up.is_empty() {
            self.connection.works();
        }
        for status in self.partitions().values_mut() {
            let topic = statistics.topics.get(&self.topics[status.topic]);
            let Some(said) =
                topic.and_then(|topic| topic.partitions.get(status.partition.to_string().as_str()))
            else {
                continue;
            };
            let reachable = up.contains(&said.leader);
            if reachable && !status.reachable {
                status.last_news = now;
            }
            status.reachable = reachable;
            // Negative: not known yet. The statistics may be older than what was handed over since.
            if let Ok(end) = u64::try_from(said.ls_offset) {
                status.end = Some(end.max(status.next.unwrap_or(0)));
            }
            if let Ok(high) = u64::try_from(said.hi_offset) {
                status.high = Some(high.max(status.end.unwrap_or(0)));
            }
        }
    }

    /// No broker can be reached.
    fn unreachable(&self) {
        self.partitions().values_mut().for_each(|status| status.reachable = false);
    }
}

/// The context of a consumer.
pub(super) struct CallbackContext(pub(super) Arc<Shared>);

impl ClientContext for CallbackContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        connection::log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.0.connection.trouble(code_of(&error), reason);
        if !self.0.connection.is_up() {
            self.0.unreachable();
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice(statistics) {
            Ok(statistics) => self.0.note(&statistics, Instant::now()),
            Err(error) => tracing::debug!("Kafka's statistics cannot be read: {error}."),
        }
    }
}

impl ConsumerContext for CallbackContext {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!("Progress could not be shown under the consumer group: {error}.");
        }
    }
}

/// The part of librdkafka's statistics that is of use here.
#[derive(Deserialize)]
struct Statistics<'json> {
    #[serde(borrow)]
    brokers: HashMap<Cow<'json, str>, BrokerStatistics<'json>>,
    #[serde(borrow)]
    topics: HashMap<Cow<'json, str>, TopicStatistics<'json>>,
}

#[derive(Deserialize)]
struct BrokerStatistics<'json> {
    nodeid: i32,
    state: &'json str,
}

#[derive(Deserialize)]
struct TopicStatistics<'json> {
    #[serde(borrow)]
    partitions: HashMap<&'json str, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    leader: i32,
    ls_offset: i64,
    hi_offset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    fn shared(now: Instant) -> Shared {
        let shared = Shared::new("127.0.0.1:9092", TopicNames::own(Topic::ids()));
        let status = PartitionStatus {
            next: Some(5),
            caught_up: true,
            ..PartitionStatus::new(Topic::Rewards.id(), 2, now)
        };
        shared.partitions().insert((Topic::Rewards.id(), 2), status);
        shared
    }

    fn statistics(state: &str, end: i64) -> String {
        format!(
            r#"{{
                "name": "x",
                "brokers": {{"a:1/1": {{"nodeid": 1, "state": "{state}", "rtt": {{"min": 1}}}}}},
                "topics": {{"rewards": {{"topic": "rewards", "partitions": {{
                    "2": {{"leader": 1, "hi_offset": 9, "ls_offset": {end}}}
                }}}}}}
            }}"#
        )
    }

    #[test]
    fn a_partition_is_idle_at_its_end_with_its_leader_connected() {
        let start = Instant::now();
        let (second, minute) = (start + Duration::from_secs(1), start + Duration::from_secs(60));
        let shared = shared(start);
        let status = || shared.partitions()[&(Topic::Rewards.id(), 2)];
        assert_eq!(status().idle_for(minute), None);

        shared.note(&serde_json::from_str(&statistics("UP", 5)).unwrap(), second);
        assert!(shared.connection.is_up());
        assert_eq!((status().end, status().lag()), (Some(5), Some(0)));
        assert_eq!(status().idle_for(minute), Some(Duration::from_secs(59)));

        shared.note(&serde_json::from_str(&statistics("UP", 8)).unwrap(), minute);
        assert_eq!((status().lag(), status().idle_for(minute)), (Some(3), None));

        shared.note(&serde_json::from_str(&statistics("CONNECT", 5)).unwrap(), minute);
        assert_eq!((status().reachable, status().idle_for(minute)), (false, None));

        shared.note(&serde_json::from_str(&statistics("UP", 5)).unwrap(), minute);
        assert_eq!(status().idle_for(minute), Some(Duration::ZERO));
        shared.unreachable();
        assert_eq!(status().idle_for(minute), None);
    }

    #[test]
    fn what_an_open_transaction_holds_back_ends_at_the_high_watermark() {
        let now = Instant::now();
        let shared = shared(now);
        let status = || shared.partitions()[&(Topic::Rewards.id(), 2)];
        assert_eq!((status().high, status().held_back()), (None, None));
        shared.note(&serde_json::from_str(&statistics("UP", 7)).unwrap(), now);
        assert_eq!(
            (status().end, status().high, status().held_back(), status().lag()),
            (Some(7), Some(9), Some(2), Some(2))
        );
        shared.note(&serde_json::from_str(&statistics("UP", 9)).unwrap(), now);
        assert_eq!(
            (status().end, status().high, status().held_back()),
            (Some(9), Some(9), Some(0))
        );
        // Neither is known yet, or they are older than what was handed over since.
        let unknown = statistics("UP", -1001).replace("\"hi_offset\": 9", "\"hi_offset\": -1001");
        shared.note(&serde_json::from_str(&unknown).unwrap(), now);
        assert_eq!((status().end, status().high), (Some(9), Some(9)));
        shared.partitions().get_mut(&(Topic::Rewards.id(), 2)).unwrap().next = Some(12);
        shared.note(&serde_json::from_str(&statistics("UP", 9)).unwrap(), now);
        assert_eq!(
            (status().end, status().high, status().held_back()),
            (Some(12), Some(12), Some(0))
        );
    }

    #[test]
    fn statistics_older_than_the_reading_do_not_take_it_back() {
        let now = Instant::now();
        let shared = shared(now);
        shared.note(&serde_json::from_str(&statistics("UP", 3)).unwrap(), now);
        assert_eq!(shared.partitions()[&(Topic::Rewards.id(), 2)].lag(), Some(0));
        shared.note(&serde_json::from_str(&statistics("UP", -1001)).unwrap(), now);
        assert_eq!(shared.partitions()[&(Topic::Rewards.id(), 2)].end, Some(5));
    }
}
