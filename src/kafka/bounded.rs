//! One worker's share of a stretch of the topics that is there already: read to given offsets and no further, beside whoever reads on.

use super::intake::{KafkaIntake, Seat, Sight};
use super::{Assigned, KafkaSettings};
use crate::jobs::live::{Bounds, Intake};
use dataflows::campaign::feed::Mark;
use dataflows::event::Block;
use std::time::Duration;

/// How a stretch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// It is cut where it was before: nothing is read that belongs to no recorded epoch.
    pub recorded: bool,
    /// At its end the input ends: whatever waits for more closes.
    pub closes: bool,
    /// Other processes read with this one, and must not go on when it cannot.
    pub together: bool,
}

/// A worker's partitions, up to their bounds.
pub struct Bounded<P> {
    inner: KafkaIntake,
    until: Bounds,
    manner: Manner,
    sight: Sight,
    /// Told of so many more records.
    read: P,
}

impl<P: FnMut(u64)> Bounded<P> {
    /// Reads the assigned partitions up to `until`, where each of them must be named. `read` is told how many records came, `wake` called when something
    /// has arrived. What goes wrong is told by `sight`, and ends the reading as if the bounds were reached: what came of it is then to be thrown away.
    pub fn start(
        settings: &KafkaSettings,
        assigned: Vec<Assigned>,
        until: Bounds,
        seat: Seat,
        manner: Manner,
        sight: Sight,
        read: P,
        wake: impl Fn() + Send + 'static,
    ) -> Self {
        // Nothing here is ever idle: it has either more or ended.
        let mut inner = KafkaIntake::start(settings, assigned, seat, Duration::MAX, sight.clone(), wake);
        inner.open();
        Bounded { inner, until, manner, sight, read }
    }

    fn has_failed(&self) -> bool {
        let failed = self.sight.has_failed();
        if failed && self.manner.together {
            let why = self.sight.take_failure().map(|error| error.to_string()).unwrap_or_default();
            tracing::error!("This process cannot read on, and the others cannot go on without it: {why}.");
            std::process::exit(1);
        }
        failed
    }

    fn is_read(&self, mark: &Mark) -> bool {
        self.until.get(&(mark.topic, mark.partition)).is_none_or(|&bound| mark.next >= bound)
    }
}

impl<P: FnMut(u64)> Intake for Bounded<P> {
    fn next(&mut self, until: Option<&Bounds>) -> Option<Block> {
        let until = until.or(Some(&self.until).filter(|_| !self.manner.recorded))?;
        let block = self.inner.next(Some(until))?;
        (self.read)(block.heads.len() as u64);
        Some(block)
    }

    fn marks(&self) -> Vec<Mark> {
        let failed = self.has_failed();
        let marks = self.inner.marks().into_iter();
        marks.map(|mark| Mark { idle: self.is_read(&mark), next: if failed { u64::MAX } else { mark.next }, ..mark }).collect()
    }

    /// There is nothing that must come first: all that is read was there before.
    fn is_prepared(&self) -> bool {
        false
    }

    fn open(&mut self) {}

    fn is_ended(&self) -> bool {
        self.manner.closes && (self.has_failed() || self.inner.marks().iter().all(|mark| self.is_read(mark)))
    }
}
