//! `sluice replay`: historical files through the dataflow as fast as possible.

use super::cluster::ClusterArgs;
use super::error::ProgramError;
use super::{GlobalArgs, duration, instant, load, print, print_json};
use crate::files::sink::Summary;
use crate::files::thresholds;
use crate::jobs::replay::{Replay, replay};
use crate::telemetry::logging;
use clap::Args;
use dataflows::event::Millis;
use std::path::PathBuf;

/// Flags of `sluice replay`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The input directory has transactions.jsonl or .csv and, if wanted, customers, interactions, rewards and requests, each also as .gz or .zst.
The output directory gets features.csv, model.json, thresholds.csv, summary.json and dead_letters.jsonl.

Examples:
  sluice replay --input history --output results
  sluice replay --input history --output results --workers 4 --as-of 2024-03-01
  sluice replay --input new --output results --thresholds old/thresholds.csv"
)]
pub struct ReplayArgs {
    /// Directory of the files
    #[arg(long, value_name = "DIR", env = "SLUICE_REPLAY_INPUT", hide_env_values = true)]
    pub input: PathBuf,
    /// Directory for the results; made if it is not there
    #[arg(long, value_name = "DIR", env = "SLUICE_REPLAY_OUTPUT", hide_env_values = true)]
    pub output: PathBuf,
    /// Configuration of features, policy and limits
    #[arg(long, value_name = "FILE", env = "SLUICE_REPLAY_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Instant that features.csv holds for; without it that of the latest event
    #[arg(long, value_name = "T", value_parser = instant, env = "SLUICE_REPLAY_AS_OF", hide_env_values = true)]
    pub as_of: Option<Millis>,
    /// Treats the files as streams: each is one partition, read in order, and what is later than this is late
    #[arg(long, value_name = "D", value_parser = duration, env = "SLUICE_REPLAY_LATENESS", hide_env_values = true)]
    pub lateness: Option<Millis>,
    /// Published daily thresholds to take instead of computing them, in the form of thresholds.csv
    #[arg(long, value_name = "FILE", env = "SLUICE_REPLAY_THRESHOLDS", hide_env_values = true)]
    pub thresholds: Option<PathBuf>,
    /// Workers and processes.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Replays the files and prints what came of it.
///
/// # Errors
/// The configuration is wrong, files cannot be read or written, or a worker ended.
pub fn run(args: &ReplayArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let loaded = load(args.config.as_deref(), &[global.overrides(), args.cluster.overrides()].concat());
    let warnings = loaded.warnings.clone();
    let config = loaded.accept()?;
    logging::start(&config.log);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let thresholds = args.thresholds.as_deref().map(thresholds::read).transpose()?;
    let features = config.features()?;
    let job = Replay { input: args.input.clone(), output: args.output.clone(), as_of: args.as_of, lateness: args.lateness, thresholds };
    match replay(&config, features, &job)? {
        None => Ok(()),
        Some(summary) if global.json => print_json(&serde_json::to_value(&summary).unwrap_or_default()),
        Some(summary) => print(&describe(&summary, &args.output)),
    }
}

fn describe(summary: &Summary, output: &std::path::Path) -> String {
    let rejected: u64 = summary.dead_letters.values().sum();
    format!(
        "{} records: {} purchases and {} interactions of {} customers settled, {} duplicates, {} rejected
model digest     {}
features digest  {}
{:.2} s, {:.2} s of CPU, {:.0} events/s, {:.0} MB at the peak; results in {}",
        summary.records,
        summary.transactions,
        summary.interactions,
        summary.customers,
        summary.duplicates,
        rejected,
        summary.digest,
        summary.features_digest,
        summary.wall_seconds,
        summary.cpu_seconds,
        summary.events_per_second,
        summary.peak_memory_bytes as f64 * 1e-6,
        output.display(),
    )
}
