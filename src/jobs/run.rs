//! The long-running job: Kafka in, the campaign dataflow, the sink and the predictions topic out.

use super::ending::Ending;
use super::erasing::erase;
use super::gather::{Checkpointing, Gather, GatherError};
use super::keeping::Keeping;
use super::live::{Control, Pace, live};
use super::opening;
use super::peers;
use super::plan::{Plan, agree};
use super::publishing::Publishing;
use super::recalling::{Recalling, Share};
use super::restart::{Restart, RestartError, Sources};
use super::saving::{LoadError, ToSaver, load};
use super::schedule::Schedule;
use super::start::{Asked, Start, Taken};
use super::topics::{self, keys};
use super::watch::{Watched, watch};
use crate::blame::Blame;
use crate::campaign::following::CampaignFollower;
use crate::campaign::results::{Changed, EpochResults};
use crate::checkpoint::saver::Intake;
use crate::checkpoint::{
    CheckpointError, Checkpoints, Fingerprint, Saved, Saver, SaverSettings, Unsaved,
};
use crate::cluster::{Cluster, ClusterError, Connected};
use crate::config::types::Config;
use crate::console::{Console, ConsoleError, Erasing, ErasingToken};
use crate::first::Panicked;
use crate::kafka::compacted::Compacted;
use crate::kafka::intake::{KafkaIntake, Seat, Sight};
use crate::kafka::publisher::Publisher;
use crate::kafka::{KafkaError, KafkaSettings, admin, properties};
use crate::postgres::waiting;
use crate::sink::alerts::{alert_of_unread_erasures, of_other_units};
use crate::sink::thread::{SinkThread, spawn};
use crate::sink::{Commit, Sink, SinkError, Trouble};
use crate::source::TopicUuids;
use crate::status::Status;
use crossbeam_channel::{Sender, bounded};
use dataflows::Dataflow;
use dataflows::campaign::graph::{Beginning, Campaign};
use dataflows::customer::Features;
use dataflows::operators::deliver::deliver;
use dataflows::settings::Emit;
use dataflows::source::TopicId;
use dataflows::state::turns::{Pacer, TURN};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use timely::worker::Worker;

