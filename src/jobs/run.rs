//! The long-running job: Kafka in, the campaign dataflow, PostgreSQL and the predictions topic out.

use super::gather::{self, Gather, GatherError};
use super::live::{Control, Pace, Replayed, live};
use super::predictions::Predictions;
use crate::cluster::{Cluster, ClusterError};
use crate::config::types::{Config, Start};
use crate::console::{Console, ConsoleError};
use crate::kafka::intake::{KafkaIntake, Sight};
use crate::kafka::{Assigned, KafkaError, KafkaSettings, Position, admin};
use crate::postgres::{Commit, PostgresError, RecordedEpoch, Trouble, Writer, sink};
use crate::results::EpochResults;
use crate::telemetry::status::{State, Status};
use crossbeam_channel::{Sender, bounded};
use dataflows::campaign::graph::{Campaign, campaign};
use dataflows::customer::Features;
use dataflows::event::Topic;
use dataflows::operators::deliver::deliver;
use dataflows::settings::Emit;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use timely::worker::Worker;

/// Why the job ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The broker or its topics.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The workers.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The epochs.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The console.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// The predictions of before cannot be published.
    #[error(transparent)]
    Predictions(#[from] super::predictions::PredictionError),
    /// The signals cannot be caught.
    #[error("SIGTERM and SIGINT cannot be caught: {0}")]
    Signals(#[source] std::io::Error),
    /// A start in the middle cannot be repeated.
    #[error(
        "job `{0}` has progress, but was not started with kafka.start = \"earliest\": without a checkpoint its first records cannot be found again; \
         start a job of another name"
    )]
    Unrepeatable(String),
}

/// What is logged when everything is connected and the first record is asked for.
pub const READING: &str = "The job begins to read.";

/// Epochs that are cut and not committed: one that the sink commits, one that waits for it, and two that the workers have.
const AHEAD: u64 = 4;

/// Runs the job until it is told to drain or cannot go on.
///
/// # Errors
/// What ended it.
pub fn run(config: &Config, features: Features) -> Result<(), RunError> {
    let cluster = Cluster::of(config)?;
    let job = Arc::new(Job::new(config, features));
    job.catch_signals()?;
    let console = Console::start(&config.http, Arc::clone(&job.status))?;
    tracing::info!(address = %console.address(), "The console is up.");
    let watching = watch(&job);
    let outcome = job.run(&cluster, config);
    job.finished.store(true, Ordering::Release);
    // The watch looks at it within a moment.
    let _ = watching.join();
    console.stop();
    outcome
}

/// What all threads of the process share.
struct Job {
    described: Campaign,
    kafka: KafkaSettings,
    control: Control,
    sight: Sight,
    failure: gather::Failure,
    /// Why the database is waited for.
    trouble: Trouble,
    /// Whether reading has begun, so that there is something to finish.
    begun: AtomicBool,
    finished: AtomicBool,
    /// Since when the newest committed epoch is this one.
    waiting: Mutex<(Instant, u64)>,
    status: Arc<Status>,
}

impl Job {
    fn new(config: &Config, features: Features) -> Self {
        let mut settings = config.settings();
        settings.input.names = true;
        settings.emit = Emit { interactions: true, features: true, final_features: None };
        let status = Arc::new(Status::new(&config.job, &settings.input.arms, config.input.decimals));
        let described = Campaign { settings: Arc::new(settings), features: Arc::new(features), thresholds: None };
        Job {
            described,
            kafka: config.kafka_settings(),
            control: Control::default(),
            sight: Sight::default(),
            failure: gather::Failure::default(),
            trouble: Trouble::default(),
            begun: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            waiting: Mutex::new((Instant::now(), 0)),
            status,
        }
    }

