//! `sluice replay`: historical files, or a stretch of the topics, through the dataflow as fast as
//! possible.

use super::cluster::ClusterArgs;
use super::error::ProgramError;
use super::{GlobalArgs, dataflow, duration, instant, load, print, print_json};
use crate::engine::replay::{Input, Replay, ReplayOutcome, SourceFaults, Span, SpanBound};
use crate::hosting::replaying::ReplayFlags;
use crate::telemetry::logging;
use clap::Args;
use dataflows::event::Millis;
use std::path::{Path, PathBuf};

/// Flags of `sluice replay`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["input", "from"]))]
#[command(
    after_help = "The input directory has transactions.jsonl or .csv and, if wanted, customers, \
        interactions, rewards and requests, each also as .gz or .zst; \
of dataflow arrivals, arrivals.
Topics are read at the brokers of the configuration, beside a job that may be running and without \
disturbing it; nothing is late, as with files. \
WHERE is earliest, latest, a timestamp (as the broker dates records), or offsets, as a file or as \
they are: '{\"transactions\": {\"0\": 17}}'. \
Topics and partitions that are left out of the offsets are read whole: of --from from their first \
record on, of --until to their end. What lies behind a \
transaction that is open is not read; a warning and held_back in summary.json say how many offsets \
of which partitions that are.
The output directory gets features.csv, model.json, thresholds.csv, summary.json and \
dead_letters.jsonl; of dataflow arrivals its table in the place of the first three, arrivals.csv. \
That one has no --as-of, --lateness or --thresholds.
The exit code is 1 where the files were hardly meant so: all rows of a file, or its first 1,000, \
are rejected for one reason, or files look like input but \
have other names (Transactions.csv, rewards.ndjson). The results are written all the same; \
--allow-rejects takes the files as they are.

Examples:
  sluice replay --input history --output results
  sluice replay --input history --output results --workers 4 --as-of 2024-03-01
  sluice replay --input new --output results --thresholds old/thresholds.csv
  sluice replay --config sluice.toml --from earliest --output results
  sluice replay --config sluice.toml --from 2024-03-01 --until 2024-04-01 --output results
  psql -At -c \"SELECT row_to_json(e) FROM sluice.epochs e WHERE job = 'campaign' ORDER BY epoch\" \
  > epochs.jsonl
  sluice replay --config sluice.toml --from earliest --epochs epochs.jsonl --output results"
)]
pub struct ReplayArgs {
    /// Directory of the files
    #[arg(long, value_name = "DIR", env = "SLUICE_REPLAY_INPUT", hide_env_values = true)]
    pub input: Option<PathBuf>,
    /// Replays the topics instead, from here on: earliest, a timestamp, or offsets
    #[arg(
        long,
        value_name = "WHERE",
        value_parser = first,
        requires = "config",
        env = "SLUICE_REPLAY_FROM",
        hide_env_values = true
    )]
    pub from: Option<SpanBound>,
    /// And up to here: latest, a timestamp, or offsets; without it the ends as they are at the
    /// start
    #[arg(
        long,
        value_name = "WHERE",
        value_parser = last,
        requires = "from",
        env = "SLUICE_REPLAY_UNTIL",
        hide_env_values = true
    )]
    pub until: Option<SpanBound>,
    /// Cuts them into these epochs, as the table epochs has them, and ends with the last; a JSON
    /// object a line
    #[arg(
        long,
        value_name = "FILE",
        requires = "from",
        conflicts_with = "until",
        env = "SLUICE_REPLAY_EPOCHS",
        hide_env_values = true
    )]
    pub epochs: Option<PathBuf>,
    /// Directory for the results; made if it is not there
    #[arg(long, value_name = "DIR", env = "SLUICE_REPLAY_OUTPUT", hide_env_values = true)]
    pub output: PathBuf,
    /// Configuration of features, policy and limits
    #[arg(long, value_name = "FILE", env = "SLUICE_REPLAY_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Instant that features.csv holds for; without it that of the latest event
    #[arg(
        long,
        value_name = "T",
        value_parser = instant,
        env = "SLUICE_REPLAY_AS_OF",
        hide_env_values = true
    )]
    pub as_of: Option<Millis>,
    /// Treats the files as streams: each is one partition, read in order, and what is later than
    /// this is late
    #[arg(
        long,
        value_name = "D",
        value_parser = duration,
        conflicts_with = "from",
        env = "SLUICE_REPLAY_LATENESS",
        hide_env_values = true
    )]
    pub lateness: Option<Millis>,
    /// Published daily thresholds to take instead of computing them, in the form of thresholds.csv
    #[arg(long, value_name = "FILE", env = "SLUICE_REPLAY_THRESHOLDS", hide_env_values = true)]
    pub thresholds: Option<PathBuf>,
    /// Ends with 0 also where all first rows of a file are rejected for one reason, or files look
    /// like input and are not read
    #[arg(long, env = "SLUICE_REPLAY_ALLOW_REJECTS", hide_env_values = true)]
    pub allow_rejects: bool,
    /// Workers and processes.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl ReplayArgs {
    /// What is replayed. One of the two is given: the command line is refused otherwise.
    fn source(&self) -> Input {
        match (&self.from, &self.input) {
            (Some(from), _) => Input::Topics(Span {
                from: from.clone(),
                until: self.until.clone().unwrap_or(SpanBound::Latest),
                epochs: self.epochs.clone(),
            }),
            (None, input) => Input::Files(input.clone().unwrap_or_default()),
        }
    }

    /// What only some dataflows know.
    fn flags(&self) -> ReplayFlags {
        let times = [("--as-of", self.as_of), ("--lateness", self.lateness)];
        let times = times.into_iter().filter_map(|(flag, time)| Some((flag, time?)));
        let files = self.thresholds.iter().map(|file| ("--thresholds", file.clone()));
        ReplayFlags { times: times.collect(), files: files.collect() }
    }
}

