//! How the job stands: written once an epoch by those who run it, read by the console, `/status`
//! and `/metrics`.

pub mod erasures;
pub mod figures;
mod known;
pub mod metrics;
mod publishing;
mod rate;
mod reading;
mod rejects;
pub mod report;
mod stalling;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod times;
pub mod turns;

use crate::sink::gathered::Gathered;
use crate::telemetry::usage::{resident_memory_bytes, usage};
use dataflows::event::Millis;
use dataflows::source::TopicId;
use erasures::ErasureFault;
use figures::Figures;
use jiff::Timestamp;
use known::Known;
use metrics::Metrics;
use report::{StatusReport, Throughput};
use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use turns::MeasuredTurns;

pub use reading::EndOffsets;
pub use state::State;

/// How the job stands. Shared by those who write (the committer, the source) and those who read
/// (the console).
#[derive(Debug)]
pub struct Status {
    job: String,
    started: Instant,
    page: &'static str,
    metrics: Metrics,
    known: Mutex<Known>,
}

impl Status {
    /// Of a job that starts now, reads these topics, and shows these figures of its dataflow.
    pub fn new(job: &str, topics: &[TopicId], figures: Box<dyn Figures>) -> Self {
        let started = Instant::now();
        Status {
            job: job.to_string(),
            started,
            page: figures.page(),
            metrics: Metrics::new(figures.clients()),
            known: Mutex::new(Known::new(topics, figures, started)),
        }
    }

    /// The job is now in this state. One that has failed stays so: nothing that follows may hide
    /// the first cause.
    pub fn enter(&self, state: State) {
        let mut known = self.known();
        if !matches!(known.state, State::Failed(_)) {
            known.state = state;
        }
    }

    /// What the job is doing.
    #[cfg(test)]
    pub fn state(&self) -> State {
        self.known().state.clone()
    }

    /// An epoch has been cut from the input.
    pub fn cut(&self, epoch: u64) {
        self.known().cut = epoch;
    }

    /// The newest complete checkpoint.
    pub fn checkpoint(&self, epoch: u64) {
        self.known().checkpoint = epoch;
    }

    /// An erasure was not done.
    pub fn erasure_failed(&self, fault: ErasureFault) {
        self.known().failed_erasures.add(fault);
    }

    /// So many erasures were not done since the start, as the one counts them in whose hands they
    /// are.
    pub fn erasures_failed(&self, fault: ErasureFault, total: u64) {
        self.known().failed_erasures.raise(fault, total);
    }

    /// Where partitions end at the broker.
    pub fn ends(&self, ends: impl IntoIterator<Item = ((TopicId, u32), EndOffsets)>) {
        self.known().partitions.ends(ends);
    }

    /// The job goes on from a checkpoint of this epoch, with what its dataflow has there beside
    /// customers, since an epoch's results only say what changed.
    pub fn restored(&self, epoch: u64, watermark: Option<Millis>, common: &dyn Any) {
        let mut known = self.known();
        known.reach(epoch, watermark);
        let counts = known.figures.restored(common);
        known.count(counts);
    }

    /// The job goes on without so many offsets of a topic, which were gone before it had read them;
    /// several of one topic add up.
    pub fn given_up(&self, offsets: impl IntoIterator<Item = (TopicId, u64)>) {
        let mut known = self.known();
        offsets.into_iter().for_each(|(topic, offsets)| {
            *known.given_up.entry(topic.name()).or_default() += offsets
        });
    }

    /// An epoch that was committed before this start has been repeated.
    pub fn repeated(&self, epoch: &dyn Gathered) {
        let mut known = self.known();
        known.repeat(&epoch.essentials());
        known.figures.repeated(epoch);
    }

    /// An epoch has been committed; writing it took so long.
    pub fn committed(&self, epoch: &dyn Gathered, took: Duration) {
        self.committed_at(epoch, took, Instant::now());
    }

    fn committed_at(&self, epoch: &dyn Gathered, took: Duration, now: Instant) {
        let (essentials, at) = (epoch.essentials(), Timestamp::now().as_millisecond());
        self.metrics.commit_took(took, times::delays(essentials.closed, at));
        let mut known = self.known();
        known.times.commit = Some(at);
        known.commit(epoch, took, now);
        known.figures.committed(epoch, now);
    }

    /// Whoever measures the turns of a worker.
    pub fn turns(&self) -> MeasuredTurns {
        self.metrics.turns()
    }

    /// The job as it stands now.
    pub fn report(&self) -> StatusReport {
        self.report_at(Instant::now())
    }

    fn report_at(&self, now: Instant) -> StatusReport {
        let known = self.known();
        let uptime = now.saturating_duration_since(self.started);
        StatusReport {
            job: self.job.clone(),
            version: env!("CARGO_PKG_VERSION"),
            state: known.state.word(),
            message: known.state.message().map(str::to_string),
            ready: known.state.is_ready(),
            stalls: stalling::shown(&known.stalls, now),
            uptime_seconds: uptime.as_secs_f64(),
            cpu_seconds: usage().cpu_seconds,
            memory_bytes: resident_memory_bytes(),
            epoch: known.epochs(),
            publishing: known.owing.at(now),
            times: known.times.at(Timestamp::now().as_millisecond(), uptime),
            watermark: known.watermark(),
            partitions: known.partitions.shown(),
            events: Throughput {
                total: known.counts.records,
                per_second: known.rate.per_second(now),
            },
            figures: known.figures.at_present(),
            failed_erasures: known.failed_erasures.numbers(known.counts.unread_erasures),
            rejected: known.rejects.by_reason(),
            ignored_fields: known.rejects.ignored_fields(),
            given_up: known.given_up.clone(),
            dead_letters: known.rejects.dead_letters(),
        }
    }

    /// The same in the text form of Prometheus.
    pub fn metrics(&self) -> String {
        self.metrics.render(&self.report())
    }

    /// What the page has of the dataflow.
    pub fn page(&self) -> &'static str {
        self.page
    }

    /// A writer that panicked leaves numbers behind, never a broken structure.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
