//! The bounded job over files or topics: everything through the dataflow as fast as possible, and
//! the results into files.

mod collected;
mod files;
mod sources;
pub mod span;
mod summary;
mod topics;

use crate::blame::Blame;
use crate::cluster::{Cluster, ClusterError};
use crate::config::types::Config;
use crate::files::epochs::NamedOffsets;
use crate::files::error::FileError;
use crate::files::output::{OutputDirectory, OutputError};
use crate::files::source::Cadence;
use crate::files::{InputFile, find_inputs, is_read};
use crate::hosting::agreed_on;
use crate::hosting::replaying::{ReplayAs, ReplayFlags, ReplayTold, Replays};
use crate::kafka::KafkaSettings;
use crate::sink::alerts::alert_of_unread_erasures;
use crate::sink::gathered::{Essentials, Gathered};
use dataflows::event::Rejected;
use files::through_dataflow;
pub use sources::{SourceFault, SourceFaults};
pub use span::{Span, SpanBound};
use std::path::PathBuf;
use std::time::Instant;
pub use summary::{Cost, ReplaySummary};
use summary::{dead_letters, ignored_fields};
pub use topics::TopicsError;

/// What is replayed, and where the results go.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What is read.
    pub input: Input,
    /// Directory of the results.
    pub output: PathBuf,
    /// What is asked for that only some dataflows know.
    pub flags: ReplayFlags,
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
    Results(#[from] OutputError),
    /// A flag that the dataflow does not know.
    #[error("a replay of {dataflow} has no {flag}: leave it out")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// The dataflow.
        dataflow: &'static str,
    },
    /// Results would be taken for input.
    #[error(
        "the results have {file}, which would be read as input where they lie beside it: let \
         --output name another directory than --input"
    )]
    Beside {
        /// The file.
        file: String,
    },
}

impl ReplayError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            ReplayError::Topics(error) => error.blame(),
            ReplayError::Files(error) => error.blame(),
            ReplayError::Cluster(error) => error.blame(),
            ReplayError::Results(OutputError::Write { .. }) => Blame::World,
            ReplayError::Flag { .. } | ReplayError::Beside { .. } => Blame::Usage,
        }
    }
}

/// As a stream, files are cut into epochs of so many blocks.
const STREAMED: Cadence = Cadence { blocks: 4, ahead: 4 };

/// What came of a replay.
#[derive(Debug)]
pub struct ReplayOutcome {
    /// As the file has it.
    pub summary: ReplaySummary,
    /// What the dataflow says of it, in lines for a person.
    pub lines: Vec<String>,
    /// What was hardly meant so with the files that were read, and those that were not.
    pub faults: Vec<SourceFault>,
}

/// Replays the files or topics; `None` in processes other than the first.
///
/// # Errors
/// A flag is not known, files cannot be read or written, or a worker ended.
pub fn replay<D: Replays>(
    config: &Config,
    dataflow: D,
    replay: &Replay,
) -> Result<Option<ReplayOutcome>, ReplayError> {
    let started = Instant::now();
    let agreed = agreed_on::<D>(&dataflow.settings());
    let mut flags = replay.flags.clone();
    let asked = dataflow.replayed(&mut flags)?;
    if let Some(flag) = flags.left() {
        return Err(ReplayError::Flag { flag, dataflow: D::NAME });
    }
    let cluster = cluster(config, &agreed, &asked, replay)?;
    if cluster.is_first() {
        // Hours of reading are not to end at a folder that nothing can be written to.
        OutputDirectory::create(&replay.output)?.try_out()?;
        keep_apart::<D>(replay)?;
    }
    let dataflow = asked.dataflow;
    let (results, sources) = match &replay.input {
        Input::Files(directory) => {
            let inputs = find_inputs(directory, &D::topics())?;
            (
                through_dataflow(&cluster, &inputs, &dataflow, asked.streamed)?,
                Sources::Files(inputs),
            )
        }
        Input::Topics(span) => {
            let kafka = config.kafka_settings();
            let (results, held_back) = topics::replay(&cluster, &kafka, &dataflow, span)?;
            (results, Sources::Topics(Box::new(kafka), held_back))
        }
    };
    if !cluster.is_first() {
        return Ok(None);
    }
    let output = OutputDirectory::create(&replay.output)?;
    let told = dataflow.write(&results, &output, config.workers)?;
    let all = results.essentials();
    let cost = || Cost::since(started, all.records, cluster.peers());
    let (summary, lines) = write_summary(&all, told, &sources, &output, cost)?;
    let faults = match (&replay.input, &sources) {
        (Input::Files(directory), Sources::Files(inputs)) => {
            sources::faults(directory, inputs, &dataflow, all.rejected)?
        }
        _ => Vec::new(),
    };
    Ok(Some(ReplayOutcome { summary, lines, faults }))
}

/// That no result would be taken for input the next time.
fn keep_apart<D: Replays>(replay: &Replay) -> Result<(), ReplayError> {
    let Input::Files(input) = &replay.input else { return Ok(()) };
    let together = match (input.canonicalize(), replay.output.canonicalize()) {
        (Ok(input), Ok(output)) => input == output,
        // Whoever reads there says what is wrong with it.
        _ => false,
    };
    let topics = D::topics();
    match D::files().into_iter().find(|file| is_read(file, &topics)) {
        Some(file) if together => Err(ReplayError::Beside { file }),
        _ => Ok(()),
    }
}

/// Writes what every replay writes, once its own files are; gives the summary, with the lines for a
/// person.
fn write_summary(
    all: &Essentials<'_>,
    told: ReplayTold,
    sources: &Sources,
    output: &OutputDirectory,
    cost: impl FnOnce() -> Cost,
) -> Result<(ReplaySummary, Vec<String>), ReplayError> {
    let ReplayTold { counted, outcome, lines } = told;
    output.dead_letters(all.rejected, |rejected| sources.name(rejected))?;
    let held_back = match sources {
        Sources::Files(_) => None,
        Sources::Topics(_, held_back) => Some(held_back.clone()),
    };
    let summary = ReplaySummary {
        counted,
        dead_letters: dead_letters(all),
        ignored_fields: ignored_fields(all),
        held_back,
        outcome,
        cost: cost(),
    };
    alert_of_unread_erasures(all.rejected);
    output.object("summary.json", &summary)?;
    Ok((summary, lines))
}

/// The processes, which have to be started with the same flags.
fn cluster<D>(
    config: &Config,
    settings: &[(String, String)],
    asked: &ReplayAs<D>,
    replay: &Replay,
) -> Result<Cluster, ClusterError> {
    let cluster = Cluster::of(config, settings)?.started_with("command", "replay");
    let flags = asked.agreed.iter();
    let cluster = flags.fold(cluster, |cluster, (flag, given)| cluster.started_with(flag, given));
    let read = if matches!(replay.input, Input::Files(_)) { "files" } else { "topics" };
    Ok(cluster.started_with("input", read))
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
