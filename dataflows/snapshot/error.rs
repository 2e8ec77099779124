//! Why a snapshot cannot be taken up.

use crate::codec::CodecError;

/// Why a snapshot cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// A block of rows.
    #[error(transparent)]
    Block(#[from] CodecError),
    /// Rows that do not belong together.
    #[error("virtual shard {shard} cannot be taken up: {why}")]
    Rows {
        /// The virtual shard.
        shard: u16,
        /// What is wrong.
        why: &'static str,
    },
    /// The common part.
    #[error("the common part of a snapshot cannot be read: {0}")]
    Common(String),
    /// Something that is needed is not in it.
    #[error("the snapshot is of a version that did not keep what is needed now: {0}")]
    Older(String),
}