/// Where a replay of topics begins.
fn first(text: &str) -> Result<SpanBound, String> {
    place(text)
        .filter(|place| *place != SpanBound::Latest)
        .ok_or_else(|| format!("expected earliest, {ELSEWHERE}"))
}

/// Where it ends.
fn last(text: &str) -> Result<SpanBound, String> {
    place(text)
        .filter(|place| *place != SpanBound::Earliest)
        .ok_or_else(|| format!("expected latest, {ELSEWHERE}"))
}

/// What both may be.
const ELSEWHERE: &str = "a timestamp such as 2024-03-01 or 2024-03-01T00:00:00Z, a file of offsets \
    that is there, or offsets such as {\"transactions\": {\"0\": 17}}";

fn place(text: &str) -> Option<SpanBound> {
    match text.trim() {
        "earliest" => Some(SpanBound::Earliest),
        "latest" => Some(SpanBound::Latest),
        offsets if offsets.starts_with('{') => {
            serde_json::from_str(offsets).ok().map(SpanBound::Offsets)
        }
        other => match instant(other) {
            Ok(instant) => Some(SpanBound::Instant(instant)),
            Err(_) => Path::new(text).is_file().then(|| SpanBound::File(PathBuf::from(text))),
        },
    }
}

/// Replays the files or topics and prints what came of it.
///
/// # Errors
/// The configuration is wrong, files cannot be read or written, or a worker ended.
pub fn run(args: &ReplayArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let mut loaded =
        load(args.config.as_deref(), &[global.overrides(), args.cluster.overrides()].concat());
    if args.from.is_some() {
        let needed = loaded.config.faults_for_topics();
        loaded.add_faults(needed);
    }
    let warnings = loaded.warnings.clone();
    let config = loaded.accept()?;
    logging::start(&config.log);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let job = Replay { input: args.source(), output: args.output.clone(), flags: args.flags() };
    let Some(replayed) = dataflow::of(&config).replay(&config, &job)? else { return Ok(()) };
    if global.json {
        print_json(&serde_json::to_value(&replayed.summary).unwrap_or_default())?;
    } else {
        print(&describe(&replayed, &args.output))?;
    }
    let faults = replayed.faults;
    if !faults.is_empty() && !args.allow_rejects {
        return Err(SourceFaults(faults).into());
    }
    faults.iter().for_each(|fault| tracing::warn!("{fault}"));
    Ok(())
}

fn describe(replayed: &ReplayOutcome, output: &Path) -> String {
    let cost = format!("{}; results in {}", replayed.summary.cost.line(), output.display());
    let lines = replayed.lines.iter().chain([&cost]);
    lines.map(String::as_str).collect::<Vec<_>>().join("\n")
}
