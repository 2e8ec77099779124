//! A job on trial: what is sent to it, and whether it came to what it must, whatever befell it.

// Each test program uses its own part of what is here.
#![allow(dead_code)]

pub(crate) mod layout;
pub(crate) mod population;
pub(crate) mod verdict;

use crate::services::Stage;
use crate::services::topics::{PARTITIONS, Sender};
use population::Record;

/// Sends records and counts them.
pub(crate) struct Producer {
    sender: Sender,
    /// Records that nobody should have sent.
    pub(crate) bad: i64,
}

impl Producer {
    /// Into a stage's topics, which must be there and empty.
    pub(crate) fn new(stage: &Stage) -> Producer {
        Producer { sender: Sender::new(stage), bad: 0 }
    }

    /// Hands records over; the broker may be away. A customer's records of one topic lie in one partition.
    pub(crate) fn send(&mut self, stage: &Stage, records: &[Record]) {
        for Record { file, customer, value, at } in records {
            let partition = (customer % i64::from(PARTITIONS)) as i32;
            self.sender.send(&stage.topic(file), partition, Some(customer.to_string().as_bytes()), value.as_deref(), *at);
        }
    }

    /// As [`send`](Producer::send), of bad ones.
    pub(crate) fn send_bad(&mut self, stage: &Stage, records: &[Record]) {
        self.bad += records.len() as i64;
        self.send(stage, records);
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) {
        self.sender.flush();
    }

    /// How many records were sent.
    pub(crate) fn sent(&self) -> i64 {
        self.sender.ends().values().sum()
    }
}

/// How many records the job has committed, by the offsets of its last epoch. 0 before the first.
pub(crate) const COMMITTED: &str =
    "SELECT coalesce((SELECT sum(next.value::bigint) FROM jsonb_each(e.offsets) topic, jsonb_each_text(topic.value) next), 0)
    FROM sluice.epochs e ORDER BY epoch DESC LIMIT 1";

/// Contacts that are not learned: they wait for a threshold or a reward.
pub(crate) const WAITING: &str = "SELECT count(*) FROM sluice.interactions WHERE NOT learned";
