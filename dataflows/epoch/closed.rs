//! The end of an epoch, as every dataflow tells it.

use crate::source::{Save, TopicId};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// The end of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Event time below which nothing is expected any more; `None` before there is one.
    pub watermark: Option<Millis>,
    /// The partition that holds it back; `None` where all are idle.
    pub held_by: Option<(TopicId, u32)>,
    /// Next offset of every partition.
    pub offsets: Vec<(TopicId, u32, u64)>,
    /// How many records were read of every partition that had any, valid or not.
    pub read: Vec<(TopicId, u32, u64)>,
    /// The greatest valid event time of every partition that has had one.
    pub highs: Vec<(TopicId, u32, Millis)>,
    /// Whether the input ended with this epoch.
    pub last: bool,
    /// Whether a snapshot is taken of how things stand now.
    pub save: Option<Save>,
}
