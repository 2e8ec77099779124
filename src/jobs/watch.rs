//! Watching over a running job: shows where it stands, drains it when it cannot go on, and ends what hangs.

use super::gather;
use super::live::Control;
use crate::checkpoint::Saved;
use crate::kafka::intake::Sight;
use crate::postgres::Trouble;
use crate::telemetry::status::erasures::ErasureFault;
use crate::telemetry::status::{State, Status};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An epoch that waits so long to be committed waits for the database.
const STALLED: Duration = Duration::from_secs(5);

/// A partition that is so few records behind counts as kept up with.
const KEPT_UP: u64 = 100_000;

/// How long a drain may take before the process ends without it.
const DRAIN: Duration = Duration::from_secs(9);

/// How long a drain waits for processes that have not found each other yet: they try it once a second.
const CONNECTING: Duration = Duration::from_secs(3);

/// How long a worker may give no sign of life: an epoch that was cut does not reach the sink, or the first worker is not heard of.
const HUNG: Duration = Duration::from_secs(30);

/// What is watched.
#[derive(Clone)]
pub struct Watched {
    /// What the pacer and the rest share.
    pub control: Control,
    /// Where the partitions stand.
    pub sight: Sight,
    /// Why nothing more is handed on.
    pub failure: gather::Failure,
    /// Why the database is waited for.
    pub trouble: Trouble,
    /// What has become of the checkpoints, once the saver is up.
    pub saved: Arc<OnceLock<Arc<Saved>>>,
    /// How the job is shown.
    pub status: Arc<Status>,
    /// Reading has begun, so that there is something to finish.
    pub begun: Arc<AtomicBool>,
    /// The workers have begun: in a job of several processes, these have found each other.
    pub connected: Arc<AtomicBool>,
    /// The job has ended.
    pub finished: Arc<AtomicBool>,
}

/// A number, and since when it has been the same.
struct Since {
    value: u64,
    since: Instant,
}

impl Since {
    fn new() -> Self {
        Since { value: 0, since: Instant::now() }
    }

    /// For how long it has been the same, or has not been waited for.
    fn waited(&mut self, value: u64, waiting: bool) -> Duration {
        if self.value != value || !waiting {
            *self = Since { value, since: Instant::now() };
        }
        self.since.elapsed()
    }
}

/// Starts to watch.
pub fn watch(watched: Watched) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut draining: Option<Instant> = None;
        let (mut commits, mut gathered, mut beats) = (Since::new(), Since::new(), Since::new());
        while !watched.finished.load(Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_millis(100));
            let stalled = commits.waited(watched.control.committed.load(Ordering::Acquire), watched.has_uncommitted());
            watched.show(draining.is_some(), stalled);
            let hung = gathered.waited(watched.control.gathered.load(Ordering::Acquire), watched.has_ungathered());
            let silent = beats.waited(watched.control.beat.load(Ordering::Acquire), watched.control.is_listening.load(Ordering::Acquire));
            if hung.max(silent) > HUNG {
                tracing::error!(waited = ?hung.max(silent), "A worker of the job hangs, here or in another process. This process ends; start all of them again.");
                std::process::exit(1);
            }
            if watched.has_failed() {
                watched.control.drain.store(true, Ordering::Release);
            }
            if watched.control.drain.load(Ordering::Acquire) {
                if !watched.begun.load(Ordering::Acquire) {
                    tracing::info!("The job ends before it has read anything.");
                    std::process::exit(0);
                }
                if watched.control.gathered.load(Ordering::Acquire) < watched.control.repeated.load(Ordering::Acquire) {
                    tracing::info!("The job ends while it repeats what is committed: there is nothing to be finished.");
                    std::process::exit(0);
                }
                let since = *draining.get_or_insert_with(|| {
                    tracing::info!("Draining: the epoch is finished and committed.");
                    Instant::now()
                });
                if since.elapsed() > CONNECTING && !watched.connected.load(Ordering::Acquire) {
                    tracing::info!("The job ends before its processes have found each other: there is nothing to be finished.");
                    std::process::exit(0);
                }
                if since.elapsed() > DRAIN && !watched.has_uncommitted() && !watched.has_failed() {
                    tracing::warn!(
                        "The drain did not end in time. Everything is committed; the next start begins at the newest complete checkpoint."
                    );
                    std::process::exit(0);
                }
                if since.elapsed() > DRAIN {
                    tracing::error!("The drain did not end in time; what is not committed is read again at the next start.");
                    std::process::exit(1);
                }
            }
        }
    })
}

impl Watched {
    fn has_uncommitted(&self) -> bool {
        self.control.cut.load(Ordering::Acquire) > self.control.committed.load(Ordering::Acquire)
    }

    fn has_ungathered(&self) -> bool {
        self.control.cut.load(Ordering::Acquire) > self.control.gathered.load(Ordering::Acquire)
    }

    fn has_failed(&self) -> bool {
        self.sight.has_failed() || self.failure.lock().is_ok_and(|failure| failure.is_some())
    }

    /// Shows where the job stands.
    fn show(&self, draining: bool, stalled: Duration) {
        let partitions = self.sight.partitions();
        let ends: Vec<_> = partitions.iter().filter_map(|p| p.end.map(|end| (p.topic, p.partition, end))).collect();
        self.status.high_watermarks(&ends);
        self.status.cut(self.control.cut.load(Ordering::Acquire));
        self.saved.get().into_iter().for_each(|saved| {
            self.status.checkpoint(saved.newest());
            self.status.erasures_failed(ErasureFault::Checkpoints, saved.failed_erasures());
        });
        let state = match (self.sight.trouble(), self.trouble.reason()) {
            _ if draining => State::Draining,
            (_, Some(trouble)) => State::WaitingForDatabase(trouble),
            (Some(trouble), None) => State::WaitingForBroker(trouble),
            _ if stalled >= STALLED => State::WaitingForDatabase(format!("no epoch has been committed for {} s", stalled.as_secs())),
            _ if partitions.is_empty() => State::Starting,
            _ if partitions.iter().all(|p| p.caught_up || p.lag().is_some_and(|lag| lag < KEPT_UP)) => State::Running,
            _ => State::CatchingUp,
        };
        self.status.enter(state);
    }
}
