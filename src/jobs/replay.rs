//! The bounded job over files or topics: everything through the dataflow as fast as possible, and
//! the results into files.

mod files;
mod sources;
pub mod span;
mod topics;
mod writing;

use crate::blame::Blame;
use crate::campaign::replayed::{Cost, OutputDirectory, SinkError, Summary};
use crate::cluster::{Cluster, ClusterError};
use crate::config::types::Config;
use crate::files::epochs::NamedOffsets;
use crate::files::error::FileError;
use crate::files::source::Epochs;
use crate::files::{InputFile, find_inputs};
use crate::hosting::agreed_on;
use crate::kafka::KafkaSettings;
use crate::telemetry::usage::usage;
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::Day;
use dataflows::customer::Features;
use dataflows::event::{Millis, Rejected};
use dataflows::settings::Settings;
use files::through_dataflow;
pub use sources::{SourceFault, SourceFaults};
pub use span::{Place, Span};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
pub use topics::TopicsError;
use writing::write_results;

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
