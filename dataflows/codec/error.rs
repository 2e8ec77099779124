//! Why bytes are no block of rows.

use super::block::MAGIC;

/// Why bytes are no block of rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Shorter or longer than it says.
    #[error(
        "a block of `{name}` should have {expected} bytes, but has {found}: it was cut short, or \
         something was appended"
    )]
    Length {
        /// Name of the row type.
        name: &'static str,
        /// Bytes that it should have; at least, where not even the header is whole.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// Does not begin as a block does.
    #[error(
        "a block of `{name}` begins with {found:#018x} instead of {MAGIC:#018x}: it is something \
         else, or of a machine with another byte order"
    )]
    Magic {
        /// Name of the row type.
        name: &'static str,
        /// First word.
        found: u64,
    },
    /// Rows of another type, or of another version of it.
    #[error(
        "a block holds rows of layout {found:#018x}, not `{name}` ({expected:#018x}): it was \
         written by another version of the program"
    )]
    Layout {
        /// Name of the row type.
        name: &'static str,
        /// Its fingerprint.
        expected: u64,
        /// Fingerprint in the header.
        found: u64,
    },
    /// Damaged.
    #[error(
        "a block of `{name}` has checksum {found:#010x} where its header says {expected:#010x}: \
         its bytes were changed on the way"
    )]
    Checksum {
        /// Name of the row type.
        name: &'static str,
        /// Checksum in the header.
        expected: u64,
        /// Checksum of what is there.
        found: u64,
    },
}