    fn catch_signals(&self) -> Result<(), RunError> {
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&self.control.drain)).map_err(RunError::Signals)?;
        }
        Ok(())
    }

    /// From the first connection to the last commit.
    fn run(self: &Arc<Self>, cluster: &Cluster, config: &Config) -> Result<(), RunError> {
        // The broker first: an instance that cannot read must not take the job over from one that can.
        let assigned = self.assign(config)?;
        let (handle, replayed, to_sink) = match cluster.is_first() {
            true => self.open_sink(config)?,
            false => (None, Vec::new(), bounded(0).0),
        };
        self.begun.store(true, Ordering::Release);
        tracing::info!(partitions = assigned.len(), epochs = replayed.len(), "{READING}");
        let outcome = self.run_workers(cluster, config, assigned, replayed, to_sink);
        // Whatever is left to be published waits for no broker any more.
        self.finished.store(true, Ordering::Release);
        let sunk = handle.map(|handle| handle.join());
        if let Some(error) = self.sight.take_failure() {
            return Err(error.into());
        }
        if let Some(Ok(Err(error))) = sunk {
            return Err(error.into());
        }
        if let Some(error) = self.failure.lock().ok().and_then(|mut failure| failure.take()) {
            return Err(error.into());
        }
        outcome
    }

    /// The sink's thread, the epochs that are committed already, and the way to the sink.
    #[allow(clippy::type_complexity, reason = "three things that are opened together")]
    fn open_sink(
        self: &Arc<Self>,
        config: &Config,
    ) -> Result<(Option<JoinHandle<Result<Writer, PostgresError>>>, Vec<RecordedEpoch>, Sender<Box<EpochResults>>), RunError> {
        let settings = config.postgres_settings(&self.described.features);
        let mut writer = Writer::open_telling(settings, self.trouble.clone())?;
        let recorded = writer.recorded_epochs(0)?;
        if !recorded.is_empty() && config.kafka.start != Start::Earliest {
            return Err(RunError::Unrepeatable(config.job.clone()));
        }
        let mut predictions = Predictions::new(&self.kafka, &config.bandit.arms)?;
        predictions.resume(&mut writer)?;
        let (to_sink, results) = bounded(AHEAD as usize + 1);
        let job = Arc::clone(self);
        let then = move |writer: &mut Writer, results: Box<EpochResults>, commit: Commit| {
            job.status.committed(&results, commit.took);
            job.sight.committed(&results.closed.offsets);
            if let Err(error) = predictions.publish(writer, &results, || !job.finished.load(Ordering::Acquire)) {
                tracing::error!(epoch = results.epoch, "Predictions are not published: {error}.");
            }
        };
        let handle = sink::spawn(writer, results, Arc::clone(&self.control.committed), then)?;
        Ok((Some(handle), recorded, to_sink))
    }

    /// Every partition of every topic, and where it begins.
    fn assign(&self, config: &Config) -> Result<Vec<Assigned>, RunError> {
        let from = match config.kafka.start {
            Start::Earliest => Position::Earliest,
            Start::Latest => Position::Latest,
            Start::At(instant) => Position::Timestamp(instant),
        };
        let partitions = self.await_partitions()?;
        match admin::warnings(&self.kafka) {
            Ok(warnings) => warnings.iter().for_each(|warning| tracing::warn!("{warning}")),
            Err(error) => tracing::warn!("The topics are not checked: {error}."),
        }
        let all = partitions.into_iter().flat_map(|(topic, partitions)| partitions.into_iter().map(move |partition| (topic, partition)));
        Ok(all.map(|(topic, partition)| Assigned { topic, partition, from }).collect())
    }

    /// The partitions of every topic; a broker that is not there yet is waited for.
    fn await_partitions(&self) -> Result<BTreeMap<Topic, Vec<u32>>, KafkaError> {
        let started = Instant::now();
        let mut warned = false;
        loop {
            let error = match admin::partitions(&self.kafka) {
                Ok(partitions) => {
                    self.sight.begins();
                    return Ok(partitions);
                }
                Err(error) => error,
            };
            if !error.is_transient() || started.elapsed() >= START || self.control.drain.load(Ordering::Acquire) {
                return Err(error.after(started.elapsed()));
            }
            self.sight.waits(error.to_string());
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(timeout = ?START, "The broker is not ready; waiting for it: {error}.");
            }
            std::thread::park_timeout(Duration::from_millis(500));
        }
    }

    fn run_workers(
        self: &Arc<Self>,
        cluster: &Cluster,
        config: &Config,
        assigned: Vec<Assigned>,
        recorded: Vec<RecordedEpoch>,
        to_sink: Sender<Box<EpochResults>>,
    ) -> Result<(), RunError> {
        let replayed = recorded.iter().map(|epoch| Replayed { bounds: epoch.offsets.clone(), watermark: epoch.watermark }).collect();
        let pace = Pace { interval: config.epoch.interval, max_events: config.epoch.max_events, ahead: AHEAD, replayed };
        let digests: BTreeMap<u64, [u8; 32]> = recorded.into_iter().map(|epoch| (epoch.epoch, epoch.digest)).collect();
        let idle = config.epoch.idle;
        let job = Arc::clone(self);
        // Only one worker of one process gathers; the channel closes when it is done.
        let to_sink = Mutex::new(Some(to_sink));
        cluster.run(move |worker| {
            let sender = if worker.index() == 0 { to_sink.lock().ok().and_then(|mut sender| sender.take()) } else { None };
            job.work(worker, &pace, digests.clone(), &assigned, idle, sender);
        })?;
        Ok(())
    }

    fn work(
        &self,
        worker: &mut Worker,
        pace: &Pace,
        digests: BTreeMap<u64, [u8; 32]>,
        assigned: &[Assigned],
        idle: Duration,
        to_sink: Option<Sender<Box<EpochResults>>>,
    ) {
        let (index, peers) = (worker.index(), worker.peers());
        let mine: Vec<Assigned> = assigned.iter().copied().filter(|assigned| assigned.partition as usize % peers == index).collect();
        worker.dataflow::<u64, _, _>(|scope| {
            let sight = self.sight.clone();
            let kafka = self.kafka.clone();
            let feed = live(scope, pace.clone(), self.control.clone(), move |activator| {
                let wake = move || {
                    // A worker that has ended needs no waking.
                    let _ = activator.activate();
                };
                KafkaIntake::start(&kafka, mine, idle, sight, wake)
            });
            let mut gather = to_sink
                .map(|sink| Gather::new(self.described.clone(), digests, Arc::clone(&self.control.committed), sink, Arc::clone(&self.failure)));
            deliver(campaign(feed, &self.described), move |delivery| {
                if let Some(gather) = &mut gather {
                    gather.receive(delivery);
                }
            });
        });
        while worker.step_or_park(Some(Duration::from_millis(100))) {}
    }

    /// For how long an epoch has been waiting to be committed.
    fn stalled(&self) -> Duration {
        let (cut, committed) = (self.control.cut.load(Ordering::Acquire), self.control.committed.load(Ordering::Acquire));
        let Ok(mut waiting) = self.waiting.lock() else { return Duration::ZERO };
        let (since, of) = *waiting;
        if committed != of || cut <= committed {
            *waiting = (Instant::now(), committed);
            return Duration::ZERO;
        }
        since.elapsed()
    }

    /// Shows where the job stands.
    fn show(&self, draining: bool) {
        let partitions = self.sight.partitions();
        let ends: Vec<_> = partitions.iter().filter_map(|p| p.end.map(|end| (p.topic, p.partition, end))).collect();
        self.status.high_watermarks(&ends);
        self.status.cut(self.control.cut.load(Ordering::Acquire));
        let stalled = self.stalled();
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

    fn has_failed(&self) -> bool {
        self.sight.has_failed() || self.failure.lock().is_ok_and(|failure| failure.is_some())
    }
}

