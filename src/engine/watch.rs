//! Watching over a running job: shows where it stands, drains it when it cannot go on, and gives up
//! what hangs.

use super::ending::{Drained, Ending};
use super::live::Control;
use super::peers::ProcessSeat;
use super::run::RunError;
use super::stalling::Stalling;
use crate::checkpoint::{CheckpointError, Saved};
use crate::cluster::ClusterError;
use crate::kafka::PartitionStatus;
use crate::kafka::intake::Sight;
use crate::sink::Trouble;
use crate::status::erasures::ErasureFault;
use crate::status::{EndOffsets, State, Status};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A partition that is so few records behind counts as kept up with.
const KEPT_UP: u64 = 100_000;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(100);

/// How long a drain may take before the process ends without it.
const DRAIN: Duration = Duration::from_secs(9);

/// How long a drain waits for processes that have not found each other yet: they try it once a
/// second.
const CONNECTING: Duration = Duration::from_secs(3);

/// How long a worker may give no sign of life: an epoch that was cut does not reach the sink, or
/// the first worker is not heard of.
const HUNG: Duration = Duration::from_secs(30);

/// What is watched.
#[derive(Clone)]
pub struct Watched {
    /// What the pacer and the rest share.
    pub control: Control,
    /// Why the job ends.
    pub ending: Ending,
    /// Where the partitions stand.
    pub sight: Sight,
    /// Why the sink waits.
    pub trouble: Trouble,
    /// What has become of the checkpoints, once the saver is up.
    pub saved: Arc<OnceLock<Arc<Saved>>>,
    /// Where this process is among those of the job.
    pub seat: ProcessSeat,
    /// How the job is shown.
    pub status: Arc<Status>,
    /// Reading has begun, so that there is something to finish.
    pub begun: Arc<AtomicBool>,
    /// The other processes of the job are waited for.
    pub connecting: Arc<AtomicBool>,
}

/// A number, and since when it has been the same.
pub(super) struct Standstill {
    value: u64,
    since: Instant,
}

impl Standstill {
    pub(super) fn new() -> Self {
        Standstill { value: 0, since: Instant::now() }
    }

    /// For how long it has been the same, or has not been waited for.
    pub(super) fn waited(&mut self, value: u64, waiting: bool) -> Duration {
        if self.value != value || !waiting {
            *self = Standstill { value, since: Instant::now() };
        }
        self.since.elapsed()
    }
}

/// How far the job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has read nothing.
    Starting,
    /// Its processes have not found each other.
    Connecting,
    /// It repeats what is committed.
    Repeating,
    /// It reads what is new.
    Running,
}

/// What is seen at one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vitals {
    pub(super) phase: Phase,
    /// Something has failed.
    pub(super) failed: bool,
    /// The job was asked to drain, or has to.
    pub(super) asked: bool,
    /// For how long it has been draining.
    pub(super) draining: Option<Duration>,
    /// An epoch is cut and not committed.
    pub(super) uncommitted: bool,
    /// For how long a worker has given no sign of life.
    pub(super) silent: Duration,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Reaction {
    /// To look on.
    Watch,
    /// To finish the epoch.
    Drain,
    /// To wait no longer for what was read to be finished: it failed, or else was asked to drain.
    End(Drained),
    /// To fail.
    Fail(RunError),
}

impl Vitals {
    pub(super) fn step(self) -> Reaction {
        if self.silent > HUNG {
            return Reaction::Fail(RunError::Hung(self.silent));
        }
        if !self.failed && !self.asked {
            return Reaction::Watch;
        }
        let drained = self.draining.unwrap_or_default();
        match self.phase {
            Phase::Starting => Reaction::End(Drained::Unread),
            Phase::Repeating => Reaction::End(Drained::Repeating),
            Phase::Connecting if self.failed || drained > CONNECTING => {
                Reaction::End(Drained::Unconnected)
            }
            Phase::Connecting | Phase::Running => match self.draining {
                None => Reaction::Drain,
                Some(since) if since <= DRAIN => Reaction::Watch,
                Some(since) if self.uncommitted => Reaction::Fail(RunError::Undrained(since)),
                Some(_) => Reaction::End(Drained::Late),
            },
        }
    }
}

