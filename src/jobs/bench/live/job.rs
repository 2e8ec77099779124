//! The job that is measured: this program in a process of its own.

use super::super::error::BenchError;
use super::LOOK;
use crate::engine::run::READING;
use jiff::Timestamp;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the broker may take for the last records, and the job to start and for what is left in
/// the end.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A running job, ended at once when this goes.
pub(super) struct Job {
    pub(super) child: Child,
    pub(super) log: PathBuf,
    /// How long something is waited for.
    pub(super) patience: Duration,
}

impl Job {
    /// Waits until the job asks for the first record; gives the instant.
    pub(super) fn await_reading(&mut self, stop: &AtomicBool) -> Result<Timestamp, BenchError> {
        let log = self.log.clone();
        self.wait(stop, "the job reads", || {
            let text = fs::read_to_string(&log)
                .map_err(|source| BenchError::Directory { path: log.clone(), source })?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let reading = lines
                .filter(|line| line["message"] == READING)
                .find_map(|line| line["timestamp"].as_str()?.parse().ok());
            Ok(reading)
        })
    }

    /// Waits until something is there, for as long as the job runs.
    pub(super) fn wait<T>(
        &mut self,
        stop: &AtomicBool,
        what: &'static str,
        mut found: impl FnMut() -> Result<Option<T>, BenchError>,
    ) -> Result<T, BenchError> {
        let started = Instant::now();
        loop {
            if let Some(found) = found()? {
                return Ok(found);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(BenchError::Stopped);
            }
            if let Some(status) = self.child.try_wait().map_err(BenchError::Start)? {
                return Err(BenchError::Job(format!(
                    "it ended with {status}: {}",
                    self.last_words()
                )));
            }
            if started.elapsed() > self.patience {
                return Err(BenchError::Job(format!(
                    "not within {} s: {what}; it said: {}",
                    self.patience.as_secs(),
                    self.last_words()
                )));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().next_back().unwrap_or("nothing").to_string()
    }

    /// Asks the job to end, and waits until it has ended well.
    pub(super) fn drain(mut self, stop: &AtomicBool) -> Result<(), BenchError> {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
            .map_err(|error| BenchError::Start(error.into()))?;
        loop {
            match self.child.try_wait().map_err(BenchError::Start)? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(BenchError::Job(format!(
                        "it ended with {status}: {}",
                        self.last_words()
                    )));
                }
                None if stop.load(Ordering::Relaxed) => return Err(BenchError::Stopped),
                None => std::thread::sleep(LOOK),
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end, only its status to collect.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
