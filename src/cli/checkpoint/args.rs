//! What the subcommands on checkpoints are told.

use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::cli::overrides;
use crate::config::load::Override;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Flags of `sluice checkpoint`.
#[derive(Clone, Debug, Args)]
pub struct CheckpointArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CheckpointCommand,
}

/// What to do with checkpoints.
#[derive(Clone, Debug, Subcommand)]
pub enum CheckpointCommand {
    /// Lists the checkpoints, newest first, each complete or with why not
    List(ListArgs),
    /// Shows what is in a checkpoint: epoch, offsets, customers, files
    Inspect(InspectArgs),
    /// Reads every file of a checkpoint, compares it with its checksum and looks at what is in it
    Verify(CheckpointVerifyArgs),
    /// Removes all but the newest checkpoints, and files that belong to none
    Prune(PruneArgs),
}

/// Flags of `sluice checkpoint list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice checkpoint list sluice.toml
  sluice checkpoint list sluice.toml --json")]
pub struct ListArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
}

/// Flags of `sluice checkpoint inspect`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice checkpoint inspect sluice.toml              the newest that can be used
  sluice checkpoint inspect sluice.toml 120 --json   the manifest of epoch 120, with every file")]
pub struct InspectArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Its epoch [default: the newest that can be used]
    #[arg(value_name = "EPOCH")]
    pub epoch: Option<u64>,
    /// Of several histories, which one.
    #[command(flatten)]
    pub of: HistoryArgs,
}

/// Flags of `sluice checkpoint verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice checkpoint verify sluice.toml         the newest that can be used
  sluice checkpoint verify sluice.toml 120     that of epoch 120
  sluice checkpoint verify sluice.toml --all   every one; with damage, the exit code is 1")]
pub struct CheckpointVerifyArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Its epoch [default: the newest that can be used]
    #[arg(value_name = "EPOCH", conflicts_with = "all")]
    pub epoch: Option<u64>,
    /// Verifies every checkpoint
    #[arg(
        long,
        env = "SLUICE_CHECKPOINT_VERIFY_ALL",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub all: bool,
    /// Of several histories, which one.
    #[command(flatten)]
    pub of: HistoryArgs,
}

/// Flags of `sluice checkpoint prune`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The newest complete checkpoint of a history is never removed, nor what a running \
        job is writing.

Examples:
  sluice checkpoint prune sluice.toml            keeps as many as checkpoint.keep says
  sluice checkpoint prune sluice.toml --keep 1   keeps only the newest"
)]
pub struct PruneArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Checkpoints to keep [default: 2]
    #[arg(long, value_name = "N", env = "SLUICE_CHECKPOINT_KEEP", hide_env_values = true)]
    pub keep: Option<String>,
    /// Of several histories, which one.
    #[command(flatten)]
    pub of: HistoryArgs,
}

/// What stands for a history where checkpoints do not say whose they are.
pub(super) const UNNAMED: &str = "none";

/// Which history is meant where there are checkpoints of several: of another deployment of the job,
/// or of before its progress was lost.
#[derive(Clone, Debug, Default, Args)]
pub struct HistoryArgs {
    /// Only checkpoints of this history, by the first digits that `list` shows; none: of an older
    /// version, which named none
    #[arg(long, value_name = "HISTORY", env = "SLUICE_CHECKPOINT_HISTORY", hide_env_values = true)]
    pub history: Option<String>,
}

impl HistoryArgs {
    /// The checkpoints that are meant: those of each history apart.
    pub(super) fn places(
        &self,
        checkpoints: &Checkpoints,
    ) -> Result<Vec<Checkpoints>, CheckpointError> {
        let mut places = checkpoints.histories()?;
        if let Some(wanted) = &self.history {
            places.retain(|place| place.history().unwrap_or(UNNAMED).starts_with(wanted.as_str()));
            if places.is_empty() {
                return Err(CheckpointError::UnknownHistory {
                    address: checkpoints.address(),
                    history: wanted.clone(),
                });
            }
        }
        Ok(if places.is_empty() { vec![checkpoints.clone()] } else { places })
    }
}

impl PruneArgs {
    /// The keys that these flags stand for.
    pub fn overrides(&self) -> Vec<Override> {
        overrides([("checkpoint.keep", "--keep", &self.keep)])
    }
}
