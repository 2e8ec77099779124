//! What can go wrong with Kafka, and whether trying again can help.

mod codes;

pub use codes::passes;

use super::advice::advice;
use crate::blame::Blame;
use crate::config::secret::MASK;
use crate::config::shown::is_harmless_property;
use crate::first::Panicked;
use crate::source::Remade;
use codes::{hint, quoted};
use dataflows::event::Place;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode;
use std::io;
use std::time::Duration;

/// Why reading or writing could not go on. No variant ever shows a password.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A property that must stay as it is.
    #[error(
        "kafka.properties may not set `{name}` to `{value}`: what the job promises depends on its \
         being {wanted}; remove it"
    )]
    FixedProperty {
        /// The property.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it has to be.
        wanted: String,
    },
    /// The client library refuses the configuration.
    #[error(
        "the Kafka client refuses its configuration: {0}; correct [kafka] or [kafka.properties]"
    )]
    Configuration(String),
    /// No broker answers.
    #[error("broker {brokers} cannot be reached to {doing}: no answer in {:.0} s ({why}); \
        {}", .waited.as_secs_f64(), advice(.why))]
    Unreachable {
        /// The addresses.
        brokers: String,
        /// What was wanted of it.
        doing: &'static str,
        /// How long it was tried.
        waited: Duration,
        /// The last that is known of the reason.
        why: String,
    },
    /// Topics are not there.
    #[error("broker {brokers} has no topic {}; run `sluice topics create CONFIG`, or correct \
        kafka.topics", quoted(.topics))]
    MissingTopics {
        /// The addresses.
        brokers: String,
        /// The names.
        topics: Vec<String>,
    },
    /// A topic is not the one that was read.
    #[error(transparent)]
    Remade(#[from] Remade),
    /// A topic is gone.
    #[error(
        "topic `{topic}` at {brokers} was deleted while it was read, and nobody can tell what was \
         lost with it. Once it is made anew, make everything \
         anew from the topics with --rebuild"
    )]
    Deleted {
        /// The addresses.
        brokers: String,
        /// The topic.
        topic: String,
    },
    /// A partition is not there.
    #[error(
        "topic `{topic}` at {brokers} has no partition {partition}: it has {found}; was it made \
         anew with fewer?"
    )]
    MissingPartition {
        /// The addresses.
        brokers: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// How many it has.
        found: usize,
    },
    /// More partitions than a place in the input can name.
    #[error(
        "topic `{topic}` has a partition {partition}; at most {} partitions of a topic can be read",
        Place::PARTITIONS
    )]
    TooManyPartitions {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// The wanted records are no longer there.
    #[error(
        "partition {partition} of `{topic}` starts at offset {low}, but offset {wanted} is wanted: \
         retention has removed the records between. \
         Restore them; the next start of a job says how it can go on without"
    )]
    Removed {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The wanted offset.
        wanted: u64,
        /// The first that is there.
        low: u64,
    },
    /// The wanted records are not there yet, and were once.
    #[error(
        "partition {partition} of `{topic}` can be read up to offset {high}, but offset {wanted} \
         is wanted: the topic was made anew, or the broker has lost \
         records; restore the topic, or make everything anew with --rebuild. Or a transaction is \
         open there: then wait for its end"
    )]
    PastEnd {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The wanted offset.
        wanted: u64,
        /// The offset after the last that is there.
        high: u64,
    },
    /// The broker refuses.
    #[error("broker {brokers} refuses to {doing}: {why}")]
    Refused {
        /// The addresses.
        brokers: String,
        /// What was wanted of it.
        doing: String,
        /// What it says.
        why: String,
    },
    /// A record was not taken.
    #[error("topic `{topic}` at {brokers} did not take a record: {why}{}", hint(*.code))]
    Delivery {
        /// The addresses.
        brokers: String,
        /// The topic.
        topic: String,
        /// What the broker or the client says.
        why: String,
        /// The same as a code.
        code: RDKafkaErrorCode,
    },
    /// Records are still on their way when time is up.
    #[error(
        "{waiting} records are still on their way to {brokers} after {waited:?} ({why}); is the \
         broker running?"
    )]
    Undelivered {
        /// The addresses.
        brokers: String,
        /// How many.
        waiting: usize,
        /// How long it was tried.
        waited: Duration,
        /// The last that is known of the reason.
        why: String,
    },
    /// Records that were kept of a topic.
    #[error(
        "the records that were kept of epochs that are repeated cannot be read back: {why}. \
         Restore them with the database, or where there is none with the \
         folder of the checkpoints, or make everything anew from the topics with --rebuild"
    )]
    Kept {
        /// How it shows.
        why: String,
        /// Whose fault that is.
        blame: Blame,
    },
    /// A thread could not be started.
    #[error("a thread of the Kafka client cannot be started: {0}")]
    Thread(#[source] io::Error),
    /// A thread panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl KafkaError {
    /// Why the client library refuses its configuration. It repeats the value, which may be a
    /// secret.
    pub fn configuration(error: &ClientError) -> Self {
        let ClientError::ClientConfig(_, why, name, value) = error else {
            return KafkaError::Configuration(error.to_string());
        };
        let why = if is_harmless_property(name) || value.is_empty() {
            why.clone()
        } else {
            why.replace(value.as_str(), MASK)
        };
        KafkaError::Configuration(format!("`{name}`: {why}"))
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            KafkaError::FixedProperty { .. } | KafkaError::Configuration(_) => Blame::Usage,
            KafkaError::Unreachable { .. }
            | KafkaError::MissingTopics { .. }
            | KafkaError::MissingPartition { .. }
            | KafkaError::Removed { .. }
            | KafkaError::PastEnd { .. }
            | KafkaError::Remade(_)
            | KafkaError::Deleted { .. }
            | KafkaError::Refused { .. }
            | KafkaError::Delivery { .. }
            | KafkaError::Undelivered { .. }
            | KafkaError::Thread(_)
            | KafkaError::Panicked(_) => Blame::World,
            KafkaError::TooManyPartitions { .. } => Blame::Lasting,
            KafkaError::Kept { blame, .. } => *blame,
        }
    }

    /// The same after so long a time, where the time is part of it.
    pub fn after(self, elapsed: Duration) -> Self {
        match self {
            KafkaError::Unreachable { brokers, doing, why, .. } => {
                KafkaError::Unreachable { brokers, doing, waited: elapsed, why }
            }
            other => other,
        }
    }

    /// Whether the same again may succeed without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            KafkaError::Unreachable { .. } | KafkaError::Undelivered { .. } => true,
            KafkaError::FixedProperty { .. }
            | KafkaError::Configuration(_)
            | KafkaError::MissingTopics { .. }
            | KafkaError::Remade(_)
            | KafkaError::Deleted { .. }
            | KafkaError::MissingPartition { .. }
            | KafkaError::TooManyPartitions { .. }
            | KafkaError::Removed { .. }
            | KafkaError::PastEnd { .. }
            | KafkaError::Refused { .. }
            | KafkaError::Delivery { .. }
            | KafkaError::Kept { .. }
            | KafkaError::Thread(_)
            | KafkaError::Panicked(_) => false,
        }
    }
}
