//! What a source hands to a dataflow, whichever of both: the topics that a dataflow declares,
//! blocks of their raw records, and where their partitions stand at the end of each epoch.

mod block;
mod feed;
mod kept;
mod topic;

pub use block::{Block, Format, Head, Lines, Messages};
pub use feed::{Feed, Mark, RecordedWatermark, Save};
pub use kept::Kept;
pub use topic::{TopicId, TopicOf};

/// A customer's number, 0 to 2^63 - 1: whose records are, and who may be erased.
pub type CustomerId = i64;
