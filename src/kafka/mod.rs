//! Kafka: the source that reads partitions into blocks, the producers, and what is asked of the
//! broker beforehand.
//!
//! Partitions are assigned by the caller, who also keeps the offsets: no consumer group decides
//! what is read, and nothing is committed on its own. [`consumer::spawn`] starts a thread that
//! reads; [`admin`] makes and inspects topics, [`identify`] tells them from others of their names;
//! [`producer`] writes events as fast as it can, [`paced`] at a steady rate, [`publisher`] writes
//! what an epoch decided and waits until the broker has it, and [`eraser`] asks for a customer's
//! erasure.

pub mod admin;
mod advice;
mod blocks;
pub mod bounded;
pub mod checking;
pub mod compacted;
pub mod connection;
pub mod consumer;
pub mod eraser;
pub mod error;
pub mod identify;
pub mod intake;
pub mod losses;
#[cfg(feature = "demo")]
pub mod paced;
mod partition;
mod position;
pub mod producer;
pub mod properties;
pub mod publisher;
mod reader;
mod section;
pub mod settings;
pub mod status;
mod sys;
pub mod timetable;

#[cfg(test)]
pub(crate) mod tests;

pub use consumer::{Arrival, Assigned, ConsumerHandle, Position};
pub use error::KafkaError;
pub use settings::{KafkaSettings, StartPosition};
pub use status::PartitionStatus;
