//! Committed epochs on their way to the publisher's thread: as many as there is room for. The
//! others are read from the outbox when their turn comes.

use crate::sink::outbox::{Owed, STRETCH_RECORDS, Stretch};
use dataflows::event::{CustomerId, Millis};
use std::collections::VecDeque;
use std::time::Instant;

/// Bytes of what waits here, at most; beyond them it is left in the outbox.
const ROOM: usize = 16 << 20;

/// What waits, and what is known of all that is owed.
#[derive(Debug)]
pub struct Queue {
    /// The last epoch that is committed.
    committed: u64,
    /// The last epoch that is published, and all before it.
    published: u64,
    /// The only epoch that may join those that wait, which follow one another: one that has been
    /// left out is read, and those after it with it.
    next: u64,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    room: usize,
    /// Records that are owed.
    records: u64,
    /// How many these are is not known: epochs of before this start are among them, or an erasure
    /// has taken some from the outbox.
    uncounted: bool,
    /// Up to where they were counted last.
    counting: u64,
    /// Records of the epochs after that.
    since_count: u64,
    /// Since when the oldest of them is, as far as that is known.
    oldest: Option<Instant>,
    /// When this instance of the job last showed that it has the job.
    confirmed: Instant,
    /// Who was erased since the last epochs were taken out.
    erased: Vec<(CustomerId, Millis)>,
    /// Until when the rest is to be published, once there is an end.
    end: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    owed: Owed,
    since: Instant,
    /// As it came.
    bytes: usize,
}

/// What is to be published next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Nothing is owed.
    Nothing,
    /// These.
    Queued(Stretch),
    /// What the outbox has of the epochs after the first number up to the second.
    Left {
        /// The first number.
        after: u64,
        /// The second.
        through: u64,
        /// How much that is, is not known: it is to be counted.
        uncounted: bool,
    },
}

/// What is owed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Up to where everything is published.
    pub published: u64,
    /// Epochs that are committed and not published.
    pub epochs: u64,
    /// Records of these.
    pub records: u64,
    /// Since when the oldest of them is owed.
    pub oldest: Option<Instant>,
}

impl Queue {
    /// Of a job that has committed and published its epochs up to these.
    pub fn new(committed: u64, published: u64) -> Self {
        let confirmed = Instant::now();
        Queue {
            committed,
            published,
            next: committed + 1,
            waiting: VecDeque::new(),
            bytes: 0,
            room: ROOM,
            records: 0,
            uncounted: published < committed,
            counting: committed,
            since_count: 0,
            oldest: None,
            confirmed,
            erased: Vec::new(),
            end: None,
        }
    }

    /// An epoch has been committed, which erased these customers.
    pub fn commit(&mut self, owed: Owed, erased: Vec<(CustomerId, Millis)>) {
        let since = Instant::now();
        self.confirmed = since;
        if owed.epoch <= self.committed {
            return;
        }
        self.committed = owed.epoch;
        // What an erasure owes beside is known to the outbox alone: its epoch is read from there.
        let erases = !erased.is_empty();
        self.erase(erased);
        self.uncounted |= erases;
        let records = owed.records() as u64;
        self.records += records;
        self.since_count += records;
        if records > 0 {
            self.oldest.get_or_insert(since);
        }
        let bytes = owed.bytes();
        if !erases && owed.epoch == self.next && self.bytes + bytes <= self.room {
            self.next += 1;
            self.bytes += bytes;
            self.waiting.push_back(Waiting { owed, since, bytes });
        }
    }

    fn erase(&mut self, erased: Vec<(CustomerId, Millis)>) {
        if erased.is_empty() {
            return;
        }
        let gone: usize = self.waiting.iter_mut().map(|waiting| waiting.owed.erase(&erased)).sum();
        self.forgive(gone as u64);
        let all_wait = self.waiting.front().map_or(self.committed, |waiting| waiting.owed.epoch)
            <= self.published + 1;
        self.uncounted |= !all_wait || self.next < self.committed;
        self.erased.extend(erased);
    }

