//! What crosses to the worker of a customer: an event of fixed size, its kind and its place.

use super::{CustomerId, Millis};
use serde::{Deserialize, Serialize};

/// Where a record stands in its topic: its partition and its position in it, in one comparable
/// word. Records of different topics may stand at the same place.
///
/// Of two records of one id the one with the greater place is the later one. A partition is a Kafka
/// partition, or the number of a reader's share of a file; a position is a Kafka offset or a byte
/// offset.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Place(pub u64);

impl Place {
    /// Partitions of one topic.
    pub const PARTITIONS: u32 = 1 << 12;
    /// Positions in one partition.
    pub const POSITIONS: u64 = 1 << 48;

    /// A place from its parts; both must be within [`Self::PARTITIONS`] and [`Self::POSITIONS`].
    pub fn new(partition: u32, position: u64) -> Self {
        debug_assert!(partition < Self::PARTITIONS && position < Self::POSITIONS);
        Place((u64::from(partition) << 48) | position)
    }

    /// The partition.
    pub fn partition(self) -> u32 {
        (self.0 >> 48) as u32
    }

    /// The offset within the partition.
    pub fn position(self) -> u64 {
        self.0 & (Self::POSITIONS - 1)
    }
}

/// What a [`Record`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A purchase: `id`, `timestamp`, `value` = [`Purchase`](super::Purchase), `extra` = the [upper
    /// parts](super::Purchase::coded) of its codes.
    Transaction = 0,
    /// A contact: `id`, `timestamp`, `value` = [`Contact`](super::Contact), `extra` = bits of the
    /// propensity (f64; 1.0 where absent).
    Interaction = 1,
    /// A delayed reward: `id` = reward id, `extra` = interaction id, `value` = reward in Q16 (i64).
    Reward = 2,
    /// Takes back the purchase `id`.
    RetractTransaction = 3,
    /// Takes back the interaction `id`.
    RetractInteraction = 4,
    /// Takes back the reward `id`.
    RetractReward = 5,
    /// Erases the customer: everything dated up to `timestamp` (`Millis::MAX`: for ever).
    Erase = 6,
}

impl Kind {
    /// The kind of this number.
    pub fn from_number(number: u8) -> Option<Kind> {
        use Kind::*;
        [
            Transaction,
            Interaction,
            Reward,
            RetractTransaction,
            RetractInteraction,
            RetractReward,
            Erase,
        ]
        .into_iter()
        .find(|k| *k as u8 == number)
    }
}

/// One event of a customer, as plain old data: what crosses from the parser to the customer's
/// worker.
///
/// An id is the frozen 64-bit hash of the id's text ([`id_hash`](super::text::id_hash)).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    bytemuck::Pod,
    bytemuck::Zeroable,
    Serialize,
    Deserialize,
)]
#[repr(C)]
pub struct Record {
    /// Whose event.
    pub customer: CustomerId,
    /// Frozen hash of its id within (topic, customer).
    pub id: u64,
    /// Event time; 0 for retractions.
    pub timestamp: Millis,
    /// [`Kind`] and [`Place`] in one word: see [`Record::origin`].
    pub origin: u64,
    /// By kind.
    pub value: u64,
    /// By kind.
    pub extra: u64,
}

impl Record {
    /// Kind and place in one word: a place leaves the top four bits free.
    #[inline]
    pub fn origin(kind: Kind, place: Place) -> u64 {
        ((kind as u64) << Self::KIND_SHIFT) | place.0
    }

    /// What it says.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind::from_number((self.origin >> Self::KIND_SHIFT) as u8).unwrap_or(Kind::Erase)
    }

    /// Where it stands.
    #[inline]
    pub fn place(&self) -> Place {
        Place(self.origin & ((1 << Self::KIND_SHIFT) - 1))
    }

    /// Bits of a place: partition and position.
    const KIND_SHIFT: u32 = (Place::PARTITIONS as u64 * Place::POSITIONS).trailing_zeros();
}
