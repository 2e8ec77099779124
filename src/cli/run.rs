//! `sluice run`: the long-running job.

use super::cluster::ClusterArgs;
use super::dataflow;
use super::error::ProgramError;
use super::serve::ServeArgs;
use super::{GlobalArgs, load, overrides};
use crate::config::load::Override;
use crate::engine::start::Asked;
use crate::telemetry::logging;
use clap::Args;
use std::path::PathBuf;

/// Flags of `sluice run`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "SIGTERM and SIGINT drain: the epoch is finished, committed and checkpointed \
        before the program ends.

Examples:
  sluice run sluice.toml                        one process, one worker
  sluice run sluice.toml --workers 4            four workers
  sluice run sluice.toml --reconfigure          with another list of terms or arms, from what is \
  kept
  sluice run sluice.toml --rebuild              with other fields or decimals, anew from the topics
  sluice run sluice.toml -n 2 -p 0 & sluice run sluice.toml -n 2 -p 1
                                                two processes on this machine"
)]
pub struct RunArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Name of the job, under which its progress is kept
    #[arg(long, value_name = "NAME", env = "SLUICE_JOB", hide_env_values = true)]
    pub job: Option<String>,
    /// Where a job without progress begins: earliest, latest or a timestamp
    #[arg(long, value_name = "WHERE", env = "SLUICE_KAFKA_START", hide_env_values = true)]
    pub start: Option<String>,
    /// Forget all results and checkpoints of the job and make them anew from the topics, as after a
    /// change of features
    #[arg(
        long,
        env = "SLUICE_REBUILD",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub rebuild: bool,
    /// Go on, or make everything anew, even where retention has removed records: those that the job
    /// has not read yet, which is recorded, or had read
    #[arg(
        long,
        env = "SLUICE_ACCEPT_LOSS",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub accept_loss: bool,
    /// Take other settings over, and compute all results anew from the histories that are kept,
    /// without reading the topics again
    #[arg(
        long,
        conflicts_with = "rebuild",
        env = "SLUICE_RECONFIGURE",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub reconfigure: bool,
    /// Console and API.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Workers and processes.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl RunArgs {
    /// The keys that these flags stand for.
    pub fn overrides(&self) -> Vec<Override> {
        let own = overrides([("job", "--job", &self.job), ("kafka.start", "--start", &self.start)]);
        [own, self.serve.overrides(), self.cluster.overrides()].concat()
    }
}

/// Runs the job until it is told to drain.
///
/// # Errors
/// The configuration is wrong, or the job cannot go on.
pub fn run(args: &RunArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    let mut loaded = load(Some(&args.config), &[global.overrides(), args.overrides()].concat());
    let needed = loaded.config.faults_for_run();
    loaded.add_faults(needed);
    let warnings = loaded.warnings.clone();
    let config = loaded.accept()?;
    logging::start(&config.log);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let &RunArgs { rebuild, accept_loss, reconfigure, .. } = args;
    dataflow::of(&config).run(&config, Asked { rebuild, accept_loss, reconfigure })
}
