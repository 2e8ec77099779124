//! The bounded job over files or topics: everything through the dataflow as fast as possible, and
//! the results into files.

mod sources;
pub mod span;
mod topics;

use crate::blame::Blame;
use crate::campaign::replayed::{
    ArmFile, Cost, ModelFile, OutputDirectory, SinkError, Summary, sorted_rows,
};
use crate::campaign::results::EpochResults;
use crate::cluster::{Cluster, ClusterError};
use crate::config::types::Config;
use crate::files::epochs::NamedOffsets;
use crate::files::error::FileError;
use crate::files::reader::{Distribution, Seat, open_all};
use crate::files::source::{Epochs, source};
use crate::files::{InputFile, find_inputs};
use crate::first::First;
use crate::hexadecimal::hexadecimal;
use crate::hosting::agreed_on;
use crate::kafka::KafkaSettings;
use crate::sink::alerts::alert_of_unread_erasures;
use crate::telemetry::progress::{Progress, Unit};
use crate::telemetry::usage::usage;
use dataflows::Dataflow;
use dataflows::bandit::ridge::solve;
use dataflows::bandit::totals::{Totals, digest};
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::{ArmUpdate, Day};
use dataflows::customer::Features;
use dataflows::event::{Millis, Rejected};
use dataflows::operators::deliver::{Delivery, deliver};
use dataflows::settings::Settings;
pub use sources::{SourceFault, SourceFaults};
pub use span::{Place, Span};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use timely::worker::Worker;
pub use topics::TopicsError;

/// What is replayed, and where the results go.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What is read.
    pub input: Input,
    /// Directory of the results.
    pub output: PathBuf,
    /// The instant of features.csv; `None`: that of the latest event.
    pub as_of: Option<Millis>,
    /// A stream's behavior with this lateness; `None`: nothing is late.
    pub lateness: Option<Millis>,
    /// Thresholds that were published, sorted by day; `None`: they are computed.
    pub thresholds: Option<Vec<(Day, u64)>>,
}

/// What is replayed.
#[derive(Clone, Debug)]
pub enum Input {
    /// The files of a directory.
    Files(PathBuf),
    /// A stretch of the topics.
    Topics(Span),
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The topics.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The input.
    #[error(transparent)]
    Files(#[from] FileError),
    /// The workers.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The results.
    #[error(transparent)]
    Results(#[from] SinkError),
}

impl ReplayError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            ReplayError::Topics(error) => error.blame(),
            ReplayError::Files(error) => error.blame(),
            ReplayError::Cluster(error) => error.blame(),
            ReplayError::Results(SinkError::Write { .. }) => Blame::World,
        }
    }
}

/// With `lateness`, files are cut into epochs of so many blocks.
const STREAMED: Epochs = Epochs { blocks: 4, ahead: 4 };

/// What came of a replay.
#[derive(Debug)]
pub struct Replayed {
    /// As the file has it.
    pub summary: Summary,
    /// What was hardly meant so with the files that were read, and those that were not.
    pub faults: Vec<SourceFault>,
}

/// Replays the files or topics; `None` in processes other than the first.
///
/// # Errors
/// Files cannot be read or written, or a worker ended.
pub fn replay(
    config: &Config,
    features: Features,
    replay: &Replay,
) -> Result<Option<Replayed>, ReplayError> {
    let started = Instant::now();
    let cluster = cluster(config, replay)?;
    if cluster.is_first() {
        // Hours of reading are not to end at a folder that nothing can be written to.
        OutputDirectory::create(&replay.output)?.try_out()?;
    }
    let settings = settings(config, replay);
    let campaign = Campaign {
        settings: Arc::new(settings),
        features: Arc::new(features),
        thresholds: replay.thresholds.clone().map(Arc::new),
    };
    let (results, sources) = match &replay.input {
        Input::Files(directory) => {
            let inputs = find_inputs(directory)?;
            (
                through_dataflow(&cluster, &inputs, &campaign, replay.lateness.is_some())?,
                Sources::Files(inputs),
            )
        }
        Input::Topics(span) => {
            let kafka = config.kafka_settings();
            let (results, held_back) = topics::replay(&cluster, &kafka, &campaign, span)?;
            (results, Sources::Topics(Box::new(kafka), held_back))
        }
    };
    if !cluster.is_first() {
        return Ok(None);
    }
    let summary = write_results(&results, &campaign, &sources, replay, config.workers, || {
        let used = usage();
        let wall_seconds = started.elapsed().as_secs_f64();
        Cost {
            wall_seconds,
            cpu_seconds: used.cpu_seconds,
            peak_memory_bytes: used.peak_memory_bytes,
            workers: cluster.peers(),
        }
    })?;
    let faults = match (&replay.input, &sources) {
        (Input::Files(directory), Sources::Files(inputs)) => {
            sources::faults(directory, inputs, &campaign.settings.input, &results.rejected)?
        }
        _ => Vec::new(),
    };
    Ok(Some(Replayed { summary, faults }))
}

