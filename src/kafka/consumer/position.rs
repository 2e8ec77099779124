//! Where the reading of a partition begins.

use crate::kafka::settings::StartPosition;
use dataflows::event::Millis;

/// Where to begin to read a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// With the first record that is there.
    Earliest,
    /// With the next that comes.
    Latest,
    /// With the first record of this or a later timestamp; where there is none, with the next that
    /// comes.
    Timestamp(Millis),
    /// With this offset, which must be there, or be the next.
    Offset(u64),
    /// With the offset `from`, likewise, of a partition that stands at `stands`: what is between is
    /// given up.
    Behind {
        /// Where it stands.
        stands: u64,
        /// What is read first.
        from: u64,
    },
}

impl Position {
    /// Of a partition that was added to its topic while there was a job: all that it has had was
    /// written for the job to read, so what is gone of it is missed like anything else.
    pub const OF_ADDED: Position = Position::Offset(0);

    /// The offset that is read first, where that is known.
    pub fn first(self) -> Option<u64> {
        if let Position::Behind { from, .. } = self { Some(from) } else { self.offset() }
    }

    /// The offset at which the partition stands, where that is known.
    pub fn offset(self) -> Option<u64> {
        match self {
            Position::Offset(offset) | Position::Behind { stands: offset, .. } => Some(offset),
            Position::Earliest | Position::Latest | Position::Timestamp(_) => None,
        }
    }
}

impl From<StartPosition> for Position {
    fn from(start: StartPosition) -> Self {
        match start {
            StartPosition::Earliest => Position::Earliest,
            StartPosition::Latest => Position::Latest,
            StartPosition::Timestamp(timestamp) => Position::Timestamp(timestamp),
        }
    }
}
