//! Takes in what comes of epoch after epoch, on a thread of its own.

use super::error::VerifyError;
use super::recorded::Checker;
use crate::engine::history::HistoryError;
use crate::engine::live::Control;
use crate::first::{First, Panicked, caught};
use crate::kafka::intake::Sight;
use crate::postgres::PostgresError;
use crate::postgres::comparison::Expected;
use crate::sink::gathered::Gathered;
use crate::telemetry::progress::{ProgressMeter, Unit};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a silent broker is waited for before it is said.
const SILENCE: Duration = Duration::from_secs(5);

/// Takes in epoch after epoch, on a thread of its own.
pub struct Fold {
    /// What the tables must hold, so far.
    pub expected: Expected,
    /// Compares what is recorded of the epochs.
    pub checker: Checker,
    /// The last epoch that is compared.
    pub last: u64,
    /// How far it is.
    pub control: Control,
    /// Where the partitions stand.
    pub sight: Sight,
    /// What failed first.
    pub failure: First<HistoryError>,
}

/// The thread, which gives back what it has folded.
pub type Folding = JoinHandle<Result<Result<(Expected, Checker), PostgresError>, Panicked>>;

impl Fold {
    /// Starts it; what it panics with, it tells.
    ///
    /// # Errors
    /// [`VerifyError::Thread`].
    pub fn start<E: Gathered>(self, results: Receiver<Box<E>>) -> Result<Folding, VerifyError> {
        let failure = self.failure.clone();
        // Told before the channel closes: that it does is what follows.
        let fold = move || {
            caught("fold", || self.run(&results)).inspect_err(|panicked| {
                failure.teller::<Panicked>().tell(panicked.clone());
            })
        };
        std::thread::Builder::new()
            .name("fold".to_string())
            .spawn(fold)
            .map_err(|error| VerifyError::Thread(error.to_string()))
    }

    fn run<E: Gathered>(
        mut self,
        results: &Receiver<Box<E>>,
    ) -> Result<(Expected, Checker), PostgresError> {
        let mut progress = ProgressMeter::start("verifying", Unit::Epochs, self.last);
        let mut failed = None;
        let mut warned = false;
        loop {
            match results.recv_timeout(SILENCE) {
                // The epoch after the last is the drained one: nothing was read for it.
                Ok(results) if results.essentials().epoch > self.last => {}
                Ok(results) => {
                    self.checker.gone().into_iter().for_each(|gone| self.expected.let_go(gone));
                    self.checker.check(results.as_ref());
                    // After a failure epochs are still taken, so that the workers can end.
                    if failed.is_none() {
                        failed = self.expected.fold(results.as_ref()).err();
                    }
                    let epoch = results.essentials().epoch;
                    self.control.committed.store(epoch, Ordering::Release);
                    progress.set(epoch);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(trouble) =
                        self.sight.trouble().filter(|_| !std::mem::replace(&mut warned, true))
                    {
                        tracing::warn!("The broker is away; it is waited for: {trouble}.");
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.control.committed.load(Ordering::Acquire) == self.last {
            progress.finish();
        }
        match failed {
            Some(error) => Err(error),
            None => {
                self.expected.retire();
                Ok((self.expected, self.checker))
            }
        }
    }
}