/// The processes, which have to be started with the same flags.
fn cluster(config: &Config, replay: &Replay) -> Result<Cluster, ClusterError> {
    let cluster = Cluster::of(config, &agreed_on::<Campaign>(&config.settings()))?;
    let cluster = cluster
        .started_with("command", "replay")
        .started_with("--as-of", format!("{:?}", replay.as_of));
    let thresholds = replay
        .thresholds
        .as_ref()
        .map(|thresholds| crc32fast::hash(format!("{thresholds:?}").as_bytes()));
    Ok(cluster
        .started_with("--lateness", format!("{:?}", replay.lateness))
        .started_with(
            "--thresholds",
            thresholds.map_or("none".to_string(), |checksum| {
                format!("a file with checksum {checksum:08x}")
            }),
        )
        .started_with(
            "input",
            if matches!(replay.input, Input::Files(_)) { "files" } else { "topics" },
        ))
}

/// Where records came from.
enum Sources {
    Files(Vec<InputFile>),
    /// The topics, and what open transactions held back of them.
    Topics(Box<KafkaSettings>, NamedOffsets),
}

impl Sources {
    /// The name of the file or the partition that a record was in.
    fn name(&self, rejected: &Rejected) -> String {
        match self {
            Sources::Files(inputs) => inputs
                .iter()
                .find(|input| input.topic == rejected.topic)
                .map(InputFile::name)
                .unwrap_or_default(),
            Sources::Topics(kafka, _) => {
                format!("{}[{}]", kafka.topic_name(rejected.topic), rejected.place.partition())
            }
        }
    }
}

fn settings(config: &Config, replay: &Replay) -> Settings {
    let mut settings = config.settings();
    settings.emit.final_features = Some(replay.as_of);
    if let Some(lateness) = replay.lateness {
        settings.time.lateness = lateness;
    }
    settings
}

fn through_dataflow(
    cluster: &Cluster,
    inputs: &[InputFile],
    described: &Campaign,
    streamed: bool,
) -> Result<EpochResults, ReplayError> {
    // What is wrong with a file is known before any worker waits for another.
    open_all(inputs, Seat { index: 0, of: 1 }, Distribution::Whole, &described.settings.input)?;
    let results = Arc::new(Mutex::new(EpochResults::new(0)));
    let (shared, inputs, described) = (Arc::clone(&results), inputs.to_vec(), described.clone());
    let first = cluster.is_first();
    cluster.run(move |worker| work(worker, &inputs, &described, streamed, first, &shared))?;
    // Whoever panicked with the lock in hand has ended the replay.
    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::replace(&mut results, EpochResults::new(0)))
}

