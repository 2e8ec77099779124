//! The mark of how far it is published, as the thread sees it.

use std::time::{Duration, Instant};

/// How long a mark may stand behind where only epochs come that have nothing to publish.
pub(super) const MARK: Duration = Duration::from_secs(1);

/// The mark of how far it is published.
pub(super) struct PublishedMark {
    /// Where it stands.
    pub(super) at: u64,
    /// Where it should stand.
    pub(super) wanted: u64,
    /// When it was last tried to move it.
    pub(super) tried: Instant,
}

impl PublishedMark {
    /// One that stands where it should.
    pub(super) fn at(epoch: u64) -> PublishedMark {
        PublishedMark { at: epoch, wanted: epoch, tried: Instant::now() }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.at < self.wanted
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_behind() && self.tried.elapsed() >= MARK
    }
}
