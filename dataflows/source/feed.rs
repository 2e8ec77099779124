//! What a source hands to a dataflow: blocks of raw records, and a mark for each of its
//! partitions at the end of each epoch.

use super::{Block, CustomerId, Kept, TopicId};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// One item from a source; it stays on the worker that read it.
#[derive(Clone, Debug)]
pub enum Feed {
    /// Raw records of the epoch.
    Block(Block),
    /// Where a partition stands at the epoch's end.
    Mark(Mark),
    /// A customer who was erased up to an instant, as is on record: a topic may have forgotten it.
    /// Where it has not, this adds nothing, and it counts as no record.
    Erased(CustomerId, Millis),
    /// What is to be kept of the epoch's raw records, for whoever commits it: it goes through as it
    /// is.
    Kept(Vec<Kept>),
}

/// Where a partition stands at the end of an epoch. Each source worker sends one for each of its
/// partitions, moved or not, in each epoch; a worker without partitions sends none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: u32,
    /// The next offset to be read.
    pub next: u64,
    /// Nothing new there for a while: it does not hold time back.
    pub idle: bool,
    /// On replay of a recorded epoch: the watermark as it was recorded.
    pub recorded: Option<RecordedWatermark>,
    /// The input ends here: every threshold and window closes.
    pub last: bool,
    /// A snapshot is to be taken of how things stand at the epoch's end.
    pub save: Option<Save>,
}

/// What a snapshot is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Save {
    /// What changed since the snapshot before, and virtual shards of which too much did.
    Changes,
    /// Everything.
    Everything,
}

/// The watermark of an epoch that is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedWatermark(pub Option<Millis>);