/// Why the job ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The broker or its topics.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The sink.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It cannot go on where it was.
    #[error(transparent)]
    Restart(#[from] RestartError),
    /// The workers.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The epochs.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The console.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// The checkpoint that the job goes on from cannot be taken up.
    #[error("the job cannot begin: {0}")]
    Load(#[from] LoadError),
    /// The drain was in order but for the last checkpoint.
    #[error(transparent)]
    Unsaved(#[from] Unsaved),
    /// The signals cannot be caught.
    #[error("SIGTERM and SIGINT cannot be caught: {0}")]
    Signals(#[source] std::io::Error),
    /// There is no thread to be had.
    #[error("the thread `{name}` cannot be started: {source}")]
    Thread {
        /// What it was to do.
        name: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// A worker gives no sign of life.
    #[error("a worker of the job hangs, here or in another process: it has given no sign of life \
        for {} s. Start all processes again", .0.as_secs())]
    Hung(Duration),
    /// The drain did not end in time, and not everything is committed.
    #[error("the drain did not end in {} s; what is not committed is read again at the next \
        start", .0.as_secs())]
    Undrained(Duration),
}

impl RunError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            RunError::Kafka(error) => error.blame(),
            RunError::Sink(error) => error.blame(),
            RunError::Checkpoint(error) => error.blame(),
            RunError::Restart(error) => error.blame(),
            RunError::Cluster(error) => error.blame(),
            RunError::Gather(error) => error.blame(),
            RunError::Console(error) => error.blame(),
            RunError::Load(error) => error.blame(),
            RunError::Unsaved(_)
            | RunError::Signals(_)
            | RunError::Thread { .. }
            | RunError::Panicked(_)
            | RunError::Hung(_)
            | RunError::Undrained(_) => Blame::World,
        }
    }
}

/// What is logged when everything is connected and the first record is asked for.
pub const READING: &str = "The job begins to read.";

/// What is logged by a process that looks for the others of its job.
pub const CONNECTING: &str = "The other processes of the job are looked for.";

/// How long a start waits for a broker that does not answer.
const START: Duration = Duration::from_secs(30);

/// How long the end waits for the last checkpoint.
const SAVING: Duration = Duration::from_secs(8);

/// How long the end publishes what is owed.
const PUBLISHING: Duration = Duration::from_secs(5);

/// Runs the job until it is told to drain or cannot go on. Where that is `asked`, it forgets its
/// results and checkpoints first.
///
/// # Errors
/// What ended it.
pub fn run(config: &Config, features: Features, asked: Asked) -> Result<(), RunError> {
    let cluster = Cluster::of(config)?.started_with("command", "run");
    let cluster = cluster
        .started_with("--rebuild", asked.rebuild)
        .started_with("--accept-loss", asked.accept_loss);
    let cluster = cluster.started_with("--reconfigure", asked.reconfigure);
    let job = Arc::new(Job::new(config, features)?);
    job.catch_signals()?;
    let erasing =
        Erasing { erase: erase(&job.kafka, &job.watched.status), token: job.erasing_token.clone() };
    let console = Console::start(&config.http, Arc::clone(&job.watched.status), Some(erasing))?;
    tracing::info!(address = %console.address(), "The console is up.");
    let ending = job.watched.ending.clone();
    let (own, config) = (Arc::clone(&job), config.clone());
    let over = ending.spawn("job", move || own.run(&cluster, &config, asked))?;
    // What is not waited for ends with the process, which has nothing more to do after this.
    let how = watch(&job.watched, &over);
    let outcome = ending.end(how);
    console.stop();
    outcome
}

/// The dataflow of the job, and of whoever computes again what it did; `snapshots` only where
/// checkpoints are taken.
pub(super) fn described(config: &Config, features: Features, snapshots: bool) -> Campaign {
    let mut settings = config.settings();
    // Texts of ids are only for whoever keeps rows.
    settings.input.names = !config.postgres.url.is_empty() || config.files.dir.is_some();
    settings.emit = Emit {
        interactions: true,
        features: true,
        final_features: None,
        profiled: false,
        snapshots,
    };
    Campaign { settings: Arc::new(settings), features: Arc::new(features), thresholds: None }
}

/// What all threads of the process share.
struct Job {
    described: Campaign,
    kafka: KafkaSettings,
    /// The ids of the topics that it reads, once they are asked for.
    topic_ids: OnceLock<TopicUuids>,
    checkpoints: Checkpoints,
    /// The topics of which what is read is kept.
    compacted: Compacted,
    /// What erasing takes at the console, from when the job has begun.
    erasing_token: ErasingToken,
    /// Writes checkpoints, once it is known what the job begins with.
    saver: Mutex<Option<Saver>>,
    watched: Watched,
}

/// What the first worker has beside the others.
struct Lead {
    restart: Restart,
    to_sink: Sender<Box<EpochResults>>,
}

/// What the first process has beside the others: what commits and publishes, and its first
/// worker's.
type First = ((SinkThread, Arc<Publishing>), Lead);

impl Job {
    fn new(config: &Config, features: Features) -> Result<Self, RunError> {
        let described = described(config, features, true);
        let status = Arc::new(Status::new(
            &config.job,
            &described.settings.input.arms,
            config.input.decimals,
        ));
        let checkpoints = Checkpoints::open(
            &config.checkpoint.dir,
            &config.job,
            Fingerprint::of(&described.settings),
        )?;
        let control = Control::default();
        let ending = Ending::new(control.clone(), Arc::clone(&status));
        let watched = Watched {
            control,
            sight: Sight::new(&config.kafka.brokers, ending.teller()),
            ending,
            trouble: Trouble::default(),
            saved: Arc::default(),
            seat: peers::Seat {
                process: config.process,
                processes: config.processes,
                workers: config.workers,
            },
            status,
            begun: Arc::new(AtomicBool::new(false)),
            connecting: Arc::new(AtomicBool::new(false)),
        };
        Ok(Job {
            described,
            kafka: config.kafka_settings(),
            topic_ids: OnceLock::new(),
            checkpoints,
            compacted: Compacted::default(),
            erasing_token: ErasingToken::of(config),
            saver: Mutex::new(None),
            watched,
        })
    }

    fn catch_signals(&self) -> Result<(), RunError> {
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&self.watched.control.drain))
                .map_err(RunError::Signals)?;
        }
        Ok(())
    }

    /// From the first connection to the last commit.
    fn run(
        self: &Arc<Self>,
        cluster: &Cluster,
        config: &Config,
        asked: Asked,
    ) -> Result<(), RunError> {
        // The broker first: an instance that cannot read must not take the job over from one that
        // can.
        let Some(partitions) = self.await_partitions()? else { return Ok(()) };
        let now = topics::ids(&self.kafka);
        // Then the other processes: one that is of another job must not take this one over either.
        let connected = self.connect(cluster, &partitions, &now)?;
        let first = match cluster.is_first() {
            true => {
                let Some(first) = self.lead(config, &partitions, &now, asked)? else {
                    return Ok(());
                };
                Some(first)
            }
            false => None,
        };
        let (sink, lead) = first.unzip();
        let (sink, publishing) = sink.unzip();
        self.watched.begun.store(true, Ordering::Release);
        self.erasing_token.prepare();
        let wants_checkpoint = Arc::clone(&self.watched.control.wants_checkpoint);
        let expected = *self.topic_ids.get_or_init(|| now);
        let looking = topics::looking(
            &self.kafka,
            &partitions,
            expected,
            &self.watched.sight,
            &self.compacted,
            wants_checkpoint,
        );
        self.watched.ending.spawn("topics", looking)?;
        tracing::info!(partitions = keys(&partitions).len(), "{READING}");
        self.run_workers(connected, config, partitions, lead)?;
        self.end(sink, publishing.as_deref());
        Ok(())
    }

    /// On the first process: takes the job over, once nothing speaks against it, and starts the
    /// sink's thread and the publisher's; nothing where it is told to drain before.
    fn lead(
        self: &Arc<Self>,
        config: &Config,
        partitions: &BTreeMap<TopicId, Vec<u32>>,
        now: &TopicUuids,
        asked: Asked,
    ) -> Result<Option<First>, RunError> {
        let publisher = Publisher::new(&self.kafka)?;
        if config.journal_folder().is_none() {
            self.watched.ending.spawn(
                "database",
                waiting::watching(config.postgres_address(), self.watched.trouble.clone()),
            )?;
        }
        let sources = Sources { checkpoints: &self.checkpoints, kafka: &self.kafka, partitions };
        let start = Start {
            config,
            campaign: &self.described,
            sources,
            now,
            asked,
            trouble: &self.watched.trouble,
        };
        let survey = self.await_broker(|| match start.survey() {
            Err(RestartError::Kafka(error)) => Err(error),
            other => Ok(other),
        });
        let Some(survey) = survey? else { return Ok(None) };
        let Taken { sink, outbox, restart, topic_ids } = survey?.take_over()?;
        self.topic_ids.get_or_init(|| topic_ids);
        let (status, failure) = (Arc::clone(&self.watched.status), self.watched.ending.teller());
        let publishing = Arc::new(Publishing::start(
            &self.kafka,
            publisher,
            &config.bandit.arms,
            outbox,
            sink.progress(),
            status,
            failure,
        )?);
        let (to_sink, results) = bounded(config.limits.epochs_in_flight as usize + 1);
        let (watched, published) = (self.watched.clone(), Arc::clone(&publishing));
        let mut of_units = BTreeSet::new();
        let then = move |sink: &mut dyn Sink, mut results: Box<EpochResults>, commit: Commit| {
            watched.status.committed(&results, commit.took);
            alert_of_unread_erasures(&results.rejected);
            of_other_units(&results.rejected, &mut of_units)
                .iter()
                .for_each(|line| tracing::warn!("{line}"));
            watched.sight.committed(&results.closed.offsets);
            published.committed(&mut results);
            watched
                .saved
                .get()
                .into_iter()
                .for_each(|saved| sink.checkpointed(saved.newest(), saved.oldest()));
        };
        // Records that a checkpoint covers go without waiting for an epoch that may never come.
        let (saved, mut looked_at) = (self.watched.clone(), 0);
        let at_rest = move |sink: &mut dyn Sink| {
            if let Some(saved) = saved.saved.get().filter(|saved| saved.newest() > looked_at) {
                looked_at = saved.newest();
                sink.checkpointed(saved.newest(), saved.oldest());
            }
        };
        let committed = Arc::clone(&self.watched.control.committed);
        let sink = spawn(sink, results, committed, then, at_rest, self.watched.ending.teller())?;
        Ok(Some(((sink, publishing), Lead { restart, to_sink })))
    }

    /// The partitions of every topic; nothing where the job is told to drain before the broker is
    /// there.
    fn await_partitions(&self) -> Result<Option<BTreeMap<TopicId, Vec<u32>>>, KafkaError> {
        let Some(partitions) = self.await_broker(|| admin::partitions(&self.kafka))? else {
            return Ok(None);
        };
        self.watched.sight.begins();
        let found = properties::of_read(&self.kafka);
        self.compacted.learn(found.as_ref().ok(), &self.kafka);
        match found {
            Ok(found) => found.warnings().iter().for_each(|warning| tracing::warn!("{warning}")),
            // What is odd about topics keeps nobody from reading them.
            Err(error) => tracing::warn!("The topics are not checked: {error}."),
        }
        Ok(Some(partitions))
    }

    /// What the broker says; one that is not there yet is waited for, unless the job is told to
    /// drain.
    fn await_broker<T>(
        &self,
        mut ask: impl FnMut() -> Result<T, KafkaError>,
    ) -> Result<Option<T>, KafkaError> {
        let started = Instant::now();
        let mut warned = false;
        loop {
            let error = match ask() {
                Ok(said) => return Ok(Some(said)),
                Err(error) => error,
            };
            if !error.is_transient() || started.elapsed() >= START {
                return Err(error.after(started.elapsed()));
            }
            if self.watched.control.drain.load(Ordering::Acquire) {
                return Ok(None);
            }
            self.watched.sight.waits(error.to_string());
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(timeout = ?START, "The broker is not ready; waiting for it: \
                    {error}.");
            }
            std::thread::park_timeout(Duration::from_millis(500));
        }
    }

    /// Waits for the other processes of the job, which have to see the same topics.
    fn connect(
        &self,
        cluster: &Cluster,
        partitions: &BTreeMap<TopicId, Vec<u32>>,
        now: &TopicUuids,
    ) -> Result<Connected, ClusterError> {
        let mut cluster = cluster.clone();
        for (&topic, partitions) in partitions {
            let name = self.kafka.topic_name(topic);
            cluster =
                cluster.finding(&format!("the number of partitions of {name}"), partitions.len());
            if let Some(id) = now.get(topic) {
                cluster = cluster.finding(&format!("the id of topic {name}"), id);
            }
        }
        if cluster.has_others() {
            tracing::info!("{CONNECTING}");
        }
        self.watched.connecting.store(true, Ordering::Release);
        let connected = cluster.connect();
        self.watched.connecting.store(false, Ordering::Release);
        connected
    }

    fn run_workers(
        self: &Arc<Self>,
        connected: Connected,
        config: &Config,
        partitions: BTreeMap<TopicId, Vec<u32>>,
        lead: Option<Lead>,
    ) -> Result<(), RunError> {
        let settings = SaverSettings {
            process: config.process,
            processes: config.processes,
            keep: config.checkpoint.keep,
            room: config.limits.unsaved,
            ..SaverSettings::new(config.workers)
        };
        let (job, config) = (Arc::clone(self), config.clone());
        let partitions = keys(&partitions);
        // Only one worker of one process leads; the channel to the sink closes when it is done.
        let lead = Mutex::new(lead);
        connected
            .run(move |worker| {
                let lead = if worker.index() == 0 {
                    lead.lock().ok().and_then(|mut lead| lead.take())
                } else {
                    None
                };
                job.work(worker, &config, &settings, &partitions, lead)
            })
            .map(drop)
    }

    fn work(
        self: &Arc<Self>,
        worker: &mut Worker,
        config: &Config,
        settings: &SaverSettings,
        partitions: &BTreeSet<(TopicId, u32)>,
        lead: Option<Lead>,
    ) -> Result<(), RunError> {
        let plan = agree(worker, lead.as_ref().map(|lead| lead.restart.plan.clone()));
        self.watched.control.repeats.store(plan.repeats(), Ordering::Release);
        // A change of settings may take its time, and what is there of checkpoints is of the former
        // ones.
        self.watched.control.changes.store(plan.former().is_some(), Ordering::Release);
        let changing =
            plan.former().and(plan.manifest().as_ref()).map_or(0, |manifest| manifest.epoch + 1);
        self.watched.control.changing.store(changing, Ordering::Release);
        self.watched.control.wants_checkpoint.fetch_or(plan.former().is_some(), Ordering::AcqRel);
        if worker.index() == 0 {
            self.watched
                .status
                .given_up(plan.losses().iter().map(|loss| (loss.topic, loss.offsets())));
        }
        let described = plan.described(&self.described);
        let (mut beginning, changed) = self.begin(worker, &plan, &described, settings)?;
        let seat = Seat { index: worker.index(), peers: worker.peers() };
        let assigned = plan.assigned(partitions, seat);
        let control = &self.watched.control;
        let turns = Box::new(self.watched.status.turns());
        beginning.shard = beginning.shard.paced_by(Pacer::new(TURN, turns));
        let first = beginning.common.as_ref().map_or(1, |common| common.epoch + 1);
        let mut pace = Pace {
            interval: config.epoch.interval,
            max_events: config.epoch.max_events,
            ahead: config.limits.epochs_in_flight,
            first,
            repeats: plan.repeats(),
            replayed: Vec::new(),
            erased: Vec::new(),
            saves: None,
        };
        let mut gather = lead.map(|Lead { restart, to_sink }| {
            control.committed.fetch_max(first - 1, Ordering::AcqRel);
            let mut follower = CampaignFollower::new(described.clone());
            if let Some(common) = &beginning.common {
                follower = follower.after(common).changing(changed);
            }
            let failure = self.watched.ending.teller();
            let gather = Gather::new(follower, first - 1, control.clone(), to_sink, failure);
            let status = Arc::clone(&self.watched.status);
            let gather =
                gather.comparing(restart.committed, move |results| status.repeated(results));
            let gather = gather.chaining(
                restart.history,
                restart.link,
                self.topic_ids.get().copied().unwrap_or_default(),
            );
            control.repeated.store(first - 1 + restart.replayed.len() as u64, Ordering::Release);
            pace.replayed = restart.replayed;
            pace.erased = restart.erased;
            let Some((saver, saved)) = self.saver() else { return gather };
            let schedule = Arc::new(Schedule::new(
                config.checkpoint.interval,
                saved,
                Arc::clone(&control.wants_checkpoint),
            ));
            pace.saves = Some(Arc::clone(&schedule));
            gather.saving(Checkpointing::new(saver, schedule))
        });
        worker.dataflow::<u64, _, _>(|scope| {
            let topic_ids = self.topic_ids.get().copied().unwrap_or_default();
            let kafka =
                KafkaSettings { topic_ids, losses: plan.losses().to_vec(), ..self.kafka.clone() };
            let (sight, idle) = (self.watched.sight.clone(), config.epoch.idle);
            let (compacted, starts) = (self.compacted.clone(), plan.starts());
            let share = Share {
                after: first - 1,
                until: plan
                    .kept()
                    .into_iter()
                    .filter(|((_, partition), _)| seat.has(*partition))
                    .collect(),
            };
            let kept = opening::kept_reader(config, &self.described.features, plan.identity());
            let feed = live(scope, pace, control.clone(), move |activator| {
                let wake = move || {
                    // A worker that has ended needs no waking.
                    let _ = activator.activate();
                };
                let topics =
                    KafkaIntake::start(&kafka, assigned, seat, idle, sight.clone(), wake.clone());
                let recalling = Recalling::start(topics, kept, &share, &starts, sight, wake);
                Keeping::new(recalling, compacted, starts)
            });
            deliver(described.build(feed, beginning), move |delivery| {
                if let Some(gather) = &mut gather {
                    gather.receive(delivery);
                }
            });
        });
        while worker.step_or_park(Some(Duration::from_millis(100))) {}
        Ok(())
    }

    /// What this worker begins with. A checkpoint that was found sound and cannot be taken up all
    /// the same ends the job.
    fn begin(
        &self,
        worker: &Worker,
        plan: &Plan,
        described: &Campaign,
        settings: &SaverSettings,
    ) -> Result<(Beginning, Option<Changed>), LoadError> {
        self.start_saver(plan, settings)?;
        let (mut beginning, changed) = load(
            &self.checkpoints,
            plan.manifest().as_ref(),
            plan.former(),
            described,
            worker.index(),
            worker.peers(),
        )?;
        beginning.images =
            self.saver().map(|(saver, _)| Box::new(ToSaver::new(saver, worker.index())) as _);
        if let (0, Some(common)) = (worker.index(), &beginning.common) {
            self.watched.status.restored(common);
        }
        Ok((beginning, changed))
    }

    /// Starts the saver of the process, with whichever worker comes first.
    fn start_saver(&self, plan: &Plan, settings: &SaverSettings) -> Result<(), CheckpointError> {
        let mut saver = self.saver.lock().unwrap_or_else(PoisonError::into_inner);
        if saver.is_none() {
            let committed = Arc::clone(&self.watched.control.committed);
            let started = Saver::start(
                self.checkpoints.of(plan.identity()),
                settings.clone(),
                committed,
                plan.manifest(),
            )?;
            self.watched.saved.get_or_init(|| Arc::clone(started.saved()));
            if plan.former().is_some() {
                started.saved().starts_over();
            }
            *saver = Some(started);
        }
        Ok(())
    }

    /// The way to the saver, and what has become of its checkpoints.
    fn saver(&self) -> Option<(Intake, Arc<Saved>)> {
        let saver = self.saver.lock().unwrap_or_else(PoisonError::into_inner);
        saver.as_ref().map(|saver| (saver.intake(), Arc::clone(saver.saved())))
    }

    /// The workers have ended in order: waits for the last commit, for what is to be published, and
    /// for the last checkpoint; for the latter two only after no failure.
    fn end(&self, sink: Option<SinkThread>, publishing: Option<&Publishing>) {
        // What it failed with, or panicked with, it has told.
        let sink = sink.and_then(|sink| sink.join().ok().flatten());
        self.watched.hear();
        let failed = self.watched.ending.has_failed();
        let patience = if failed { Duration::ZERO } else { PUBLISHING };
        publishing.into_iter().for_each(|publishing| publishing.close(patience));
        if let Some(saver) = self.saver.lock().unwrap_or_else(PoisonError::into_inner).take()
            && let Err(unsaved) = saver.finish(if failed { Duration::ZERO } else { SAVING })
        {
            self.watched.ending.fail(unsaved);
        }
        publishing.into_iter().for_each(|publishing| publishing.join(patience));
        // What the last checkpoint covers goes at once, for nobody knows when the next start is.
        if let (Some(mut sink), Some(saved)) = (sink, self.watched.saved.get()) {
            sink.checkpointed(saved.newest(), saved.oldest());
        }
    }
}
