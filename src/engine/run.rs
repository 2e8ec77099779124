//! The long-running job: Kafka in, a dataflow, the sink and what is published out.

mod awaiting;
mod error;
mod lead;
mod work;

pub use error::RunError;

use super::ending::Ending;
use super::erasing::erase;
use super::live::Control;
use super::peers;
use super::publishing::Publishing;
use super::restart::Restart;
use super::start::Asked;
use super::topics::{self, keys};
use super::watch::{Watched, watch};
use crate::checkpoint::{Checkpoints, Saver, SaverSettings};
use crate::cluster::{Cluster, ClusterError, Connected};
use crate::config::types::Config;
use crate::console::{Console, ErasingToken, ErasureEndpoint};
use crate::hosting::{Hosted, ResultsOf, agreed_on};
use crate::kafka::KafkaSettings;
use crate::kafka::compacted::Compacted;
use crate::kafka::intake::Sight;
use crate::sink::Trouble;
use crate::sink::thread::SinkThread;
use crate::source::TopicUuids;
use crate::status::Status;
use crossbeam_channel::Sender;
use dataflows::source::TopicId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

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
pub fn run<D: Hosted>(config: &Config, described: D, asked: Asked) -> Result<(), RunError> {
    let cluster =
        Cluster::of(config, &agreed_on::<D>(&described.settings()))?.started_with("command", "run");
    let cluster = cluster
        .started_with("--rebuild", asked.rebuild)
        .started_with("--accept-loss", asked.accept_loss);
    let cluster = cluster.started_with("--reconfigure", asked.reconfigure);
    let job = Arc::new(Job::new(config, described)?);
    job.catch_signals()?;
    let erasing = ErasureEndpoint {
        erase: erase(&job.kafka, &job.watched.status),
        token: job.erasing_token.clone(),
    };
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

/// What all threads of the process share.
struct Job<D> {
    described: D,
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
struct Lead<D: Hosted> {
    restart: Restart,
    to_sink: Sender<Box<ResultsOf<D>>>,
}

/// What the first process has beside the others: what commits and publishes, and its first
/// worker's.
type First<D> = ((SinkThread, Arc<Publishing>), Lead<D>);

impl<D: Hosted> Job<D> {
    fn new(config: &Config, described: D) -> Result<Self, RunError> {
        let figures = described.figures(config);
        let status = Arc::new(Status::new(&config.job, &D::topics(), figures));
        let kafka = config.kafka_settings();
        if kafka.predictions.is_none() {
            status.without_predictions();
        }
        let checkpoints = Checkpoints::open(
            &config.checkpoint.dir,
            &config.job,
            D::fingerprint(&described.settings()),
        )?;
        let control = Control::default();
        let ending = Ending::new(control.clone(), Arc::clone(&status));
        let watched = Watched {
            control,
            sight: Sight::new(&config.kafka.brokers, ending.teller()),
            ending,
            trouble: Trouble::default(),
            saved: Arc::default(),
            seat: peers::ProcessSeat {
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
            kafka,
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
        lead: Option<Lead<D>>,
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
