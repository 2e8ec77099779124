//! Publishing what committed epochs owe, notices and dead letters: on a thread of its own, so that
//! no commit ever waits for a topic.
//!
//! Published means published: the mark goes from epoch to epoch, only when everything of an epoch
//! is there, over those that have nothing, and is never set past what failed. What cannot be
//! published is owed: it stays in the table or the journal, is tried again until it is there, and
//! is gone on with at the next start. So each record is there at least once, the same each time,
//! and one customer's in the order of their epochs.
//!
//! Whether the job is ready does not depend on it, for what is owed is committed; but it is
//! said, in the log and by `/readyz`, and counted.

mod held;
mod mark;
mod queue;
mod records;
#[cfg(test)]
mod tests;
mod thread;

use crate::first::{Panicked, Tell};
use crate::kafka::publisher::Publisher;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::sink::Progress;
use crate::sink::gathered::Gathered;
use crate::sink::outbox::{Outbox, Stretch};
use crate::sink::rows::Wording;
use crate::source::TopicNames;
use crate::status::Status;
use crossbeam_channel::Receiver;
use queue::Queue;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The way to the thread that publishes.
pub struct Publishing {
    shared: Arc<Shared>,
    topics: TopicNames,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

/// What the thread shares with those who commit.
struct Shared {
    queue: Mutex<Queue>,
    /// Something was committed, or there is an end.
    changed: Condvar,
    status: Arc<Status>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the time that there was for the rest is over.
    fn is_over(&self) -> bool {
        self.queue().until().is_some_and(|until| until <= Instant::now())
    }

    /// Whether something in hand is of somebody who was erased since it was taken out.
    fn has_erased(&self, stretch: &Stretch) -> bool {
        let queue = self.queue();
        !queue.erased().is_empty()
            && stretch.epochs.iter().any(|owed| owed.concerns(queue.erased()))
    }

    /// Shows what is owed.
    fn show(&self) {
        let lag = self.queue().lag();
        self.status.publishing(lag.published, lag.epochs, lag.records, lag.oldest);
    }
}

impl Publishing {
    /// Starts the thread, which goes on where the last one was, and publishes notices as this
    /// wording has them; that the thread panics is told to `failure`.
    ///
    /// # Errors
    /// The thread cannot be started. That a topic is not there, or the broker, is none.
    pub fn start(
        kafka: &KafkaSettings,
        publisher: Publisher,
        wording: Arc<dyn Wording>,
        outbox: Box<dyn Outbox>,
        progress: Progress,
        status: Arc<Status>,
        failure: Tell<Panicked>,
    ) -> Result<Publishing, KafkaError> {
        let queue = Mutex::new(Queue::new(progress.epoch, progress.published));
        let shared = Arc::new(Shared { queue, changed: Condvar::new(), status });
        shared.show();
        let ended = thread::spawn(
            Arc::clone(&shared),
            publisher,
            outbox,
            wording,
            progress.published,
            failure,
        )
        .map_err(KafkaError::Thread)?;
        Ok(Publishing { shared, topics: kafka.topics.clone(), ended })
    }

    /// Has what a committed epoch owes published; takes it out of the results.
    pub fn committed(&self, results: &mut dyn Gathered) {
        let erased = results.erased();
        let owed = results.take_owed(&self.topics);
        self.shared.queue().commit(owed, erased);
        self.shared.changed.notify_all();
        self.shared.show();
    }

    /// Nothing more is committed: what is owed is published for at most so long, and the rest left
    /// for the next start.
    pub fn close(&self, patience: Duration) {
        self.shared.queue().end(Instant::now() + patience);
        self.shared.changed.notify_all();
    }

    /// Waits until the thread has ended, for at most so long: it may wait for somebody who does not
    /// answer.
    pub fn join(&self, patience: Duration) {
        let _ = self.ended.recv_timeout(patience);
        let lag = self.shared.queue().lag();
        if lag.records > 0 {
            let (records, epochs) = (lag.records, lag.epochs);
            tracing::warn!(
                records,
                epochs,
                "Not everything is published that is committed. It is kept, and the next start \
                 goes on with it."
            );
        }
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}
