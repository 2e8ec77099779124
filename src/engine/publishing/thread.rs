//! The thread that publishes: takes what waits, reads what was left out, sends it until it is
//! there, and moves the mark.

use super::Shared;
use super::held::{Held, Hindrance, confirm};
use super::mark::{MARK, PublishedMark};
use super::queue::Next;
use super::records::{publications, told};
use crate::first::{Panicked, Tell, caught};
use crate::kafka::connection::Connection;
use crate::kafka::publisher::{Publication, PublishOutcome, Publisher};
use crate::sink::outbox::{Outbox, Stretch};
use crate::sink::rows::Wording;
use crate::telemetry::stalls::{Cause, Seen};
use crossbeam_channel::{Receiver, bounded};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Pause before what has failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A record that has not been taken for so long is worth saying.
const SLOW: Duration = Duration::from_secs(3);

/// Starts the thread, which goes on behind the epoch `marked`; what it gives is closed when it has
/// ended. A panic is told to `failure`.
pub(super) fn spawn(
    shared: Arc<Shared>,
    publisher: Publisher,
    outbox: Box<dyn Outbox>,
    wording: Arc<dyn Wording>,
    marked: u64,
    failure: Tell<Panicked>,
) -> io::Result<Receiver<()>> {
    let (end, ended) = bounded(0);
    let mark = PublishedMark::at(marked);
    let trouble = Hindrance::default();
    let mut thread = Thread { shared, publisher, outbox, wording, mark, trouble };
    let run = move || {
        let _end = end;
        // What is owed would never be published any more, and nobody would hear of it.
        if let Err(panicked) = caught("publisher", || thread.run()) {
            failure.tell(panicked);
        }
    };
    std::thread::Builder::new().name("publisher".to_string()).spawn(run)?;
    Ok(ended)
}

struct Thread {
    shared: Arc<Shared>,
    publisher: Publisher,
    outbox: Box<dyn Outbox>,
    wording: Arc<dyn Wording>,
    mark: PublishedMark,
    trouble: Hindrance,
}

impl Thread {
    fn run(&mut self) {
        let ended = loop {
            let Some(next) = self.next() else { break Ok(()) };
            if let Err(held) = self.step(next) {
                break Err(held);
            }
        };
        match ended {
            Err(Held::Fenced(error)) => tracing::error!("Nothing more is published here: {error}."),
            // What has failed once more at the end is said already.
            _ => drop(self.set_mark(Duration::ZERO)),
        }
    }

