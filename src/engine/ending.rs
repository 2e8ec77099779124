//! How the job ends: the one place that holds the first cause, and the one function from a cause to
//! all that the outside is told of it.

#[cfg(test)]
mod tests;

use super::live::Control;
use super::run::RunError;
use crate::first::{First, Tell, caught};
use crate::status::{State, Status};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Builder;

/// How a drain that was asked for came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// The epoch is finished, committed and in a checkpoint.
    Finished,
    /// Nothing had been read.
    Unread,
    /// The processes had not found each other.
    Unconnected,
    /// What is committed was being repeated.
    Repeating,
    /// Everything is committed, but the workers or the last checkpoint took too long.
    Late,
}

/// Why the job ends.
#[derive(Clone, Copy, Debug)]
pub enum ExitReason<'a> {
    /// It was asked to drain, and nothing failed.
    Drained(Drained),
    /// Something failed, whether or not it was asked to drain.
    Failed(&'a RunError),
}

/// What the outside is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitReport {
    /// The exit code of the program.
    pub code: u8,
    /// The line in the log.
    pub line: String,
    /// What console, metrics and `/readyz` show from then on.
    pub state: State,
}

/// What the outside is told of a cause.
pub fn told(cause: ExitReason<'_>) -> ExitReport {
    match cause {
        ExitReason::Failed(error) => {
            let sentence = error.to_string();
            let stop = if sentence.ends_with('?') { "" } else { "." };
            ExitReport {
                code: error.blame().of_job(),
                line: format!("The job cannot go on: {sentence}{stop}"),
                state: State::Failed(sentence),
            }
        }
        ExitReason::Drained(how) => {
            ExitReport { code: 0, line: drained(how).to_string(), state: State::Draining }
        }
    }
}

fn drained(how: Drained) -> &'static str {
    match how {
        Drained::Finished => "The job has drained, and ends.",
        Drained::Unread => "The job ends before it has read anything.",
        Drained::Unconnected => {
            "The job ends before its processes have found each other: there is nothing to be \
             finished."
        }
        Drained::Repeating => {
            "The job ends while it repeats what is committed: there is nothing to be finished."
        }
        Drained::Late => {
            "The drain did not end in time. Everything is committed; the next start begins at the \
             newest complete checkpoint."
        }
    }
}

/// Holds why the job of this process ends. Whoever fails says so here; only the first is kept, for
/// the rest follows from it.
#[derive(Clone, Debug)]
pub struct Ending {
    first: First<RunError>,
    control: Control,
    status: Arc<Status>,
}

impl Ending {
    /// Nothing has failed. From the first failure on `control` tells the other processes, and
    /// `status` whoever asks.
    pub fn new(control: Control, status: Arc<Status>) -> Self {
        Ending { first: First::default(), control, status }
    }

    /// Something failed, and the job ends with it. It is logged at once: nothing that comes later
    /// may keep it from the log.
    pub fn fail(&self, error: impl Into<RunError>) {
        let error = error.into();
        let ExitReport { line, state, .. } = told(ExitReason::Failed(&error));
        match self.first.set(error) {
            Ok(()) => {
                self.status.enter(state);
                self.control.failed.store(true, Ordering::Release);
                tracing::error!("{line}");
            }
            // A source may say it again and again.
            Err(later) => tracing::debug!("After the job had failed: {later}."),
        }
    }

    /// For a part of the job that fails in its own way.
    pub fn teller<S: Into<RunError> + 'static>(&self) -> Tell<S> {
        let ending = self.clone();
        Tell::new(move |error: S| ending.fail(error))
    }

    /// Whether something failed.
    pub fn has_failed(&self) -> bool {
        self.first.is_set()
    }

    /// Starts a thread whose failure, or panic, ends the job. What is given back closes once the
    /// thread has ended and said so.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn spawn<E: Into<RunError>>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> Result<Receiver<()>, RunError> {
        let (running, over) = bounded(0);
        let ending = self.clone();
        let work = move || {
            let _running: Sender<()> = running;
            match caught(name, work) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => ending.fail(error),
                Err(panicked) => ending.fail(panicked),
            }
        };
        Builder::new()
            .name(name.to_string())
            .spawn(work)
            .map_err(|source| RunError::Thread { name, source })?;
        Ok(over)
    }

    /// The end: what failed first, or else that the job has drained.
    ///
    /// # Errors
    /// What failed first.
    pub fn end(&self, how: Drained) -> Result<(), RunError> {
        if let Some(error) = self.first.take() {
            return Err(error);
        }
        let ExitReport { line, state, .. } = told(ExitReason::Drained(how));
        self.status.enter(state);
        match how {
            Drained::Late => tracing::warn!("{line}"),
            Drained::Finished | Drained::Unread | Drained::Unconnected | Drained::Repeating => {
                tracing::info!("{line}")
            }
        }
        Ok(())
    }
}
