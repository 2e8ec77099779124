//! How the job stands: written once an epoch by those who run it, read by the console, `/status`
//! and `/metrics`.

pub mod erasures;
mod exposition;
pub mod metrics;
mod publishing;
mod recent;
pub mod snapshot;
mod stalling;
#[cfg(test)]
pub(crate) mod tests;
mod times;
pub mod turns;
mod unmatched;

use crate::campaign::results::EpochResults;
use crate::counted::Counted;
use crate::hexadecimal::hexadecimal;
use crate::sink::gathered::Gathered;
use crate::telemetry::stalls::{Cause, Stalls};
use crate::telemetry::usage::{resident_memory_bytes, usage};
use dataflows::campaign::output::{ArmDay, Counts, Day, Segment};
use dataflows::campaign::snapshot::Common;
use dataflows::event::{CustomerId, DAY, IGNORABLE, Millis, Rejected, Topic, Whose};
use dataflows::source::TopicId;
use erasures::{ErasureFault, FailedErasures};
use jiff::Timestamp;
use metrics::Metrics;
use publishing::Owing;
use recent::{Choices, Outcomes, Rate, mean_q16};
use snapshot::{
    Arm, DeadLetter, Epochs, Events, Holder, IgnoredField, Partition, Reward, SegmentSize,
    Snapshot, Threshold, Watermark,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use times::Times;
use turns::MeasuredTurns;
use unmatched::UnmatchedWatch;

/// Rejected records that are shown.
const DEAD_LETTERS: usize = 20;

/// What the job is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Connecting, restoring.
    Starting,
    /// Repeating recorded epochs, or far behind the end of its input.
    CatchingUp,
    /// Keeping up.
    Running,
    /// Something keeps epochs from being committed; what is seen of it, without secrets.
    Stalled(Cause, String),
    /// Finishing what was read, to end then.
    Draining,
    /// Ended.
    Stopped,
    /// It cannot go on, and will end; the first cause.
    Failed(String),
}

impl State {
    /// The words for every state, for metrics.
    pub const WORDS: [&str; 9] = [
        "starting",
        "catching_up",
        "running",
        "waiting_for_database",
        "waiting_for_broker",
        "stalled",
        "draining",
        "stopped",
        "failed",
    ];

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::CatchingUp => "catching_up",
            State::Running => "running",
            State::Stalled(Cause::Database | Cause::DatabaseLock | Cause::DatabaseSlow, _) => {
                "waiting_for_database"
            }
            State::Stalled(Cause::Broker, _) => "waiting_for_broker",
            State::Stalled(..) => "stalled",
            State::Draining => "draining",
            State::Stopped => "stopped",
            State::Failed(_) => "failed",
        }
    }

    /// Whether the job keeps up with its input, so that others may rely on it.
    pub fn is_ready(&self) -> bool {
        self.unready().is_none()
    }

    /// Why others cannot rely on it, for `/readyz`; `None` while they can.
    pub fn unready(&self) -> Option<String> {
        match self {
            State::Running => None,
            State::Starting => Some("the job is starting".to_string()),
            State::CatchingUp => Some("the job is catching up with its input".to_string()),
            State::Stalled(cause, what) => Some(cause.told(what)),
            State::Draining => Some("the job is draining, to end then".to_string()),
            State::Stopped => Some("the job has stopped".to_string()),
            State::Failed(cause) => Some(format!("the job has failed: {cause}")),
        }
    }

    fn message(&self) -> Option<&str> {
        match self {
            State::Stalled(_, message) | State::Failed(message) => Some(message),
            State::Starting
            | State::CatchingUp
            | State::Running
            | State::Draining
            | State::Stopped => None,
        }
    }
}

/// Where a partition ends at the broker, where that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// After the last record that there is.
    pub high_watermark: Option<u64>,
    /// After the last record that can be read: before it every transaction has ended.
    pub last_stable: Option<u64>,
}

/// What there is to learn, where it is known: mean rewards of a decision in the simulated world.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Benchmark {
    /// With the best arm for each customer.
    pub best_possible: Option<f64>,
    /// With the best single arm for all.
    pub best_fixed: Option<f64>,
}

/// How the job stands. Shared by those who write (the committer, the source) and those who read
/// (the console).
#[derive(Debug)]
pub struct Status {
    job: String,
    decimals: u32,
    started: Instant,
    metrics: Metrics,
    known: Mutex<Known>,
}

