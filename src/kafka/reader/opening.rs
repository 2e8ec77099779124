//! Partitions are opened, and those waited for whose topic is not there.

use super::{Lane, RETRY, Reader, UNKNOWN_TOPIC, Waiting};
use crate::kafka::blocks::BlockBuilder;
use crate::kafka::consumer::Assigned;
use crate::kafka::error::KafkaError;
use crate::kafka::position::{self, Lookup};
use crate::kafka::status::PartitionStatus;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::Instant;

impl Reader {
    /// Looks up where the waiting partitions begin, and assigns those that are found.
    pub(super) fn start(&mut self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        let mut answered = true;
        for waiting in std::mem::take(&mut self.waiting) {
            if !answered {
                self.waiting.push(waiting);
                continue;
            }
            let name = self.settings.topic_name(waiting.assigned.topic);
            match position::find(&self.consumer, &self.settings.brokers, name, &waiting.assigned)? {
                Lookup::At(next, end) => self.open(&waiting.assigned, next, end, &mut list)?,
                Lookup::NoTopic => self.await_topic(waiting)?,
                Lookup::NoAnswer(_) => {
                    answered = false;
                    self.waiting.push(waiting);
                }
            }
        }
        if answered {
            self.shared.connection.works();
        } else {
            // The client's own report, which says why, comes first.
            self.serve();
            self.shared.connection.lost();
        }
        self.retry = Instant::now() + RETRY;
        if list.count() > 0 {
            self.consumer
                .incremental_assign(&list)
                .map_err(|error| self.refused(&error.to_string()))?;
        }
        Ok(())
    }

    fn open(
        &mut self,
        assigned: &Assigned,
        next: u64,
        end: u64,
        list: &mut TopicPartitionList,
    ) -> Result<(), KafkaError> {
        let Assigned { topic, partition, .. } = *assigned;
        let name = self.settings.topic_name(topic);
        let queue = self
            .queue
            .take(name, partition as i32)
            .ok_or_else(|| self.refused(&format!("topic `{name}` has no queue")))?;
        if self.held.contains(&(topic, partition)) {
            self.queue.hold(&queue);
        }
        list.add_partition_offset(name, partition as i32, Offset::Offset(next as i64))
            .map_err(|error| self.refused(&error.to_string()))?;
        self.lanes.push(Lane {
            topic,
            partition,
            queue,
            gathering: BlockBuilder::new(topic, partition, next),
        });
        let began = PartitionStatus {
            next: Some(next),
            end: Some(end),
            ..PartitionStatus::new(topic, partition, Instant::now())
        };
        self.shared.partitions().insert((topic, partition), began);
        tracing::debug!(topic = name, partition, offset = next, "Partition is read.");
        Ok(())
    }

    fn await_topic(&mut self, mut waiting: Waiting) -> Result<(), KafkaError> {
        let since = *waiting.unknown.get_or_insert_with(Instant::now);
        if since.elapsed() > UNKNOWN_TOPIC {
            return Err(self.missing(waiting.assigned.topic));
        }
        self.waiting.push(waiting);
        Ok(())
    }
}
