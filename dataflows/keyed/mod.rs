//! Small dataflows, ready made: whatever the records of a customer say is folded into something
//! that is kept of it, and what others see of that is at most one row of one table.
//!
//! ```text
//! feed ─ parse ─▶ addressed ── exchange by customer ─▶ settle ─▶ views, before and after; digest
//!           └───▶ standings ─▶ watermark ─ broadcast ──▲
//! ```
//!
//! Whoever writes one says only what is its own ([`Keyed`]): its topics, what a record says, what
//! that does to what is kept, and what is seen of it. Reading, time, erasure, order, turns,
//! snapshots, digest and the way back are here, once.
//!
//! # What holds
//! - The records of an epoch are applied customer by customer in the order of topic and place, so
//!   that neither the number of workers nor the order of arrival within the epoch matters. Between
//!   epochs the later one comes later: of two records of one id in two partitions, the order of the
//!   epochs decides which stands.
//! - An erasure up to an instant holds for ever: after the records of each epoch whatever is dated
//!   up to then is taken out again, whenever it comes. A customer of whom nothing is kept, and who
//!   was not erased, is forgotten.
//! - The digest is made of the views alone. A history in which something was taken back or erased
//!   has the digest of one in which it never was.

mod built;
mod common;
mod digest;
mod image;
mod output;
mod parsing;
mod restoring;
mod settling;
mod shards;
mod snapshot;
mod soundness;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod worker;

pub use common::KeyedCommon;
pub use digest::ViewSum;
pub use output::{KeyedCounts, KeyedErasure, KeyedOutput, ViewChange};
pub use restoring::KeyedRestoring;
pub use shards::KeyedShards;
pub use soundness::{KeyedLook, KeyedSoundness};
pub use tables::tables;
pub use worker::KeyedBeginning;

use crate::event::Problem;
use crate::event::named::{NamedSettings, NamedValues};
use crate::source::TopicId;
use crate::table::Table;
use crate::time::{DAY, Millis};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use timely::ExchangeData;

/// What a small dataflow says of itself.
///
/// Nothing that is kept or seen may depend on settings, which is why none are handed to the
/// functions that make it: so other settings hold from their epoch on, and nothing is told anew.
pub trait Keyed: Clone + Send + Sync + 'static {
    /// The name by which a configuration chooses it.
    const NAME: &'static str;

    /// What a record says of its customer.
    type Event: ExchangeData;

    /// What is kept of a customer; the default is nothing.
    type Kept: Clone + Default + PartialEq + Serialize + DeserializeOwned + 'static;

    /// What others see of it.
    type View: ExchangeData + PartialEq;

    /// The topics that it reads, in the order of their numbers.
    fn topics() -> Vec<TopicId>;

    /// The table of its views: first `customer_id`, which is the key, and last `epoch`.
    fn table() -> Table;

    /// One with these settings.
    fn of(settings: KeyedSettings) -> Self;

    /// Its settings.
    fn settings(&self) -> &KeyedSettings;

    /// What records of a topic have beside whose, when and what is done: the names of columns that
    /// a file of it may have.
    fn fields(topic: TopicId) -> &'static [&'static str];

    /// What a record of a topic says, unless it erases its customer.
    ///
    /// # Errors
    /// Why it is rejected.
    fn read(topic: TopicId, values: &NamedValues) -> Result<Self::Event, Problem>;

    /// When it happened, where that moves the watermark.
    fn dated(event: &Self::Event) -> Option<Millis>;

    /// Takes it into what is kept. Of one id the last record stands, which is applied last.
    fn fold(kept: &mut Self::Kept, event: Self::Event);

    /// Takes out whatever is dated up to an instant; says how many that were.
    fn erase(kept: &mut Self::Kept, until: Millis) -> u64;

    /// What others see of it; `None`: nothing.
    fn view(kept: &Self::Kept) -> Option<Self::View>;
}

/// Settings of a small dataflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyedSettings {
    /// Reading of records.
    pub reading: NamedSettings,
    /// How late an event may come and still count as in order.
    pub lateness: Millis,
}

impl Default for KeyedSettings {
    fn default() -> Self {
        KeyedSettings { reading: NamedSettings::default(), lateness: DAY }
    }
}
