//! What was read of compacted topics in an epoch goes with its results: the topic may lose it
//! before the epoch has to be repeated.

use crate::kafka::compacted::{Compacted, TopicSet};
use crate::source::{Bounds, Intake};
use dataflows::source::{Kept, Mark, Messages, TopicId};

/// An intake, and what is to be kept of the epoch.
pub struct Keeping<I> {
    inner: I,
    compacted: Compacted,
    /// The topics of which all of this epoch is kept: they do not change within it.
    topics: TopicSet,
    /// Up to where each partition was read; from its beginning where nothing is said.
    read: Bounds,
    kept: Vec<Kept>,
}

impl<I: Intake> Keeping<I> {
    /// Before anything was read from these offsets on.
    pub fn new(inner: I, compacted: Compacted, starts: Bounds) -> Self {
        let topics = compacted.topics();
        Keeping { inner, compacted, topics, read: starts, kept: Vec::new() }
    }

    /// Where a partition was read to, which then is `next`.
    fn advance(&mut self, key: (TopicId, u32), next: u64) -> u64 {
        self.read.insert(key, next).unwrap_or(0)
    }
}

impl<I: Intake> Intake for Keeping<I> {
    fn next(&mut self, until: Option<&Bounds>) -> Option<Messages> {
        let messages = self.inner.next(until)?;
        // An epoch that is repeated has kept its records already.
        if let (None, true, Some(end)) =
            (until, self.topics.contains(messages.topic), messages.end())
        {
            let from = self.advance((messages.topic, messages.partition), end);
            self.kept.push(Kept::of(&messages, from));
        }
        Some(messages)
    }

    fn has_reached(&self, bounds: &Bounds) -> bool {
        self.inner.has_reached(bounds)
    }

    fn marks(&self, until: Option<&Bounds>) -> Vec<Mark> {
        self.inner.marks(until)
    }

    /// All that the epoch has read of the partitions that are kept, without a gap up to where it
    /// ends: after the last record there may be positions without one.
    fn keep(&mut self, marks: &[Mark]) -> Vec<Kept> {
        let mut kept = std::mem::take(&mut self.kept);
        for mark in marks {
            let key = (mark.topic, mark.partition);
            let from = self.advance(key, mark.next);
            if mark.recorded.is_some() || mark.next <= from || !self.topics.contains(mark.topic) {
                continue;
            }
            match kept.iter_mut().rfind(|kept| (kept.topic, kept.partition) == key) {
                Some(last) => last.until = mark.next,
                None => kept.push(Kept::nothing(key.0, key.1, from, mark.next)),
            }
        }
        self.topics = self.compacted.topics();
        kept
    }

    fn is_prepared(&self) -> bool {
        self.inner.is_prepared()
    }

    fn open(&mut self) {
        self.inner.open();
    }

    fn is_ended(&self) -> bool {
        self.inner.is_ended()
    }
}
