//! What the thread that saves is handed: pieces of a checkpoint.

use crate::checkpoint::manifest::FileKind;
use crate::sink::Link;
use crate::source::TopicUuids;
use dataflows::event::Millis;
use dataflows::source::TopicId;
use std::time::Duration;

/// A piece of a checkpoint, as a worker hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Customers of a virtual shard: all of them, or those that have changed since the checkpoint
    /// before.
    Shard {
        /// The checkpoint.
        epoch: u64,
        /// The shard, below [`SHARDS`](crate::checkpoint::SHARDS); at most one piece of it in a
        /// checkpoint.
        shard: u16,
        /// All of them or what has changed.
        kind: FileKind,
        /// Customers in the piece.
        customers: u64,
        /// The content.
        bytes: Vec<u8>,
    },
    /// A worker has handed over every piece that it has.
    WorkerDone {
        /// The checkpoint.
        epoch: u64,
        /// The worker, any number that is its own in this process.
        worker: usize,
        /// The longest turn.
        longest: Pause,
    },
    /// On process 0: what belongs to no customer.
    Shared(Box<CommonPiece>),
    /// On process 0: some of what the tables must hold, by whoever verifies.
    Tables {
        /// The checkpoint.
        epoch: u64,
        /// Which of these pieces it is, from 0 on.
        number: u64,
        /// The content.
        bytes: Vec<u8>,
    },
}

/// How long the stream stood still on a worker while it wrote some customers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// From its beginning to its end.
    pub took: Duration,
    /// Of that, how long the worker had a processor.
    pub worked: Duration,
}

impl Pause {
    /// Takes in another one: of both, the longer time and the longer work.
    pub fn extend(&mut self, other: Pause) {
        *self = Pause { took: self.took.max(other.took), worked: self.worked.max(other.worked) };
    }
}

/// What belongs to no customer, and what describes the checkpoint as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonPiece {
    /// The checkpoint.
    pub epoch: u64,
    /// The content.
    pub bytes: Vec<u8>,
    /// Digest of the statistics of all arms after the epoch.
    pub digest: [u8; 32],
    /// The epoch's link in the chain of the job's epochs, where it has one.
    pub chain: Option<Link>,
    /// The ids of the topics that were read, as far as they are known.
    pub topic_ids: TopicUuids,
    /// The epoch's watermark.
    pub watermark: Option<Millis>,
    /// Next offset of every partition.
    pub offsets: Vec<(TopicId, u32, u64)>,
    /// Customers of the whole checkpoint.
    pub customers: u64,
    /// Whether every shard that has customers hands over a base: no file of an earlier checkpoint
    /// is used.
    pub full: bool,
    /// Whether customers were erased since the checkpoint before, so that the older checkpoints
    /// must go. Every shard that held one of them must hand over a base; a full checkpoint does.
    pub erases: bool,
}

impl Piece {
    /// The checkpoint that it is of.
    pub fn epoch(&self) -> u64 {
        match self {
            Piece::Shard { epoch, .. }
            | Piece::WorkerDone { epoch, .. }
            | Piece::Tables { epoch, .. } => *epoch,
            Piece::Shared(shared) => shared.epoch,
        }
    }
}