/// An epoch that waits so long to be committed waits for the database.
const STALLED: Duration = Duration::from_secs(5);

/// How long a start waits for a broker that does not answer.
const START: Duration = Duration::from_secs(30);

/// A partition that is so few records behind counts as kept up with.
const KEPT_UP: u64 = 100_000;

/// How long a drain may take before the process ends without it.
const DRAIN: Duration = Duration::from_secs(9);

/// Shows where the job stands, drains it when it cannot go on, and ends a drain that does not end.
fn watch(job: &Arc<Job>) -> JoinHandle<()> {
    let job = Arc::clone(job);
    std::thread::spawn(move || {
        let mut draining: Option<Instant> = None;
        while !job.finished.load(Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_millis(100));
            job.show(draining.is_some());
            if job.has_failed() {
                job.control.drain.store(true, Ordering::Release);
            }
            if job.control.drain.load(Ordering::Acquire) {
                if !job.begun.load(Ordering::Acquire) {
                    tracing::info!("The job ends before it has read anything.");
                    std::process::exit(0);
                }
                let since = *draining.get_or_insert_with(|| {
                    tracing::info!("Draining: the epoch is finished and committed.");
                    Instant::now()
                });
                if since.elapsed() > DRAIN {
                    tracing::error!("The drain did not end in time; what is not committed is read again at the next start.");
                    std::process::exit(1);
                }
            }
        }
    })
}
