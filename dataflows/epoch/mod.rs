//! Epochs: how far time has come at the end of each, from where the partitions of its topics stand.

mod closed;
mod closing;
mod watermark;

pub use closed::Closed;
pub use closing::close_epochs;
pub use watermark::{PartitionStanding, Partitions};