/// Everything that changes.
#[derive(Debug)]
struct Known {
    state: State,
    stalls: Stalls,
    cut: u64,
    committed: u64,
    commit_took: Option<Duration>,
    digest: Option<[u8; 32]>,
    watermark: Option<Millis>,
    held_by: Option<(TopicId, u32)>,
    checkpoint: u64,
    owing: Owing,
    times: Times,
    next_offsets: BTreeMap<(TopicId, u32), u64>,
    ends: BTreeMap<(TopicId, u32), End>,
    counts: Counts,
    of_other_customers: u64,
    unmatched: UnmatchedWatch,
    unread_erasures: u64,
    failed_erasures: FailedErasures,
    rate: Rate,
    arms: Vec<KnownArm>,
    arm_days: BTreeMap<(Day, u16), ArmDay>,
    choices: Choices,
    outcomes: Outcomes,
    benchmark: Benchmark,
    threshold: Option<(Day, u64)>,
    rejected: BTreeMap<&'static str, u64>,
    ignored: BTreeMap<(TopicId, String), u64>,
    given_up: BTreeMap<&'static str, u64>,
    dead_letters: VecDeque<(Option<Whose>, DeadLetter)>,
    segments: BTreeMap<u8, i64>,
}

/// What is known of an arm: its sums are kept in step with the days.
#[derive(Debug, Default)]
struct KnownArm {
    name: String,
    n: i64,
    decisions: u64,
    interactions: i64,
    reward: i128,
}