    /// Records are no longer owed, and were not published.
    pub fn forgive(&mut self, records: u64) {
        self.records = self.records.saturating_sub(records);
    }

    /// Takes out what is to be published next.
    pub fn take(&mut self) -> Next {
        // Whatever is read from here on is read after these erasures.
        self.erased.clear();
        while self.waiting.front().is_some_and(|waiting| waiting.owed.epoch <= self.published) {
            self.pop();
        }
        let first = self.waiting.front().map(|waiting| (waiting.owed.epoch, waiting.since));
        match first {
            Some((first, since)) if first == self.published + 1 => {
                self.oldest = (self.records > 0).then_some(since);
                Next::Queued(self.take_stretch())
            }
            Some((first, _)) => self.left(first - 1),
            None if self.published < self.committed => {
                // What is committed while the rest is read may wait here.
                self.next = self.committed + 1;
                self.left(self.committed)
            }
            None => Next::Nothing,
        }
    }

    /// What is committed from now on is counted beside what is counted now.
    fn left(&mut self, through: u64) -> Next {
        let uncounted = std::mem::take(&mut self.uncounted);
        if uncounted {
            (self.since_count, self.counting) = (0, self.committed);
        }
        Next::Left { after: self.published, through, uncounted }
    }

    /// Up to where is to be counted.
    pub fn counting(&self) -> u64 {
        self.counting
    }

    fn take_stretch(&mut self) -> Stretch {
        let mut stretch = Stretch::default();
        let mut records = 0;
        while let Some(waiting) = self
            .waiting
            .front()
            .filter(|next| records == 0 || records + next.owed.records() <= STRETCH_RECORDS)
        {
            records += waiting.owed.records();
            let Some(owed) = self.pop() else { break };
            stretch.through = owed.epoch;
            stretch.epochs.extend(Some(owed).filter(|owed| owed.records() > 0));
        }
        stretch
    }

    fn pop(&mut self) -> Option<Owed> {
        let Waiting { owed, bytes, .. } = self.waiting.pop_front()?;
        self.bytes -= bytes;
        Some(owed)
    }

    /// Everything up to this epoch is published, in which there were so many records.
    pub fn published(&mut self, through: u64, records: u64) {
        self.published = through;
        self.records =
            if self.published >= self.committed { 0 } else { self.records.saturating_sub(records) };
        if self.records == 0 {
            self.oldest = None;
        }
    }

    /// Somebody has moved the mark.
    pub fn moved(&mut self, published: u64) {
        (self.published, self.uncounted) = (published, true);
    }

    /// So much is owed up to where it was counted, the oldest of it since then, where that is
    /// known.
    pub fn counted(&mut self, records: u64, oldest: Option<Instant>) {
        self.records = records + self.since_count;
        let oldest = oldest.or(self.oldest).unwrap_or_else(Instant::now);
        self.oldest = (self.records > 0).then_some(oldest);
    }

    /// The job was just seen to be this instance's.
    pub fn confirm(&mut self) {
        self.confirmed = Instant::now();
    }

    /// When the job was last seen to be this instance's.
    pub fn confirmed(&self) -> Instant {
        self.confirmed
    }

    /// Who was erased since the last epochs were taken out.
    pub fn erased(&self) -> &[(CustomerId, Millis)] {
        &self.erased
    }

    /// The rest is to be published until then.
    pub fn end(&mut self, until: Instant) {
        self.end = Some(until);
    }

    /// Until when the rest is to be published, once there is an end.
    pub fn until(&self) -> Option<Instant> {
        self.end
    }

    /// What is owed now.
    pub fn lag(&self) -> Lag {
        Lag {
            published: self.published,
            epochs: self.committed.saturating_sub(self.published),
            records: self.records,
            oldest: self.oldest,
        }
    }
}

#[cfg(test)]
mod tests;