    /// Waits for something to be done; `None`: there is nothing more to come.
    fn next(&self) -> Option<Next> {
        let mut queue = self.shared.queue();
        loop {
            let next = queue.take();
            if next != Next::Nothing || self.mark.is_due() {
                return Some(next);
            }
            if queue.until().is_some() {
                return None;
            }
            queue = if self.mark.is_behind() {
                self.shared
                    .changed
                    .wait_timeout(queue, MARK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            } else {
                self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn step(&mut self, next: Next) -> Result<(), Held> {
        match next {
            Next::Nothing => self.set_mark(MARK),
            Next::Queued(stretch) => self.publish(stretch),
            Next::Left { after, through, uncounted } => {
                let stretch = self.patiently(|thread| thread.read(after, through, uncounted))?;
                self.publish(stretch)
            }
        }
    }

    /// Does something until it succeeds, or there is no sense or time any more.
    fn patiently<T>(
        &mut self,
        mut act: impl FnMut(&mut Thread) -> Result<T, Held>,
    ) -> Result<T, Held> {
        loop {
            if self.shared.is_over() {
                return Err(Held::Over);
            }
            match act(self) {
                Err(Held::Erased) => {}
                Err(Held::Trouble(why)) => {
                    self.trouble.note(&self.shared, why);
                    let queue = self.shared.queue();
                    if queue.until().is_some() {
                        return Err(Held::Over);
                    }
                    drop(
                        self.shared
                            .changed
                            .wait_timeout_while(queue, RETRY, |queue| queue.until().is_none()),
                    );
                }
                end => return end,
            }
        }
    }

    fn read(&mut self, after: u64, through: u64, uncounted: bool) -> Result<Stretch, Held> {
        let failed = |error| Held::by(error, "what is owed cannot be read");
        if uncounted {
            let counting = self.shared.queue().counting();
            let backlog = self.outbox.backlog(after, counting).map_err(failed)?;
            let oldest = backlog.oldest.and_then(|age| Instant::now().checked_sub(age));
            self.shared.queue().counted(backlog.records, oldest);
            self.shared.show();
        }
        self.outbox.owed(after, through).map_err(failed)
    }

    /// Sends what epochs owe until it is there.
    fn publish(&mut self, mut stretch: Stretch) -> Result<(), Held> {
        self.patiently(|thread| thread.try_publish(&mut stretch))?;
        let records = stretch.epochs.iter().map(|owed| owed.records() as u64).sum();
        self.shared.queue().published(stretch.through, records);
        self.shared.show();
        self.trouble.passes(&self.shared);
        self.mark.wanted = stretch.through;
        self.set_mark(if records > 0 { Duration::ZERO } else { MARK })
    }

    fn try_publish(&mut self, stretch: &mut Stretch) -> Result<(), Held> {
        let erased = self.shared.queue().erased().to_vec();
        let gone: usize = stretch.epochs.iter_mut().map(|owed| owed.erase(&erased)).sum();
        self.shared.queue().forgive(gone as u64);
        let records = publications(&stretch.epochs, self.wording.notices());
        if records.is_empty() {
            return Ok(());
        }
        confirm(&self.shared, self.outbox.as_mut(), stretch.through)?;
        self.send(&records, stretch)
    }

    fn send(&mut self, records: &[Publication], stretch: &Stretch) -> Result<(), Held> {
        let Thread { shared, publisher, outbox, wording, trouble, .. } = self;
        let (destination, topic) =
            (records[0].destination, publisher.topic(records[0].destination).to_string());
        let (began, mut held) = (Instant::now(), None);
        let go_on = |connection: &Connection| {
            held = match shared.is_over() {
                true => Some(Held::Over),
                false if shared.has_erased(stretch) => Some(Held::Erased),
                false => confirm(shared, outbox.as_mut(), stretch.through).err(),
            };
            if began.elapsed() >= SLOW {
                let (brokers, why) = (connection.brokers(), connection.reason());
                let waited = began.elapsed().as_secs();
                let cause =
                    if connection.is_up() { destination.cause() } else { Cause::Publishing };
                let what = format!(
                    "topic `{topic}` at {brokers} has not taken a record for {waited} s: {why}"
                );
                trouble.note(shared, vec![Seen::of(cause, what).since(began)]);
            }
            held.is_none()
        };
        match publisher.publish(records, go_on) {
            Ok(PublishOutcome::All(refused)) => {
                for refused in refused {
                    let record = &records[refused.index];
                    let (topic, bytes, what) = (
                        publisher.topic(record.destination),
                        record.value.as_ref().map_or(0, Vec::len),
                        told(record, wording.notices()),
                    );
                    tracing::error!(
                        topic,
                        bytes,
                        "A record is passed over, for its topic never takes it ({}): {what}.",
                        refused.code
                    );
                    shared.status.unpublishable(record.destination);
                }
                Ok(())
            }
            Ok(PublishOutcome::Stopped) => Err(held.unwrap_or(Held::Over)),
            Err(error) => Err(Held::Trouble(publisher.explain(&error))),
        }
    }

    /// Moves the mark, if that was last tried so long ago. That it cannot be moved holds up
    /// nothing: it is tried again.
    fn set_mark(&mut self, after: Duration) -> Result<(), Held> {
        if !self.mark.is_behind() || self.mark.tried.elapsed() < after {
            return Ok(());
        }
        self.mark.tried = Instant::now();
        match self.outbox.advance(self.mark.at, self.mark.wanted) {
            Ok(at) => {
                if at != self.mark.wanted {
                    tracing::warn!(
                        was = self.mark.at,
                        now = at,
                        "Somebody has moved the mark of what is published; it goes on from there."
                    );
                    self.shared.queue().moved(at);
                }
                (self.mark.at, self.mark.wanted) = (at, at);
                self.shared.queue().confirm();
                Ok(())
            }
            Err(error) if error.is_fenced() => Err(Held::Fenced(error)),
            Err(error) => {
                tracing::debug!("The mark of what is published is not moved: {error}.");
                Ok(())
            }
        }
    }
}
