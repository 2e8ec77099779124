//! What tells a file of changes from any other.

use serde::{Deserialize, Serialize};

/// Its length and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileMark {
    /// Its length.
    pub bytes: u64,
    /// Its checksum.
    pub crc32: u32,
}

impl FileMark {
    /// Of a file with this content.
    pub fn of(content: &[u8]) -> FileMark {
        FileMark { bytes: content.len() as u64, crc32: crc32fast::hash(content) }
    }
}