impl Status {
    /// Of a job that starts now, with the arms of the configuration; amounts have so many decimals.
    pub fn new(job: &str, arms: &[String], decimals: u32) -> Self {
        let started = Instant::now();
        Status {
            job: job.to_string(),
            decimals,
            started,
            metrics: Metrics::new(),
            known: Mutex::new(Known::new(arms, started)),
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
    pub fn ends(&self, ends: impl IntoIterator<Item = ((TopicId, u32), End)>) {
        self.known().ends.extend(ends);
    }

    /// What there is to learn.
    pub fn compare_with(&self, benchmark: Benchmark) {
        self.known().benchmark = benchmark;
    }

    /// What stood at the end of the checkpoint that the job goes on from, since an epoch's results
    /// only say what changed.
    pub fn restored(&self, common: &Common) {
        let mut known = self.known();
        known.cut = known.cut.max(common.epoch);
        known.committed = known.committed.max(common.epoch);
        known.watermark = known.watermark.max(common.watermark);
        known.threshold = known.threshold.max(common.thresholds.last().copied());
        known.counts.add(&common.counts);
        known.unread_erasures += common.counts.unread_erasures;
        known.stand(&common.arm_days, &common.segments);
        for version in &common.arms {
            known.count(version.arm, version.totals.n);
        }
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
    pub fn repeated(&self, results: &EpochResults) {
        self.known().repeat(results);
    }

    /// An epoch has been committed; writing it took so long.
    pub fn committed(&self, results: &EpochResults, took: Duration) {
        self.committed_at(results, took, Instant::now());
    }

    fn committed_at(&self, results: &EpochResults, took: Duration, now: Instant) {
        let at = Timestamp::now().as_millisecond();
        self.metrics.commit_took(took, times::delays(results, at));
        let mut known = self.known();
        known.times.commit = Some(at);
        known.commit(results, took, now);
    }

    /// Whoever measures the turns of a worker.
    pub fn turns(&self) -> MeasuredTurns {
        self.metrics.turns()
    }

    /// The job as it stands now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(Instant::now())
    }

    fn snapshot_at(&self, now: Instant) -> Snapshot {
        let known = self.known();
        Snapshot {
            job: self.job.clone(),
            version: env!("CARGO_PKG_VERSION"),
            state: known.state.word(),
            message: known.state.message().map(str::to_string),
            ready: known.state.is_ready(),
            stalls: stalling::shown(&known.stalls, now),
            uptime_seconds: now.duration_since(self.started).as_secs_f64(),
            cpu_seconds: usage().cpu_seconds,
            memory_bytes: resident_memory_bytes(),
            epoch: known.epochs(),
            publishing: known.owing.at(now),
            times: known
                .times
                .at(Timestamp::now().as_millisecond(), now.saturating_duration_since(self.started)),
            watermark: known.watermark(),
            partitions: known.partitions(),
            events: Events { total: known.counts.records, per_second: known.rate.per_second(now) },
            decisions: known.counts.decisions,
            reward: known.reward(),
            arms: known.arms(),
            threshold: known.threshold.map(|(day, total)| Threshold {
                day_ms: Millis::from(day) * DAY,
                high_value: total as f64 / 10f64.powi(self.decimals as i32),
            }),
            counts: known.counted(),
            failed_erasures: known.failed_erasures.numbers(known.unread_erasures),
            rejected: known.rejected.clone(),
            ignored_fields: known.ignored_fields(),
            given_up: known.given_up.clone(),
            dead_letters: known.dead_letters.iter().map(|(_, letter)| letter.clone()).collect(),
            segments: known.segments(),
        }
    }

    /// The same in the text form of Prometheus.
    pub fn metrics(&self) -> String {
        self.metrics.render(&self.snapshot())
    }

    /// A writer that panicked leaves numbers behind, never a broken structure.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writing.
impl Known {
    fn new(arms: &[String], started: Instant) -> Self {
        Known {
            state: State::Starting,
            stalls: Stalls::default(),
            cut: 0,
            committed: 0,
            commit_took: None,
            digest: None,
            watermark: None,
            held_by: None,
            checkpoint: 0,
            owing: Owing::default(),
            times: Times::default(),
            next_offsets: BTreeMap::new(),
            ends: BTreeMap::new(),
            counts: Counts::none(),
            of_other_customers: 0,
            unmatched: UnmatchedWatch::default(),
            unread_erasures: 0,
            failed_erasures: FailedErasures::none(),
            rate: Rate::new(started),
            arms: arms
                .iter()
                .map(|name| KnownArm { name: name.clone(), ..KnownArm::default() })
                .collect(),
            arm_days: BTreeMap::new(),
            choices: Choices::default(),
            outcomes: Outcomes::default(),
            benchmark: Benchmark::default(),
            threshold: None,
            rejected: BTreeMap::new(),
            given_up: Topic::ids().map(|topic| (topic.name(), 0)).into_iter().collect(),
            ignored: IGNORABLE
                .into_iter()
                .map(|(topic, field)| ((topic.id(), field.to_string()), 0))
                .collect(),
            dead_letters: VecDeque::new(),
            segments: BTreeMap::new(),
        }
    }

    fn commit(&mut self, results: &EpochResults, took: Duration, now: Instant) {
        self.commit_took = Some(took);
        let essentials = results.essentials();
        self.rate.add(now, essentials.records);
        self.repeat(results);
        self.decide(results);
        self.unmatched.look(&self.counted(), now);
        self.blank(&essentials.erased());
        essentials.rejected.iter().for_each(|rejected| self.reject(rejected));
        essentials.ignored.iter().for_each(|(field, records)| {
            *self.ignored.entry(field.clone()).or_default() += records
        });
    }

    /// What an epoch changed, whenever it was committed.
    fn repeat(&mut self, results: &EpochResults) {
        self.committed = self.committed.max(results.epoch);
        self.cut = self.cut.max(results.epoch);
        self.digest = Some(results.digest);
        self.watermark = self.watermark.max(results.closed.watermark);
        self.held_by = results.closed.held_by;
        self.next_offsets.extend(
            results
                .closed
                .offsets
                .iter()
                .map(|(topic, partition, next)| ((*topic, *partition), *next)),
        );
        self.counts.add(&results.counts);
        self.unread_erasures += results.essentials().unread_erasures;
        self.of_other_customers = results.of_other_customers.unwrap_or(self.of_other_customers);
        self.threshold = self.threshold.max(results.thresholds.iter().copied().max());
        self.stand(&results.arm_days, &results.segments);
        results.arms.iter().for_each(|update| self.count(update.arm, update.totals.n));
    }

    fn count(&mut self, arm: u32, n: i64) {
        if let Some(arm) = self.arms.get_mut(arm as usize) {
            arm.n = n;
        }
    }

    fn decide(&mut self, results: &EpochResults) {
        let chosen = || results.decisions.iter().filter_map(|decision| decision.arm);
        for arm in chosen() {
            if let Some(arm) = self.arms.get_mut(usize::from(arm)) {
                arm.decisions += 1;
            }
        }
        self.choices.add(chosen());
        self.outcomes.add(results);
    }

    /// Takes in rows that replace what stood.
    fn stand(&mut self, arm_days: &[ArmDay], segments: &[Segment]) {
        for row in arm_days {
            let (interactions, reward) = self
                .arm_days
                .insert((row.day, row.arm), *row)
                .map_or((0, 0), |old| (old.interactions, old.reward));
            if let Some(arm) = self.arms.get_mut(usize::from(row.arm)) {
                arm.interactions += row.interactions - interactions;
                arm.reward += row.reward - reward;
            }
        }
        self.segments.extend(segments.iter().map(|segment| (segment.flags, segment.customers)));
    }

    /// Takes out what is shown of the dead letters of erased customers.
    fn blank(&mut self, erased: &[(CustomerId, Millis)]) {
        let theirs = |whose: &Option<Whose>| whose.is_some_and(|whose| whose.is_erased(erased));
        for (whose, letter) in self.dead_letters.iter_mut().filter(|(whose, _)| theirs(whose)) {
            (*whose, letter.detail) = (None, Rejected::BLANKED.to_string());
        }
    }

    fn reject(&mut self, rejected: &Rejected) {
        *self.rejected.entry(rejected.reason.word()).or_default() += 1;
        let letter = DeadLetter {
            topic: rejected.topic.name(),
            partition: rejected.place.partition(),
            position: rejected.place.position(),
            reason: rejected.reason.word(),
            detail: rejected.detail.clone(),
        };
        self.dead_letters.push_front((rejected.whose, letter));
        self.dead_letters.truncate(DEAD_LETTERS);
    }
}

/// Reading.
impl Known {
    fn epochs(&self) -> Epochs {
        Epochs {
            cut: self.cut,
            committed: self.committed,
            in_flight: self.cut.saturating_sub(self.committed),
            checkpoint: self.checkpoint,
            commit_seconds: self.commit_took.map(|took| took.as_secs_f64()),
            digest: self.digest.as_ref().map(|digest| hexadecimal(digest)),
        }
    }

    fn watermark(&self) -> Option<Watermark> {
        let held_by =
            self.held_by.map(|(topic, partition)| Holder { topic: topic.name(), partition });
        self.watermark.map(|timestamp_ms| Watermark { timestamp_ms, held_by })
    }

    /// Those that the broker has, and those that are committed, for what has an end need not have
    /// been read yet.
    fn partitions(&self) -> Vec<Partition> {
        let all: BTreeSet<(TopicId, u32)> =
            self.ends.keys().chain(self.next_offsets.keys()).copied().collect();
        let partition = |at: (TopicId, u32)| {
            let End { high_watermark, last_stable } =
                self.ends.get(&at).copied().unwrap_or_default();
            let next_offset = self.next_offsets.get(&at).copied();
            Partition {
                topic: at.0.name(),
                partition: at.1,
                next_offset,
                last_stable_offset: last_stable,
                high_watermark,
                // The ends were asked for before the latest records were read.
                lag: last_stable.zip(next_offset).map(|(end, next)| end.saturating_sub(next)),
                held_back: high_watermark
                    .zip(last_stable)
                    .map(|(high, stable)| high.saturating_sub(stable)),
            }
        };
        all.into_iter().map(partition).collect()
    }

    fn reward(&self) -> Reward {
        let (interactions, reward) = self
            .arms
            .iter()
            .fold((0, 0), |(count, sum), arm| (count + arm.interactions, sum + arm.reward));
        Reward {
            mean: mean_q16(reward, interactions),
            recent_mean: self.outcomes.mean(None),
            recent_outcomes: self.outcomes.count(),
            best_possible: self.benchmark.best_possible,
            best_fixed: self.benchmark.best_fixed,
        }
    }

    fn arms(&self) -> Vec<Arm> {
        let decisions: u64 = self.arms.iter().map(|arm| arm.decisions).sum();
        let interactions: i64 = self.arms.iter().map(|arm| arm.interactions).sum();
        let of_arm = |(number, arm): (usize, &KnownArm)| Arm {
            arm: number,
            name: arm.name.clone(),
            n: arm.n,
            decisions: arm.decisions,
            decisions_share: (decisions > 0).then(|| arm.decisions as f64 / decisions as f64),
            recent_decisions_share: self.choices.share(number),
            interactions: arm.interactions,
            interactions_share: (interactions > 0)
                .then(|| arm.interactions as f64 / interactions as f64),
            mean_reward: mean_q16(arm.reward, arm.interactions),
            recent_mean_reward: self.outcomes.mean(Some(number)),
        };
        self.arms.iter().enumerate().map(of_arm).collect()
    }

    fn ignored_fields(&self) -> Vec<IgnoredField> {
        let of = |((topic, field), records): (&(TopicId, String), &u64)| IgnoredField {
            topic: topic.name(),
            field: field.clone(),
            records: *records,
        };
        self.ignored.iter().map(of).collect()
    }

    fn counted(&self) -> Counted {
        Counted {
            counts: self.counts,
            of_other_customers: self.of_other_customers,
            rejected: self.rejected.values().sum(),
        }
    }

    fn segments(&self) -> Vec<SegmentSize> {
        let peopled = self.segments.iter().filter(|(_, customers)| **customers > 0);
        let mut sizes: Vec<_> = peopled
            .map(|(flags, customers)| SegmentSize {
                flags: flag_names(*flags),
                customers: *customers,
            })
            .collect();
        sizes.sort_by_key(|segment| std::cmp::Reverse(segment.customers));
        sizes
    }
}

/// The flags of a segment, in words.
fn flag_names(flags: u8) -> Vec<&'static str> {
    let named = [(8, "high value"), (4, "at risk"), (2, "frequent buyer"), (1, "recently active")];
    named.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name).collect()
}