/// Watches until the job is over, which closes `over`, or until it is not waited for any longer;
/// says how a drain has ended, if it was one.
pub fn watch(watched: &Watched, over: &Receiver<()>) -> Drained {
    let mut draining: Option<Instant> = None;
    let mut stalling = Stalling::new();
    let (mut gathered, mut beats) = (Standstill::new(), Standstill::new());
    loop {
        let is_over = over.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout);
        watched.hear();
        if is_over {
            return if watched.begun.load(Ordering::Acquire) {
                Drained::Finished
            } else {
                Drained::Unread
            };
        }
        let partitions = watched.sight.partitions();
        let silent = beats.waited(
            watched.control.beat.load(Ordering::Acquire),
            watched.control.is_listening.load(Ordering::Acquire),
        );
        let stalled = watched.status.look(stalling.look(watched, &partitions, silent));
        watched.show(&partitions, draining.is_some(), stalled);
        let hung = gathered
            .waited(watched.control.gathered.load(Ordering::Acquire), watched.has_ungathered());
        let failed = watched.ending.has_failed();
        let seen = Vitals {
            phase: watched.phase(failed),
            failed,
            asked: watched.control.drain.load(Ordering::Acquire),
            draining: draining.map(|since| since.elapsed()),
            uncommitted: watched.has_uncommitted(),
            silent: if watched.control.changes.load(Ordering::Acquire) {
                Duration::ZERO
            } else {
                hung.max(silent)
            },
        };
        match seen.step() {
            Reaction::Watch => {}
            Reaction::Drain => {
                tracing::info!("Draining: the epoch is finished and committed.");
                watched.control.drain.store(true, Ordering::Release);
                draining = Some(Instant::now());
            }
            Reaction::End(how) => return how,
            Reaction::Fail(error) => {
                watched.ending.fail(error);
                return Drained::Late;
            }
        }
    }
}

impl Watched {
    /// Takes up what failed where nobody could say so.
    pub fn hear(&self) {
        if let Some(panicked) = self.saved.get().and_then(|saved| saved.panicked()) {
            self.ending.fail(CheckpointError::from(panicked));
        }
        if self.control.failed_elsewhere.load(Ordering::Acquire) {
            self.ending.fail(ClusterError::Elsewhere);
        }
    }

    pub(super) fn has_uncommitted(&self) -> bool {
        self.control.cut.load(Ordering::Acquire) > self.control.committed.load(Ordering::Acquire)
    }

    fn has_ungathered(&self) -> bool {
        self.control.cut.load(Ordering::Acquire) > self.control.gathered.load(Ordering::Acquire)
    }

    /// How far the job has come. Only the first process knows which epochs are repeated; on the
    /// others one that was asked to drain leaves the end to it, but one that failed can bring no
    /// epoch to its end as long as they are.
    fn phase(&self, failed: bool) -> Phase {
        let repeats = || {
            self.control.gathered.load(Ordering::Acquire)
                < self.control.repeated.load(Ordering::Acquire)
        };
        match () {
            () if self.connecting.load(Ordering::Acquire) => Phase::Connecting,
            () if !self.begun.load(Ordering::Acquire) => Phase::Starting,
            () if repeats() || (failed && self.control.repeats.load(Ordering::Acquire)) => {
                Phase::Repeating
            }
            () => Phase::Running,
        }
    }

    /// Shows where the job stands.
    fn show(&self, partitions: &[PartitionStatus], draining: bool, stalled: Option<State>) {
        self.status.ends(partitions.iter().map(|p| {
            ((p.topic, p.partition), EndOffsets { high_watermark: p.high, last_stable: p.end })
        }));
        self.status.cut(self.control.cut.load(Ordering::Acquire));
        self.saved.get().into_iter().for_each(|saved| {
            self.status.checkpoint(saved.newest());
            self.status.checkpoints(saved.created(), saved.failures());
            self.status.erasures_failed(ErasureFault::Checkpoints, saved.failed_erasures());
        });
        let state = match stalled {
            _ if draining => State::Draining,
            Some(stalled) => stalled,
            None if partitions.is_empty() => State::Starting,
            None if partitions
                .iter()
                .all(|p| p.caught_up || p.lag().is_some_and(|lag| lag < KEPT_UP)) =>
            {
                State::Running
            }
            None => State::CatchingUp,
        };
        self.status.enter(state);
    }
}
