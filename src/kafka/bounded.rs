//! One worker's share of a stretch of the topics that is there already: read to given offsets and
//! no further, beside whoever reads on.

use super::intake::{KafkaIntake, Seat, Sight};
use super::{Assigned, KafkaSettings, Position};
use crate::source::{Bounds, Intake};
use dataflows::source::{Mark, Messages};
use std::cell::Cell;
use std::time::Duration;

/// How a stretch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadMode {
    /// It is cut where it was before: nothing is read that belongs to no recorded epoch.
    pub recorded: bool,
    /// At its end the input ends: whatever waits for more closes.
    pub closes: bool,
}

/// What more was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Records.
    pub records: u64,
    /// Offsets without one.
    pub gaps: u64,
}

/// A worker's partitions, up to their bounds.
pub struct Bounded<P> {
    inner: KafkaIntake,
    from: Bounds,
    until: Bounds,
    /// What was told so far.
    told: Cell<Read>,
    manner: ReadMode,
    /// Told of what more was read.
    read: P,
}

impl<P: Fn(Read)> Bounded<P> {
    /// Reads partitions from these offsets on up to `until`, where each of them must be named.
    /// `read` is told what more was read, `wake` called when something has arrived. What goes wrong
    /// is told to `sight`: the bounds are then never reached, so that nothing can take what came of
    /// it for the whole.
    pub fn start(
        settings: &KafkaSettings,
        from: Bounds,
        until: Bounds,
        seat: Seat,
        manner: ReadMode,
        sight: Sight,
        read: P,
        wake: impl Fn() + Send + 'static,
    ) -> Self {
        let assigned = from.iter().map(|(&(topic, partition), &from)| Assigned {
            topic,
            partition,
            from: Position::Offset(from),
        });
        // Nothing here is ever idle: it has either more or ended.
        let mut inner =
            KafkaIntake::start(settings, assigned.collect(), seat, Duration::MAX, sight, wake);
        inner.open();
        Bounded::over(inner, from, until, manner, read)
    }

    fn over(inner: KafkaIntake, from: Bounds, until: Bounds, manner: ReadMode, read: P) -> Self {
        Bounded { inner, from, until, told: Cell::default(), manner, read }
    }

    fn is_read(&self, mark: &Mark) -> bool {
        self.until.get(&(mark.topic, mark.partition)).is_none_or(|&bound| mark.next >= bound)
    }

    /// Tells what more was read, once the partitions stand at these marks. What is behind a gap
    /// shows how wide it is.
    fn tell(&self, marks: &[Mark]) {
        let passed = |mark: &Mark| {
            self.from
                .get(&(mark.topic, mark.partition))
                .map_or(0, |from| mark.next.saturating_sub(*from))
        };
        let Read { records, gaps } = self.told.get();
        let now = marks.iter().map(passed).sum::<u64>().saturating_sub(records).max(gaps);
        if now > gaps {
            self.told.set(Read { records, gaps: now });
            (self.read)(Read { records: 0, gaps: now - gaps });
        }
    }
}

impl<P: Fn(Read)> Intake for Bounded<P> {
    fn next(&mut self, until: Option<&Bounds>) -> Option<Messages> {
        let until = until.or(Some(&self.until).filter(|_| !self.manner.recorded))?;
        let messages = self.inner.next(Some(until))?;
        let (records, Read { records: before, gaps }) =
            (messages.heads.len() as u64, self.told.get());
        self.told.set(Read { records: before + records, gaps });
        (self.read)(Read { records, gaps: 0 });
        Some(messages)
    }

    fn has_reached(&self, bounds: &Bounds) -> bool {
        self.inner.has_reached(bounds)
    }

    fn marks(&self, until: Option<&Bounds>) -> Vec<Mark> {
        let marks = self.inner.marks(until.or(Some(&self.until)));
        self.tell(&marks);
        marks.into_iter().map(|mark| Mark { idle: self.is_read(&mark), ..mark }).collect()
    }

    /// There is nothing that must come first: all that is read was there before.
    fn is_prepared(&self) -> bool {
        false
    }

    fn open(&mut self) {}

    fn is_ended(&self) -> bool {
        self.manner.closes && self.has_reached(&self.until)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// What a stretch has told so far.
    pub(in crate::kafka) type Told = Rc<RefCell<Read>>;

    /// A stretch that is one epoch and at whose end the input ends, over this intake.
    pub(in crate::kafka) fn bounded_over(
        inner: KafkaIntake,
        from: Bounds,
        until: Bounds,
    ) -> (Told, Bounded<impl Fn(Read)>) {
        let told = Told::default();
        let manner = ReadMode { recorded: false, closes: true };
        let add = Rc::clone(&told);
        let read = move |more: Read| {
            let mut told = add.borrow_mut();
            *told = Read { records: told.records + more.records, gaps: told.gaps + more.gaps };
        };
        (told, Bounded::over(inner, from, until, manner, read))
    }
}
