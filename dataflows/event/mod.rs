//! What flows in: raw blocks from a source, the records parsed from them, and what was rejected.
//!
//! A source (file or Kafka) hands over [`Block`](crate::source::Block)s of raw bytes. [`parse`]
//! turns each into fixed-size [`Record`]s (the hot path: purchases, interactions, rewards,
//! retractions, erasures), [`Aside`]s (what is rare or has no fixed size), [`Names`] (ids as text,
//! for the sinks) and [`Rejected`] records. Nothing from outside is an `Err`: bad input is data.

mod answer;
mod aside;
mod composed;
mod contact;
mod csv;
mod cursor;
mod decimal;
mod fast;
mod field;
mod fields;
pub mod input;
pub mod instant;
mod json;
mod key;
mod listed;
pub mod named;
pub mod parse;
mod purchase;
pub mod quotes;
mod record;
mod rejected;
mod rules;
pub mod tables;
pub mod text;
mod topic;
pub mod unlisted;
mod whose;

pub use crate::source::CustomerId;
pub use crate::time::{DAY, Millis};
pub use aside::{Answer, Aside, Attachment, Profile, Request};
pub use contact::Contact;
pub use field::{IGNORABLE, alias_fault, field_names};
pub use fields::{Problem, cell_text, source_names};
pub use purchase::Purchase;
pub use record::{Kind, Place, Record};
pub use rejected::{Reason, Rejected, Whose};
pub use topic::Topic;
pub use whose::named_in;

use serde::{Deserialize, Serialize};

/// Ids as text, for the sinks that show them: a batch for one worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    /// The worker that owns these customers.
    pub worker: u64,
    /// Customer, id hash and end of its text in `text` (the start is the end of the one before).
    pub keys: Vec<(CustomerId, u64, u32)>,
    /// All texts in a row.
    pub text: Vec<u8>,
}

/// Up to when events are folded into sums in an epoch, and no longer kept one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// What is dated before this instant is folded.
    pub events: Millis,
    /// A reward dated before this instant may belong to an interaction that is folded.
    pub rewards: Millis,
}

impl Horizon {
    /// Nothing is folded.
    pub const NONE: Horizon = Horizon { events: Millis::MIN, rewards: Millis::MIN };

    /// Whether anything is folded at all.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.events > Millis::MIN
    }
}
