//! Snapshots, of whichever dataflow: all state at the end of an epoch as bytes.
//!
//! What belongs to customers goes as images, virtual shard by virtual shard, so that any number of
//! workers can take it up again; what belongs to all is put together by whoever gathers the
//! outputs. What the bytes hold is known to the dataflow alone.

mod error;
mod images;

pub use error::SnapshotError;
pub use images::{Images, ShardImage};