fn work(
    worker: &mut Worker,
    inputs: &[InputFile],
    described: &Campaign,
    streamed: bool,
    first: bool,
    results: &Arc<Mutex<EpochResults>>,
) -> Result<(), ReplayError> {
    // A stream's behavior needs one order of all records: one worker reads, the others share the
    // rest of the work.
    let (distribution, seat) = match streamed {
        true => (Distribution::Whole, Seat { index: worker.index(), of: 1 }),
        false => (Distribution::Split, Seat { index: worker.index(), of: worker.peers() }),
    };
    let readers = if seat.index < seat.of {
        open_all(inputs, seat, distribution, &described.settings.input)?
    } else {
        Vec::new()
    };
    let total = readers.iter().map(|reader| reader.progress().1).sum();
    let progress = if first && worker.index() == 0 {
        Progress::start("replay", Unit::Bytes, total)
    } else {
        Progress::silent()
    };
    let complete = Arc::new(AtomicU64::new(0));
    let results = Arc::clone(results);
    let failure = First::<FileError>::default();
    worker.dataflow::<u64, _, _>(|scope| {
        let done = Arc::clone(&complete);
        let feed = source(
            scope,
            readers,
            streamed.then_some(STREAMED),
            move || done.load(Ordering::Relaxed),
            progress,
            failure.teller(),
        );
        deliver(
            described.build(feed, described.anew(scope.index(), scope.peers())),
            move |delivery| match delivery {
                Delivery::Item(_, output) => {
                    results.lock().unwrap_or_else(PoisonError::into_inner).add(output);
                }
                Delivery::CompleteBefore(epoch) => complete.store(epoch, Ordering::Relaxed),
                Delivery::End => complete.store(u64::MAX / 2, Ordering::Relaxed),
            },
        );
    });
    while worker.step_or_park(None) {
        failure.take().map_or(Ok(()), Err)?;
    }
    Ok(())
}

fn write_results(
    results: &EpochResults,
    described: &Campaign,
    sources: &Sources,
    replay: &Replay,
    threads: usize,
    cost: impl FnOnce() -> Cost,
) -> Result<Summary, ReplayError> {
    let output = OutputDirectory::create(&replay.output)?;
    let names = described.features.names();
    let rows = sorted_rows(&results.last_features);
    let customers = rows.len() as u64;
    let features_digest = output.features(names, &rows, threads)?;
    let model = model_file(results, described, &features_digest);
    output.model(&model)?;
    let mut thresholds = replay.thresholds.clone().unwrap_or_else(|| results.thresholds.clone());
    thresholds.sort_unstable();
    output.thresholds(&thresholds)?;
    output.dead_letters(&results.rejected, |rejected| sources.name(rejected))?;
    let held_back = match sources {
        Sources::Files(_) => None,
        Sources::Topics(_, held_back) => Some(held_back.clone()),
    };
    let summary = Summary { held_back, ..Summary::new(results, customers, &model, cost()) };
    alert_of_unread_erasures(&results.rejected);
    output.summary(&summary)?;
    Ok(summary)
}

/// The newest state of every configured arm, those that were never played too.
fn arms(results: &EpochResults, described: &Campaign) -> Vec<ArmUpdate> {
    let dimension = described.features.context().dimension();
    let empty = |arm| {
        let totals = Totals::new(dimension);
        ArmUpdate {
            arm,
            model: solve(arm, &totals, described.settings.bandit.serving.ridge),
            totals,
        }
    };
    let newest = |arm| results.arms.iter().rev().find(|update| update.arm == arm).cloned();
    (0..described.settings.input.arms.len() as u32)
        .map(|arm| newest(arm).unwrap_or_else(|| empty(arm)))
        .collect()
}

fn model_file(results: &EpochResults, described: &Campaign, features_digest: &[u8]) -> ModelFile {
    let arms = arms(results, described);
    let context = described.features.context();
    let totals: Vec<(u32, &Totals)> = arms.iter().map(|arm| (arm.arm, &arm.totals)).collect();
    let bandit = &described.settings.bandit;
    ModelFile {
        dimension: context.dimension(),
        context: context.names().to_vec(),
        ridge: bandit.serving.ridge,
        alpha: bandit.serving.alpha,
        arms: arms
            .iter()
            .zip(&described.settings.input.arms)
            .map(|(arm, name)| ArmFile::new(arm, name))
            .collect(),
        digest: hexadecimal(&digest(context.dimension(), context.names(), &totals)),
        features_digest: hexadecimal(features_digest),
    }
}
